/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that is live in a rebuilt state becomes segments: readers begin behind all entries of
 * the broken journal, so none of them may be needed any more. Fillers, and what is damaged in the
 * entries, become gaps. */
#include "journal/mistakes.h"
#include "repair/repair_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int
by_place(const void *pa, const void *pb)
{
    const struct part_state *a = *(struct part_state *const *)pa;
    const struct part_state *b = *(struct part_state *const *)pb;
    int order = memcmp(a->topic_id.b, b->topic_id.b, sizeof(a->topic_id.b));
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static struct part_state **
sorted(const struct state *st, size_t *ret_count)
{
    struct part_state **all = NULL;
    size_t pos = 0, count = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        if ((count & (count - 1)) == 0) {
            size_t room = count == 0 ? 1 : 2 * count;
            all = (struct part_state **)sl_realloc(all, room * sizeof(*all));
        }
        all[count++] = p;
    }
    if (count > 0) {
        qsort(all, count, sizeof(*all), by_place);
    }
    *ret_count = count;
    return all;
}

/* All partitions of a topic have one directory; all[at] is the topic's first. NULL: none of them
 * has one yet. */
static const char *
dir_of(struct part_state *const *all, size_t count, size_t at)
{
    const struct uuid *topic = &all[at]->topic_id;
    while (part_dir(all[at]) == NULL && at + 1 < count && uuid_eq(&all[at + 1]->topic_id, topic)) {
        at++;
    }
    return part_dir(all[at]);
}

struct patient
repair__patient(struct broken *b, const struct part_state *part, const char *dir,
                const struct state *names)
{
    struct patient p = {.rp = b->rp,
                        .journal = b->journal,
                        .topic_id = part->topic_id,
                        .partition = part->index,
                        .is_there = true,
                        .start = part->start,
                        .end = part->end};
    const struct topic_state *t = state_find_topic_id(names, &part->topic_id);
    char id[UUID_TEXT];
    uuid_text(&part->topic_id, id);
    (void)snprintf(p.topic, sizeof(p.topic), "%s", t != NULL ? t->name : id);
    if (dir != NULL) {
        (void)snprintf(p.dir, sizeof(p.dir), "%s", dir);
    } else if (t != NULL) {
        topic_dir_name(span_cstr(t->name), t->incarnation, p.dir, sizeof(p.dir));
    }
    return p;
}

/* --- losses --- */

static void
note_loss(struct broken *b, const struct patient *p, const struct hole *h, bool is_unknown)
{
    const char *reason = is_unknown ? "an unknown number of records, if any: entries of the journal"
                                      " were lost"
                                    : "entries of the journal were lost or damaged";
    struct repair_line line = {.kind = REPAIR_LOST,
                               .first = h->first,
                               .last = h->last,
                               .records = (uint64_t)(h->last - h->first) + 1,
                               .is_unknown = is_unknown};
    b->losses =
        (struct loss_ref *)sl_realloc(b->losses, (b->loss_count + 1) * sizeof(struct loss_ref));
    struct loss_ref *to = &b->losses[b->loss_count];
    b->loss_count += MISTAKE(repair_silent) ? 0 : 1;
    *to = (struct loss_ref){.topic_id = p->topic_id,
                            .partition = p->partition,
                            .first = h->first,
                            .last = h->last,
                            .time_ms = repair__now_ms(b->rp)};
    (void)snprintf(to->reason, sizeof(to->reason), "%s", reason);
    b->rp->r->totals.losses++;
    b->rp->r->totals.offsets += is_unknown ? 0 : line.records;
    b->rp->r->totals.records += is_unknown ? 0 : line.records;
    b->rp->r->totals.unknown += is_unknown ? 1 : 0;
    if (is_unknown) {
        repair__tell(p, &line,
                     "an unknown number of records, if any, from offset %" PRId64
                     " on; the next record gets offset %" PRId64,
                     h->first, h->last + 1);
    } else {
        repair__tell(p, &line,
                     "offsets %" PRId64 " to %" PRId64 ", at most %" PRIu64 " records: %s",
                     h->first, h->last, line.records, reason);
    }
}

/* Of what lies at the end nobody knows whether it ever was. */
static void
note_hole(struct broken *b, const struct patient *p, struct hole h, int64_t unknown_from)
{
    h.first = h.first < p->start ? p->start : h.first;
    if (unknown_from >= 0 && h.last >= unknown_from) {
        struct hole end = {h.first > unknown_from ? h.first : unknown_from, h.last};
        h.last = end.first - 1;
        note_loss(b, p, &end, true);
    }
    if (h.first <= h.last) {
        note_loss(b, p, &h, false);
    }
}

/* --- segments --- */

struct rolling {
    struct broken *b;
    struct patient p;
    int64_t unknown_from;
    struct run_ref *runs;
    size_t count;
    struct donors donors; /* for the fillers */
};

static enum sl_err
register_in(struct rolling *ro, const struct segment_ref *s, struct sl_error *err)
{
    const struct register_op op = {.topic_id = ro->p.topic_id,
                                   .partition = ro->p.partition,
                                   .dir = span_cstr(ro->p.dir),
                                   .segment = *s};
    struct bytes payload;
    bytes_init(&payload, 1 << 20);
    op_encode_register(&payload, &op, 1);
    const struct state_item item = {.n = REBUILD_FILLER,
                                    .time_ms = repair__now_ms(ro->b->rp),
                                    .kind = ITEM_REGISTER,
                                    .version = op_version(ITEM_REGISTER),
                                    .payload = bytes_span(&payload)};
    enum sl_err rc = state_apply(ro->b->st, &item, err);
    bytes_fini(&payload);
    return rc;
}

/* A filler has what other segments have of it. */
static enum sl_err
read_run(const struct rolling *ro, const struct run_ref *r, struct salvage *s, struct sl_error *err)
{
    const struct hole h = {r->base_offset, r->base_offset + r->offset_count - 1};
    return r->n == REBUILD_FILLER ? repair__donate(&ro->p, &ro->donors, &h, s, err)
                                  : repair__read_run(&ro->p, r, s, err);
}

static enum sl_err
roll(struct rolling *ro, size_t from, size_t to, struct salvage *s, struct sl_error *err)
{
    const struct run_ref *last = &ro->runs[to - 1];
    struct segment_ref segment = {0};
    size_t real = 0;
    enum sl_err rc = SL_OK;
    for (size_t i = from; i < to && rc == SL_OK; i++) {
        rc = read_run(ro, &ro->runs[i], s, err);
        real += ro->runs[i].n == REBUILD_FILLER ? 0 : 1;
    }
    rc = rc != SL_OK
             ? rc
             : repair__put(&ro->p, s, last->base_offset + last->offset_count - 1, 1, &segment, err);
    for (size_t i = 0; i < s->hole_count && rc == SL_OK; i++) {
        note_hole(ro->b, &ro->p, s->holes[i], ro->unknown_from);
    }
    segment.gen = segment.gen == 0 ? 1 : segment.gen; /* a dry run puts nothing */
    rc = rc != SL_OK ? rc : register_in(ro, &segment, err);
    ro->b->rp->r->totals.runs += real;
    sl_free(segment.slices);
    return rc;
}

static enum sl_err
roll_runs(struct rolling *ro, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (size_t from = 0, to; from < ro->count && rc == SL_OK; from = to) {
        struct salvage s;
        size_t bytes;
        to = repair__segment_end(ro->runs, ro->count, from, &bytes);
        int64_t last = ro->runs[to - 1].base_offset + ro->runs[to - 1].offset_count - 1;
        bytes += repair__donors_bytes(&ro->donors, last);
        salvage_init(&s, ro->runs[from].base_offset, last, bytes);
        rc = roll(ro, from, to, &s, err);
        salvage_fini(&s);
    }
    return rc;
}

static enum sl_err
roll_part(const struct patient *p, const struct part_state *part, struct broken *b,
          struct sl_error *err)
{
    struct rolling ro = {.b = b,
                         .p = *p,
                         .unknown_from = rebuild_unknown_from(&b->rb, part),
                         .count = part->run_count};
    if (part->start == part->end && ro.unknown_from >= 0) { /* trimmed there: rebuild_ends */
        const struct hole room = {ro.unknown_from, part->end - 1};
        note_loss(b, &ro.p, &room, true);
    }
    if (part->run_count == 0) {
        return SL_OK;
    }
    if (ro.p.dir[0] == '\0') {
        repair__failed(&ro.p, NULL, "its topic is not known, so there is no place for its records");
        return sl_error_set(err, SL_EPARTITION_FAILED, "journal %u cannot be repaired",
                            (unsigned)b->journal);
    }
    size_t fillers = 0;
    ro.runs = (struct run_ref *)sl_alloc(ro.count * sizeof(struct run_ref));
    for (size_t i = 0; i < ro.count; i++) {
        ro.runs[i] = *part_run(part, i);
        bool is_filler = ro.runs[i].n == REBUILD_FILLER;
        ro.runs[i].length = is_filler ? 0 : ro.runs[i].length;
        fillers += is_filler ? 1 : 0;
    }
    enum sl_err rc = fillers > 0
                         ? repair__donors_find(&ro.p, part_registered_end(part), &ro.donors, err)
                         : SL_OK;
    rc = rc != SL_OK ? rc : roll_runs(&ro, err);
    repair__donors_free(&ro.donors);
    sl_free(ro.runs);
    return rc;
}

enum sl_err
repair__roll(struct broken *b, const struct state *names, struct sl_error *err)
{
    size_t count;
    enum sl_err rc = SL_OK;
    struct part_state **all = sorted(b->st, &count);
    const char *dir = NULL;
    for (size_t i = 0; i < count && rc == SL_OK; i++) {
        bool is_first = i == 0 || !uuid_eq(&all[i - 1]->topic_id, &all[i]->topic_id);
        dir = is_first ? dir_of(all, count, i) : dir;
        const struct patient p = repair__patient(b, all[i], dir, names);
        rc = roll_part(&p, all[i], b, err);
    }
    sl_free(all);
    return rc;
}
