/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of both protocols that join, leave, crash, fall silent, lose answers and change what they
 * subscribe to; topics that come, grow and go; a store that stalls; brokers that restart, and two
 * of them that both coordinate. Whatever happens: no partition has two owners among those who have
 * a right to believe that they own it, nor ever in S. When it ends, the group settles. */
#include "consumer_mixed.h"

enum { NEWS = 5, OLDS = 2, STEPS = 400, SEEDS = 60, ALARM_MS = 40000 };

static uint64_t dice_state;

static uint32_t
dice(uint32_t n)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice_state >> 33) % n;
}

static struct {
    struct peer news[NEWS];
    struct beating *beats[NEWS]; /* on their way */
    bool is_there[NEWS];
    int64_t sent_ns[NEWS], heard_ns[NEWS]; /* what was sent when was answered */
    struct old_peer olds[OLDS];
    struct old_joining *joins[OLDS];
    struct syncing *syncs[OLDS];
    int64_t old_sent_ns[OLDS], old_heard_ns[OLDS];
    int ids;
    bool has_two_brokers, is_calm;
    /* how often what happened */
    int granted, fenced, lost, moved, stalled, restarted, failed_over;
} c;

/* Who has not been answered for nearly its session may have been lost, and cannot know. Nobody is
 * lost here because it took too long to give something up: that it could not know at all. */
static bool
has_right(int64_t heard_ns, int64_t session_ms)
{
    return w.loop.now_ns - heard_ns < session_ms * SCHED_MS;
}

/* With two brokers, either may lose a member that only the other hears: a right it has within its
 * epoch only, which is what its commits are judged by. */
static bool
is_excluded(uint32_t a, int32_t epoch_a, uint32_t b, int32_t epoch_b)
{
    return (a & b) == 0 || (c.has_two_brokers && epoch_a != epoch_b);
}

/* Who believes what, for whoever has to find out why. */
static void
dump(void)
{
    for (size_t i = 0; i < NEWS; i++) {
        print_message("%s there=%d epoch=%d owned=%x/%x/%x broker=%zu heard=%d\n", c.news[i].id,
                      c.is_there[i], c.news[i].epoch, c.news[i].owned[0], c.news[i].owned[1],
                      c.news[i].owned[2], c.news[i].broker,
                      (int)((w.loop.now_ns - c.heard_ns[i]) / SCHED_MS));
    }
    for (size_t i = 0; i < OLDS; i++) {
        print_message("%s generation=%d owned=%x broker=%zu heard=%d has_to_join=%d\n",
                      c.olds[i].id, c.olds[i].generation, c.olds[i].owned, c.olds[i].broker,
                      (int)((w.loop.now_ns - c.old_heard_ns[i]) / SCHED_MS), c.olds[i].has_to_join);
    }
}

struct claim {
    uint32_t parts;
    int32_t epoch;
};

static void
check_claims(const struct claim *claims, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!is_excluded(claims[i].parts, claims[i].epoch, claims[k].parts, claims[k].epoch)) {
                dump();
                fail_msg("a partition has two owners");
            }
        }
    }
}

static void
check_owners(void)
{
    for (size_t t = 0; t < TOPICS_MAX; t++) {
        struct claim claims[NEWS + OLDS];
        size_t count = 0;
        for (size_t i = 0; i < NEWS; i++) {
            if (c.is_there[i] && has_right(c.heard_ns[i], ALARM_MS) &&
                uuid_eq(&c.news[i].ids[t], &topics[t].id)) {
                claims[count++] = (struct claim){c.news[i].owned[t], c.news[i].epoch};
            }
        }
        for (size_t i = 0; t == 0 && i < OLDS; i++) {
            if (has_right(c.old_heard_ns[i], SESSION_MS - 1000)) {
                claims[count++] = (struct claim){c.olds[i].owned, c.olds[i].owned_generation};
            }
        }
        check_claims(claims, count);
    }
}

/* --- members of the consumer protocol --- */

static void
new_begin(size_t i)
{
    char id[16];
    snprintf(id, sizeof(id), "n%d", c.ids++);
    c.news[i] = peer_new(id);
    c.news[i].broker = c.has_two_brokers ? dice(2) : 0;
    c.is_there[i] = true;
    c.heard_ns[i] = w.loop.now_ns;
    switch (dice(4)) {
    case 0:
        c.news[i].subscription[1] = "u";
        break;
    case 1:
        c.news[i].subscription[0] = NULL;
        c.news[i].regex = "t|u|v";
        break;
    default:
        break;
    }
}

static void
new_take(size_t i, bool is_lost)
{
    struct beating *b = c.beats[i];
    struct peer *p = &c.news[i];
    c.beats[i] = NULL;
    if (!c.is_there[i] || is_lost) {
        c.lost += is_lost;
        p->has_to_say_all = true;
        group_call_fini(&b->h.call);
        return;
    }
    int before = owned_count(p);
    int16_t error = beat_take(p, b);
    if (error == KAFKA_NONE) {
        c.heard_ns[i] = c.sent_ns[i];
        c.granted += owned_count(p) > before;
    } else if (p->has_to_join) {
        c.fenced++;
    } else if (c.has_two_brokers) {
        p->broker = dice(2);
        c.failed_over++;
    }
}

static void
new_step(size_t i)
{
    struct peer *p = &c.news[i];
    if (c.beats[i] != NULL) {
        if (c.beats[i]->is_done) {
            new_take(i, dice(20) == 0);
        }
        return;
    }
    if (!c.is_there[i]) {
        if (dice(10) == 0) {
            new_begin(i);
        }
        return;
    }
    switch (dice(60)) {
    case 0: /* crashes */
        c.is_there[i] = false;
        return;
    case 1: /* leaves */
        c.is_there[i] = false;
        if (!w.brokers[p->broker].store.is_stalled) {
            (void)say_epoch(p, CONSUMER_LEAVE);
        }
        return;
    case 2:
        p->subscription[0] = dice(2) == 0 ? "u" : "t";
        p->subscription[1] = NULL;
        p->has_to_say_all = true;
        break;
    default:
        break;
    }
    if (dice(3) > 0) {
        c.sent_ns[i] = w.loop.now_ns;
        c.beats[i] = beat_send(p);
    }
}

/* --- members of the classic protocol --- */

static void
old_step(size_t i)
{
    struct old_peer *p = &c.olds[i];
    if (c.joins[i] != NULL) {
        if (!c.joins[i]->is_done) {
            return;
        }
        struct old_joining *j = c.joins[i];
        c.joins[i] = NULL;
        if (old_join_take(p, j)) {
            c.old_heard_ns[i] = c.old_sent_ns[i];
            c.old_sent_ns[i] = w.loop.now_ns;
            c.syncs[i] = old_sync_after(p, j);
        } else {
            p->broker = c.has_two_brokers ? dice(2) : 0;
            group_call_fini(&j->j.call);
        }
        return;
    }
    if (c.syncs[i] != NULL) {
        if (c.syncs[i]->is_done) {
            uint32_t before = p->owned;
            struct syncing *s = c.syncs[i];
            c.syncs[i] = NULL;
            if (old_sync_take(p, s) == KAFKA_NONE) {
                c.old_heard_ns[i] = c.old_sent_ns[i];
                c.moved += p->owned != before;
            }
        }
        return;
    }
    if (p->has_to_join) {
        c.old_sent_ns[i] = w.loop.now_ns;
        c.joins[i] = old_join_send(p);
    } else if (!c.is_calm && dice(100) == 0) {
        old_forget(p); /* crashes, and another one starts */
    } else if (!w.brokers[p->broker].store.is_stalled && old_heartbeat(p) == KAFKA_NONE) {
        c.old_heard_ns[i] = w.loop.now_ns;
    }
}

/* --- S --- */

static void
note_parts(const struct group_part_list *l, uint32_t *all)
{
    for (uint32_t i = 0; i < l->count; i++) {
        for (size_t t = 0; t < TOPICS_MAX; t++) {
            for (uint32_t k = 0;
                 uuid_eq(&l->topics[i].topic_id, &topics[t].id) && k < l->topics[i].count; k++) {
                uint32_t bit = 1u << l->topics[i].indexes[k];
                assert_int_equal(all[t] & bit, 0);
                all[t] |= bit;
            }
        }
    }
}

static void
check_facts(size_t broker)
{
    const struct group_state *gs = group__facts(w.brokers[broker].table, span_cstr("g"));
    uint32_t all[TOPICS_MAX] = {0};
    for (uint32_t i = 0;
         gs != NULL && gs->facts->type == GROUP_CONSUMER && i < gs->facts->member_count; i++) {
        note_parts(&gs->facts->consumer[i].assigned, all);
        note_parts(&gs->facts->consumer[i].revoking, all);
    }
}

/* --- the world --- */

static bool
is_anybody_asking(void)
{
    for (size_t i = 0; i < NEWS; i++) {
        if (c.beats[i] != NULL && !c.beats[i]->is_done) {
            return true;
        }
    }
    for (size_t i = 0; i < OLDS; i++) {
        if ((c.joins[i] != NULL && !c.joins[i]->is_done) ||
            (c.syncs[i] != NULL && !c.syncs[i]->is_done)) {
            return true;
        }
    }
    return false;
}

static void
world_event(void)
{
    struct world_broker *b = &w.brokers[c.has_two_brokers ? dice(2) : 0];
    switch (dice(60)) {
    case 0:
        topic_set(0, "t", topics[0].partitions + (topics[0].partitions < 9 ? 1 : 0));
        break;
    case 1:
        topic_set(1, "u", topics[1].name == NULL ? 3 : 0);
        break;
    case 2:
        topic_set(2, "v", topics[2].name == NULL ? 2 : 0);
        break;
    case 3:
    case 4:
        if (!b->store.is_stalled) {
            stall(b);
            c.stalled++;
        }
        break;
    case 5:
        if (!is_anybody_asking()) {
            unstall(b);
            broker_stop((size_t)(b - w.brokers));
            broker_start((size_t)(b - w.brokers));
            c.restarted++;
        }
        break;
    default:
        if (b->store.is_stalled && dice(8) == 0) {
            unstall(b);
        }
    }
}

static void
heal(void)
{
    unstall(&w.brokers[0]);
    if (c.has_two_brokers) {
        unstall(&w.brokers[1]);
    }
    for (size_t i = 0; i < NEWS; i++) {
        c.news[i].broker = 0;
    }
    for (size_t i = 0; i < OLDS; i++) {
        c.olds[i].broker = 0;
    }
}

/* Everybody who is there is heard every second. */
static void
calm_step(void)
{
    for (size_t i = 0; i < NEWS; i++) {
        if (c.beats[i] != NULL && c.beats[i]->is_done) {
            new_take(i, false);
        }
        if (c.beats[i] == NULL && c.is_there[i]) {
            c.news[i].broker = 0;
            c.sent_ns[i] = w.loop.now_ns;
            c.beats[i] = beat_send(&c.news[i]);
        }
    }
    for (size_t i = 0; i < OLDS; i++) {
        c.olds[i].broker = 0;
        old_step(i);
    }
    run_ms(1000);
    check_owners();
}

static void
check_settled(void)
{
    uint32_t all[TOPICS_MAX] = {0}, wanted[TOPICS_MAX] = {0};
    for (size_t i = 0; i < NEWS; i++) {
        for (size_t t = 0; c.is_there[i] && t < TOPICS_MAX; t++) {
            all[t] |= c.news[i].owned[t];
            const struct peer *p = &c.news[i];
            bool wants = p->regex != NULL && t < 3;
            for (size_t k = 0; topics[t].name != NULL && p->subscription[k] != NULL; k++) {
                wants = wants || strcmp(p->subscription[k], topics[t].name) == 0;
            }
            wanted[t] |= wants && topics[t].name != NULL ? (1u << topics[t].partitions) - 1 : 0;
        }
    }
    for (size_t i = 0; i < OLDS; i++) {
        all[0] |= c.olds[i].owned;
    }
    wanted[0] = (1u << topics[0].partitions) - 1; /* the classic ones are always there */
    if (memcmp(all, wanted, sizeof(all)) != 0) {
        dump();
        fail_msg("it did not settle");
    }
}

static void
finish_calls(void)
{
    for (size_t i = 0; i < NEWS; i++) {
        if (c.beats[i] != NULL) {
            assert_true(c.beats[i]->is_done);
            group_call_fini(&c.beats[i]->h.call);
        }
    }
    for (size_t i = 0; i < OLDS; i++) {
        if (c.joins[i] != NULL) {
            assert_true(c.joins[i]->is_done);
            group_call_fini(&c.joins[i]->j.call);
        }
        if (c.syncs[i] != NULL) {
            assert_true(c.syncs[i]->is_done);
            group_call_fini(&c.syncs[i]->s.call);
        }
    }
}

static void
one_run(uint64_t seed, bool has_two_brokers)
{
    (void)consumer_setup(NULL);
    int granted = c.granted, fenced = c.fenced, lost = c.lost, moved = c.moved;
    int stalled = c.stalled, restarted = c.restarted, failed_over = c.failed_over;
    memset(&c, 0, sizeof(c));
    c.granted = granted;
    c.fenced = fenced;
    c.lost = lost;
    c.moved = moved;
    c.stalled = stalled;
    c.restarted = restarted;
    c.failed_over = failed_over;
    c.has_two_brokers = has_two_brokers;
    dice_state = seed;
    if (has_two_brokers) {
        broker_start(1);
    }
    for (size_t i = 0; i < OLDS; i++) {
        c.olds[i] = old_new();
    }
    for (int s = 0; s < STEPS; s++) {
        world_event();
        new_step(dice(NEWS));
        old_step(dice(OLDS));
        run_ms(dice(1500));
        check_owners();
        check_facts(has_two_brokers ? dice(2) : 0);
    }
    c.is_calm = true;
    heal();
    for (int s = 0; s < 150; s++) {
        calm_step();
    }
    check_settled();
    settle();
    finish_calls();
    (void)world_teardown(NULL);
}

static void
chaos__one_broker__no_partition_has_two_owners_and_all_settles(void **unused)
{
    (void)unused;
    memset(&c, 0, sizeof(c));
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("seed %d\n", (int)seed);
        one_run(seed, false);
    }
    /* else this test would look at nothing */
    assert_true(c.granted > SEEDS && c.lost > SEEDS && c.stalled > SEEDS / 2);
    assert_true(c.restarted > 0 && c.moved > SEEDS && c.fenced > 0);
}

static void
chaos__two_brokers_that_both_coordinate__the_same(void **unused)
{
    (void)unused;
    memset(&c, 0, sizeof(c));
    for (uint64_t seed = 1001; seed <= 1000 + SEEDS; seed++) {
        print_message("seed %d\n", (int)seed);
        one_run(seed, true);
    }
    assert_true(c.granted > SEEDS && c.failed_over > SEEDS);
}

int
main(void)
{
    peer_rebalance_ms = old_rebalance_ms = 3600000;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chaos__one_broker__no_partition_has_two_owners_and_all_settles),
        cmocka_unit_test(chaos__two_brokers_that_both_coordinate__the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
