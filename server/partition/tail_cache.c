#include "partition/tail_cache.h"

#include "base/counters.h"

static struct tail_entry *
at(const struct tail_cache *c, size_t i)
{
    return &c->ring[(c->first + i) & (c->cap - 1)];
}

void
tail_cache_init(struct tail_cache *c, size_t ceiling)
{
    *c = (struct tail_cache){.ceiling = ceiling, .cap = 64};
    c->ring = (struct tail_entry *)sl_alloc(c->cap * sizeof(*c->ring));
}

static void
evict_first(struct tail_cache *c)
{
    struct tail_entry *e = at(c, 0);
    c->bytes -= e->body->cap;
    counter_add(C_store_cache_bytes, -(int64_t)e->body->cap);
    buf_unref(&e->body);
    c->first = (c->first + 1) & (c->cap - 1);
    c->count--;
}

void
tail_cache_clear(struct tail_cache *c)
{
    while (c->count > 0) {
        evict_first(c);
    }
}

void
tail_cache_fini(struct tail_cache *c)
{
    tail_cache_clear(c);
    sl_free(c->ring);
    c->ring = NULL;
}

static void
grow(struct tail_cache *c)
{
    struct tail_entry *ring = (struct tail_entry *)sl_alloc(2 * c->cap * sizeof(*ring));
    for (size_t i = 0; i < c->count; i++) {
        ring[i] = *at(c, i);
    }
    sl_free(c->ring);
    c->ring = ring;
    c->first = 0;
    c->cap *= 2;
}

void
tail_cache_add(struct tail_cache *c, uint64_t n, struct buf *body, struct span object)
{
    SL_ASSERT(c->count == 0 || at(c, c->count - 1)->n < n);
    if (body->cap > c->ceiling) {
        return;
    }
    while (c->count > 0 && c->bytes + body->cap > c->ceiling) {
        evict_first(c);
    }
    if (c->count == c->cap) {
        grow(c);
    }
    *at(c, c->count++) = (struct tail_entry){n, buf_ref(body), object};
    c->bytes += body->cap;
    counter_add(C_store_cache_bytes, (int64_t)body->cap);
}

const struct tail_entry *
tail_cache_find(const struct tail_cache *c, uint64_t n)
{
    size_t lo = 0;
    size_t hi = c->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (at(c, mid)->n < n) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < c->count && at(c, lo)->n == n ? at(c, lo) : NULL;
}
