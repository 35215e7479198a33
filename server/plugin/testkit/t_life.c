/* SPDX-License-Identifier: Apache-2.0
 *
 * Part Lifecycle: every legal prefix, again and again, and nothing left behind. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

enum { RESTARTS = 100, RESTARTS_MS = 8000, IN_FLIGHT = 1000, INLINE_ENOUGH = 64 };

struct balance {
    size_t fds, threads;
};

static struct balance
balance_now(void)
{
    return (struct balance){kit__fd_count(), kit__thread_count()};
}

static void
balance_check(struct balance before, const char *what)
{
    size_t threads = kit__thread_count_at_rest(before.threads);
    size_t fds = kit__fd_count();
    if (threads > before.threads) {
        kit__fail(RULE_THREADS, "%zu threads more than before %s", threads - before.threads, what);
    }
    if (fds > before.fds) {
        kit__fail(RULE_FDS, "%zu open files more than before %s", fds - before.fds, what);
    }
    if (kit__buffers_out() != 0) {
        kit__fail(RULE_BUFFERS, "%lld buffers are still referenced after %s",
                  (long long)kit__buffers_out(), what);
    }
}

/* Libraries may keep things from their first use on; after that the count must stand. */
static struct balance
warm_up(void)
{
    struct kit__life l;
    kit__life_begin(&l, KIT_STARTED);
    kit__life_end(&l);
    return balance_now();
}

static void
prefixes(void)
{
    static const char *const names[] = {"create, destroy", "create, configure, destroy",
                                        "create, configure, start, destroy"};
    struct balance before = warm_up();
    for (int until = KIT_CREATED; until <= KIT_STARTED; until++) {
        struct kit__life l;
        kit__life_begin(&l, (enum kit__until)until);
        kit__life_drop(&l);
        balance_check(before, names[until]);
    }
    struct kit__life l;
    kit__life_begin(&l, KIT_STARTED);
    child_enter("quiesce");
    if (kit.plugin.quiesce != NULL && kit.plugin.quiesce(l.self) != SLUICE_OK) {
        kit__fail(RULE_QUIESCE, "quiesce without anything in flight failed");
    }
    kit__life_drop(&l);
    balance_check(before, "create, configure, start, quiesce, destroy");
}

static void
restarts(void)
{
    struct balance before = warm_up();
    int64_t limit_ns = kit__now_ns() + RESTARTS_MS * INT64_C(1000000);
    for (int i = 0; i < RESTARTS && kit__now_ns() < limit_ns; i++) {
        struct kit__life l;
        kit__life_begin(&l, KIT_STARTED);
        kit__life_end(&l);
    }
    balance_check(before, "many restarts");
}

static void
two_instances(void)
{
    struct kit__life a;
    struct kit__life b;
    struct balance before = warm_up();
    kit__life_begin(&a, KIT_STARTED);
    kit__life_begin(&b, KIT_STARTED);
    if (a.self == b.self) {
        kit__fail(RULE_LIFE, "create gave the same instance twice");
    }
    kit__life_end(&a);
    kit__life_end(&b);
    balance_check(before, "two instances");
}

/* Puts that nobody waits for, then quiesce and stop. */
static void
in_flight(void)
{
    static const uint8_t body[] = "in flight";
    static char keys[IN_FLIGHT][128];
    static sluice_put_result results[IN_FLIGHT];
    static struct kit__op *ops[IN_FLIGHT];
    struct kit__life l;
    const sluice_put_opts opts = {.size = sizeof(opts)};
    const sluice_slice part = {body, sizeof(body)};
    kit__store_begin(&l);
    int count = 0;
    bool is_pending = false; /* a plugin that answers at once has nothing in flight */
    for (; count < IN_FLIGHT && (is_pending || count < INLINE_ENOUGH); count++) {
        sluice_op *handle;
        (void)snprintf(keys[count], sizeof(keys[0]), "%s", kit__key("%d", count));
        results[count].size = sizeof(results[0]);
        ops[count] = kit__op_new("put", kit__slice(keys[count]), &handle);
        child_enter("put");
        sluice_status status = l.storage->put(l.self, kit__slice(keys[count]), &part, 1, &opts,
                                              &results[count], handle);
        is_pending = is_pending || status == SLUICE_PENDING;
        kit__op_returned(ops[count], status);
    }
    child_enter("quiesce with puts in flight");
    if (kit.plugin.quiesce != NULL && kit.plugin.quiesce(l.self) != SLUICE_OK) {
        kit__fail(RULE_QUIESCE, "quiesce failed with %d puts in flight", count);
    }
    child_enter("stop");
    if (kit.plugin.stop != NULL) {
        kit.plugin.stop(l.self);
    }
    for (int i = 0; i < count; i++) {
        if (!kit__op_is_done(ops[i])) {
            kit__fail(RULE_QUIESCE, "put %d of %d was not completed when stop returned", i, count);
        }
    }
    kit__life_drop(&l);
    kit__store_begin(&l);
    kit__store_end(&l); /* takes the objects away */
}

const struct kit__test kit__life_tests[] = {
    {"lifecycle/prefixes", 0, prefixes},
    {"lifecycle/restarts", 0, restarts},
    {"lifecycle/two_instances", 0, two_instances},
    {"lifecycle/in_flight", KIT_STORAGE, in_flight},
    {0},
};
