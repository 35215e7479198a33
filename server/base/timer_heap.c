/* Binary heap keyed by due time; ties fire in the order in which they were armed only by accident,
 * and nobody may rely on it. Position 0 means "not armed", so items are 1-based. */
#include "base/buf.h"
#include "base/sched.h"

void
timer_heap_fini(struct timer_heap *h)
{
    sl_free(h->items);
    *h = (struct timer_heap){0};
}

static void
place(struct timer_heap *h, size_t pos, struct sched_timer *t)
{
    h->items[pos] = t;
    t->heap_pos = pos;
}

static void
sift_up(struct timer_heap *h, size_t pos)
{
    struct sched_timer *t = h->items[pos];
    while (pos > 1 && h->items[pos / 2]->due_ns > t->due_ns) {
        place(h, pos, h->items[pos / 2]);
        pos /= 2;
    }
    place(h, pos, t);
}

static void
sift_down(struct timer_heap *h, size_t pos)
{
    struct sched_timer *t = h->items[pos];
    for (;;) {
        size_t kid = pos * 2;
        if (kid > h->count) {
            break;
        }
        if (kid < h->count && h->items[kid + 1]->due_ns < h->items[kid]->due_ns) {
            kid++;
        }
        if (h->items[kid]->due_ns >= t->due_ns) {
            break;
        }
        place(h, pos, h->items[kid]);
        pos = kid;
    }
    place(h, pos, t);
}

void
timer_heap_set(struct timer_heap *h, struct sched_timer *t, int64_t due_ns)
{
    t->due_ns = due_ns;
    if (t->heap_pos == 0) {
        if (h->count + 2 > h->cap) {
            h->cap = h->cap == 0 ? 16 : h->cap * 2;
            h->items = (struct sched_timer **)sl_realloc(h->items, h->cap * sizeof(h->items[0]));
        }
        place(h, ++h->count, t);
    }
    sift_up(h, t->heap_pos);
    sift_down(h, t->heap_pos);
}

void
timer_heap_stop(struct timer_heap *h, struct sched_timer *t)
{
    size_t pos = t->heap_pos;
    if (pos == 0) {
        return;
    }
    struct sched_timer *last = h->items[h->count--];
    t->heap_pos = 0;
    if (last == t) {
        return;
    }
    place(h, pos, last);
    sift_up(h, pos);
    sift_down(h, last->heap_pos);
}

struct sched_timer *
timer_heap_first(const struct timer_heap *h)
{
    return h->count == 0 ? NULL : h->items[1];
}
