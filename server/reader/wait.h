/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader for programs that wait: each function runs on the reader's loop and blocks the caller
 * until it is done.
 *
 * Threads: any but the loop's, one at a time. */
#ifndef SLUICE_READER_WAIT_H
#define SLUICE_READER_WAIT_H

#include "reader/reader.h"

/* Makes and opens one, and waits until every journal is live or has failed; NULL when that took
 * more than timeout_ms (negative: however long it takes). opts->ready is not used. */
struct reader *reader_wait_open(const struct reader_options *opts, int64_t timeout_ms);
/* Closes and destroys. */
void reader_wait_close(struct reader **r);

/* What a partition is called, copied. */
struct reader_part {
    struct shard *shard;
    struct uuid topic_id;
    int32_t partition;
    int64_t start, end; /* as the reader knows them */
};
/* SL_EUNKNOWN_PARTITION; SL_EPARTITION_FAILED and SL_ENOT_OPEN when its journal is not there. */
enum sl_err reader_wait_part(struct reader *r, const char *topic, int32_t partition,
                             struct reader_part *ret);
/* Gives the number of partitions; -1: no such topic, or that is not known, because journal 0 is not
 * there: reader_wait_knows. */
int32_t reader_wait_count(struct reader *r, const char *topic);
/* SL_EPARTITION_FAILED or SL_ENOT_OPEN when journal 0, where topics are recorded, is not there. */
enum sl_err reader_wait_knows(struct reader *r);
/* Reads a journal up to now. SL_ETIMEOUT when that took more than timeout_ms. */
enum sl_err reader_wait_refresh(struct reader *r, uint32_t journal, int64_t timeout_ms);
/* part_read with a wait; the caller drops the pieces with part_read_fini. Reads on at the tail when
 * nothing is known beyond it. */
void reader_wait_read(const struct reader_part *p, int64_t offset, size_t max_bytes,
                      struct part_read *ret);
/* The first offset at or after a time; -1: none. */
enum sl_err reader_wait_time(const struct reader_part *p, int64_t time_ms, int64_t *ret_offset);
/* Waits until one of them has something at its offset; false when timeout_ms passed first. */
bool reader_wait_any(struct reader *r, const struct reader_part *parts, const int64_t *offsets,
                     size_t count, int64_t timeout_ms);

/* One store call. Gives what the store gave; the caller frees body and listing. */
void store_wait(struct sched *sched, struct store *st, struct store_call *call);

#endif
