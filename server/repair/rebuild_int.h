/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to repair/: a state that is being rebuilt. */
#ifndef SLUICE_REPAIR_REBUILD_INT_H
#define SLUICE_REPAIR_REBUILD_INT_H

#include "repair/rebuild.h"

/* What is noted of a partition. */
struct mark {
    struct uuid topic_id;
    int32_t partition;
    uint32_t holes; /* up to this one its end is known */
    int64_t unknown_from;
    int64_t *cuts; /* where segments end */
    size_t cut_count;
};

/* Makes it if need be. */
struct mark *repair__mark_get(struct rebuild *r, const struct uuid *topic_id, int32_t partition);

void repair__rebuild_tell(struct rebuild *r, enum rebuild_kind kind, uint64_t n, const char *fmt,
                          ...) __attribute__((format(printf, 4, 5)));

/* --- ops that nobody wrote --- */

/* It is made for this very state: that it cannot be applied is a bug. */
void repair__apply_own(struct rebuild *r, enum item_kind kind, struct span payload,
                       int64_t time_ms);
void repair__open_partition(struct rebuild *r, const struct uuid *topic_id, int32_t index);
/* If it is there, and not being deleted already. */
void repair__delete_topic(struct rebuild *r, const struct uuid *id, int64_t time_ms);
/* Its end is `to` from now on, or above. The producer that fillers have is there to be forgotten.
 * False: that is not to be believed. */
bool repair__fill(struct rebuild *r, struct part_state *p, int64_t to);

/* --- rebuild_items.c --- */

/* The item at hand. */
struct at {
    struct rebuild *r;
    const struct entry_view *e;
    struct state_item item;
};

/* To S as it is, with another payload. */
enum sl_err repair__apply(const struct at *a, struct span payload, struct sl_error *err);
/* Opens it if need be; NULL only for an index below 0. */
struct part_state *repair__part_of(struct rebuild *r, const struct uuid *topic_id,
                                   int32_t partition);
/* Behind a hole: puts right what can be, and tells of what cannot. */
void repair__take_torn(const struct at *a);

#endif
