/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps 3 and 4 of a compaction. Whoever creates the .kfs of a generation owns it, and is the only
 * one who writes its .index and names it in a REPLACE. A key that is taken is never used, whatever
 * lies there: the next generation is tried, after a look whether it is taken, too. There may be
 * many: each attempt that is cut off leaves one. It may be our own, of an attempt whose answer was
 * lost or that an intermediary sent twice. But that every byte is ours does not prove it: another
 * broker can have made the same segment of other sources, and think of it otherwise than we do.
 *
 * A name is deleted only when nobody will ever use it again, because a deletion may take effect
 * late, and then must not meet another object: when S has a later generation at its base, or none.
 * No REPLACE of an older source there will be accepted, whoever proposes it. So after ours was
 * accepted, the generations that were passed over go; and ours goes after it was refused, if S has
 * gone past it. Else it stays, and who compacts there next passes over it. When it is not known
 * what became of a REPLACE the objects are left alone. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/compact_int.h"

enum { GENS_MAX = 4096 };
#define REPLACE_TIMEOUT_NS (60 * SCHED_S)

static void put_kfs(struct compact_job *j);
static void put_index(struct compact_job *j);
static void replace(struct compact_job *j);
static void index_dropped(struct store_call *call);

void
compact__call(struct compact_job *j, enum store_kind kind, enum segment_file file, uint32_t gen,
              void (*done)(struct store_call *call))
{
    const struct segment_place at = {j->dir, j->partition, j->base, gen};
    buf_unref(&j->call.body);
    j->call = (struct store_call){.kind = kind,
                                  .home = shard_sched(j->sh),
                                  .timeout_ms = SHARD_CALL_TIMEOUT_MS,
                                  .done = done};
    if (!shard_segment_key(j->sh, &at, file, j->call.key)) {
        j->call.key[0] = '\0'; /* no store takes it: the call fails, and says so */
    }
}

/* --- a name of our own --- */

static void next_gen(struct compact_job *j);

/* Not sure is as good as free: the put will tell. */
static void
gen_seen(struct store_call *call)
{
    struct compact_job *j = compact__job_of(call);
    if (compact__part(j) == NULL) {
        return;
    }
    if (call->outcome == STORE_DONE) {
        next_gen(j);
    } else {
        put_kfs(j);
    }
}

static void
next_gen(struct compact_job *j)
{
    if (++j->gens == GENS_MAX || j->gen >= UINT32_MAX - 1) {
        compact__end(j, "objects of other generations are in the way");
        return;
    }
    j->gen++;
    compact__call(j, STORE_HEAD, SEGMENT_FILE_KFS, j->gen, gen_seen);
    store_submit(j->sh->o.journal.store, &j->call);
}

/* --- put --- */

static void
put(struct compact_job *j, enum segment_file file, void (*done)(struct store_call *call))
{
    compact__call(j, STORE_PUT, file, j->gen, done);
    j->call.parts[0] = buf_span(file == SEGMENT_FILE_KFS ? j->files.kfs : j->files.index);
    j->call.part_count = 1;
    j->call.if_absent = file == SEGMENT_FILE_KFS;
    j->has_put = true;
    store_submit(j->sh->o.journal.store, &j->call);
}

static void
index_put(struct store_call *call)
{
    struct compact_job *j = compact__job_of(call);
    if (compact__part(j) == NULL) {
        return;
    }
    if (call->outcome == STORE_DONE) {
        replace(j);
    } else {
        compact__retry(j, put_index, call->why);
    }
}

static void
put_index(struct compact_job *j)
{
    put(j, SEGMENT_FILE_INDEX, index_put);
}

static void
kfs_put(struct store_call *call)
{
    struct compact_job *j = compact__job_of(call);
    if (compact__part(j) == NULL) {
        return;
    }
    bool is_taken = call->outcome == STORE_EXISTS;
    if (call->outcome == STORE_DONE || (is_taken && MISTAKE(clean_takes_any_object))) {
        put_index(j);
    } else if (is_taken) {
        next_gen(j);
    } else {
        compact__retry(j, put_kfs, call->why);
    }
}

static void
put_kfs(struct compact_job *j)
{
    put(j, SEGMENT_FILE_KFS, kfs_put);
}

void
compact__put(struct compact_job *j)
{
    j->tries = 0;
    put_kfs(j);
}

void
compact__put_nothing(struct compact_job *j)
{
    j->tries = 0;
    replace(j);
}

/* --- what is left behind --- */

static bool
is_garbage(const struct compact_job *j, uint32_t gen)
{
    const struct state *st = j->sh->state;
    for (size_t i = 0; i < state_garbage_count(st); i++) {
        const struct garbage_ref *g = state_garbage(st, i);
        if (g->base == j->base && g->gen == gen && g->partition == j->partition &&
            uuid_eq(&g->topic_id, &j->topic_id)) {
            return true;
        }
    }
    return false;
}

/* Which generation S has at the base of ours. UINT32_MAX: none, and there will never be one. */
static uint32_t
gen_in_place(const struct compact_job *j)
{
    const struct part_state *p = state_find_part(j->sh->state, &j->topic_id, j->partition);
    for (size_t i = 0; p != NULL && i < part_segment_count(p); i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (s->base == j->base) {
            bool is_emptied = s->bytes == 0; /* what lies under its name is not its object */
            return is_emptied ? s->gen + 1 : s->gen;
        }
    }
    return UINT32_MAX;
}

static bool
is_dead(const struct compact_job *j, uint32_t gen)
{
    bool is_passed = gen_in_place(j) > gen;
    if (gen == j->gen && MISTAKE(clean_frees_name)) {
        is_passed = gen_in_place(j) != gen;
    } else if (gen == j->gen && MISTAKE(clean_drops_unknown)) {
        is_passed = true;
    }
    return is_passed && !is_garbage(j, gen);
}

/* The partition may be gone, too. */
static bool
may_drop(struct compact_job *j)
{
    bool may = !j->is_stopping && j->sh->mode == JOURNAL_LIVE;
    if (!may) {
        compact__end(j, NULL);
    }
    return may;
}

static void
kfs_dropped(struct store_call *call)
{
    struct compact_job *j = compact__job_of(call);
    if (may_drop(j)) {
        compact__call(j, STORE_DEL, SEGMENT_FILE_INDEX, (uint32_t)j->drop_gen, index_dropped);
        store_submit(j->sh->o.journal.store, &j->call);
    }
}

/* What was passed over, and what we made ourselves if its REPLACE was refused. */
static void
drop_next(struct compact_job *j)
{
    uint64_t end = (uint64_t)j->gen + (j->has_lost ? 1 : 0);
    while (j->drop_gen < end && !is_dead(j, (uint32_t)j->drop_gen)) {
        j->drop_gen++;
    }
    if (j->drop_gen < end) {
        compact__call(j, STORE_DEL, SEGMENT_FILE_KFS, (uint32_t)j->drop_gen, kfs_dropped);
        store_submit(j->sh->o.journal.store, &j->call);
    } else if (j->has_lost) {
        compact__end(j, NULL);
    } else {
        compact__next(j);
    }
}

static void
index_dropped(struct store_call *call)
{
    struct compact_job *j = compact__job_of(call);
    if (may_drop(j)) {
        j->drop_gen++;
        drop_next(j);
    }
}

static void
drop(struct compact_job *j, bool has_lost)
{
    j->has_lost = has_lost;
    j->drop_gen = j->gen - j->gens;
    drop_next(j);
}

void
compact__drop_lost(struct compact_job *j)
{
    j->has_put = false;
    drop(j, true);
}

static void
refused(struct compact_job *j)
{
    if (j->is_nothing || j->is_stopping || j->sh->mode != JOURNAL_LIVE) {
        compact__end(j, NULL);
        return;
    }
    counter_add(C_compact_lost, 1);
    compact__drop_lost(j);
}

/* --- REPLACE --- */

static uint64_t
target_bytes(const struct compact_job *j)
{
    return j->is_nothing ? 0 : j->files.kfs->len;
}

static void
note_replaced(struct compact_job *j)
{
    j->total.groups++;
    j->total.records += j->dropped_records;
    j->total.bytes_in += j->group.bytes;
    j->total.bytes_out += target_bytes(j);
    counter_add(C_compact_segments, 1);
    counter_add(C_compact_records, (int64_t)j->dropped_records);
    counter_add(C_compact_bytes, (int64_t)target_bytes(j));
}

/* The time in the header of what was dirty until now would be too early. */
static bool
is_too_late(const struct compact_job *j)
{
    int64_t took = sched_now(shard_sched(j->sh)) - j->built_ns;
    return j->group.kind == COMPACT_DIRTY && !MISTAKE(clean_counts_from_build) && !j->is_nothing &&
           took > COMPACT_COMMIT_MS * SCHED_MS;
}

static void
replaced(struct op_proposal *op, enum sl_err rc)
{
    struct compact_job *j = (struct compact_job *)op->arg;
    bytes_fini(&op->payload);
    switch (rc) {
    case SL_OK:
        j->has_put = false; /* S knows it */
        note_replaced(j);
        drop(j, false);
        break;
    case SL_ENOENT:
    case SL_EINVAL:
    case SL_EUNKNOWN_PARTITION:
        refused(j);
        break;
    case SL_EAGAIN:
        compact__retry(j, replace, sl_err_text(rc));
        break;
    default:
        if (MISTAKE(clean_drops_unknown)) {
            refused(j);
            return;
        }
        compact__end(j, j->is_stopping ? NULL : sl_err_text(rc)); /* S will say what became of it */
    }
}

static enum sl_err
check_in_time(struct op_proposal *op, const struct state *st)
{
    return is_too_late((const struct compact_job *)op->arg) ? SL_EINVAL : op_check_replace(op, st);
}

static void
replace(struct compact_job *j)
{
    if (j->is_nothing) {
        j->files.message_count = 0;
        j->body_crc = 0;
        j->slice_count = 0;
        j->max_timestamp = -1;
    }
    const struct replace_op r = {.topic_id = j->topic_id,
                                 .partition = j->partition,
                                 .sources = j->sources,
                                 .source_count = j->group.count,
                                 .target = {.base = j->base,
                                            .last = j->last,
                                            .bytes = target_bytes(j),
                                            .max_timestamp = j->max_timestamp,
                                            .gen = j->gen,
                                            .record_count = (uint32_t)j->files.message_count,
                                            .body_crc = j->body_crc,
                                            .slice_count = j->slice_count,
                                            .slices = j->slices}};
    j->op = (struct op_proposal){.kind = ITEM_REPLACE,
                                 .deadline_ns = sched_now(shard_sched(j->sh)) + REPLACE_TIMEOUT_NS,
                                 .check = MISTAKE(replace_anything) ? NULL : check_in_time,
                                 .is_pipelined = true,
                                 .done = replaced,
                                 .arg = j};
    bytes_init(&j->op.payload, 4096 + SEGMENT_SOURCES_MAX * 12 + SEGMENT_SLICES_MAX * 16);
    op_encode_replace(&j->op.payload, &r);
    op_submit(j->sh, &j->op);
}
