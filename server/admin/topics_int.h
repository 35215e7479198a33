/* Private to admin/: what the files that change topics share. All of it on journal 0's loop, unless
 * it says otherwise. */
#ifndef SLUICE_ADMIN_TOPICS_INT_H
#define SLUICE_ADMIN_TOPICS_INT_H

#include "admin/topics.h"

struct topic_admin {
    struct shard *const *shards;
    uint32_t shard_count;
    struct {
        struct list waiting;  /* of topic_create */
        struct list creating; /* those of the op under way */
        struct op_proposal op;
        bool is_busy;
    } create;
    size_t drives;
    struct sched_timer sweep;
    struct janitor *janitor; /* while it looks for orphans */
    int64_t next_janitor_ns;
};

static inline struct sched *
admin__home(const struct topic_admin *a)
{
    return shard_sched(a->shards[0]);
}

/* Which journals the partitions of a topic live in. The caller frees it. */
uint32_t *admin__choose_journals(const struct topic_admin *a, const struct uuid *id, int32_t count);

/* drive.c: the second step of R7 for some topics, in all journals concerned; then journal 0 records
 * it done. */
enum drive_kind {
    DRIVE_OPEN,   /* open what is missing; TOPICS_OPENED */
    DRIVE_RETIRE, /* retire in every journal; TOPIC_DELETED */
    DRIVE_ORPHANS /* retire what journal 0 does not know; nothing to record */
};
struct drive {
    /* filled by the caller */
    enum drive_kind kind;
    int64_t deadline_ns;
    void (*done)(struct drive *d); /* may be NULL */
    void *arg;
    enum sl_err rc; /* answer */
    /* the drive's */
    struct topic_admin *admin;
    size_t pending;
    struct uuid *ids;
    int32_t *counts;
    size_t topic_count;
    struct op_proposal record;
};
struct drive *admin__drive_new(struct topic_admin *a, enum drive_kind kind, int64_t deadline_ns);
/* Borrows topics for the call; d ends, and frees itself, after done. */
void admin__drive_start(struct drive *d, struct topic_state *const *topics, size_t count);
/* DRIVE_ORPHANS. Borrows ids for the call. */
void admin__drive_orphans(struct drive *d, const struct uuid *ids, size_t count);

/* janitor.c: looks, now and then, for partitions that are open in a journal and that journal 0 does
 * not know, and retires them. */
void admin__janitor_run(struct topic_admin *a);

#endif
