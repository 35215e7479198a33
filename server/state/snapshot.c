/* S as bytes. Version 3, big-endian; what stands in brackets is not in version 1, which is still
 * read. Version 2 ends before the losses, and is what is written while there are none, so that who
 * does not know of them can read it:
 *
 *     "SLST" u16 version = 2 or 3, u16 reserved
 *     i64 next producer id
 *     u32 topics, each: as in the op that creates it, then i32 opened count, i64 created ms
 *         [u8 is deleting, i64 deleted ms]
 *     u32 partitions, each: 16 topic id, i32 index, i64 start, i64 end, u8 has lost producers
 *         [directory and segments: segments.c]
 *         u32 runs, each: u64 n, i64 base, i64 max timestamp, i32 count, u32 position, u32 length,
 *             u32 crc
 *         u32 producers, each: i64 id, i16 epoch, i64 last ms, u8 batches, each: i32 first,
 *             i32 last, i64 base
 *     [past topics: topics.c]  [garbage: segments.c]  [quotas: quotas.c]  [groups: groups.c]
 *     [losses: repair_ops.c]
 *
 * The journal wraps these bytes in chunks with checksums (journal/snapshot.c). What is written is
 * bounded by what is live, not by history. */
#include "state/state_int.h"

#define STATE_MAGIC 0x534C5354u
enum { VERSION_PLAIN = 2, VERSION_LOSSES = 3 };

static void
encode_producer(struct bytes *out, const struct producer_state *pr)
{
    bytes_u64(out, (uint64_t)pr->id);
    bytes_u16(out, (uint16_t)pr->s.epoch);
    bytes_u64(out, (uint64_t)pr->s.last_ms);
    bytes_u8(out, pr->s.count);
    for (uint8_t i = 0; i < pr->s.count; i++) {
        bytes_u32(out, (uint32_t)pr->s.batches[i].first);
        bytes_u32(out, (uint32_t)pr->s.batches[i].last);
        bytes_u64(out, (uint64_t)pr->s.batches[i].base_offset);
    }
}

static void
encode_producers(struct bytes *out, const struct part_state *p)
{
    uint32_t count = 0;
    size_t pos = 0;
    for (struct producer_state *pr;
         (pr = (struct producer_state *)map_next(&p->producers, &pos));) {
        count += pr->s.exists ? 1 : 0;
    }
    bytes_u32(out, count);
    pos = 0;
    for (struct producer_state *pr;
         (pr = (struct producer_state *)map_next(&p->producers, &pos));) {
        if (pr->s.exists) {
            encode_producer(out, pr);
        }
    }
}

static void
encode_part(struct bytes *out, const struct part_state *p)
{
    bytes_append(out, p->topic_id.b, sizeof(p->topic_id.b));
    bytes_u32(out, (uint32_t)p->index);
    bytes_u64(out, (uint64_t)p->start);
    bytes_u64(out, (uint64_t)p->end);
    bytes_u8(out, p->has_lost_producers ? 1 : 0);
    state__segments_snapshot(p, out);
    bytes_u32(out, (uint32_t)p->run_count);
    for (size_t i = 0; i < p->run_count; i++) {
        const struct run_ref *r = part_run(p, i);
        bytes_u64(out, r->n);
        bytes_u64(out, (uint64_t)r->base_offset);
        bytes_u64(out, (uint64_t)r->max_timestamp);
        bytes_u32(out, (uint32_t)r->offset_count);
        bytes_u32(out, r->position);
        bytes_u32(out, r->length);
        bytes_u32(out, r->crc);
    }
    encode_producers(out, p);
}

static void
encode_topics(struct bytes *out, const struct state *st)
{
    size_t pos = 0;
    bytes_u32(out, (uint32_t)st->topics_by_id.count);
    for (const struct topic_state *t;
         (t = (const struct topic_state *)map_next(&st->topics_by_id, &pos));) {
        state__topic_encode(out, t);
        bytes_u32(out, (uint32_t)t->opened_count);
        bytes_u64(out, (uint64_t)t->created_ms);
        bytes_u8(out, t->is_deleting ? 1 : 0);
        bytes_u64(out, (uint64_t)t->deleting_ms);
    }
}

void
state_snapshot(const struct state *st, struct bytes *out)
{
    size_t pos = 0;
    bytes_u32(out, STATE_MAGIC);
    bytes_u16(out, st->losses.count > 0 ? VERSION_LOSSES : VERSION_PLAIN);
    bytes_u16(out, 0);
    bytes_u64(out, (uint64_t)st->next_producer_id);
    encode_topics(out, st);
    bytes_u32(out, (uint32_t)st->parts.count);
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        encode_part(out, p);
    }
    state__past_snapshot(st, out);
    state__garbage_snapshot(st, out);
    state__quotas_snapshot(st, out);
    state__groups_snapshot(st, out);
    if (st->losses.count > 0) {
        state__losses_snapshot(st, out);
    }
}

static void
decode_producer(struct cursor *c, struct part_state *p)
{
    int64_t id = cursor_i64(c);
    struct producer_facts f = {.exists = true, .epoch = cursor_i16(c)};
    f.last_ms = cursor_i64(c);
    f.count = cursor_u8(c);
    if (f.count == 0 || f.count > PRODUCER_BATCHES) {
        c->is_bad = true;
        return;
    }
    for (uint8_t i = 0; i < f.count; i++) {
        f.batches[i].first = cursor_i32(c);
        f.batches[i].last = cursor_i32(c);
        f.batches[i].base_offset = cursor_i64(c);
    }
    if (c->is_bad || state__producer_find(p, id) != NULL) {
        c->is_bad = true;
        return;
    }
    state__producer_get(p, id)->s = f;
}

static struct run_ref
decode_run_ref(struct cursor *c)
{
    struct run_ref r;
    r.n = cursor_u64(c);
    r.base_offset = cursor_i64(c);
    r.max_timestamp = cursor_i64(c);
    r.offset_count = cursor_i32(c);
    r.position = cursor_u32(c);
    r.length = cursor_u32(c);
    r.crc = cursor_u32(c);
    return r;
}

/* What state_check asserts of runs, asked of bytes: the first holds the start or begins where the
 * segments end, each begins where the one before it ends, the last ends at the end. */
static bool
run_follows(const struct part_state *p, const struct run_ref *r)
{
    const struct run_ref *before = p->run_count > 0 ? part_run(p, p->run_count - 1) : NULL;
    if (r->length == 0 || r->offset_count <= 0 || r->base_offset < 0 ||
        r->offset_count > p->end - r->base_offset) {
        return false;
    }
    if (before == NULL && p->segment_count > 0) {
        return r->base_offset == part_segment(p, p->segment_count - 1)->last + 1;
    }
    if (before == NULL) {
        return r->base_offset <= p->start && r->base_offset + r->offset_count > p->start;
    }
    return r->base_offset == before->base_offset + before->offset_count && r->n >= before->n;
}

static void
decode_runs(struct part_state *p, struct cursor *c)
{
    uint32_t runs = cursor_count(c, 40);
    int64_t next =
        p->segment_count > 0 ? part_segment(p, p->segment_count - 1)->last + 1 : p->start;
    for (uint32_t i = 0; i < runs && !c->is_bad; i++) {
        struct run_ref r = decode_run_ref(c);
        if (c->is_bad || !run_follows(p, &r)) {
            c->is_bad = true;
            return;
        }
        state__part_push_run(p, &r);
        next = r.base_offset + r.offset_count;
    }
    c->is_bad = c->is_bad || next != p->end;
}

static void
decode_part(struct state *st, uint16_t version, struct cursor *c)
{
    struct uuid id = cursor_uuid(c);
    int32_t index = cursor_i32(c);
    if (c->is_bad || index < 0 || state_find_part(st, &id, index) != NULL) {
        c->is_bad = true;
        return;
    }
    struct part_state *p = state__part_new(st, &id, index);
    p->start = cursor_i64(c);
    p->end = cursor_i64(c);
    p->has_lost_producers = cursor_u8(c) != 0;
    if (p->start < 0 || p->start > p->end) {
        c->is_bad = true;
        return;
    }
    if (version >= 2) {
        state__segments_restore(st, p, c);
    }
    decode_runs(p, c);
    uint32_t producers = cursor_count(c, 19);
    for (uint32_t i = 0; i < producers && !c->is_bad; i++) {
        decode_producer(c, p);
    }
}

/* A topic that is being deleted has no name any more: others may have it. */
static bool
may_stand(const struct state *st, const struct topic_state *t)
{
    return t->is_deleting ? state_find_topic_id(st, &t->id) == NULL
                          : state__check_new_topic(st, t) == SL_OK;
}

static void
decode_topic(struct state *st, uint16_t version, struct cursor *c)
{
    struct topic_state *t = state__topic_decode(c);
    if (t == NULL) {
        return;
    }
    t->opened_count = cursor_i32(c);
    t->created_ms = cursor_i64(c);
    if (version >= 2) {
        t->is_deleting = cursor_u8(c) != 0;
        t->deleting_ms = cursor_i64(c);
    }
    if (c->is_bad || t->opened_count < 0 || t->opened_count > t->partition_count ||
        !may_stand(st, t)) {
        c->is_bad = true;
        state__topic_free(t);
        return;
    }
    state__topic_add(st, t);
}

static bool
decode_all(struct state *st, struct span snapshot)
{
    struct cursor c = cursor_of(snapshot);
    bool is_ours = cursor_u32(&c) == STATE_MAGIC;
    uint16_t version = cursor_u16(&c);
    (void)cursor_u16(&c);
    if (!is_ours || version == 0 || version > VERSION_LOSSES) {
        return false;
    }
    st->next_producer_id = cursor_i64(&c);
    uint32_t topics = cursor_count(&c, 38);
    for (uint32_t i = 0; i < topics && !c.is_bad; i++) {
        decode_topic(st, version, &c);
    }
    uint32_t parts = cursor_count(&c, 45);
    for (uint32_t i = 0; i < parts && !c.is_bad; i++) {
        decode_part(st, version, &c);
    }
    if (version >= 2) {
        state__past_restore(st, &c);
        state__garbage_restore(st, &c);
        state__quotas_restore(st, &c);
        state__groups_restore(st, &c);
    }
    if (version >= VERSION_LOSSES) {
        state__losses_restore(st, &c);
    }
    return cursor_is_done(&c) && st->next_producer_id >= 0;
}

static void
announce(struct state *st)
{
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        if (st->events != NULL && st->events->part_opened != NULL) {
            st->events->part_opened(st->events_arg, p);
        }
    }
    pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos));) {
        state__topic_event(st, t);
    }
    pos = 0;
    for (struct topic_state *t; (t = state_next_deleting(st, &pos));) {
        if (st->events != NULL && st->events->topic_deleting != NULL) {
            st->events->topic_deleting(st->events_arg, t);
        }
    }
    state__quotas_announce(st);
    state__groups_announce(st);
}

enum sl_err
state_restore(struct state *st, struct span snapshot, struct sl_error *err)
{
    state__clear(st);
    if (snapshot.len == 0) {
        return SL_OK;
    }
    if (!decode_all(st, snapshot)) {
        const struct state_events *events = st->events;
        st->events = NULL; /* nobody was told of what half came in */
        state__clear(st);
        st->events = events;
        return sl_error_set(err, SL_ECORRUPT,
                            "the state in the snapshot cannot be decoded (version %u)",
                            snapshot.len >= 6 ? (unsigned)get_u16(snapshot.ptr + 4) : 0u);
    }
    announce(st);
    return SL_OK;
}
