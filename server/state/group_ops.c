/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops of groups: encoded, checked against S plus what is in flight, applied. Version 1,
 * big-endian:
 *
 *     GROUP         u64 base version, u64 version, text16 group id, facts to the end
 * (group_facts.c) OFFSETS       text16 group id, u8 flags (1 removal, 2 only if empty), i32
 * generation, text16 member id, text16? instance id, i64 removed before list of commits: uuid
 * topic, i32 partition, i64 offset, i32 leader epoch, text16 metadata list of removals: uuid topic,
 * i32 partition GROUP_DELETE  list of {text16 group id, u64 base version, u8 flags (1 only if
 * forgotten)}
 *
 * Versions are given when a GROUP op is staged, one after the other for the whole journal, as
 * offsets are given to runs. So no version ever comes back, not even for a group that was deleted
 * and made again, and a coordinator that slept through both is fenced.
 *
 * What the check decided is not decided again: an op that does not fit S when it is applied
 * contradicts it. Only removals may find nothing to remove. */
#include "base/crc32c.h"
#include "state/state_int.h"

enum { OFFSETS_REMOVAL = 1, OFFSETS_ONLY_IF_EMPTY = 2, DELETE_ONLY_IF_FORGOTTEN = 1 };

/* Below 0 a time means that the group is not empty; an entry may say anything. */
static int64_t
not_before_1970(int64_t time_ms)
{
    return time_ms > 0 ? time_ms : 0;
}

uint32_t
group_journal(struct span group_id, uint32_t journal_count)
{
    return crc32c(0, group_id.ptr, group_id.len) % journal_count;
}

/* --- encode --- */

/* Takes back what was appended since `before` when it passed a cap. */
static enum sl_err
close_op(struct bytes *out, size_t before, size_t max, bool was_overflown)
{
    if (!out->is_overflown && out->len - before <= max) {
        return SL_OK;
    }
    out->len = before;
    out->is_overflown = was_overflown;
    return SL_ETOO_LARGE;
}

enum sl_err
op_encode_group(struct bytes *out, struct span group_id, uint64_t base, const struct group_facts *f)
{
    size_t before = out->len;
    bool was_overflown = out->is_overflown;
    out->is_overflown = was_overflown || group_id.len > GROUP_ID_MAX;
    bytes_u64(out, base);
    bytes_u64(out, 0);
    state__put_text(out, group_id);
    size_t head = out->len - before;
    group_facts_encode(out, f);
    return close_op(out, before, head + GROUP_FACTS_BYTES_MAX, was_overflown);
}

uint64_t
group_op_version(struct span op)
{
    return op.len < 16 ? 0 : get_u64(op.ptr + 8);
}

void
op_encode_group_delete(struct bytes *out, const struct group_delete *groups, size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        state__put_text(out, groups[i].group_id);
        bytes_u64(out, groups[i].base);
        bytes_u8(out, groups[i].is_only_if_forgotten ? DELETE_ONLY_IF_FORGOTTEN : 0);
    }
}

static void
put_commits(struct bytes *out, const struct offsets_op *op)
{
    bytes_u32(out, (uint32_t)op->commit_count);
    for (size_t i = 0; i < op->commit_count; i++) {
        const struct group_offset *o = &op->commits[i];
        out->is_overflown = out->is_overflown || o->metadata.len > OFFSET_METADATA_MAX;
        bytes_append(out, o->topic_id.b, sizeof(o->topic_id.b));
        bytes_u32(out, (uint32_t)o->partition);
        bytes_u64(out, (uint64_t)o->offset);
        bytes_u32(out, (uint32_t)o->leader_epoch);
        state__put_text(out, o->metadata);
    }
}

enum sl_err
op_encode_offsets(struct bytes *out, const struct offsets_op *op)
{
    size_t before = out->len;
    bool was_overflown = out->is_overflown;
    SL_ASSERT(op->is_removal ? op->commit_count == 0 : op->removal_count == 0);
    out->is_overflown = was_overflown || op->group_id.len > GROUP_ID_MAX ||
                        op->commit_count + op->removal_count > OFFSETS_PER_OP_MAX;
    state__put_text(out, op->group_id);
    bytes_u8(out, (uint8_t)((op->is_removal ? OFFSETS_REMOVAL : 0) |
                            (op->is_only_if_empty ? OFFSETS_ONLY_IF_EMPTY : 0)));
    bytes_u32(out, (uint32_t)op->generation);
    state__put_text(out, op->member_id);
    state__put_nullable(out, op->instance_id);
    bytes_u64(out, (uint64_t)op->before_ms);
    put_commits(out, op);
    bytes_u32(out, (uint32_t)op->removal_count);
    for (size_t i = 0; i < op->removal_count; i++) {
        bytes_append(out, op->removals[i].topic_id.b, sizeof(op->removals[i].topic_id.b));
        bytes_u32(out, (uint32_t)op->removals[i].partition);
    }
    return close_op(out, before, OFFSETS_BYTES_MAX, was_overflown);
}

/* --- GROUP --- */

struct group_head {
    uint64_t base, version;
    struct span id, facts;
};

static bool
decode_group(struct cursor *c, struct group_head *h)
{
    h->base = cursor_u64(c);
    h->version = cursor_u64(c);
    h->id = state__take_text(c);
    h->facts = cursor_span(c, cursor_left(c));
    return !c->is_bad && h->id.len <= GROUP_ID_MAX;
}

/* Has the group moved on from what the op was built on? */
static bool
is_fenced(const struct group_head *h, const struct group_facts *now, uint64_t version,
          const struct group_facts *next)
{
    return h->base != version || (now != NULL && now->coordinator_epoch > next->coordinator_epoch);
}

enum sl_err
state_check_group(struct state *st, uint8_t *op, size_t len)
{
    struct group_head h;
    struct cursor c = cursor_of(span_of(op, len));
    if (!decode_group(&c, &h)) {
        return SL_EINVAL;
    }
    struct group_facts *next = group_facts_decode(h.facts);
    if (next == NULL) {
        return SL_EINVAL;
    }
    const struct group_state *g = state__group_find(st, h.id);
    uint64_t version = 0;
    const struct group_facts *now = g == NULL ? NULL : state__group_spec(g, &version);
    if (is_fenced(&h, now, version, next)) {
        group_facts_unref(&next);
        return SL_EFENCED;
    }
    version = ++st->spec_group_version;
    put_u64(op + 8, version);
    state__group_speculate(st, state__group_get(st, h.id), next, version);
    return SL_OK;
}

STATE_APPLY(state__apply_group)
{
    struct group_head h;
    if (!decode_group(c, &h)) {
        return SL_OK; /* told by the caller: c is not done */
    }
    struct group_state *g = state__group_find(st, h.id);
    bool is_there = g != NULL && g->exists;
    struct group_facts *next = state__group_decode(g, h.version, h.facts);
    if (next == NULL || h.version != st->group_version + 1 ||
        is_fenced(&h, is_there ? g->facts : NULL, is_there ? g->version : 0, next)) {
        group_facts_unref(&next);
        return sl_error_set(err, SL_ECORRUPT,
                            "group %.*s: version %llu on %llu does not follow, or makes no sense",
                            (int)h.id.len, (const char *)h.id.ptr, (unsigned long long)h.version,
                            (unsigned long long)h.base);
    }
    bool is_empty = next->member_count == 0;
    g = state__group_get(st, h.id);
    state__group_exists(st, g, not_before_1970(item->time_ms));
    state__group_put(st, g, h.version, next);
    if (!is_empty) {
        g->empty_since_ms = -1;
    } else if (g->empty_since_ms < 0) {
        g->empty_since_ms = not_before_1970(item->time_ms);
    }
    if (st->events != NULL && st->events->group_changed != NULL) {
        st->events->group_changed(st->events_arg, g);
    }
    return SL_OK;
}

/* --- OFFSETS --- */

struct offsets_head {
    struct span group_id, member_id, instance_id;
    uint8_t flags;
    int32_t generation;
    int64_t before_ms;
};

static void
decode_offsets_head(struct cursor *c, struct offsets_head *h)
{
    h->group_id = state__take_text(c);
    h->flags = cursor_u8(c);
    h->generation = cursor_i32(c);
    h->member_id = state__take_text(c);
    h->instance_id = state__take_nullable(c);
    h->before_ms = cursor_i64(c);
    c->is_bad = c->is_bad || h->group_id.len > GROUP_ID_MAX;
}

static enum sl_err
check_classic(const struct group_facts *f, const struct offsets_head *h)
{
    uint32_t i = h->instance_id.ptr != NULL ? group_facts_find_instance(f, h->instance_id)
                                            : group_facts_find(f, h->member_id);
    if (i == UINT32_MAX) {
        return SL_EUNKNOWN_MEMBER;
    }
    if (!span_eq(f->classic[i].id, h->member_id)) {
        return SL_EFENCED_INSTANCE;
    }
    return h->generation == f->generation ? SL_OK : SL_EILLEGAL_GENERATION;
}

static enum sl_err
check_consumer(const struct group_facts *f, const struct offsets_head *h)
{
    uint32_t i = group_facts_find(f, h->member_id);
    if (i == UINT32_MAX) {
        return SL_EUNKNOWN_MEMBER;
    }
    if (h->generation == f->consumer[i].epoch) {
        return SL_OK;
    }
    return f->consumer[i].is_classic ? SL_EILLEGAL_GENERATION : SL_ESTALE_MEMBER_EPOCH;
}

static enum sl_err
check_commit(const struct group_facts *f, bool is_known, const struct offsets_head *h)
{
    bool is_empty = f == NULL || f->member_count == 0;
    if (h->generation < 0 && is_empty) {
        return SL_OK;
    }
    if (f == NULL) {
        return is_known ? SL_EUNKNOWN_MEMBER : SL_EGROUP_NOT_FOUND;
    }
    return f->type == GROUP_CLASSIC ? check_classic(f, h) : check_consumer(f, h);
}

static struct group_offset
take_commit(struct cursor *c, int64_t time_ms)
{
    struct group_offset o = {.topic_id = cursor_uuid(c), .commit_ms = time_ms};
    o.partition = cursor_i32(c);
    o.offset = cursor_i64(c);
    o.leader_epoch = cursor_i32(c);
    o.metadata = state__take_text(c);
    c->is_bad = c->is_bad || o.metadata.len > OFFSET_METADATA_MAX;
    return o;
}

static uint32_t
take_count(struct cursor *c, size_t least)
{
    uint32_t count = cursor_count(c, least);
    c->is_bad = c->is_bad || count > OFFSETS_PER_OP_MAX;
    return c->is_bad ? 0 : count;
}

enum { COMMIT_BYTES_MIN = 34, REMOVAL_BYTES = 20 };

/* Whatever passes the check must be applied: a journal that meets what it cannot apply is lost. */
static bool
are_lists_sound(struct cursor c)
{
    for (uint32_t i = take_count(&c, COMMIT_BYTES_MIN); i > 0; i--) {
        (void)take_commit(&c, 0);
    }
    uint32_t removals = take_count(&c, REMOVAL_BYTES);
    (void)cursor_take(&c, (size_t)removals * REMOVAL_BYTES);
    return cursor_is_done(&c);
}

enum sl_err
state_check_offsets(struct state *st, struct span op)
{
    struct offsets_head h;
    struct cursor c = cursor_of(op);
    decode_offsets_head(&c, &h);
    if (c.is_bad || !are_lists_sound(c)) {
        return SL_EINVAL;
    }
    const struct group_state *g = state__group_find(st, h.group_id);
    uint64_t version;
    const struct group_facts *f = g == NULL ? NULL : state__group_spec(g, &version);
    if ((h.flags & OFFSETS_REMOVAL) == 0) {
        return check_commit(f, g != NULL, &h);
    }
    bool has_members = f != NULL && f->member_count > 0;
    return has_members && (h.flags & OFFSETS_ONLY_IF_EMPTY) != 0 ? SL_EGROUP_NOT_EMPTY : SL_OK;
}

static void
apply_commits(struct state *st, struct span group_id, int64_t time_ms, struct cursor *c)
{
    uint32_t count = take_count(c, COMMIT_BYTES_MIN);
    struct group_state *g = count == 0 ? NULL : state__group_get(st, group_id);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct group_offset o = take_commit(c, time_ms);
        if (!c->is_bad) {
            state__group_exists(st, g, not_before_1970(time_ms));
            state__offset_put(g, &o);
        }
    }
}

static void
apply_removals(struct state *st, const struct offsets_head *h, struct cursor *c)
{
    uint32_t count = take_count(c, REMOVAL_BYTES);
    struct group_state *g = state_find_group(st, h->group_id);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct uuid topic_id = cursor_uuid(c);
        int32_t partition = cursor_i32(c);
        if (g != NULL) {
            (void)state__offset_remove(g, &topic_id, partition, h->before_ms);
        }
    }
}

STATE_APPLY(state__apply_offsets)
{
    struct offsets_head h;
    (void)err;
    decode_offsets_head(c, &h);
    apply_commits(st, h.group_id, item->time_ms, c);
    apply_removals(st, &h, c);
    struct group_state *g = c->is_bad ? NULL : state_find_group(st, h.group_id);
    if (g == NULL) {
        return SL_OK;
    }
    if (st->events != NULL && st->events->offsets_changed != NULL) {
        st->events->offsets_changed(st->events_arg, g);
    }
    state__group_fade(st, g);
    return SL_OK;
}

/* --- GROUP_DELETE --- */

static struct group_delete
take_delete(struct cursor *c)
{
    struct group_delete d = {.group_id = state__take_text(c)};
    d.base = cursor_u64(c);
    d.is_only_if_forgotten = (cursor_u8(c) & DELETE_ONLY_IF_FORGOTTEN) != 0;
    return d;
}

static enum sl_err
check_delete(const struct state *st, const struct group_delete *d)
{
    const struct group_state *g = state_find_group(st, d->group_id);
    if (g == NULL) {
        return SL_EGROUP_NOT_FOUND;
    }
    if (g->version != d->base) {
        return SL_EFENCED;
    }
    bool has_members = g->facts != NULL && g->facts->member_count > 0;
    bool is_kept = d->is_only_if_forgotten && g->offsets.count > 0;
    return has_members || is_kept ? SL_EGROUP_NOT_EMPTY : SL_OK;
}

enum sl_err
state_check_group_delete(const struct state *st, struct span op, size_t *ret_which)
{
    struct cursor c = cursor_of(op);
    uint32_t count = cursor_count(&c, 11);
    for (uint32_t i = 0; i < count && !c.is_bad; i++) {
        struct group_delete d = take_delete(&c);
        enum sl_err rc = c.is_bad ? SL_EINVAL : check_delete(st, &d);
        if (rc != SL_OK) {
            if (ret_which != NULL) {
                *ret_which = i;
            }
            return rc;
        }
    }
    return cursor_is_done(&c) ? SL_OK : SL_EINVAL;
}

STATE_APPLY(state__apply_group_delete)
{
    (void)item;
    uint32_t count = cursor_count(c, 11);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct group_delete d = take_delete(c);
        if (c->is_bad) {
            break;
        }
        enum sl_err rc = check_delete(st, &d);
        if (rc == SL_EGROUP_NOT_FOUND) {
            continue; /* named twice */
        }
        if (rc != SL_OK) {
            return sl_error_set(err, SL_ECORRUPT, "group %.*s is deleted as of version %llu",
                                (int)d.group_id.len, (const char *)d.group_id.ptr,
                                (unsigned long long)d.base);
        }
        state__group_drop(st, state_find_group(st, d.group_id));
    }
    return SL_OK;
}
