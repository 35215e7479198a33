/* SPDX-License-Identifier: Apache-2.0
 *
 * A segment is read in ranges, so its body's checksum cannot be compared before the first byte is
 * given. Each batch has one of its own, over everything but offset, length, epoch and magic, and
 * those are checked against each other: lengths lead from batch to batch, offsets go on without a
 * hole (a compacted segment's rise). So what is damaged is found before it is given, as with the
 * body's checksum, and a range is enough.
 *
 * Batches do not care for the blocks in which their bytes come: the header is collected, the rest
 * only counted and summed up. */
#include "partition/scan.h"

#include "base/crc32c.h"

static enum sl_err
corrupt(struct scan *s, const char *why)
{
    s->why = why;
    return SL_ECORRUPT;
}

static struct span
take(struct span *bytes, size_t n)
{
    n = n < bytes->len ? n : bytes->len;
    struct span taken = span_of(bytes->ptr, n);
    *bytes = span_of(bytes->ptr + n, bytes->len - n);
    return taken;
}

/* Is the batch one to give? Says that the scan is done when it is behind the last one. */
static void
judge(struct scan *s)
{
    if (batch_last_offset(&s->info) < s->want_offset) {
        s->is_wanted = false;
        return;
    }
    uint64_t given = s->give_to - s->give_from;
    bool is_exempt = given == 0 && s->is_at_least_one;
    s->is_wanted = is_exempt || given + s->info.size_bytes <= s->max_bytes;
    s->is_done = !s->is_wanted;
}

static enum sl_err
head_complete(struct scan *s)
{
    uint64_t at = s->position - BATCH_HEADER_BYTES;
    if (batch_head_read(s->head, &s->info) != SL_OK || s->info.size_bytes > s->end - at) {
        return corrupt(s, "no whole record batch where one should be");
    }
    if (!batch_follows(&s->info, s->next_offset, s->may_have_gaps) ||
        batch_last_offset(&s->info) >= s->end_offset) {
        return corrupt(s, "a record batch has an offset that does not belong there");
    }
    s->body_left = s->info.size_bytes - BATCH_HEADER_BYTES;
    s->crc = crc32c(0, s->head + BATCH_CRC_START, BATCH_HEADER_BYTES - BATCH_CRC_START);
    judge(s);
    return SL_OK;
}

static enum sl_err
batch_complete(struct scan *s)
{
    if (s->crc != s->info.crc) {
        return corrupt(s, "the CRC of a record batch is wrong");
    }
    if (s->is_wanted) {
        s->give_from = s->give_to == 0 ? s->position - s->info.size_bytes : s->give_from;
        s->give_to = s->position;
    }
    s->next_offset = batch_last_offset(&s->info) + 1;
    s->head_bytes = 0;
    if (s->position == s->end) {
        s->is_done = true;
        return s->may_have_gaps || s->next_offset == s->end_offset
                   ? SL_OK
                   : corrupt(s, "the last record batches are missing");
    }
    return SL_OK;
}

static enum sl_err
feed_head(struct scan *s, struct span *bytes)
{
    uint64_t left = s->end - s->position + s->head_bytes;
    if (left < BATCH_HEADER_BYTES) {
        return corrupt(s, "bytes behind the last record batch");
    }
    struct span part = take(bytes, BATCH_HEADER_BYTES - s->head_bytes);
    memcpy(s->head + s->head_bytes, part.ptr, part.len);
    s->head_bytes += part.len;
    s->position += part.len;
    return s->head_bytes == BATCH_HEADER_BYTES ? head_complete(s) : SL_OK;
}

enum sl_err
scan_feed(struct scan *s, struct span bytes)
{
    enum sl_err rc = SL_OK;
    while (rc == SL_OK && bytes.len > 0 && !s->is_done) {
        if (s->head_bytes < BATCH_HEADER_BYTES) {
            rc = feed_head(s, &bytes);
        } else {
            struct span part = take(&bytes, s->body_left);
            s->crc = crc32c(s->crc, part.ptr, part.len);
            s->body_left -= part.len;
            s->position += part.len;
        }
        if (rc == SL_OK && !s->is_done && s->head_bytes == BATCH_HEADER_BYTES &&
            s->body_left == 0) {
            rc = batch_complete(s);
        }
    }
    return rc;
}
