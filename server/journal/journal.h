/* One journal: an order of entries that any number of brokers agree on through create-if-absent.
 * Rules R1-R5 and R8 of docs/journal.md; knows no topic.
 *
 * The owner (partition/shard.c, the simulator) gives entries their meaning through struct
 * journal_app and proposes items. The journal stages items into entries against the owner's state
 * plus what is in flight, commits entries, resolves unknown outcomes, verifies, and only then
 * applies an entry to the owner's state and completes its items. The owner's state is therefore
 * never ahead of what is verified: whatever is read from it may leave the broker.
 *
 * Threads:  everything on sched's loop.
 * Lifetime: new -> open -> propose* -> close (idempotent; items in flight end) -> is_idle ->
 * destroy. */
#ifndef SLUICE_JOURNAL_JOURNAL_H
#define SLUICE_JOURNAL_JOURNAL_H

#include "base/diag.h"
#include "base/list.h"
#include "base/sched.h"
#include "journal/entry.h"
#include "store/store.h"

struct journal;

enum journal_mode {
    JOURNAL_CLOSED,
    JOURNAL_OPENING, /* reading manifest, snapshot, entries; retries while the store is away */
    JOURNAL_LIVE,    /* proposing */
    JOURNAL_CATCHUP, /* lost an entry or follows others: reading to the tail before it proposes
                        again */
    JOURNAL_FAILED /* a stored object is missing or corrupt; refuses everything and names the object
                    */
};

/* What the owner does with entries. All calls on the journal's loop; none may call back into the
 * journal except journal_propose. */
struct journal_app {
    /* Applies one valid, verified entry. body is the whole object when this broker wrote it or read
     * it whole, else NULL. An error (unknown op kind, base offset that does not fit) fails the
     * journal; err says why. */
    enum sl_err (*apply)(void *app, const struct entry_view *e, struct buf *body,
                         struct span object, struct sl_error *err);
    /* Forgets what stage() noted since the last apply: the owner's state is S alone again. */
    void (*rollback)(void *app);
    /* Replaces S by a snapshot; an empty span is the state before the first entry. */
    enum sl_err (*restore)(void *app, struct span snapshot, struct sl_error *err);
    /* Appends S to out. */
    void (*snapshot)(void *app, struct bytes *out);
    /* Highest n such that no entry <= n is needed any more by S (R5); 0 when everything is. */
    uint64_t (*collectable)(void *app);
    /* The mode changed; why is set for FAILED. LIVE after OPENING: S is complete and may be served.
     */
    void (*mode_changed)(void *app, enum journal_mode mode, const char *why);
};

/* Something to be committed: a batch, an op. Embedded by its owner, who keeps it (and the bytes
 * that stage copies from) until done. */
struct journal_item {
    struct list node;
    size_t index_bytes; /* most bytes that stage adds to the index, item header included */
    size_t data_bytes;  /* most bytes that stage adds to the data */
    int64_t deadline_ns;
    bool is_alone;         /* op: staged only when nothing is in flight, in an entry of its own,
                              and nothing behind it until it is applied */
    bool is_staged;        /* the journal's */
    enum sl_err verdict;   /* the journal's */
    uint64_t looks_before; /* the journal's */
    /* Checks against S plus what is in flight, appends to the entry. May run again after a lost
     * race. Any answer other than SL_OK is the verdict: nothing may have been appended. SL_OK
     * without appending is "already there" (a retry). The journal tells the verdict through done
     * only when all that it rests on is verified; a refusal, only after it has read to a tail that
     * is younger than the proposal, because another broker may have written what is missing here.
     * (Not so SL_EPRODUCER_EPOCH: what has been fenced stays fenced.) */
    enum sl_err (*stage)(struct journal_item *item, struct entry_builder *b);
    /* SL_OK: durable, verified and applied in entry n (or already there). SL_ETIMEOUT: outcome
     * unknown. Everything else: it is not in the log and will not be. */
    void (*done)(struct journal_item *item, enum sl_err rc, uint64_t n);
};

/* Deliberate mistakes (docs/journal.md section 7), for the simulator only: bits are named in
 * journal/mistakes.h and are constant 0 unless built with SLUICE_MISTAKES. */
struct journal_options {
    struct sched *sched;
    struct store *store;
    const struct diag *log;
    const char *prefix; /* "_sluice" */
    struct uuid cluster;
    uint32_t index;
    int32_t node_id;
    const struct journal_app *app;
    void *app_arg;
    uint32_t max_in_flight; /* k */
    int64_t linger_ns;
    size_t entry_max_bytes;
    bool is_paranoid;             /* check before every acknowledgement */
    bool is_reader;               /* follows, and writes nothing: no snapshot, no collection; what
                                     is proposed ends with SL_ENOTSUP */
    int64_t safe_window_ns;       /* T_safe, 20 s */
    int64_t check_interval_ns;    /* 7 s */
    int64_t grace_ns;             /* G, 1 h */
    uint32_t snapshot_entries;    /* write a snapshot after so many entries; 0 = never */
    int64_t snapshot_interval_ns; /* but not more often than this */
    size_t queue_max_bytes;       /* above it propose refuses with SL_EAGAIN */
};

struct journal *journal_new(const struct journal_options *opts);
void journal_open(struct journal *jn);
/* Takes *item's care until done (which is never called from within journal_propose). */
void journal_propose(struct journal *jn, struct journal_item *item);
/* Stops proposing. What is queued ends with SL_ESHUTDOWN; what is in flight is resolved until
 * deadline_ns, then ends with SL_ETIMEOUT. */
void journal_close(struct journal *jn, int64_t deadline_ns);
/* Closed, and no store call outstanding. */
bool journal_is_idle(const struct journal *jn);
void journal_destroy(struct journal **jn);

/* R8: reads to the tail unless this broker won an entry lately, then runs w->ready(SL_OK); on a
 * journal that failed, SL_EPARTITION_FAILED; when the store does not answer, its error. Waiters
 * that come while a read is under way share the next one. */
struct journal_waiter {
    struct list node;
    uint64_t after_n; /* the journal's */
    bool is_strict;   /* read even if this was done a moment ago: what was acknowledged elsewhere
                         before now has to be seen */
    void (*ready)(struct journal_waiter *w, enum sl_err rc);
};
void journal_refresh(struct journal *jn, struct journal_waiter *w);
void journal_waiter_cancel(struct journal_waiter *w);
/* Would journal_refresh read? False when an own entry that was sent within the last `lately` was
 * won. */
bool journal_is_fresh(const struct journal *jn);
/* Has another broker written here within the last minute? Then readers that wait look more often.
 */
bool journal_has_company(const struct journal *jn);

struct journal_status {
    enum journal_mode mode;
    uint64_t safe, last_won, snapshot_n, gc_boundary, manifest_version;
    size_t in_flight, queued_items, queued_bytes;
    uint64_t snapshot_bytes; /* of the last one that this broker wrote, or 0 */
    struct uuid safe_id;     /* of the last valid entry up to safe */
    char why[320];
};
uint32_t journal_index(const struct journal *jn);
void journal_status(const struct journal *jn, struct journal_status *ret);
/* Asserts the invariants of docs/journal.md section 5 that the journal can see; for tests. */
void journal_check(const struct journal *jn);
/* Writes a snapshot and publishes a manifest now if S moved since the last (tests, shutdown,
 * tools). */
void journal_snapshot_now(struct journal *jn);

#endif
