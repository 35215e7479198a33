/* A block per thread, linked into one list when the thread first counts and never unlinked: a
 * thread that ended keeps its sums, and the process has few threads. Only the owner writes a cell,
 * so a relaxed load and store is enough. */
#include "base/counters.h"

#include "base/buf.h"
#include "base/diag.h"

#include <stdatomic.h>

struct block {
    struct block *next;
    _Atomic int64_t cells[COUNTER_COUNT];
};

const struct counter_info counter_table[COUNTER_COUNT] = {
#define COUNTER_ROW(id, kind, unit, help) {#id, kind, unit, help},
    COUNTERS(COUNTER_ROW)};

static _Atomic(struct block *) all;
static _Thread_local struct block *mine;

static struct block *
block_new(void)
{
    struct block *b = (struct block *)sl_alloc(sizeof(*b));
    b->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &b->next, b)) {
    }
    return b;
}

void
counter_add(enum counter_id id, int64_t delta)
{
    if (mine == NULL) {
        mine = block_new();
    }
    int64_t v = atomic_load_explicit(&mine->cells[id], memory_order_relaxed);
    atomic_store_explicit(&mine->cells[id], v + delta, memory_order_relaxed);
}

void
counters_sum(int64_t out[COUNTER_COUNT])
{
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        out[i] = 0;
    }
    for (struct block *b = atomic_load(&all); b != NULL; b = b->next) {
        for (size_t i = 0; i < COUNTER_COUNT; i++) {
            out[i] += atomic_load_explicit(&b->cells[i], memory_order_relaxed);
        }
    }
}

void
counters_log(void)
{
    int64_t sums[COUNTER_COUNT];
    counters_sum(sums);
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        if (sums[i] != 0) {
            SL_INFO(NULL, "counter", KV_STR("name", counter_table[i].name),
                    KV_I64("value", sums[i]), KV_STR("unit", counter_table[i].unit));
        }
    }
}
