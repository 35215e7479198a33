/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice/plugin.h - the contract between the server and a plugin.
 *
 * A plugin exports one function, sluice_plugin_open, and resolves no symbol of the server:
 * everything it may call stands in struct sluice_host, everything the server calls stands in struct
 * sluice_plugin and in the capability tables (sluice/storage.h, ...) that its extension() gives for
 * a versioned id.
 *
 * Tags: [main] start-up thread  [loop] an event-loop thread, never block
 *       [pool] a blocking-pool thread  [any] every thread, concurrently
 * Lifetimes: "borrowed" ends when the call returns; for a call that returned SLUICE_PENDING it ends
 * when the plugin completes the op.
 *
 * Rules for growth
 *  1. A plugin loads only if abi_major is equal and needs_minor <= host.abi_minor. While the major
 * is 0 (before the first release) the minor must be equal too.
 *  2. Structs that are passed singly begin with `size` and grow only at the end. The host
 * zero-fills its copy and takes min(size) bytes; a NULL member is an absent one. Test host members
 * with SLUICE_HAS.
 *  3. Option structs: a non-zero byte beyond the size the callee knows is refused with
 * SLUICE_ENOTSUP.
 *  4. Elements of arrays carry no size and never change; a new layout is a new capability id.
 *  5. Fixed-width integers only; no enums, bit-fields, bool, FILE *, time_t, varargs, nor callbacks
 *     without context cross this line.
 *  6. Plugins are trusted: they run in the server's process.
 *
 * ABI diary
 *  0.1  first cut: handshake, host table, option tables, sluice.storage/1.
 *  0.2  SLUICE_STORE_VOLATILE; storage.h says that no key continues another by '/'. helpers.h (no
 *       part of the ABI).
 *  0.3  The first tables of the host: counters.h, and "sluice.host.storage/1" in storage.h.
 *       deadline_ns() tells a real deadline for storage calls; 0.2 always said "none".
 */
#ifndef SLUICE_PLUGIN_H
#define SLUICE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_ABI_MAJOR 0
#define SLUICE_ABI_MINOR 3

#define SLUICE_EXPORT __attribute__((visibility("default")))
/* Does this peer's struct reach `member`, and is it set? */
#define SLUICE_HAS(p, member)                                                                      \
    ((p) && (p)->size >= offsetof(__typeof__(*(p)), member) + sizeof((p)->member) && (p)->member)

/* 0 done, 1 pending, < 0 error. Numbers are for ever. */
typedef int32_t sluice_status;
#define SLUICE_OK 0
#define SLUICE_PENDING 1   /* the call goes on; the plugin calls host->complete exactly once */
#define SLUICE_EINVAL (-1) /* the caller's mistake */
#define SLUICE_ENOMEM (-2)
#define SLUICE_EAGAIN (-3)   /* busy; the host slows its clients down and tries again */
#define SLUICE_ETIMEOUT (-4) /* the deadline passed before anything was sent */
#define SLUICE_ECANCELED (-5)
#define SLUICE_ENOENT (-6) /* no such object */
#define SLUICE_EEXIST (-7) /* a conditional put met an object (or another version) */
#define SLUICE_EFENCED (-8)
#define SLUICE_ECORRUPT (-9) /* stored bytes fail their checksum */
#define SLUICE_EDENIED (-10) /* credentials or permissions */
#define SLUICE_EIO (-11)
#define SLUICE_ENOTSUP (-12)
#define SLUICE_EUNKNOWN                                                                            \
    (-13)                   /* a put was sent and its outcome is not known: the host resolves it */
#define SLUICE_ENOSPC (-14) /* the store is full; the same put may succeed later */

/* Borrowed bytes; ptr NULL is absent. */
typedef struct sluice_slice {
    const uint8_t *ptr;
    size_t len;
} sluice_slice;

/* Reference-counted bytes that may outlive a call. Whoever allocates frees: release() uses the
 * allocator that made it. */
typedef struct sluice_buf sluice_buf;
struct sluice_buf {
    uint32_t size;
    sluice_slice bytes;
    void (*retain)(sluice_buf *);  /* [any] */
    void (*release)(sluice_buf *); /* [any] */
};

typedef struct sluice_op sluice_op;     /* one asynchronous call; opaque, owned by the host */
typedef struct sluice_conf sluice_conf; /* read-only view of one instance's configuration */
typedef struct sluice_host sluice_host;

#define SLUICE_LOG_DEBUG 0
#define SLUICE_LOG_INFO 1
#define SLUICE_LOG_WARN 2
#define SLUICE_LOG_ERROR 3

struct sluice_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const char *name, *version;
    /* Gives the host's table for a versioned id, NULL when it has none. [any] */
    const void *(*extension)(const sluice_host *, const char *id);
    /* One line; the host adds plugin id, version and instance. [any] */
    void (*log)(const sluice_host *, int32_t level, sluice_slice msg);
    /* The sentence for the error that the current call (op NULL) or the op is about to report: what
     * is wrong and what an operator should do. [any] */
    void (*fail)(const sluice_host *, sluice_op *op_or_null, sluice_status, sluice_slice why);
    /* Ends an op whose call returned SLUICE_PENDING; exactly once. result is the struct that the
     * call's contract names, borrowed for this call (buffers in it are given to the host). [any] */
    void (*complete)(const sluice_host *, sluice_op *, sluice_status, const void *result);
    /* CLOCK_MONOTONIC nanoseconds by which the op should have ended; UINT64_MAX: no limit. One
     * deadline over everything that the plugin does for it: waiting, connecting, sending, retries.
     * To be asked while the op is in flight. [any] */
    uint64_t (*deadline_ns)(const sluice_host *, const sluice_op *);
    /* Gives a buffer of len writable bytes, 4096-aligned when len >= 32 KiB; NULL when the host has
     * no memory for it. [any] */
    sluice_buf *(*buf_new)(const sluice_host *, size_t len, uint8_t **writable);

    /* Typed getters for configure(); names are those of conf_keys. Strings live as long as the
     * instance. A missing optional key gives its declared default. [main] */
    const char *(*conf_str)(const sluice_conf *, const char *name);
    int64_t (*conf_int)(const sluice_conf *,
                        const char *name); /* bool 0/1; size bytes; duration ms */
};

#define SLUICE_CONF_STR 1
#define SLUICE_CONF_INT 2
#define SLUICE_CONF_BOOL 3
#define SLUICE_CONF_SIZE 4     /* bytes; KiB, MiB, GiB accepted */
#define SLUICE_CONF_DURATION 5 /* milliseconds; ms, s, m, h, d accepted */
#define SLUICE_CONF_ENUM 6     /* `unit` lists the words, separated by '|' */

#define SLUICE_CONF_REQUIRED (1u << 0)
#define SLUICE_CONF_SECRET (1u << 1) /* never logged nor printed */
#define SLUICE_CONF_RELOADABLE (1u << 2)

/* Array element: frozen. */
typedef struct sluice_conf_key {
    const char *name;
    uint32_t type, flags;
    const char *dflt, *unit, *doc;
    int64_t min, max;
} sluice_conf_key;

/* sluice_plugin.flags */
#define SLUICE_F_CONCURRENT (UINT64_C(1) << 0) /* calls on one instance may overlap */
#define SLUICE_F_PER_LOOP (UINT64_C(1) << 1)   /* the host makes one instance per loop */
#define SLUICE_F_MAY_BLOCK (UINT64_C(1) << 2)  /* data calls run on [pool], never on [loop] */

typedef struct sluice_instance sluice_instance; /* the plugin's own type, opaque to the host */

/* In call order: create, configure, start, data calls, quiesce, stop, destroy. */
typedef struct sluice_plugin {
    uint32_t size;
    uint16_t abi_major, needs_minor;
    const char *id, *version, *license, *summary; /* id in reverse DNS: "org.example.mask" */
    uint64_t flags;
    const sluice_conf_key *conf_keys; /* ends with name == NULL; the host refuses unknown keys */

    /* Borrows host for the life of the instance. [main] */
    sluice_status (*create)(const sluice_host *, sluice_instance **out);
    /* Checks and keeps the configuration. May be a dry run: no side effects. [main] */
    sluice_status (*configure)(sluice_instance *, const sluice_conf *);
    /* Opens what it needs. May block a few seconds. [main] */
    sluice_status (*start)(sluice_instance *);
    /* No further data calls will come; those in flight end. [main] */
    sluice_status (*quiesce)(sluice_instance *);
    /* Returns when all the plugin's own threads are joined. [main] */
    void (*stop)(sluice_instance *);
    /* Legal after every prefix of the calls above. [main] */
    void (*destroy)(sluice_instance *);
    /* Gives the table for "sluice.storage/1" and the like; NULL when it has none. [any] */
    const void *(*extension)(sluice_instance *, const char *id);
} sluice_plugin;

/* The one exported symbol. Pure: no threads, no I/O, no globals touched; may be called twice and
 * from several threads. Gives a static table. */
SLUICE_EXPORT sluice_status sluice_plugin_open(const sluice_host *host, const sluice_plugin **out);

#ifdef __cplusplus
}
#endif
#endif
