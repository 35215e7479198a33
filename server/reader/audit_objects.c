/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects: entries with their live runs, segments with their index, and what nobody knows. */
#include "base/crc32c.h"
#include "reader/audit_int.h"
#include "segment/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum sl_err
audit__get(const struct audit *a, const char *key, uint64_t length, struct buf **ret,
           struct sl_error *err)
{
    struct store_call call = {.kind = STORE_GET, .length = length};
    *ret = NULL;
    (void)snprintf(call.key, sizeof(call.key), "%s", key);
    store_wait(a->bucket->sched, a->bucket->store, &call);
    if (call.outcome == STORE_DONE) {
        *ret = call.body;
        return SL_OK;
    }
    if (call.outcome == STORE_ERROR && call.rc == SL_ECORRUPT) {
        return sl_error_set(err, SL_ECORRUPT, "the store says it is damaged: %s", call.why);
    }
    return call.outcome == STORE_ABSENT ? SL_OK : call.rc;
}

/* --- entries --- */

struct chain {
    struct audit *a;
    struct audit_journal *j;
    struct uuid expected; /* id of the next valid entry below ... */
    bool is_known;        /* ... unless one above it is missing */
    size_t left;          /* runs of entries at or below this one: j->runs[0 .. left) */
    uint64_t n;           /* the one at hand */
    uint64_t linked_by;   /* whose header says `expected`, when that is all that was read of it */
};

static int
by_entry(const void *pa, const void *pb)
{
    const struct audit_item *a = (const struct audit_item *)pa;
    const struct audit_item *b = (const struct audit_item *)pb;
    return a->n < b->n ? -1 : a->n > b->n ? 1 : a->position < b->position ? -1 : 1;
}

static void
lost_run(const struct chain *c, const char *key, const struct audit_item *r, const char *what)
{
    const struct audit_part *p = &c->j->parts[r->part];
    audit__found(c->a, audit__at(AUDIT_RUN, key, c->j, r),
                 "%s, byte %" PRIu32 ": %s partition %" PRId32 " offsets %" PRId64 " to %" PRId64,
                 what, r->position, audit__part_name(p).text, p->partition, r->base, r->next - 1);
}

/* Do the batches of the run carry the offsets that S gives them? */
static bool
has_offsets(struct span run, const struct audit_item *r)
{
    struct batch_info info;
    struct span batch;
    int64_t next = r->base;
    while (batch_next(&run, &info, &batch)) {
        if (info.base_offset != next) {
            return false;
        }
        next = batch_last_offset(&info) + 1;
    }
    return run.len == 0 && next == r->next;
}

static void
check_run(const struct chain *c, const char *key, const struct buf *body,
          const struct audit_item *r)
{
    if ((uint64_t)r->position + r->length > body->len) {
        lost_run(c, key, r, "the object is too short for a run");
    } else if (crc32c(0, body->data + r->position, r->length) != r->crc) {
        lost_run(c, key, r, "the checksum of a run is wrong");
    } else if (!has_offsets(span_of(body->data + r->position, r->length), r)) {
        lost_run(c, key, r, "a run holds other offsets than the journal says");
    }
    c->a->totals.bytes += r->length;
}

/* An entry that S stands behind, and where no record lives, is missed by nobody. */
static struct audit_finding
entry_at(const struct chain *c, const char *key, bool has_runs)
{
    bool is_missed = has_runs || c->n > c->j->status.snapshot_n;
    return (struct audit_finding){.kind = is_missed ? AUDIT_ERROR : AUDIT_NOTE,
                                  .what = AUDIT_ENTRY,
                                  .key = key,
                                  .journal = c->j->index,
                                  .n = c->n};
}

/* What was read of entry n does not fit. Is it damaged? Then nothing is known of those below it. */
static void
doubt_entry(struct chain *c, uint64_t n)
{
    char key[STORE_KEY_MAX];
    struct buf *body = NULL;
    struct sl_error err = SL_ERROR_INIT;
    struct entry_view e;
    size_t need;
    entry_key(key, sizeof(key), c->a->bucket->prefix, c->j->index, n);
    enum sl_err rc = audit__get(c->a, key, 0, &body, &err);
    if (rc == SL_ECORRUPT ||
        (body != NULL && entry_parse(buf_span(body), &e, &need, &err) != SL_OK)) {
        struct audit_finding f = entry_at(c, key, false);
        f.n = n;
        audit__found(c->a, f, "%s; nothing is lost by that", err.msg);
        c->is_known = false;
    }
    buf_unref(&body);
}

/* Is it the entry that the valid one above names? Then it says which comes below. Another one is
 * void, and S may hold nothing of it. Of one without live runs only the header was read: when it
 * does not fit, or what comes below it does not, all of it is looked at. */
static void
follow_link(struct chain *c, const char *key, struct span object, bool is_whole)
{
    struct sl_error err = SL_ERROR_INIT;
    struct entry_view e;
    size_t need;
    if (is_whole && entry_parse(object, &e, &need, &err) != SL_OK) {
        audit__found(c->a, entry_at(c, key, true), "%s",
                     err.msg[0] != '\0' ? err.msg : "the entry is cut short");
        c->is_known = false;
        return;
    }
    bool is_next = entry_peek_is(object.ptr, &c->expected);
    uint64_t doubtful = is_whole ? c->linked_by : c->n;
    if (c->is_known && !is_next && doubtful != 0) {
        doubt_entry(c, doubtful);
    }
    if (!is_whole && !(c->is_known && is_next)) {
        return;
    }
    if (c->is_known && !is_next) {
        audit__found(c->a, entry_at(c, key, true),
                     "the entry is not in the chain, and the journal refers to records in it");
        return;
    }
    c->linked_by = is_whole ? 0 : c->n;
    c->expected = entry_peek_prev(object.ptr);
    c->is_known = true;
}

/* It cannot be read at all, and with it its runs: j->runs[left .. end). */
static void
lost_entry(const struct chain *c, const char *key, size_t end, const struct sl_error *err)
{
    bool has_runs = c->left < end;
    audit__found(c->a, entry_at(c, key, has_runs), "%s%s",
                 err->msg[0] != '\0' ? err->msg : "the entry is missing",
                 has_runs ? ", and with it records" : "; nothing is lost by that");
    for (size_t i = c->left; i < end; i++) {
        lost_run(c, key, &c->j->runs[i], "lost with it");
    }
}

/* What a broker that goes on has collected since S was copied is missed by nobody, nor are those
 * below it: their runs are looked at in the end. */
static bool
is_gone_rightly(struct chain *c, size_t end)
{
    if (!audit__is_collected(c->a, c->j, c->n)) {
        return false;
    }
    c->left = end;
    return true;
}

static enum sl_err
check_entry(struct chain *c, uint64_t n)
{
    const struct reader_options *o = c->a->bucket;
    char key[STORE_KEY_MAX];
    struct buf *body;
    struct sl_error err = SL_ERROR_INIT;
    size_t end = c->left;
    c->n = n;
    while (c->left > 0 && c->j->runs[c->left - 1].n == n) {
        c->left--;
    }
    bool has_runs = c->left < end;
    entry_key(key, sizeof(key), o->prefix, c->j->index, n);
    enum sl_err rc = audit__get(c->a, key, has_runs ? 0 : ENTRY_HEADER_BYTES, &body, &err);
    if (body == NULL || body->len < ENTRY_HEADER_BYTES) {
        if (rc == SL_ECORRUPT || (rc == SL_OK && !is_gone_rightly(c, end))) {
            lost_entry(c, key, end, &err);
        }
        buf_unref(&body);
        c->is_known = false;
        return rc == SL_ECORRUPT ? SL_OK : rc;
    }
    c->a->totals.entries++;
    follow_link(c, key, buf_span(body), has_runs);
    for (size_t i = c->left; i < end; i++) {
        check_run(c, key, body, &c->j->runs[i]);
    }
    buf_unref(&body);
    return SL_OK;
}

enum sl_err
audit__entries(struct audit *a, struct audit_journal *j)
{
    struct chain c = {
        .a = a, .j = j, .expected = j->status.safe_id, .is_known = true, .left = j->run_count};
    if (j->run_count > 0) {
        qsort(j->runs, j->run_count, sizeof(j->runs[0]), by_entry);
    }
    enum sl_err rc = SL_OK;
    for (uint64_t n = j->status.safe; n > j->status.gc_boundary && rc == SL_OK; n--) {
        rc = check_entry(&c, n);
    }
    for (size_t i = 0; i < c.left && rc == SL_OK; i++) {
        if (audit__is_wanted(a, j, &j->runs[i], false)) {
            lost_run(&c, NULL, &j->runs[i], "a run in an entry that may have been collected");
        }
    }
    return rc;
}

/* --- segments --- */

static void
check_content(struct audit *a, const struct audit_finding *at, const struct audit_item *s,
              struct span object, struct segment_view *v)
{
    struct sl_error err = SL_ERROR_INIT;
    if (segment_open(object, v, &err) != SL_OK || segment_verify(v, s->gen > 0, &err) != SL_OK) {
        audit__found(a, *at, "%s; it holds offsets %" PRId64 " to %" PRId64, err.msg, s->base,
                     s->next - 1);
        v->body.ptr = NULL;
    } else if (object.len != s->n || v->base_offset != s->base || v->last_offset != s->next - 1 ||
               v->crc != s->crc || (uint32_t)v->message_count != s->length) {
        audit__found(
            a, *at,
            "it is sound, but not the segment that the journal registered: offsets %" PRId64
            " to %" PRId64 ", %" PRIu64 " bytes",
            s->base, s->next - 1, s->n);
        v->body.ptr = NULL;
    }
}

/* Of a segment that is right. */
static enum sl_err
check_index(struct audit *a, const struct audit_finding *at, const struct segment_view *v,
            bool *ret_is_missing)
{
    struct sl_error err = SL_ERROR_INIT;
    struct segment_index ix;
    struct buf *index;
    enum sl_err rc = audit__get(a, at->key, 0, &index, &err);
    *ret_is_missing = rc == SL_OK && index == NULL;
    if (rc == SL_ECORRUPT ||
        (index != NULL && (segment_index_open(buf_span(index), &ix, &err) != SL_OK ||
                           segment_index_verify(&ix, v, &err) != SL_OK))) {
        audit__found(a, *at, "%s; nothing is lost by that", err.msg);
    }
    buf_unref(&index);
    return rc == SL_ECORRUPT ? SL_OK : rc;
}

static enum sl_err
check_segment(struct audit *a, const struct audit_journal *j, const struct audit_item *s)
{
    const struct audit_part *p = &j->parts[s->part];
    char key[SEGMENT_KEY_MAX], index_key[SEGMENT_KEY_MAX];
    struct buf *body;
    struct segment_view v = {0};
    struct sl_error err = SL_ERROR_INIT;
    const struct segment_name name = {.ns = span_cstr(a->bucket->segment_namespace),
                                      .topic = span_cstr(p->dir),
                                      .partition = p->partition,
                                      .base_offset = s->base,
                                      .generation = s->gen};
    if (s->n == 0 || !segment_key(&name, SEGMENT_FILE_KFS, key) ||
        !segment_key(&name, SEGMENT_FILE_INDEX, index_key)) {
        return SL_OK;
    }
    const struct audit_finding at = audit__at(AUDIT_SEGMENT, key, j, s);
    const struct audit_finding index_at = audit__at(AUDIT_INDEX, index_key, j, s);
    enum sl_err rc = audit__get(a, key, 0, &body, &err);
    if (rc == SL_OK && body == NULL && !audit__is_wanted(a, j, s, true)) {
        return SL_OK;
    }
    if (body == NULL && (rc == SL_OK || rc == SL_ECORRUPT)) {
        audit__found(a, at, "%s, and with it offsets %" PRId64 " to %" PRId64,
                     rc == SL_OK ? "the segment is missing" : err.msg, s->base, s->next - 1);
    }
    if (rc != SL_OK || body == NULL) {
        return rc == SL_ECORRUPT ? SL_OK : rc;
    }
    a->totals.bytes += body->len;
    check_content(a, &at, s, buf_span(body), &v);
    bool is_missing = false;
    rc = v.body.ptr == NULL ? SL_OK : check_index(a, &index_at, &v, &is_missing);
    if (is_missing && audit__is_wanted(a, j, s, true)) {
        audit__found(a, index_at, "the index is missing; nothing is lost by that");
    }
    buf_unref(&body);
    return rc;
}

enum sl_err
audit__segments(struct audit *a, const struct audit_journal *j)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; i < j->segment_count && rc == SL_OK; i++) {
        rc = check_segment(a, j, &j->segments[i]);
    }
    return rc;
}
