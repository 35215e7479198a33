/* SPDX-License-Identifier: Apache-2.0
 *
 * Shorthand for tests of state/: apply one op or run, and compare two states as readers see them.
 */
#ifndef SLUICE_TESTS_STATE_FIXTURE_H
#define SLUICE_TESTS_STATE_FIXTURE_H

#include "../unit.h"
#include "state/state.h"

#include <stdio.h>
#include <stdlib.h>

static inline struct uuid
id_of(uint8_t tag)
{
    struct uuid id = {{0}};
    id.b[0] = 0xA0;
    id.b[15] = tag;
    return id;
}

static inline enum sl_err
apply_at(struct state *st, uint64_t n, int64_t time_ms, enum item_kind kind, struct span payload,
         struct sl_error *err)
{
    const struct state_item item = {.n = n,
                                    .time_ms = time_ms,
                                    .head_bytes = 256,
                                    .kind = (uint16_t)kind,
                                    .version = 1,
                                    .payload = payload};
    return state_apply(st, &item, err);
}

/* Takes what is in b. */
static inline void
apply_ok(struct state *st, enum item_kind kind, struct bytes *b)
{
    struct sl_error err = SL_ERROR_INIT;
    if (apply_at(st, 1, 1000, kind, bytes_span(b), &err) != SL_OK) {
        fail_msg("kind %d: %s", (int)kind, err.msg);
    }
    bytes_fini(b);
}

static inline void
create_topic(struct state *st, uint8_t tag, const char *name, int32_t partitions)
{
    struct bytes b;
    uint32_t journals[16] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
    struct topic_config config = {(char *)(uintptr_t) "retention.ms", (char *)(uintptr_t) "5"};
    const struct topic_spec spec = {.id = id_of(tag),
                                    .name = span_cstr(name),
                                    .partition_count = partitions,
                                    .journals = journals,
                                    .configs = &config,
                                    .config_count = tag % 2};
    assert_true(partitions <= 16);
    bytes_init(&b, 1 << 20);
    op_encode_topics_create(&b, &spec, 1);
    apply_ok(st, ITEM_TOPICS_CREATE, &b);
}

static inline struct part_state *
open_part(struct state *st, uint8_t tag, int32_t index)
{
    struct bytes b;
    struct uuid id = id_of(tag);
    bytes_init(&b, 1 << 16);
    op_encode_open(&b, &id, &index, 1);
    apply_ok(st, ITEM_OPEN, &b);
    return state_find_part(st, &id, index);
}

static inline struct run
plain_run(uint8_t tag, int32_t index, int32_t count)
{
    return (struct run){.topic_id = id_of(tag),
                        .partition = index,
                        .offset_count = count,
                        .max_timestamp = 77,
                        .position = 0,
                        .length = 100,
                        .crc = 5,
                        .producer_id = -1,
                        .first_sequence = -1,
                        .last_sequence = -1,
                        .origin_producer_id = -1,
                        .origin_epoch = -1};
}

/* A batch of `count` records of a producer, whose sequences wrap as Kafka's do. */
static inline struct run
seq_run(uint8_t tag, int64_t pid, int16_t epoch, int32_t first, int32_t count)
{
    struct run r = plain_run(tag, 0, count);
    int64_t last = (int64_t)first + count - 1;
    r.flags = RUN_HAS_PRODUCER;
    r.producer_id = pid;
    r.producer_epoch = epoch;
    r.first_sequence = first;
    r.last_sequence = (int32_t)(last > INT32_MAX ? last - INT32_MAX - 1 : last);
    return r;
}

static inline enum sl_err
apply_run(struct state *st, uint64_t n, int64_t time_ms, const struct run *r)
{
    uint8_t raw[RUN_BYTES];
    struct sl_error err = SL_ERROR_INIT;
    run_encode(r, raw);
    return apply_at(st, n, time_ms, ITEM_RUN, span_of(raw, sizeof(raw)), &err);
}

/* Checks and applies, as the journal does with an entry that wins. */
static inline enum sl_err
commit_run(struct state *st, uint64_t n, int64_t time_ms, struct run r, int64_t *ret_base)
{
    struct part_state *p = state_find_part(st, &r.topic_id, r.partition);
    assert_non_null(p);
    enum sl_err rc = state_check_run(st, p, &r, ret_base);
    if (rc == SL_OK) {
        r.base_offset = *ret_base;
        assert_int_equal(apply_run(st, n, time_ms, &r), SL_OK);
    }
    return rc;
}

static inline void
assert_same_parts(const struct part_state *a, const struct part_state *b)
{
    assert_non_null(b);
    assert_int_equal(a->start, b->start);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->has_lost_producers, b->has_lost_producers);
    assert_int_equal(a->run_count, b->run_count);
    for (size_t i = 0; i < a->run_count; i++) {
        assert_memory_equal(part_run(a, i), part_run(b, i), sizeof(struct run_ref));
    }
}

static inline void
assert_same_topics(const struct topic_state *a, const struct topic_state *b)
{
    assert_non_null(b);
    assert_true(uuid_eq(&a->id, &b->id));
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->partition_count, b->partition_count);
    assert_int_equal(a->opened_count, b->opened_count);
    assert_int_equal(a->created_ms, b->created_ms);
    assert_int_equal(a->config_count, b->config_count);
    assert_memory_equal(a->journals, b->journals,
                        (size_t)a->partition_count * sizeof(a->journals[0]));
    for (size_t i = 0; i < a->config_count; i++) {
        assert_string_equal(a->configs[i].name, b->configs[i].name);
        assert_string_equal(a->configs[i].value, b->configs[i].value);
    }
}

/* What can be seen without asking about producers. */
static inline void
assert_same_states(const struct state *a, const struct state *b)
{
    size_t pos = 0;
    size_t count[2] = {0};
    for (struct part_state *p; (p = state_next_part(a, &pos));) {
        assert_same_parts(p, state_find_part(b, &p->topic_id, p->index));
        count[0]++;
    }
    for (pos = 0; state_next_part(b, &pos) != NULL;) {
        count[1]++;
    }
    assert_int_equal(count[0], count[1]);
    pos = 0;
    for (struct topic_state *t; (t = state_next_topic(a, &pos));) {
        assert_same_topics(t, state_find_topic(b, span_cstr(t->name)));
        assert_ptr_equal(state_find_topic(b, span_cstr(t->name)), state_find_topic_id(b, &t->id));
    }
    assert_int_equal(state_next_producer_id(a), state_next_producer_id(b));
}

#endif
