/* SPDX-License-Identifier: Apache-2.0
 *
 * The segments of a namespace, as listed. */
#include "repair/import_int.h"
#include "segment/keys.h"

#include <stdio.h>
#include <stdlib.h>

enum { FOUND_MAX = 50000000 };

static void
add_found(struct import *i, const struct segment_name *n, enum segment_file file, uint64_t bytes)
{
    char topic[TOPIC_DIR_MAX];
    span_to_cstr(n->topic, topic, sizeof(topic));
    struct found *last = i->count > 0 ? &i->found[i->count - 1] : NULL;
    bool is_same = last != NULL && strcmp(last->topic, topic) == 0 &&
                   last->partition == n->partition && last->base == n->base_offset &&
                   last->gen == n->generation;
    if (!is_same && i->count == FOUND_MAX) {
        return;
    }
    if (!is_same) {
        if (i->found == NULL || i->count == i->cap) {
            i->cap = i->cap == 0 ? 64 : i->cap * 2;
            i->found = (struct found *)sl_realloc(i->found, i->cap * sizeof(struct found));
        }
        i->found[i->count++] = (struct found){.topic = sl_strdup(topic),
                                              .partition = n->partition,
                                              .base = n->base_offset,
                                              .gen = n->generation};
    }
    if (file == SEGMENT_FILE_KFS) {
        i->found[i->count - 1].has_kfs = true;
        i->found[i->count - 1].bytes = bytes;
    }
}

/* Says how many there were in the directory, when the next one comes, and at the end. */
static void
tell_strangers(struct import *i)
{
    if (i->strangers == 1) {
        repair__import_tell(i, IMPORT_NOTE, i->strange, -1,
                            "not the name of a segment; left alone");
    } else if (i->strangers > 1) {
        repair__import_tell(
            i, IMPORT_NOTE, i->strange, -1,
            "not the name of a segment, nor are %zu more in that directory; left alone",
            i->strangers - 1);
    }
    sl_free(i->strange);
    i->strange = NULL;
    i->strangers = 0;
}

static void
meet_stranger(struct import *i, const char *key)
{
    const char *end = strrchr(key, '/');
    size_t dir = end == NULL ? 0 : (size_t)(end - key) + 1;
    bool is_same = i->strange != NULL && strncmp(i->strange, key, dir) == 0 &&
                   strchr(i->strange + dir, '/') == NULL;
    if (!is_same) {
        tell_strangers(i);
        i->strange = sl_strdup(key);
    }
    i->strangers++;
}

static void
look_at_page(void *arg, const struct store_listing *page)
{
    struct import *i = (struct import *)arg;
    for (size_t k = 0; k < page->count; k++) {
        struct segment_name n;
        enum segment_file file;
        if (!segment_key_parse(span_cstr(page->items[k].key), &n, &file) ||
            n.topic.len >= TOPIC_DIR_MAX) {
            meet_stranger(i, page->items[k].key);
        } else if (n.incarnation == 0) { /* else it may be what a deleted topic left */
            add_found(i, &n, file, page->items[k].size_bytes);
        }
    }
}

static int
by_place(const void *pa, const void *pb)
{
    const struct found *a = (const struct found *)pa, *b = (const struct found *)pb;
    int names = strcmp(a->topic, b->topic);
    if (names != 0) {
        return names;
    }
    if (a->partition != b->partition) {
        return a->partition < b->partition ? -1 : 1;
    }
    if (a->base != b->base) {
        return a->base < b->base ? -1 : 1;
    }
    return (a->gen < b->gen) - (a->gen > b->gen);
}

enum sl_err
repair__import_look(struct import *i, struct sl_error *err)
{
    char prefix[STORE_KEY_MAX];
    const char *ns = i->im->bucket->segment_namespace, *only = i->im->topic;
    (void)snprintf(prefix, sizeof(prefix), "%s/%s%s", ns, only == NULL ? "" : only,
                   only == NULL ? "" : "/");
    enum sl_err rc = objects_list(i->im->bucket, prefix, look_at_page, i, err);
    tell_strangers(i);
    if (rc == SL_OK && i->count == FOUND_MAX) {
        rc = sl_error_set(err, SL_ETOO_LARGE, "more than %d segments; import topic by topic",
                          FOUND_MAX);
    }
    if (rc == SL_OK && i->count > 0) {
        qsort(i->found, i->count, sizeof(struct found), by_place);
    }
    return rc;
}
