/* Bytes of a volume file: its header and the header of a record. docs/file-store.md is the public
 * description. Pure: bytes in, bytes out. */
#ifndef SLUICE_STORAGE_FS_FORMAT_H
#define SLUICE_STORAGE_FS_FORMAT_H

#include "storage-fs/fs_int.h"

enum {
    FS_BLOCK = 4096,
    FS_VOLUME_FIRST = 2 * FS_BLOCK, /* where the first record begins */
    FS_RECORD_FIXED = 96,
    FS_RECORD_DELETED_AT = 80,
    FS_RECORD_DELETED = 0xff
};

struct fs_volume_header {
    uint64_t id, generation, revision, capacity;
    bool is_closed; /* nothing was appended since: `end` and `last` are exact */
    uint64_t end, last_position;
    char last_key[FS_KEY_MAX + 1];
};

/* Writes one block. */
void fs__volume_header_encode(const struct fs_volume_header *h, uint8_t out[FS_BLOCK]);
FS_MUST_CHECK bool fs__volume_header_decode(const uint8_t in[FS_BLOCK],
                                            struct fs_volume_header *ret);

struct fs_record {
    uint64_t volume_id, generation, position, sequence;
    uint64_t length;
    uint32_t crc32c, payload_offset;
    int64_t modified_ms;
    uint64_t prev_position; /* 0: this is the first */
    bool is_deleted;
    char key[FS_KEY_MAX + 1], prev_key[FS_KEY_MAX + 1];
};

/* Bytes of the header of r. */
size_t fs__record_header_size(const struct fs_record *r);
/* Bytes that r takes in its volume. */
uint64_t fs__record_total(const struct fs_record *r);
void fs__record_encode(const struct fs_record *r, uint8_t *out);
/* in holds at least FS_BLOCK bytes. */
FS_MUST_CHECK bool fs__record_decode(const uint8_t *in, struct fs_record *ret);

#endif
