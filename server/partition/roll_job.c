/* SPDX-License-Identifier: Apache-2.0
 *
 * One job of the roller: plan an extent, read it, build the segment, put it. The steps are numbered
 * in the essay atop roller.c. */
#include "base/counters.h"
#include "base/crc32c.h"
#include "journal/mistakes.h"
#include "partition/roller_int.h"

enum {
    CHUNK_BYTES = 1 << 20,
    WINDOW_BYTES = 24 << 20, /* well within what the cache keeps */
    TRIES_MAX = 8,
    CALL_TIMEOUT_MS = 60000
};
#define RETRY_NS (20 * SCHED_MS)
#define RETRY_MOST_NS (5 * SCHED_S)
#define FAILED_PAUSE_NS (10 * SCHED_S)
#define LOST_PAUSE_NS (600 * SCHED_S)

static void put_index(struct roll_job *j);
static void wake_readers(struct shard *sh);
static void put_kfs(struct roll_job *j);

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
build_task(struct sched_task *task)
{
    roll__build(SL_CONTAINER_OF(task, struct roll_job, task));
}

static void
build_soon(struct roll_job *j)
{
    j->task.run = build_task;
    sched_post(shard_sched(j->sh), &j->task);
}

static void
drop_built(struct roll_job *j)
{
    segment_builder_fini(&j->builder);
    buf_unref(&j->files.kfs);
    buf_unref(&j->files.index);
    bytes_clear(&j->carry);
}

static void
begin_build(struct roll_job *j)
{
    drop_built(j);
    j->next = j->base;
    j->at_n = UINT64_MAX; /* until it reads */
    segment_builder_init(&j->builder, j->base, j->body_bytes);
    build_soon(j);
}

bool
roll__job_start(struct shard *sh, struct partition *part, const char *dir, int64_t limit)
{
    struct roll_job *j = (struct roll_job *)sl_alloc(sizeof(*j));
    j->sh = sh;
    j->topic_id = part->st->topic_id;
    j->partition = part->st->index;
    span_to_cstr(span_cstr(dir), j->dir, sizeof(j->dir));
    bytes_init(&j->carry, SEGMENT_BYTES_MAX);
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
    drop_built(j);
    bytes_fini(&j->carry);
    bytes_fini(&j->op.payload);
    buf_unref(&j->call.body);
    (void)atomic_fetch_sub(&sh->o.roll.permits->used_bytes, j->reserved_bytes);
    list_remove(&j->node);
    sh->roll.job_count--;
    sl_free(j);
    wake_readers(sh);
    roll__kick(sh);
}

void
roll__job_stop(struct roll_job *j)
{
    if (j->retry.heap_pos != 0 || j->is_waiting) {
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
    int64_t wait = RETRY_NS << j->tries;
    wait = wait < RETRY_MOST_NS ? wait : RETRY_MOST_NS;
    j->again = again;
    j->retry.fire = retry_fire;
    sched_timer_after(s, &j->retry, wait / 2 + (int64_t)(sched_random(s) % (uint64_t)wait));
}

/* --- build --- */

/* Completes the batch at hand. False: the piece was too short. SL_ECORRUPT through *rc. */
static bool
fill_carry(struct roll_job *j, struct span *bytes, enum sl_err *rc, struct sl_error *err)
{
    size_t need = BATCH_LENGTH_START;
    bool is_length_known = j->carry.len >= need;
    if (is_length_known) {
        need += get_u32(j->carry.data + BATCH_LENGTH_START - 4);
    }
    size_t n = need > j->carry.len ? need - j->carry.len : 0;
    n = n < bytes->len ? n : bytes->len;
    bytes_append(&j->carry, bytes->ptr, n);
    *bytes = span_of(bytes->ptr + n, bytes->len - n);
    if (j->carry.len < need) {
        return false;
    }
    if (is_length_known) {
        *rc = segment_builder_add(&j->builder, bytes_span(&j->carry), err);
        bytes_clear(&j->carry);
    }
    return true;
}

/* A batch may begin in one piece and end in another one. */
static enum sl_err
add_piece(struct roll_job *j, struct span bytes, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    while (rc == SL_OK && bytes.len > 0 && j->carry.len > 0) {
        if (!fill_carry(j, &bytes, &rc, err)) {
            return SL_OK;
        }
    }
    struct span rest = bytes, batch;
    struct batch_info info;
    while (rc == SL_OK && batch_next(&rest, &info, &batch)) {
    }
    size_t whole = bytes.len - rest.len;
    if (rc == SL_OK && whole > 0) {
        rc = segment_builder_add(&j->builder, span_of(bytes.ptr, whole), err);
    }
    if (rc == SL_OK) {
        bytes_append(&j->carry, rest.ptr, rest.len);
    }
    return rc;
}

static void
take_read(struct roll_job *j, struct part_read *r)
{
    struct sl_error err = SL_ERROR_INIT;
    enum sl_err rc = r->rc == SL_OK && r->piece_count == 0 ? SL_EAGAIN : r->rc;
    for (size_t i = 0; i < r->piece_count && rc == SL_OK; i++) {
        rc = add_piece(j, r->pieces[i].bytes, &err);
    }
    part_read_fini(r);
    j->next = j->builder.next_offset;
    if (rc == SL_OK && j->carry.len == 0) {
        build_soon(j);
        return;
    }
    /* The store is away, or S moved on and what was read is cut elsewhere: looked at again. */
    roll__job_end(j, rc == SL_EPARTITION_FAILED ? LOST_PAUSE_NS : SCHED_S);
}

static void
read_done(struct part_read *r)
{
    take_read(SL_CONTAINER_OF(r, struct roll_job, read), r);
}

/* --- jobs read side by side
 *
 * An entry holds runs of many partitions, and the cache reads blocks of it. So that a block is read
 * once for all jobs that want something of it, no job goes further than a window of entries ahead
 * of the one that is furthest behind. That one never waits. */

static uint64_t
window_end(const struct shard *sh)
{
    uint64_t floor = UINT64_MAX;
    LIST_FOREACH_SAFE(node, tmp, &sh->roll.jobs)
    {
        const struct roll_job *j = SL_CONTAINER_OF(node, struct roll_job, node);
        floor = j->at_n < floor ? j->at_n : floor;
    }
    uint64_t end = live__n_behind(&sh->live, floor, WINDOW_BYTES);
    return end > floor ? end : floor;
}

/* Whoever waited and need not any more. */
static void
wake_readers(struct shard *sh)
{
    uint64_t end = window_end(sh);
    LIST_FOREACH_SAFE(node, tmp, &sh->roll.jobs)
    {
        struct roll_job *j = SL_CONTAINER_OF(node, struct roll_job, node);
        if (j->is_waiting && j->at_n <= end) {
            j->is_waiting = false;
            build_soon(j);
        }
    }
}

/* What lies within the window, but not more than a chunk. 0: it has to wait. */
static size_t
chunk_bytes(struct roll_job *j, const struct part_state *p)
{
    const struct run_ref *r = part_find_run(p, j->next > p->start ? j->next : p->start);
    size_t bytes = 0;
    if (r == NULL) {
        return CHUNK_BYTES; /* S moved on; the read will tell */
    }
    j->at_n = r->n;
    uint64_t end = window_end(j->sh);
    size_t i = (size_t)(r - part_run(p, 0));
    for (; i < p->run_count && part_run(p, i)->n <= end; i++) {
        if (bytes > 0 && bytes + part_run(p, i)->length > CHUNK_BYTES) {
            break;
        }
        bytes += part_run(p, i)->length;
    }
    return bytes;
}

static void
read_chunk(struct roll_job *j, const struct part_state *p)
{
    size_t left = j->body_bytes + SEGMENT_HEADER_BYTES - j->builder.object->len;
    size_t chunk = chunk_bytes(j, p);
    wake_readers(j->sh);
    if (chunk == 0) {
        j->is_waiting = true;
        return;
    }
    j->read = (struct part_read){.topic_id = j->topic_id,
                                 .partition = j->partition,
                                 .offset = j->next > p->start ? j->next : p->start,
                                 .max_bytes = left < chunk ? left : chunk,
                                 .is_at_least_one = true,
                                 .is_tail_ok = true,
                                 .done = read_done};
    part_read_submit(j->sh, &j->read);
}

static void
built(struct roll_job *j)
{
    j->at_n = UINT64_MAX;
    wake_readers(j->sh);
    j->body_crc = j->builder.crc;
    segment_builder_finish(&j->builder, sched_wall_ms(shard_sched(j->sh)), &j->files);
    if (j->is_adopting) {
        roll__compare(j);
    } else {
        put_index(j);
    }
}

void
roll__build(struct roll_job *j)
{
    const struct part_state *p = roll__part(j);
    if (p == NULL) {
        return;
    }
    if (j->next <= j->last) {
        read_chunk(j, p);
    } else {
        built(j);
    }
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
    j->call = (struct store_call){
        .kind = kind, .home = shard_sched(j->sh), .timeout_ms = CALL_TIMEOUT_MS, .done = done};
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
