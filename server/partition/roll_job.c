/* SPDX-License-Identifier: Apache-2.0
 *
 * One job of the roller: its extent, its turn to be stored, the puts; roll_scan.c feeds it what it
 * is built of. The steps are numbered in the essay atop roller.c. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/roller_int.h"

enum { STORING_MAX = 16, LOCAL_BYTES_MAX = 4 << 20, TRIES_MAX = 8 };
#define RETRY_NS (20 * SCHED_MS)
#define RETRY_MOST_NS (5 * SCHED_S)
#define FAILED_PAUSE_NS (10 * SCHED_S)

static void put_index(struct roll_job *j);
static void put_kfs(struct roll_job *j);
static void store_next(struct shard *sh);

/* --- permits --- */

static bool
reserve(struct roll_job *j, int64_t bytes, bool is_forced)
{
    struct roll_permits *permits = j->sh->o.roll.permits;
    int64_t used = atomic_fetch_add(&permits->used_bytes, bytes);
    if (!is_forced && used > 0 && used + bytes > permits->max_bytes) {
        (void)atomic_fetch_sub(&permits->used_bytes, bytes);
        return false;
    }
    j->reserved_bytes += bytes;
    return true;
}

/* --- begin and end --- */

static void
drop_built(struct roll_job *j)
{
    segment_builder_fini(&j->builder);
    buf_unref(&j->files.kfs);
    buf_unref(&j->files.index);
}

static void
begin_build(struct roll_job *j)
{
    drop_built(j);
    segment_builder_init(&j->builder, j->base, j->body_bytes);
    roll__scan_join(j);
}

bool
roll__job_start(struct shard *sh, struct partition *part, const char *dir, int64_t limit)
{
    struct roll_job *j = (struct roll_job *)sl_alloc(sizeof(*j));
    j->sh = sh;
    j->topic_id = part->st->topic_id;
    j->partition = part->st->index;
    span_to_cstr(span_cstr(dir), j->dir, sizeof(j->dir));
    j->at_n = UINT64_MAX;
    if (!roll__plan(j, part->st, limit, -1)) {
        live__give_back(&sh->live, part, sched_now(shard_sched(sh)) + FAILED_PAUSE_NS);
        sl_free(j);
        return true;
    }
    if (!reserve(j, (int64_t)j->body_bytes, false)) {
        sl_free(j);
        return false;
    }
    live__take(&sh->live, part);
    list_append(&sh->roll.jobs, &j->node);
    sh->roll.job_count++;
    begin_build(j);
    return true;
}

void
roll__job_end(struct roll_job *j, int64_t pause_ns)
{
    struct shard *sh = j->sh;
    struct part_state *p = state_find_part(sh->state, &j->topic_id, j->partition);
    if (p != NULL && p->user != NULL && ((struct partition *)p->user)->live.is_rolling) {
        int64_t until = pause_ns > 0 ? sched_now(shard_sched(sh)) + pause_ns : 0;
        live__give_back(&sh->live, (struct partition *)p->user, until);
    }
    roll__scan_leave(j);
    drop_built(j);
    bytes_fini(&j->op.payload);
    buf_unref(&j->call.body);
    (void)atomic_fetch_sub(&sh->o.roll.permits->used_bytes, j->reserved_bytes);
    list_remove(&j->node);
    sh->roll.job_count--;
    sl_free(j);
    store_next(sh);
    roll__kick(sh);
}

void
roll__job_stop(struct roll_job *j)
{
    if (j->retry.heap_pos != 0 || j->is_waiting || j->is_scanning) {
        sched_timer_stop(shard_sched(j->sh), &j->retry);
        roll__job_end(j, 0);
    }
}

struct part_state *
roll__part(struct roll_job *j)
{
    struct shard *sh = j->sh;
    bool is_going_on = sh->roll.is_running && shard_ready(sh) == SL_OK;
    struct part_state *p =
        is_going_on ? state_find_part(sh->state, &j->topic_id, j->partition) : NULL;
    if (p == NULL || p->run_count == 0 || part_registered_end(p) != j->base) {
        roll__drop_orphan(j);
        return NULL;
    }
    return p;
}

static void
retry_fire(struct sched_timer *t)
{
    struct roll_job *j = SL_CONTAINER_OF(t, struct roll_job, retry);
    if (roll__part(j) != NULL) {
        j->again(j);
    }
}

void
roll__retry(struct roll_job *j, void (*again)(struct roll_job *j), const char *why)
{
    struct sched *s = shard_sched(j->sh);
    counter_add(C_roll_retries, 1);
    if (!j->sh->roll.is_running || ++j->tries > TRIES_MAX) {
        SL_WARN(j->sh->o.journal.log, "roller.put_failed", KV_STR("object", j->call.key),
                KV_U64("tries", j->tries), KV_STR("why", why));
        roll__job_end(j, FAILED_PAUSE_NS);
        return;
    }
    int64_t wait = sched_backoff(RETRY_NS, j->tries, RETRY_MOST_NS);
    j->again = again;
    j->retry.fire = retry_fire;
    sched_timer_after(s, &j->retry, wait / 2 + (int64_t)(sched_random(s) % (uint64_t)wait));
}

/* --- build --- */

/* Built, it waits for its turn to be stored: many small jobs are read side by side, but the store
 * has other callers. On a local disk every byte on its way stands before the journal's next
 * write. */
static bool
may_store(const struct shard *sh, size_t jobs, size_t bytes)
{
    bool is_room = !sh->o.journal.store->is_local || bytes <= LOCAL_BYTES_MAX;
    return jobs == 0 || (jobs < STORING_MAX && is_room);
}

static void
store_next(struct shard *sh)
{
    size_t jobs = 0, bytes = 0;
    LIST_FOREACH(node, &sh->roll.jobs)
    {
        const struct roll_job *j = SL_CONTAINER_OF(node, struct roll_job, node);
        jobs += j->is_storing ? 1 : 0;
        bytes += j->is_storing ? j->body_bytes : 0;
    }
    LIST_FOREACH(node, &sh->roll.jobs)
    {
        struct roll_job *j = SL_CONTAINER_OF(node, struct roll_job, node);
        if (j->is_waiting && may_store(sh, jobs, bytes + j->body_bytes)) {
            j->is_waiting = false;
            j->is_storing = true;
            jobs++;
            bytes += j->body_bytes;
            sched_post(shard_sched(sh), &j->task);
        }
    }
}

static void
store_task(struct sched_task *task)
{
    struct roll_job *j = SL_CONTAINER_OF(task, struct roll_job, task);
    if (roll__part(j) == NULL) {
        return;
    }
    if (j->is_adopting) {
        roll__compare(j);
    } else {
        put_index(j);
    }
}

void
roll__built(struct roll_job *j)
{
    j->body_crc = j->builder.crc;
    segment_builder_finish(&j->builder, sched_wall_ms(shard_sched(j->sh)), &j->files);
    j->task.run = store_task;
    if (j->is_storing) { /* built anew, to adopt */
        sched_post(shard_sched(j->sh), &j->task);
        return;
    }
    j->is_waiting = true;
    store_next(j->sh);
}

bool
roll__rebuild(struct roll_job *j, const struct part_state *p, int64_t last)
{
    size_t before = j->body_bytes;
    j->had_index = true; /* if there is one, it is not of this extent */
    if (!roll__plan(j, p, 0, last)) {
        return false;
    }
    if (j->body_bytes > before) {
        (void)reserve(j, (int64_t)(j->body_bytes - before), true);
    }
    begin_build(j);
    return true;
}

/* --- put --- */

void
roll__call(struct roll_job *j, enum store_kind kind, enum segment_file file,
           void (*done)(struct store_call *call))
{
    const struct segment_place at = {j->dir, j->partition, j->base, 0};
    buf_unref(&j->call.body);
    j->call = (struct store_call){.kind = kind,
                                  .home = shard_sched(j->sh),
                                  .timeout_ms = SHARD_CALL_TIMEOUT_MS,
                                  .done = done};
    if (!shard_segment_key(j->sh, &at, file, j->call.key)) {
        j->call.key[0] = '\0'; /* no store takes it: the call fails, and says so */
    }
}

static void
put(struct roll_job *j, enum segment_file file, bool if_absent,
    void (*done)(struct store_call *call))
{
    roll__call(j, STORE_PUT, file, done);
    j->call.parts[0] = buf_span(file == SEGMENT_FILE_KFS ? j->files.kfs : j->files.index);
    j->call.part_count = 1;
    j->call.if_absent = if_absent;
    j->has_put = true;
    store_submit(j->sh->o.journal.store, &j->call);
}

static void
index_put(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    if (roll__part(j) == NULL) {
        return;
    }
    if (call->outcome == STORE_DONE || call->outcome == STORE_EXISTS) {
        j->had_index = call->outcome == STORE_EXISTS;
        put_kfs(j);
    } else {
        roll__retry(j, put_index, call->why);
    }
}

static void
put_index(struct roll_job *j)
{
    put(j, SEGMENT_FILE_INDEX, true, index_put);
}

static void
kfs_put(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    j->is_unknown = j->is_unknown || call->outcome == STORE_UNKNOWN;
    if (roll__part(j) == NULL) {
        return;
    }
    bool is_believed = call->outcome == STORE_EXISTS && MISTAKE(adopt_blindly);
    if (call->outcome == STORE_DONE || is_believed) {
        roll__settled(j);
    } else if (call->outcome == STORE_EXISTS) {
        roll__adopt(j);
    } else {
        roll__retry(j, put_kfs, call->why);
    }
}

static void
put_kfs(struct roll_job *j)
{
    put(j, SEGMENT_FILE_KFS, true, kfs_put);
}

void
roll__put_kfs_again(struct roll_job *j)
{
    put_kfs(j);
}

static void put_index_right(struct roll_job *j);

static void
index_right(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    if (roll__part(j) == NULL) {
        return;
    }
    if (call->outcome == STORE_DONE) {
        roll__register(j);
    } else {
        roll__retry(j, put_index_right, call->why);
    }
}

static void
put_index_right(struct roll_job *j)
{
    put(j, SEGMENT_FILE_INDEX, false, index_right);
}

void
roll__settled(struct roll_job *j)
{
    if (j->had_index || j->is_adopted) {
        put_index_right(j);
    } else {
        roll__register(j);
    }
}
