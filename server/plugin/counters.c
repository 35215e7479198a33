/* What plugins count (sluice/counters.h). The cells are the host's, one array per instance, changed
 * with relaxed atomic additions: plugins count requests to a store, not records, so a cell per
 * thread, as base/counters.h has it, would buy nothing. */
#include "base/buf.h"
#include "plugin/plugin_int.h"
#include "store/op.h"

#include <stdatomic.h>
#include <stdio.h>

enum { COUNTERS_MAX = 256 };

struct plugin_cell {
    _Atomic int64_t value;     /* of a histogram: the sum */
    _Atomic uint64_t *buckets; /* of a histogram: [i] counts values below 2^i */
};

static bool
is_name(const char *s, const char *more)
{
    if (s == NULL || s[0] == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        bool is_plain = (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_';
        if (!is_plain && strchr(more, *s) == NULL) {
            return false;
        }
    }
    return true;
}

static bool
is_sound(const sluice_counter *c)
{
    return is_name(c->name, "") && (c->labels == NULL || is_name(c->labels, "=,")) &&
           c->unit != NULL && c->help != NULL && c->kind >= SLUICE_COUNTER_SUM &&
           c->kind <= SLUICE_COUNTER_HISTOGRAM && c->reserved == 0;
}

static sluice_status
refuse(const char *why)
{
    op_fail(NULL, why, strlen(why));
    return SLUICE_EINVAL;
}

sluice_status
plugin__counters_declare(struct plugin_instance *p, const sluice_counter *table, uint32_t count)
{
    if (p->cells != NULL || count == 0 || count > COUNTERS_MAX) {
        return refuse("a plugin declares its counters once, 1 to 256 of them; tell its author");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!is_sound(&table[i])) {
            return refuse(
                "a counter that the plugin declares has no sound name, labels, unit, help "
                "or kind; tell its author");
        }
    }
    p->cells = (struct plugin_cell *)sl_alloc(count * sizeof(*p->cells));
    for (uint32_t i = 0; i < count; i++) {
        if (table[i].kind == SLUICE_COUNTER_HISTOGRAM) {
            p->cells[i].buckets = sl_alloc(PLUGIN_HISTOGRAM_BUCKETS * sizeof(*p->cells[i].buckets));
        }
    }
    p->counters = table;
    p->counter_count = count;
    return SLUICE_OK;
}

void
plugin__counters_fini(struct plugin_instance *p)
{
    for (uint32_t i = 0; i < p->counter_count; i++) {
        sl_free((void *)p->cells[i].buckets);
    }
    sl_free(p->cells);
    p->cells = NULL;
    p->counter_count = 0;
}

void
plugin__counters_add(struct plugin_instance *p, uint32_t index, int64_t delta)
{
    if (index < p->counter_count && p->cells[index].buckets == NULL) {
        atomic_fetch_add_explicit(&p->cells[index].value, delta, memory_order_relaxed);
    }
}

static size_t
bucket_of(uint64_t value)
{
    size_t i = 0;
    while (i + 1 < PLUGIN_HISTOGRAM_BUCKETS && value >> i != 0) {
        i++;
    }
    return i;
}

void
plugin__counters_observe(struct plugin_instance *p, uint32_t index, uint64_t value)
{
    if (index >= p->counter_count || p->cells[index].buckets == NULL) {
        return;
    }
    struct plugin_cell *c = &p->cells[index];
    atomic_fetch_add_explicit(&c->buckets[bucket_of(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->value, (int64_t)(value & INT64_MAX), memory_order_relaxed);
}

/* ---- readers ---- */

static struct plugin_reading
reading_of(const struct plugin_instance *p, uint32_t index)
{
    const struct plugin_cell *c = &p->cells[index];
    struct plugin_reading r = {.what = &p->counters[index]};
    r.value = atomic_load_explicit(&c->value, memory_order_relaxed);
    for (size_t i = 0; c->buckets != NULL && i < PLUGIN_HISTOGRAM_BUCKETS; i++) {
        r.buckets[i] = atomic_load_explicit(&c->buckets[i], memory_order_relaxed);
        r.observed += r.buckets[i];
    }
    return r;
}

void
plugin_instance_counters(const struct plugin_instance *p, plugin_reading_fn each, void *arg)
{
    for (uint32_t i = 0; i < p->counter_count; i++) {
        const struct plugin_reading r = reading_of(p, i);
        each(arg, &r);
    }
}

uint64_t
plugin_reading_below(const struct plugin_reading *r, uint32_t permille)
{
    uint64_t seen = 0;
    size_t i = 0;
    for (; i + 1 < PLUGIN_HISTOGRAM_BUCKETS; i++) {
        seen += r->buckets[i];
        if (seen * 1000 >= r->observed * permille) {
            break;
        }
    }
    return UINT64_C(1) << i;
}

static void
reading_log(void *arg, const struct plugin_reading *r)
{
    const struct diag *diag = (const struct diag *)arg;
    const char *labels = r->what->labels == NULL ? "" : r->what->labels;
    if (r->what->kind == SLUICE_COUNTER_HISTOGRAM && r->observed > 0) {
        SL_INFO(diag, "plugin.counter", KV_STR("name", r->what->name), KV_STR("labels", labels),
                KV_U64("count", r->observed), KV_I64("sum", r->value),
                KV_U64("half_below", plugin_reading_below(r, 500)),
                KV_U64("99_percent_below", plugin_reading_below(r, 990)),
                KV_STR("unit", r->what->unit));
    } else if (r->what->kind != SLUICE_COUNTER_HISTOGRAM && r->value != 0) {
        SL_INFO(diag, "plugin.counter", KV_STR("name", r->what->name), KV_STR("labels", labels),
                KV_I64("value", r->value), KV_STR("unit", r->what->unit));
    }
}

void
plugin_instance_counters_log(const struct plugin_instance *p)
{
    plugin_instance_counters(p, reading_log, (void *)(uintptr_t)&p->diag);
}
