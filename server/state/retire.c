/* SPDX-License-Identifier: Apache-2.0
 *
 * RETIRE: uuid topic id, one or more. Partitions, their segments, and offsets that groups committed
 * for them.
 *
 * Deleting a thousand topics at once must not look through everything a thousand times: the ids of
 * an op are sorted, and partitions and groups are gone through once. What comes about by it
 * (garbage) follows the order of the op and of the partitions' indexes, never that of a hash table:
 * every broker must give the same garbage the same number. */
#include "state/state_int.h"

#include <stdlib.h>

struct doomed {
    struct part_state *p;
    size_t order; /* of its topic in the op */
};

static int
by_id(const void *a, const void *b)
{
    return memcmp(((const struct retired_id *)a)->id.b, ((const struct retired_id *)b)->id.b, 16);
}

/* An id that is named twice counts where it is named first. */
static int
by_id_and_order(const void *a, const void *b)
{
    size_t x = ((const struct retired_id *)a)->order;
    size_t y = ((const struct retired_id *)b)->order;
    int id = by_id(a, b);
    return id != 0 ? id : (x > y) - (x < y);
}

static int
by_order(const void *a, const void *b)
{
    const struct doomed *x = (const struct doomed *)a;
    const struct doomed *y = (const struct doomed *)b;
    if (x->order != y->order) {
        return x->order > y->order ? 1 : -1;
    }
    return (x->p->index > y->p->index) - (x->p->index < y->p->index);
}

const struct retired_id *
state__retired_find(const struct retired_set *set, const struct uuid *id)
{
    const struct retired_id key = {.id = *id};
    return (const struct retired_id *)bsearch(&key, set->ids, set->count, sizeof(key), by_id);
}

static void
retire_parts(struct state *st, const struct retired_set *set, int64_t time_ms)
{
    size_t found = 0;
    size_t pos = 0;
    struct doomed *doomed =
        (struct doomed *)sl_alloc((st->parts.count + 1) * sizeof(struct doomed));
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        const struct retired_id *r = state__retired_find(set, &p->topic_id);
        if (r != NULL) {
            doomed[found++] = (struct doomed){p, r->order};
        }
    }
    qsort(doomed, found, sizeof(struct doomed), by_order);
    for (size_t i = 0; i < found; i++) {
        state__segments_retire(st, doomed[i].p, time_ms);
        state__part_drop(st, doomed[i].p);
    }
    sl_free(doomed);
}

/* Sorted, each id once. */
static struct retired_set
take_ids(struct cursor *c)
{
    size_t count = cursor_left(c) / sizeof(struct uuid);
    struct retired_set set = {
        .ids = (struct retired_id *)sl_alloc((count + 1) * sizeof(struct retired_id))};
    for (size_t i = 0; i < count; i++) {
        set.ids[i] = (struct retired_id){cursor_uuid(c), i};
    }
    qsort(set.ids, count, sizeof(struct retired_id), by_id_and_order);
    for (size_t i = 0; i < count; i++) {
        if (set.count == 0 || !uuid_eq(&set.ids[set.count - 1].id, &set.ids[i].id)) {
            set.ids[set.count++] = set.ids[i];
        }
    }
    return set;
}

STATE_APPLY(state__apply_retire)
{
    (void)err;
    struct retired_set set = take_ids(c);
    c->is_bad = c->is_bad || set.count == 0 || cursor_left(c) > 0;
    if (!c->is_bad) {
        retire_parts(st, &set, item->time_ms);
        state__offsets_retire(st, &set);
    }
    sl_free(set.ids);
    return SL_OK;
}
