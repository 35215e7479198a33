/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that no journal knows: left by a roller or a compaction that crashed, or written by
 * somebody else.
 *
 * Nobody refers to them now. Could somebody begin to? Whoever deletes one must know that nobody
 * can, whatever brokers do meanwhile, and however late their requests land. An object is dead when
 * its name says that a journal would refuse to refer to it, for ever:
 *
 *   generation 0   REGISTER takes only a segment that begins where the registered ones of its
 *                  partition end, and that end never goes back. So what begins below it is dead.
 *                  What begins at it or above may be adopted by the next roller.
 *   above 0        REPLACE takes only a target that begins where one of its sources does, with a
 *                  generation above theirs. Generations of a base rise, and a base that was merged
 *                  into another segment or trimmed does not come back. So it is dead unless a
 *                  segment with the same base and a lower generation is there, or may yet come: it
 *                  begins where the registered ones end, or above. Beside brokers such a one comes
 *                  about while this looks.
 *
 * That is said only of directories that a partition in S has: in others may lie what `sluice log
 * import` is to adopt. Names that are none of segments are somebody else's. */
#include "base/map.h"
#include "reader/audit_int.h"
#include "segment/keys.h"

#include <stdio.h>
#include <stdlib.h>

/* The names of all segments that S knows, as one text each, sorted. */
struct known {
    char **keys;
    size_t count, cap;
};

static void
known_add(struct known *k, const struct segment_name *name)
{
    char key[SEGMENT_KEY_MAX];
    for (int file = SEGMENT_FILE_KFS; file <= SEGMENT_FILE_INDEX; file++) {
        if (!segment_key(name, (enum segment_file)file, key)) {
            continue;
        }
        if (k->count == k->cap) {
            k->cap = k->cap == 0 ? 64 : k->cap * 2;
            k->keys = (char **)sl_realloc(k->keys, k->cap * sizeof(char *));
        }
        k->keys[k->count++] = sl_strdup(key);
    }
}

static void
known_add_journal(struct known *k, struct span ns, const struct audit_journal *j)
{
    for (size_t i = 0; i < j->segment_count; i++) {
        const struct audit_item *s = &j->segments[i];
        const struct audit_part *p = &j->parts[s->part];
        const struct segment_name name = {ns, span_cstr(p->dir), 0, p->partition, s->base, s->gen};
        known_add(k, &name);
    }
    for (size_t i = 0; i < j->garbage_count; i++) {
        const struct audit_garbage *g = &j->garbage[i];
        const struct segment_name name = {ns, span_cstr(g->dir), 0, g->partition, g->base, g->gen};
        known_add(k, &name);
    }
}

static int
by_key(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
known_has(const struct known *k, const char *key)
{
    return k->count > 0 && bsearch(&key, k->keys, k->count, sizeof(char *), by_key) != NULL;
}

static void
known_free(struct known *k)
{
    for (size_t i = 0; i < k->count; i++) {
        sl_free(k->keys[i]);
    }
    sl_free(k->keys);
}

/* --- dead or alive --- */

struct judge {
    const struct audit_journal *all;
    uint32_t count;
    struct span ns;
};

/* The partition that has this directory. *ret_journal: where. */
static const struct audit_part *
part_of(const struct judge *jd, const struct segment_name *name,
        const struct audit_journal **ret_journal)
{
    char dir[TOPIC_DIR_MAX];
    topic_dir_name(name->topic, name->incarnation, dir, sizeof(dir));
    for (uint32_t i = 0; i < jd->count; i++) {
        for (size_t k = 0; k < jd->all[i].part_count; k++) {
            const struct audit_part *p = &jd->all[i].parts[k];
            if (p->partition == name->partition && strcmp(p->dir, dir) == 0) {
                *ret_journal = &jd->all[i];
                return p;
            }
        }
    }
    return NULL;
}

static bool
may_replace(const struct audit_journal *j, const struct audit_part *p,
            const struct segment_name *name)
{
    for (size_t i = 0; i < j->segment_count; i++) {
        const struct audit_item *s = &j->segments[i];
        if (&j->parts[s->part] == p && s->base == name->base_offset && s->gen < name->generation) {
            return true;
        }
    }
    return false;
}

static void
judge_orphan(const struct judge *jd, struct audit_orphan *o)
{
    struct segment_name name;
    enum segment_file file;
    const struct audit_journal *j;
    if (!segment_key_parse(span_cstr(o->key), &name, &file) || !span_eq(name.ns, jd->ns)) {
        o->why = "not the name of a segment";
        return;
    }
    const struct audit_part *p = part_of(jd, &name, &j);
    if (p == NULL) {
        o->why = "no partition has segments in this directory; log import may adopt it";
    } else if (name.base_offset >= p->registered_end) {
        o->why = name.generation == 0
                     ? "not registered yet; the next roller may adopt it"
                     : "a segment may yet be registered that it takes the place of";
    } else if (name.generation > 0 && may_replace(j, p, &name)) {
        o->why = "a compaction may still put it in place";
    } else {
        o->is_dead = true;
        o->why = "left over: no journal will ever refer to it";
    }
}

static void
tell(struct audit *a, const struct judge *jd, const struct store_listed *item)
{
    struct audit_orphan o = {
        .key = item->key, .size_bytes = item->size_bytes, .modified_ms = item->modified_ms};
    a->totals.orphans++;
    judge_orphan(jd, &o);
    if (a->orphan != NULL) {
        a->orphan(a->arg, &o);
    } else {
        audit__found(a,
                     (struct audit_finding){.kind = AUDIT_NOTE, .what = AUDIT_ORPHAN, .key = o.key},
                     "no journal refers to it (%llu bytes)", (unsigned long long)o.size_bytes);
    }
}

static void
look(struct audit *a, const struct known *k, const struct judge *jd, const struct store_listing *l)
{
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        if (!known_has(k, l->items[i].key)) {
            tell(a, jd, &l->items[i]);
        }
    }
}

static enum sl_err
look_at_all(struct audit *a, const struct known *k, const struct judge *jd)
{
    enum { PAGE = 1000 };
    struct store_call call = {.kind = STORE_LIST, .max_keys = PAGE};
    size_t seen;
    (void)snprintf(call.key, sizeof(call.key), "%s/", a->bucket->segment_namespace);
    do {
        store_wait(a->bucket->sched, a->bucket->store, &call);
        if (call.outcome != STORE_DONE) {
            return call.rc;
        }
        look(a, k, jd, call.listing);
        seen = call.listing == NULL ? 0 : call.listing->count;
        if (seen > 0) {
            (void)snprintf(call.after, sizeof(call.after), "%s", call.listing->items[seen - 1].key);
        }
        store_listing_free(&call.listing);
    } while (seen == PAGE);
    return SL_OK;
}

enum sl_err
audit__orphans(struct audit *a, const struct audit_journal *all, uint32_t count)
{
    struct known k = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].rc != SL_OK) {
            return SL_OK; /* what a journal that cannot be read refers to is not known */
        }
        known_add_journal(&k, span_cstr(a->bucket->segment_namespace), &all[i]);
    }
    if (k.count > 0) {
        qsort(k.keys, k.count, sizeof(char *), by_key);
    }
    const struct judge jd = {all, count, span_cstr(a->bucket->segment_namespace)};
    enum sl_err rc = look_at_all(a, &k, &jd);
    known_free(&k);
    return rc;
}
