/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory store of the examples, with one fault at a time: the conformance kit must catch each,
 * and name the rule. `how = nothing` is the store as it is. */
#include <sluice/counters.h>
#include <sluice/storage.h>
sluice_status memory_store_open(const sluice_host *host, const sluice_plugin **out);
#define sluice_plugin_open memory_store_open
#define plugin memory_plugin
#include "../../../examples/memory-store/memory_store.c"
#undef sluice_plugin_open
#undef plugin

#include <fcntl.h>
#include <unistd.h>

enum how {
    NOTHING,
    LOSES_PUT,
    TWO_WINNERS,
    WRONG_RANGE,
    UNSORTED_LIST,
    DUPLICATE_LIST,
    SHORT_LIST,
    COMPLETES_TWICE,
    COMPLETES_LATE,
    COMPLETES_AND_RETURNS,
    NEVER_COMPLETES,
    CRASHES,
    EXITS,
    PRINTS_SECRET,
    LEAKS_THREAD,
    LEAKS_FD,
    LEAKS_BUFFER,
    KEEPS_BORROWED,
    WRITES_EARLY,
    GIVES_NO_REASON,
    IGNORES_OPTIONS,
    ASSUMES_MEMORY,
    IGNORES_DEADLINE,
    COUNTS_WRONGLY
};

/* Faults that show before configure: one shared object each. */
#ifndef FORGETS /* is volatile, and does not say so */
#define FORGETS 0
#endif
#ifndef ANY_EXTENSION /* compares the id's beginning only */
#define ANY_EXTENSION 0
#endif
#ifndef READS_BEYOND_HOST /* uses a host member without a look at the host's size */
#define READS_BEYOND_HOST 0
#endif

static const sluice_conf_key keys[] = {
    {"how", SLUICE_CONF_ENUM, SLUICE_CONF_REQUIRED, NULL,
     "nothing|loses_put|two_winners|wrong_range|unsorted_list|duplicate_list|short_list|"
     "completes_twice|completes_late|completes_and_returns|never_completes|crashes|exits|"
     "prints_secret|leaks_thread|leaks_fd|leaks_buffer|keeps_borrowed|writes_early|"
     "gives_no_reason|ignores_options|assumes_memory|ignores_deadline|counts_wrongly",
     "What is wrong with it", 0, 0},
    {"password", SLUICE_CONF_STR, SLUICE_CONF_SECRET, "none", NULL, "A secret, for nothing", 0, 0},
    {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};

static enum how how; /* one configuration in a process */
static const sluice_host *host_here;
static sluice_op *op_before;
static const uint8_t *borrowed;
static volatile int *volatile nowhere = (volatile int *)8;
static unsigned put_count;

/* ---- faulty calls ---- */

static sluice_status
put_of_two_winners(sluice_instance *s, sluice_slice key, const sluice_slice *parts, size_t count,
                   const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    sluice_put_opts plain = *opts;
    sluice_get_result there = {.size = sizeof(there)};
    plain.size = sizeof(plain);
    plain.flags &= ~SLUICE_PUT_IF_ABSENT;
    if ((opts->flags & SLUICE_PUT_IF_ABSENT) != 0 && memory_head(s, key, &there, op) == SLUICE_OK) {
        return SLUICE_EEXIST;
    }
    (void)usleep(500); /* between the look and the leap */
    return memory_put(s, key, parts, count, &plain, result, op);
}

static sluice_status
broken_put(sluice_instance *s, sluice_slice key, const sluice_slice *parts, size_t count,
           const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    sluice_put_opts cut = *opts;
    cut.size = sizeof(cut);
    cut.flags &= 15;
    switch (how) {
    case LOSES_PUT:
        if (++put_count % 7 == 0) {
            return SLUICE_OK;
        }
        break;
    case TWO_WINNERS:
        return put_of_two_winners(s, key, parts, count, opts, result, op);
    case IGNORES_OPTIONS:
        return memory_put(s, key, parts, count, &cut, result, op);
    case KEEPS_BORROWED:
        borrowed = parts[0].len > 0 ? parts[0].ptr : borrowed;
        break;
    case EXITS:
        _exit(3);
    case NEVER_COMPLETES:
        return SLUICE_PENDING;
    case COMPLETES_LATE:
        if (op_before != NULL) {
            host_here->complete(host_here, op_before, SLUICE_OK, result);
        }
        op_before = op;
        break;
    case COMPLETES_AND_RETURNS:
        host_here->complete(host_here, op, memory_put(s, key, parts, count, opts, result, op),
                            result);
        return SLUICE_OK;
    case COMPLETES_TWICE:
        host_here->complete(host_here, op, memory_put(s, key, parts, count, opts, result, op),
                            result);
        host_here->complete(host_here, op, SLUICE_OK, result);
        return SLUICE_PENDING;
    default:
        break;
    }
    return memory_put(s, key, parts, count, opts, result, op);
}

static sluice_status
broken_get(sluice_instance *s, sluice_slice key, uint64_t offset, uint64_t length,
           sluice_get_result *result, sluice_op *op)
{
    if (how == CRASHES) {
        *nowhere = 1;
    }
    if (how == KEEPS_BORROWED && borrowed != NULL && *(const volatile uint8_t *)borrowed == 0) {
        return SLUICE_EIO;
    }
    sluice_status rc =
        memory_get(s, key, offset + (how == WRONG_RANGE && offset > 0 ? 1 : 0), length, result, op);
    if (how == ASSUMES_MEMORY && rc == SLUICE_ENOMEM) {
        *nowhere = 1;
    }
    return rc;
}

/* Answers when it likes, whatever the time is that it was given. */
static void *
complete_at_leisure(void *op)
{
    (void)sleep(5);
    host_here->complete(host_here, (sluice_op *)op, SLUICE_EIO, NULL);
    return NULL;
}

static sluice_status
broken_del(sluice_instance *s, sluice_slice key, sluice_op *op)
{
    pthread_t thread;
    if (how == COUNTS_WRONGLY) {
        const sluice_host_counters *c =
            (const sluice_host_counters *)host_here->extension(host_here, SLUICE_HOST_COUNTERS_V1);
        c->add(host_here, 7, 1);
    }
    if (how == IGNORES_DEADLINE && pthread_create(&thread, NULL, complete_at_leisure, op) == 0) {
        (void)pthread_detach(thread);
        return SLUICE_PENDING;
    }
    return memory_del(s, key, op);
}

static sluice_status
broken_head(sluice_instance *s, sluice_slice key, sluice_get_result *result, sluice_op *op)
{
    sluice_buf *body;
    if (how == LEAKS_BUFFER) {
        (void)look_up(s, key, result, &body);
    }
    return memory_head(s, key, result, op);
}

/* Hands entries on with a fault: held back by one, twice, or not all. */
struct bad_sink {
    sluice_list_sink pub, *to;
    sluice_list_entry held;
    int has_held;
    unsigned seen;
};

static sluice_status
bad_add(sluice_list_sink *pub, const sluice_list_entry *e)
{
    struct bad_sink *b = (struct bad_sink *)pub;
    sluice_status rc = SLUICE_OK;
    b->seen++;
    if (how == UNSORTED_LIST && !b->has_held) {
        b->held = *e;
        b->has_held = 1;
        return SLUICE_OK;
    }
    if (how == SHORT_LIST && b->seen == 3) {
        return SLUICE_OK;
    }
    rc = b->to->add(b->to, e);
    if (rc == SLUICE_OK && how == DUPLICATE_LIST && b->seen == 2) {
        rc = b->to->add(b->to, e);
    }
    if (rc == SLUICE_OK && b->has_held) {
        b->has_held = 0;
        rc = b->to->add(b->to, &b->held);
    }
    return rc;
}

static sluice_status
broken_list(sluice_instance *s, sluice_slice prefix, sluice_slice after, uint32_t max,
            sluice_list_sink *sink, sluice_op *op)
{
    struct bad_sink b = {.pub = {sizeof(b.pub), bad_add}, .to = sink};
    sluice_status rc = memory_list(s, prefix, after, max, &b.pub, op);
    return rc == SLUICE_OK && b.has_held ? sink->add(sink, &b.held) : rc;
}

/* ---- faulty life ---- */

static void *
sleep_for_ever(void *arg)
{
    (void)pause();
    return arg;
}

static sluice_status
broken_create(const sluice_host *host, sluice_instance **out)
{
    host_here = host;
    return memory_create(host, out);
}

__attribute__((unused)) static sluice_status
reading_create(const sluice_host *host, sluice_instance **out)
{
    if (host->conf_int == NULL) {
        return SLUICE_EINVAL;
    }
    return broken_create(host, out);
}

static sluice_status
broken_configure(sluice_instance *s, const sluice_conf *conf)
{
    how = (enum how)s->host->conf_int(conf, "how");
    if (how == PRINTS_SECRET) {
        sluice_logf(s->host, SLUICE_LOG_INFO, "logging in with %s",
                    s->host->conf_str(conf, "password"));
    }
    if (how == WRITES_EARLY) {
        (void)close(open("written-early", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    return how == GIVES_NO_REASON ? SLUICE_EINVAL : SLUICE_OK;
}

static sluice_status
broken_start(sluice_instance *s)
{
    pthread_t thread;
    if (how == LEAKS_THREAD && pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0) {
        return sluice_failf(s->host, NULL, SLUICE_EAGAIN, "no thread");
    }
    if (how == LEAKS_FD) {
        (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return SLUICE_OK;
}

static const void *
broken_extension(sluice_instance *s, const char *id)
{
    static const sluice_storage honest = {
        .size = sizeof(honest),
        .capabilities = SLUICE_STORE_IF_ABSENT | SLUICE_STORE_LOCAL | SLUICE_STORE_VOLATILE,
        .put = broken_put,
        .get = broken_get,
        .head = broken_head,
        .del = broken_del,
        .list = broken_list};
    static sluice_storage boastful;
    (void)s;
    boastful = honest;
    boastful.capabilities &= ~SLUICE_STORE_VOLATILE;
    if (ANY_EXTENSION ? strncmp(id, SLUICE_STORAGE_V1, 16) == 0
                      : strcmp(id, SLUICE_STORAGE_V1) == 0) {
        return FORGETS ? &boastful : &honest;
    }
    return NULL;
}

SLUICE_EXPORT sluice_status
sluice_plugin_open(const sluice_host *host, const sluice_plugin **out)
{
    static const sluice_plugin plugin = {.size = sizeof(plugin),
                                         .abi_major = SLUICE_ABI_MAJOR,
                                         .needs_minor = SLUICE_ABI_MINOR,
                                         .id = "org.example.broken",
                                         .version = "1.0",
                                         .license = "Apache-2.0",
                                         .summary = "Broken in one way at a time",
                                         .flags = SLUICE_F_CONCURRENT,
                                         .conf_keys = keys,
                                         .create =
                                             READS_BEYOND_HOST ? reading_create : broken_create,
                                         .configure = broken_configure,
                                         .start = broken_start,
                                         .destroy = memory_destroy,
                                         .extension = broken_extension};
    (void)host;
    *out = &plugin;
    return SLUICE_OK;
}
