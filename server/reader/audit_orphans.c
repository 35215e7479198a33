/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that no journal knows: left by a roller that crashed, or written by somebody else. */
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

static void
look(struct audit *a, const struct known *k, const struct store_listing *l)
{
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        if (!known_has(k, l->items[i].key)) {
            a->totals.orphans++;
            audit__found(a, AUDIT_NOTE, l->items[i].key, "no journal refers to it (%llu bytes)",
                         (unsigned long long)l->items[i].size_bytes);
        }
    }
}

static enum sl_err
look_at_all(struct audit *a, const struct known *k)
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
        look(a, k, call.listing);
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
    enum sl_err rc = look_at_all(a, &k);
    known_free(&k);
    return rc;
}
