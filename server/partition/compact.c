/* SPDX-License-Identifier: Apache-2.0
 *
 * Compaction of one partition (cleanup.policy=compact): of each key at least the latest record
 * stays.
 *
 *   1 map     the keys of the dirty segments (compact_plan.h), as many of them as the map takes,
 *             with their latest offsets
 *   2 write   segment by segment from the front, clean ones first: a record goes when the map knows
 *             a later one of its key, a tombstone also when it is old enough. Small neighbours
 *             become one segment.
 *   3 put     .kfs if absent, under a generation above those it was made of; then the .index
 *   4 REPLACE changes S only if exactly the sources are still there
 *
 * then the next group of segments, until the dirty ones that were mapped are through.
 *
 * If not even one dirty segment's keys fit, they are taken in classes of their hash: for every
 * group the segment is read once per class, what is obsolete is marked with a bit, and the group is
 * written when all classes are through. Nothing is ever called clean that was not compared with all
 * keys: else a tombstone could go while an older value of its key is still there.
 *
 * Offsets stay: batches keep theirs, with fewer records (wire/rewrite.h), and those that have none
 * left go. The last one that stays in a segment is said to reach to the segment's end (its last
 * offset delta), so that readers get there. Of a segment of which nothing is left there is no
 * object, only its offsets in S; readers go on with what follows. If nothing follows, an empty
 * batch stays: somebody must say how far the log reaches.
 *
 * What is interrupted is not resumed but begun anew from S, which says what is clean. Each REPLACE
 * is right by itself: what it drops is obsolete by records that stay. A crash leaves at most one
 * pair of objects that nobody refers to (`sluice log sweep`).
 *
 * Readers: who read an old value of a key has delete.retention.ms to come to the tombstone. It is
 * counted from when its range was first compacted: from the entry of that REPLACE or, when the
 * segment is written again, from the time in its header, which is handed on. That one lies before
 * the REPLACE, by five minutes at most: a later REPLACE is not proposed, and they are waited for,
 * too.
 *
 * One that fails may do so again whenever it is tried (a damaged segment, keys that do not fit),
 * and there is none that is dirtier. So the partition is left alone for a while, longer each time,
 * and others have their turn.
 *
 * One at a time in a process. Memory: the map (log.cleaner.dedupe.buffer.size), the segment that is
 * being written (of the roller's permits), one chunk, and one batch decompressed. A loop is never
 * held up for longer than one batch takes. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/compact_int.h"

enum {
    TRIES_MAX = 8,
    CLASSES_MAX = 4096,
    PLAIN_MAX = 128 << 20,
    FRAME_BYTES = SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES
};
#define RETRY_NS (50 * SCHED_MS)
#define RETRY_MOST_NS (5 * SCHED_S)
#define FAILED_PAUSE_NS (30 * SCHED_S)
#define FAILED_PAUSE_MOST_NS (600 * SCHED_S)

static void begin_classes(struct compact_job *j);

/* --- begin and end --- */

static bool
take_turn(struct shard *sh)
{
    return !atomic_exchange(&sh->o.roll.permits->is_compacting, true);
}

void
compact__drop_built(struct compact_job *j)
{
    segment_builder_fini(&j->builder);
    buf_unref(&j->files.kfs);
    buf_unref(&j->files.index);
    (void)atomic_fetch_sub(&j->sh->o.roll.permits->used_bytes, j->reserved_bytes);
    j->reserved_bytes = 0;
}

static void
report(const struct compact_job *j, const char *why)
{
    int64_t took = sched_now(shard_sched(j->sh)) - j->total.began_ns;
    if (why != NULL) {
        SL_WARN(j->sh->o.journal.log, "compact.failed", KV_STR("directory", j->dir),
                KV_I64("partition", j->partition), KV_I64("base", j->base), KV_STR("why", why));
    } else if (j->total.groups > 0) {
        SL_INFO(j->sh->o.journal.log, "compact.done", KV_STR("directory", j->dir),
                KV_I64("partition", j->partition), KV_U64("segments", j->total.groups),
                KV_U64("records_dropped", j->total.records), KV_U64("bytes_in", j->total.bytes_in),
                KV_U64("bytes_out", j->total.bytes_out), KV_I64("took_ms", took / SCHED_MS));
    }
}

static void
note_outcome(const struct compact_job *j, bool is_fine)
{
    struct part_state *p = state_find_part(j->sh->state, &j->topic_id, j->partition);
    if (p == NULL) {
        return;
    }
    struct partition *part = shard__partition_of(p);
    if (is_fine) {
        part->failed.count = 0;
        part->failed.not_before_ns = 0;
        return;
    }
    part->failed.not_before_ns =
        sched_now(shard_sched(j->sh)) +
        sched_backoff(FAILED_PAUSE_NS, part->failed.count++, FAILED_PAUSE_MOST_NS);
}

void
compact__end(struct compact_job *j, const char *why)
{
    struct shard *sh = j->sh;
    report(j, why);
    note_outcome(j, why == NULL || j->lacks_memory);
    compact__walk_drop(j);
    compact__drop_built(j);
    compact_map_fini(&j->map);
    sl_free(j->obsolete);
    bytes_fini(&j->plain);
    bytes_fini(&j->kept);
    bytes_fini(&j->out);
    bytes_fini(&j->held);
    bytes_fini(&j->op.payload);
    buf_unref(&j->call.body);
    sl_free(j);
    sh->compact = NULL;
    atomic_store(&sh->o.roll.permits->is_compacting, false);
    shard__upkeep_compacted(sh, why == NULL);
}

struct part_state *
compact__part(struct compact_job *j)
{
    struct shard *sh = j->sh;
    bool is_going_on = !j->is_stopping && sh->mode == JOURNAL_LIVE;
    struct part_state *p =
        is_going_on ? state_find_part(sh->state, &j->topic_id, j->partition) : NULL;
    if (p == NULL && is_going_on && j->has_put) {
        compact__drop_lost(j);
    } else if (p == NULL) {
        compact__end(j, NULL);
    }
    return p;
}

void
compact__stop(struct compact_job *j)
{
    j->is_stopping = true;
    if (j->retry.heap_pos != 0) {
        sched_timer_stop(shard_sched(j->sh), &j->retry);
        compact__end(j, NULL);
    } /* else its next callback ends it */
}

static void
retry_fire(struct sched_timer *t)
{
    struct compact_job *j = SL_CONTAINER_OF(t, struct compact_job, retry);
    if (compact__part(j) != NULL) {
        j->again(j);
    }
}

void
compact__retry(struct compact_job *j, void (*again)(struct compact_job *j), const char *why)
{
    struct sched *s = shard_sched(j->sh);
    if (j->is_stopping || ++j->tries > TRIES_MAX) {
        compact__end(j, j->is_stopping ? NULL : why);
        return;
    }
    int64_t wait = sched_backoff(RETRY_NS, j->tries, RETRY_MOST_NS);
    j->again = again;
    j->retry.fire = retry_fire;
    sched_timer_after(s, &j->retry, wait / 2 + (int64_t)(sched_random(s) % (uint64_t)wait));
}

/* --- map --- */

/* The batch at hand does not fit any more. What lies before its segment is mapped. */
static void
map_full(struct compact_job *j, const struct batch_info *info)
{
    const struct part_state *p = compact__part(j);
    const struct segment_ref *s = p == NULL ? NULL : part_find_segment(p, info->base_offset);
    if (p == NULL) {
        return;
    }
    if (j->classes == 1 && s != NULL && s->base > j->dirty_from) {
        j->dirty_to = s->base;
        compact__next(j);
        return;
    }
    j->dirty_to = j->dirty_first_end;
    j->classes *= 2;
    if (j->classes > CLASSES_MAX) {
        compact__end(j, "the keys of one segment do not fit into log.cleaner.dedupe.buffer.size");
    } else if (j->group.count > 0) {
        begin_classes(j);
    } else {
        compact__next(j);
    }
}

static bool
map_batch(struct compact_job *j, const struct batch_info *info, struct span batch)
{
    struct record_iter it;
    struct record rec;
    if (records_open(batch, &j->plain, &it) != SL_OK) {
        return true; /* who cannot read it cannot know its keys either */
    }
    while (record_next(&it, &rec)) {
        if (rec.key.ptr != NULL && !compact_map_put(&j->map, rec.key, rec.offset) &&
            !MISTAKE(clean_without_all_keys)) {
            map_full(j, info);
            return false;
        }
    }
    return true;
}

static void
map_done(struct compact_job *j)
{
    compact__next(j);
}

/* --- classes: map and mark, again and again --- */

static bool
mark_batch(struct compact_job *j, const struct batch_info *info, struct span batch)
{
    struct record_iter it;
    struct record rec;
    uint64_t at = j->at_record;
    j->at_record += info->count > 0 ? (uint64_t)info->count : 0;
    if (records_open(batch, &j->plain, &it) != SL_OK) {
        return true;
    }
    for (; record_next(&it, &rec) && at < j->record_bits; at++) {
        if (rec.key.ptr != NULL && compact_map_latest(&j->map, rec.key) > rec.offset) {
            j->obsolete[at / 8] |= (uint8_t)(1u << (at % 8));
        }
    }
    return true;
}

static void map_class(struct compact_job *j);

static void
mark_done(struct compact_job *j)
{
    if (++j->at_class < j->classes) {
        map_class(j);
    } else {
        compact__write(j);
    }
}

static void
class_mapped(struct compact_job *j)
{
    j->at_record = 0;
    compact__walk(j, j->from, j->last + 1, mark_batch, mark_done);
}

static void
map_class(struct compact_job *j)
{
    compact_map_begin(&j->map, j->classes, j->at_class);
    compact__walk(j, j->dirty_from, j->dirty_to, map_batch, class_mapped);
}

/* Marks that were made before stay right. */
static void
begin_classes(struct compact_job *j)
{
    j->at_class = 0;
    map_class(j);
}

/* --- groups --- */

static void
group_ready(struct compact_job *j)
{
    j->tries = 0;
    if (j->classes == 1) {
        compact__write(j);
        return;
    }
    sl_free(j->obsolete);
    j->record_bits = j->group.records;
    j->obsolete = (uint8_t *)sl_alloc((size_t)j->record_bits / 8 + 1);
    begin_classes(j);
}

static void
header_read(struct store_call *call)
{
    struct compact_job *j = compact__job_of(call);
    if (compact__part(j) == NULL) {
        return;
    }
    if (call->outcome != STORE_DONE || call->body->len != SEGMENT_HEADER_BYTES) {
        compact__end(j, call->outcome == STORE_DONE ? "a segment is too short" : call->why);
        return;
    }
    int64_t now_ms = sched_wall_ms(shard_sched(j->sh)), ready_ms;
    int64_t wait_ms = MISTAKE(clean_counts_from_build) ? 0 : COMPACT_COMMIT_MS;
    j->created_ms = get_i64(call->body->data + 20);
    j->drops_tombstones =
        !__builtin_add_overflow(j->created_ms, j->policy.delete_retention_ms, &ready_ms) &&
        !__builtin_add_overflow(ready_ms, wait_ms, &ready_ms) && ready_ms < now_ms;
    group_ready(j);
}

/* Since when do the tombstones of the group stand? */
static void
learn_age(struct compact_job *j)
{
    if (j->group.kind == COMPACT_YOUNG) {
        compact__call(j, STORE_GET, SEGMENT_FILE_KFS, j->sources[0].gen, header_read);
        j->call.length = SEGMENT_HEADER_BYTES;
        store_submit(j->sh->o.journal.store, &j->call);
        return;
    }
    j->drops_tombstones = j->group.kind == COMPACT_SETTLED;
    group_ready(j);
}

static void
wait_for_permit(struct compact_job *j)
{
    struct roll_permits *permits = j->sh->o.roll.permits;
    int64_t bytes = (int64_t)j->group.bytes;
    int64_t used = atomic_fetch_add(&permits->used_bytes, bytes);
    if (used > 0 && used + bytes > permits->max_bytes) {
        (void)atomic_fetch_sub(&permits->used_bytes, bytes);
        j->lacks_memory = true; /* it says nothing of the partition */
        compact__retry(j, wait_for_permit, "the roller needs all memory there is");
        return;
    }
    j->lacks_memory = false;
    j->reserved_bytes = bytes;
    learn_age(j);
}

static void
take_group(struct compact_job *j, const struct part_state *p)
{
    j->body_room = 0;
    for (size_t i = 0; i < j->group.count; i++) {
        const struct segment_ref *s = part_segment(p, j->group.first + i);
        j->sources[i] = (struct segment_source){s->base, s->gen};
        j->last = s->last;
        j->body_room += s->bytes > 0 ? (size_t)s->bytes - FRAME_BYTES : 0;
        j->created_ms = i == 0 || s->created_ms > j->created_ms ? s->created_ms : j->created_ms;
    }
    j->base = j->sources[0].base;
    j->from = p->start > j->base ? p->start : j->base;
    j->gen = j->group.gen_max + 1;
    j->created_ms = j->group.kind == COMPACT_DIRTY ? 0 : j->created_ms;
    j->tries = j->gens = 0;
}

void
compact__next(struct compact_job *j)
{
    struct shard *sh = j->sh;
    compact__walk_drop(j);
    j->has_put = false;
    const struct part_state *p = compact__part(j);
    if (p == NULL) {
        return;
    }
    compact__drop_built(j);
    struct compact_limits limits = {.wall_ms = sched_wall_ms(shard_sched(sh)),
                                    .segment_bytes = sh->o.roll.target_bytes,
                                    .dirty_to = j->dirty_to};
    int64_t from = j->group.count == 0 ? 0 : j->last + 1;
    if (!sh->o.roll.policy(sh->o.roll.policy_arg, &j->topic_id, &j->policy) ||
        !j->policy.is_compacted) {
        compact__end(j, NULL);
        return;
    }
    limits.segment_bytes = j->policy.segment_bytes < limits.segment_bytes ? j->policy.segment_bytes
                                                                          : limits.segment_bytes;
    if (!compact_next_group(p, &j->policy, &limits, from, &j->group)) {
        compact__end(j, NULL);
        return;
    }
    take_group(j, p);
    wait_for_permit(j);
}

/* --- start --- */

static struct compact_job *
job_new(struct shard *sh, const struct part_state *p, const struct compact_view *view)
{
    struct compact_job *j = (struct compact_job *)sl_alloc(sizeof(*j));
    struct sched *s = shard_sched(sh);
    const uint64_t seed[2] = {sched_random(s), sched_random(s)};
    uint64_t records = 0;
    j->sh = sh;
    j->topic_id = p->topic_id;
    j->partition = p->index;
    span_to_cstr(span_cstr(part_dir(p)), j->dir, sizeof(j->dir));
    for (size_t i = view->dirty; i < view->end; i++) {
        records += part_segment(p, i)->record_count;
    }
    j->dirty_from = part_segment(p, view->dirty)->base;
    j->dirty_first_end = part_segment(p, view->dirty)->last + 1;
    j->dirty_to = part_segment(p, view->end - 1)->last + 1;
    compact_map_init(&j->map, (size_t)sh->o.roll.dedupe_bytes, records, seed);
    j->classes = 1;
    bytes_init(&j->plain, PLAIN_MAX);
    bytes_init(&j->kept, PLAIN_MAX);
    bytes_init(&j->out, PLAIN_MAX);
    bytes_init(&j->held, PLAIN_MAX);
    j->total.began_ns = sched_now(s);
    return j;
}

bool
compact__start(struct shard *sh, const struct uuid *topic_id, int32_t partition)
{
    struct part_policy policy;
    struct compact_view view;
    const struct part_state *p = state_find_part(sh->state, topic_id, partition);
    if (p == NULL || !sh->o.roll.policy(sh->o.roll.policy_arg, topic_id, &policy) ||
        !policy.is_compacted) {
        return false;
    }
    compact_look(p, &policy, sched_wall_ms(shard_sched(sh)), &view);
    if (!view.is_due || !take_turn(sh)) {
        return false;
    }
    struct compact_job *j = job_new(sh, p, &view);
    sh->compact = j;
    counter_add(C_compact_jobs, 1);
    compact__walk(j, j->dirty_from, j->dirty_to, map_batch, map_done);
    return true;
}
