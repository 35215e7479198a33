/* SPDX-License-Identifier: Apache-2.0
 *
 * A damaged segment is replaced by what is left of it; an index by the right one. */
#include "repair/repair_int.h"
#include "repair/survey.h"

#include <inttypes.h>
#include <stdio.h>

enum { PIECE_BYTES = 64 << 10 };

/* S has it still, as the audit saw it. */
struct asking {
    struct patient p;
    const struct damage *d;
    bool is_found;
    struct segment_ref s; /* without slices */
};

static void
ask_here(void *arg)
{
    struct asking *a = (struct asking *)arg;
    struct reader *reader = log_writer_reader(a->p.rp->w);
    const struct state *st = shard_state(reader_shard(reader, a->p.journal));
    const struct part_state *part = state_find_part(st, &a->p.topic_id, a->p.partition);
    for (size_t i = 0; part != NULL && i < part_segment_count(part); i++) {
        const struct segment_ref *s = part_segment(part, i);
        if (s->base == a->d->base && s->gen == a->d->gen) {
            a->is_found = true;
            a->s = *s;
            a->s.slices = NULL;
            a->s.slice_count = 0;
        }
    }
}

static struct asking
ask(struct repair *rp, const struct damage *d)
{
    struct asking a = {
        .p = {.rp = rp, .journal = d->journal, .topic_id = d->topic_id, .partition = d->partition},
        .d = d};
    repair__look(&a.p);
    log_writer_look(rp->w, ask_here, &a);
    if (!a.is_found) {
        repair__failed(&a.p, d->key, "the log changed meanwhile; run it again");
    }
    return a;
}

/* --- index --- */

enum sl_err
repair__index(struct repair *rp, const struct damage *d, struct sl_error *err)
{
    struct asking a = ask(rp, d);
    char key[SEGMENT_KEY_MAX];
    struct segment_view v;
    struct buf *object = NULL;
    struct sl_error why = SL_ERROR_INIT;
    if (!a.is_found || !repair__key(&a.p, d->base, d->gen, SEGMENT_FILE_KFS, key)) {
        return SL_OK;
    }
    enum sl_err rc = object_get(rp->r->bucket, key, &object, err);
    if (rc != SL_OK || object == NULL || segment_open(buf_span(object), &v, &why) != SL_OK ||
        segment_verify(&v, d->gen > 0, &why) != SL_OK) {
        repair__failed(&a.p, key, "the segment changed meanwhile; run it again");
        buf_unref(&object);
        return rc == SL_ECORRUPT ? SL_OK : rc;
    }
    struct repair_line line = {.kind = REPAIR_DONE, .key = d->key};
    struct buf *index = survey_index(&v);
    rc = rp->r->is_executed ? object_put(rp->r->bucket, d->key, index, false, err) : SL_OK;
    if (rc == SL_OK) {
        rp->r->totals.indexes++;
        repair__tell(&a.p, &line, "the index is made from its segment; nothing is lost");
    }
    buf_unref(&index);
    buf_unref(&object);
    return rc;
}

/* --- segment: what is left --- */

/* Piece by piece, where the store does not give it whole: what cannot be read is zero. */
static enum sl_err
read_pieces(const struct asking *a, const char *key, struct buf **ret, struct sl_error *err)
{
    struct buf *all = buf_new(a->s.bytes + 1);
    memset(all->data, 0, a->s.bytes);
    all->len = a->s.bytes;
    enum sl_err rc = SL_OK;
    for (uint64_t at = 0; at < a->s.bytes && rc == SL_OK; at += PIECE_BYTES) {
        struct buf *piece;
        uint64_t left = a->s.bytes - at;
        uint64_t size = left < PIECE_BYTES ? left : PIECE_BYTES;
        rc = object_get_range(a->p.rp->r->bucket, &(struct object_range){key, at, size}, &piece,
                              err);
        if (rc == SL_OK && piece != NULL) {
            memcpy(all->data + at, piece->data, piece->len < size ? piece->len : size);
        }
        buf_unref(&piece);
        rc = rc == SL_ECORRUPT ? SL_OK : rc;
    }
    *ret = all;
    return rc;
}

static enum sl_err
read_left(const struct asking *a, const char *key, struct buf **ret, struct sl_error *err)
{
    enum sl_err rc = object_get(a->p.rp->r->bucket, key, ret, err);
    bool is_sane = a->s.bytes < SEGMENT_BYTES_MAX;
    return rc == SL_ECORRUPT && is_sane ? read_pieces(a, key, ret, err) : rc;
}

/* A sound segment that is not the one that was registered: its records are not the committed ones,
 * whatever their offsets are. */
static bool
is_foreign(const struct asking *a, const struct buf *object)
{
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    return segment_open(buf_span(object), &v, &err) == SL_OK &&
           segment_verify(&v, a->s.gen > 0, &err) == SL_OK &&
           (v.base_offset != a->s.base || v.last_offset != a->s.last || v.crc != a->s.body_crc ||
            (uint32_t)v.message_count != a->s.record_count);
}

static enum sl_err
salvage(const struct asking *a, const struct buf *object, struct salvage *s, struct sl_error *err)
{
    size_t room = object == NULL || object->len >= SEGMENT_BYTES_MAX / 2 ? 0 : object->len;
    salvage_init(s, a->s.base, a->s.last, room);
    if (room <= SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES || is_foreign(a, object)) {
        return SL_OK; /* nothing is left */
    }
    size_t end = object->len;
    if (end == a->s.bytes) { /* else it was cut short, or grew: the footer is elsewhere */
        end -= SEGMENT_FOOTER_BYTES;
    }
    struct span body = span_of(object->data + SEGMENT_HEADER_BYTES, end - SEGMENT_HEADER_BYTES);
    enum sl_err rc = salvage_body(s, body, a->s.last, a->s.gen == 0, err);
    s->is_torn = s->is_torn || object->len != a->s.bytes;
    return rc;
}

/* --- segment: replace --- */

static enum sl_err
replace(const struct asking *a, const struct segment_ref *target, struct sl_error *err)
{
    const struct segment_source source = {a->s.base, a->s.gen};
    const struct replace_op op = {.topic_id = a->p.topic_id,
                                  .partition = a->p.partition,
                                  .sources = &source,
                                  .source_count = 1,
                                  .target = *target};
    struct bytes payload;
    bytes_init(&payload, 1 << 20);
    op_encode_replace(&payload, &op);
    enum sl_err rc = log_writer_op(a->p.rp->w, a->p.journal, ITEM_REPLACE, bytes_span(&payload));
    bytes_fini(&payload);
    return rc == SL_OK
               ? rc
               : sl_error_set(err, rc, "journal %u: %s", (unsigned)a->p.journal, sl_err_text(rc));
}

static enum sl_err
put_in_place(const struct asking *a, struct salvage *s, const struct buf *object,
             const struct loss_source *from, struct sl_error *err)
{
    struct segment_ref target = {0};
    enum sl_err rc = repair__put(&a->p, s, a->s.last, a->s.gen + 1, &target, err);
    rc = rc != SL_OK ? rc : repair__losses(&a->p, s, from, err);
    if (rc == SL_OK && a->p.rp->r->is_executed) {
        /* the collection of garbage will take the original */
        rc = repair__copy_bytes(a->p.rp, from->key, object, err);
        rc = rc != SL_OK ? rc : replace(a, &target, err);
    }
    if (rc == SL_OK) {
        struct repair_line line = {.kind = REPAIR_DONE, .key = from->key};
        a->p.rp->r->totals.segments++;
        repair__tell(&a->p, &line,
                     "the segment is replaced by generation %u, with %" PRIu64 " of %u records",
                     (unsigned)(target.gen > 0 ? target.gen : a->s.gen + 1), s->records,
                     (unsigned)a->s.record_count);
    }
    sl_free(target.slices);
    return rc;
}

enum sl_err
repair__segment(struct repair *rp, const struct damage *d, struct sl_error *err)
{
    struct asking a = ask(rp, d);
    char key[SEGMENT_KEY_MAX];
    struct buf *object = NULL;
    struct salvage s;
    if (!a.is_found || !repair__key(&a.p, d->base, d->gen, SEGMENT_FILE_KFS, key)) {
        return SL_OK;
    }
    enum sl_err rc = read_left(&a, key, &object, err);
    if (rc != SL_OK) {
        buf_unref(&object);
        return rc;
    }
    rc = salvage(&a, object, &s, err);
    uint64_t lost = a.s.record_count > s.records ? a.s.record_count - s.records : 0;
    const struct loss_source from = {
        key, object == NULL ? "the segment is missing" : "the segment is damaged", lost};
    rc = rc != SL_OK ? rc : put_in_place(&a, &s, object, &from, err);
    salvage_fini(&s);
    buf_unref(&object);
    return rc;
}
