/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups for tests of state/: proposals that are staged, then won or lost. */
#ifndef SLUICE_TESTS_GROUP_FIXTURE_H
#define SLUICE_TESTS_GROUP_FIXTURE_H

#include "state_fixture.h"

#define TEXT(s) span_cstr(s)

/* A classic group of up to three members, with a generation and an assignment. */
static inline struct group_facts
classic(int32_t epoch, int32_t generation, uint32_t members)
{
    static struct group_protocol protocols[2];
    static struct classic_member m[3];
    protocols[0] = (struct group_protocol){TEXT("range"), TEXT("meta-r")};
    protocols[1] = (struct group_protocol){TEXT("sticky"), TEXT("")};
    static const char *const ids[3] = {"m-0", "m-1", "m-2"};
    for (uint32_t i = 0; i < 3; i++) {
        m[i] = (struct classic_member){.id = TEXT(ids[i]),
                                       .instance_id = i == 1 ? TEXT("inst") : span_of(NULL, 0),
                                       .client_id = TEXT("cl"),
                                       .client_host = TEXT("/10.0.0.1"),
                                       .session_timeout_ms = 45000,
                                       .rebalance_timeout_ms = 60000,
                                       .protocols = protocols,
                                       .protocol_count = 2,
                                       .assignment = TEXT("all of it")};
    }
    return (struct group_facts){.type = GROUP_CLASSIC,
                                .coordinator_epoch = epoch,
                                .member_count = members,
                                .generation = generation,
                                .protocol_type = TEXT("consumer"),
                                .protocol = members > 0 ? TEXT("range") : span_of(NULL, 0),
                                .leader = members > 0 ? TEXT("m-0") : span_of(NULL, 0),
                                .classic = m};
}

/* A consumer group of up to two members, of which the second speaks the classic protocol. */
static inline struct group_facts
consumer(int32_t epoch, int32_t group_epoch, uint32_t members)
{
    static int32_t indexes[3] = {0, 1, 2};
    static struct group_parts parts[2];
    static struct span topics[2];
    static struct group_protocol protocol;
    static struct consumer_member m[2];
    parts[0] = (struct group_parts){id_of(1), indexes, 3};
    parts[1] = (struct group_parts){id_of(2), indexes, 1};
    topics[0] = TEXT("one");
    topics[1] = TEXT("two");
    protocol = (struct group_protocol){TEXT("range"), TEXT("meta")};
    m[0] = (struct consumer_member){.id = TEXT("c-0"),
                                    .rack = TEXT("r1"),
                                    .client_id = TEXT("cl"),
                                    .client_host = TEXT("/10.0.0.1"),
                                    .topics = topics,
                                    .topic_count = 2,
                                    .server_assignor = TEXT("uniform"),
                                    .rebalance_timeout_ms = 300000,
                                    .epoch = group_epoch,
                                    .previous_epoch = group_epoch - 1,
                                    .state = 2,
                                    .assigned = {parts, 2},
                                    .target = {parts, 1}};
    m[1] = (struct consumer_member){.id = TEXT("c-1"),
                                    .instance_id = TEXT("static"),
                                    .client_id = TEXT("cl"),
                                    .client_host = TEXT("/10.0.0.2"),
                                    .regex = TEXT("t.*"),
                                    .epoch = group_epoch,
                                    .previous_epoch = group_epoch,
                                    .revoking = {parts + 1, 1},
                                    .is_classic = true,
                                    .session_timeout_ms = 45000,
                                    .protocols = &protocol,
                                    .protocol_count = 1};
    return (struct group_facts){.type = GROUP_CONSUMER,
                                .coordinator_epoch = epoch,
                                .member_count = members,
                                .group_epoch = group_epoch,
                                .assignment_epoch = group_epoch,
                                .server_assignor = TEXT("uniform"),
                                .metadata_hash = 99,
                                .consumer = m};
}

/* Stages a GROUP op; op holds it on SL_OK. */
static inline enum sl_err
stage_group(struct state *st, struct bytes *op, const char *id, uint64_t base,
            const struct group_facts *f)
{
    bytes_init(op, 8 << 20);
    assert_int_equal(op_encode_group(op, TEXT(id), base, f), SL_OK);
    enum sl_err rc = state_check_group(st, op->data, op->len);
    if (rc != SL_OK) {
        bytes_fini(op);
    }
    return rc;
}

/* Stages and applies; gives the version. */
static inline uint64_t
put_group(struct state *st, int64_t time_ms, const char *id, uint64_t base,
          const struct group_facts *f)
{
    struct bytes op;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(stage_group(st, &op, id, base, f), SL_OK);
    uint64_t version = group_op_version(bytes_span(&op));
    if (apply_at(st, 1, time_ms, ITEM_GROUP, bytes_span(&op), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&op);
    assert_int_equal(state_find_group(st, TEXT(id))->version, version);
    state_check(st);
    return version;
}

static inline struct offsets_op
commit_of(const char *group, const char *member, int32_t generation, const struct group_offset *o)
{
    return (struct offsets_op){.group_id = TEXT(group),
                               .member_id = TEXT(member),
                               .instance_id = span_of(NULL, 0),
                               .generation = generation,
                               .before_ms = INT64_MAX,
                               .commits = o,
                               .commit_count = 1};
}

static inline struct group_offset
offset_of(uint8_t tag, int32_t partition, int64_t offset)
{
    return (struct group_offset){.topic_id = id_of(tag),
                                 .partition = partition,
                                 .leader_epoch = -1,
                                 .offset = offset,
                                 .metadata = TEXT("note")};
}

/* Stages and applies. */
static inline enum sl_err
put_offsets(struct state *st, int64_t time_ms, const struct offsets_op *o)
{
    struct bytes op;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&op, 8 << 20);
    assert_int_equal(op_encode_offsets(&op, o), SL_OK);
    enum sl_err rc = state_check_offsets(st, bytes_span(&op));
    if (rc == SL_OK && apply_at(st, 1, time_ms, ITEM_OFFSETS, bytes_span(&op), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&op);
    state_check(st);
    return rc;
}

static inline enum sl_err
put_offset(struct state *st, int64_t time_ms, const char *group, const char *member,
           int32_t generation, int64_t offset)
{
    const struct group_offset o = offset_of(1, 0, offset);
    const struct offsets_op op = commit_of(group, member, generation, &o);
    return put_offsets(st, time_ms, &op);
}

static inline int64_t
offset_in(const struct state *st, const char *group, uint8_t tag, int32_t partition)
{
    const struct group_state *g = state_find_group(st, TEXT(group));
    struct uuid id = id_of(tag);
    const struct group_offset *o = g == NULL ? NULL : group_find_offset(g, &id, partition);
    return o == NULL ? -1 : o->offset;
}

static inline enum sl_err
delete_group(struct state *st, const struct group_delete *d, size_t count, size_t *ret_which)
{
    struct bytes op;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&op, 1 << 20);
    op_encode_group_delete(&op, d, count);
    enum sl_err rc = state_check_group_delete(st, bytes_span(&op), ret_which);
    if (rc == SL_OK && apply_at(st, 1, 1, ITEM_GROUP_DELETE, bytes_span(&op), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&op);
    state_check(st);
    return rc;
}

#endif
