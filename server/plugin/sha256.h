/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 (FIPS 180-4), for the `sha256` key of a plugin: here and not from a library, so that the
 * loader needs none. Threads: a struct belongs to one. */
#ifndef SLUICE_PLUGIN_SHA256_H
#define SLUICE_PLUGIN_SHA256_H

#include "base/span.h"

enum { SHA256_HEX_BYTES = 65 };

struct sha256 {
    uint32_t state[8];
    uint64_t total;
    uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, struct span data);
/* Writes 64 lower-case hexadecimal digits and NUL. */
void sha256_end(struct sha256 *s, char out[SHA256_HEX_BYTES]);

#endif
