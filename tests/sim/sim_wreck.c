/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects of a journal that are lost for good: entries, one or several, removed or corrupted; the
 * newest snapshot; the newest manifest; several of these.
 *
 * Not everything may be lost. What a journal promises rests on the store keeping what it took, so
 * that a hole can be told from the tail: an entry is only taken when another one stays that vouches
 * for its number, and when no broker is left that would write it again. A snapshot is only taken
 * when an older one and all entries behind that are there, or all entries that there ever were;
 * else there is nothing to repair. */
#include "journal/manifest.h"
#include "sim_store.h"

enum { ENTRIES_MAX = 4, REPAIRED = 8000 };

static uint64_t spared[SIM_JOURNALS_MAX];
static bool has_taken_snapshot;

bool
wreck_took_snapshot(void)
{
    return has_taken_snapshot;
}

void
wreck_spare(uint32_t journal, uint64_t n)
{
    spared[journal] = n;
}

/* --- what is there --- */

static bool
is_there(uint32_t journal, uint64_t n)
{
    char key[STORE_KEY_MAX];
    (void)snprintf(key, sizeof(key), "_sluice/journal/%u/%020" PRIu64, journal, n);
    const struct object *o = object_find(key);
    return o != NULL && !o->is_ghost && n < sim.entry_cap[journal] &&
           !sim.entries[journal][n].is_lost;
}

static bool
are_there(uint32_t journal, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n <= to; n++) {
        if (!is_there(journal, n)) {
            return false;
        }
    }
    return true;
}

/* The newest manifest; false: there is none. */
static bool
newest_manifest(uint32_t journal, struct manifest *ret)
{
    char prefix[64];
    bool is_found = false;
    (void)snprintf(prefix, sizeof(prefix), "_sluice/journal/%u/manifest/", journal);
    for (size_t i = object_lower_bound(prefix); i < sim_st.count; i++) {
        const struct object *o = &sim_st.objects[i];
        struct sl_error err = SL_ERROR_INIT;
        if (strncmp(o->key, prefix, strlen(prefix)) != 0) {
            break;
        }
        is_found = manifest_decode(span_of(o->bytes, o->len), ret, &err) == SL_OK || is_found;
    }
    return is_found;
}

/* n of the newest snapshot but this one; 0: none. */
static uint64_t
older_snapshot(uint32_t journal, const char *but)
{
    char prefix[64];
    uint64_t n = 0;
    (void)snprintf(prefix, sizeof(prefix), "_sluice/journal/%u/snapshot/", journal);
    for (size_t i = object_lower_bound(prefix); i < sim_st.count; i++) {
        const char *key = sim_st.objects[i].key;
        if (strncmp(key, prefix, strlen(prefix)) != 0 || strcmp(key, but) >= 0) {
            break;
        }
        n = strtoull(key + strlen(prefix), NULL, 10);
    }
    return n;
}

/* --- entries --- */

/* The entry that vouches for the highest number. */
static bool
find_keeper(uint32_t journal, uint64_t *ret_n, uint64_t *ret_through)
{
    uint32_t j;
    uint64_t n;
    bool is_found = false;
    for (size_t i = 0; i < sim_st.count; i++) {
        const struct object *o = &sim_st.objects[i];
        if (!object_is_entry(o->key, &j, &n) || j != journal || !is_there(j, n) ||
            !uuid_eq(&sim.entries[j][n].id, &sim.truth_id[j])) {
            continue;
        }
        is_found = true;
        *ret_n = n;
        *ret_through = get_u64(o->bytes + 72);
    }
    return is_found;
}

static void
forget_puts(const char *key)
{
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        r->is_forgotten = r->is_forgotten || (r->kind == STORE_PUT && strcmp(r->key, key) == 0);
    }
}

static void
lose(struct object *o, uint32_t journal, uint64_t n)
{
    bool is_removal = rng_chance(&sim.r_tool, 600);
    sim_stat(is_removal ? ST_repair_removed : ST_repair_corrupted);
    if (n > 0) {
        sim.entries[journal][n].is_lost = true;
    }
    if (is_removal) {
        TRACE("fault    %s removed", o->key);
        forget_puts(o->key);
        if (n > 0) {
            sim.entries[journal][n].was_deleted = true;
        }
        object_delete_at((size_t)(o - sim_st.objects));
        return;
    }
    size_t head = n > 0 ? get_u32(o->bytes + 96) : o->len;
    size_t within = rng_chance(&sim.r_tool, 700) ? head : o->len;
    size_t at = 16 + rng_below(&sim.r_tool, within - 16); /* a newer version is no damage */
    TRACE("fault    %s: byte %zu flipped", o->key, at);
    o->bytes[at] ^= (uint8_t)(1u << rng_below(&sim.r_tool, 8));
}

/* What stands behind it does not hang on it: whose entry it was cannot be seen at once. */
static bool
has_branch(uint32_t journal, uint64_t n)
{
    const struct sim_entry *e = sim.entries[journal];
    return is_there(journal, n + 1) && !uuid_eq(&e[n + 1].prev, &e[n].id);
}

static bool
lose_entry(uint32_t journal, uint64_t above)
{
    uint64_t keeper = 0, top = 0, chosen = 0, seen = 0;
    char key[STORE_KEY_MAX];
    if (!find_keeper(journal, &keeper, &top)) {
        return false;
    }
    uint64_t passed = brokers_passed((int)journal);
    top = passed < top ? passed : top;
    for (uint64_t n = above + 1; n <= top; n++) {
        bool is_wanted = top - n < 10 || rng_chance(&sim.r_tool, 300);
        bool is_branch = has_branch(journal, n);
        seen += is_branch ? 8 : 1;
        if (n != keeper && is_there(journal, n) && (is_wanted || is_branch) &&
            rng_below(&sim.r_tool, seen) < (is_branch ? 8 : 1)) {
            chosen = n;
        }
    }
    if (chosen == 0) {
        return false;
    }
    (void)snprintf(key, sizeof(key), "_sluice/journal/%u/%020" PRIu64, journal, chosen);
    lose(object_find(key), journal, chosen);
    return true;
}

/* --- snapshots --- */

static bool
lose_snapshot(uint32_t journal, const struct manifest *m, uint64_t *ret_above)
{
    struct object *o = object_find(m->snapshot_key);
    uint64_t older = older_snapshot(journal, m->snapshot_key);
    if (o == NULL || !are_there(journal, older + 1, m->gc_boundary)) {
        return false;
    }
    sim_stat(ST_repair_snapshot);
    has_taken_snapshot = true;
    lose(o, journal, 0);
    *ret_above = m->gc_boundary;
    return true;
}

static bool
lose_manifest(uint32_t journal, const struct manifest *m)
{
    char key[STORE_KEY_MAX];
    (void)snprintf(key, sizeof(key), "_sluice/journal/%u/manifest/%020" PRIu64, journal,
                   m->version);
    sim_stat(ST_repair_manifest);
    lose(object_find(key), journal, 0);
    return true;
}

bool
wreck_strike(uint32_t journal)
{
    struct manifest m = {.version = 0};
    bool has_struck = false;
    if (newest_manifest(journal, &m) && m.snapshot_n >= truth_last(journal)) {
        return false; /* nothing behind it */
    }
    uint64_t above = m.gc_boundary > spared[journal] ? m.gc_boundary : spared[journal];
    uint64_t what = rng_below(&sim.r_tool, 100);
    if (m.version > 0 && what < 30) {
        has_struck = lose_snapshot(journal, &m, &above);
    }
    uint64_t manifests = truth_last(journal) > REPAIRED ? 60 : 88; /* a fence, perhaps */
    if (m.version > 0 && what >= manifests) {
        has_struck = lose_manifest(journal, &m);
    }
    above = above > spared[journal] ? above : spared[journal];
    for (uint64_t i = rng_below(&sim.r_tool, ENTRIES_MAX); what >= 15 && what < 93; i--) {
        has_struck = lose_entry(journal, above) || has_struck;
        if (i == 0) {
            break;
        }
    }
    return has_struck;
}
