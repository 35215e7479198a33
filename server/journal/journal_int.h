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
    HEAD_GUESS = 64 << 10,   /* of an entry that is read: its head, or all of it */
    CALL_TIMEOUT_MS = 10000, /* of a request that nobody's deadline limits */
    CALL_TIMEOUT_MIN_MS = 1000,
    BIG_CALL_TIMEOUT_MS = 60000, /* snapshots */
    GATHER_BYTES = 512 << 10
};

/* One store call of the journal. Calls outlive a change of mind: `generation` says whether the
 * answer is still wanted. */
struct jcall {
    struct store_call call; /* first member */
    struct journal *jn;
    uint64_t generation, follow_generation;
    uint64_t n;
    int64_t sent_ns;
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

/* An entry of another broker that was met in the place of an own one. */
struct found {
    struct buf *body; /* its first HEAD_GUESS bytes; NULL: not read */
    uint64_t object_size;
    int64_t ended_ns;
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
    enum sl_err rc;     /* SLOT_FAILED */
    struct found found; /* SLOT_LOST: what stands in its place */
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

/* Whose turn it is (R9): see pace.c. */
struct pace {
    int64_t put_ns, get_ns;   /* what requests take */
    int64_t company_until_ns; /* another broker wrote lately */
    int64_t heard_until_ns;   /* others know that we write */
    int64_t turn_ns;          /* when the first entry of this turn was won; 0: no turn */
    int64_t not_before_ns;    /* the end of a yield */
    int64_t look_ns;          /* a look at the tail is due then, before anything is sent; 0: none */
    int64_t knock_again_ns;
    unsigned losses;         /* in a row */
    unsigned idle_yields;    /* in a row, that nobody used */
    int64_t others_round_ns; /* the longest round of those heard of lately, or nearly */
    bool is_yielding;
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
    size_t queued_items, queued_bytes, queued_data_bytes; /* data: what decides the pace */
    int64_t oldest_queued_ns;
    struct sched_task pump_task;
    bool is_pump_posted;
    struct sched_timer linger;
    int64_t propose_not_before_ns;
    bool
        is_draining; /* the speculation was dropped: S must reach the tail before staging goes on */
    unsigned failures;
    struct pace pace;
    uint64_t last_won;
    int64_t last_won_ns; /* when it was sent, once verified: nobody else wrote before that */
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
    struct manifest check_read; /* not believed yet */
    unsigned check_failures;
    uint64_t checked_u; /* everything up to here was seen before a check that passed */
    uint64_t applied_since_check;
    struct sched_timer check_timer;

    /* following */
    enum follow_why follow_why;
    uint64_t follow_generation; /* bumped by every start and stop of a reading */
    struct list fetches;        /* struct fetch, ascending */
    size_t fetch_count;
    uint64_t fetch_next;
    size_t width;                  /* so many reads at once where no LIST has shown a key */
    uint64_t met;                  /* entries of this reading */
    struct found found;            /* the first of them, when a lost race has read it already */
    struct store_listing *listing; /* its last page: keys behind listing_after, up to */
    uint64_t listing_after, listed_through;
    int64_t listing_ns; /* when it was asked for */
    bool is_listing;    /* a page is on its way */
    bool is_tail_reached;
    int64_t look_ns;              /* when the last look began */
    int64_t last_tail_ns;         /* when the last look that reached the tail began */
    int64_t last_foreign_ns;      /* an entry of another broker was met */
    struct manifest suspect_read; /* not believed yet; version 0: none */
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
    size_t beyond_pos, beyond_left;

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
/* Count an item into the queue's bytes, and out. */
void journal__queue_count(struct journal *jn, const struct journal_item *item);
void journal__queue_discount(struct journal *jn, const struct journal_item *item);
/* Ends every item of a list with rc. */
void journal__end_items(struct list *items, enum sl_err rc, uint64_t n);
int64_t journal__backoff(struct journal *jn, int64_t base_ns, unsigned failures, int64_t most_ns);
void journal__arm_deadlines(struct journal *jn);

/* propose.c */
void journal__pump_soon(struct journal *jn);
void journal__pump(struct journal *jn);
/* Moves resolved slots from the front to `known`; handles a lost or failed one. */
void journal__advance_slots(struct journal *jn);
/* Puts an empty, void entry at n, ahead of a broker that wins every time: it will lose there, and
 * notice us (R9). */
void journal__knock(struct journal *jn, uint64_t n);
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

/* pace.c */
void journal__pace_put(struct journal *jn, int64_t took_ns);
void journal__pace_get(struct journal *jn, int64_t took_ns);
void journal__pace_won(struct journal *jn, int64_t ended_ns);
void journal__pace_lost(struct journal *jn);
/* After a lost race, at the tail again: knocks when it is time to. */
void journal__pace_caught_up(struct journal *jn);
void journal__pace_foreign(struct journal *jn, const struct entry_header *h);
/* What an entry says about its writer's pace. */
uint32_t journal__pace_round_ms(const struct journal *jn);
/* Has another broker written here within the last seconds? */
bool journal__pace_has_company(const struct journal *jn);
/* May an entry be sent? When not, comes back by the linger timer, or by a look at the tail. */
bool journal__pace_may_send(struct journal *jn);

/* follow.c */
void journal__follow_start(struct journal *jn, enum follow_why why);
void journal__follow_stop(struct journal *jn);
/* After a lost race over the entry behind the tail. Takes *f. */
void journal__follow_lost(struct journal *jn, struct found *f);
/* The answer belongs to a reading that is over. */
bool journal__follow_is_stale(const struct jcall *c);
/* Goes on reading, once what was absent has appeared. */
void journal__follow_on(struct journal *jn);
/* The store did not answer: begins again behind the tail, later. */
void journal__follow_again(struct journal *jn, const struct store_call *call);
/* Everything known was applied; a follower that has reached the tail goes live. */
void journal__follow_settled(struct journal *jn);
/* Begins a reading to the tail if somebody waits for one and nothing of ours is on its way. */
void journal__look_maybe(struct journal *jn);
/* An own entry n was verified: so the tail was reached when it was sent. */
void journal__own_entry_seen(struct journal *jn, uint64_t n);

/* tail.c */
/* n, the entry behind the tail, is absent since ended_ns at least. */
void journal__tail_reached(struct journal *jn, uint64_t n, int64_t ended_ns);
/* A check passed: what is absent may be the tail now. */
void journal__absence_settle(struct journal *jn);

/* checkpoint.c */
void journal__checkpoint_maybe(struct journal *jn);
/* collect.c */
void journal__collect_later(struct journal *jn, uint64_t boundary);
void journal__collect_stop(struct journal *jn);

#endif
