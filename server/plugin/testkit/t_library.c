/* SPDX-License-Identifier: Apache-2.0
 *
 * Part Library: loading, the one symbol, the handshake with hosts older and newer than we are. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/elf.h"
#include "plugin/testkit/kit_int.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_MS = 100, TRIES = 5, FUTURE_BYTES = 64 };

static void
loads(void)
{
    /* world_load did it, or this test has failed by now */
}

static void
one_symbol(void)
{
    struct plugin_elf_exports e;
    struct stat st;
    int fd = open(kit.o->source.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        kit__fail(RULE_LOADS, "%s cannot be read", kit.o->source.path);
    }
    void *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED || plugin_elf_exports(span_of(file, (size_t)st.st_size), &e) != SL_OK) {
        kit__fail(RULE_LOADS, "%s has no table of dynamic symbols", kit.o->source.path);
    }
    if (e.count != 1 || strcmp(e.names, "sluice_plugin_open") != 0) {
        kit__fail(RULE_ONE_SYMBOL, "it exports %zu symbols: %s", e.count, e.names);
    }
}

static const sluice_plugin *
open_once(const sluice_host *host)
{
    const sluice_plugin *table = NULL;
    sluice_status status = kit.open(host, &table);
    if (status != SLUICE_OK || table == NULL) {
        kit__fail(RULE_PURE_OPEN,
                  "sluice_plugin_open gave %s on one call and had given "
                  "SLUICE_OK before",
                  kit__status_text(status));
    }
    return table;
}

static void *
open_on_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        (void)open_once(&kit__host);
    }
    return NULL;
}

static void
open_is_pure(void)
{
    size_t fds = kit__fd_count();
    size_t threads = kit__thread_count();
    int64_t best_ns = INT64_MAX;
    child_enter("sluice_plugin_open");
    const sluice_plugin *first = open_once(&kit__host);
    for (int i = 0; i < TRIES; i++) { /* the best of a few: the machine may be busy */
        int64_t began_ns = kit__now_ns();
        if (open_once(&kit__host) != first) {
            kit__fail(RULE_PURE_OPEN, "it gave another table the second time");
        }
        int64_t took_ns = kit__now_ns() - began_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    if (best_ns > OPEN_MS * INT64_C(1000000)) {
        kit__fail(RULE_PURE_OPEN, "it took %lld ms, at best; %d are allowed",
                  (long long)(best_ns / 1000000), OPEN_MS);
    }
    if (kit__fd_count() != fds || kit__thread_count_at_rest(threads) != threads) {
        kit__fail(RULE_PURE_OPEN, "it left %zu files open and %zu threads running",
                  kit__fd_count() - fds, kit__thread_count() - threads);
    }
}

static void
open_from_two_threads(void)
{
    pthread_t other;
    child_enter("sluice_plugin_open on two threads");
    if (pthread_create(&other, NULL, open_on_thread, NULL) != 0) {
        kit__skip("no thread could be started");
    }
    (void)open_on_thread(NULL);
    (void)pthread_join(other, NULL);
}

static void
extension_check(const struct kit__life *l, const char *id)
{
    if (kit.plugin.extension(l->self, id) != NULL) {
        kit__fail(RULE_EXTENSION, "extension(\"%s\") is not NULL", id);
    }
}

static void
unknown_extensions(void)
{
    static const char *const known[] = {SLUICE_STORAGE_V1, "sluice.auth/1", "sluice.metrics/1",
                                        "sluice.processor/1", "sluice.transform/1"};
    struct kit__life l;
    kit__life_begin(&l, KIT_CREATED);
    child_enter("extension");
    extension_check(&l, "org.sluice.no-such-thing/1");
    extension_check(&l, "");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        static const char *const tails[] = {"0", " ", "x"};
        char id[64];
        for (size_t t = 0; t < sizeof(tails) / sizeof(tails[0]); t++) {
            (void)snprintf(id, sizeof(id), "%s%s", known[i], tails[t]);
            extension_check(&l, id);
        }
        (void)snprintf(id, sizeof(id), "%.*s", (int)strlen(known[i]) - 1, known[i]);
        extension_check(&l, id);
    }
    kit__life_drop(&l);
}

/* ---- hosts of other sizes ---- */

static void
try_host(const sluice_host *host)
{
    const sluice_plugin *table = NULL;
    sluice_instance *self = NULL;
    if (kit.open(host, &table) != SLUICE_OK || table == NULL) {
        return; /* it may refuse */
    }
    sluice_status status = kit.plugin.create(host, &self);
    if (status == SLUICE_OK && self != NULL) {
        kit.plugin.destroy(self);
    }
}

/* A host whose last byte is the last of a page; what follows cannot be read. */
static void
truncated_hosts(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages =
        (uint8_t *)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0) {
        kit__skip("no memory for a host");
    }
    for (size_t size = offsetof(sluice_host, name); size <= sizeof(sluice_host);
         size += sizeof(void *)) {
        char stage[CHILD_STAGE_BYTES];
        uint8_t *at = pages + page - size;
        struct sluice_host cut = kit__host;
        cut.size = (uint32_t)size;
        memcpy(at, &cut, size);
        (void)snprintf(stage, sizeof(stage),
                       "open, create, destroy with a host of %zu bytes (it must not read more)",
                       size);
        child_enter(stage);
        try_host((const sluice_host *)(const void *)at);
    }
}

static void
oversized_host(void)
{
    struct {
        struct sluice_host host;
        uint8_t future[FUTURE_BYTES];
    } big = {.host = kit__host};
    sluice_instance *self = NULL;
    memset(big.future, 0xA5, sizeof(big.future));
    big.host.size = sizeof(big);
    child_enter("create with a host of a later version");
    (void)open_once(&big.host);
    if (kit.plugin.create(&big.host, &self) != SLUICE_OK || self == NULL) {
        kit__fail(RULE_HOST_SIZE, "it refuses a host that has %d bytes more than it knows",
                  FUTURE_BYTES);
    }
    kit.plugin.destroy(self);
}

const struct kit__test kit__library_tests[] = {
    {"library/loads", 0, loads},
    {"library/one_symbol", KIT_SO_ONLY, one_symbol},
    {"library/open_is_pure", 0, open_is_pure},
    {"library/open_from_two_threads", 0, open_from_two_threads},
    {"library/unknown_extensions", 0, unknown_extensions},
    {"library/truncated_hosts", 0, truncated_hosts},
    {"library/oversized_host", 0, oversized_host},
    {0},
};
