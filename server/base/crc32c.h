/* CRC-32C (Castagnoli), as Kafka, iSCSI and S3 use it. Hardware instruction where the CPU has it.
 * Threads: pure. */
#ifndef SLUICE_BASE_CRC32C_H
#define SLUICE_BASE_CRC32C_H

#include "base/span.h"

/* crc is the checksum of what came before, 0 at the beginning. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* Gives the checksum of A followed by B from crc(A), crc(B) and the length of B, without the bytes.
 */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);
/* The table version, exposed so that tests can compare the two. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif
