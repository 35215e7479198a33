/* SPDX-License-Identifier: Apache-2.0
 *
 * An audit says what is missing. Then, one after the other:
 *
 *   - an .index that is not its segment's is written anew; nothing is lost by that;
 *   - a damaged segment is replaced (REPLACE) by the next generation of it, made of what is left of
 *     it, with gaps, and covering the same offsets;
 *   - live runs that are damaged, or whose entry is, are rolled with everything before them into a
 *     segment of generation 1 or above, with gaps (REGISTER); then nobody needs the entry any more.
 *
 * Each time: the new objects first, under names that nobody has; then a LOSS op, which names the
 * offsets; then the op that makes readers walk over them. A crash in between leaves a loss that is
 * told of twice, or objects that nobody knows, never a hole that nobody told of.
 *
 * Nothing is deleted. A segment that was replaced is garbage to the journal, though, and collected
 * after the grace period as any is; so it is copied to {prefix}/damaged/ before.
 *
 * Journals that cannot be opened come before all that: repair_journal.c. Then the audit is made
 * again. */
#include "base/gate.h"
#include "repair/repair_int.h"
#include "repair/survey.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAMAGES_MAX = 1000000, GENERATIONS = 64 };

/* --- telling --- */

void
repair__tell(const struct patient *p, struct repair_line *line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line->text, sizeof(line->text), fmt, args);
    va_end(args);
    line->topic = p->topic;
    line->partition = p->partition;
    p->rp->r->told(p->rp->r->arg, line);
}

void
repair__failed(const struct patient *p, const char *key, const char *why)
{
    struct repair_line line = {.kind = REPAIR_FAILED, .key = key};
    p->rp->r->totals.failed++;
    repair__tell(p, &line, "%s", why);
}

void
repair__note(struct repair *rp, enum repair_kind kind, const char *key, const char *fmt, ...)
{
    struct repair_line line = {.kind = kind, .partition = -1, .key = key};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line.text, sizeof(line.text), fmt, args);
    va_end(args);
    rp->r->totals.failed += kind == REPAIR_FAILED ? 1 : 0;
    rp->r->totals.given += kind == REPAIR_GIVEN ? 1 : 0;
    rp->r->told(rp->r->arg, &line);
}

/* --- the audit --- */

static void
keep(struct repair *rp, const struct audit_finding *f)
{
    if (rp->count == DAMAGES_MAX) {
        return; /* the next run finds the rest */
    }
    rp->damages = (struct damage *)sl_realloc(rp->damages, (rp->count + 1) * sizeof(struct damage));
    rp->damages[rp->count++] = (struct damage){.what = f->what,
                                               .journal = f->journal,
                                               .topic_id = f->topic_id,
                                               .partition = f->partition,
                                               .base = f->base,
                                               .last = f->last,
                                               .gen = f->gen,
                                               .n = f->n,
                                               .key = f->key == NULL ? NULL : sl_strdup(f->key)};
}

static void
found(void *arg, const struct audit_finding *f)
{
    struct repair *rp = (struct repair *)arg;
    if (f->kind != AUDIT_ERROR) {
        return;
    }
    switch (f->what) {
    case AUDIT_ENTRY:
    case AUDIT_RUN:
    case AUDIT_SEGMENT:
    case AUDIT_INDEX:
        keep(rp, f);
        break;
    case AUDIT_JOURNAL:
        rp->unreadable = (uint32_t *)sl_realloc(rp->unreadable, (rp->unreadable_count + 1) *
                                                                    sizeof(rp->unreadable[0]));
        rp->unreadable[rp->unreadable_count++] = f->journal;
        repair__note(rp, REPAIR_NOTE, NULL, "%s", f->text);
        break;
    default:
        repair__note(rp, REPAIR_FAILED, f->key, "%s", f->text);
    }
}

static enum sl_err
audit(struct repair *rp, struct sl_error *err)
{
    struct reader_options bucket = *rp->r->bucket;
    bucket.is_writer = false;
    struct audit a = {.bucket = &bucket, .found = found, .arg = rp};
    enum sl_err rc = audit_run(&a);
    if (rc != SL_OK) {
        return sl_error_set(err, rc, "not everything can be read: %s", sl_err_text(rc));
    }
    return SL_OK;
}

/* --- patients --- */

static void
look_here(void *arg)
{
    struct patient *p = (struct patient *)arg;
    struct reader *reader = log_writer_reader(p->rp->w);
    const struct state *names = shard_state(reader_shard(reader, 0));
    const struct state *st = shard_state(reader_shard(reader, p->journal));
    const struct topic_state *t = state_find_topic_id(names, &p->topic_id);
    const struct part_state *part = state_find_part(st, &p->topic_id, p->partition);
    char id[UUID_TEXT];
    uuid_text(&p->topic_id, id);
    (void)snprintf(p->topic, sizeof(p->topic), "%s", t != NULL ? t->name : id);
    p->is_there = part != NULL;
    p->start = part != NULL ? part->start : 0;
    p->end = part != NULL ? part->end : 0;
    p->dir[0] = '\0';
    if (part != NULL && part_dir(part) != NULL) {
        (void)snprintf(p->dir, sizeof(p->dir), "%s", part_dir(part));
    } else if (t != NULL) {
        topic_dir_name(span_cstr(t->name), t->incarnation, p->dir, sizeof(p->dir));
    }
}

void
repair__look(struct patient *p)
{
    log_writer_look(p->rp->w, look_here, p);
}

struct clock {
    struct sched *sched;
    int64_t ms;
};

static void
clock_here(void *arg)
{
    struct clock *c = (struct clock *)arg;
    c->ms = sched_wall_ms(c->sched);
}

int64_t
repair__now_ms(const struct repair *rp)
{
    struct clock c = {.sched = rp->r->bucket->sched};
    run_on(c.sched, clock_here, &c);
    return c.ms;
}

/* --- objects --- */

bool
repair__key(const struct patient *p, int64_t base, uint32_t gen, enum segment_file file,
            char key[SEGMENT_KEY_MAX])
{
    const struct segment_name name = {.ns = span_cstr(p->rp->r->bucket->segment_namespace),
                                      .topic = span_cstr(p->dir),
                                      .partition = p->partition,
                                      .base_offset = base,
                                      .generation = gen};
    return segment_key(&name, file, key) && strlen(key) < STORE_KEY_MAX;
}

static enum sl_err
put_pair(const struct patient *p, const struct segment_files *f, uint32_t gen, struct sl_error *err)
{
    char kfs[SEGMENT_KEY_MAX], index[SEGMENT_KEY_MAX];
    const struct reader_options *bucket = p->rp->r->bucket;
    if (!repair__key(p, f->base_offset, gen, SEGMENT_FILE_KFS, kfs) ||
        !repair__key(p, f->base_offset, gen, SEGMENT_FILE_INDEX, index)) {
        return sl_error_set(err, SL_ETOO_LARGE, "the key of a segment would be too long");
    }
    enum sl_err rc = object_put(bucket, index, f->index, true, err);
    return rc != SL_OK ? rc : object_put(bucket, kfs, f->kfs, true, err);
}

static enum sl_err
describe(const struct segment_files *f, struct segment_ref *ret, struct sl_error *err)
{
    struct segment_view v;
    enum sl_err rc = segment_open(buf_span(f->kfs), &v, err);
    rc = rc != SL_OK ? rc : segment_verify(&v, true, err);
    if (rc == SL_OK) {
        survey_segment(&v, f->kfs->len, SEGMENT_SLICES_MAX, ret);
    }
    return rc;
}

enum sl_err
repair__put(const struct patient *p, struct salvage *s, int64_t last, uint32_t gen,
            struct segment_ref *ret, struct sl_error *err)
{
    struct segment_files f = {0};
    enum sl_err rc = salvage_finish(s, last, repair__now_ms(p->rp), &f, err);
    rc = rc != SL_OK ? rc : describe(&f, ret, err);
    if (rc == SL_OK && s->is_empty && last + 1 != p->end) {
        sl_free(ret->slices);
        *ret = (struct segment_ref){
            .base = f.base_offset, .last = last, .max_timestamp = -1, .gen = gen};
    }
    for (uint32_t i = 0; rc == SL_OK && ret->bytes > 0 && p->rp->r->is_executed; i++) {
        ret->gen = gen + i;
        rc = put_pair(p, &f, ret->gen, err);
        if (rc != SL_EEXIST) {
            break;
        }
        rc = i < GENERATIONS
                 ? SL_OK
                 : sl_error_set(err, SL_EEXIST, "no free name for a segment at %" PRId64,
                                f.base_offset);
    }
    buf_unref(&f.kfs);
    buf_unref(&f.index);
    return rc;
}

/* --- copies --- */

enum sl_err
repair__copy_bytes(struct repair *rp, const char *key, const struct buf *object,
                   struct sl_error *err)
{
    char copy[2 * STORE_KEY_MAX];
    int n = snprintf(copy, sizeof(copy), "%s/damaged/%s", rp->r->bucket->prefix, key);
    if (object == NULL) {
        return SL_OK;
    }
    if (n < 0 || n >= STORE_KEY_MAX) {
        return sl_error_set(err, SL_EINVAL, "no room for the name of a copy of %.200s", key);
    }
    enum sl_err rc = object_put(rp->r->bucket, copy, object, true, err);
    return rc == SL_EEXIST ? SL_OK : rc;
}

enum sl_err
repair__copy(struct repair *rp, const char *key, struct sl_error *err)
{
    struct buf *object = NULL;
    enum sl_err rc = object_get(rp->r->bucket, key, &object, err);
    if (rc == SL_ECORRUPT) {
        repair__note(rp, REPAIR_NOTE, key, "nothing of it can be read, so there is no copy of it");
        return SL_OK;
    }
    rc = rc != SL_OK ? rc : repair__copy_bytes(rp, key, object, err);
    buf_unref(&object);
    return rc;
}

/* --- losses --- */

struct losing {
    struct loss_ref *list;
    size_t count;
};

/* More than one op holds: they become one, which is larger and so no less true. */
static void
add_loss(struct losing *l, const struct patient *p, const struct hole *h, const char *reason)
{
    if (l->count == LOSSES_MAX) {
        l->list[0].last = h->last;
        l->count = 1;
        return;
    }
    struct loss_ref *to = &l->list[l->count++];
    *to = (struct loss_ref){.topic_id = p->topic_id,
                            .partition = p->partition,
                            .first = h->first,
                            .last = h->last,
                            .time_ms = repair__now_ms(p->rp)};
    (void)snprintf(to->reason, sizeof(to->reason), "%s", reason);
}

uint64_t
repair__tell_loss(const struct patient *p, struct hole *h, const struct loss_source *from)
{
    h->first = h->first < p->start ? p->start : h->first;
    if (h->first > h->last) {
        return 0;
    }
    uint64_t offsets = (uint64_t)(h->last - h->first) + 1;
    struct repair_line line = {.kind = REPAIR_LOST,
                               .first = h->first,
                               .last = h->last,
                               .records = offsets < from->records ? offsets : from->records,
                               .key = from->key};
    p->rp->r->totals.losses++;
    p->rp->r->totals.offsets += offsets;
    repair__tell(p, &line, "offsets %" PRId64 " to %" PRId64 ", at most %" PRIu64 " records: %s",
                 h->first, h->last, line.records, from->reason);
    return offsets;
}

static enum sl_err
propose_losses(const struct patient *p, const struct losing *l, struct sl_error *err)
{
    struct bytes payload;
    bytes_init(&payload, 4 + (size_t)LOSSES_MAX * (sizeof(struct loss_ref) + 64));
    op_encode_losses(&payload, l->list, l->count);
    enum sl_err rc = log_writer_op(p->rp->w, p->journal, ITEM_LOSS, bytes_span(&payload));
    bytes_fini(&payload);
    return rc == SL_OK ? rc
                       : sl_error_set(err, rc, "journal %u: the loss cannot be written: %s",
                                      (unsigned)p->journal, sl_err_text(rc));
}

enum sl_err
repair__losses(const struct patient *p, const struct salvage *s, const struct loss_source *from,
               struct sl_error *err)
{
    struct losing l = {.list = (struct loss_ref *)sl_alloc(LOSSES_MAX * sizeof(struct loss_ref))};
    uint64_t offsets = 0;
    for (size_t i = 0; i < s->hole_count && from->records > 0; i++) {
        struct hole h = s->holes[i];
        uint64_t here = repair__tell_loss(p, &h, from);
        if (here > 0) {
            offsets += here;
            add_loss(&l, p, &h, from->reason);
        }
    }
    p->rp->r->totals.records += offsets < from->records ? offsets : from->records;
    enum sl_err rc = l.count > 0 && p->rp->r->is_executed ? propose_losses(p, &l, err) : SL_OK;
    sl_free(l.list);
    return rc;
}

/* --- all of it --- */

static enum sl_err
treat(struct repair *rp, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; i < rp->count && rc == SL_OK; i++) {
        const struct damage *d = &rp->damages[i];
        if (d->what == AUDIT_INDEX) {
            rc = repair__index(rp, d, err);
        } else if (d->what == AUDIT_SEGMENT) {
            rc = repair__segment(rp, d, err);
        }
    }
    return rc != SL_OK ? rc : repair__runs(rp, err);
}

static void
forget(struct repair *rp)
{
    for (size_t i = 0; i < rp->count; i++) {
        sl_free(rp->damages[i].key);
    }
    sl_free(rp->damages);
    sl_free(rp->unreadable);
    rp->damages = NULL;
    rp->unreadable = NULL;
    rp->count = rp->unreadable_count = 0;
}

/* A dry run cannot look behind a journal that does not open. */
static enum sl_err
open_journals(struct repair *rp, struct sl_error *err)
{
    enum sl_err rc = repair__journals(rp, err);
    if (rc != SL_OK) {
        return rc;
    }
    if (!rp->r->is_executed) {
        if (rp->count > 0) {
            repair__note(rp, REPAIR_NOTE, NULL,
                         "%zu more findings of `sluice log verify` are looked at when every journal"
                         " can be opened",
                         rp->count);
        }
        forget(rp);
        return SL_OK;
    }
    forget(rp);
    rc = audit(rp, err);
    if (rc == SL_OK && rp->unreadable_count > 0) {
        return sl_error_set(err, SL_EPARTITION_FAILED,
                            "journal %u still cannot be opened, so the rest is left as it is",
                            (unsigned)rp->unreadable[0]);
    }
    return rc;
}

enum sl_err
log_repair_run(struct log_repair *r, struct sl_error *err)
{
    struct repair rp = {.r = r};
    enum sl_err rc = audit(&rp, err);
    if (rc == SL_OK && rp.unreadable_count > 0) {
        rc = open_journals(&rp, err);
    }
    if (rc == SL_OK && rp.count > 0) {
        rp.w = log_writer_open(r->bucket, err);
        rc = rp.w == NULL ? SL_EPARTITION_FAILED : treat(&rp, err);
        log_writer_close(&rp.w);
    }
    forget(&rp);
    return rc;
}
