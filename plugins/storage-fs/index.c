/* A skip list with the key inside the node: ordered (LIST needs that), one allocation per key of
 * about a hundred bytes, and an insertion behind the last key, the usual case for journal entries,
 * touches few nodes. One in four nodes reaches the next level. */
#include "storage-fs/index.h"

#include "storage-fs/fs_int.h"

#include <stdlib.h>
#include <string.h>

const char *
fs__entry_key(const struct fs_entry *e)
{
    return (const char *)&e->next[e->levels];
}

static uint8_t
levels_draw(struct fs_index *ix)
{
    ix->random = ix->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t bits = ix->random >> 32;
    uint8_t levels = 1;
    while (levels < FS_INDEX_LEVELS && (bits & 3) == 0) {
        levels++;
        bits >>= 2;
    }
    return levels;
}

/* Fills slots[level] with where the first entry that is not below key (not_above: not at it either)
 * hangs. */
static void
slots_find(struct fs_index *ix, const char *key, bool is_after,
           struct fs_entry **slots[FS_INDEX_LEVELS])
{
    struct fs_entry **row = ix->heads;
    for (int level = FS_INDEX_LEVELS - 1; level >= 0; level--) {
        while (row[level] != NULL) {
            int order = strcmp(fs__entry_key(row[level]), key);
            if (order > 0 || (order == 0 && !is_after)) {
                break;
            }
            row = row[level]->next;
        }
        slots[level] = &row[level];
    }
}

static struct fs_entry *
first_from(const struct fs_index *ix, const char *key, bool is_after)
{
    struct fs_entry **slots[FS_INDEX_LEVELS];
    slots_find((struct fs_index *)(uintptr_t)ix, key, is_after, slots);
    return *slots[0];
}

struct fs_entry *
fs__index_find(const struct fs_index *ix, const char *key)
{
    struct fs_entry *e = first_from(ix, key, false);
    return e != NULL && strcmp(fs__entry_key(e), key) == 0 ? e : NULL;
}

struct fs_entry *
fs__index_after(const struct fs_index *ix, const char *after)
{
    return first_from(ix, after, true);
}

struct fs_entry *
fs__index_from(const struct fs_index *ix, const char *from)
{
    return first_from(ix, from, false);
}

struct fs_entry *
fs__index_add(struct fs_index *ix, const char *key)
{
    struct fs_entry **slots[FS_INDEX_LEVELS];
    uint8_t levels = levels_draw(ix);
    size_t n = strlen(key);
    struct fs_entry *e =
        (struct fs_entry *)fs__alloc(sizeof(*e) + levels * sizeof(e->next[0]) + n + 1);
    e->levels = levels;
    e->key_length = (uint16_t)n;
    memcpy(&e->next[levels], key, n + 1);
    slots_find(ix, key, false, slots);
    for (int level = 0; level < levels; level++) {
        e->next[level] = *slots[level];
        *slots[level] = e;
    }
    ix->count++;
    return e;
}

void
fs__index_remove(struct fs_index *ix, const char *key)
{
    struct fs_entry **slots[FS_INDEX_LEVELS];
    slots_find(ix, key, false, slots);
    struct fs_entry *e = *slots[0];
    if (e == NULL || strcmp(fs__entry_key(e), key) != 0) {
        return;
    }
    for (int level = 0; level < e->levels; level++) {
        *slots[level] = e->next[level];
    }
    free(e);
    ix->count--;
}

void
fs__index_fini(struct fs_index *ix)
{
    struct fs_entry *e = ix->heads[0];
    while (e != NULL) {
        struct fs_entry *next = e->next[0];
        free(e);
        e = next;
    }
    *ix = (struct fs_index){.count = 0};
}
