/* CRC-32C three ways.
 *
 * The instruction has a latency of three cycles and a throughput of one, so the fast path runs
 * three independent streams of LANE bytes and joins them: the checksum of A||B is shift(crc(A),
 * |B|) ^ crc(B), where shift multiplies by x^(8|B|) modulo the polynomial. For the fixed lane
 * lengths that multiplication is four table look-ups; crc32c_combine does it for any length by
 * repeated squaring. Three streams that jump every few kilobytes are too much for the prefetcher of
 * the machine: what is not in its caches is asked for one round ahead (twice as fast then). Not the
 * CLMUL folding of isa-l: it is twice as fast again, but not portable, and the checksum is no
 * longer what limits a produce request. */
#include "base/crc32c.h"

#include <pthread.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#define POLY 0x82F63B78u
enum { LANE_LONG = 2048, LANE_SHORT = 128, CACHE_LINE = 64 };

static uint32_t table[8][256];
static uint32_t shift_long[4][256], shift_short[4][256];
static uint32_t power[64]; /* x^(8 * 2^k) */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_hw;

/* Product of two polynomials modulo POLY, in the reflected representation (x^0 is the top bit). */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        if (a & bit) {
            product ^= b;
        }
        b = (b & 1) ? (b >> 1) ^ POLY : b >> 1;
    }
    return product;
}

static uint32_t
power_of_bytes(uint64_t n)
{
    uint32_t p = 1u << 31;
    for (int k = 0; n != 0; k++, n >>= 1) {
        if (n & 1) {
            p = multiply(power[k], p);
        }
    }
    return p;
}

static void
fill_shift(uint32_t out[4][256], uint64_t bytes)
{
    uint32_t p = power_of_bytes(bytes);
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 0; k < 4; k++) {
            out[k][i] = multiply(p, i << (8 * k));
        }
    }
}

static void
setup(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = (c & 1) ? (c >> 1) ^ POLY : c >> 1;
        }
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            table[k][i] = table[0][table[k - 1][i] & 0xff] ^ (table[k - 1][i] >> 8);
        }
    }
    power[0] = 1u << 23; /* x^8 */
    for (int k = 1; k < 64; k++) {
        power[k] = multiply(power[k - 1], power[k - 1]);
    }
    fill_shift(shift_long, LANE_LONG);
    fill_shift(shift_short, LANE_SHORT);
#if defined(__x86_64__)
    has_hw = __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    has_hw = 1;
#endif
}

uint32_t
crc32c_portable(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = (const uint8_t *)data;
    pthread_once(&once, setup);
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v = le64toh(v) ^ crc;
        crc = table[7][v & 0xff] ^ table[6][(v >> 8) & 0xff] ^ table[5][(v >> 16) & 0xff] ^
              table[4][(v >> 24) & 0xff] ^ table[3][(v >> 32) & 0xff] ^ table[2][(v >> 40) & 0xff] ^
              table[1][(v >> 48) & 0xff] ^ table[0][v >> 56];
    }
    for (; n > 0; n--, p++) {
        crc = table[0][(crc ^ *p) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__ARM_FEATURE_CRC32))
#if defined(__x86_64__)
#define HW_TARGET __attribute__((target("sse4.2")))
HW_TARGET static inline uint64_t
step8(uint64_t crc, const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return _mm_crc32_u64(crc, v);
}
HW_TARGET static inline uint64_t
step1(uint64_t crc, uint8_t v)
{
    return _mm_crc32_u8((uint32_t)crc, v);
}
#else
#define HW_TARGET
static inline uint64_t
step8(uint64_t crc, const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __crc32cd((uint32_t)crc, v);
}
static inline uint64_t
step1(uint64_t crc, uint8_t v)
{
    return __crc32cb((uint32_t)crc, v);
}
#endif

static inline uint32_t
shift_by(const uint32_t t[4][256], uint32_t crc)
{
    return t[0][crc & 0xff] ^ t[1][(crc >> 8) & 0xff] ^ t[2][(crc >> 16) & 0xff] ^ t[3][crc >> 24];
}

/* Three lines of the next round of long lanes; harmless where there is nothing. */
static inline void
ask_ahead(const uint8_t *p, size_t i)
{
    uintptr_t at = (uintptr_t)p + 3 * (LANE_LONG + i);
    __builtin_prefetch((const void *)at);
    __builtin_prefetch((const void *)(at + CACHE_LINE));
    __builtin_prefetch((const void *)(at + 2 * CACHE_LINE));
}

HW_TARGET static inline uint64_t
three_lanes(uint64_t crc, const uint8_t *p, size_t lane, const uint32_t shift[4][256])
{
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < lane; i += 8) {
        if (lane == LANE_LONG && i % CACHE_LINE == 0) {
            ask_ahead(p, i);
        }
        crc = step8(crc, p + i);
        b = step8(b, p + lane + i);
        c = step8(c, p + 2 * lane + i);
    }
    crc = shift_by(shift, (uint32_t)crc) ^ (uint32_t)b;
    return shift_by(shift, (uint32_t)crc) ^ (uint32_t)c;
}

HW_TARGET static uint32_t
crc32c_hw(uint32_t seed, const uint8_t *p, size_t n)
{
    uint64_t crc = (uint32_t)~seed;
    for (; n >= 3 * LANE_LONG; n -= 3 * LANE_LONG, p += 3 * LANE_LONG) {
        crc = three_lanes(crc, p, LANE_LONG, shift_long);
    }
    for (; n >= 3 * LANE_SHORT; n -= 3 * LANE_SHORT, p += 3 * LANE_SHORT) {
        crc = three_lanes(crc, p, LANE_SHORT, shift_short);
    }
    for (; n >= 8; n -= 8, p += 8) {
        crc = step8(crc, p);
    }
    for (; n > 0; n--, p++) {
        crc = step1(crc, *p);
    }
    return ~(uint32_t)crc;
}
#else
static uint32_t
crc32c_hw(uint32_t seed, const uint8_t *p, size_t n)
{
    return crc32c_portable(seed, p, n);
}
#endif

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
    pthread_once(&once, setup);
    return has_hw ? crc32c_hw(crc, (const uint8_t *)p, n) : crc32c_portable(crc, p, n);
}

uint32_t
crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
    pthread_once(&once, setup);
    return multiply(power_of_bytes(len_b), crc_a) ^ crc_b;
}
