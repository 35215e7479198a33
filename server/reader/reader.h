/* SPDX-License-Identifier: Apache-2.0
 *
 * A bucket, read without a broker: topics, partitions, records, straight from the store.
 *
 * Made of the same shards that a broker serves from (partition/), opened to read only: they follow
 * each journal by R1, trust what they applied by R4, look at the tail by R8, and write nothing. So
 * what a reader sees is a prefix of what every other reader sees, whether brokers run or not.
 * Tools stand on it (cli/), and so will processors.
 *
 * Threads:  everything on options.sched, unless a function says otherwise.
 * Lifetime: new -> open -> ready() -> ... -> close -> is_idle -> destroy. */
#ifndef SLUICE_READER_READER_H
#define SLUICE_READER_READER_H

#include "partition/lookup.h"
#include "partition/shard.h"
#include "store/cache.h"

struct reader;

struct reader_options {
    struct sched *sched;
    struct store *store;           /* borrowed */
    struct cache *cache;           /* borrowed */
    const char *prefix;            /* "_sluice"; borrowed */
    const char *segment_namespace; /* "default"; borrowed */
    struct uuid cluster;           /* of cluster.json */
    uint32_t journals;             /* of cluster.json */
    const struct diag *log;        /* may be NULL */
    /* R4, as the brokers of the bucket have them: for how long a look at the store is trusted must
     * fit their grace period. */
    int64_t safe_window_ms, check_interval_ms;
    bool is_writer; /* ops may be proposed (repair/); nothing is rolled or deleted */
    /* Each journal is live or has failed. Once. */
    void (*ready)(void *arg);
    void *arg;
};
struct reader *reader_new(const struct reader_options *opts);
void reader_open(struct reader *r);
void reader_close(struct reader *r);
bool reader_is_idle(const struct reader *r);
void reader_destroy(struct reader **r);

const struct reader_options *reader_options_of(const struct reader *r);
struct shard *reader_shard(const struct reader *r, uint32_t journal);
/* SL_OK: it is live. SL_EPARTITION_FAILED: *ret_why (borrowed) names the object. SL_ENOT_OPEN. */
enum sl_err reader_journal(const struct reader *r, uint32_t journal, const char **ret_why);
/* As journal 0 has it; NULL: no such topic. Valid until the loop is given back. */
const struct topic_state *reader_topic(const struct reader *r, struct span name);
/* The shard of a topic's partition; NULL: it has no such partition. */
struct shard *reader_part_shard(const struct reader *r, const struct topic_state *t,
                                int32_t partition);

#endif
