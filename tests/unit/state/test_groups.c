/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups: facts as bytes, two coordinators, commits of the right and the wrong generation. */
#include "empty_state.h"

/* --- facts --- */

static void
assert_round_trip(const struct group_facts *f)
{
    struct bytes a;
    struct bytes b;
    bytes_init(&a, 1 << 20);
    bytes_init(&b, 1 << 20);
    group_facts_encode(&a, f);
    struct group_facts *d = group_facts_decode(bytes_span(&a));
    assert_non_null(d);
    assert_int_equal(d->type, f->type);
    assert_int_equal(d->member_count, f->member_count);
    group_facts_encode(&b, d);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    group_facts_unref(&d);
    for (size_t n = 0; n < a.len; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, a.data, n);
        assert_null(group_facts_decode(span_of(cut, n)));
        free(cut);
    }
    bytes_fini(&a);
    bytes_fini(&b);
}

static void
facts__encode_decode__same_bytes_and_no_prefix(void **unused)
{
    (void)unused;
    struct group_facts f = classic(1, 5, 3);
    assert_round_trip(&f);
    f = classic(1, 5, 0);
    assert_round_trip(&f);
    f = consumer(7, 8, 2);
    assert_round_trip(&f);
    f = consumer(7, 8, 0);
    assert_round_trip(&f);
}

static void
facts__classic__every_field_comes_back(void **unused)
{
    (void)unused;
    struct group_facts f = classic(3, 5, 3);
    struct bytes b;
    bytes_init(&b, 1 << 20);
    group_facts_encode(&b, &f);
    struct group_facts *d = group_facts_decode(bytes_span(&b));
    bytes_fini(&b); /* the facts own what they point to */
    assert_int_equal(d->coordinator_epoch, 3);
    assert_int_equal(d->generation, 5);
    assert_true(span_eq(d->protocol_type, TEXT("consumer")));
    assert_true(span_eq(d->leader, TEXT("m-0")));
    assert_null(d->classic[0].instance_id.ptr);
    assert_true(span_eq(d->classic[1].instance_id, TEXT("inst")));
    assert_int_equal(d->classic[2].session_timeout_ms, 45000);
    assert_true(span_eq(d->classic[2].protocols[0].metadata, TEXT("meta-r")));
    assert_non_null(d->classic[2].protocols[1].metadata.ptr);
    assert_true(span_eq(d->classic[2].assignment, TEXT("all of it")));
    assert_int_equal(group_facts_find(d, TEXT("m-2")), 2);
    assert_int_equal(group_facts_find(d, TEXT("m-3")), UINT32_MAX);
    assert_int_equal(group_facts_find_instance(d, TEXT("inst")), 1);
    assert_int_equal(group_facts_find_instance(d, TEXT("")), UINT32_MAX);
    group_facts_unref(&d);
}

static void
facts__consumer__every_field_comes_back(void **unused)
{
    (void)unused;
    struct group_facts f = consumer(3, 5, 2);
    struct bytes b;
    bytes_init(&b, 1 << 20);
    group_facts_encode(&b, &f);
    struct group_facts *d = group_facts_decode(bytes_span(&b));
    bytes_fini(&b);
    const struct consumer_member *m = d->consumer;
    assert_int_equal(d->assignment_epoch, 5);
    assert_int_equal(d->metadata_hash, 99);
    assert_true(span_eq(m[0].rack, TEXT("r1")));
    assert_null(m[0].regex.ptr);
    assert_int_equal(m[0].topic_count, 2);
    assert_true(span_eq(m[0].topics[1], TEXT("two")));
    assert_int_equal(m[0].previous_epoch, 4);
    assert_int_equal(m[0].assigned.count, 2);
    assert_int_equal(m[0].assigned.topics[0].indexes[2], 2);
    assert_int_equal(m[0].revoking.count, 0);
    assert_int_equal(m[0].target.count, 1);
    assert_false(m[0].is_classic);
    assert_true(m[1].is_classic);
    assert_true(span_eq(m[1].regex, TEXT("t.*")));
    assert_int_equal(m[1].revoking.topics[0].count, 1);
    assert_true(span_eq(m[1].protocols[0].name, TEXT("range")));
    group_facts_unref(&d);
}

static void
encode__above_a_cap__refused_and_nothing_appended(void **unused)
{
    (void)unused;
    struct bytes b;
    static char big[(4 << 20) + 1];
    bytes_init(&b, 64 << 20);
    bytes_u8(&b, 7);
    struct group_facts f = classic(1, 1, 1);
    f.classic[0].assignment = span_of(big, sizeof(big));
    assert_int_equal(op_encode_group(&b, TEXT("g"), 0, &f), SL_ETOO_LARGE);
    f = classic(1, 1, 1);
    f.classic[0].client_id = span_of(big, GROUP_NAME_MAX + 1);
    assert_int_equal(op_encode_group(&b, TEXT("g"), 0, &f), SL_ETOO_LARGE);
    f = classic(1, 1, 1);
    assert_int_equal(op_encode_group(&b, span_of(big, GROUP_ID_MAX + 1), 0, &f), SL_ETOO_LARGE);
    struct group_offset o = offset_of(1, 0, 1);
    o.metadata = span_of(big, OFFSET_METADATA_MAX + 1);
    struct offsets_op op = commit_of("g", "", -1, &o);
    assert_int_equal(op_encode_offsets(&b, &op), SL_ETOO_LARGE);
    assert_int_equal(b.len, 1);
    assert_false(b.is_overflown);
    f = classic(1, 1, 1);
    assert_int_equal(op_encode_group(&b, TEXT("g"), 0, &f), SL_OK);
    bytes_fini(&b);
}

static void
decode__count_or_length_beyond_the_bytes__refused(void **unused)
{
    (void)unused;
    struct group_facts f = consumer(1, 1, 2);
    struct bytes b;
    bytes_init(&b, 1 << 20);
    group_facts_encode(&b, &f);
    for (size_t i = 0; i < b.len; i++) {
        uint8_t was = b.data[i];
        b.data[i] = 0xff;
        struct group_facts *d = group_facts_decode(bytes_span(&b));
        group_facts_unref(&d); /* refused or sound; a sanitizer says if neither */
        b.data[i] = was;
    }
    b.data[1] = 2;
    assert_null(group_facts_decode(bytes_span(&b)));
    bytes_fini(&b);
}

/* --- two coordinators --- */

static void
group__built_on_its_version__wins_and_rises(void **unused)
{
    (void)unused;
    struct group_facts f = classic(1, 1, 2);
    uint64_t v1 = put_group(st, 100, "g", 0, &f);
    const struct group_state *g = state_find_group(st, TEXT("g"));
    assert_int_equal(group_type_of(g), GROUP_CLASSIC);
    assert_int_equal(g->empty_since_ms, -1);
    f = classic(1, 2, 1);
    uint64_t v2 = put_group(st, 200, "g", v1, &f);
    assert_true(v2 > v1);
    f = consumer(1, 3, 2);
    uint64_t v3 = put_group(st, 300, "g", v2, &f);
    assert_int_equal(group_type_of(g), GROUP_CONSUMER);
    f = consumer(2, 4, 0);
    uint64_t v4 = put_group(st, 400, "g", v3, &f);
    assert_int_equal(g->empty_since_ms, 400);
    f = classic(2, 5, 0);
    (void)put_group(st, 500, "g", v4, &f);
    assert_int_equal(g->empty_since_ms, 400);
}

static void
group__two_brokers_on_one_version__the_second_is_fenced(void **unused)
{
    (void)unused;
    struct bytes op;
    struct group_facts f = classic(1, 1, 2);
    uint64_t v = put_group(st, 1, "g", 0, &f);
    f = classic(2, 2, 1);
    (void)put_group(st, 1, "g", v, &f);
    f = classic(2, 2, 3);
    assert_int_equal(stage_group(st, &op, "g", v, &f), SL_EFENCED);
    assert_int_equal(stage_group(st, &op, "g", 0, &f), SL_EFENCED);
    assert_int_equal(state_find_group(st, TEXT("g"))->facts->member_count, 1);
}

static void
group__lower_coordinator_epoch__fenced(void **unused)
{
    (void)unused;
    struct bytes op;
    struct group_facts f = classic(5, 1, 2);
    uint64_t v = put_group(st, 1, "g", 0, &f);
    f = classic(4, 2, 2);
    assert_int_equal(stage_group(st, &op, "g", v, &f), SL_EFENCED);
}

static void
group__deleted_and_made_again__an_old_coordinator_is_fenced(void **unused)
{
    (void)unused;
    struct bytes op;
    struct group_facts f = classic(1, 1, 0);
    uint64_t old = put_group(st, 1, "g", 0, &f);
    const struct group_delete d = {TEXT("g"), old, false};
    assert_int_equal(delete_group(st, &d, 1, NULL), SL_OK);
    assert_null(state_find_group(st, TEXT("g")));
    assert_int_equal(state_group_count(st), 0);
    uint64_t again = put_group(st, 1, "g", 0, &f);
    assert_true(again > old);
    f = classic(9, 9, 1);
    assert_int_equal(stage_group(st, &op, "g", old, &f), SL_EFENCED);
}

static void
group__in_flight__the_next_is_built_on_it(void **unused)
{
    (void)unused;
    struct bytes first;
    struct bytes second;
    struct sl_error err = SL_ERROR_INIT;
    struct group_facts f = classic(1, 1, 1);
    assert_int_equal(stage_group(st, &first, "g", 0, &f), SL_OK);
    assert_null(state_find_group(st, TEXT("g"))); /* not in S */
    uint64_t v = group_op_version(bytes_span(&first));
    f = classic(1, 2, 2);
    assert_int_equal(stage_group(st, &second, "g", 0, &f), SL_EFENCED);
    assert_int_equal(stage_group(st, &second, "g", v, &f), SL_OK);
    state_check(st);
    assert_int_equal(apply_at(st, 1, 1, ITEM_GROUP, bytes_span(&first), &err), SL_OK);
    assert_int_equal(state_find_group(st, TEXT("g"))->facts->generation, 1);
    assert_int_equal(apply_at(st, 2, 1, ITEM_GROUP, bytes_span(&second), &err), SL_OK);
    assert_int_equal(state_find_group(st, TEXT("g"))->facts->generation, 2);
    bytes_fini(&first);
    bytes_fini(&second);
}

static void
rollback__what_was_in_flight_is_forgotten(void **unused)
{
    (void)unused;
    struct bytes op;
    struct group_facts f = classic(1, 1, 1);
    uint64_t v = put_group(st, 1, "old", 0, &f);
    f = classic(1, 2, 3);
    assert_int_equal(stage_group(st, &op, "old", v, &f), SL_OK);
    bytes_fini(&op);
    assert_int_equal(stage_group(st, &op, "new", 0, &f), SL_OK);
    uint64_t lost = group_op_version(bytes_span(&op));
    bytes_fini(&op);
    assert_int_equal(put_offset(st, 1, "old", "m-0", 1, 5), SL_EILLEGAL_GENERATION);
    state_rollback(st);
    state_check(st);
    assert_int_equal(put_offset(st, 1, "old", "m-0", 1, 5), SL_OK);
    size_t pos = 0;
    assert_non_null(state_next_group(st, &pos));
    assert_null(state_next_group(st, &pos));
    f = classic(1, 1, 1);
    assert_int_equal(stage_group(st, &op, "new", 0, &f), SL_OK);
    assert_true(group_op_version(bytes_span(&op)) <= lost); /* given again: it never was */
    bytes_fini(&op);
    state_rollback(st);
}

static void
apply__a_group_op_that_was_not_checked__contradicts(void **unused)
{
    (void)unused;
    struct bytes op;
    struct sl_error err = SL_ERROR_INIT;
    struct group_facts f = classic(1, 1, 1);
    (void)put_group(st, 1, "g", 0, &f);
    bytes_init(&op, 1 << 20);
    assert_int_equal(op_encode_group(&op, TEXT("g"), 0, &f), SL_OK);
    put_u64(op.data + 8, 2);
    assert_int_equal(apply_at(st, 1, 1, ITEM_GROUP, bytes_span(&op), &err), SL_ECORRUPT);
    assert_non_null(strstr(err.msg, "group g"));
    put_u64(op.data, 1);
    put_u64(op.data + 8, 4);
    assert_int_equal(apply_at(st, 1, 1, ITEM_GROUP, bytes_span(&op), &err), SL_ECORRUPT);
    put_u64(op.data + 8, 2);
    assert_int_equal(apply_at(st, 1, 1, ITEM_GROUP, bytes_span(&op), &err), SL_OK);
    bytes_fini(&op);
}

/* --- commits --- */

static void
commit__simple__only_while_nobody_is_in_the_group(void **unused)
{
    (void)unused;
    assert_int_equal(put_offset(st, 70, "g", "", -1, 5), SL_OK);
    const struct group_state *g = state_find_group(st, TEXT("g"));
    assert_int_equal(group_type_of(g), GROUP_SIMPLE);
    assert_int_equal(g->empty_since_ms, 70);
    assert_int_equal(offset_in(st, "g", 1, 0), 5);
    struct uuid id = id_of(1);
    assert_int_equal(group_find_offset(g, &id, 0)->commit_ms, 70);
    assert_true(span_eq(group_find_offset(g, &id, 0)->metadata, TEXT("note")));
    struct group_facts f = classic(1, 1, 1);
    uint64_t v = put_group(st, 1, "g", 0, &f);
    assert_int_equal(put_offset(st, 80, "g", "", -1, 6), SL_EUNKNOWN_MEMBER);
    f = classic(1, 2, 0);
    (void)put_group(st, 1, "g", v, &f);
    assert_int_equal(put_offset(st, 80, "g", "", -1, 7), SL_OK);
    assert_int_equal(offset_in(st, "g", 1, 0), 7);
}

static void
commit__of_a_member__only_of_the_generation(void **unused)
{
    (void)unused;
    struct group_facts f = classic(1, 5, 3);
    assert_int_equal(put_offset(st, 1, "g", "m-0", 5, 1), SL_EGROUP_NOT_FOUND);
    (void)put_group(st, 1, "g", 0, &f);
    assert_int_equal(put_offset(st, 1, "g", "m-0", 5, 1), SL_OK);
    assert_int_equal(put_offset(st, 1, "g", "m-0", 4, 2), SL_EILLEGAL_GENERATION);
    assert_int_equal(put_offset(st, 1, "g", "m-0", 6, 2), SL_EILLEGAL_GENERATION);
    assert_int_equal(put_offset(st, 1, "g", "m-9", 5, 2), SL_EUNKNOWN_MEMBER);
    assert_int_equal(offset_in(st, "g", 1, 0), 1);
    assert_int_equal(put_offset(st, 1, "simple", "", -1, 1), SL_OK);
    assert_int_equal(put_offset(st, 1, "simple", "m-0", 0, 1), SL_EUNKNOWN_MEMBER);
}

static void
commit__static_member__another_took_over__fenced(void **unused)
{
    (void)unused;
    struct group_facts f = classic(1, 5, 3);
    (void)put_group(st, 1, "g", 0, &f);
    const struct group_offset o = offset_of(1, 0, 9);
    struct offsets_op op = commit_of("g", "m-1", 5, &o);
    op.instance_id = TEXT("inst");
    assert_int_equal(put_offsets(st, 1, &op), SL_OK);
    op.member_id = TEXT("m-old");
    assert_int_equal(put_offsets(st, 1, &op), SL_EFENCED_INSTANCE);
    op.instance_id = TEXT("nobody");
    assert_int_equal(put_offsets(st, 1, &op), SL_EUNKNOWN_MEMBER);
}

static void
commit__consumer_protocol__epoch_must_be_the_members(void **unused)
{
    (void)unused;
    struct group_facts f = consumer(1, 5, 2);
    (void)put_group(st, 1, "g", 0, &f);
    assert_int_equal(put_offset(st, 1, "g", "c-0", 5, 1), SL_OK);
    assert_int_equal(put_offset(st, 1, "g", "c-0", 4, 2), SL_ESTALE_MEMBER_EPOCH);
    assert_int_equal(put_offset(st, 1, "g", "c-1", 4, 2), SL_EILLEGAL_GENERATION);
    assert_int_equal(put_offset(st, 1, "g", "c-1", 5, 3), SL_OK);
    assert_int_equal(put_offset(st, 1, "g", "", -1, 4), SL_EUNKNOWN_MEMBER);
    assert_int_equal(put_offset(st, 1, "g", "c-7", 5, 4), SL_EUNKNOWN_MEMBER);
    assert_int_equal(offset_in(st, "g", 1, 0), 3);
}

static void
commit__judged_by_what_is_in_flight(void **unused)
{
    (void)unused;
    struct bytes op;
    struct group_facts f = classic(1, 5, 3);
    uint64_t v = put_group(st, 1, "g", 0, &f);
    f = classic(1, 6, 3);
    assert_int_equal(stage_group(st, &op, "g", v, &f), SL_OK);
    bytes_fini(&op);
    assert_int_equal(put_offset(st, 1, "g", "m-0", 5, 1), SL_EILLEGAL_GENERATION);
    state_rollback(st);
}

/* --- removing --- */

static void
removal__named_partitions_of_a_time(void **unused)
{
    (void)unused;
    const struct group_part parts[2] = {{id_of(1), 0}, {id_of(2), 0}};
    struct offsets_op op = {.group_id = TEXT("g"),
                            .generation = -1,
                            .is_removal = true,
                            .is_only_if_empty = true,
                            .before_ms = 50,
                            .removals = parts,
                            .removal_count = 2};
    assert_int_equal(put_offsets(st, 1, &op), SL_OK); /* nothing there: nothing to do */
    assert_int_equal(put_offset(st, 49, "g", "", -1, 5), SL_OK);
    const struct group_offset late = offset_of(2, 0, 6);
    const struct offsets_op commit = commit_of("g", "", -1, &late);
    assert_int_equal(put_offsets(st, 50, &commit), SL_OK);
    assert_int_equal(put_offsets(st, 60, &op), SL_OK);
    assert_int_equal(offset_in(st, "g", 1, 0), -1);
    assert_int_equal(offset_in(st, "g", 2, 0), 6);
    struct group_facts f = classic(1, 1, 1);
    uint64_t v = put_group(st, 1, "g", 0, &f);
    op.before_ms = INT64_MAX;
    assert_int_equal(put_offsets(st, 70, &op), SL_EGROUP_NOT_EMPTY);
    op.is_only_if_empty = false;
    assert_int_equal(put_offsets(st, 70, &op), SL_OK);
    assert_int_equal(offset_in(st, "g", 2, 0), -1);
    assert_int_equal(state_find_group(st, TEXT("g"))->version, v);
}

static void
removal__of_the_last_offset__a_simple_group_is_gone(void **unused)
{
    (void)unused;
    const struct group_part part = {id_of(1), 0};
    const struct offsets_op op = {.group_id = TEXT("g"),
                                  .is_removal = true,
                                  .before_ms = INT64_MAX,
                                  .removals = &part,
                                  .removal_count = 1};
    assert_int_equal(put_offset(st, 49, "g", "", -1, 5), SL_OK);
    assert_int_equal(put_offsets(st, 60, &op), SL_OK);
    assert_null(state_find_group(st, TEXT("g")));
}

static void
delete__members_or_another_version__refused_by_place(void **unused)
{
    (void)unused;
    size_t which = 99;
    struct group_facts f = classic(1, 1, 1);
    uint64_t v = put_group(st, 1, "full", 0, &f);
    assert_int_equal(put_offset(st, 1, "simple", "", -1, 5), SL_OK);
    struct group_delete d[2] = {{TEXT("simple"), 0, false}, {TEXT("full"), v, false}};
    assert_int_equal(delete_group(st, d, 2, &which), SL_EGROUP_NOT_EMPTY);
    assert_int_equal(which, 1);
    f = classic(1, 2, 0);
    uint64_t v2 = put_group(st, 1, "full", v, &f);
    assert_int_equal(delete_group(st, d, 2, &which), SL_EFENCED);
    d[1].base = v2;
    d[0].is_only_if_forgotten = true;
    assert_int_equal(delete_group(st, d, 2, &which), SL_EGROUP_NOT_EMPTY);
    assert_int_equal(which, 0);
    d[0].is_only_if_forgotten = false;
    assert_int_equal(delete_group(st, d, 2, &which), SL_OK);
    assert_int_equal(state_group_count(st), 0);
    assert_int_equal(delete_group(st, d, 2, &which), SL_EGROUP_NOT_FOUND);
}

static void
retire__offsets_of_the_topic_fall(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(1);
    assert_int_equal(put_offset(st, 1, "simple", "", -1, 5), SL_OK);
    struct group_facts f = classic(1, 1, 1);
    (void)put_group(st, 1, "g", 0, &f);
    assert_int_equal(put_offset(st, 1, "g", "m-0", 1, 5), SL_OK);
    const struct group_offset other = offset_of(2, 3, 6);
    const struct offsets_op commit = commit_of("g", "m-0", 1, &other);
    assert_int_equal(put_offsets(st, 50, &commit), SL_OK);
    bytes_init(&b, 64);
    op_encode_retire(&b, &id);
    apply_ok(st, ITEM_RETIRE, &b);
    assert_null(state_find_group(st, TEXT("simple")));
    assert_int_equal(offset_in(st, "g", 1, 0), -1);
    assert_int_equal(offset_in(st, "g", 2, 3), 6);
}

/* --- snapshot --- */

static struct state *
copy_of(const struct state *from)
{
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&b, 1 << 24);
    state_snapshot(from, &b);
    struct state *copy = state_new();
    if (state_restore(copy, bytes_span(&b), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&b);
    state_check(copy);
    return copy;
}

static void
snapshot__groups_and_offsets_come_back(void **unused)
{
    (void)unused;
    struct bytes op;
    struct group_facts f = classic(1, 1, 3);
    uint64_t v = put_group(st, 1, "a", 0, &f);
    f = consumer(4, 2, 2);
    uint64_t w = put_group(st, 1, "b", 0, &f);
    f = classic(4, 2, 0);
    (void)put_group(st, 77, "empty", 0, &f);
    assert_int_equal(put_offset(st, 1, "a", "m-0", 1, 5), SL_OK);
    assert_int_equal(put_offset(st, 9, "simple", "", -1, 6), SL_OK);
    assert_int_equal(stage_group(st, &op, "in flight", 0, &f), SL_OK);
    bytes_fini(&op);
    struct state *copy = copy_of(st);
    assert_int_equal(state_group_count(copy), 4);
    assert_int_equal(state_find_group(copy, TEXT("a"))->version, v);
    assert_int_equal(state_find_group(copy, TEXT("a"))->facts->member_count, 3);
    assert_int_equal(state_find_group(copy, TEXT("b"))->version, w);
    assert_int_equal(state_find_group(copy, TEXT("empty"))->empty_since_ms, 77);
    assert_int_equal(offset_in(copy, "a", 1, 0), 5);
    assert_int_equal(offset_in(copy, "simple", 1, 0), 6);
    assert_null(state_find_group(copy, TEXT("in flight")));
    /* versions go on where they were */
    f = classic(1, 2, 1);
    state_rollback(st);
    assert_int_equal(put_group(st, 1, "a", v, &f), put_group(copy, 1, "a", v, &f));
    state_destroy(&copy);
}

struct told {
    int changed, offsets, deleted, restored;
};

static void
told_group(void *arg, struct group_state *g)
{
    (void)g;
    ((struct told *)arg)->changed++;
}
static void
told_offsets(void *arg, struct group_state *g)
{
    (void)g;
    ((struct told *)arg)->offsets++;
}
static void
told_deleted(void *arg, struct group_state *g, enum group_gone why)
{
    struct told *t = arg;
    assert_true(g->id.len > 0);
    t->deleted += why == GROUP_GONE_DELETED;
    t->restored += why == GROUP_GONE_RESTORED;
}

static void
events__each_change_is_told(void **unused)
{
    (void)unused;
    static const struct state_events events = {.group_changed = told_group,
                                               .offsets_changed = told_offsets,
                                               .group_deleted = told_deleted};
    struct told t = {0};
    state_set_events(st, &events, &t);
    struct group_facts f = classic(1, 1, 0);
    uint64_t v = put_group(st, 1, "g", 0, &f);
    assert_int_equal(put_offset(st, 1, "g", "", -1, 5), SL_OK);
    assert_int_equal(put_offset(st, 1, "h", "", -1, 5), SL_OK);
    assert_int_equal(t.changed, 1);
    assert_int_equal(t.offsets, 2);
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&b, 1 << 20);
    state_snapshot(st, &b);
    assert_int_equal(state_restore(st, bytes_span(&b), &err), SL_OK);
    bytes_fini(&b);
    assert_int_equal(t.restored, 2);
    assert_int_equal(t.changed, 3);
    const struct group_delete d = {TEXT("g"), v, false};
    assert_int_equal(delete_group(st, &d, 1, NULL), SL_OK);
    assert_int_equal(t.deleted, 1);
    state_set_events(st, NULL, NULL);
}

static void
journal_of_a_group__stable_for_ever(void **unused)
{
    (void)unused;
    assert_int_equal(group_journal(TEXT("123456789"), 1024), 0xE3069283u % 1024);
    assert_int_equal(group_journal(TEXT("123456789"), 1), 0);
    assert_int_equal(group_journal(span_of("", 0), 7), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(facts__encode_decode__same_bytes_and_no_prefix),
        T(facts__classic__every_field_comes_back),
        T(facts__consumer__every_field_comes_back),
        T(encode__above_a_cap__refused_and_nothing_appended),
        T(decode__count_or_length_beyond_the_bytes__refused),
        T(group__built_on_its_version__wins_and_rises),
        T(group__two_brokers_on_one_version__the_second_is_fenced),
        T(group__lower_coordinator_epoch__fenced),
        T(group__deleted_and_made_again__an_old_coordinator_is_fenced),
        T(group__in_flight__the_next_is_built_on_it),
        T(rollback__what_was_in_flight_is_forgotten),
        T(apply__a_group_op_that_was_not_checked__contradicts),
        T(commit__simple__only_while_nobody_is_in_the_group),
        T(commit__of_a_member__only_of_the_generation),
        T(commit__static_member__another_took_over__fenced),
        T(commit__consumer_protocol__epoch_must_be_the_members),
        T(commit__judged_by_what_is_in_flight),
        T(removal__named_partitions_of_a_time),
        T(removal__of_the_last_offset__a_simple_group_is_gone),
        T(delete__members_or_another_version__refused_by_place),
        T(retire__offsets_of_the_topic_fall),
        T(snapshot__groups_and_offsets_come_back),
        T(events__each_change_is_told),
        T(journal_of_a_group__stable_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
