/* SPDX-License-Identifier: Apache-2.0
 *
 * Step 2 of a compaction: the records of a group that stay, in one segment. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/compact_int.h"

enum { SLICE_BYTES_MIN = 1 << 20, ROOM_TRIES_MAX = 4 };

static bool
is_obsolete(const struct compact_job *j, const struct record *rec, uint64_t at)
{
    if (j->classes == 1) {
        int64_t least = MISTAKE(clean_drops_latest) ? rec->offset : rec->offset + 1;
        return compact_map_latest(&j->map, rec->key) >= least;
    }
    return at < j->record_bits && (j->obsolete[at / 8] >> (at % 8) & 1) != 0;
}

static bool
keeps(void *arg, const struct record *rec)
{
    struct compact_job *j = (struct compact_job *)arg;
    uint64_t at = j->at_record++;
    if (rec->key.ptr == NULL) {
        return true; /* from before the topic was compacted */
    }
    bool is_over = rec->value.ptr == NULL && (j->drops_tombstones || MISTAKE(clean_drops_young));
    return !is_over && !is_obsolete(j, rec, at);
}

/* The first slice begins where the segment does, whatever fell out before its first batch. */
static void
note_slice(struct compact_job *j, int64_t base_offset, int64_t max_timestamp)
{
    size_t at = j->builder.object->len;
    size_t each = j->body_room / SEGMENT_SLICES_MAX + 1;
    each = each > SLICE_BYTES_MIN ? each : SLICE_BYTES_MIN;
    if (j->slice_count == 0 ||
        (at - j->slice_from >= each && j->slice_count < SEGMENT_SLICES_MAX)) {
        uint32_t delta = j->slice_count == 0 ? 0 : (uint32_t)(base_offset - j->base);
        j->slices[j->slice_count++] = (struct segment_slice){delta, (uint32_t)at, -1};
        j->slice_from = at;
    }
    struct segment_slice *s = &j->slices[j->slice_count - 1];
    s->max_timestamp = max_timestamp > s->max_timestamp ? max_timestamp : s->max_timestamp;
    j->max_timestamp = max_timestamp > j->max_timestamp ? max_timestamp : j->max_timestamp;
}

/* Records compressed anew may take more than they took. */
static void
more_room(struct compact_job *j)
{
    size_t more = j->body_room / 2 + (1 << 20);
    if (++j->tries > ROOM_TRIES_MAX || j->body_room + more >= SEGMENT_BYTES_MAX / 2) {
        compact__end(j, "what stays takes much more than it took");
        return;
    }
    j->body_room += more;
    j->reserved_bytes += (int64_t)more;
    (void)atomic_fetch_add(&j->sh->o.roll.permits->used_bytes, (int64_t)more);
    compact__write(j);
}

/* --- one batch is held back: it may have to reach further --- */

static bool
flush(struct compact_job *j)
{
    struct sl_error err = SL_ERROR_INIT;
    if (j->held.len == 0) {
        return true;
    }
    note_slice(j, j->held_info.base_offset, j->held_max_timestamp);
    enum sl_err rc = segment_builder_add(&j->builder, bytes_span(&j->held), &err);
    bytes_clear(&j->held);
    if (rc == SL_ETOO_LARGE) {
        more_room(j);
    } else if (rc != SL_OK) {
        compact__end(j, err.msg);
    }
    return rc == SL_OK;
}

static bool
hold(struct compact_job *j, const struct batch_rewrite *w)
{
    if (!flush(j)) {
        return false;
    }
    bytes_append(&j->held, w->batch.ptr, w->batch.len);
    j->held_max_timestamp = w->max_timestamp;
    if (batch_info_read(bytes_span(&j->held), &j->held_info) != SL_OK) {
        compact__end(j, "a batch is larger than can be held");
        return false;
    }
    return true;
}

static bool
can_reach_the_end(const struct compact_job *j)
{
    return j->held.len > 0 && j->last - j->held_info.base_offset <= INT32_MAX;
}

static void
reach_the_end(struct compact_job *j)
{
    if (can_reach_the_end(j) && batch_last_offset(&j->held_info) < j->last) {
        j->held_info.last_offset_delta = (int32_t)(j->last - j->held_info.base_offset);
        batch_reseal(j->held.data, &j->held_info);
    }
}

/* Stays as it is. */
static void
unreadable(struct compact_job *j, const struct batch_info *info, enum sl_err rc)
{
    static struct diag_limit limit;
    counter_add(C_compact_unreadable, 1);
    if (diag_limit_ok(&limit, 1)) {
        SL_WARN(j->sh->o.journal.log, "compact.unreadable_batch", KV_STR("directory", j->dir),
                KV_I64("partition", j->partition), KV_I64("offset", info->base_offset),
                KV_STR("why", sl_err_text(rc)));
    }
}

static bool
write_batch(struct compact_job *j, const struct batch_info *info, struct span batch)
{
    uint64_t at = j->at_record;
    struct batch_rewrite w = {
        .keeps = keeps, .arg = j, .plain = &j->plain, .kept = &j->kept, .out = &j->out};
    enum sl_err rc = batch_rewrite(&w, batch);
    j->at_record = at + (info->count > 0 ? (uint64_t)info->count : 0);
    if (rc == SL_ENOMEM) {
        compact__end(j, sl_err_text(rc));
        return false;
    }
    if (rc != SL_OK) {
        unreadable(j, info, rc);
        w.batch = batch;
        w.count = info->count;
        w.max_timestamp = info->max_timestamp;
    }
    j->dropped_records += (uint64_t)(info->count - w.count);
    if (w.count == 0 && (batch_last_offset(info) < j->last || can_reach_the_end(j))) {
        j->dropped_batches++;
        return true;
    }
    return hold(j, &w);
}

/* Readers find what comes behind. */
static bool
is_nothing_left(const struct compact_job *j, const struct part_state *p)
{
    bool is_empty = j->held.len == 0 || j->held_info.count == 0;
    bool is_followed = j->last + 1 < p->end || MISTAKE(clean_silent_end);
    return is_empty && j->builder.index_count == 0 && is_followed;
}

static bool
is_as_before(const struct compact_job *j)
{
    return j->dropped_records + j->dropped_batches == 0 && j->group.count == 1 &&
           j->group.kind != COMPACT_DIRTY && (!j->is_nothing || j->group.bytes == 0);
}

static void
finish(struct compact_job *j)
{
    int64_t created_ms = j->created_ms != 0 ? j->created_ms : sched_wall_ms(shard_sched(j->sh));
    j->built_ns = sched_now(shard_sched(j->sh));
    j->body_crc = j->builder.crc;
    segment_builder_finish(&j->builder, created_ms, &j->files);
    compact__walk_drop(j);
    compact__put(j);
}

static void
written(struct compact_job *j)
{
    const struct part_state *p = compact__part(j);
    if (p == NULL) {
        return;
    }
    j->is_nothing = is_nothing_left(j, p);
    reach_the_end(j);
    if (!j->is_nothing && !flush(j)) {
        return;
    }
    if (!j->is_nothing && j->builder.next_offset != j->last + 1) {
        compact__end(j, "the last batch of a segment is missing");
    } else if (is_as_before(j)) {
        compact__next(j);
    } else if (j->is_nothing) {
        segment_builder_fini(&j->builder);
        compact__walk_drop(j);
        compact__put_nothing(j);
    } else {
        finish(j);
    }
}

void
compact__write(struct compact_job *j)
{
    const struct part_state *p = compact__part(j);
    if (p == NULL) {
        return;
    }
    if (p->start > j->from && p->start > j->base) {
        compact__end(j, NULL); /* trimmed since the records were counted */
        return;
    }
    segment_builder_fini(&j->builder);
    segment_builder_init(&j->builder, j->base, j->body_room);
    j->builder.has_gaps = true;
    bytes_clear(&j->held);
    j->slice_count = 0;
    j->max_timestamp = -1;
    j->at_record = j->dropped_records = j->dropped_batches = 0;
    compact__walk(j, j->from, j->last + 1, write_batch, written);
}
