/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of segments in the store, made and read back:
 *
 *     {namespace}/{topic}/{partition}/segment-{base:020}.kfs        and .index
 *     {namespace}/{topic}~{k}/{partition}/...                       incarnation k > 0 of that name
 *     .../segment-{base:020}-{gen}.kfs                              generation gen > 0: compacted
 *
 * A topic name never holds '~' or '/', so a directory says which topic and which incarnation.
 *
 * Threads: pure. Lifetime: parsed names borrow the key. */
#ifndef SLUICE_SEGMENT_KEYS_H
#define SLUICE_SEGMENT_KEYS_H

#include "base/err.h"
#include "base/span.h"

enum { SEGMENT_KEY_MAX = 512 };

struct segment_name {
    struct span ns; /* "default" */
    struct span topic;
    uint32_t incarnation;
    int32_t partition;
    int64_t base_offset;
    uint32_t generation;
};
enum segment_file { SEGMENT_FILE_KFS, SEGMENT_FILE_INDEX };

/* Writes the NUL-terminated key. False when it would not fit. */
bool segment_key(const struct segment_name *name, enum segment_file file,
                 char out[SEGMENT_KEY_MAX]);
/* Writes "{namespace}/{topic}/{partition}/", what LIST is asked for. */
bool segment_prefix(const struct segment_name *name, char out[SEGMENT_KEY_MAX]);
/* Reads a key back. False when it is none that segment_key writes. */
bool segment_key_parse(struct span key, struct segment_name *ret, enum segment_file *ret_file);

#endif
