/* SPDX-License-Identifier: Apache-2.0
 *
 * What the roller's bookkeeping says, against the same said by walking over everything. */
#include "../unit.h"
#include "journal/entry.h"
#include "partition/shard_int.h"

enum { PARTS = 40, STEPS = 20000, LOOK = 1000 };

struct fixture {
    struct live live;
    struct part_state states[PARTS];
    struct partition parts[PARTS];
    uint64_t n, rng;
    bool is_parked[PARTS], is_rolling[PARTS];
};

static uint64_t
draw(struct fixture *f, uint64_t below)
{
    f->rng = f->rng * 6364136223846793005u + 1442695040888963407u;
    return (f->rng >> 33) % below;
}

static struct fixture *
fixture_new(void)
{
    struct fixture *f = (struct fixture *)sl_alloc(sizeof(*f));
    live__init(&f->live, LOOK);
    live__restored(&f->live, 0);
    for (int i = 0; i < PARTS; i++) {
        live__part_init(&f->parts[i].live);
        f->parts[i].st = &f->states[i];
    }
    f->rng = 1;
    return f;
}

static void
fixture_free(struct fixture *f)
{
    for (int i = 0; i < PARTS; i++) {
        live__gone(&f->live, &f->parts[i]);
        sl_free(f->states[i].runs);
    }
    assert_int_equal(f->live.bytes, 0);
    assert_int_equal(f->live.runs, 0);
    live__fini(&f->live);
    sl_free(f);
}

static void
append(struct fixture *f, int i)
{
    struct part_state *p = &f->states[i];
    struct run_ref r = {.n = ++f->n, .length = (uint32_t)(1 + draw(f, 500))};
    const struct entry_header h = {
        .n = f->n, .time_ms = (int64_t)f->n * 10, .head_bytes = 100, .data_bytes = r.length};
    live__entry(&f->live, &h, (int64_t)f->n * 10 + 3, false);
    if (p->run_first + p->run_count == p->run_cap) {
        p->run_cap = p->run_cap == 0 ? 4 : p->run_cap * 2;
        p->runs = (struct run_ref *)sl_realloc(p->runs, p->run_cap * sizeof(r));
    }
    p->runs[p->run_first + p->run_count++] = r;
    (void)live__appended(&f->live, &f->parts[i], r.length);
}

static void
drop(struct fixture *f, int i)
{
    size_t gone = draw(f, f->states[i].run_count + 1);
    f->states[i].run_first += gone;
    f->states[i].run_count -= gone;
    live__changed(&f->live, &f->parts[i]);
}

static void
step(struct fixture *f)
{
    int i = (int)draw(f, PARTS);
    switch (draw(f, 12)) {
    case 0:
        drop(f, i);
        break;
    case 1:
        if (!f->is_rolling[i] && !f->is_parked[i]) {
            live__take(&f->live, &f->parts[i]);
            f->is_rolling[i] = true;
        }
        break;
    case 2:
        if (f->is_rolling[i]) {
            f->is_rolling[i] = false;
            f->is_parked[i] = draw(f, 2) == 0;
            live__give_back(&f->live, &f->parts[i], f->is_parked[i] ? 5 : 0);
        }
        break;
    case 3:
        if (draw(f, 20) == 0) {
            live__unpark(&f->live, 5);
            memset(f->is_parked, 0, sizeof(f->is_parked));
        }
        break;
    default:
        append(f, i);
    }
}

static void
assert_right(const struct fixture *f)
{
    uint64_t pinned = UINT64_MAX, oldest = UINT64_MAX, bytes = 0;
    bool is_any_due = false;
    for (int i = 0; i < PARTS; i++) {
        const struct part_state *p = &f->states[i];
        uint64_t n = p->run_count > 0 ? part_run(p, 0)->n : UINT64_MAX;
        bool is_free = !f->is_parked[i] && !f->is_rolling[i];
        uint64_t own = 0;
        for (size_t k = 0; k < p->run_count; k++) {
            own += part_run(p, k)->length;
        }
        pinned = n < pinned ? n : pinned;
        oldest = is_free && n < oldest ? n : oldest;
        is_any_due = is_any_due || (is_free && own >= LOOK);
        bytes += own;
    }
    assert_int_equal(live__first_n(&f->live), pinned);
    const struct partition *first = live__oldest(&f->live);
    assert_int_equal(first == NULL ? UINT64_MAX : first->live.first_n, oldest);
    assert_int_equal(f->live.bytes, bytes);
    const struct partition *due = live__due(&f->live);
    assert_int_equal(due != NULL, is_any_due);
    if (due != NULL) {
        assert_true(due->live.bytes >= LOOK && !due->live.is_rolling);
    }
}

static void
live__any_history__says_what_a_walk_says(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    for (int i = 0; i < STEPS; i++) {
        step(f);
        assert_right(f);
    }
    fixture_free(f);
}

/* However many entries there were: never younger than it is, and within a part of the window. */
static void
live__many_entries__times_and_bytes_are_kept_coarsely(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    for (int i = 0; i < 200000; i++) {
        append(f, 0);
    }
    uint64_t window = f->n;
    for (uint64_t n = 1; n <= f->n; n += 777) {
        int64_t time = live__time_of(&f->live, n);
        assert_true(time <= (int64_t)n * 10);
        assert_true(time >= (int64_t)n * 10 - (int64_t)window * 10 / 100);
        assert_true(live__bytes_from(&f->live, n) >= (window - n + 1) * 101);
    }
    assert_int_equal(live__bytes_from(&f->live, UINT64_MAX), 0);
    fixture_free(f);
}

/* Entries that nothing pins any more leave room: what is pinned lately is known precisely. */
static void
live__rolled_all_the_time__recent_entries_are_known_precisely(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    for (int i = 0; i < 100000; i++) {
        append(f, 0);
        f->live.floor_n = f->n;
        f->states[0].run_first = 0;
        f->states[0].run_count = 0;
        live__changed(&f->live, &f->parts[0]);
    }
    for (int i = 0; i < 100; i++) {
        append(f, 1);
    }
    uint64_t first = live__first_n(&f->live);
    assert_in_range(live__time_of(&f->live, first), first * 10 - 40, first * 10);
    fixture_free(f);
}

static void
live__not_enough__asked_again_when_it_grew(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    while (live__due(&f->live) == NULL) {
        append(f, 0);
    }
    uint64_t before = f->parts[0].live.bytes;
    live__not_yet(&f->live, &f->parts[0]);
    assert_null(live__due(&f->live));
    while (live__due(&f->live) == NULL) {
        append(f, 0);
    }
    assert_true(f->parts[0].live.bytes >= before + LOOK);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live__any_history__says_what_a_walk_says),
        cmocka_unit_test(live__many_entries__times_and_bytes_are_kept_coarsely),
        cmocka_unit_test(live__rolled_all_the_time__recent_entries_are_known_precisely),
        cmocka_unit_test(live__not_enough__asked_again_when_it_grew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
