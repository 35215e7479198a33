/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the kit: the world of one test. There is one test in a process, so the world is one
 * static object; and a test that fails ends its process on the spot, so no test passes errors up.
 *
 * Threads: a test runs on the main thread and makes its own; kit__fail, the calls of calls.c and
 * the host table work on any. */
#ifndef SLUICE_PLUGIN_KIT_INT_H
#define SLUICE_PLUGIN_KIT_INT_H

#include "plugin/loader.h"
#include "plugin/plugin_int.h"
#include "plugin/testkit/testkit.h"

#include <pthread.h>
#include <sluice/counters.h>
#include <sluice/storage.h>

/* ---- rules: what a failure is a failure of ---- */

#define KIT_RULES(X)                                                                               \
    X(LOADS, "plugin.h: a plugin is a shared object that resolves no symbol of the server and "    \
             "exports sluice_plugin_open")                                                         \
    X(ONE_SYMBOL, "plugin.h: a plugin exports one function, sluice_plugin_open, and nothing else") \
    X(ABI, "plugin.h, growth rule 1: a plugin loads only if abi_major is equal and needs_minor "   \
           "fits")                                                                                 \
    X(PURE_OPEN, "plugin.h: sluice_plugin_open is pure: no threads, no I/O, no globals touched; "  \
                 "may be called twice and from several threads")                                   \
    X(HOST_SIZE, "plugin.h, growth rule 2: a NULL or unreached member of the host is an absent "   \
                 "one; test host members with SLUICE_HAS")                                         \
    X(EXTENSION, "plugin.h: extension() gives a table for the exact versioned id, NULL for any "   \
                 "other")                                                                          \
    X(ALIVE, "plugin.h: a plugin runs in the server's process: it neither crashes nor ends it")    \
    X(RETURNS, "plugin.h: a call comes back; what takes longer answers SLUICE_PENDING")            \
    X(LIFE, "plugin.h: create, configure, start, data calls, quiesce, stop, destroy, in this "     \
            "order")                                                                               \
    X(DESTROY, "plugin.h: destroy is legal after every prefix of the calls above")                 \
    X(THREADS, "plugin.h: stop returns when all the plugin's own threads are joined")              \
    X(FDS, "plugin.h: destroy gives back what the instance opened")                                \
    X(BUFFERS, "plugin.h: sluice_buf is reference-counted; each reference is released once")       \
    X(KEYS, "plugin.h: conf_keys is a table of names, types, bounds and help that ends with name " \
            "== NULL")                                                                             \
    X(SAYS_WHY, "plugin.h: fail() carries the sentence for an error: what is wrong and what an "   \
                "operator should do")                                                              \
    X(SECRET, "plugin.h: a SLUICE_CONF_SECRET is never logged nor printed")                        \
    X(DRY_RUN, "plugin.h: configure may be a dry run: no side effects")                            \
    X(STATUS, "plugin.h: a call gives one of the numbered statuses")                               \
    X(ONCE, "plugin.h: an operation whose call returned SLUICE_PENDING is completed exactly once") \
    X(NEVER_AFTER, "plugin.h: only an operation whose call returned SLUICE_PENDING is completed; " \
                   "one that ended is never completed again")                                      \
    X(DEADLINE, "plugin.h: an operation ends by its deadline_ns, whatever became of it")           \
    X(COUNTERS, "counters.h: each counter has name, unit, help and kind; add and observe take a "  \
                "position in the table")                                                           \
    X(ATTEMPTS,                                                                                    \
      "storage.h: attempt() takes one of the five kinds, an outcome, and a sentence when "         \
      "it was bad")                                                                                \
    X(QUIESCE, "plugin.h: quiesce: no further data calls will come; those in flight end")          \
    X(BORROWED, "plugin.h: borrowed memory is not touched after the call has ended")               \
    X(TABLE, "storage.h: the table reaches list and has no empty member")                          \
    X(STORED, "storage.h: a GET, HEAD or LIST that begins after a put was acknowledged sees it")   \
    X(BYTES, "storage.h: put stores the concatenation of its parts, and get gives those bytes")    \
    X(RANGE, "storage.h: get gives length bytes from offset; 0 = to the end; a range at or "       \
             "beyond the end is empty, one that passes it shorter")                                \
    X(ABSENT, "storage.h: get and head of what is not there give SLUICE_ENOENT")                   \
    X(HEAD, "storage.h: head gives size and version only; its body is NULL")                       \
    X(DELETE, "storage.h: a deleted object is gone; deleting what is absent succeeds")             \
    X(ONE_WINNER, "storage.h: SLUICE_PUT_IF_ABSENT has exactly one winner per key, whoever races") \
    X(IF_VERSION, "storage.h: SLUICE_PUT_IF_VERSION replaces only what has this version")          \
    X(OUTCOME, "storage.h: a put's errors other than SLUICE_EEXIST and SLUICE_EUNKNOWN promise "   \
               "that nothing was stored")                                                          \
    X(ORDER, "storage.h: list adds keys in strictly ascending byte order")                         \
    X(LISTED, "storage.h: list adds every key that begins with prefix and is greater than after, " \
              "up to max, and no other")                                                           \
    X(SINK, "storage.h: list goes on only while add() returns SLUICE_OK, and gives its answer "    \
            "back")                                                                                \
    X(OPTIONS, "plugin.h, growth rule 3: an option that the callee does not know is refused with " \
               "SLUICE_ENOTSUP")                                                                   \
    X(DURABLE, "storage.h: visible implies durable: what was acknowledged survives kill -9")

enum kit__rule {
#define KIT_ENUM(name, text) RULE_##name,
    KIT_RULES(KIT_ENUM)
#undef KIT_ENUM
};

/* ---- the runner ---- */

enum { KIT_SO_ONLY = 1, KIT_STORAGE = 2, KIT_PERSISTENT = 4, KIT_ASYNC = 8 };

struct kit__test {
    const char *name;
    unsigned needs; /* KIT_...: otherwise it is skipped, and says so */
    void (*run)(void);
};
extern const struct kit__test kit__library_tests[], kit__config_tests[], kit__life_tests[],
    kit__storage_tests[], kit__list_tests[], kit__race_tests[]; /* each ends with name NULL */

/* Ends the test: it failed. Says which rule was broken, and how. Any thread. */
_Noreturn void kit__fail(enum kit__rule rule, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the test: it does not apply. */
_Noreturn void kit__skip(const char *why);

/* ---- the world of the test ---- */

struct kit {
    const struct testkit_options *o;
    const struct kit__test *test;
    plugin_open_fn open;
    sluice_plugin plugin; /* our copy */
    uint64_t random;
    char prefix[64];     /* of every key: this run's, this test's */
    const char *context; /* what a crash in a storage call would mean here; NULL: nothing more */
};
extern struct kit kit;

uint64_t kit__random(void);
uint64_t kit__below(uint64_t n);
int64_t kit__now_ns(void); /* CLOCK_MONOTONIC */
/* Open files, and threads, of this process. */
size_t kit__fd_count(void);
size_t kit__thread_count(void);
/* Waits up to a second for threads that are on their way out. */
size_t kit__thread_count_at_rest(size_t expected);

/* ---- host.c ---- */

extern struct sluice_host kit__host; /* whole; functions find the world by themselves */
/* Lines that were logged and sentences that were said contain this text? */
bool kit__was_said(const char *text);
/* Gives what was last said through fail() without an op on this thread, "" when nothing; forgets
 * it. */
const char *kit__take_why(void);
/* While it is true, buf_new has no memory. */
void kit__buffers_refuse(bool is_refusing);
/* References that were not given back. */
int64_t kit__buffers_out(void);

/* One call in flight. Never freed, so that a late completion is recognised. */
struct kit__op {
    const char *call; /* "put" */
    uint64_t deadline_ns;
    int state;
    sluice_status status;
    sluice_put_result put;
    sluice_get_result got;
    char key[96], why[200];
};
/* Gives the handle's op; ends the test when the plugin made the handle up. */
struct kit__op *kit__op_new(const char *call, sluice_slice key, sluice_op **ret_handle);
/* The call came back: waits for the answer when it is pending. */
sluice_status kit__op_end(struct kit__op *op, sluice_status returned);
/* The same in two steps, for many at once. */
void kit__op_returned(struct kit__op *op, sluice_status returned);
sluice_status kit__op_wait(struct kit__op *op);
bool kit__op_is_done(struct kit__op *op);

/* ---- life.c ---- */

struct kit__life {
    sluice_instance *self;
    struct sluice_conf conf;
    const sluice_storage *storage; /* NULL: it offers none */
};
enum kit__until { KIT_CREATED, KIT_CONFIGURED, KIT_STARTED };
/* With the configuration of the run; ends the test when the plugin refuses. */
void kit__life_begin(struct kit__life *l, enum kit__until until);
/* quiesce, stop, destroy. */
void kit__life_end(struct kit__life *l);
/* destroy alone. */
void kit__life_drop(struct kit__life *l);
/* begin(STARTED), and the storage must be there. */
void kit__store_begin(struct kit__life *l);
/* Deletes what the test put, then kit__life_end, then counts buffers. */
void kit__store_end(struct kit__life *l);

/* ---- calls.c: storage calls, waited for; every answer is checked for form ---- */

sluice_slice kit__slice(const char *s);
/* Gives a key of this test: prefix and formatted rest. The buffer is the thread's; 8 of them. */
const char *kit__key(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
sluice_status kit__put(struct kit__life *l, const char *key, struct span body, uint32_t flags);
sluice_status kit__put_with(struct kit__life *l, const char *key, struct span body,
                            const sluice_put_opts *opts, sluice_put_result *result);
/* Gives the body as a buf; NULL when the status is not OK. */
sluice_status kit__get(struct kit__life *l, const char *key, uint64_t offset, uint64_t length,
                       struct buf **ret);
sluice_status kit__head(struct kit__life *l, const char *key, sluice_get_result *ret);
sluice_status kit__del(struct kit__life *l, const char *key);

struct kit__listing {
    size_t count, cap;
    struct kit__listed {
        char *key;
        uint64_t size;
    } * items;
    size_t stop_after; /* add() refuses after so many; 0: never */
};
/* Lists, checking order, prefix, after and max of each entry. */
sluice_status kit__list(struct kit__life *l, const char *prefix, const char *after, uint32_t max,
                        struct kit__listing *ret);
void kit__listing_fini(struct kit__listing *l);

/* The calls that must succeed, or the test fails by that rule. */
void kit__must_put(struct kit__life *l, const char *key, struct span body, uint32_t flags);
void kit__must_hold(struct kit__life *l, const char *key, struct span body, enum kit__rule rule);
/* Byte i depends on fill and i, so that a range is checked at its place. */
void kit__fill(uint8_t *out, size_t len, uint64_t fill);

const char *kit__status_text(sluice_status status);

#endif
