/* Outcomes of everything inside the server, and the one struct that carries a sentence for a human.
 *
 * Functions return enum sl_err by value. Where a person reads the outcome (configuration, plugin
 * load, storage open) they also fill a struct sl_error on the caller's stack.
 * Threads: plain values. Only wire/errors.c maps these to Kafka error codes. */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, sentence */
#define SL_ERRORS(X)                                                                               \
    X(SL_OK, "success")                                                                            \
    X(SL_EINVAL, "invalid argument")                                                               \
    X(SL_ENOMEM, "out of memory budget")                                                           \
    X(SL_EAGAIN, "busy, try again")                                                                \
    X(SL_ETIMEOUT, "timed out, outcome unknown")                                                   \
    X(SL_ECANCELED, "canceled")                                                                    \
    X(SL_ENOENT, "no such object")                                                                 \
    X(SL_EEXIST, "already exists")                                                                 \
    X(SL_EFENCED, "fenced by another writer")                                                      \
    X(SL_ECORRUPT, "stored data is corrupt")                                                       \
    X(SL_EDENIED, "not authorized")                                                                \
    X(SL_EIO, "storage error")                                                                     \
    X(SL_ENOSPC, "no space left on the store")                                                     \
    X(SL_ENOTSUP, "not supported")                                                                 \
    X(SL_EMALFORMED, "malformed request")                                                          \
    X(SL_EVERSION, "unsupported version")                                                          \
    X(SL_ENOT_OPEN, "journal is not open")                                                         \
    X(SL_EUNKNOWN_PARTITION, "unknown topic or partition")                                         \
    X(SL_EUNKNOWN_TOPIC_ID, "unknown topic id")                                                    \
    X(SL_EINCONSISTENT_TOPIC_ID, "topic id does not match topic name")                             \
    X(SL_ETOPIC_EXISTS, "topic already exists")                                                    \
    X(SL_EINVALID_TOPIC, "invalid topic name")                                                     \
    X(SL_EINVALID_PARTITIONS, "invalid number of partitions")                                      \
    X(SL_EINVALID_REPLICATION, "invalid replication factor")                                       \
    X(SL_EINVALID_CONFIG, "invalid configuration value")                                           \
    X(SL_EINVALID_TIMESTAMP, "record timestamp is out of range")                                   \
    X(SL_EINVALID_RECORD, "invalid record batch")                                                  \
    X(SL_ECORRUPT_BATCH, "record batch checksum mismatch")                                         \
    X(SL_ETOO_LARGE, "record batch too large")                                                     \
    X(SL_EUNSUPPORTED_COMPRESSION, "unsupported compression type")                                 \
    X(SL_EINVALID_ACKS, "invalid required acks")                                                   \
    X(SL_EOUT_OF_ORDER_SEQ, "out of order sequence number")                                        \
    X(SL_EPRODUCER_EPOCH, "invalid producer epoch")                                                \
    X(SL_EOFFSET_RANGE, "offset out of range")                                                     \
    X(SL_EFENCED_LEADER_EPOCH, "fenced leader epoch")                                              \
    X(SL_EUNKNOWN_LEADER_EPOCH, "unknown leader epoch")                                            \
    X(SL_EPARTITION_FAILED, "partition failed, see the server log")                                \
    X(SL_EFETCH_SESSION, "fetch session not found")                                                \
    X(SL_EGROUP_NOT_FOUND, "no such group")                                                        \
    X(SL_EGROUP_NOT_EMPTY, "group still has members")                                              \
    X(SL_EUNKNOWN_MEMBER, "group does not know this member")                                       \
    X(SL_EILLEGAL_GENERATION, "group generation is not the current one")                           \
    X(SL_EFENCED_INSTANCE, "another member took over this instance id")                            \
    X(SL_ESTALE_MEMBER_EPOCH, "member epoch is not the current one")                               \
    X(SL_ESHUTDOWN, "shutting down")

enum sl_err {
#define SL_ERR_ENUM(name, text) name,
    SL_ERRORS(SL_ERR_ENUM)
#undef SL_ERR_ENUM
        SL_ERR_COUNT
};

/* Gives a constant sentence; never NULL, also for numbers that are no error of ours. */
const char *sl_err_text(enum sl_err rc);
/* Gives the constant name, "SL_EIO". */
const char *sl_err_name(enum sl_err rc);
/* Maps errno of a failed system call. */
enum sl_err sl_err_from_errno(int sys_errno);

struct sl_error {
    enum sl_err code;
    int sys_errno; /* 0 when no system call is to blame */
    char msg[320];
};

#define SL_ERROR_INIT                                                                              \
    {                                                                                              \
        SL_OK, 0,                                                                                  \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* Fills *err (which may be NULL) and gives code back, so that `return sl_error_set(...)` reads
 * well. */
enum sl_err sl_error_set(struct sl_error *err, enum sl_err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed system call: appends strerror(sys_errno). */
enum sl_err sl_error_sys(struct sl_error *err, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define MUST_CHECK __attribute__((warn_unused_result))

/* States an invariant. Stays on in release; never judges input. */
#define SL_ASSERT(cond)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            sl_assert_failed(#cond, __FILE__, __LINE__);                                           \
        }                                                                                          \
    } while (0)
_Noreturn void sl_assert_failed(const char *cond, const char *file, int line);

#ifdef NDEBUG
#define SL_DEBUG_ASSERT(cond) ((void)0)
#else
#define SL_DEBUG_ASSERT(cond) SL_ASSERT(cond)
#endif

#define SL_CONTAINER_OF(ptr, type, member)                                                         \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#endif
