/* SPDX-License-Identifier: Apache-2.0
 *
 * Live runs that are damaged: the partition's runs, from the first one through the last damaged
 * one, are rolled into segments with gaps. So are those that are whole, but stand in an entry whose
 * head is damaged: when nothing refers to it any more, nobody misses it. */
#include "journal/mistakes.h"
#include "repair/repair_int.h"

#include <inttypes.h>
#include <stdio.h>

#define ENTRY_DAMAGED "the journal's entry is damaged or missing"
enum { SEGMENT_BYTES = 64 << 20 };

/* A partition, its live runs, copied, and how far they have to go. */
struct runs {
    struct patient p;
    int64_t through; /* -1: nothing is damaged */
    struct run_ref *list;
    size_t count;
};

/* --- which partitions --- */

static bool
is_hit(const struct damage *d, const struct part_state *part, const struct run_ref *r)
{
    if (d->what == AUDIT_ENTRY) {
        return d->n == r->n;
    }
    return d->what == AUDIT_RUN && d->partition == part->index && d->base == r->base_offset &&
           uuid_eq(&d->topic_id, &part->topic_id);
}

struct search {
    struct repair *rp;
    uint32_t journal;
    struct runs *all;
    size_t count;
};

static int64_t
damaged_through(struct search *s, const struct part_state *part)
{
    int64_t through = -1;
    for (size_t i = 0; i < s->rp->count; i++) {
        struct damage *d = &s->rp->damages[i];
        if (d->journal != s->journal || (d->what != AUDIT_ENTRY && d->what != AUDIT_RUN)) {
            continue;
        }
        for (size_t k = 0; k < part->run_count; k++) {
            const struct run_ref *r = part_run(part, k);
            int64_t last = r->base_offset + r->offset_count - 1;
            bool is_it = is_hit(d, part, r);
            d->is_hit = d->is_hit || is_it;
            through = is_it && last > through ? last : through;
        }
    }
    return through;
}

static void
add_part(struct search *s, const struct part_state *part, int64_t through)
{
    s->all = (struct runs *)sl_realloc(s->all, (s->count + 1) * sizeof(struct runs));
    struct runs *to = &s->all[s->count++];
    *to = (struct runs){.p = {.rp = s->rp,
                              .journal = s->journal,
                              .topic_id = part->topic_id,
                              .partition = part->index},
                        .through = through};
    to->list = (struct run_ref *)sl_alloc((part->run_count + 1) * sizeof(struct run_ref));
    for (size_t k = 0; k < part->run_count; k++) {
        if (part_run(part, k)->base_offset <= through) {
            to->list[to->count++] = *part_run(part, k);
        }
    }
}

static void
search_here(void *arg)
{
    struct search *s = (struct search *)arg;
    struct reader *reader = log_writer_reader(s->rp->w);
    size_t pos = 0;
    for (struct part_state *part;
         (part = state_next_part(shard_state(reader_shard(reader, s->journal)), &pos));) {
        int64_t through = part->run_count > 0 ? damaged_through(s, part) : -1;
        if (through >= 0) {
            add_part(s, part, through);
        }
    }
}

/* --- one segment --- */

/* The batches of a run are at known offsets, one behind the other. Takes them as long as they are.
 */
static enum sl_err
take_run(struct salvage *s, struct span bytes, const struct run_ref *r, struct sl_error *err)
{
    int64_t next = r->base_offset;
    struct span rest = bytes, batch;
    struct batch_info info;
    enum sl_err rc = SL_OK;
    while (rc == SL_OK && batch_next(&rest, &info, &batch)) {
        if (!batch_follows(&info, next, false) ||
            info.last_offset_delta >= r->base_offset + r->offset_count - next ||
            !batch_crc_is_right(batch)) {
            return SL_OK;
        }
        rc = salvage_add(s, batch, err);
        next = batch_last_offset(&info) + 1;
    }
    return rc;
}

enum sl_err
repair__read_run(const struct patient *p, const struct run_ref *r, struct salvage *s,
                 struct sl_error *err)
{
    const struct reader_options *bucket = p->rp->r->bucket;
    char key[STORE_KEY_MAX];
    struct buf *bytes;
    entry_key(key, sizeof(key), bucket->prefix, p->journal, r->n);
    enum sl_err rc =
        object_get_range(bucket, &(struct object_range){key, r->position, r->length}, &bytes, err);
    if (rc == SL_OK && bytes != NULL) {
        size_t n = bytes->len < r->length ? bytes->len : r->length;
        rc = take_run(s, span_of(bytes->data, n), r, err);
    }
    buf_unref(&bytes);
    return rc == SL_ECORRUPT ? SL_OK : rc;
}

static enum sl_err
propose(const struct runs *rs, const struct segment_ref *segment, struct sl_error *err)
{
    const struct register_op op = {.topic_id = rs->p.topic_id,
                                   .partition = rs->p.partition,
                                   .dir = span_cstr(rs->p.dir),
                                   .segment = *segment};
    struct bytes payload;
    bytes_init(&payload, 1 << 20);
    op_encode_register(&payload, &op, 1);
    enum sl_err rc = log_writer_op(rs->p.rp->w, rs->p.journal, ITEM_REGISTER, bytes_span(&payload));
    bytes_fini(&payload);
    return rc == SL_OK
               ? rc
               : sl_error_set(err, rc, "journal %u: %s", (unsigned)rs->p.journal, sl_err_text(rc));
}

/* Runs [from, to) become a segment. */
static enum sl_err
roll(const struct runs *rs, size_t from, size_t to, struct salvage *s, struct sl_error *err)
{
    const struct run_ref *last = &rs->list[to - 1];
    struct segment_ref segment = {0};
    char key[STORE_KEY_MAX] = "";
    uint64_t lost = 0;
    enum sl_err rc = SL_OK;
    for (size_t i = from; i < to && rc == SL_OK; i++) {
        const struct run_ref *r = &rs->list[i];
        rc = repair__read_run(&rs->p, r, s, err);
        if (s->next < r->base_offset + r->offset_count) {
            entry_key(key, sizeof(key), rs->p.rp->r->bucket->prefix, rs->p.journal, r->n);
        }
    }
    rc = rc != SL_OK
             ? rc
             : repair__put(&rs->p, s, last->base_offset + last->offset_count - 1, 1, &segment, err);
    for (size_t i = 0; i < s->hole_count; i++) {
        lost += (uint64_t)(s->holes[i].last - s->holes[i].first) + 1;
    }
    const struct loss_source from_entry = {key, ENTRY_DAMAGED, lost};
    if (MISTAKE(repair_loss_last) && rc == SL_OK && rs->p.rp->r->is_executed) {
        rc = propose(rs, &segment, err);
        rc = rc != SL_OK ? rc : repair__losses(&rs->p, s, &from_entry, err);
        sl_free(segment.slices);
        return rc;
    }
    rc = rc != SL_OK ? rc : repair__losses(&rs->p, s, &from_entry, err);
    rc = rc != SL_OK || !rs->p.rp->r->is_executed ? rc : propose(rs, &segment, err);
    if (rc == SL_OK) {
        struct repair_line line = {.kind = REPAIR_DONE};
        rs->p.rp->r->totals.runs += to - from;
        repair__tell(&rs->p, &line,
                     "%zu runs, offsets %" PRId64 " to %" PRId64 ", are rolled into a segment",
                     to - from, rs->list[from].base_offset, segment.last);
    }
    sl_free(segment.slices);
    return rc;
}

size_t
repair__segment_end(const struct run_ref *runs, size_t count, size_t from, size_t *ret_bytes)
{
    size_t to = from;
    *ret_bytes = 0;
    while (to < count && (to == from || *ret_bytes + runs[to].length <= SEGMENT_BYTES)) {
        *ret_bytes += runs[to++].length;
    }
    return to;
}

static enum sl_err
treat(struct runs *rs, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    repair__look(&rs->p);
    if (rs->p.dir[0] == '\0') {
        repair__failed(&rs->p, NULL, "its topic is not known any more, so it is left alone");
        return SL_OK;
    }
    for (size_t from = 0, to; from < rs->count && rc == SL_OK; from = to) {
        struct salvage s;
        const struct run_ref *first = &rs->list[from];
        size_t bytes;
        to = repair__segment_end(rs->list, rs->count, from, &bytes);
        salvage_init(&s, first->base_offset,
                     rs->list[to - 1].base_offset + rs->list[to - 1].offset_count - 1, bytes);
        rc = roll(rs, from, to, &s, err);
        salvage_fini(&s);
    }
    if (rc == SL_EEXIST || rc == SL_EUNKNOWN_PARTITION) {
        repair__failed(&rs->p, NULL, "the log changed meanwhile; run it again");
        return SL_OK;
    }
    return rc;
}

/* --- of a journal that does not open yet --- */

static enum sl_err
foresee_run(const struct patient *p, const struct run_ref *r, struct sl_error *err)
{
    int64_t last = r->base_offset + r->offset_count - 1;
    struct salvage s;
    char key[STORE_KEY_MAX];
    salvage_init(&s, r->base_offset, last, r->length);
    enum sl_err rc = repair__read_run(p, r, &s, err);
    if (rc == SL_OK && s.next <= last) {
        struct hole rest = {s.next, last};
        entry_key(key, sizeof(key), p->rp->r->bucket->prefix, p->journal, r->n);
        const struct loss_source from = {key, ENTRY_DAMAGED, (uint64_t)(last - s.next) + 1};
        p->rp->r->totals.records += repair__tell_loss(p, &rest, &from);
    }
    salvage_fini(&s);
    return rc;
}

enum sl_err
repair__foresee_runs(struct broken *b, const struct state *names, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    size_t pos = 0;
    for (struct part_state *part; rc == SL_OK && (part = state_next_part(b->st, &pos)) != NULL;) {
        const struct patient p = repair__patient(b, part, part_dir(part), names);
        for (size_t k = 0; k < part->run_count && rc == SL_OK; k++) {
            rc = foresee_run(&p, part_run(part, k), err);
        }
    }
    return rc;
}

/* The audit found something, and S has no run for it any more. */
static void
tell_missed(struct repair *rp)
{
    for (size_t i = 0; i < rp->count; i++) {
        const struct damage *d = &rp->damages[i];
        if ((d->what == AUDIT_ENTRY || d->what == AUDIT_RUN) && !d->is_hit) {
            struct patient p = {.rp = rp,
                                .journal = d->journal,
                                .topic_id = d->topic_id,
                                .partition = d->partition};
            repair__look(&p);
            repair__failed(&p, d->key, "the log changed meanwhile; run it again");
        }
    }
}

enum sl_err
repair__runs(struct repair *rp, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (uint32_t j = 0; j < rp->r->bucket->journals && rc == SL_OK; j++) {
        struct search s = {.rp = rp, .journal = j};
        log_writer_look(rp->w, search_here, &s);
        for (size_t i = 0; i < s.count; i++) {
            rc = rc != SL_OK ? rc : treat(&s.all[i], err);
            sl_free(s.all[i].list);
        }
        sl_free(s.all);
    }
    if (rc == SL_OK) {
        tell_missed(rp);
    }
    return rc;
}
