/* CRC-32C of payloads and headers, with the CPU's instruction on three lanes at once where it has
 * one (its latency is three cycles, its throughput one), else by table. Lanes are joined by
 * multiplying with x^(8 * LANE) through four tables. */
#include "storage-fs/fs_int.h"

#include <endian.h>
#include <string.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLY 0x82F63B78u
enum { LANE = 1024 };

static uint32_t bytes_table[8][256];
static uint32_t shift_table[4][256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t
shift_one_byte(uint32_t c)
{
    return bytes_table[0][c & 0xff] ^ (c >> 8);
}

static void
setup(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = (c & 1) != 0 ? (c >> 1) ^ POLY : c >> 1;
        }
        bytes_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            bytes_table[k][i] = shift_one_byte(bytes_table[k - 1][i]);
        }
        for (int k = 0; k < 4; k++) {
            uint32_t c = i << (8 * k);
            for (int n = 0; n < LANE; n++) {
                c = shift_one_byte(c);
            }
            shift_table[k][i] = c;
        }
    }
#if defined(__x86_64__)
    has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#endif
}

static uint32_t
crc_table(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v = le64toh(v) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++) {
            crc ^= bytes_table[7 - k][(v >> (8 * k)) & 0xff];
        }
    }
    for (; n > 0; n--, p++) {
        crc = bytes_table[0][(crc ^ *p) & 0xff] ^ (crc >> 8);
    }
    return crc;
}

#if defined(__x86_64__)
#define WITH_SSE42 __attribute__((target("sse4.2")))

static uint32_t
shift_lane(uint32_t c)
{
    return shift_table[0][c & 0xff] ^ shift_table[1][(c >> 8) & 0xff] ^
           shift_table[2][(c >> 16) & 0xff] ^ shift_table[3][c >> 24];
}

WITH_SSE42 static uint64_t
step(uint64_t crc, const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return _mm_crc32_u64(crc, v);
}

WITH_SSE42 static uint32_t
crc_instruction(uint32_t seed, const uint8_t *p, size_t n)
{
    uint64_t crc = seed;
    for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
        uint64_t b = 0;
        uint64_t c = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            crc = step(crc, p + i);
            b = step(b, p + LANE + i);
            c = step(c, p + 2 * (size_t)LANE + i);
        }
        crc = shift_lane((uint32_t)crc) ^ b;
        crc = shift_lane((uint32_t)crc) ^ c;
    }
    for (; n >= 8; n -= 8, p += 8) {
        crc = step(crc, p);
    }
    for (; n > 0; n--, p++) {
        crc = _mm_crc32_u8((uint32_t)crc, *p);
    }
    return (uint32_t)crc;
}
#endif

uint32_t
fs__crc32c(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = (const uint8_t *)data;
    (void)pthread_once(&once, setup);
#if defined(__x86_64__)
    if (has_instruction) {
        return ~crc_instruction(~crc, p, n);
    }
#endif
    return ~crc_table(~crc, p, n);
}
