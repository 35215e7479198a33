/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gate.h"
#include "reader/audit_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
audit__found(struct audit *a, struct audit_finding f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(f.text, sizeof(f.text), fmt, args);
    va_end(args);
    a->totals.errors += f.kind == AUDIT_ERROR ? 1 : 0;
    a->found(a->arg, &f);
}

struct audit_finding
audit__at(enum audit_what what, const char *key, const struct audit_journal *j,
          const struct audit_item *it)
{
    const struct audit_part *p = &j->parts[it->part];
    return (struct audit_finding){.kind = AUDIT_ERROR,
                                  .what = what,
                                  .key = key,
                                  .journal = j->index,
                                  .topic_id = p->topic_id,
                                  .partition = p->partition,
                                  .base = it->base,
                                  .last = it->next - 1,
                                  .gen = it->gen,
                                  .n = what == AUDIT_RUN ? it->n : 0};
}

/* --- what S says, copied --- */

struct copying {
    struct audit_journal *j;
    struct reader *reader;
};

static void
copy_runs(struct audit_journal *j, const struct part_state *p, uint32_t part)
{
    size_t room = j->run_count + p->run_count;
    j->runs = (struct audit_item *)sl_realloc(j->runs, (room + 1) * sizeof(*j->runs));
    for (size_t i = 0; i < p->run_count; i++) {
        const struct run_ref *r = part_run(p, i);
        j->runs[j->run_count++] = (struct audit_item){.n = r->n,
                                                      .base = r->base_offset,
                                                      .next = r->base_offset + r->offset_count,
                                                      .part = part,
                                                      .position = r->position,
                                                      .length = r->length,
                                                      .crc = r->crc};
    }
}

static void
copy_segments(struct audit_journal *j, const struct part_state *p, uint32_t part)
{
    size_t count = part_segment_count(p);
    j->segments = (struct audit_item *)sl_realloc(j->segments, (j->segment_count + count + 1) *
                                                                   sizeof(*j->segments));
    for (size_t i = 0; i < count; i++) {
        const struct segment_ref *s = part_segment(p, i);
        j->segments[j->segment_count++] = (struct audit_item){.n = s->bytes,
                                                              .base = s->base,
                                                              .next = s->last + 1,
                                                              .part = part,
                                                              .length = s->record_count,
                                                              .crc = s->body_crc,
                                                              .gen = s->gen};
    }
}

static void
copy_part(struct audit_journal *j, const struct part_state *p)
{
    j->parts = (struct audit_part *)sl_realloc(j->parts, (j->part_count + 1) * sizeof(*j->parts));
    struct audit_part *part = &j->parts[j->part_count];
    *part = (struct audit_part){.topic_id = p->topic_id,
                                .partition = p->index,
                                .start = p->start,
                                .end = p->end,
                                .registered_end = part_registered_end(p)};
    span_to_cstr(span_cstr(part_dir(p)), part->dir, sizeof(part->dir));
    copy_segments(j, p, (uint32_t)j->part_count);
    copy_runs(j, p, (uint32_t)j->part_count);
    j->part_count++;
}

static void
copy_losses(struct audit_journal *j, const struct state *st)
{
    j->loss_count = state_loss_count(st);
    j->losses = (struct loss_ref *)sl_alloc((j->loss_count + 1) * sizeof(struct loss_ref));
    for (size_t i = 0; i < j->loss_count; i++) {
        j->losses[i] = *state_loss(st, i);
    }
}

static void
copy_here(void *arg)
{
    struct copying *c = (struct copying *)arg;
    struct audit_journal *j = c->j;
    struct shard *sh = reader_shard(c->reader, j->index);
    const char *why;
    size_t pos = 0;
    j->rc = reader_journal(c->reader, j->index, &why);
    (void)snprintf(j->why, sizeof(j->why), "%s", why);
    journal_status(shard_journal(sh), &j->status);
    if (j->rc != SL_OK) {
        return;
    }
    for (struct part_state *p; (p = state_next_part(shard_state(sh), &pos));) {
        copy_part(j, p);
    }
    copy_losses(j, shard_state(sh));
    j->garbage_count = state_garbage_count(shard_state(sh));
    j->garbage =
        (struct audit_garbage *)sl_alloc((j->garbage_count + 1) * sizeof(struct audit_garbage));
    for (size_t i = 0; i < j->garbage_count; i++) {
        const struct garbage_ref *g = state_garbage(shard_state(sh), i);
        j->garbage[i] =
            (struct audit_garbage){.partition = g->partition, .base = g->base, .gen = g->gen};
        span_to_cstr(span_cstr(g->dir), j->garbage[i].dir, sizeof(j->garbage[i].dir));
    }
}

static void
journal_free(struct audit_journal *j)
{
    sl_free(j->parts);
    sl_free(j->runs);
    sl_free(j->segments);
    sl_free(j->garbage);
    sl_free(j->losses);
}

/* --- offsets --- */

/* From start to end, first what segments hold and then what runs hold, there must be no hole. */
static void
check_density(struct audit *a, const struct audit_journal *j)
{
    size_t s = 0, r = 0;
    for (uint32_t i = 0; i < j->part_count; i++) {
        const struct audit_part *p = &j->parts[i];
        int64_t next = -1;
        for (; s < j->segment_count && j->segments[s].part == i; s++) {
            audit__follows(a, p, &next, &j->segments[s]);
        }
        for (; r < j->run_count && j->runs[r].part == i; r++) {
            audit__follows(a, p, &next, &j->runs[r]);
        }
        next = next < 0 ? p->start : next;
        if (next != p->end) {
            audit__found(a, (struct audit_finding){.kind = AUDIT_ERROR},
                         "journal %" PRIu32 ", %s partition %" PRId32 ": offsets %" PRId64
                         " to %" PRId64 " are held by no object",
                         j->index, audit__part_name(p).text, p->partition, next, p->end - 1);
        }
    }
}

void
audit__follows(struct audit *a, const struct audit_part *p, int64_t *next,
               const struct audit_item *it)
{
    int64_t from = *next < 0 ? p->start : *next;
    bool is_right = *next < 0 ? it->base <= from : it->base == from;
    if (!is_right) {
        audit__found(a, (struct audit_finding){.kind = AUDIT_ERROR},
                     "%s partition %" PRId32 ": offsets %" PRId64 " to %" PRId64
                     " are held by no object",
                     audit__part_name(p).text, p->partition, from, it->base - 1);
    }
    *next = it->next;
}

/* What was given up stays known, and is no error any more. */
static void
tell_losses(struct audit *a, const struct audit_journal *j)
{
    for (size_t i = 0; i < j->loss_count; i++) {
        const struct loss_ref *l = &j->losses[i];
        struct audit_part p = {.topic_id = l->topic_id, .partition = l->partition};
        for (size_t k = 0; k < j->part_count; k++) {
            bool is_it = uuid_eq(&j->parts[k].topic_id, &l->topic_id) && j->parts[k].dir[0] != '\0';
            p = is_it ? j->parts[k] : p;
        }
        const struct audit_finding at = {.kind = AUDIT_NOTE,
                                         .what = AUDIT_LOSS,
                                         .journal = j->index,
                                         .topic_id = l->topic_id,
                                         .partition = l->partition,
                                         .base = l->first,
                                         .last = l->last};
        audit__found(a, at,
                     "%s partition %" PRId32 ": offsets %" PRId64 " to %" PRId64
                     " were given up (%" PRId64 " ms): %s",
                     audit__part_name(&p).text, l->partition, l->first, l->last, l->time_ms,
                     l->reason);
    }
}

struct audit_name
audit__part_name(const struct audit_part *p)
{
    struct audit_name n;
    char id[UUID_TEXT];
    if (p->dir[0] != '\0') {
        (void)snprintf(n.text, sizeof(n.text), "%s", p->dir);
        return n;
    }
    uuid_text(&p->topic_id, id);
    (void)snprintf(n.text, sizeof(n.text), "topic id %s", id);
    return n;
}

/* --- all of it --- */

static enum sl_err
audit_journal(struct audit *a, struct reader *reader, struct audit_journal *j)
{
    struct copying c = {j, reader};
    run_on(a->bucket->sched, copy_here, &c);
    a->totals.journals++;
    if (j->rc != SL_OK) {
        const struct audit_finding at = {
            .kind = AUDIT_ERROR, .what = AUDIT_JOURNAL, .journal = j->index};
        bool is_begun = strstr(j->why, "-repair: ") != NULL; /* docs/journal.md, repair: a fence */
        audit__found(a, at, "journal %" PRIu32 " cannot be read: %s%s", j->index,
                     j->why[0] != '\0' ? j->why : sl_err_text(j->rc),
                     is_begun ? "; a repair of it was begun: `sluice log repair --accept-loss`"
                                " ends it, also when the lost object was restored meanwhile"
                              : "");
        return SL_OK; /* the others are looked at */
    }
    a->totals.partitions += j->part_count;
    a->totals.runs += j->run_count;
    a->totals.segments += j->segment_count;
    if (a->orphan != NULL) {
        return SL_OK;
    }
    check_density(a, j);
    tell_losses(a, j);
    enum sl_err rc = audit__entries(a, j);
    return rc != SL_OK ? rc : audit__segments(a, j);
}

enum sl_err
audit_run(struct audit *a)
{
    enum { OPEN_MS = 120000 };
    struct reader *reader = reader_wait_open(a->bucket, OPEN_MS);
    if (reader == NULL) {
        return SL_ETIMEOUT;
    }
    uint32_t count = a->bucket->journals;
    struct audit_journal *all =
        (struct audit_journal *)sl_alloc(count * sizeof(struct audit_journal));
    enum sl_err rc = SL_OK;
    for (uint32_t i = 0; i < count && rc == SL_OK; i++) {
        all[i].index = i;
        all[i].reader = reader;
        rc = audit_journal(a, reader, &all[i]);
    }
    if (rc == SL_OK) {
        rc = audit__orphans(a, all, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        journal_free(&all[i]);
    }
    sl_free(all);
    reader_wait_close(&reader);
    return rc;
}
