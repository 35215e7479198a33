/* Changing the configuration of topics: one op in journal 0 for all topics of a request.
 *
 * Each topic has its own outcome. What a value is appended to or taken from is the value at the
 * moment when the op is staged, so two clients that append do not undo each other.
 *
 * Threads:  submit from any loop; the work on journal 0's loop; done on `home`.
 * Lifetime: the caller keeps the request until done. */
#ifndef SLUICE_ADMIN_TOPIC_ALTER_H
#define SLUICE_ADMIN_TOPIC_ALTER_H

#include "admin/topics.h"

/* Kafka's AlterConfigOp. */
enum topic_edit_kind { TOPIC_EDIT_SET, TOPIC_EDIT_DELETE, TOPIC_EDIT_APPEND, TOPIC_EDIT_SUBTRACT };
struct topic_edit {
    struct span name;
    enum topic_edit_kind kind;
    struct span value; /* not null, but for DELETE */
};
struct topic_alter_item {
    struct span topic;
    const struct topic_edit *edits; /* each name once */
    size_t edit_count;
    bool is_replaced;            /* values that are not named here are forgotten */
    const char *cleanup_default; /* cleanup.policy of a topic that does not say, to append to */
    bool is_skipped;             /* the caller refused it already; rc stays */
    /* answer: SL_OK, SL_EUNKNOWN_PARTITION (no such topic), SL_EINVALID_CONFIG and why,
     * SL_ETIMEOUT, ... */
    enum sl_err rc;
    char why[240];
};
struct topic_alter {
    struct topic_alter_item *items;
    size_t count;
    bool is_validate_only;
    int64_t deadline_ns;
    struct sched *home;
    void (*done)(struct topic_alter *x);
    void *arg;
    struct sched_task task;
    struct topic_admin *admin;
    struct op_proposal op;
};
/* At most what an item takes of the op, which has room for TOPIC_ALTER_BYTES_MAX. The caller sees
 * to it. */
enum { TOPIC_ALTER_BYTES_MAX = 6 << 20 };
size_t topic_alter_item_bytes(const struct topic_alter_item *it);
void topic_alter_submit(struct topic_admin *a, struct topic_alter *x);

#endif
