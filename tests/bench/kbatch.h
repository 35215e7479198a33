/* Builds Kafka record batches (format v2) for load generators: valid, with CRC, in any codec.
 * Threads: pure. */
#ifndef SLUICE_TESTS_BENCH_KBATCH_H
#define SLUICE_TESTS_BENCH_KBATCH_H

#include <stddef.h>
#include <stdint.h>

enum kbatch_codec { KBATCH_NONE, KBATCH_GZIP, KBATCH_SNAPPY, KBATCH_LZ4, KBATCH_ZSTD };

struct kbatch_plan {
    const uint8_t *values; /* borrowed: records * value_size bytes */
    size_t value_size;
    int records;
    enum kbatch_codec codec;
    int64_t timestamp_ms;
};

/* Gives a malloc'ed batch of *ret_len bytes; ends the program when a codec fails. */
uint8_t *kbatch_build(const struct kbatch_plan *plan, size_t *ret_len);

/* The codec of that name, or -1. */
int kbatch_codec_of(const char *name);

#endif
