/* SPDX-License-Identifier: Apache-2.0
 *
 * KafScale keeps a topic's log as {namespace}/{topic}/{partition}/segment-{base}.kfs, bytes that
 * are ours as well, and the rest of what it knows elsewhere. So a topic is imported by telling a
 * journal of objects that stay where they are:
 *
 *   1. The namespace is listed. What journal 0 knows already, and what holds records already, is
 * left alone; so is a name that was ever used here, because its directory may hold what belongs to
 *      the topic that had it.
 *   2. Every segment of the topic is read and verified, that they follow each other, too. Anything
 *      wrong anywhere: the topic is refused, whole.
 *      KafScale counts the offsets of a batch before it is stored, and goes on behind them when an
 *      upload fails: so its logs may have holes. They are named, and refused, too, unless whoever
 *      runs this accepts them. Then each is a segment without an object, and a LOSS op says so.
 *      A bucket that Sluice wrote, and whose journals are lost, is read likewise. Of what begins at
 *      the same offset the highest generation counts, and what lies within one of a higher
 *      generation is what it was made of, not deleted yet.
 *   3. An .index that is missing, or is not the segment's, is written.
 *   4. The topic is created, as any is, with as many partitions, and with retention.ms and
 *      retention.bytes = -1: what is old must not be gone before anybody has decided so.
 *   5. Each partition that has segments gets an ADOPT op.
 *
 * After a crash between 4 and 5 the next run finds a topic with empty partitions, and goes on. */
#include "base/gate.h"
#include "repair/import_int.h"
#include "repair/survey.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Behind them there must be room for all that will ever be written. */
#define OFFSET_MAX (INT64_MAX / 2)

enum {
    PARTITIONS_MAX = 100000,
    OP_BYTES = 4 << 20, /* of one ADOPT */
    SEGMENT_OP_BYTES = 48,
    SLICE_OP_BYTES = 16
};

/* The partition at hand: found[first .. first + count). */
struct part_plan {
    int32_t partition;
    size_t first, count;
    bool is_known; /* holds something */
    struct segment_ref *segments;
    size_t segment_count;
    uint64_t records, bytes;
    size_t indexes; /* that are to be written */
};

struct topic_plan {
    const char *name;
    struct part_plan *parts;
    size_t part_count;
    /* what journal 0 says */
    bool is_there;
    uint32_t incarnation; /* that it has, or would get */
    enum sl_err check;
    int32_t partition_count;
    struct uuid id;
};

void
repair__import_tell(struct import *i, enum import_kind kind, const char *topic, int32_t partition,
                    const char *fmt, ...)
{
    struct import_line line = {.kind = kind, .topic = topic, .partition = partition};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line.text, sizeof(line.text), fmt, args);
    va_end(args);
    i->im->told(i->im->arg, &line);
}

/* --- what S says --- */

struct asking {
    struct import *i;
    struct topic_plan *t;
    int32_t partition;
    uint32_t ret_journal;
};

static void
ask_topic(void *arg)
{
    struct asking *a = (struct asking *)arg;
    struct topic_plan *t = a->t;
    struct reader *reader = log_writer_reader(a->i->w);
    const struct state *st = shard_state(reader_shard(reader, 0));
    const struct topic_state *there = reader_topic(reader, span_cstr(t->name));
    t->is_there = there != NULL;
    t->check = there != NULL ? SL_OK : state_check_topic(st, span_cstr(t->name));
    t->incarnation =
        there != NULL ? there->incarnation : state_next_incarnation(st, span_cstr(t->name));
    if (there == NULL) {
        return;
    }
    t->id = there->id;
    t->partition_count = there->partition_count;
    for (size_t k = 0; k < t->part_count; k++) {
        struct shard *sh = reader_part_shard(reader, there, t->parts[k].partition);
        const struct part_state *p =
            sh == NULL ? NULL : state_find_part(shard_state(sh), &t->id, t->parts[k].partition);
        t->parts[k].is_known = p != NULL && (p->end > 0 || part_segment_count(p) > 0);
    }
}

static void
ask_journal(void *arg)
{
    struct asking *a = (struct asking *)arg;
    const struct topic_state *t = reader_topic(log_writer_reader(a->i->w), span_cstr(a->t->name));
    bool is_right = t != NULL && a->partition < t->partition_count && t->incarnation == 0;
    a->ret_journal = is_right ? t->journals[a->partition] : UINT32_MAX;
    a->t->id = is_right ? t->id : a->t->id;
}

/* --- one segment --- */

static bool
key_of(const struct import *i, const struct found *f, enum segment_file file,
       char key[SEGMENT_KEY_MAX])
{
    const struct segment_name name = {.ns = span_cstr(i->im->bucket->segment_namespace),
                                      .topic = span_cstr(f->topic),
                                      .partition = f->partition,
                                      .base_offset = f->base,
                                      .generation = f->gen};
    return segment_key(&name, file, key) && strlen(key) < STORE_KEY_MAX;
}

static bool
refuse(struct import *i, const struct found *f, const char *what)
{
    char key[SEGMENT_KEY_MAX] = "";
    (void)key_of(i, f, SEGMENT_FILE_KFS, key);
    repair__import_tell(i, IMPORT_REFUSED, f->topic, f->partition, "%s: %s", key, what);
    return false;
}

/* Writes the index if it has to be, and this is no dry run. SL_OK: it is right now, or would be. */
static enum sl_err
settle_index(struct import *i, struct part_plan *p, const struct found *f,
             const struct segment_view *v, struct sl_error *err)
{
    char key[SEGMENT_KEY_MAX];
    struct buf *there;
    (void)key_of(i, f, SEGMENT_FILE_INDEX, key);
    enum sl_err rc = object_get(i->im->bucket, key, &there, err);
    if (rc != SL_OK && rc != SL_ECORRUPT) {
        return rc;
    }
    bool is_absent = rc == SL_OK && there == NULL;
    bool is_right = survey_index_is_right(there, v);
    buf_unref(&there);
    p->indexes += is_right ? 0 : 1;
    if (is_right || !i->im->is_executed) {
        return SL_OK;
    }
    struct buf *right = survey_index(v);
    rc = object_put(i->im->bucket, key, right, is_absent, err);
    buf_unref(&right);
    return rc;
}

/* Does it follow on what is there? With holes accepted, it may begin later. */
static bool
bridge(struct import *i, struct part_plan *p, const struct found *f)
{
    char why[256];
    int64_t next = p->segment_count > 0 ? p->segments[p->segment_count - 1].last + 1 : f->base;
    if (next == f->base) {
        return true;
    }
    if (f->base < next) {
        return refuse(i, f, "it does not begin where the segment before it ends, but within it");
    }
    if (!i->im->accepts_holes) {
        (void)snprintf(why, sizeof(why),
                       "it does not begin where the segment before it ends: offsets %" PRId64
                       " to %" PRId64 " are in none (KafScale leaves them out when an upload"
                       " fails); --accept-loss takes the topic without them",
                       next, f->base - 1);
        return refuse(i, f, why);
    }
    repair__import_tell(i, IMPORT_NOTE, f->topic, f->partition,
                        "offsets %" PRId64 " to %" PRId64 " are in no segment, and %sgiven up",
                        next, f->base - 1, i->im->is_executed ? "" : "would be ");
    i->im->totals.holes++;
    p->segments[p->segment_count++] =
        (struct segment_ref){.base = next, .last = f->base - 1, .max_timestamp = -1, .gen = 1};
    return true;
}

static bool
verify_object(struct import *i, struct part_plan *p, const struct found *f,
              const struct buf *object)
{
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    uint32_t room = (uint32_t)(OP_BYTES / p->count);
    uint32_t slices = room > SEGMENT_OP_BYTES ? (room - SEGMENT_OP_BYTES) / SLICE_OP_BYTES : 0;
    if (segment_open(buf_span(object), &v, &err) != SL_OK ||
        segment_verify(&v, f->gen > 0, &err) != SL_OK) {
        return refuse(i, f, err.msg);
    }
    if (v.base_offset != f->base) {
        return refuse(i, f, "its header names another base offset than its key");
    }
    if (v.last_offset > OFFSET_MAX) {
        return refuse(i, f, "its offsets leave no room for more: they may not be above 2^62 - 1");
    }
    if (!bridge(i, p, f)) {
        return false;
    }
    if (settle_index(i, p, f, &v, &err) != SL_OK) {
        return refuse(i, f, err.msg);
    }
    struct segment_ref *s = &p->segments[p->segment_count++];
    survey_segment(&v, object->len, slices, s);
    s->gen = f->gen;
    p->records += s->record_count;
    p->bytes += s->bytes;
    return true;
}

static bool
verify_segment(struct import *i, struct part_plan *p, const struct found *f)
{
    char key[SEGMENT_KEY_MAX];
    struct buf *object;
    struct sl_error err = SL_ERROR_INIT;
    if (!f->has_kfs) {
        return refuse(i, f, "there is an .index, and no segment");
    }
    if (!key_of(i, f, SEGMENT_FILE_KFS, key)) {
        return refuse(i, f, "its key is too long");
    }
    if (object_get(i->im->bucket, key, &object, &err) != SL_OK) {
        return refuse(i, f, err.msg);
    }
    bool is_right = object != NULL ? verify_object(i, p, f, object)
                                   : refuse(i, f, "it was listed, and is gone");
    buf_unref(&object);
    return is_right;
}

/* Is it what a segment of a higher generation was made of? */
static bool
is_superseded(const struct part_plan *p, const struct found *f)
{
    const struct segment_ref *s = p->segment_count > 0 ? &p->segments[p->segment_count - 1] : NULL;
    return s != NULL && f->base <= s->last && f->gen < s->gen;
}

/* --- one topic --- */

static bool
verify_topic(struct import *i, struct topic_plan *t)
{
    bool is_right = true;
    for (size_t k = 0; k < t->part_count; k++) {
        struct part_plan *p = &t->parts[k];
        if (p->is_known) {
            continue;
        }
        if (p->count > ADOPT_SEGMENTS_MAX) {
            repair__import_tell(i, IMPORT_REFUSED, t->name, p->partition,
                                "%zu segments, at most %d are possible", p->count,
                                ADOPT_SEGMENTS_MAX);
            is_right = false;
            continue;
        }
        p->segments = (struct segment_ref *)sl_alloc(2 * p->count * sizeof(struct segment_ref));
        for (size_t s = 0; s < p->count && is_right; s++) {
            const struct found *f = &i->found[p->first + s];
            is_right = is_superseded(p, f) || verify_segment(i, p, f);
        }
    }
    return is_right;
}

/* May this topic be imported, as far as S goes? */
static bool
may_import(struct import *i, const struct topic_plan *t)
{
    int32_t last = t->parts[t->part_count - 1].partition;
    const char *why = NULL;
    if (t->incarnation > 0 && i->im->topic == NULL) {
        repair__import_tell(
            i, IMPORT_NOTE, t->name, -1,
            "left alone: a topic of this name was deleted here, and this may be what is left of "
            "it");
        return false;
    }
    if (t->incarnation > 0) {
        why = "a topic of this name was deleted here: its directory may hold what was left of it";
    } else if (t->check == SL_EINVALID_TOPIC || !topic_name_is_valid(span_cstr(t->name))) {
        why = "the name is not valid, or too like the one of a topic that is here ('.' and '_' are"
              " the same)";
    } else if (t->check != SL_OK) {
        why = sl_err_text(t->check);
    } else if (last >= PARTITIONS_MAX) {
        why = "too many partitions";
    } else if (t->is_there && last >= t->partition_count) {
        why = "there is a topic of this name already, with fewer partitions";
    }
    if (why != NULL) {
        repair__import_tell(i, IMPORT_REFUSED, t->name, -1, "%s", why);
    }
    return why == NULL;
}

/* Before they are in the log. */
static enum sl_err
propose_holes(struct import *i, uint32_t journal, const struct topic_plan *t,
              const struct part_plan *p)
{
    struct bytes payload;
    struct timespec now = {0};
    enum sl_err rc = SL_OK;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    bytes_init(&payload, 1024);
    for (size_t k = 0; k < p->segment_count && rc == SL_OK; k++) {
        const struct segment_ref *s = &p->segments[k];
        if (s->bytes > 0) {
            continue;
        }
        const struct loss_ref loss = {.topic_id = t->id,
                                      .partition = p->partition,
                                      .first = s->base,
                                      .last = s->last,
                                      .time_ms = (int64_t)now.tv_sec * 1000,
                                      .reason = "imported without: in no segment of KafScale's"};
        bytes_clear(&payload);
        op_encode_losses(&payload, &loss, 1);
        rc = log_writer_op(i->w, journal, ITEM_LOSS, bytes_span(&payload));
    }
    bytes_fini(&payload);
    return rc;
}

static enum sl_err
adopt(struct import *i, struct topic_plan *t, const struct part_plan *p)
{
    struct asking a = {.i = i, .t = t, .partition = p->partition};
    log_writer_look(i->w, ask_journal, &a);
    if (a.ret_journal == UINT32_MAX) {
        return SL_EINVALID_TOPIC;
    }
    enum sl_err told = propose_holes(i, a.ret_journal, t, p);
    if (told != SL_OK) {
        return told;
    }
    const struct adopt_op op = {.topic_id = t->id,
                                .partition = p->partition,
                                .dir = span_cstr(t->name),
                                .segments = p->segments,
                                .count = p->segment_count};
    struct bytes payload;
    bytes_init(&payload, 2 * OP_BYTES);
    op_encode_adopt(&payload, &op);
    enum sl_err rc = payload.is_overflown
                         ? SL_ETOO_LARGE
                         : log_writer_op(i->w, a.ret_journal, ITEM_ADOPT, bytes_span(&payload));
    bytes_fini(&payload);
    return rc;
}

static bool
adopt_or_tell(struct import *i, struct topic_plan *t, const struct part_plan *p)
{
    enum sl_err rc = i->im->is_executed ? adopt(i, t, p) : SL_OK;
    if (rc != SL_OK) {
        repair__import_tell(i, IMPORT_REFUSED, t->name, p->partition, "%s; run it again",
                            rc == SL_EEXIST ? "somebody has written to the partition meanwhile"
                                            : sl_err_text(rc));
        return false;
    }
    struct import_totals *sum = &i->im->totals;
    sum->partitions++;
    sum->segments += p->segment_count;
    sum->records += p->records;
    sum->bytes += p->bytes;
    repair__import_tell(i, IMPORT_ADOPTED, t->name, p->partition,
                        "offsets %" PRId64 " to %" PRId64 ", %zu segments, %" PRIu64
                        " records, %" PRIu64 " bytes%s",
                        p->segments[0].base, p->segments[p->segment_count - 1].last,
                        p->segment_count, p->records, p->bytes,
                        p->indexes == 0 ? ""
                        : i->im->is_executed
                            ? "; missing or wrong indexes were written"
                            : "; indexes are missing or wrong, and would be written");
    return true;
}

static bool
import_verified(struct import *i, struct topic_plan *t)
{
    if (i->im->is_executed && !t->is_there) {
        enum sl_err rc =
            log_writer_topic(i->w, t->name, t->parts[t->part_count - 1].partition + 1, &t->id);
        if (rc != SL_OK) {
            repair__import_tell(i, IMPORT_REFUSED, t->name, -1, "it cannot be created: %s",
                                sl_err_text(rc));
            return false;
        }
        repair__import_tell(i, IMPORT_NOTE, t->name, -1,
                            "created; it keeps everything (retention.ms=-1,"
                            " retention.bytes=-1) until you configure it otherwise");
    }
    bool is_right = true;
    for (size_t k = 0; k < t->part_count; k++) {
        if (!t->parts[k].is_known) {
            is_right = adopt_or_tell(i, t, &t->parts[k]) && is_right;
        }
    }
    return is_right;
}

static void
import_topic(struct import *i, struct topic_plan *t)
{
    struct asking a = {.i = i, .t = t};
    size_t known = 0;
    log_writer_look(i->w, ask_topic, &a);
    for (size_t k = 0; k < t->part_count; k++) {
        known += t->parts[k].is_known ? 1 : 0;
    }
    i->im->totals.known += known;
    if (known == t->part_count) {
        return;
    }
    bool is_right = may_import(i, t) && verify_topic(i, t) && import_verified(i, t);
    i->im->totals.topics += is_right ? 1 : 0;
    bool is_left = t->incarnation > 0 && i->im->topic == NULL;
    i->im->totals.refused += is_right || is_left ? 0 : 1;
}

static void
plan_free(struct topic_plan *t)
{
    for (size_t k = 0; k < t->part_count; k++) {
        for (size_t s = 0; s < t->parts[k].segment_count; s++) {
            sl_free(t->parts[k].segments[s].slices);
        }
        sl_free(t->parts[k].segments);
    }
    sl_free(t->parts);
}

/* found[from ..) of one topic. Gives where the next one begins. */
static size_t
plan_topic(const struct import *i, size_t from, struct topic_plan *t)
{
    size_t at = from;
    *t = (struct topic_plan){.name = i->found[from].topic};
    for (; at < i->count && strcmp(i->found[at].topic, t->name) == 0; at++) {
        const struct found *f = &i->found[at];
        if (t->part_count == 0 || t->parts[t->part_count - 1].partition != f->partition) {
            t->parts = (struct part_plan *)sl_realloc(t->parts, (t->part_count + 1) *
                                                                    sizeof(struct part_plan));
            t->parts[t->part_count++] = (struct part_plan){.partition = f->partition, .first = at};
        }
        t->parts[t->part_count - 1].count++;
    }
    return at;
}

static void
import_all(struct import *i)
{
    for (size_t at = 0; at < i->count;) {
        struct topic_plan t;
        at = plan_topic(i, at, &t);
        import_topic(i, &t);
        plan_free(&t);
    }
    if (i->count == 0) {
        repair__import_tell(i, IMPORT_NOTE,
                            i->im->topic == NULL ? i->im->bucket->segment_namespace : i->im->topic,
                            -1, "no segments there");
    }
}

enum sl_err
log_import_run(struct log_import *im, struct sl_error *err)
{
    struct import i = {.im = im};
    i.w = log_writer_open(im->bucket, err);
    if (i.w == NULL) {
        return SL_EPARTITION_FAILED;
    }
    enum sl_err rc = repair__import_look(&i, err);
    if (rc == SL_OK) {
        import_all(&i);
    }
    for (size_t k = 0; k < i.count; k++) {
        sl_free(i.found[k].topic);
    }
    sl_free(i.found);
    log_writer_close(&i.w);
    return rc;
}
