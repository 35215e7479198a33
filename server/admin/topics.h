/* Creating and deleting topics, adding partitions: the two steps of docs/journal.md R7.
 *
 * Journal 0 records the intent (id, partitions, their journals; or that the topic goes); then each
 * partition is opened by an op in its own journal, or each journal retires what it has of the
 * topic; then journal 0 records that this is done, and the request is answered. A crash or a
 * timeout in between leaves ops that are missing; who has journal 0 open looks for them now and
 * then and proposes them again, they are idempotent.
 *
 * Threads:  submit from any loop; the work on journal 0's loop and the partitions'; done on `home`.
 * Lifetime: the caller keeps the request until done. new -> ... -> destroy after the shards are
 * idle. */
#ifndef SLUICE_ADMIN_TOPICS_H
#define SLUICE_ADMIN_TOPICS_H

#include "admin/directory.h"
#include "base/list.h"
#include "partition/shard.h"

struct topic_admin;

struct topic_create_item {
    struct span name; /* checked by the caller: valid characters and length */
    int32_t partition_count;
    struct topic_config *configs;
    size_t config_count;
    bool is_skipped; /* the caller refused it already; rc stays */
    /* answer */
    enum sl_err rc; /* SL_OK, SL_ETOPIC_EXISTS, SL_EINVALID_TOPIC (collision), SL_ETIMEOUT, ... */
    struct uuid id;
};
struct topic_create {
    struct topic_create_item *items;
    size_t count;
    bool is_validate_only;
    int64_t deadline_ns;
    struct sched *home;
    void (*done)(struct topic_create *c);
    void *arg;
    struct list node; /* the admin's */
    struct sched_task task;
    struct topic_admin *admin;
};
/* One op creates no more than this; the caller refuses a request that asks for more. */
enum { TOPIC_CREATE_PARTITIONS_MAX = 200000, TOPIC_CREATE_BYTES_MAX = 8 << 20 };
/* At most what an item takes of the op. */
size_t topic_create_item_bytes(const struct topic_create_item *it);
void topic_create_submit(struct topic_admin *a, struct topic_create *c);

struct partitions_add {
    struct span name;
    int32_t new_count;
    bool is_validate_only;
    int64_t deadline_ns;
    struct sched *home;
    void (*done)(struct partitions_add *p);
    void *arg;
    /* answer: SL_OK, SL_EUNKNOWN_PARTITION (no such topic), SL_EINVALID_PARTITIONS; old_count of S
     */
    enum sl_err rc;
    int32_t old_count;
    struct sched_task task;
    struct topic_admin *admin;
    struct op_proposal op;
    struct uuid topic_id;
};
void partitions_add_submit(struct topic_admin *a, struct partitions_add *p);

struct topic_delete_item {
    struct span name; /* without an id */
    struct uuid id;
    bool has_id;
    bool is_skipped; /* the caller refused it already; rc stays */
    /* answer: SL_OK, SL_EUNKNOWN_PARTITION (by name), SL_EUNKNOWN_TOPIC_ID, SL_EINVAL (the same
     * topic stands in the request twice, by name and by id), SL_ETIMEOUT, ... */
    enum sl_err rc;
    struct uuid found;
};
struct topic_delete {
    struct topic_delete_item *items;
    size_t count;
    int64_t deadline_ns;
    struct sched *home;
    void (*done)(struct topic_delete *x);
    void *arg;
    struct sched_task task;
    struct topic_admin *admin;
    struct op_proposal op;
};
/* The names are free when it is done. */
void topic_delete_submit(struct topic_admin *a, struct topic_delete *x);

/* Makes what this broker knows of topics as new as the store: runs done on `home` after journal 0
 * was read to its tail (R8). */
struct topics_refresh {
    int64_t deadline_ns; /* SL_ETIMEOUT when the store does not answer by then; 0: no limit */
    struct sched *home;
    void (*done)(struct topics_refresh *r);
    void *arg;
    enum sl_err rc;
    struct sched_task task;
    struct journal_waiter waiter;
    struct sched_timer late;
    struct topic_admin *admin;
};
void topics_refresh_submit(struct topic_admin *a, struct topics_refresh *r);

struct topic_admin *topic_admin_new(struct shard *const *shards, uint32_t shard_count);
void topic_admin_destroy(struct topic_admin **a);
/* [journal 0's loop] Journal 0 went live: proposes opens and retirements that are missing. */
void topic_admin_opened(struct topic_admin *a);

#endif
