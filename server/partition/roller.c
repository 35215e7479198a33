/* SPDX-License-Identifier: Apache-2.0
 *
 * The roller: rewrites verified runs into one .kfs segment per partition, so that the entries that
 * held them can be collected (docs/journal.md R5, R6).
 *
 * Which partition, in this order of need:
 *
 *   pressure   entries pinned by what is not rolled are more than live_bytes_max (or there are too
 *              many runs): whoever pins the oldest, however little it is
 *   size       a partition holds a segment's worth; or many hold a good part of one, and together
 *              as much as fits in memory
 *   age        the oldest run of all is older than age_ms
 *
 * live.h keeps all of that up to date; a look costs no walk over partitions. Every fourth turn age
 * goes before size, so that neither starves the other.
 *
 * One job (roll_job.c) makes one segment. Everything it does can be done by two brokers at once, or
 * be cut off anywhere, without harm:
 *
 *   1 plan      whole runs from where the segments end in S; S is verified, so nothing above `safe`
 *               is ever rolled
 *   2 build     the batches as committed, in memory, a chunk per turn of the loop
 *   3 .index    if absent. One that is there already says nothing: its writer may have cut
 *               elsewhere
 *   4 .kfs      if absent: whoever creates it decides how far the segment reaches. Who finds it
 *               there reads its extent, rebuilds exactly that, compares, and adopts it (adopt.c).
 *   5 .index    once more, overwriting, unless it is known to be ours. The .kfs never changes, so
 *               all who do this write the same bytes.
 *   6 REGISTER  changes S only if the segment begins where the registered ones end
 *
 * A crash leaves at most objects under a base that the next roller takes up. A base that S has gone
 * past without them (trimmed meanwhile) is cleaned up by whoever made them (register.c).
 *
 * Memory: a job holds one segment; permits bound the bytes of all jobs of the process. When the
 * roller cannot keep up, shard_roll_lag says so and producers are slowed down (api/pressure.c)
 * before entries and runs pile up without bound. */
#include "base/counters.h"
#include "partition/roller_int.h"

enum { JOBS_MAX = 256, LEAST_SHARE = 16, LOOKS_MAX = 64, AGED_EVERY = 4, LAG_EVERY = 16 };
#define TICK_NS SCHED_S
#define IDLE_TICK_NS (30 * SCHED_S)
#define IDLE_AFTER_NS (60 * SCHED_S)
#define QUIET_NS (3 * SCHED_S)
#define PUBLISH_LATEST_NS (600 * SCHED_S)
#define UNKNOWN_TOPIC_PAUSE_NS (5 * SCHED_S)
#define BACKUP_AFTER_NS (60 * SCHED_S)

/* --- who and when --- */

/* Another broker writes this journal and this one does not: the other one rolls it, too. */
bool
roll__is_backup(const struct shard *sh)
{
    return sh->roll.foreign_ns - sh->roll.own_ns > BACKUP_AFTER_NS;
}

static int64_t
patience(const struct shard *sh)
{
    return roll__is_backup(sh) && sh->o.roll.patience > 1 ? (int64_t)sh->o.roll.patience : 1;
}

static uint64_t
pinned_bytes(const struct shard *sh)
{
    return live__bytes_from(&sh->live, live__first_n(&sh->live));
}

/* Once what is under way is done: is that still too much? */
static bool
is_pressed(const struct shard *sh, const struct partition *oldest)
{
    uint64_t pinned = live__bytes_from(&sh->live, oldest->live.first_n);
    return (int64_t)pinned > sh->o.roll.live_bytes_max * patience(sh) ||
           (int64_t)sh->live.runs > sh->o.roll.live_runs_max / 2;
}

static bool
is_aged(struct shard *sh, const struct partition *part)
{
    int64_t since = live__time_of(&sh->live, part->live.first_n);
    return sched_wall_ms(shard_sched(sh)) - since > sh->o.roll.age_ms * patience(sh);
}

/* NULL: nothing to do. *ret_is_by_size: only if it holds a segment's worth. */
static struct partition *
next_partition(struct shard *sh, bool *ret_is_by_size)
{
    struct partition *oldest = live__oldest(&sh->live);
    struct partition *due = live__due(&sh->live);
    bool has_turn = due == NULL || sh->roll.turn % AGED_EVERY == 0;
    *ret_is_by_size = false;
    if (oldest != NULL && (is_pressed(sh, oldest) || (has_turn && is_aged(sh, oldest)))) {
        return oldest;
    }
    *ret_is_by_size = true;
    return due;
}

static int64_t
least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rolls what is worth it, most_bytes at most. False: no permit, so nothing else would get one. */
static bool
consider(struct shard *sh, struct partition *part, bool is_by_size, int64_t most_bytes)
{
    struct part_policy policy = {.segment_bytes = INT64_MAX};
    const char *dir = part_dir(part->st);
    bool is_known = sh->o.roll.policy(sh->o.roll.policy_arg, &part->st->topic_id, &policy);
    if (!is_known && dir == NULL) {
        live__give_back(&sh->live, part, sched_now(shard_sched(sh)) + UNKNOWN_TOPIC_PAUSE_NS);
        return true;
    }
    int64_t limit = least(is_known ? policy.segment_bytes : INT64_MAX, sh->o.roll.target_bytes);
    if (is_by_size && (int64_t)part->live.bytes < limit * patience(sh)) {
        live__not_yet(&sh->live, part);
        return true;
    }
    return roll__job_start(sh, part, dir != NULL ? dir : policy.dir, least(limit, most_bytes));
}

void
roll__now(struct shard *sh, struct partition *part, const struct part_policy *policy)
{
    const char *dir = part_dir(part->st);
    bool is_free = !part->live.is_rolling && part->live.parked_until_ns == 0 &&
                   sh->roll.is_running && sh->roll.job_count < JOBS_MAX;
    if (is_free && part->st->run_count > 0) {
        (void)roll__job_start(sh, part, dir != NULL ? dir : policy->dir,
                              least(policy->segment_bytes, sh->o.roll.target_bytes));
    }
}

/* --- passes --- */

/* What one scan may gather for this shard. */
static int64_t
pass_bytes(const struct shard *sh)
{
    const struct roll_permits *permits = sh->o.roll.permits;
    return permits->max_bytes / (permits->sharers > 1 ? permits->sharers : 1);
}

/* Partitions that hold enough for a segment that is worth its objects, and how much all of them
 * hold. */
static size_t
worthy(const struct shard *sh, struct partition *ret[JOBS_MAX], int64_t *ret_bytes)
{
    const struct live_heap *h = &sh->live.heaps[LIVE_OLDEST];
    int64_t least_bytes = sh->o.roll.target_bytes / LEAST_SHARE;
    size_t count = 0;
    *ret_bytes = 0;
    for (size_t i = 1; i <= h->count; i++) {
        if ((int64_t)h->items[i]->live.bytes >= least_bytes) {
            *ret_bytes += (int64_t)h->items[i]->live.bytes;
            if (count < JOBS_MAX) {
                ret[count++] = h->items[i];
            }
        }
    }
    return count;
}

/* What this partition may have of the memory, if there is not enough for what all of them hold. */
static int64_t
share_of(const struct shard *sh, const struct partition *part, int64_t all_bytes)
{
    int64_t even = (int64_t)((double)pass_bytes(sh) * (double)part->live.bytes / (double)all_bytes);
    int64_t least_bytes = sh->o.roll.target_bytes / LEAST_SHARE;
    return even > least_bytes ? even : least_bytes;
}

/* Many partitions fill a segment at about the same time, and memory is there for a few at once:
 * each entry would be read again and again, for some of them each time. So when what waits would
 * fill that memory, all of it is rolled now, in one scan, in segments that are smaller. */
static void
start_pass(struct shard *sh)
{
    struct partition *parts[JOBS_MAX];
    int64_t bytes, room = pass_bytes(sh);
    bool is_busy =
        sh->roll.job_count > 0 && atomic_load(&sh->o.roll.permits->used_bytes) > room / 4;
    if (is_busy || (int64_t)sh->live.bytes < room * patience(sh) ||
        sh->live.bytes < sh->roll.pass_at) {
        return;
    }
    size_t count = worthy(sh, parts, &bytes);
    sh->roll.pass_at = sh->live.bytes + (uint64_t)room / 8; /* the next look */
    for (size_t i = 0; bytes >= room / 2 && i < count; i++) {
        int64_t most = bytes > room ? share_of(sh, parts[i], bytes) : INT64_MAX;
        if (!consider(sh, parts[i], false, most)) {
            return;
        }
        sh->roll.pass_at = 0;
    }
}

static void
start_jobs(struct shard *sh)
{
    bool is_by_size;
    for (int looks = 0; looks < LOOKS_MAX && sh->roll.job_count < JOBS_MAX; looks++) {
        struct partition *part = next_partition(sh, &is_by_size);
        if (part == NULL || !consider(sh, part, is_by_size, INT64_MAX)) {
            return;
        }
        sh->roll.turn++;
    }
}

/* --- lag --- */

int
shard_roll_lag(const struct shard *sh)
{
    const struct roll_options *o = &sh->o.roll;
    if (o->policy == NULL) {
        return 0;
    }
    int64_t by_runs = (int64_t)sh->live.runs * 1000 / (o->live_runs_max > 0 ? o->live_runs_max : 1);
    int64_t bytes_max = o->live_bytes_max * 2 / 1000;
    int64_t by_bytes = (int64_t)pinned_bytes(sh) / (bytes_max > 0 ? bytes_max : 1);
    int64_t lag = by_runs > by_bytes ? by_runs : by_bytes;
    return lag < 100000 ? (int)lag : 100000;
}

static void
tell_lag(struct shard *sh)
{
    int lag = shard_roll_lag(sh);
    if (lag != sh->roll.lag_pm && sh->o.events != NULL && sh->o.events->roll_lag_changed != NULL) {
        sh->o.events->roll_lag_changed(sh->o.events_arg, sh, lag);
    }
    sh->roll.lag_pm = lag;
}

/* --- what has become collectable --- */

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A manifest with the new boundary is worth a snapshot when it frees as much as that weighs; when
 * nothing is written any more, or it was put off for long, in any case. */
static void
publish_maybe(struct shard *sh)
{
    struct journal_status s;
    int64_t now = sched_now(shard_sched(sh));
    if (sh->mode != JOURNAL_LIVE ||
        now - sh->roll.published_ns < sh->o.journal.snapshot_interval_ns) {
        return;
    }
    journal_status(sh->journal, &s);
    sh->live.floor_n = s.gc_boundary + 1;
    uint64_t first = live__first_n(&sh->live);
    uint64_t boundary = first > s.safe ? s.safe : first - 1;
    if (boundary <= s.gc_boundary || s.safe <= s.snapshot_n) {
        return;
    }
    uint64_t freed =
        live__bytes_from(&sh->live, s.gc_boundary + 1) - live__bytes_from(&sh->live, boundary + 1);
    bool is_quiet = now - sh->roll.applied_ns > QUIET_NS;
    bool is_late = now - sh->roll.published_ns > PUBLISH_LATEST_NS;
    if (is_late || (is_quiet && freed >= s.snapshot_bytes / 8) ||
        freed >= larger(2 * s.snapshot_bytes, 1 << 20)) {
        sh->roll.published_ns = now;
        journal_snapshot_now(sh->journal);
    }
}

/* --- life --- */

static void
look(struct shard *sh)
{
    if (!sh->roll.is_running || sh->mode != JOURNAL_LIVE) {
        return;
    }
    start_pass(sh);
    start_jobs(sh);
}

/* Where nothing happens nothing becomes due but by age. */
static int64_t
pause_of(struct shard *sh)
{
    bool is_idle = sched_now(shard_sched(sh)) - sh->roll.applied_ns > IDLE_AFTER_NS &&
                   sh->roll.job_count == 0 && list_is_empty(&sh->live.parked) &&
                   sh->garbage == NULL;
    return is_idle ? IDLE_TICK_NS : TICK_NS;
}

static void
tick(struct sched_timer *t)
{
    struct shard *sh = SL_CONTAINER_OF(t, struct shard, roll.tick);
    sched_timer_after(shard_sched(sh), t, pause_of(sh));
    live__unpark(&sh->live, sched_now(shard_sched(sh)));
    sh->roll.pass_at = 0;
    look(sh);
    shard__garbage_look(sh, patience(sh));
    tell_lag(sh);
    publish_maybe(sh);
}

static void
kicked(struct sched_task *task)
{
    struct shard *sh = SL_CONTAINER_OF(task, struct shard, roll.kick);
    sh->roll.is_kicked = false;
    look(sh);
}

void
roll__kick(struct shard *sh)
{
    if (sh->roll.is_running && !sh->roll.is_kicked) {
        sh->roll.is_kicked = true;
        sh->roll.kick.run = kicked;
        sched_post(shard_sched(sh), &sh->roll.kick);
    }
}

void
shard__roller_init(struct shard *sh)
{
    list_init(&sh->roll.jobs);
    list_init(&sh->roll.reads);
    live__init(&sh->live, least(1 << 20, sh->o.roll.target_bytes));
}

void
shard__roller_start(struct shard *sh)
{
    if (sh->o.roll.policy == NULL) {
        return;
    }
    sh->roll.is_running = true;
    sh->roll.tick.fire = tick;
    sh->roll.published_ns = sched_now(shard_sched(sh));
    sched_timer_after(shard_sched(sh), &sh->roll.tick, TICK_NS);
}

void
shard__roller_stop(struct shard *sh)
{
    sh->roll.is_running = false;
    sched_timer_stop(shard_sched(sh), &sh->roll.tick);
    LIST_FOREACH_SAFE(node, tmp, &sh->roll.jobs)
    {
        roll__job_stop(SL_CONTAINER_OF(node, struct roll_job, node));
    }
}

bool
shard__roller_is_idle(const struct shard *sh)
{
    return sh->roll.job_count == 0 && !sh->roll.is_kicked && !sh->roll.is_scan_posted &&
           list_is_empty(&sh->roll.reads) && sh->garbage == NULL;
}

void
shard__roller_fini(struct shard *sh)
{
    live__fini(&sh->live);
}

/* --- what the shard tells --- */

void
shard__roller_entry(struct shard *sh, const struct entry_header *h)
{
    if (sh->o.roll.policy == NULL) {
        return;
    }
    int64_t now = sched_now(shard_sched(sh));
    bool is_own = h->writer == sh->o.journal.node_id;
    live__entry(&sh->live, h, sched_wall_ms(shard_sched(sh)), sh->mode != JOURNAL_OPENING);
    sh->roll.applied_ns = now;
    *(is_own ? &sh->roll.own_ns : &sh->roll.foreign_ns) = now;
    if (sh->live.applied % LAG_EVERY == 0) {
        tell_lag(sh);
    }
}

void
shard__roller_appended(struct shard *sh, struct part_state *p, uint32_t length)
{
    if (sh->o.roll.policy != NULL && live__appended(&sh->live, shard__partition_of(p), length)) {
        roll__kick(sh);
    }
}

void
shard__roller_changed(struct shard *sh, struct part_state *p)
{
    if (sh->o.roll.policy != NULL && (p->user != NULL || p->run_count > 0)) {
        live__changed(&sh->live, shard__partition_of(p));
    }
}

void
shard__roller_gone(struct shard *sh, struct partition *part)
{
    live__gone(&sh->live, part);
}

void
shard__roller_restored(struct shard *sh)
{
    live__restored(&sh->live, sched_wall_ms(shard_sched(sh)));
}
