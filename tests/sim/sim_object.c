/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects of the simulated store, sorted by key. */
#include "sim_store.h"

struct sim_store sim_st;

size_t
object_lower_bound(const char *key)
{
    size_t lo = 0;
    size_t hi = sim_st.count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (strcmp(sim_st.objects[mid].key, key) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct object *
object_find(const char *key)
{
    size_t i = object_lower_bound(key);
    return i < sim_st.count && strcmp(sim_st.objects[i].key, key) == 0 ? &sim_st.objects[i] : NULL;
}

bool
object_is_entry(const char *key, uint32_t *ret_journal, uint64_t *ret_n)
{
    const char *at = strstr(key, "/journal/");
    unsigned long j;
    unsigned long long n;
    char *end;
    if (at == NULL || strncmp(key, "_sluice/damaged/", 16) == 0) {
        return false; /* the copy of one: sim_repair.c */
    }
    j = strtoul(at + 9, &end, 10);
    if (*end != '/' || strlen(end + 1) != 20 || end[1] < '0' || end[1] > '9') {
        return false;
    }
    n = strtoull(end + 1, &end, 10);
    if (*end != '\0' || j >= SIM_JOURNALS_MAX) {
        return false;
    }
    *ret_journal = (uint32_t)j;
    *ret_n = n;
    return true;
}

bool
object_has_suffix(const char *key, const char *suffix)
{
    size_t len = strlen(key);
    return len > strlen(suffix) && strcmp(key + len - strlen(suffix), suffix) == 0;
}

struct object *
object_insert(const char *key, const uint8_t *bytes, size_t len)
{
    size_t i = object_lower_bound(key);
    SIM_GROW(sim_st.objects, sim_st.count, sim_st.cap);
    memmove(&sim_st.objects[i + 1], &sim_st.objects[i],
            (sim_st.count - i) * sizeof(*sim_st.objects));
    sim_st.count++;
    struct object *o = &sim_st.objects[i];
    *o = (struct object){.key = sl_strdup(key), .bytes = sl_alloc(len == 0 ? 1 : len), .len = len};
    memcpy(o->bytes, bytes, len);
    o->modified_ms = 1700000000000 + sim.now / SCHED_MS;
    o->durable_at = sim.now;
    if (MISTAKE(visible_before_durable)) {
        o->durable_at += rng_span(&sim.r_net, SCHED_MS, 20 * SCHED_S);
    }
    return o;
}

void
object_delete_at(size_t i)
{
    sl_free(sim_st.objects[i].key);
    sl_free(sim_st.objects[i].bytes);
    memmove(&sim_st.objects[i], &sim_st.objects[i + 1],
            (sim_st.count - i - 1) * sizeof(*sim_st.objects));
    sim_st.count--;
}

/* --- seen from outside */

bool
sim_store_object(size_t i, const char **ret_key, struct span *ret_bytes)
{
    if (i >= sim_st.count) {
        return false;
    }
    *ret_key = sim_st.objects[i].key;
    *ret_bytes = span_of(sim_st.objects[i].bytes, sim_st.objects[i].len);
    return true;
}

const uint8_t *
sim_store_find(const char *key, size_t *ret_len)
{
    const struct object *o = object_find(key);
    *ret_len = o == NULL ? 0 : o->len;
    return o == NULL ? NULL : o->bytes;
}

void
sim_store_put(const char *key, struct span bytes)
{
    if (object_find(key) == NULL) {
        object_insert(key, bytes.ptr, bytes.len)->durable_at = 0;
    }
}

void
sim_store_dump(void)
{
    for (size_t i = 0; i < sim_st.count; i++) {
        TRACE("store    holds %s (%zu bytes)%s", sim_st.objects[i].key, sim_st.objects[i].len,
              sim_st.objects[i].is_ghost ? " ghost" : "");
    }
}
