/* SPDX-License-Identifier: Apache-2.0 */
#include "repair/survey.h"

enum { SLICE_BYTES_MIN = 1 << 20 };

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void
add_slice(struct segment_ref *s, const struct batch_info *info, size_t position)
{
    bool is_first = s->slice_count == 0; /* begins with the segment, whatever gap there is */
    s->slices[s->slice_count++] = (struct segment_slice){
        is_first ? 0 : (uint32_t)(info->base_offset - s->base), (uint32_t)position, -1};
}

void
survey_segment(const struct segment_view *v, size_t object_bytes, uint32_t max_slices,
               struct segment_ref *ret)
{
    size_t even = v->body.len / SEGMENT_SLICES_MAX + 1;
    size_t each = even > SLICE_BYTES_MIN ? even : SLICE_BYTES_MIN, room = each;
    struct span rest = v->body, batch;
    struct batch_info info;
    max_slices = max_slices < SEGMENT_SLICES_MAX ? max_slices : SEGMENT_SLICES_MAX;
    max_slices = v->last_offset - v->base_offset <= (int64_t)UINT32_MAX ? max_slices : 0;
    *ret = (struct segment_ref){.base = v->base_offset,
                                .last = v->last_offset,
                                .bytes = object_bytes,
                                .max_timestamp = -1,
                                .record_count = (uint32_t)v->message_count,
                                .body_crc = v->crc};
    ret->slices = (struct segment_slice *)sl_alloc((max_slices + 1) * sizeof(*ret->slices));
    while (batch_next(&rest, &info, &batch)) {
        if (room >= each && ret->slice_count < max_slices) {
            add_slice(ret, &info, SEGMENT_HEADER_BYTES + (size_t)(batch.ptr - v->body.ptr));
            room = 0;
        }
        room += batch.len;
        ret->max_timestamp = later(ret->max_timestamp, info.max_timestamp);
        if (ret->slice_count > 0) {
            struct segment_slice *s = &ret->slices[ret->slice_count - 1];
            s->max_timestamp = later(s->max_timestamp, info.max_timestamp);
        }
    }
}

struct buf *
survey_index(const struct segment_view *v)
{
    struct segment_builder b;
    struct segment_files files;
    struct sl_error err = SL_ERROR_INIT;
    segment_builder_init(&b, v->base_offset, v->body.len);
    b.has_gaps = true;
    enum sl_err rc = segment_builder_add(&b, v->body, &err);
    SL_ASSERT(rc == SL_OK); /* it was verified */
    segment_builder_finish(&b, v->created_ms, &files);
    buf_unref(&files.kfs);
    return files.index;
}

bool
survey_index_is_right(const struct buf *index, const struct segment_view *v)
{
    struct segment_index ix;
    struct sl_error err = SL_ERROR_INIT;
    return index != NULL && segment_index_open(buf_span(index), &ix, &err) == SL_OK &&
           segment_index_verify(&ix, v, &err) == SL_OK;
}
