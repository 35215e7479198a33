/* Manifests and snapshots of a journal as bytes.
 *
 * Manifest {prefix}/journal/{j}/manifest/{v:020}, version 1, big-endian:
 *     "SLJM" u16 version, u16 0, 16 cluster, u32 journal, u64 v, u64 snapshot n, u64 gc boundary,
 *     u64 acked through, i64 time ms, i32 writer, u16 length + snapshot key ("" = none), u32
 * CRC-32C of all before Snapshot {prefix}/journal/{j}/snapshot/{n:020}-{unique}, version 1: "SLJS"
 * u16 version, u16 0, 16 cluster, u32 journal, u64 n, 16 last valid entry id, u64 content bytes,
 *     u32 CRC-32C of all before; then chunks of at most 1 MiB: u32 length, u32 CRC-32C, bytes
 *
 * Threads: plain values. */
#ifndef SLUICE_JOURNAL_MANIFEST_H
#define SLUICE_JOURNAL_MANIFEST_H

#include "base/buf.h"
#include "base/uuid.h"

struct manifest {
    struct uuid cluster;
    uint32_t journal;
    uint64_t version; /* 0: there is none */
    uint64_t snapshot_n, gc_boundary, acked_through;
    int64_t time_ms;
    int32_t writer;
    char snapshot_key[320];
};

void manifest_encode(const struct manifest *m, struct bytes *out);
MUST_CHECK enum sl_err manifest_decode(struct span bytes, struct manifest *ret,
                                       struct sl_error *err);

struct snapshot_header {
    struct uuid cluster;
    uint32_t journal;
    uint64_t n;
    struct uuid last_id;
};
/* Wraps content. */
void snapshot_encode(const struct snapshot_header *h, struct span content, struct bytes *out);
/* Checks every chunk and gives the content. err names the byte at which it went wrong. */
MUST_CHECK enum sl_err snapshot_decode(struct span bytes, struct snapshot_header *ret,
                                       struct bytes *ret_content, struct sl_error *err);

#endif
