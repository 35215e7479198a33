/* SPDX-License-Identifier: Apache-2.0
 *
 * Offsets and timestamps of records are deltas from the batch's base, and a batch says how far it
 * reaches by its last offset delta. So records can be left out without touching the ones that stay:
 * base offset, base timestamp and last offset delta are kept, the count falls, and offsets have
 * gaps. Clients know that from Kafka's own compaction. */
#include "wire/rewrite.h"

#include "wire/compress.h"

/* Gathers the bytes of the records that stay. */
static enum sl_err
gather(struct batch_rewrite *w, struct record_iter *it)
{
    struct record rec;
    struct span before = it->rest;
    bytes_clear(w->kept);
    w->count = 0;
    w->max_timestamp = -1;
    while (record_next(it, &rec)) {
        if (w->keeps(w->arg, &rec)) {
            bytes_append(w->kept, before.ptr, before.len - it->rest.len);
            w->count++;
            w->max_timestamp = rec.timestamp > w->max_timestamp ? rec.timestamp : w->max_timestamp;
        }
        before = it->rest;
    }
    return it->rc == SL_OK && w->kept->is_overflown ? SL_ETOO_LARGE : it->rc;
}

static enum sl_err
build(struct batch_rewrite *w, const struct batch_info *info, struct span batch)
{
    struct compress_shape shape = compress_shape_of(batch);
    bytes_clear(w->out);
    bytes_append(w->out, batch.ptr, BATCH_HEADER_BYTES);
    enum sl_err rc = w->count == 0 ? SL_OK : compress_append(shape, bytes_span(w->kept), w->out);
    if (rc != SL_OK || w->out->is_overflown) {
        return rc != SL_OK ? rc : SL_ETOO_LARGE;
    }
    struct batch_info anew = *info;
    anew.count = w->count;
    anew.size_bytes = (uint32_t)w->out->len;
    if (w->count == 0) {
        anew.attributes = (int16_t)(info->attributes & ~BATCH_ATTR_CODEC);
    } else if (!batch_is_log_append_time(info)) {
        anew.max_timestamp = w->max_timestamp;
    }
    batch_reseal(w->out->data, &anew);
    w->batch = bytes_span(w->out);
    return SL_OK;
}

enum sl_err
batch_rewrite(struct batch_rewrite *w, struct span batch)
{
    struct record_iter it;
    enum sl_err rc = records_open(batch, w->plain, &it);
    if (rc != SL_OK) {
        return rc;
    }
    batch = span_of(batch.ptr, it.batch.size_bytes);
    rc = gather(w, &it);
    if (rc != SL_OK) {
        return rc;
    }
    w->is_changed = w->count < it.batch.count;
    w->batch = batch;
    return w->is_changed ? build(w, &it.batch, batch) : SL_OK;
}
