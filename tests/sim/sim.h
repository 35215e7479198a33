/* The simulator: the real C code of journal/, state/ and partition/ under virtual time.
 *
 * One process runs one seed in one thread, so the world is a global: `sim`. Everything that is
 * drawn comes from its generators, everything that waits is in its event heap or in the queues of a
 * broker's sched; the same seed and switches give the same run, step by step.
 *
 *     sim_main.c    command line, one forked child per seed, summary
 *     sim_world.c   events, the main loop, trace, violations
 *     sim_plan.c    what a seed means: sizes, rates and faults (struct knobs)
 *     sim_sched.c   struct sched of one broker incarnation
 *     sim_store.c   struct store with faults
 *     sim_truth.c   what was committed, judged from the objects alone; every check of what leaves
 *     sim_broker.c  brokers and what happens to them
 *     sim_group.c   coordinators and commits, and the judge of both
 *     sim_member.c  members of live groups, and their judge
 *     sim_peer*.c   members of groups of the consumer protocol, and of mixed ones, and their judge
 *     sim_topic.c   topics made, deleted and made again
 *     sim_client.c  producers;  sim_reader.c  readers;  sim_batch.c  record batches
 *     sim_pace.c    figures instead of judgements
 *
 * Threads: one. Lifetime: a crashed broker is leaked on purpose; the process ends with the seed. */
#ifndef SLUICE_TESTS_SIM_H
#define SLUICE_TESTS_SIM_H

#include "base/counters.h"
#include "group/group.h"
#include "journal/mistakes.h"
#include "partition/cold.h"
#include "partition/lookup.h"
#include "store/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SIM_BROKERS_MAX = 3,
    SIM_TOOLS_MAX = 2,
    SIM_JOURNALS_MAX = 2,
    SIM_PARTS_MAX = 24,
    SIM_CLIENTS_MAX = 8,
    SIM_READERS_MAX = 6,
    SIM_PIDS_MAX = 512,
    SIM_WINDOW = 5,
    SIM_BLOCKS_MAX = 256,
    SIM_TOPICS_MAX = 64,
    SIM_STEPS_MAX = 600000
};
#define SIM_MIN (60 * SCHED_S)
#define SIM_HOUR (60 * SIM_MIN)
#define SIM_DAY (24 * SIM_HOUR)

/* --- random numbers */
struct rng {
    uint64_t s;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);
bool rng_chance(struct rng *r, uint32_t per_mille);
/* Log-uniform in [lo, hi]: as many short waits as long ones. */
int64_t rng_span(struct rng *r, int64_t lo, int64_t hi);

/* --- faults and rare paths: counted, summed over all seeds, and shouted about when never met */
#define SIM_STATS(X)                                                                               \
    X(put_lost_answer, "PUT applied, answer lost")                                                 \
    X(put_late, "PUT applied after the caller was told UNKNOWN")                                   \
    X(put_very_late, "PUT applied more than an hour late")                                         \
    X(put_never, "PUT never applied, UNKNOWN told")                                                \
    X(put_twice, "PUT applied a second time")                                                      \
    X(put_412_own, "EXISTS told for one's own earlier attempt")                                    \
    X(put_412_other, "EXISTS told, somebody else's object")                                        \
    X(put_refused, "PUT refused with an error")                                                    \
    X(slow, "request slower than 1 s")                                                             \
    X(stuck, "request slower than 1 min")                                                          \
    X(get_error, "GET or HEAD failed")                                                             \
    X(list_error, "LIST failed")                                                                   \
    X(del_error, "DELETE failed, applied or not")                                                  \
    X(crash, "broker crashed")                                                                     \
    X(crash_in_flight, "broker crashed with a PUT in flight")                                      \
    X(restart, "broker restarted")                                                                 \
    X(closed, "broker closed and opened again")                                                    \
    X(pause, "broker paused")                                                                      \
    X(pause_long, "broker paused beyond T_safe")                                                   \
    X(pause_grace, "broker paused beyond the grace period")                                        \
    X(haunt, "broker stopped with its PUT postponed, another one stopped beside it")               \
    X(haunt_check, "the same, and its check outlives it")                                          \
    X(freeze, "broker paused, its clock standing still")                                           \
    X(power, "power loss")                                                                         \
    X(power_dropped, "object dropped by power loss")                                               \
    X(removed, "object removed by the script")                                                     \
    X(corrupted, "object corrupted by the script")                                                 \
    X(failed_loudly, "journal or partition failed loudly after damage")                            \
    X(entry_collected, "entry object deleted")                                                     \
    X(manifest_deleted, "manifest or snapshot object deleted")                                     \
    X(ghost_made, "collected key created again (ghost)")                                           \
    X(ghost_manifest, "collected manifest created again")                                          \
    X(ghost_met, "ghost read by a broker")                                                         \
    X(ghost_won, "ghost's PUT answered DONE")                                                      \
    X(void_entry, "void entry in the truth")                                                       \
    X(unknown_own, "unknown outcome resolved: own")                                                \
    X(unknown_other, "unknown outcome resolved: somebody else's")                                  \
    X(unknown_absent, "unknown outcome resolved: absent")                                          \
    X(catchup, "journal seen in CATCHUP")                                                          \
    X(reopened, "journal went back to OPENING")                                                    \
    X(acked, "batch acknowledged")                                                                 \
    X(acked_late, "acknowledgement after its client gave up")                                      \
    X(duplicate, "retry answered with its original offset")                                        \
    X(retry_elsewhere, "batch sent again at another broker")                                       \
    X(append_timeout, "append ended with ETIMEOUT")                                                \
    X(append_refused, "append refused")                                                            \
    X(out_of_order, "OUT_OF_ORDER_SEQUENCE answered")                                              \
    X(fenced, "PRODUCER_EPOCH answered")                                                           \
    X(epoch_bump, "producer bumped its epoch")                                                     \
    X(new_pid, "producer took a new id")                                                           \
    X(abandoned, "producer abandoned a batch")                                                     \
    X(split_window, "window moved to another broker half way")                                     \
    X(reads, "read answered")                                                                      \
    X(reads_bytes, "read answered with data")                                                      \
    X(reads_refreshed, "read after a refresh")                                                     \
    X(reads_late, "read answered although R8 was not done in time")                                \
    X(reads_old, "read of older data")                                                             \
    X(reads_range, "read answered OFFSET_RANGE")                                                   \
    X(reads_failed, "read answered with another error")                                            \
    X(lookups, "start or end looked up")                                                           \
    X(waits, "sleep on a partition")                                                               \
    X(wakes, "sleeper woken")                                                                      \
    X(seg_put, "segment stored")                                                                   \
    X(seg_late, "segment stored after its roller was told UNKNOWN, or crashed")                    \
    X(seg_met, "segment found where a roller wanted to put its own")                               \
    X(seg_cut, "the same, and it ends elsewhere")                                                  \
    X(seg_deleted, "segment deleted")                                                              \
    X(seg_left, "segment left behind that nobody refers to")                                       \
    X(seg_read, "registered segment compared with the truth")                                      \
    X(trim, "trim committed")                                                                      \
    X(retained, "log start moved by retention")                                                    \
    X(seg_compacted, "compacted segment judged")                                                   \
    X(replaced, "segments replaced by a compacted one")                                            \
    X(record_dropped, "record taken out for a later one of its key")                               \
    X(tombstone_dropped, "tombstone taken out")                                                    \
    X(scan, "compacted topic read from start to end")                                              \
    X(adopted, "log adopted by a new partition")                                                   \
    X(adopt_refused, "log not adopted: something is there")                                        \
    X(loss_told, "loss told by a tool")                                                            \
    X(policy, "cleanup.policy changed")                                                            \
    X(open_op, "partition opened while running")                                                   \
    X(retire, "topic retired")                                                                     \
    X(expire, "producers expired")                                                                 \
    X(topic_op, "topic created in journal 0")                                                      \
    X(pid_block, "producer-id block taken")                                                        \
    X(group_op, "GROUP op committed")                                                              \
    X(group_takeover, "group taken over by another broker")                                        \
    X(group_fenced, "GROUP op fenced: another coordinator was faster")                             \
    X(group_unknown, "GROUP op whose outcome is unknown")                                          \
    X(group_deleted, "group deleted")                                                              \
    X(group_typed, "group changed its type")                                                       \
    X(commit, "offset commit acknowledged")                                                        \
    X(commit_refused, "offset commit refused")                                                     \
    X(commit_old, "offset commit of an older generation refused")                                  \
    X(commit_simple, "simple commit acknowledged")                                                 \
    X(commit_removed, "offsets removed by an op")                                                  \
    X(group_shared, "entry with several ops of groups")                                            \
    X(group_compared, "groups of a broker compared with the truth")                                \
    X(topic_deleted, "topic deleted")                                                              \
    X(topic_again, "topic made again under a name that was deleted")                               \
    X(member_stable, "member told its assignment")                                                 \
    X(member_commit, "commit of a member acknowledged")                                            \
    X(member_fetch, "committed offset fetched")                                                    \
    X(member_crashed, "member crashed")                                                            \
    X(member_left, "member left")                                                                  \
    X(member_slept, "member slept, and woke in the belief it had")                                 \
    X(member_changed, "member changed its subscription")                                           \
    X(member_unknown, "member told that it is unknown")                                            \
    X(member_fenced, "static member fenced by its successor")                                      \
    X(member_skipped, "static leader came back without a rebalance")                               \
    X(member_moved, "member told to look for the coordinator again")                               \
    X(member_loading, "member told that the coordinator is loading")                               \
    X(peer_told, "consumer told its epoch")                                                        \
    X(peer_granted, "consumer took partitions")                                                    \
    X(peer_revoked, "consumer gave partitions up")                                                 \
    X(peer_synced, "classic member of a mixed group told its assignment")                          \
    X(peer_commit, "commit of a consumer acknowledged")                                            \
    X(peer_stale, "commit of an older epoch refused")                                              \
    X(peer_fetch, "committed offset fetched by a consumer")                                        \
    X(peer_crashed, "consumer crashed")                                                            \
    X(peer_left, "consumer left")                                                                  \
    X(peer_left_static, "static consumer left for a while")                                        \
    X(peer_slept, "consumer slept, and woke in the belief it had")                                 \
    X(peer_changed, "consumer changed its subscription")                                           \
    X(peer_unknown, "consumer told that it is unknown")                                            \
    X(peer_fenced, "consumer fenced by its epoch")                                                 \
    X(peer_replaced, "static consumer fenced by its successor")                                    \
    X(peer_unreleased, "static consumer whose predecessor is still there")                         \
    X(peer_moved, "consumer told to look for the coordinator again")                               \
    X(peer_loading, "consumer told that the coordinator is loading")                               \
    X(peer_lost_answer, "answer to a consumer lost")                                               \
    X(peer_up, "classic group became a consumer group")                                            \
    X(peer_down, "consumer group became a classic one")                                            \
    X(peer_topics, "topics of consumers changed")                                                  \
    X(repair_removed, "entry removed for good")                                                    \
    X(repair_corrupted, "entry corrupted for good")                                                \
    X(repair_snapshot, "newest snapshot removed or corrupted")                                     \
    X(repair_manifest, "newest manifest removed or corrupted")                                     \
    X(repair_run, "repair begun")                                                                  \
    X(repair_second, "repair begun beside another one")                                            \
    X(repair_crash, "repair crashed")                                                              \
    X(repair_refused, "repair refused: a broker writes")                                           \
    X(repair_stopped, "repair stopped: not everything could be read")                              \
    X(repair_done, "repair ended well")                                                            \
    X(repair_fence, "fence put")                                                                   \
    X(repair_rebuilt, "rebuilt snapshot put")                                                      \
    X(repair_unproven, "entry given up, as nothing proved that it was valid")                      \
    X(repair_gone, "offset given up that held a record")                                           \
    X(repair_kept, "offset of a lost entry that was kept")                                         \
    X(repair_room, "offset passed over that held nothing")                                         \
    X(repair_dropped, "record in nobody's hands dropped behind the last entry that was taken")     \
    X(repair_twice, "batch sent again across a repair")                                            \
    X(repair_stale, "record given up served by a broker that has not looked since")                \
    X(repair_hopeless, "snapshot lost, and collected what it stood for")                           \
    X(repair_op, "records given up by REGISTER or REPLACE")                                        \
    X(compared, "states of two brokers at one entry compared")

enum sim_stat {
#define SIM_STAT_ENUM(id, text) ST_##id,
    SIM_STATS(SIM_STAT_ENUM)
#undef SIM_STAT_ENUM
        ST_COUNT
};

/* --- what a seed means (sim_plan.c) */
#define SIM_FAULTS(X)                                                                              \
    X(lost)                                                                                        \
    X(late)                                                                                        \
    X(never)                                                                                       \
    X(twice)                                                                                       \
    X(own412)                                                                                      \
    X(refused)                                                                                     \
    X(slow)                                                                                        \
    X(geterr)                                                                                      \
    X(listerr)                                                                                     \
    X(delerr)                                                                                      \
    X(crash)                                                                                       \
    X(close)                                                                                       \
    X(pause)                                                                                       \
    X(freeze)                                                                                      \
    X(power)                                                                                       \
    X(damage)                                                                                      \
    X(trim)                                                                                        \
    X(snap)                                                                                        \
    X(retire)                                                                                      \
    X(expire)                                                                                      \
    X(ops)                                                                                         \
    X(slowget)                                                                                     \
    X(slowcheck)                                                                                   \
    X(haunt) X(group) X(commit) X(topicdel) X(member) X(peer) X(adopt) X(loss) X(policy)
enum sim_fault {
#define SIM_FAULT_ENUM(id) F_##id,
    SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        F_COUNT
};

struct knobs {
    const char *profile;
    int brokers, journals, parts, idem_clients, plain_clients, readers, batches;
    int64_t gap_ns, long_gap_ns;
    uint32_t long_gap_pm;
    uint32_t pm[F_COUNT];   /* per mille, of the faults drawn per request */
    int64_t every[F_COUNT]; /* mean interval, of the faults drawn over time; 0 = off */
    int64_t lat_min, lat_max, slow_max, late_max, pause_max, slowget_max;
    int64_t late_min, pause_min; /* 0: short ones as often as long ones */
    int64_t lat_far;             /* more, at the last broker */
    bool is_damage_removal, is_pause_in_flight;
    /* journal */
    uint32_t max_in_flight, snapshot_entries;
    int64_t linger_ns, grace_ns, skew_max_ms;
    size_t entry_max, queue_max, tail_cache, cache_bytes;
    uint64_t snapshot_bytes;
    bool is_paranoid, is_local;
    /* roller */
    bool is_rolling;
    int64_t roll_target, roll_age_ms, roll_live_max;
    unsigned roll_patience;
    /* upkeep; interval 0: none */
    int64_t upkeep_ms, upkeep_retention_bytes, retention_ms, delete_retention_ms;
    int64_t min_lag_ms, max_lag_ms, dedupe_bytes;
    int keys, dirty_pm;
    uint32_t compacted_pm, deleted_pm; /* of the topics; of these */
    size_t batch_max;
    int64_t append_deadline;
    /* repairs */
    uint32_t tool_crash_pm, tool_pause_pm; /* per request; per time it waits */
    int wrecks;
};
void plan_make(struct knobs *k, uint64_t seed);

/* --- events and loop (sim_world.c) */
typedef void (*sim_fn)(void *arg);
void sim_at(int64_t at, sim_fn fn, void *arg);
void sim_after(int64_t delay, sim_fn fn, void *arg);
/* Runs until stop() is true or the world's time passes `until`; false when it passed. */
bool sim_run(bool (*stop)(void), int64_t until);
void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define TRACE(...)                                                                                 \
    do {                                                                                           \
        if (sim.is_tracing) {                                                                      \
            sim_trace(__VA_ARGS__);                                                                \
        }                                                                                          \
    } while (0)
/* Records the violation and ends this seed's process. */
_Noreturn void sim_violation(const char *invariant, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives where n bytes of an op of groups stand, and goes behind them. */
const uint8_t *sim_take(struct span *rest, size_t n);
void sim_mix(uint64_t v); /* into the hash of the run */
static inline void sim_stat(enum sim_stat id);

/* --- sched (sim_sched.c) */
struct sim_req;
struct sim_msg {
    sim_fn fn;
    void *arg;
};
struct sim_sched {
    struct sched base;
    int broker; /* its number */
    bool is_dead, is_paused;
    struct sched_task *head, *tail; /* posted by the broker itself */
    struct sim_req **ended;         /* store answers, each from a poster of its own */
    size_t ended_count, ended_cap;
    struct sim_req **held; /* arrived while paused */
    size_t held_count, held_cap;
    struct sim_msg *msgs; /* from clients, in order */
    size_t msg_first, msg_count, msg_cap;
    struct timer_heap timers;
    int64_t missed_ns; /* what its clock missed while frozen */
    int64_t skew_ms;
};
struct sim_sched *sim_sched_new(int broker);
int64_t sim_sched_now(const struct sim_sched *s);
void sim_sched_message(struct sim_sched *s, sim_fn fn, void *arg);
void sim_sched_answer(struct sim_sched *s, struct sim_req *req);
void sim_sched_resume(struct sim_sched *s);
bool sim_sched_is_ready(const struct sim_sched *s);
/* Runs one thing that is ready. */
void sim_sched_step(struct sim_sched *s);
/* World time of its earliest timer; INT64_MAX when none or not running. */
int64_t sim_sched_due(const struct sim_sched *s);

/* --- store (sim_store.c) */
struct store *sim_store_new(void);
void sim_req_deliver(struct sim_req *req);
int64_t sim_req_stamp(struct sim_req *req);
void sim_store_power_loss(void);
/* The answers to checks (manifest LISTs) of home that are on their way arrive at `at`; false when
 * there is none. */
bool sim_store_postpone_checks(const struct sim_sched *home, int64_t at);
bool sim_store_has_held_check(const struct sim_sched *home);
/* An entry's PUT of home that has not landed yet; false when there is none. */
bool sim_store_next_put(const struct sim_sched *home, uint32_t *ret_journal, uint64_t *ret_n);
/* It lands at `at`, and its answer is lost. */
void sim_store_postpone(const struct sim_sched *home, int64_t at);
/* Damages one entry that something later vouches for. False when there is none. */
bool sim_store_damage(bool is_removal);
size_t sim_store_outstanding(const struct sim_sched *home);
bool sim_store_has_put_in_flight(const struct sim_sched *home);
void sim_store_dump(void);
/* How many requests of a kind were submitted. */
uint64_t sim_store_requests(enum store_kind kind);
void sim_store_requests_reset(void);

/* Iterates over all objects: the i-th, or false. */
bool sim_store_object(size_t i, const char **ret_key, struct span *ret_bytes);
/* As if it had always been there. */
void sim_store_put(const char *key, struct span bytes);
/* NULL: no such object. */
const uint8_t *sim_store_find(const char *key, size_t *ret_len);

/* --- what tools propose (sim_adopt.c) */
struct sim_part;
struct sim_broker;
void adopts_strike(void);
void adopt_truth(struct sim_part *p);
/* A log lies there that was not adopted, and is nobody's. */
bool adopt_is_foreign(const struct sim_part *p);
void losses_strike(void);
void losses_truth(uint32_t journal, struct span op);
void losses_truth_reset(uint32_t journal);
/* The latest of so many begins at `last`. */
void losses_truth_set(uint32_t journal, size_t count, int64_t last);
void losses_compare(void);

/* --- what becomes of the log (sim_clean.c) */
struct truth_op { /* of a valid entry */
    uint32_t journal;
    uint64_t n;
    int64_t time_ms;
    uint16_t kind;
    struct span payload;
};
void clean_truth_op(const struct truth_op *op);
/* Entries from n on are gone, and the truth is built again. */
void clean_truth_reset(uint32_t journal, uint64_t n);
void clean_object_deleted(const char *key);
/* S of a repaired journal. */
void clean_repaired(struct sim_part *p, const struct part_state *ps);
int64_t clean_start(const struct sim_part *p);
/* Trimmed, or taken out by compaction. */
bool clean_is_gone(const struct sim_part *p, int64_t offset);

/* --- segments (sim_roll.c) */
void rolls_key(const struct sim_part *p, int64_t base, uint32_t gen, char *out);
/* NULL: of none. */
struct sim_part *rolls_part_of_key(const char *key, int64_t *ret_base, uint32_t *ret_gen);
void rolls_dir(const struct sim_part *p, char out[TOPIC_DIR_MAX]);
/* S at a broker that stands at the end of the truth, or NULL. */
const struct state *rolls_newest_state(const struct sim_broker *b, int journal);
/* It holds what was committed. */
void rolls_judge(const char *key, struct span object);
bool rolls_policy(void *arg, const struct uuid *topic_id, struct part_policy *ret);
/* Every segment that a broker's S refers to is there and holds what was committed; nothing that is
 * called a segment holds anything else. */
void rolls_check(void);

/* --- batches (sim_batch.c) */
enum { SIM_BATCH_MIN = 61 + 16 };
struct sim_batch { /* every batch any client ever made; index = uid */
    int client, part;
    int32_t count, seq;
    int64_t pid;
    int16_t epoch;
    uint32_t size;
    int attempts, open_attempts, unknown_attempts;
    bool is_in_truth, is_acked;
    int64_t base, acked_base;
    uint64_t entry;      /* that has it */
    bool is_given_up;    /* with a lost entry */
    bool is_before;      /* it was in the log when the log was repaired */
    int64_t before_base; /* the same, plus 1, and it came once more; 0: it did not */
    uint64_t order;      /* place among what its client sent over one connection */
    uint64_t connection;
    uint32_t room;           /* of records: bytes of a value */
    int64_t base_ts, max_ts; /* of records, as committed ... */
    int16_t attributes;
};
/* Its size is a wish; of records it becomes what they take. */
void sim_batch_made(uint64_t uid);
void sim_batch_encode(uint64_t uid, uint8_t *out, struct batch_info *ret_info);
/* Walks one batch; false when the bytes hold no whole batch. */
#define SIM_UID_NONE UINT64_MAX
struct sim_seen {
    uint64_t uid; /* SIM_UID_NONE: no record is left to tell */
    int part;
    int64_t base, last;
    int32_t count;    /* records */
    uint32_t present; /* bits: which of its records */
    int64_t latest_delta;
    uint32_t size;
    uint64_t hash;
    const uint8_t *bytes;
};
bool sim_batch_decode(struct span *rest, struct sim_seen *ret, const char **ret_why);

/* --- records of compacted topics (sim_record.c) */
struct sim_record {
    int key; /* -1: null */
    bool is_tombstone;
    uint32_t value_len;
    int64_t ts_delta;
};
struct sim_record sim_record_of(uint64_t uid, int32_t i);
uint32_t sim_records_size(uint64_t uid);
/* Gives the largest timestamp delta. */
int64_t sim_records_encode(uint64_t uid, uint8_t *out);
/* NULL: sound. */
const char *sim_records_judge(const uint8_t *p, uint32_t size, struct sim_seen *ret);
const char *sim_records_judge_header(const uint8_t *p, const struct sim_seen *s);

/* --- truth (sim_truth.c) */
enum part_phase { PART_NONE, PART_OPENING, PART_OPEN, PART_RETIRING, PART_RETIRED };
struct sim_left { /* an end offset that left some broker */
    int64_t at, end;
};
struct sim_part {
    struct uuid topic_id;
    int32_t index;
    int journal;
    enum part_phase phase;
    bool is_append_time, has_lost; /* producer facts may have been expired */
    bool has_records, is_compacted, is_deleted;
    bool is_held, is_adopted; /* no producer writes to it, as a log is to be adopted; one was */
    int adopt_tries;
    bool has_changed; /* its cleanup.policy, some time */
    int keys, name;   /* few keys; whose name it bears: a partition's number */
    uint32_t incarnation;
    struct sim_clean *clean; /* see sim_clean.c */
    int open_attempts;
    uint64_t *log; /* per offset: uid << 8 | index in batch */
    int64_t end, cap;
    uint64_t *seen, *seen_hash; /* per offset, what a reader was given; UINT64_MAX: nothing yet */
    int64_t seen_cap;
    int64_t trim_intent, trim_done, trim_done_at, opened_at;
    int64_t trim_asked; /* by operators; the rest is retention */
    struct sim_left *left;
    size_t left_count, left_cap;
    uint64_t last_order[SIM_CLIENTS_MAX], last_connection[SIM_CLIENTS_MAX];
    uint8_t *fate; /* per offset: bits of enum sim_fate; NULL: nothing was ever given up */
    int64_t fate_cap;
};
/* What became of an offset by a repair. */
enum sim_fate {
    FATE_NAMED = 1,  /* a LOSS in the log names it */
    FATE_BY_OP = 2,  /* an op let go of it: who stands before that may still serve it */
    FATE_FENCED = 4, /* nobody may serve it */
    FATE_EMPTY = 8,  /* and nothing was ever there */
    FATE_TOLD = 16   /* the entry at the fence names it, too */
};
struct sim_pid {
    int part;
    bool is_known, is_expired;
    int16_t epoch;
    int32_t seq;
    int64_t last_at; /* when the truth last saw it */
};
void truth_entry_created(uint32_t journal, uint64_t n, struct span bytes);
void truth_entry_dropped(uint32_t journal, uint64_t n);
uint64_t truth_last(uint32_t journal);
/* The log goes on behind entry n. */
void truth_goes_on(uint32_t journal, uint64_t n, struct uuid id);
/* Acknowledged: batch uid is in the log at base. */
void truth_acked(uint64_t uid, int64_t base, const char *who);
/* Refused for good: nobody else may still bring it in. */
void truth_refused(uint64_t uid, enum sl_err rc);
/* A read's answer at `broker`. asked_at: when it was submitted; is_refreshed: R8 was
 * asked for, so that "nothing there" is the truth. */
void truth_read(struct sim_part *p, const struct part_read *r, int broker, int64_t asked_at,
                bool is_refreshed);
/* Finds the batch of s at its place in the log, and tells whose it is. NULL: it belongs there. */
const char *truth_place(const struct sim_part *p, struct sim_seen *s);
struct span sim_read_bytes(const struct part_read *r);
/* The answer of a lookup of start or end. */
void truth_lookup(struct sim_part *p, const struct part_lookup *l, int broker, int64_t asked_at);
void truth_end_left(struct sim_part *p, int64_t end);
int64_t truth_end_left_by(const struct sim_part *p, int64_t at);
/* Everything that ever left, against the log as it is at the end. */
void truth_final(void);

/* --- journals that lose objects, and `sluice log repair` (sim_repair.c, sim_wreck.c), and its
 * judge (sim_repair_truth.c); with --repairs */
void repairs_boot(void);
/* The script strikes. */
void repairs_wreck(void);
/* The script's damage, to entries or a snapshot; false: nothing fits. */
bool wreck_strike(uint32_t journal);
/* One of the strikes took a snapshot. */
bool wreck_took_snapshot(void);
/* Entries up to n it leaves alone: what topics there are. */
void wreck_spare(uint32_t journal, uint64_t n);
/* Nothing is broken, no tool runs, and no broker has a journal failed. */
bool repairs_are_done(void);
void repairs_explain(char *out, size_t cap);
/* A tool asks the store for something: a place to crash. */
void repairs_tool_sent(const struct sim_sched *home);
void repairs_object_created(const char *key, struct span bytes);
void repairs_truth_loss(struct span op);
/* An op puts this object in the place of offsets: what it does not hold of them was named before.
 */
void repairs_truth_gaps(struct sim_part *p, int64_t base, int64_t last, const uint8_t *present);
uint8_t repairs_fate(const struct sim_part *p, int64_t offset);
/* [from, to) holds nothing but what was given up, or trimmed. */
bool repairs_are_gone(const struct sim_part *p, int64_t from, int64_t to);
/* A batch as a reader got it, or as a segment has it; NULL: it belongs there. */
const char *repairs_place(const struct sim_part *p, struct sim_seen *s);
/* A broker dropped S: what it shows of trims may go back to what a repair left of them. */
void repairs_reopened(struct sim_broker *b, int journal);
/* A tool says that it cannot know whether this entry was valid. */
void repairs_unproven(const char *key);
/* Somebody serves it. */
void repairs_check_served(const struct sim_part *p, const struct sim_seen *s, int broker);

/* --- brokers (sim_broker.c) */
enum broker_phase { BROKER_DOWN, BROKER_UP, BROKER_CLOSING };
struct sim_broker {
    int id;
    uint64_t incarnation;
    enum broker_phase phase;
    struct sim_sched *sched;
    struct shard *shards[SIM_JOURNALS_MAX];
    enum journal_mode mode[SIM_JOURNALS_MAX];
    struct group_table *tables[SIM_JOURNALS_MAX];
    struct cache *cache;
    struct cold cold;
    struct roll_permits permits;
    struct shard_events events;
    struct diag log;
    struct diag_kv log_kv[1];
    int64_t end_shown[SIM_PARTS_MAX], start_shown[SIM_PARTS_MAX];
    int64_t close_by, paused_at;
    uint64_t pauses;
    bool is_frozen, is_missed; /* missed: clients wait for it to wake */
    bool holds_checks;         /* answers to its checks wait for a word */
    int64_t reopened_at[SIM_JOURNALS_MAX];
};
void broker_start(struct sim_broker *b);
void broker_crash(struct sim_broker *b);
void broker_close(struct sim_broker *b);
void broker_pause(struct sim_broker *b, int64_t ns, bool is_frozen);
void broker_resume(struct sim_broker *b);
void broker_check(struct sim_broker *b);
enum journal_mode broker_mode(const struct sim_broker *b, int journal);
bool broker_is_live(const struct sim_broker *b);
uint64_t brokers_passed(int journal);
/* Sends fn(arg) to the broker's loop; false when nobody listens. */
bool broker_send(struct sim_broker *b, sim_fn fn, void *arg);
/* A broker that is up, or NULL. */
struct sim_broker *broker_pick(void);
void ops_start(void);
void faults_start(void);
void haunt_begin(void);
/* The store was asked to create an entry. */
void haunt_entry_sent(struct sim_broker *writer);
/* Proposes open(part) and keeps at it until verified. */
void ops_open_part(struct sim_part *p);
/* before: under the name that it had; NULL: a new one. */
struct sim_part *ops_new_part(int journal, const struct sim_part *before);

/* --- producers (sim_client.c), readers (sim_reader.c) */
void clients_start(void);
void clients_broker_gone(const struct sim_broker *b, uint64_t incarnation);
bool clients_are_idle(void);
void clients_explain(char *out, size_t cap);
void readers_start(void);
/* One read, with heard(arg, NULL) when the broker is gone. */
bool readers_read(struct sim_broker *b, struct sim_part *p, int64_t offset,
                  void (*heard)(void *arg, const struct part_read *r), void *arg);
/* Consumers that read compacted topics from start to end (sim_scan.c). */
void scans_start(void);
/* Clients that had waited for b come back all at once. */
void readers_return(struct sim_broker *b, int count);
void readers_broker_gone(const struct sim_broker *b, uint64_t incarnation);
/* Appends one record at b and reads the whole of p there; sim_final_is_done() tells when. */
void probes_start(bool is_writing);
bool probes_are_done(void);
void readers_check_sleepers(void);
void probes_explain(char *out, size_t cap);

/* Brokers that stand at the same entry hold the same state. */
void same_check(void);

/* --- groups (sim_group.c) */
void groups_start(void);
/* One item of a valid entry, in the order in which they apply. */
void groups_truth_item(uint32_t journal, uint16_t kind, struct span payload);
void topics_truth_item(uint16_t kind, struct span payload);
/* The truth of this journal is built again from its first entry. */
void groups_truth_reset(uint32_t journal);
void topics_truth_reset(void);
void topics_strike_create(void);
void topics_strike_delete(void);
/* Topics of a broker that stands at the end of the truth are the truth's. */
void topics_compare(const struct sim_broker *b);
/* Groups of every broker that stands at the end of the truth are the truth's. */
void groups_compare(void);

/* --- members of groups of the consumer protocol, and of mixed ones (sim_peer.c) */
void peers_start(void);
bool peers_truth_item(uint16_t kind, struct span payload);
void peers_truth_reset(uint32_t journal);
bool peers_are_done(void);
bool peers_are_settled(void);
void peers_explain(char *out, size_t cap);
void peers_compare(const struct sim_broker *b, int journal);
void peer_topics_broker_start(const struct sim_broker *b);
const struct consumer_topics *peer_topics_of(const struct sim_broker *b);

/* --- members of live groups (sim_member.c) */
void members_start(void);
void members_broker_start(struct sim_broker *b, int journal);
/* False: not of a live group. */
bool members_truth_item(uint16_t kind, struct span payload);
void members_truth_reset(uint32_t journal);
bool members_are_done(void);
bool members_are_settled(void);
void members_explain(char *out, size_t cap);
void members_compare(const struct sim_broker *b, int journal);

struct sim_entry { /* by journal and n: the first object that bore the key */
    bool is_there, was_deleted, is_lost, is_unproven; /* lost: to the script */
    struct uuid id, prev;
    uint64_t acked_through;
    int64_t time_ms;
    uint8_t *data, *index;
    size_t data_len, index_len;
};

struct sim_block {
    int64_t first, count;
};

struct sim_topic { /* a name, as the truth has it */
    bool is_made;
    struct uuid id;
    uint64_t dirs_used; /* bits: incarnations there were */
};

struct world {
    uint64_t seed;
    struct knobs k;
    uint32_t faults_off;                   /* bits of enum sim_fault */
    bool is_tracing, is_verbose, is_quiet; /* quiet: no more faults */
    bool is_rebuilding, is_destroying;
    int batches_override;
    uint64_t awaited[SIM_BROKERS_MAX];
    int64_t now, asked_at; /* asked: the read at hand */
    uint64_t steps, hash;
    int last_source, last_broker;
    struct rng r_sched, r_net, r_fault, r_client, r_broker, r_group, r_peer, r_scan, r_tool;
    struct sim_sched *here;
    struct store *store;
    struct uuid cluster;
    struct sim_broker brokers[SIM_BROKERS_MAX + SIM_TOOLS_MAX]; /* of a tool there is a loop only */
    struct sim_part parts[SIM_PARTS_MAX];
    int part_count;
    bool is_journal_damaged[SIM_JOURNALS_MAX];
    bool is_head_damaged; /* so that no broker can open the journal without noticing */
    char *damaged_key;
    uint64_t damaged_n;
    struct sim_batch *batches;
    size_t batch_count, batch_cap;
    struct sim_pid pids[SIM_PIDS_MAX];
    int pid_count;
    struct sim_entry *entries[SIM_JOURNALS_MAX];
    size_t entry_cap[SIM_JOURNALS_MAX];
    uint64_t truth_n[SIM_JOURNALS_MAX];
    struct uuid truth_id[SIM_JOURNALS_MAX];
    int batches_left;
    struct sim_block blocks[SIM_BLOCKS_MAX];
    size_t block_count;
    struct sim_topic topics[SIM_TOPICS_MAX];
    bool is_group_forced, is_member_forced, is_peer_forced, is_roll_forced, is_clean_forced,
        is_haunt_forced, is_repair_forced, is_pace;
    struct sim_result *result;
};
extern struct world sim;

/* What a child leaves for its parent, in shared memory. */
enum { SIM_RING = 400, SIM_LINE = 220 };
struct sim_result {
    uint64_t seed, hash, steps;
    int64_t virtual_ns;
    bool is_done, is_violated;
    char invariant[80], text[600];
    uint64_t stats[ST_COUNT];
    int64_t counters[COUNTER_COUNT];
    uint64_t ring_next;
    char ring[SIM_RING][SIM_LINE];
};

static inline void
sim_stat(enum sim_stat id)
{
    sim.result->stats[id]++;
}
static inline bool
sim_fault_is_on(enum sim_fault f)
{
    return !sim.is_quiet && (sim.faults_off >> f & 1) == 0;
}
static inline bool
sim_draw(enum sim_fault f)
{
    uint32_t pm = sim.k.pm[f];
    return pm > 0 && rng_chance(&sim.r_net, pm) && sim_fault_is_on(f);
}
/* This seed is over, and nothing was found. */
_Noreturn void sim_end(void);
/* Runs one seed; the process is its own. */
void sim_seed_run(uint64_t seed);
void seed_generators(uint64_t seed);

/* --- figures (sim_pace.c); the process is its own */
int sim_pace_count(void);
void sim_pace_run(int which, uint64_t seed);

#define SIM_GROW(ptr, count, cap)                                                                  \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) == 0 ? 16 : (cap)*2;                                                     \
            (ptr) = sl_realloc((ptr), (size_t)(cap) * sizeof(*(ptr)));                             \
        }                                                                                          \
    } while (0)

#endif
