/* SPDX-License-Identifier: Apache-2.0
 *
 * Which entries behind a hole are valid. */
#include "../unit.h"
#include "base/buf.h"
#include "repair/chain.h"

enum { MAX = 32 };
static struct chain_entry entries[MAX];

static struct uuid
id_of(int tag)
{
    struct uuid id = {{0}};
    id.b[0] = 0xC0;
    id.b[14] = (uint8_t)(tag >> 8);
    id.b[15] = (uint8_t)tag;
    return id;
}

/* Entry n of a chain: its id is n, it links to n - 1, and its writer knew n - 1. */
static struct chain
chain_of(size_t count)
{
    assert_true(count <= MAX);
    for (size_t i = 0; i < count; i++) {
        int n = (int)i + 1;
        entries[i] = (struct chain_entry){
            .kind = CHAIN_SOUND, .id = id_of(n), .prev_id = id_of(n - 1), .acked_through = i};
    }
    return (struct chain){.first = 1, .entries = entries, .count = count, .base_id = id_of(0)};
}

/* Is a sound entry lost, because nothing says that it was valid? */
static bool
is_unproven(const struct chain *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->entries[i].kind == CHAIN_SOUND && c->entries[i].verdict == CHAIN_LOST) {
            return true;
        }
    }
    return false;
}

static void
lose(int n, enum chain_kind kind)
{
    entries[n - 1] = (struct chain_entry){.kind = kind};
}

/* What a loser of number n - 1 sent ahead: it hangs on its own entry, which nobody has. */
static void
put_loser(int n, int own, uint64_t acked_through)
{
    entries[n - 1] = (struct chain_entry){.kind = CHAIN_SOUND,
                                          .id = id_of(own),
                                          .prev_id = id_of(own - 1),
                                          .acked_through = acked_through};
}

static void
expect_verdicts(struct chain *c, const char *wanted)
{
    static const char letters[] = {
        [CHAIN_VOID] = 'o', [CHAIN_VALID] = 'V', [CHAIN_LOST] = 'x', [CHAIN_BEYOND] = '-'};
    char got[MAX + 1] = {0};
    chain_judge(c);
    for (size_t i = 0; i < c->count; i++) {
        got[i] = letters[c->entries[i].verdict];
    }
    buf_pool_trim();
    assert_string_equal(got, wanted);
}

static void
judge__nothing_lost__all_are_valid(void **state)
{
    (void)state;
    struct chain c = chain_of(6);
    expect_verdicts(&c, "VVVVVV");
    assert_int_equal(c.lost, 0);
}

static void
judge__one_missing__what_follows_is_valid(void **state)
{
    (void)state;
    struct chain c = chain_of(6);
    lose(3, CHAIN_MISSING);
    expect_verdicts(&c, "VVxVVV");
    assert_int_equal(c.lost, 1);
    assert_false(is_unproven(&c));
}

static void
judge__first_and_last_damaged__both_are_lost(void **state)
{
    (void)state;
    struct chain c = chain_of(5);
    lose(1, CHAIN_DAMAGED);
    lose(5, CHAIN_DAMAGED);
    expect_verdicts(&c, "xVVVx");
}

static void
judge__last_missing__nothing_tells_it_from_the_tail(void **state)
{
    (void)state;
    struct chain c = chain_of(5);
    lose(5, CHAIN_MISSING);
    expect_verdicts(&c, "VVVV-");
    c.acked_through = 5; /* but for a manifest */
    expect_verdicts(&c, "VVVVx");
}

static void
judge__neighbours_lost__one_hole(void **state)
{
    (void)state;
    struct chain c = chain_of(8);
    lose(3, CHAIN_MISSING);
    lose(4, CHAIN_DAMAGED);
    lose(6, CHAIN_MISSING);
    expect_verdicts(&c, "VVxxVxVV");
    assert_int_equal(c.lost, 3);
}

/* The loser's entry comes first behind the hole, and nobody vouches for what it hangs on. */
static void
judge__loser_behind_the_hole__is_void(void **state)
{
    (void)state;
    struct chain c = chain_of(8);
    lose(3, CHAIN_MISSING);
    put_loser(4, 100, 2);
    entries[4].prev_id = id_of(3); /* 5 hangs on the lost one */
    expect_verdicts(&c, "VVxoVVVV");
    assert_false(is_unproven(&c));
}

/* Longer than the right branch within its stretch, but only the right one goes on. */
static void
judge__longer_branch_of_a_loser__evidence_counts_more(void **state)
{
    (void)state;
    struct chain c = chain_of(10);
    lose(3, CHAIN_MISSING);
    put_loser(4, 100, 2);
    put_loser(5, 101, 2);
    put_loser(6, 102, 2);
    entries[6].prev_id = id_of(3); /* 7: the right one */
    lose(8, CHAIN_MISSING);
    expect_verdicts(&c, "VVxoooVxVV");
}

static void
judge__two_branches_without_evidence__none_is_taken(void **state)
{
    (void)state;
    struct chain c = chain_of(6);
    lose(3, CHAIN_DAMAGED);
    put_loser(4, 100, 2);
    entries[4].prev_id = id_of(3);
    entries[4].acked_through = 2;
    entries[5].acked_through = 2;
    expect_verdicts(&c, "VVxxxx");
    assert_true(is_unproven(&c));
}

/* A writer that saw the hole lost the race for 5, and sent 6 and 7 behind its own. */
static void
judge__loser_that_saw_the_hole__proves_nothing(void **state)
{
    (void)state;
    struct chain c = chain_of(7);
    lose(3, CHAIN_DAMAGED);
    lose(4, CHAIN_MISSING);
    entries[4].acked_through = 2;
    put_loser(6, 100, 4);
    put_loser(7, 101, 4);
    expect_verdicts(&c, "VVxxxxx");
    assert_true(is_unproven(&c));
    entries[4].acked_through = 4; /* 5 vouches for what it hangs on */
    expect_verdicts(&c, "VVxxVoo");
    assert_false(is_unproven(&c));
}

/* It hangs on nothing that anybody has. */
static void
judge__knock_behind_the_hole__is_no_branch(void **state)
{
    (void)state;
    struct chain c = chain_of(5);
    lose(3, CHAIN_DAMAGED);
    put_loser(5, 100, 3);
    entries[4].is_empty = true;
    expect_verdicts(&c, "VVxVo");
}

/* The one behind the hole links to the one before it. */
static void
judge__void_entry_missing__nothing_is_lost(void **state)
{
    (void)state;
    struct chain c = chain_of(6);
    lose(3, CHAIN_MISSING);
    entries[3].prev_id = id_of(2);
    expect_verdicts(&c, "VVoVVV");
    assert_int_equal(c.lost, 0);
}

static void
judge__entry_on_one_that_was_passed__is_void(void **state)
{
    (void)state;
    struct chain c = chain_of(6);
    lose(3, CHAIN_MISSING);
    put_loser(4, 100, 1);
    entries[3].prev_id = id_of(1); /* known, and not the last before the hole */
    entries[4].prev_id = id_of(3);
    expect_verdicts(&c, "VVxoVV");
}

/* A writer that was asleep made number 3 again: it links rightly, and nothing links to it. */
static void
judge__ghost_in_the_chain__is_taken_for_damaged(void **state)
{
    (void)state;
    struct chain c = chain_of(8);
    entries[2].id = id_of(200);
    expect_verdicts(&c, "VVxVVVVV");
    assert_int_equal(entries[2].kind, CHAIN_DAMAGED);
}

static void
judge__nothing_at_all__is_fine(void **state)
{
    (void)state;
    struct chain c = chain_of(0);
    expect_verdicts(&c, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge__nothing_lost__all_are_valid),
        cmocka_unit_test(judge__one_missing__what_follows_is_valid),
        cmocka_unit_test(judge__first_and_last_damaged__both_are_lost),
        cmocka_unit_test(judge__last_missing__nothing_tells_it_from_the_tail),
        cmocka_unit_test(judge__neighbours_lost__one_hole),
        cmocka_unit_test(judge__loser_behind_the_hole__is_void),
        cmocka_unit_test(judge__longer_branch_of_a_loser__evidence_counts_more),
        cmocka_unit_test(judge__two_branches_without_evidence__none_is_taken),
        cmocka_unit_test(judge__loser_that_saw_the_hole__proves_nothing),
        cmocka_unit_test(judge__knock_behind_the_hole__is_no_branch),
        cmocka_unit_test(judge__void_entry_missing__nothing_is_lost),
        cmocka_unit_test(judge__entry_on_one_that_was_passed__is_void),
        cmocka_unit_test(judge__ghost_in_the_chain__is_taken_for_damaged),
        cmocka_unit_test(judge__nothing_at_all__is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
