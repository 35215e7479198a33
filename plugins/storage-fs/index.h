/* Which key lies where: an ordered map from key to the record that holds it.
 *
 * Threads:  guarded by the store's lock.
 * Lifetime: an entry lives from add to remove. */
#ifndef SLUICE_STORAGE_FS_INDEX_H
#define SLUICE_STORAGE_FS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_volume;

enum { FS_INDEX_LEVELS = 14 };

struct fs_entry {
    struct fs_volume *volume;
    uint64_t position; /* of the record in its volume */
    uint64_t length;   /* of the object */
    uint64_t sequence;
    int64_t modified_ms;
    uint32_t crc32c;
    uint32_t payload_offset; /* from position */
    bool is_corrupt;         /* the record's header is destroyed; a later one told its key */
    uint8_t levels;
    uint16_t key_length;
    struct fs_entry *next[]; /* `levels` of them, then the key with its NUL */
};

struct fs_index {
    struct fs_entry *heads[FS_INDEX_LEVELS];
    size_t count;
    uint64_t random;
};

const char *fs__entry_key(const struct fs_entry *e);
struct fs_entry *fs__index_find(const struct fs_index *ix, const char *key);
/* Gives the first entry whose key is greater than `after`. */
struct fs_entry *fs__index_after(const struct fs_index *ix, const char *after);
/* Gives the first entry whose key is `from` or greater. */
struct fs_entry *fs__index_from(const struct fs_index *ix, const char *from);
/* Adds an entry for a key that is not there, all fields zero but the key. */
struct fs_entry *fs__index_add(struct fs_index *ix, const char *key);
void fs__index_remove(struct fs_index *ix, const char *key);
void fs__index_fini(struct fs_index *ix);

#endif
