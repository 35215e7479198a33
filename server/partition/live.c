/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/live.h"

#include "journal/entry.h"
#include "partition/shard_int.h"

/* --- heaps --- */

static void
heap_put(struct live_heap *h, enum live_heap_id id, size_t pos, struct partition *part)
{
    h->items[pos] = part;
    part->live.heap_pos[id] = pos;
}

static void
heap_up(struct live_heap *h, enum live_heap_id id, size_t pos)
{
    struct partition *part = h->items[pos];
    while (pos > 1 && h->items[pos / 2]->live.first_n > part->live.first_n) {
        heap_put(h, id, pos, h->items[pos / 2]);
        pos /= 2;
    }
    heap_put(h, id, pos, part);
}

static void
heap_down(struct live_heap *h, enum live_heap_id id, size_t pos)
{
    struct partition *part = h->items[pos];
    while (pos * 2 <= h->count) {
        size_t child = pos * 2;
        if (child < h->count && h->items[child + 1]->live.first_n < h->items[child]->live.first_n) {
            child++;
        }
        if (h->items[child]->live.first_n >= part->live.first_n) {
            break;
        }
        heap_put(h, id, pos, h->items[child]);
        pos = child;
    }
    heap_put(h, id, pos, part);
}

static void
heap_add(struct live *lv, enum live_heap_id id, struct partition *part)
{
    struct live_heap *h = &lv->heaps[id];
    if (h->count + 1 >= h->cap) {
        h->cap = h->cap == 0 ? 16 : h->cap * 2;
        h->items = (struct partition **)sl_realloc(h->items, h->cap * sizeof(h->items[0]));
    }
    h->items[++h->count] = part;
    heap_up(h, id, h->count);
}

static void
heap_remove(struct live *lv, enum live_heap_id id, struct partition *part)
{
    struct live_heap *h = &lv->heaps[id];
    size_t pos = part->live.heap_pos[id];
    if (pos == 0) {
        return;
    }
    part->live.heap_pos[id] = 0;
    struct partition *last = h->items[h->count--];
    if (last != part) {
        heap_put(h, id, pos, last);
        heap_down(h, id, pos);
        heap_up(h, id, last->live.heap_pos[id]);
    }
}

static void
heap_moved(struct live *lv, enum live_heap_id id, struct partition *part)
{
    if (part->live.heap_pos[id] != 0) {
        heap_down(&lv->heaps[id], id, part->live.heap_pos[id]);
        heap_up(&lv->heaps[id], id, part->live.heap_pos[id]);
    }
}

/* --- life --- */

void
live__init(struct live *lv, int64_t look_bytes)
{
    list_init(&lv->due);
    list_init(&lv->parked);
    lv->look_bytes = look_bytes > 0 ? (uint64_t)look_bytes : 1;
    lv->stride = 1;
}

void
live__fini(struct live *lv)
{
    sl_free(lv->heaps[LIVE_PINS].items);
    sl_free(lv->heaps[LIVE_OLDEST].items);
}

void
live__part_init(struct live_part *p)
{
    list_init(&p->node);
}

/* --- the ring of samples --- */

void
live__restored(struct live *lv, int64_t now_ms)
{
    lv->samples[0] = (struct live_sample){.n = 0, .time_ms = now_ms};
    lv->sample_count = 1;
    lv->stride = 1;
    lv->applied = 0;
    lv->entry_bytes = lv->bytes; /* at least */
}

/* Half as many, twice as far apart. */
static void
thin_out(struct live *lv)
{
    size_t kept = 0;
    for (size_t i = 0; i < lv->sample_count; i += 2) {
        lv->samples[kept++] = lv->samples[i];
    }
    lv->sample_count = kept;
    lv->stride *= 2;
}

/* The last sample at or below n; the first one when there is none. */
static size_t
sample_of(const struct live *lv, uint64_t n)
{
    size_t low = 0, high = lv->sample_count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (lv->samples[mid].n <= n) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Samples that nobody will ask for: all below the one of the oldest entry that is there. */
static void
forget_samples(struct live *lv)
{
    uint64_t pinned = live__first_n(lv);
    size_t first = sample_of(lv, pinned < lv->floor_n ? pinned : lv->floor_n);
    if (first > 0) {
        lv->sample_count -= first;
        memmove(lv->samples, lv->samples + first, lv->sample_count * sizeof(lv->samples[0]));
        lv->stride =
            lv->sample_count < LIVE_SAMPLES / 4 && lv->stride > 1 ? lv->stride / 2 : lv->stride;
    }
}

void
live__entry(struct live *lv, const struct entry_header *h, int64_t now_ms, bool is_new)
{
    if (lv->sample_count == 0) {
        live__restored(lv, now_ms);
    }
    if (lv->applied++ % lv->stride == 0) {
        if (lv->sample_count == LIVE_SAMPLES) {
            forget_samples(lv);
        }
        if (lv->sample_count == LIVE_SAMPLES) {
            thin_out(lv);
        }
        bool is_older = !is_new && h->time_ms < now_ms;
        lv->samples[lv->sample_count++] = (struct live_sample){
            .n = h->n, .time_ms = is_older ? h->time_ms : now_ms, .bytes_before = lv->entry_bytes};
    }
    lv->entry_bytes += h->head_bytes + h->data_bytes;
}

uint64_t
live__first_n(const struct live *lv)
{
    const struct live_heap *h = &lv->heaps[LIVE_PINS];
    return h->count == 0 ? UINT64_MAX : h->items[1]->live.first_n;
}

int64_t
live__time_of(const struct live *lv, uint64_t n)
{
    return lv->sample_count == 0 ? INT64_MAX : lv->samples[sample_of(lv, n)].time_ms;
}

uint64_t
live__bytes_from(const struct live *lv, uint64_t n)
{
    if (lv->sample_count == 0 || n == UINT64_MAX) {
        return 0;
    }
    return lv->entry_bytes - lv->samples[sample_of(lv, n)].bytes_before;
}

/* --- what befalls a partition --- */

static void
list_where_it_belongs(struct live *lv, struct partition *part)
{
    struct live_part *p = &part->live;
    bool is_free = p->runs > 0 && !p->is_rolling && p->parked_until_ns == 0;
    if (is_free && p->heap_pos[LIVE_OLDEST] == 0) {
        heap_add(lv, LIVE_OLDEST, part);
    } else if (!is_free) {
        heap_remove(lv, LIVE_OLDEST, part);
    }
    if (p->parked_until_ns != 0) {
        return; /* its node is on the other list */
    }
    if (is_free && p->bytes >= p->look_at && list_is_empty(&p->node)) {
        list_append(&lv->due, &p->node);
    } else if (!is_free || p->bytes < p->look_at) {
        list_remove(&p->node);
    }
}

bool
live__appended(struct live *lv, struct partition *part, uint32_t length)
{
    struct live_part *p = &part->live;
    p->runs++;
    p->bytes += length;
    lv->runs++;
    lv->bytes += length;
    if (p->runs == 1) {
        p->first_n = part_run(part->st, 0)->n;
        p->look_at = lv->look_bytes;
        heap_add(lv, LIVE_PINS, part);
    }
    if (p->runs > 1 && (p->bytes < p->look_at || !list_is_empty(&p->node))) {
        return false;
    }
    list_where_it_belongs(lv, part);
    return !list_is_empty(&p->node) && p->parked_until_ns == 0;
}

/* Counts anew. */
static void
recount(struct live *lv, struct partition *part)
{
    struct live_part *p = &part->live;
    const struct part_state *st = part->st;
    lv->runs -= p->runs;
    lv->bytes -= p->bytes;
    p->runs = st->run_count;
    p->bytes = 0;
    for (size_t i = 0; i < st->run_count; i++) {
        p->bytes += part_run(st, i)->length;
    }
    lv->runs += p->runs;
    lv->bytes += p->bytes;
}

void
live__changed(struct live *lv, struct partition *part)
{
    struct live_part *p = &part->live;
    recount(lv, part);
    p->look_at = lv->look_bytes;
    if (p->runs == 0) {
        heap_remove(lv, LIVE_PINS, part);
    } else {
        p->first_n = part_run(part->st, 0)->n;
        heap_moved(lv, LIVE_OLDEST, part);
        if (p->heap_pos[LIVE_PINS] == 0) {
            heap_add(lv, LIVE_PINS, part);
        } else {
            heap_moved(lv, LIVE_PINS, part);
        }
    }
    list_where_it_belongs(lv, part);
}

void
live__gone(struct live *lv, struct partition *part)
{
    heap_remove(lv, LIVE_PINS, part);
    heap_remove(lv, LIVE_OLDEST, part);
    list_remove(&part->live.node);
    lv->runs -= part->live.runs;
    lv->bytes -= part->live.bytes;
    part->live.runs = 0;
    part->live.bytes = 0;
}

/* --- what the roller does with it --- */

void
live__take(struct live *lv, struct partition *part)
{
    part->live.is_rolling = true;
    list_where_it_belongs(lv, part);
}

void
live__give_back(struct live *lv, struct partition *part, int64_t until_ns)
{
    struct live_part *p = &part->live;
    p->is_rolling = false;
    p->parked_until_ns = until_ns;
    list_remove(&p->node);
    if (until_ns != 0) {
        list_append(&lv->parked, &p->node);
    }
    list_where_it_belongs(lv, part);
}

void
live__not_yet(struct live *lv, struct partition *part)
{
    part->live.look_at = part->live.bytes + lv->look_bytes;
    list_where_it_belongs(lv, part);
}

void
live__unpark(struct live *lv, int64_t now_ns)
{
    LIST_FOREACH_SAFE(node, tmp, &lv->parked)
    {
        struct partition *part = SL_CONTAINER_OF(node, struct partition, live.node);
        if (part->live.parked_until_ns <= now_ns) {
            part->live.parked_until_ns = 0;
            list_remove(node);
            list_where_it_belongs(lv, part);
        }
    }
}

struct partition *
live__oldest(const struct live *lv)
{
    const struct live_heap *h = &lv->heaps[LIVE_OLDEST];
    return h->count == 0 ? NULL : h->items[1];
}

struct partition *
live__due(const struct live *lv)
{
    return list_is_empty(&lv->due) ? NULL
                                   : SL_CONTAINER_OF(lv->due.next, struct partition, live.node);
}
