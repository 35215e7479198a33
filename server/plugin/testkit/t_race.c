/* SPDX-License-Identifier: Apache-2.0
 *
 * Part Storage: many callers. A round is one key that every thread wants; a barrier lets them go
 * at once. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

#include <stdatomic.h>

enum { RACERS = 16, ROUNDS = 40, ROUNDS_MS = 8000, RACE_BODY = 200 };

static struct race {
    struct kit__life l;
    pthread_barrier_t start, end;
    bool is_version; /* else if absent */
    char key[160];
    char version[64];
    uint32_t flags;
    sluice_status answers[RACERS];
    _Atomic bool is_over;
} race;

static void
attempt(size_t who)
{
    uint8_t body[RACE_BODY];
    kit__fill(body, sizeof(body), who);
    const sluice_put_opts opts = {.size = sizeof(opts),
                                  .flags = race.flags,
                                  .version = race.is_version ? kit__slice(race.version)
                                                             : (sluice_slice){NULL, 0}};
    race.answers[who] = kit__put_with(&race.l, race.key, span_of(body, sizeof(body)), &opts, NULL);
}

static void *
racer(void *arg)
{
    size_t who = (size_t)(uintptr_t)arg;
    for (;;) {
        (void)pthread_barrier_wait(&race.start);
        if (race.is_over) {
            return NULL;
        }
        attempt(who);
        (void)pthread_barrier_wait(&race.end);
    }
}

static void
judge(enum kit__rule rule)
{
    size_t winner = RACERS;
    size_t wins = 0;
    bool is_unsure = false;
    for (size_t i = 0; i < RACERS; i++) {
        sluice_status s = race.answers[i];
        if (s == SLUICE_OK) {
            winner = i;
            wins++;
        } else if (s == SLUICE_EUNKNOWN || s == SLUICE_EAGAIN) {
            is_unsure = true; /* allowed, and says nothing */
        } else if (s != SLUICE_EEXIST) {
            kit__fail(RULE_OUTCOME, "one of %d racing puts of %s gave %s", RACERS, race.key,
                      kit__status_text(s));
        }
    }
    if (wins > 1 || (wins == 0 && !is_unsure)) {
        kit__fail(rule, "%zu of %d racing puts of %s won", wins, RACERS, race.key);
    }
    if (wins == 1) {
        uint8_t body[RACE_BODY];
        kit__fill(body, sizeof(body), winner);
        kit__must_hold(&race.l, race.key, span_of(body, sizeof(body)), rule);
    }
}

static void
round_run(enum kit__rule rule)
{
    (void)pthread_barrier_wait(&race.start);
    (void)pthread_barrier_wait(&race.end);
    judge(rule);
    if (kit__del(&race.l, race.key) != SLUICE_OK) {
        kit__fail(RULE_DELETE, "del of %s failed", race.key);
    }
}

static void
round_prepare(int round)
{
    static const uint8_t first[] = "first";
    const sluice_put_opts plain = {.size = sizeof(plain)};
    sluice_put_result result;
    (void)snprintf(race.key, sizeof(race.key), "%s", kit__key("%d", round));
    if (!race.is_version) {
        race.flags = SLUICE_PUT_IF_ABSENT | (round % 2 == 0 ? SLUICE_PUT_SEQUENCE : 0);
        return;
    }
    race.flags = SLUICE_PUT_IF_VERSION;
    if (kit__put_with(&race.l, race.key, span_of(first, sizeof(first)), &plain, &result) !=
        SLUICE_OK) {
        kit__fail(RULE_STORED, "put of %s failed", race.key);
    }
    (void)snprintf(race.version, sizeof(race.version), "%s", result.version);
}

static void
races_run(enum kit__rule rule)
{
    pthread_t threads[RACERS];
    (void)pthread_barrier_init(&race.start, NULL, RACERS + 1);
    (void)pthread_barrier_init(&race.end, NULL, RACERS + 1);
    for (size_t i = 0; i < RACERS; i++) {
        if (pthread_create(&threads[i], NULL, racer, (void *)(uintptr_t)i) != 0) {
            kit__skip("threads could not be started");
        }
    }
    int64_t limit_ns = kit__now_ns() + ROUNDS_MS * INT64_C(1000000);
    for (int round = 0; round < ROUNDS && kit__now_ns() < limit_ns; round++) {
        round_prepare(round);
        round_run(rule);
    }
    race.is_over = true;
    (void)pthread_barrier_wait(&race.start);
    for (size_t i = 0; i < RACERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    kit__store_end(&race.l);
}

static void
if_absent_race(void)
{
    kit__store_begin(&race.l);
    if ((race.l.storage->capabilities & SLUICE_STORE_IF_ABSENT) == 0) {
        kit__skip("it does not declare SLUICE_STORE_IF_ABSENT");
    }
    races_run(RULE_ONE_WINNER);
}

static void
if_version_race(void)
{
    kit__store_begin(&race.l);
    if ((race.l.storage->capabilities & SLUICE_STORE_IF_VERSION) == 0) {
        kit__skip("it does not declare SLUICE_STORE_IF_VERSION");
    }
    race.is_version = true;
    races_run(RULE_IF_VERSION);
}

const struct kit__test kit__race_tests[] = {
    {"storage/race", KIT_STORAGE, if_absent_race},
    {"storage/version_race", KIT_STORAGE, if_version_race},
    {0},
};
