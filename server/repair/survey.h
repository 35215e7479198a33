/* SPDX-License-Identifier: Apache-2.0
 *
 * What the journal wants to know of a segment that it did not see being made.
 *
 * Threads: pure. */
#ifndef SLUICE_REPAIR_SURVEY_H
#define SLUICE_REPAIR_SURVEY_H

#include "segment/segment.h"
#include "state/segments.h"

/* Fills everything but generation and created_ms from a segment that was verified: object is all of
 * it. ret->slices (at most max_slices) are the caller's, sl_free. */
void survey_segment(const struct segment_view *v, size_t object_bytes, uint32_t max_slices,
                    struct segment_ref *ret);
/* Gives the .index that belongs to a verified segment. */
struct buf *survey_index(const struct segment_view *v);
/* Is this the index of the segment? index may be NULL: there is none. */
bool survey_index_is_right(const struct buf *index, const struct segment_view *v);

#endif
