/* S as bytes. Version 1, big-endian:
 *
 *     "SLST" u16 version = 1, u16 reserved
 *     i64 next producer id
 *     u32 topics, each: as in the op that creates it, then i32 opened count, i64 created ms
 *     u32 partitions, each: 16 topic id, i32 index, i64 start, i64 end, u8 has lost producers
 *         u32 runs, each: u64 n, i64 base, i64 max timestamp, i32 count, u32 position, u32 length,
 * u32 crc u32 producers, each: i64 id, i16 epoch, i64 last ms, u8 batches, each: i32 first, i32
 * last, i64 base
 *
 * The journal wraps these bytes in chunks with checksums (journal/snapshot.c). What is written is
 * bounded by what is live, not by history. */
#include "state/state_int.h"

#define STATE_MAGIC 0x534C5354u

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

void
state_snapshot(const struct state *st, struct bytes *out)
{
    bytes_u32(out, STATE_MAGIC);
    bytes_u16(out, 1);
    bytes_u16(out, 0);
    bytes_u64(out, (uint64_t)st->next_producer_id);
    bytes_u32(out, (uint32_t)st->topics.count);
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos));) {
        state__topic_encode(out, t);
        bytes_u32(out, (uint32_t)t->opened_count);
        bytes_u64(out, (uint64_t)t->created_ms);
    }
    bytes_u32(out, (uint32_t)st->parts.count);
    pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        encode_part(out, p);
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

/* What state_check asserts of runs, asked of bytes: the first holds the start, each begins where
 * the one before it ends, the last ends at the end. */
static bool
run_follows(const struct part_state *p, const struct run_ref *r)
{
    const struct run_ref *before = p->run_count > 0 ? part_run(p, p->run_count - 1) : NULL;
    if (r->length == 0 || r->offset_count <= 0 || r->base_offset < 0 ||
        r->offset_count > p->end - r->base_offset) {
        return false;
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
    int64_t next = p->start;
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
decode_part(struct state *st, struct cursor *c)
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
    decode_runs(p, c);
    uint32_t producers = cursor_count(c, 19);
    for (uint32_t i = 0; i < producers && !c->is_bad; i++) {
        decode_producer(c, p);
    }
}

static void
decode_topic(struct state *st, struct cursor *c)
{
    struct topic_state *t = state__topic_decode(c);
    if (t == NULL) {
        return;
    }
    t->opened_count = cursor_i32(c);
    t->created_ms = cursor_i64(c);
    if (c->is_bad || t->opened_count < 0 || t->opened_count > t->partition_count ||
        state__check_new_topic(st, t) != SL_OK) {
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
    if (cursor_u32(&c) != STATE_MAGIC || cursor_u16(&c) != 1) {
        return false;
    }
    (void)cursor_u16(&c);
    st->next_producer_id = cursor_i64(&c);
    uint32_t topics = cursor_count(&c, 38);
    for (uint32_t i = 0; i < topics && !c.is_bad; i++) {
        decode_topic(st, &c);
    }
    uint32_t parts = cursor_count(&c, 45);
    for (uint32_t i = 0; i < parts && !c.is_bad; i++) {
        decode_part(st, &c);
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
