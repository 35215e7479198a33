/* SPDX-License-Identifier: Apache-2.0
 *
 * Any history of all kinds of ops: what is written and read back is the same in everything that
 * state.h, group.h and segments.h show, and stays the same; what was in flight and lost leaves
 * nothing behind. */
#include "group_fixture.h"

enum { SEEDS = 150, STEPS = 250, TOPICS = 4, PARTS = 2, GROUPS = 4, LINES_MAX = 20000 };

static uint64_t rng;
static uint64_t entry_n;

static uint32_t
pick(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 33) % below;
}

/* --- S as sorted lines --- */

struct dump {
    char *lines[LINES_MAX];
    size_t count;
};

static void __attribute__((format(printf, 2, 3))) say(struct dump *d, const char *fmt, ...)
{
    va_list ap;
    assert_true(d->count < LINES_MAX);
    va_start(ap, fmt);
    assert_true(vasprintf(&d->lines[d->count++], fmt, ap) > 0);
    va_end(ap);
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
dump_part(struct dump *d, const struct part_state *p)
{
    say(d, "part %d.%d %lld %lld %d runs %zu registered %lld dir %s", p->topic_id.b[15], p->index,
        (long long)p->start, (long long)p->end, p->has_lost_producers, p->run_count,
        (long long)part_registered_end(p), part_dir(p) == NULL ? "-" : part_dir(p));
    for (size_t i = 0; i < p->run_count; i++) {
        const struct run_ref *r = part_run(p, i);
        say(d, "run %d.%d %lld %d %llu %u", p->topic_id.b[15], p->index, (long long)r->base_offset,
            r->offset_count, (unsigned long long)r->n, r->position);
    }
    for (size_t i = 0; i < part_segment_count(p); i++) {
        const struct segment_ref *s = part_segment(p, i);
        say(d, "segment %d.%d %lld %lld %llu %lld %lld %u %u %u %u %u", p->topic_id.b[15], p->index,
            (long long)s->base, (long long)s->last, (unsigned long long)s->bytes,
            (long long)s->max_timestamp, (long long)s->created_ms, s->gen, s->record_count,
            s->body_crc, s->slice_count, s->slice_count > 0 ? s->slices[0].position : 0);
    }
}

static void
dump_group(struct dump *d, const struct group_state *g)
{
    uint64_t sum = 0;
    struct bytes b;
    bytes_init(&b, 1 << 20);
    if (g->facts != NULL) {
        group_facts_encode(&b, g->facts);
    }
    for (size_t i = 0; i < b.len; i++) {
        sum = sum * 31 + b.data[i];
    }
    bytes_fini(&b);
    say(d, "group %.*s %d %llu %lld %llx", (int)g->id.len, (const char *)g->id.ptr,
        group_type_of(g), (unsigned long long)g->version, (long long)g->empty_since_ms,
        (unsigned long long)sum);
    size_t pos = 0;
    for (const struct group_offset *o; (o = group_next_offset(g, &pos));) {
        say(d, "offset %.*s %d.%d %lld %d %lld %.*s", (int)g->id.len, (const char *)g->id.ptr,
            o->topic_id.b[15], o->partition, (long long)o->offset, o->leader_epoch,
            (long long)o->commit_ms, (int)o->metadata.len, (const char *)o->metadata.ptr);
    }
}

static void
dump_topic(struct dump *d, const struct topic_state *t)
{
    say(d, "topic %d %s %u %d %d %lld %d %lld", t->id.b[15], t->name, t->incarnation,
        t->partition_count, t->opened_count, (long long)t->created_ms, t->is_deleting,
        (long long)t->deleting_ms);
    for (size_t i = 0; i < t->config_count; i++) {
        say(d, "config %d %s=%s", t->id.b[15], t->configs[i].name, t->configs[i].value);
    }
}

static const char *const names[TOPICS] = {"a", "b.b", "c-c", "d"};

static struct dump *
dump_of(const struct state *st)
{
    size_t pos = 0;
    struct dump *d = calloc(1, sizeof(*d));
    for (struct part_state *p; (p = state_next_part(st, &pos)) != NULL;) {
        dump_part(d, p);
    }
    for (pos = 0;;) {
        const struct group_state *g = state_next_group(st, &pos);
        if (g == NULL) {
            break;
        }
        dump_group(d, g);
    }
    pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos)) != NULL;) {
        dump_topic(d, t);
    }
    pos = 0;
    for (struct topic_state *t; (t = state_next_deleting(st, &pos)) != NULL;) {
        dump_topic(d, t);
    }
    pos = 0;
    for (const struct quota_state *q; (q = state_next_quota(st, &pos)) != NULL;) {
        for (uint32_t i = 0; i < q->value_count; i++) {
            say(d, "quota %d%d%d %.*s %f", q->entity.user_part, q->entity.client_part,
                q->entity.ip_part, (int)q->values[i].key.len, (const char *)q->values[i].key.ptr,
                q->values[i].value);
        }
    }
    for (size_t i = 0; i < state_garbage_count(st); i++) {
        const struct garbage_ref *g = state_garbage(st, i);
        say(d, "garbage %llu %d.%d %s %lld %u %lld", (unsigned long long)g->id, g->topic_id.b[15],
            g->partition, g->dir, (long long)g->base, g->gen, (long long)g->time_ms);
    }
    for (int i = 0; i < TOPICS; i++) {
        say(d, "next %s %u", names[i], state_next_incarnation(st, span_cstr(names[i])));
    }
    say(d, "groups %zu, collectable %llu", state_group_count(st),
        (unsigned long long)state_collectable(st, 1000000));
    qsort(d->lines, d->count, sizeof(char *), by_text);
    return d;
}

static void
dump_free(struct dump *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->lines[i]);
    }
    free(d);
}

static void
assert_same(const struct state *a, const struct state *b, uint64_t seed)
{
    struct dump *x = dump_of(a);
    struct dump *y = dump_of(b);
    for (size_t i = 0; i < x->count && i < y->count; i++) {
        if (strcmp(x->lines[i], y->lines[i]) != 0) {
            fail_msg("seed %llu: \"%s\" and \"%s\"", (unsigned long long)seed, x->lines[i],
                     y->lines[i]);
        }
    }
    assert_int_equal(x->count, y->count);
    dump_free(x);
    dump_free(y);
}

/* --- random ops --- */

static int64_t
now_ms(void)
{
    return (int64_t)entry_n * 10;
}

static void
land(struct state *st, enum item_kind kind, struct bytes *b)
{
    struct sl_error err = SL_ERROR_INIT;
    if (apply_at(st, ++entry_n, now_ms(), kind, bytes_span(b), &err) != SL_OK) {
        fail_msg("kind %d: %s", (int)kind, err.msg);
    }
    bytes_fini(b);
}

/* Staged; then it wins, or the race is lost. */
static void
settle(struct state *st, enum item_kind kind, struct bytes *b, enum sl_err checked)
{
    if (checked != SL_OK) {
        bytes_fini(b);
    } else if (pick(8) == 0) {
        bytes_fini(b);
        state_rollback(st);
    } else {
        land(st, kind, b);
    }
}

static struct part_state *
pick_part(const struct state *st)
{
    struct uuid id = id_of((uint8_t)(1 + pick(TOPICS)));
    return state_find_part(st, &id, (int32_t)pick(PARTS));
}

static void
random_run(struct state *st)
{
    const struct part_state *p = pick_part(st);
    int64_t base = -1;
    if (p != NULL) {
        struct run r = plain_run(p->topic_id.b[15], p->index, (int32_t)(1 + pick(5)));
        entry_n++;
        (void)commit_run(st, entry_n, now_ms(), r, &base);
    }
}

static void
random_register(struct state *st)
{
    struct segment_slice slices[2] = {{0, 32, 7}, {1, 50, 8}};
    const struct part_state *p = pick_part(st);
    struct bytes b;
    if (p == NULL || p->run_count == 0) {
        return;
    }
    const struct run_ref *last = part_run(p, pick((uint32_t)p->run_count));
    char dir[16];
    (void)snprintf(dir, sizeof(dir), "t~%d", p->topic_id.b[15]);
    struct register_op op = {.topic_id = p->topic_id,
                             .partition = p->index,
                             .dir = TEXT(dir),
                             .segment = {.base = part_registered_end(p) + (pick(10) == 0 ? 1 : 0),
                                         .last = last->base_offset + last->offset_count - 1,
                                         .bytes = 500 + pick(9),
                                         .max_timestamp = (int64_t)pick(100),
                                         .record_count = pick(50),
                                         .slices = slices}};
    op.segment.slice_count = op.segment.last > op.segment.base ? pick(3) : pick(2);
    bytes_init(&b, 1 << 16);
    op_encode_register(&b, &op, 1);
    settle(st, ITEM_REGISTER, &b, state_check_register(st, bytes_span(&b)));
}

static void
random_replace(struct state *st)
{
    const struct part_state *p = pick_part(st);
    struct segment_source sources[3];
    struct bytes b;
    if (p == NULL || part_segment_count(p) == 0) {
        return;
    }
    size_t first = pick((uint32_t)part_segment_count(p));
    size_t count = 1 + pick(3);
    count = count > part_segment_count(p) - first ? part_segment_count(p) - first : count;
    uint32_t gen = 0;
    for (size_t i = 0; i < count; i++) {
        const struct segment_ref *s = part_segment(p, first + i);
        sources[i] = (struct segment_source){s->base, s->gen};
        gen = s->gen > gen ? s->gen : gen;
    }
    const struct replace_op op = {.topic_id = p->topic_id,
                                  .partition = p->index,
                                  .sources = sources,
                                  .source_count = count,
                                  .target = {.base = sources[0].base,
                                             .last = part_segment(p, first + count - 1)->last,
                                             .bytes = pick(3) * 100,
                                             .max_timestamp = -1,
                                             .gen = gen + 1}};
    bytes_init(&b, 1 << 16);
    op_encode_replace(&b, &op);
    settle(st, ITEM_REPLACE, &b, state_check_replace(st, bytes_span(&b)));
}

static void
random_garbage(struct state *st)
{
    uint64_t ids[3] = {1 + pick(20), 1 + pick(20), 1 + pick(20)};
    struct bytes b;
    bytes_init(&b, 256);
    op_encode_garbage_done(&b, ids, 3);
    land(st, ITEM_GARBAGE_DONE, &b);
}

static const char *
pick_group(void)
{
    static const char *const groups[GROUPS] = {"g", "group two", "", "z"};
    return groups[pick(GROUPS)];
}

static void
random_group(struct state *st)
{
    const char *id = pick_group();
    const struct group_state *g = state_find_group(st, TEXT(id));
    uint64_t base = g == NULL || pick(10) == 0 ? 0 : g->version;
    int32_t epoch = g == NULL || g->facts == NULL ? 1 : g->facts->coordinator_epoch;
    struct group_facts f = pick(2) == 0 ? classic(epoch, (int32_t)pick(9), pick(4))
                                        : consumer(epoch + 1, (int32_t)pick(9), pick(3));
    struct bytes b;
    if (stage_group(st, &b, id, base, &f) == SL_OK) {
        settle(st, ITEM_GROUP, &b, SL_OK);
    }
}

static void
random_offsets(struct state *st)
{
    static const char *const members[4] = {"m-0", "c-0", "m-1", ""};
    struct bytes b;
    struct group_offset o[2] = {
        offset_of((uint8_t)(1 + pick(TOPICS)), (int32_t)pick(PARTS), (int64_t)pick(1000)),
        offset_of((uint8_t)(1 + pick(TOPICS)), (int32_t)pick(PARTS), (int64_t)pick(1000))};
    const char *id = pick_group();
    const struct group_state *g = state_find_group(st, TEXT(id));
    int32_t generation = g == NULL || g->facts == NULL     ? -1
                         : pick(3) == 0                    ? (int32_t)pick(9)
                         : g->facts->type == GROUP_CLASSIC ? g->facts->generation
                                                           : g->facts->group_epoch;
    struct offsets_op op = commit_of(id, members[pick(4)], generation, o);
    op.commit_count = 2;
    struct group_part parts[2] = {{o[0].topic_id, o[0].partition}, {o[1].topic_id, 0}};
    if (pick(6) == 0) {
        op = (struct offsets_op){.group_id = TEXT(id),
                                 .generation = -1,
                                 .is_removal = true,
                                 .is_only_if_empty = pick(2) == 0,
                                 .before_ms = now_ms() - (int64_t)pick(300),
                                 .removals = parts,
                                 .removal_count = 2};
    }
    bytes_init(&b, 1 << 16);
    assert_int_equal(op_encode_offsets(&b, &op), SL_OK);
    settle(st, ITEM_OFFSETS, &b, state_check_offsets(st, bytes_span(&b)));
}

static void
random_group_delete(struct state *st)
{
    struct bytes b;
    const char *id = pick_group();
    const struct group_state *g = state_find_group(st, TEXT(id));
    const struct group_delete d = {TEXT(id), g == NULL ? 0 : g->version, pick(2) == 0};
    bytes_init(&b, 256);
    op_encode_group_delete(&b, &d, 1);
    settle(st, ITEM_GROUP_DELETE, &b, state_check_group_delete(st, bytes_span(&b), NULL));
}

static void
create(struct state *st, uint8_t tag)
{
    struct bytes b;
    uint32_t journals[PARTS] = {0, 1};
    const struct topic_spec spec = {.id = id_of(tag),
                                    .name = TEXT(names[pick(TOPICS)]),
                                    .partition_count = PARTS,
                                    .journals = journals};
    struct topic_spec s = spec;
    s.incarnation = state_next_incarnation(st, s.name);
    bytes_init(&b, 1 << 16);
    op_encode_topics_create(&b, &s, 1);
    settle(st, ITEM_TOPICS_CREATE, &b, state_check_topic(st, s.name));
}

static void
random_topic(struct state *st)
{
    uint8_t tag = (uint8_t)(1 + pick(TOPICS));
    struct uuid id = id_of(tag);
    struct bytes b;
    const struct topic_state *t = state_find_topic_id(st, &id);
    if (t == NULL) {
        create(st, tag);
        return;
    }
    bytes_init(&b, 1 << 16);
    if (t->is_deleting) {
        op_encode_topic_deleted(&b, &id, 1);
        land(st, ITEM_TOPIC_DELETED, &b);
    } else if (pick(3) == 0) {
        op_encode_topic_delete(&b, &id, 1);
        land(st, ITEM_TOPIC_DELETE, &b);
    } else {
        const struct topic_config_change ch[2] = {
            {TEXT("k1"), pick(3) == 0 ? span_of(NULL, 0) : TEXT("v")}, {TEXT("k2"), TEXT("w")}};
        const struct topic_config_op op = {id, pick(2) == 0, ch, 1 + pick(2)};
        assert_int_equal(op_encode_topic_config(&b, &op, 1), SL_OK);
        land(st, ITEM_TOPIC_CONFIG, &b);
    }
}

static void
random_quota(struct state *st)
{
    struct bytes b;
    const struct quota_value v = {TEXT(pick(2) == 0 ? "in" : "out"), 1 + pick(9), pick(3) == 0};
    const struct quota_op op = {
        {.user_part = QUOTA_DEFAULT, .client_part = pick(2) == 0 ? QUOTA_ABSENT : QUOTA_DEFAULT},
        &v,
        1};
    bytes_init(&b, 1 << 16);
    assert_int_equal(op_encode_quotas(&b, &op, 1), SL_OK);
    land(st, ITEM_QUOTA, &b);
}

static void
random_part(struct state *st)
{
    struct bytes b;
    struct uuid id = id_of((uint8_t)(1 + pick(TOPICS)));
    int32_t index = (int32_t)pick(PARTS);
    bytes_init(&b, 256);
    if (pick(10) == 0) {
        struct uuid other = id_of((uint8_t)(1 + pick(TOPICS)));
        op_encode_retire(&b, &id);
        op_encode_retire(&b, &other);
        land(st, ITEM_RETIRE, &b);
    } else if (pick(3) == 0) {
        const struct part_state *p = state_find_part(st, &id, index);
        op_encode_trim(&b, &id, index, p == NULL ? 0 : p->start + (int64_t)pick(9));
        land(st, ITEM_TRIM, &b);
    } else {
        op_encode_open(&b, &id, &index, 1);
        land(st, ITEM_OPEN, &b);
    }
}

static void
random_step(struct state *st)
{
    static void (*const steps[])(struct state *) = {
        random_run,      random_run,     random_run,          random_run,   random_register,
        random_register, random_replace, random_garbage,      random_group, random_group,
        random_offsets,  random_offsets, random_group_delete, random_topic, random_topic,
        random_quota,    random_part,    random_part};
    steps[pick(sizeof(steps) / sizeof(steps[0]))](st);
}

/* Each offset that is there is in exactly one segment or run. */
static void
assert_covered(const struct state *st)
{
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos)) != NULL;) {
        for (int64_t o = p->start - 1; o <= p->end; o++) {
            const struct segment_ref *s = part_find_segment(p, o);
            const struct run_ref *r = part_find_run(p, o);
            assert_int_equal((s != NULL) + (r != NULL), o >= p->start && o < p->end);
            assert_true(s == NULL || (s->base <= o && o <= s->last));
            assert_true(r == NULL || (r->base_offset <= o && o < r->base_offset + r->offset_count));
        }
    }
}

static struct state *
restored(const struct state *st)
{
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&b, 1 << 24);
    state_snapshot(st, &b);
    struct state *copy = state_new();
    if (state_restore(copy, bytes_span(&b), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&b);
    state_check(copy);
    return copy;
}

static void
property__any_history__the_copy_is_the_same_and_stays_so(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        rng = seed * 0x9E3779B97F4A7C15u;
        entry_n = 0;
        struct state *st = state_new();
        for (int i = 0; i < STEPS; i++) {
            random_step(st);
            state_check(st);
        }
        assert_covered(st);
        struct state *copy = restored(st);
        assert_same(st, copy, seed);
        for (int i = 0; i < 60; i++) {
            uint64_t rng_before = rng;
            uint64_t n_before = entry_n;
            random_step(st);
            rng = rng_before;
            entry_n = n_before;
            random_step(copy);
        }
        state_check(copy);
        assert_same(st, copy, seed);
        state_destroy(&copy);
        state_destroy(&st);
    }
}

/* Everything that is in flight is dropped: S is what it was, and says what it said. */
static void
property__all_in_flight_is_lost__nothing_changed(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        rng = seed * 0x9E3779B97F4A7C15u + 5;
        entry_n = 0;
        struct state *st = state_new();
        for (int i = 0; i < STEPS; i++) {
            random_step(st);
        }
        struct state *before = restored(st);
        for (int i = 0; i < 30; i++) {
            struct bytes b;
            struct group_facts f = classic(9, (int32_t)pick(9), pick(4));
            const char *id = pick_group();
            const struct group_state *g = state_find_group(st, TEXT(id));
            if (stage_group(st, &b, id, g == NULL ? 0 : g->version, &f) == SL_OK) {
                bytes_fini(&b);
            }
        }
        state_check(st);
        assert_same(st, before, seed);
        state_rollback(st);
        state_check(st);
        assert_same(st, before, seed);
        state_destroy(&before);
        state_destroy(&st);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(property__any_history__the_copy_is_the_same_and_stays_so),
        cmocka_unit_test(property__all_in_flight_is_lost__nothing_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
