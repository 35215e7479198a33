/* Private to journal/. The essay stands at the top of journal.c. */
#ifndef SLUICE_JOURNAL_JOURNAL_INT_H
#define SLUICE_JOURNAL_JOURNAL_INT_H

#include "journal/journal.h"
#include "journal/manifest.h"
#include "journal/mistakes.h"

enum {
    JOURNAL_KEY_MAX = 300,
    KNOWN_MAX = 64,
    BACKOFF_STEPS = 5,
    LOSSES_BEFORE_KNOCK = 3,
    GATHER_BYTES = 512 << 10
};

/* One store call of the journal. Calls outlive a change of mind: `generation` says whether the
 * answer is still wanted. */
struct jcall {
    struct store_call call; /* first member */
    struct journal *jn;
    uint64_t generation, follow_generation;
    uint64_t n;
    struct slot *slot;
    struct bytes body;                 /* put: what the parts point into */
    void (*answered)(struct jcall *c); /* frees nothing; the caller of it frees c */
};

enum slot_state {
    SLOT_PUTTING,
    SLOT_RESOLVING, /* outcome unknown: reading n, or waiting to ask again */
    SLOT_WON,
    SLOT_LOST,
    SLOT_FAILED /* the store said that nothing was and will be stored */
};

/* An entry of ours on its way. */
struct slot {
    struct list node;
    struct journal *jn;
    uint64_t n;
    struct uuid id;
    enum slot_state state;
    struct entry_builder b;
    struct span object;
    uint32_t crc;
    int64_t sent_ns, ended_ns;
    unsigned tries;
    struct list items;
    struct sched_timer retry;
    bool is_doubtful;  /* some attempt may still land: "refused" says nothing about that one */
    bool is_abandoned; /* lost its place; freed when its call comes back */
    bool has_call;
    enum sl_err rc; /* SLOT_FAILED */
};

/* An entry whose content is known and whose chain is checked, waiting to be verified (R4). */
struct known {
    struct list node;
    uint64_t n;
    struct uuid id;
    bool is_void, is_own;
    int64_t sent_ns;    /* own */
    struct buf *body;   /* pins the bytes */
    struct span object; /* head at least */
    struct entry_view view;
    int64_t ended_ns;
    struct list items;
};

struct fetch; /* follow.c */
enum follow_why { FOLLOW_OPEN, FOLLOW_LOST, FOLLOW_REFRESH };

struct journal {
    struct journal_options o;
    struct diag log;
    struct diag_kv log_kv[1];
    char prefix[JOURNAL_KEY_MAX], manifest_prefix[JOURNAL_KEY_MAX],
        snapshot_prefix[JOURNAL_KEY_MAX];
    enum journal_mode mode;
    char why[320];       /* FAILED */
    uint64_t generation; /* bumped by every (re)open and close */
    size_t calls;        /* store calls outstanding */

    /* the chain */
    uint64_t safe;       /* last verified entry: S is the state after it */
    struct uuid safe_id; /* id of the last valid entry <= safe */
    uint64_t tail;       /* last entry whose content is known */
    struct uuid tail_id; /* id of the last valid entry <= tail */
    struct list known;   /* (safe, tail] */
    size_t known_count;

    /* proposing */
    struct list slots; /* in flight, ascending, from tail + 1 */
    size_t slot_count; /* not yet resolved */
    uint64_t next_n;
    uint64_t
        alone_n; /* the last op that was sent: behind it nothing is staged until it is applied */
    struct uuid last_id; /* what the next entry links to */
    struct list queue;
    size_t queued_items, queued_bytes;
    int64_t oldest_queued_ns;
    struct sched_task pump_task;
    bool is_pump_posted;
    struct sched_timer linger;
    int64_t propose_not_before_ns;
    bool
        is_draining; /* the speculation was dropped: S must reach the tail before staging goes on */
    unsigned losses, failures;
    int64_t contended_until_ns; /* another broker wrote lately: one at a time, with gaps (R9) */
    uint64_t last_won;
    int64_t last_won_ns; /* when it was sent, once verified: nobody else wrote before that */
    int64_t put_latency_ns;
    struct sched_timer deadlines;
    bool is_closing;
    int64_t close_deadline_ns;

    /* verifying */
    struct manifest manifest; /* newest seen */
    uint64_t boundary_seen;
    uint64_t missing_version; /* opening: manifest whose snapshot, missing_key, was absent */
    char missing_key[STORE_KEY_MAX];
    bool has_window;
    int64_t window_ns; /* t0 of the last check that passed */
    bool is_checking, is_check_wanted;
    uint64_t checks_begun, checks_passed; /* passed: the youngest that did */
    uint64_t check_u;
    int64_t check_t0;
    unsigned check_failures;
    uint64_t checked_u; /* everything up to here was seen before a check that passed */
    uint64_t applied_since_check;
    struct sched_timer check_timer;

    /* following */
    enum follow_why follow_why;
    uint64_t follow_generation; /* bumped by every start and stop of a reading */
    struct list fetches;        /* struct fetch, ascending */
    size_t fetch_count;
    uint64_t fetch_next, listed_through;
    bool is_tail_reached;
    int64_t look_ns;         /* when the last look began */
    int64_t last_tail_ns;    /* when the last look that reached the tail began */
    int64_t last_foreign_ns; /* an entry of another broker was met */
    bool is_judging;         /* between an absent key and the word on it; nothing is read ahead */
    bool is_absence_open;    /* the key behind the tail is absent, but was it ever there? */
    int64_t absence_ns;      /* when that was known, */
    uint64_t absence_checks; /* and checks_begun then */
    uint64_t looks_begun, looks_done; /* readings to the tail; done: the youngest that ended */
    bool is_look_wanted;              /* a refusal waits for one; nothing is staged until then */
    struct sched_timer follow_timer;
    unsigned follow_failures;
    struct list waiters, waiters_next; /* refresh: of the read under way; of the one after it */
    struct store_listing *beyond;      /* entries behind an absent one */
    size_t beyond_pos;

    /* snapshots and collection */
    bool is_snapshotting, is_snapshot_wanted;
    uint64_t entries_since_snapshot, bytes_since_snapshot, last_snapshot_bytes;
    int64_t last_snapshot_ns;
    uint64_t pending_snapshot_n, pending_boundary;
    char pending_snapshot_key[JOURNAL_KEY_MAX];
    uint64_t deletable; /* entries up to here may go at collect_due_ns */
    uint64_t doomed_version, doomed_snapshot_n;
    struct sched_timer collect_timer;
    bool is_collecting;
    struct store_listing *page; /* of the round under way, or NULL */
    size_t page_pos, deletions;
};

/* journal.c */
struct jcall *journal__call_new(struct journal *jn, enum store_kind kind,
                                void (*answered)(struct jcall *c));
void journal__call_submit(struct jcall *c);
void journal__set_mode(struct journal *jn, enum journal_mode mode, const char *why);
/* Fails the journal loudly: names the object. */
void journal__fail(struct journal *jn, const char *key, const char *why);
/* Discards S and everything in flight and opens again. */
void journal__reopen(struct journal *jn, const char *why);
/* Ends every item of a list with rc. */
void journal__end_items(struct list *items, enum sl_err rc, uint64_t n);
int64_t journal__backoff(struct journal *jn, int64_t base_ns, unsigned failures, int64_t most_ns);
void journal__arm_deadlines(struct journal *jn);

/* propose.c */
void journal__pump_soon(struct journal *jn);
void journal__pump(struct journal *jn);
/* Moves resolved slots from the front to `known`; handles a lost or failed one. */
void journal__advance_slots(struct journal *jn);
/* Another broker wins every time: puts an empty, void entry a little ahead of it, where it will
 * lose and notice us (R9). */
void journal__knock(struct journal *jn);
/* Lets go of every slot; items are put at `items`. */
void journal__abandon_slots(struct journal *jn, struct list *items);

/* verify.c */
void journal__verify(struct journal *jn);
void journal__check_soon(struct journal *jn);
void journal__known_free(struct known **k);
void journal__clear_known(struct journal *jn, enum sl_err rc);
/* Takes notice of a manifest; true when the journal goes on, false when it reopened. */
bool journal__saw_manifest(struct journal *jn, const struct manifest *m);

/* open.c */
void journal__open_start(struct journal *jn);

/* follow.c */
void journal__follow_start(struct journal *jn, enum follow_why why);
void journal__follow_stop(struct journal *jn);
/* Everything known was applied; a follower that has reached the tail goes live. */
void journal__follow_settled(struct journal *jn);
/* A check passed: what is absent may be the tail now. */
void journal__absence_settle(struct journal *jn);
/* Begins a reading to the tail if somebody waits for one and nothing of ours is on its way. */
void journal__look_maybe(struct journal *jn);
/* An own entry n was verified: so the tail was reached when it was sent. */
void journal__own_entry_seen(struct journal *jn, uint64_t n);

/* checkpoint.c */
void journal__checkpoint_maybe(struct journal *jn);
/* collect.c */
void journal__collect_later(struct journal *jn, uint64_t boundary);
void journal__collect_stop(struct journal *jn);

#endif
