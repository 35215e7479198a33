/* SPDX-License-Identifier: Apache-2.0
 *
 * Part Storage: one caller. Puts, gets, ranges, conditions, options; random operations against a
 * map; deadlines; borrowed memory; kill -9. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BODY_MAX = 300 * 1024 };

static uint8_t scratch[BODY_MAX];

static struct span
body_of(size_t len, uint64_t fill)
{
    kit__fill(scratch, len, fill);
    return span_of(scratch, len);
}

static void
must_be_absent(struct kit__life *l, const char *key, enum kit__rule rule)
{
    struct buf *got;
    sluice_get_result head;
    sluice_status status = kit__get(l, key, 0, 0, &got);
    if (status != SLUICE_ENOENT) {
        buf_unref(&got);
        kit__fail(rule, "get of %s, which is not there, gave %s", key, kit__status_text(status));
    }
    status = kit__head(l, key, &head);
    if (status != SLUICE_ENOENT) {
        kit__fail(rule, "head of %s, which is not there, gave %s", key, kit__status_text(status));
    }
}

static void
head_check(struct kit__life *l, const char *key, size_t len)
{
    sluice_get_result head;
    sluice_status status = kit__head(l, key, &head);
    if (status != SLUICE_OK || head.object_size != len) {
        kit__fail(RULE_HEAD, "head of %s gave %s and %llu bytes for %zu stored", key,
                  kit__status_text(status), (unsigned long long)head.object_size, len);
    }
}

static void
table(void)
{
    struct kit__life l;
    kit__store_begin(&l);
    const uint64_t known = SLUICE_STORE_IF_ABSENT | SLUICE_STORE_IF_VERSION | SLUICE_STORE_LOCAL |
                           SLUICE_STORE_VOLATILE;
    if ((l.storage->capabilities & ~known) != 0) {
        kit__fail(RULE_TABLE, "it declares capabilities that do not exist: %llx",
                  (unsigned long long)(l.storage->capabilities & ~known));
    }
    if (kit.plugin.extension(l.self, SLUICE_STORAGE_V1) != l.storage) {
        kit__fail(RULE_EXTENSION, "extension() gave another table the second time");
    }
    kit__life_end(&l);
}

static void
basic(void)
{
    static const size_t sizes[] = {0, 1, 2, 4095, 4096, 4097, 65536, 131072, BODY_MAX};
    struct kit__life l;
    kit__store_begin(&l);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *key = kit__key("%zu/a.b-c_d~%zu", i, sizes[i]);
        must_be_absent(&l, key, RULE_ABSENT);
        kit__must_put(&l, key, body_of(sizes[i], i), i % 2 == 0 ? SLUICE_PUT_SEQUENCE : 0);
        kit__must_hold(&l, key, body_of(sizes[i], i), RULE_STORED);
        head_check(&l, key, sizes[i]);
        kit__must_put(&l, key, body_of(sizes[i] / 2, i + 100), 0); /* replaces */
        kit__must_hold(&l, key, body_of(sizes[i] / 2, i + 100), RULE_STORED);
        for (int times = 1; times <= 2; times++) {
            sluice_status status = kit__del(&l, key);
            if (status != SLUICE_OK) {
                kit__fail(RULE_DELETE, "del number %d of %s gave %s", times, key,
                          kit__status_text(status));
            }
        }
        must_be_absent(&l, key, RULE_DELETE);
    }
    kit__store_end(&l);
}

static void
range_check(struct kit__life *l, const char *key, size_t len, uint64_t offset, uint64_t length)
{
    struct buf *got;
    sluice_status status = kit__get(l, key, offset, length, &got);
    uint64_t left = offset < len ? len - offset : 0;
    uint64_t want = length == 0 || length > left ? left : length;
    if (status != SLUICE_OK) {
        kit__fail(RULE_RANGE, "get of %llu bytes from %llu of %zu gave %s",
                  (unsigned long long)length, (unsigned long long)offset, len,
                  kit__status_text(status));
    }
    bool is_right =
        got->len == want && (want == 0 || memcmp(got->data, scratch + offset, want) == 0);
    size_t got_len = got->len;
    buf_unref(&got);
    if (!is_right) {
        kit__fail(RULE_RANGE, "get of %llu bytes from %llu of %zu gave %zu bytes%s; %llu are right",
                  (unsigned long long)length, (unsigned long long)offset, len, got_len,
                  got_len == want ? ", but not those" : "", (unsigned long long)want);
    }
}

static void
ranges(void)
{
    static const size_t sizes[] = {0, 1, 100, 5000, 200000};
    struct kit__life l;
    kit__store_begin(&l);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        const char *key = kit__key("%zu", n);
        const uint64_t edges[] = {0, 1, n / 2, n == 0 ? 0 : n - 1, n, n + 1, UINT64_C(1) << 40};
        enum { EDGES = sizeof(edges) / sizeof(edges[0]) };
        kit__must_put(&l, key, body_of(n, i), 0);
        for (size_t k = 0; k < EDGES * EDGES; k++) {
            range_check(&l, key, n, edges[k / EDGES], edges[k % EDGES]);
        }
        range_check(&l, key, n, UINT64_MAX, UINT64_MAX);
        range_check(&l, key, n, n / 2, UINT64_MAX);
        struct buf *got;
        if (kit__get(&l, kit__key("none"), n, 1, &got) != SLUICE_ENOENT) {
            kit__fail(RULE_ABSENT, "a range of an object that is not there was not SLUICE_ENOENT");
        }
    }
    kit__store_end(&l);
}

static void
if_absent(void)
{
    struct kit__life l;
    kit__store_begin(&l);
    if ((l.storage->capabilities & SLUICE_STORE_IF_ABSENT) == 0) {
        kit__skip("it does not declare SLUICE_STORE_IF_ABSENT: no journal can live there");
    }
    for (unsigned i = 0; i < 8; i++) {
        uint32_t flags = SLUICE_PUT_IF_ABSENT | (i % 2 == 0 ? 0 : SLUICE_PUT_SEQUENCE);
        const char *key = kit__key("%u", i);
        kit__must_put(&l, key, body_of(100, i), flags);
        sluice_status status = kit__put(&l, key, body_of(50, i + 100), flags);
        if (status != SLUICE_EEXIST) {
            kit__fail(RULE_ONE_WINNER, "the second put if absent of %s gave %s", key,
                      kit__status_text(status));
        }
        kit__must_hold(&l, key, body_of(100, i), RULE_ONE_WINNER);
        if (kit__del(&l, key) != SLUICE_OK) {
            kit__fail(RULE_DELETE, "del of %s failed", key);
        }
        kit__must_put(&l, key, body_of(60, i), flags); /* absent again */
        kit__must_hold(&l, key, body_of(60, i), RULE_STORED);
    }
    kit__store_end(&l);
}

static sluice_status
put_if_version(struct kit__life *l, const char *key, uint64_t fill, const char *version,
               sluice_put_result *ret)
{
    const sluice_put_opts opts = {
        .size = sizeof(opts), .flags = SLUICE_PUT_IF_VERSION, .version = kit__slice(version)};
    return kit__put_with(l, key, body_of(40, fill), &opts, ret);
}

static void
expect_version_status(const char *what, sluice_status status, sluice_status want)
{
    if (status != want) {
        kit__fail(RULE_IF_VERSION, "%s gave %s, not %s", what, kit__status_text(status),
                  kit__status_text(want));
    }
}

static void
if_version(void)
{
    struct kit__life l;
    sluice_put_result first;
    sluice_put_result second;
    sluice_get_result head;
    kit__store_begin(&l);
    const char *key = kit__key("x");
    if ((l.storage->capabilities & SLUICE_STORE_IF_VERSION) == 0) {
        kit__must_put(&l, key, body_of(40, 1), 0);
        sluice_status status = put_if_version(&l, key, 2, "some-version", &first);
        if (status != SLUICE_ENOTSUP) {
            kit__fail(RULE_OPTIONS, "a put if version, which it does not declare, gave %s",
                      kit__status_text(status));
        }
        kit__must_hold(&l, key, body_of(40, 1), RULE_OPTIONS);
        kit__store_end(&l);
        return;
    }
    const sluice_put_opts plain = {.size = sizeof(plain)};
    expect_version_status("put", kit__put_with(&l, key, body_of(40, 1), &plain, &first), SLUICE_OK);
    expect_version_status("head", kit__head(&l, key, &head), SLUICE_OK);
    if (first.version[0] == '\0' || strcmp(head.version, first.version) != 0) {
        kit__fail(RULE_IF_VERSION, "put gave the version \"%s\", head \"%s\"", first.version,
                  head.version);
    }
    expect_version_status("a put with the right version",
                          put_if_version(&l, key, 2, first.version, &second), SLUICE_OK);
    expect_version_status("a put with an old version",
                          put_if_version(&l, key, 3, first.version, NULL), SLUICE_EEXIST);
    kit__must_hold(&l, key, body_of(40, 2), RULE_IF_VERSION);
    expect_version_status("a put with a version, where nothing is",
                          put_if_version(&l, kit__key("none"), 4, second.version, NULL),
                          SLUICE_EEXIST);
    must_be_absent(&l, kit__key("none"), RULE_IF_VERSION);
    kit__store_end(&l);
}

/* An option struct of a later version, and a flag of one. */
static void
options(void)
{
    struct {
        sluice_put_opts opts;
        uint8_t future[24];
    } big = {.opts = {.size = sizeof(big)}};
    struct kit__life l;
    kit__store_begin(&l);
    sluice_status status = kit__put_with(&l, kit__key("zeros"), body_of(10, 1), &big.opts, NULL);
    if (status != SLUICE_OK) {
        kit__fail(RULE_OPTIONS, "larger options whose new part is zero gave %s",
                  kit__status_text(status));
    }
    big.future[20] = 1;
    status = kit__put_with(&l, kit__key("tail"), body_of(10, 1), &big.opts, NULL);
    if (status != SLUICE_ENOTSUP) {
        kit__fail(RULE_OPTIONS, "options with a later member set gave %s",
                  kit__status_text(status));
    }
    status = kit__put(&l, kit__key("flag"), body_of(10, 1), UINT32_C(1) << 30);
    if (status != SLUICE_ENOTSUP) {
        kit__fail(RULE_OPTIONS, "a flag that does not exist gave %s", kit__status_text(status));
    }
    must_be_absent(&l, kit__key("tail"), RULE_OPTIONS);
    must_be_absent(&l, kit__key("flag"), RULE_OPTIONS);
    kit__store_end(&l);
}

/* The deadline has passed when the call begins: it may still do its work, if it is quick. */
static void
deadline(void)
{
    static const uint8_t body[] = "late";
    struct kit__life l;
    sluice_op *handle;
    const sluice_put_opts opts = {.size = sizeof(opts)};
    const sluice_slice part = {body, sizeof(body)};
    sluice_put_result result = {.size = sizeof(result)};
    kit__store_begin(&l);
    const char *key = kit__key("late");
    struct kit__op *op = kit__op_new("put", kit__slice(key), &handle);
    op->deadline_ns = (uint64_t)kit__now_ns();
    child_enter("put with a deadline that has passed");
    sluice_status status =
        kit__op_end(op, l.storage->put(l.self, kit__slice(key), &part, 1, &opts, &result, handle));
    struct buf *got;
    sluice_status there = kit__get(&l, key, 0, 0, &got);
    buf_unref(&got);
    if (status == SLUICE_OK && there != SLUICE_OK) {
        kit__fail(RULE_STORED, "a put past its deadline gave SLUICE_OK, and get %s",
                  kit__status_text(there));
    }
    if (status != SLUICE_OK && status != SLUICE_EUNKNOWN && there != SLUICE_ENOENT) {
        kit__fail(RULE_OUTCOME, "a put past its deadline gave %s, and then get %s",
                  kit__status_text(status), kit__status_text(there));
    }
    kit__store_end(&l);
}

/* One of the five calls, with so many milliseconds until its deadline; whether it ends in time is
 * watched by the waiting. Gives its status. */
static sluice_status
call_with_time(struct kit__life *l, unsigned kind, const char *key, int64_t ms)
{
    static const char *const names[] = {"put", "get", "head", "del"};
    static const uint8_t body[] = "in time";
    static const sluice_slice part = {body, sizeof(body)};
    const sluice_put_opts opts = {.size = sizeof(opts)};
    sluice_put_result put = {.size = sizeof(put)};
    sluice_get_result got = {.size = sizeof(got)};
    sluice_op *handle;
    struct kit__op *op = kit__op_new(names[kind], kit__slice(key), &handle);
    op->deadline_ns = (uint64_t)(kit__now_ns() + ms * 1000000);
    child_enter(names[kind]);
    sluice_status status = SLUICE_OK;
    if (kind == 0) {
        status = l->storage->put(l->self, kit__slice(key), &part, 1, &opts, &put, handle);
    } else if (kind == 1) {
        status = l->storage->get(l->self, kit__slice(key), 0, 0, &got, handle);
    } else if (kind == 2) {
        status = l->storage->head(l->self, kit__slice(key), &got, handle);
    } else {
        status = l->storage->del(l->self, kit__slice(key), handle);
    }
    bool is_inline = status != SLUICE_PENDING;
    status = kit__op_end(op, status);
    sluice_buf *bytes = is_inline ? got.body : op->got.body;
    if (kind == 1 && status == SLUICE_OK && bytes != NULL) {
        bytes->release(bytes);
    }
    return status;
}

/* Little time, and none: each call ends by its deadline, and a put still says what is true. */
static void
short_deadlines(void)
{
    enum { ROUNDS = 24 };
    struct kit__life l;
    struct buf *got;
    kit__store_begin(&l);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const char *key = kit__key("%u", i);
        int64_t ms = i % 3 == 0 ? 0 : (int64_t)kit__below(40);
        sluice_status put = call_with_time(&l, 0, key, ms);
        sluice_status there = kit__get(&l, key, 0, 0, &got);
        buf_unref(&got);
        if (put == SLUICE_OK && there != SLUICE_OK) {
            kit__fail(RULE_STORED, "a put with %lld ms gave SLUICE_OK, and get %s", (long long)ms,
                      kit__status_text(there));
        }
        if (put != SLUICE_OK && put != SLUICE_EUNKNOWN && there != SLUICE_ENOENT) {
            kit__fail(RULE_OUTCOME, "a put with %lld ms gave %s, and then get %s", (long long)ms,
                      kit__status_text(put), kit__status_text(there));
        }
        for (unsigned kind = 1; kind < 4; kind++) {
            (void)call_with_time(&l, kind, key, ms);
        }
    }
    kit__store_end(&l);
}

/* Key and body lie in memory that cannot be written, and that is gone when the call has ended. */
static void
borrowed(void)
{
    enum { PUTS = 20, LEN = 3000 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct kit__life l;
    kit__store_begin(&l);
    for (unsigned i = 0; i < PUTS; i++) {
        uint8_t *at =
            (uint8_t *)mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
            kit__skip("no memory for a page");
        }
        memcpy(at, body_of(LEN, i).ptr, LEN);
        (void)snprintf((char *)at + LEN, page - LEN, "%s", kit__key("%u", i));
        (void)mprotect(at, page, PROT_READ);
        kit__must_put(&l, (char *)at + LEN, span_of(at, LEN), 0);
        (void)mprotect(at, page, PROT_NONE); /* stays so: whoever looks again crashes */
    }
    kit.context = ", when what an earlier put had borrowed was gone (it kept borrowed memory?)";
    for (unsigned i = 0; i < PUTS; i++) {
        kit__must_hold(&l, kit__key("%u", i), body_of(LEN, i), RULE_BORROWED);
    }
    kit__store_end(&l);
}

/* The host has no buffer to give: calls fail and change nothing, or do without. */
static void
no_memory(void)
{
    struct kit__life l;
    struct buf *got;
    kit__store_begin(&l);
    const char *old = kit__key("old");
    const char *key = kit__key("new");
    kit__must_put(&l, old, body_of(5000, 1), 0);
    kit.context = ", when buf_new had given NULL";
    kit__buffers_refuse(true);
    sluice_status get = kit__get(&l, old, 10, 100, &got);
    sluice_status put = kit__put(&l, key, body_of(5000, 2), 0);
    kit__buffers_refuse(false);
    kit.context = NULL;
    if (get == SLUICE_ENOENT) {
        kit__fail(RULE_STATUS, "get found no memory, and gave SLUICE_ENOENT for what is there");
    }
    buf_unref(&got);
    if (put == SLUICE_OK) {
        kit__must_hold(&l, key, body_of(5000, 2), RULE_STORED);
    } else if (put != SLUICE_EUNKNOWN) {
        must_be_absent(&l, key, RULE_OUTCOME);
    }
    kit__must_hold(&l, old, body_of(5000, 1), RULE_STORED);
    kit__store_end(&l);
}

/* More than an ordinary journal entry. */
static void
large(void)
{
    enum { LARGE = 9 << 20, NEAR_END = LARGE - 1000 };
    struct kit__life l;
    struct buf *got;
    uint8_t *bytes = (uint8_t *)sl_alloc(LARGE);
    kit__store_begin(&l);
    const char *key = kit__key("large");
    if (l.storage->max_object_size != 0 && l.storage->max_object_size < LARGE) {
        kit__skip("its objects are smaller");
    }
    kit__fill(bytes, LARGE, 5);
    kit__must_put(&l, key, span_of(bytes, LARGE), SLUICE_PUT_IF_ABSENT | SLUICE_PUT_SEQUENCE);
    kit__must_hold(&l, key, span_of(bytes, LARGE), RULE_STORED);
    if (kit__get(&l, key, NEAR_END, 5000, &got) != SLUICE_OK ||
        !span_eq(buf_span(got), span_of(bytes + NEAR_END, LARGE - NEAR_END))) {
        kit__fail(RULE_RANGE, "the end of an object of %d bytes is wrong", LARGE);
    }
    buf_unref(&got);
    sl_free(bytes);
    kit__store_end(&l);
}

/* ---- kill -9 ---- */

enum { KILL_PUTS = 400, KILL_LEN = 9000 };

static size_t
kill_len(unsigned i)
{
    return (size_t)(i * 37) % KILL_LEN;
}

/* Puts and says so, until it is killed. */
static void
put_until_killed(int fd)
{
    struct kit__life l;
    kit__store_begin(&l);
    for (unsigned i = 0; i < KILL_PUTS; i++) {
        uint32_t flags = SLUICE_PUT_IF_ABSENT | (i % 4 == 0 ? 0 : SLUICE_PUT_SEQUENCE);
        kit__must_put(&l, kit__key("%05u", i), body_of(kill_len(i), i), flags);
        ssize_t n = write(fd, "", 1);
        (void)n;
    }
    (void)pause();
}

/* Gives how many puts were acknowledged before the process died. */
static unsigned
run_and_kill(void)
{
    int fds[2];
    unsigned acked = 0;
    unsigned enough = 10 + (unsigned)kit__below(150);
    char byte;
    int status = 0;
    if (pipe(fds) != 0) {
        kit__skip("no pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        put_until_killed(fds[1]);
        _exit(0);
    }
    (void)close(fds[1]);
    while (acked < enough && read(fds[0], &byte, 1) == 1) {
        acked++;
    }
    (void)kill(pid, SIGKILL);
    while (read(fds[0], &byte, 1) == 1) {
        acked++;
    }
    (void)close(fds[0]);
    (void)waitpid(pid, &status, 0);
    if (WIFEXITED(status)) {
        _exit(WEXITSTATUS(status)); /* it told what was wrong */
    }
    if (acked < enough) {
        kit__fail(RULE_ALIVE, "it died in the middle of puts, before it was killed");
    }
    return acked;
}

static void
kill_9(void)
{
    struct kit__life l;
    unsigned acked = run_and_kill();
    kit__store_begin(&l);
    for (unsigned i = 0; i < acked; i++) {
        kit__must_hold(&l, kit__key("%05u", i), body_of(kill_len(i), i), RULE_DURABLE);
    }
    kit__store_end(&l);
}

const struct kit__test kit__storage_tests[] = {
    {"storage/table", KIT_STORAGE, table},
    {"storage/basic", KIT_STORAGE, basic},
    {"storage/ranges", KIT_STORAGE, ranges},
    {"storage/if_absent", KIT_STORAGE, if_absent},
    {"storage/if_version", KIT_STORAGE, if_version},
    {"storage/options", KIT_STORAGE, options},
    {"storage/deadline", KIT_STORAGE, deadline},
    {"storage/short_deadlines", KIT_STORAGE, short_deadlines},
    {"storage/borrowed", KIT_STORAGE, borrowed},
    {"storage/no_memory", KIT_STORAGE, no_memory},
    {"storage/large", KIT_STORAGE, large},
    {"storage/kill_9", KIT_STORAGE | KIT_PERSISTENT, kill_9},
    {0},
};
