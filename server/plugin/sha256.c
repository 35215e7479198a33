/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/sha256.h"

#include <stdio.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t
rotate(uint32_t v, int n)
{
    return v >> n | v << (32 - n);
}

static void
schedule(const uint8_t *block, uint32_t w[64])
{
    for (int i = 0; i < 16; i++) {
        w[i] = get_u32(block + 4 * i);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
}

static void
block_add(struct sha256 *s, const uint8_t *block)
{
    uint32_t w[64];
    uint32_t v[8];
    schedule(block, w);
    memcpy(v, s->state, sizeof(v));
    for (int i = 0; i < 64; i++) {
        uint32_t e = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + e + choice + round_constants[i] + w[i];
        uint32_t a = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + a + majority;
    }
    for (int i = 0; i < 8; i++) {
        s->state[i] += v[i];
    }
}

void
sha256_init(struct sha256 *s)
{
    *s = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                   0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void
sha256_add(struct sha256 *s, struct span data)
{
    while (data.len > 0) {
        size_t used = (size_t)(s->total % 64);
        size_t n = data.len < 64 - used ? data.len : 64 - used;
        memcpy(s->block + used, data.ptr, n);
        s->total += n;
        data = span_of(data.ptr + n, data.len - n);
        if (used + n == 64) {
            block_add(s, s->block);
        }
    }
}

void
sha256_end(struct sha256 *s, char out[SHA256_HEX_BYTES])
{
    static const uint8_t padding[72] = {0x80};
    uint8_t bits[8];
    put_u64(bits, s->total * 8);
    sha256_add(s, span_of(padding, 1 + (size_t)(119 - s->total % 64) % 64));
    sha256_add(s, span_of(bits, sizeof(bits)));
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(out + 8 * i, 9, "%08x", s->state[i]);
    }
}
