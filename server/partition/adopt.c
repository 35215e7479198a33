/* SPDX-License-Identifier: Apache-2.0
 *
 * The key of a segment is taken: by another roller, by one that crashed before it registered, or by
 * an attempt of our own whose answer was lost. Which of them does not matter. What matters is how
 * far it reaches, and that it holds the committed records: header and footer are read, exactly that
 * extent is built from the committed runs, and the two are compared byte by byte (the time of
 * creation aside).
 *
 * It may reach beyond what this broker has verified: then S is read to the tail, and the job ends;
 * the next one will know. Rollers roll only what is verified, so what reaches beyond the tail was
 * not made of this log. That, and anything else that does not fit, is nobody's to repair by itself:
 * it is said, with the key, the partition keeps its entries, and the others go on. */
#include "base/counters.h"
#include "partition/roller_int.h"

enum { COMPARE_BYTES = 4 << 20, CREATED_AT = 20, CREATED_BYTES = 8 };
#define FOREIGN_PAUSE_NS (600 * SCHED_S)

static void compare_next(struct roll_job *j);

static void
is_foreign(struct roll_job *j, const char *why)
{
    counter_add(C_roll_foreign, 1);
    SL_ERROR(j->sh->o.journal.log, "roller.foreign_segment", KV_STR("object", j->call.key),
             KV_I64("partition", j->partition), KV_I64("base", j->base), KV_STR("why", why),
             KV_STR("meaning", "the partition is not rolled, nothing is lost; looked at again "
                               "in 10 minutes"));
    roll__job_end(j, FOREIGN_PAUSE_NS);
}

/* The answer to a GET. False: the job went another way. */
static bool
has_body(struct roll_job *j)
{
    const struct store_call *call = &j->call;
    if (call->outcome == STORE_DONE && call->body != NULL) {
        return true;
    }
    if (call->outcome == STORE_ABSENT) { /* somebody removed it: ours may go there */
        j->is_adopting = false;
        roll__retry(j, roll__put_kfs_again, "the object vanished");
    } else {
        roll__retry(j, roll__adopt, call->why);
    }
    return false;
}

static void
get(struct roll_job *j, uint64_t offset, uint64_t length, void (*done)(struct store_call *call))
{
    roll__call(j, STORE_GET, SEGMENT_FILE_KFS, done);
    j->call.offset = offset;
    j->call.length = length;
    store_submit(j->sh->o.journal.store, &j->call);
}

/* --- compare --- */

static bool
is_same_frame(const struct roll_job *j, bool with_created)
{
    uint8_t ours[ROLL_THEIRS_BYTES], theirs[ROLL_THEIRS_BYTES];
    const struct buf *kfs = j->files.kfs;
    memcpy(theirs, j->theirs, sizeof(theirs));
    memcpy(ours, kfs->data, SEGMENT_HEADER_BYTES);
    memcpy(ours + SEGMENT_HEADER_BYTES, kfs->data + kfs->len - SEGMENT_FOOTER_BYTES,
           SEGMENT_FOOTER_BYTES);
    if (!with_created) {
        memset(ours + CREATED_AT, 0, CREATED_BYTES);
        memset(theirs + CREATED_AT, 0, CREATED_BYTES);
    }
    return memcmp(ours, theirs, sizeof(ours)) == 0 && kfs->len == j->their_bytes;
}

static void
adopted(struct roll_job *j)
{
    j->is_adopting = false;
    j->is_adopted = true;
    counter_add(C_roll_adopted, 1);
    roll__settled(j);
}

static void
compared(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    if (roll__part(j) == NULL || !has_body(j)) {
        return;
    }
    size_t n = call->body->len;
    uint64_t left = j->files.kfs->len - SEGMENT_FOOTER_BYTES - j->compared;
    if (n == 0 || n > left || memcmp(call->body->data, j->files.kfs->data + j->compared, n) != 0) {
        is_foreign(j, "it does not hold the records that were committed");
        return;
    }
    j->compared += n;
    compare_next(j);
}

static void
compare_next(struct roll_job *j)
{
    uint64_t left = j->files.kfs->len - SEGMENT_FOOTER_BYTES - j->compared;
    if (left == 0) {
        adopted(j);
        return;
    }
    get(j, j->compared, left < COMPARE_BYTES ? left : COMPARE_BYTES, compared);
}

void
roll__compare(struct roll_job *j)
{
    roll__call(j, STORE_GET, SEGMENT_FILE_KFS, NULL); /* names the object */
    if (!is_same_frame(j, false)) {
        is_foreign(j, "header, footer or length differ from those of the committed records");
    } else if (j->is_unknown && is_same_frame(j, true)) {
        adopted(j); /* the echo of our own attempt */
    } else {
        j->compared = SEGMENT_HEADER_BYTES;
        compare_next(j);
    }
}

/* --- what is there --- */

static void
refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct roll_job *j = SL_CONTAINER_OF(w, struct roll_job, waiter);
    const struct part_state *p = roll__part(j);
    if (p == NULL) {
        return;
    }
    if (rc == SL_OK && j->their_last >= p->end) {
        is_foreign(j, "it reaches beyond the end of the log");
    } else {
        roll__job_end(j, SCHED_S);
    }
}

static void
judge(struct roll_job *j, const struct part_state *p)
{
    struct sl_error err = SL_ERROR_INIT;
    struct segment_view theirs;
    enum sl_err rc = segment_open(span_of(j->theirs, sizeof(j->theirs)), &theirs, &err);
    if (rc != SL_OK) {
        is_foreign(j, err.msg);
    } else if (theirs.base_offset != j->base) {
        is_foreign(j, "it begins at another offset than its name says");
    } else if (theirs.last_offset >= p->end) {
        j->their_last = theirs.last_offset;
        j->waiter.ready = refreshed;
        journal_refresh(j->sh->journal, &j->waiter);
    } else if (theirs.last_offset == j->last) {
        j->is_adopting = true;
        roll__compare(j);
    } else {
        j->is_adopting = true;
        if (!roll__rebuild(j, p, theirs.last_offset)) {
            is_foreign(j, "it does not end where a committed batch ends");
        }
    }
}

static void
footer_read(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    const struct part_state *p = roll__part(j);
    if (p == NULL || !has_body(j)) {
        return;
    }
    if (call->body->len != SEGMENT_FOOTER_BYTES) {
        is_foreign(j, "its length changes while it is read");
        return;
    }
    memcpy(j->theirs + SEGMENT_HEADER_BYTES, call->body->data, SEGMENT_FOOTER_BYTES);
    judge(j, p);
}

static void
header_read(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    if (roll__part(j) == NULL || !has_body(j)) {
        return;
    }
    if (call->object_size < ROLL_THEIRS_BYTES || call->body->len != SEGMENT_HEADER_BYTES) {
        is_foreign(j, "it is too short to be a segment");
        return;
    }
    memcpy(j->theirs, call->body->data, SEGMENT_HEADER_BYTES);
    j->their_bytes = call->object_size;
    get(j, j->their_bytes - SEGMENT_FOOTER_BYTES, SEGMENT_FOOTER_BYTES, footer_read);
}

void
roll__adopt(struct roll_job *j)
{
    get(j, 0, SEGMENT_HEADER_BYTES, header_read);
}
