/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of a volume file: its header and the header of a record. What is accepted is written back
 * the same. */
#include "storage-fs/format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t block[FS_BLOCK], again[FS_BLOCK];
    struct fs_volume_header h;
    struct fs_record r;
    memset(block, 0, sizeof(block));
    memcpy(block, data, size < sizeof(block) ? size : sizeof(block));
    if (fs__volume_header_decode(block, &h)) {
        struct fs_volume_header back;
        fs__volume_header_encode(&h, again);
        if (!fs__volume_header_decode(again, &back) || back.end != h.end || back.id != h.id) {
            abort();
        }
    }
    if (fs__record_decode(block, &r) && fs__record_header_size(&r) <= sizeof(again)) {
        struct fs_record back;
        memset(again, 0, sizeof(again));
        fs__record_encode(&r, again);
        if (!fs__record_decode(again, &back) || back.length != r.length ||
            strcmp(back.key, r.key) != 0) {
            abort();
        }
    }
    return 0;
}
