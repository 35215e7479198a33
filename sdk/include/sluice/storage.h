/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice/storage.h - capability "sluice.storage/1": an object store, not a log.
 *
 * Layout, order, indexes and record checksums stay in the server; a plugin maps keys to immutable
 * or replaced objects. Keys are printable ASCII, at most 512 bytes, parts separated by '/', without
 * "..", empty parts, or bytes outside [A-Za-z0-9._~-/]. The server never uses a key together with
 * one that continues it by '/' ("a" and "a/b"), so that keys can be paths of a file system.
 *
 * What a store must promise (docs/journal.md, section 2):
 *  - a GET, HEAD or LIST that begins after a put was acknowledged sees it;
 *  - SLUICE_PUT_IF_ABSENT has exactly one winner per key, whoever races, until the object is
 * deleted;
 *  - visible implies durable: what any call shows survives power loss.
 * The server probes the second at start-up and refuses a store that fails.
 *
 * Outcomes of a put are three. Stored (SLUICE_OK); condition failed (SLUICE_EEXIST), which may also
 * be the echo of the caller's own earlier attempt; unknown (SLUICE_EUNKNOWN): something was sent
 * and no answer came. Every other error promises that nothing was stored and nothing will be.
 *
 * A call either fills *result and returns a final status, or returns SLUICE_PENDING and later calls
 * host->complete(op, status, result) exactly once, from any thread. With SLUICE_F_MAY_BLOCK calls
 * come on [pool] threads, else on [loop].
 */
#ifndef SLUICE_STORAGE_H
#define SLUICE_STORAGE_H

#include <sluice/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_STORAGE_V1 "sluice.storage/1"

/* sluice_storage.capabilities */
#define SLUICE_STORE_IF_ABSENT                                                                     \
    (UINT64_C(1) << 0) /* conditional create; without it no journal can live here */
#define SLUICE_STORE_IF_VERSION (UINT64_C(1) << 1) /* conditional replace */
#define SLUICE_STORE_LOCAL                                                                         \
    (UINT64_C(1) << 2) /* a put costs about a millisecond or less: no linger */
/* Objects end with the instance: for tests and examples. Every store that does not say so promises
 * that what it acknowledged survives kill -9 and power loss. (0.2) */
#define SLUICE_STORE_VOLATILE (UINT64_C(1) << 3)

/* sluice_put_opts.flags */
#define SLUICE_PUT_IF_ABSENT (UINT32_C(1) << 0)
#define SLUICE_PUT_IF_VERSION (UINT32_C(1) << 1)
#define SLUICE_PUT_CRC32C (UINT32_C(1) << 2) /* crc32c holds the checksum of the whole object */
/* The object is one of a fast sequence (a journal entry): many are written per second and most are
 * deleted within the hour. A hint; changes no promise. */
#define SLUICE_PUT_SEQUENCE (UINT32_C(1) << 3)

typedef struct sluice_put_opts {
    uint32_t size;
    uint32_t flags;
    uint32_t crc32c;
    uint32_t reserved;    /* 0 */
    sluice_slice version; /* SLUICE_PUT_IF_VERSION: replace only what has this version */
} sluice_put_opts;

typedef struct sluice_put_result {
    uint32_t size;
    char version[64]; /* opaque, NUL-terminated; "" when the store has none */
} sluice_put_result;

typedef struct sluice_get_result {
    uint32_t size;
    sluice_buf *body; /* given to the host; NULL for head */
    uint64_t object_size;
    char version[64];
} sluice_get_result;

/* Array element: frozen. */
typedef struct sluice_list_entry {
    sluice_slice key; /* whole key */
    uint64_t object_size;
    int64_t modified_ms; /* since 1970, by the store's clock; 0 when unknown */
} sluice_list_entry;

/* The plugin calls add() for each key in ascending byte order; add copies. Returns SLUICE_OK to go
 * on. */
typedef struct sluice_list_sink sluice_list_sink;
struct sluice_list_sink {
    uint32_t size;
    sluice_status (*add)(sluice_list_sink *, const sluice_list_entry *);
};

typedef struct sluice_storage {
    uint32_t size;
    uint32_t reserved;
    uint64_t capabilities;
    uint64_t max_object_size; /* bytes; 0 = no limit */

    /* Stores the concatenation of parts. parts and key are borrowed. A part that starts at a
     * 4096-aligned address and is large may go out without being copied. Errors: SLUICE_EEXIST,
     * SLUICE_EUNKNOWN, SLUICE_ENOSPC, SLUICE_EDENIED, SLUICE_EAGAIN, SLUICE_EIO. */
    sluice_status (*put)(sluice_instance *, sluice_slice key, const sluice_slice *parts,
                         size_t count, const sluice_put_opts *opts, sluice_put_result *result,
                         sluice_op *op);
    /* Reads length bytes from offset; length 0 = to the end. A range that begins at or beyond the
     * end gives an empty body, one that passes it a shorter one. Errors: SLUICE_ENOENT,
     * SLUICE_ECORRUPT, SLUICE_EIO, SLUICE_EDENIED. */
    sluice_status (*get)(sluice_instance *, sluice_slice key, uint64_t offset, uint64_t length,
                         sluice_get_result *result, sluice_op *op);
    /* Size and version only. */
    sluice_status (*head)(sluice_instance *, sluice_slice key, sluice_get_result *result,
                          sluice_op *op);
    /* Deleting what is absent succeeds. */
    sluice_status (*del)(sluice_instance *, sluice_slice key, sluice_op *op);
    /* Up to max keys that begin with prefix and are greater than after ("" = from the start).
     * Fewer than max means that there are no more. sink lives until the op is complete. */
    sluice_status (*list)(sluice_instance *, sluice_slice prefix, sluice_slice after, uint32_t max,
                          sluice_list_sink *sink, sluice_op *op);
} sluice_storage;

/* The host's table for a plugin that talks to something far away: what became of each request that
 * it sent, its own retries included. From it the host knows that a store throttles although every
 * call succeeds in the end, and how many requests are billed. A plugin without retries need not
 * bother: the host sees its calls. (0.3) */
#define SLUICE_HOST_STORAGE_V1 "sluice.host.storage/1"

/* Which of the five. */
#define SLUICE_STORAGE_PUT 0
#define SLUICE_STORAGE_GET 1
#define SLUICE_STORAGE_HEAD 2
#define SLUICE_STORAGE_DEL 3
#define SLUICE_STORAGE_LIST 4

#define SLUICE_ATTEMPT_GOOD 0 /* an answer, and be it "absent" or "exists" */
#define SLUICE_ATTEMPT_BAD 1  /* throttled, refused, failed, or no answer */

typedef struct sluice_host_storage {
    uint32_t size;
    uint32_t reserved;
    /* One request ended; why is a sentence when it was bad, borrowed. [any] */
    void (*attempt)(const sluice_host *, uint32_t kind, uint32_t outcome, sluice_slice why);
} sluice_host_storage;

#ifdef __cplusplus
}
#endif
#endif
