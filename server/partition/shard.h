/* One journal with its state and the partitions that live in it, as the rest of the server uses
 * them.
 *
 * Joins journal/ (order, durability) and state/ (meaning): it is the journal_app. Appends and reads
 * are structs that the caller embeds and sends to the shard's loop; answers come back on the
 * caller's loop.
 *
 * Threads:  shard_post from any loop; everything else on the shard's loop.
 * Lifetime: new -> open -> close -> is_idle -> destroy. */
#ifndef SLUICE_PARTITION_SHARD_H
#define SLUICE_PARTITION_SHARD_H

#include "journal/journal.h"
#include "partition/roller.h"
#include "segment/keys.h"
#include "state/state.h"
#include "wire/batch.h"

struct shard;
struct cache;
struct cold;

/* Events of S that others follow (the topic directory, the broker). May be NULL. */
struct shard_events {
    void (*topic_changed)(void *arg, struct topic_state *t);
    void (*mode_changed)(void *arg, struct shard *sh, enum journal_mode mode, const char *why);
    /* as in struct state_events; each may be NULL */
    void (*topic_deleting)(void *arg, struct topic_state *t);
    void (*topic_deleted)(void *arg, struct topic_state *t);
    void (*quota_changed)(void *arg, const struct quota_state *q, bool is_removed);
    void (*group_changed)(void *arg, struct shard *sh, struct group_state *g);
    void (*offsets_changed)(void *arg, struct shard *sh, struct group_state *g);
    void (*group_deleted)(void *arg, struct shard *sh, struct group_state *g, enum group_gone why);
    void (*part_opened)(void *arg, struct shard *sh, struct part_state *p);
    void (*part_retired)(void *arg, struct shard *sh,
                         struct part_state *p); /* before it is freed */
    void (*part_appended)(void *arg, struct shard *sh, struct part_state *p);
    void (*part_trimmed)(void *arg, struct shard *sh, struct part_state *p);
    void (*part_rolled)(void *arg, struct shard *sh, struct part_state *p);
    /* shard_roll_lag is another number now */
    void (*roll_lag_changed)(void *arg, struct shard *sh, int per_mille);
};

/* Where a segment's two objects are. */
struct segment_place {
    const char *dir; /* "{topic}" or "{topic}~{k}" */
    int32_t partition;
    int64_t base;
    uint32_t gen;
};

struct shard_options {
    struct journal_options journal; /* app and app_arg are filled by shard_new */
    struct cache *cache;            /* borrowed: blocks of entries that left the tail cache */
    struct cold *cold; /* borrowed: what it lets consumers have of the store; NULL: everything */
    const char *segment_namespace;  /* borrowed: the first part of segments' keys, "default" */
    size_t tail_cache_bytes;        /* entries kept in memory behind the tail */
    int64_t producer_expiration_ms; /* idempotent producers silent for so long are forgotten; 0 =
                                       never */
    struct roll_options roll;
    const struct shard_events *events;
    void *events_arg;
};

struct shard *shard_new(const struct shard_options *opts);
void shard_open(struct shard *sh);
void shard_close(struct shard *sh, int64_t deadline_ns);
bool shard_is_idle(const struct shard *sh);
void shard_destroy(struct shard **sh);

struct state *shard_state(struct shard *sh);
struct journal *shard_journal(struct shard *sh);
struct sched *shard_sched(struct shard *sh);
enum journal_mode shard_mode(const struct shard *sh);
/* SL_OK when S is complete and may be served, SL_EPARTITION_FAILED, else SL_ENOT_OPEN. */
enum sl_err shard_ready(const struct shard *sh);
/* How far rolling is behind, per mille of what is tolerable: above 1000 nothing more should be
 * written until it has caught up. */
int shard_roll_lag(const struct shard *sh);
/* What that comes from. */
struct shard_roll_view {
    int lag_pm;
    uint64_t live_bytes, live_runs;          /* batches that no segment has yet */
    uint64_t pinned_entries, pinned_bytes;   /* entries that are kept for them */
    int64_t oldest_ms;                       /* how old the first of them is */
    int64_t pinned_bytes_max, live_runs_max; /* lag 1000; 0: nothing is rolled here */
};
void shard_roll_view(const struct shard *sh, struct shard_roll_view *ret);

/* The key of a segment's object. False when it would be too long for one. */
bool shard_segment_key(const struct shard *sh, const struct segment_place *at,
                       enum segment_file file, char key[STORE_KEY_MAX]);

/* --- append one batch --- */

struct append {
    /* filled by the caller */
    struct uuid topic_id;
    int32_t partition;
    struct span batch; /* validated; copied during stage; lives until done */
    struct batch_info info;
    int64_t deadline_ns;
    bool is_log_append_time;        /* stamp with the broker's wall clock */
    void (*done)(struct append *a); /* on the shard's loop, never from within append_submit */
    void *arg;
    /* filled by the shard */
    enum sl_err rc;
    bool is_duplicate;
    int64_t base_offset, log_append_time_ms, log_start;
    /* the shard's */
    struct shard *shard;
    struct journal_item item;
    struct journal_waiter waiter;
    bool has_refreshed;
    int64_t began_ns;
};
/* On the shard's loop. Appends of one caller to one partition keep their order. */
void append_submit(struct shard *sh, struct append *a);

/* --- propose an op --- */

struct op_proposal {
    enum item_kind kind;
    struct bytes payload; /* filled by the caller (op_encode_...); freed by the caller after done */
    int64_t deadline_ns;
    /* Checked again each time it is staged, against S; NULL = nothing to check. May rewrite
     * payload. */
    enum sl_err (*check)(struct op_proposal *op, const struct state *st);
    /* The op goes into entries along with batches and other such ops, several in flight. Only for
     * the kinds whose check looks at what is in flight (below), and GARBAGE_DONE. Otherwise the op
     * waits until nothing is in flight, and everything behind it waits for it. */
    bool is_pipelined;
    void (*done)(struct op_proposal *op, enum sl_err rc);
    void *arg;
    struct shard *shard;
    struct journal_item item;
};
void op_submit(struct shard *sh, struct op_proposal *op);

/* Checks for op_proposal.check, by kind; errors in state/group.h, segments.h, state.h. */
enum sl_err op_check_group(struct op_proposal *op, const struct state *st);    /* pipelined */
enum sl_err op_check_offsets(struct op_proposal *op, const struct state *st);  /* pipelined */
enum sl_err op_check_register(struct op_proposal *op, const struct state *st); /* pipelined */
enum sl_err op_check_replace(struct op_proposal *op, const struct state *st);  /* pipelined */
enum sl_err op_check_group_delete(struct op_proposal *op, const struct state *st);
enum sl_err op_check_trim(struct op_proposal *op, const struct state *st);
enum sl_err op_check_adopt(struct op_proposal *op, const struct state *st);

/* --- read --- */

/* A piece of the log. One after the other they are whole batches; a batch that lies across blocks
 * of the cache is in several. */
struct read_piece {
    struct buf *owner; /* pins bytes */
    struct span bytes;
};

enum { READ_PIECES_MAX = 256 };

struct part_read {
    /* filled by the caller */
    struct uuid topic_id;
    int32_t partition;
    int64_t offset;
    size_t max_bytes;     /* whole batches up to here ... */
    bool is_at_least_one; /* ... but the first batch even if it is larger */
    bool is_tail_ok;      /* false: R8 is done first, so that "nothing there" is the truth ... */
    bool gives_way;       /* to producers: what has to come from the store may have to wait, and
                             the answer to be shorter (cold.h) */
    uint64_t reader; /* who reads, as the block cache wants to know it (cache.h): several reads of
                        one consumer are one use of a block; 0: nobody who will be back */
    int64_t tail_deadline_ns; /* ... but not longer than this (0: however long it takes): then the
                                 answer is what is known, old but not wrong, or SL_EIO */
    void (*done)(struct part_read *r); /* on the shard's loop; may run within part_read_submit */
    void *arg;
    /* filled by the shard; pieces are given to the caller (part_read_fini) */
    enum sl_err rc;
    int64_t high_watermark, log_start;
    struct read_piece *pieces;
    size_t piece_count, total_bytes;
    /* the shard's */
    struct shard *shard;
    struct journal_waiter waiter;
    struct sched_timer late;
    bool is_late;
    int replans;
};
void part_read_submit(struct shard *sh, struct part_read *r);
/* How many bytes a read from here would give now: whole batches within max_bytes, but at least one.
 */
size_t part_read_size(struct shard *sh, const struct part_read *r, size_t max_bytes);
/* Gives what was read in one buffer; NULL when it is in one piece already. */
struct buf *part_read_join(const struct part_read *r);
/* Drops the pieces. */
void part_read_fini(struct part_read *r);

/* Sleeps until a partition's end moves beyond `offset` (or the partition goes away or its journal
 * changes its mode). */
struct part_waiter {
    struct list node;
    int64_t offset;
    void (*wake)(struct part_waiter *w); /* on the shard's loop, once; not within part_wait */
    void *arg;
};
/* Wakes everybody who sleeps on a partition of this shard. */
void shard_wake_waiters(struct shard *sh);
/* False, and no wait, when there is something to read already. */
bool part_wait(struct shard *sh, const struct uuid *topic_id, int32_t partition,
               struct part_waiter *w);
void part_wait_cancel(struct shard *sh, struct part_waiter *w);

#endif
