/* SPDX-License-Identifier: Apache-2.0
 *
 * Members that speak the classic protocol, cooperatively, as clients do: they name what they own
 * when they join, give up what they are not assigned any more, and join again then. A leader gives
 * everything out evenly. Only topics[0], "t". */
#ifndef SLUICE_TESTS_CONSUMER_MIXED_H
#define SLUICE_TESTS_CONSUMER_MIXED_H

#include "consumer_world.h"
#include "group/consumer_int.h"

enum { METADATA_MAX = 1024 };

static int32_t old_rebalance_ms = 20000;

struct old_peer {
    char id[64];
    const char *instance;
    int32_t generation, owned_generation; /* of the join; of what it owns */
    uint32_t owned;
    bool has_to_join, is_member;
    bool has_user_data, is_malformed;
    size_t broker;
};

static inline struct old_peer
old_new(void)
{
    return (struct old_peer){.has_to_join = true, .generation = -1};
}

/* --- ConsumerProtocol --- */

static inline void
put_parts(struct bytes *b, uint32_t mask)
{
    bytes_u32(b, mask == 0 ? 0 : 1);
    if (mask == 0) {
        return;
    }
    bytes_u16(b, 1);
    bytes_append(b, "t", 1);
    bytes_u32(b, (uint32_t)__builtin_popcount(mask));
    for (uint32_t i = 0; i < 32; i++) {
        if ((mask & (1u << i)) != 0) {
            bytes_u32(b, i);
        }
    }
}

static inline struct span
keep(struct bytes *b)
{
    struct span copy = arena_copy(&w.arena, bytes_span(b));
    bytes_fini(b);
    return copy;
}

static inline struct span
subscription_of(const struct old_peer *p)
{
    struct bytes b;
    bytes_init(&b, METADATA_MAX);
    bytes_u16(&b, 1);
    bytes_u32(&b, 1);
    bytes_u16(&b, p->is_malformed ? 1000 : 1);
    bytes_append(&b, "t", 1);
    bytes_u32(&b, p->has_user_data ? 1 : UINT32_MAX);
    if (p->has_user_data) {
        bytes_u8(&b, 'x');
    }
    put_parts(&b, p->owned);
    return keep(&b);
}

static inline struct span
assignment_of(uint32_t mask)
{
    struct bytes b;
    bytes_init(&b, METADATA_MAX);
    bytes_u16(&b, 1);
    put_parts(&b, mask);
    bytes_u32(&b, UINT32_MAX);
    return keep(&b);
}

/* Of a list of names and partitions. */
static inline uint32_t
mask_of_list(struct span list)
{
    uint32_t mask = 0;
    if (list.len == 0 || get_u32(list.ptr) == 0) {
        return 0;
    }
    assert_int_equal(get_u32(list.ptr), 1);
    assert_memory_equal(list.ptr + 4, "\0\1t", 3);
    uint32_t count = get_u32(list.ptr + 7);
    for (uint32_t i = 0; i < count; i++) {
        mask |= 1u << get_u32(list.ptr + 11 + 4 * i);
    }
    return mask;
}

static inline uint32_t
mask_of(struct span assignment)
{
    return assignment.len == 0 ? 0 : mask_of_list(span_of(assignment.ptr + 2, assignment.len - 2));
}

static inline uint32_t
owned_of(struct span metadata)
{
    struct csubscription sub;
    return consumer__subscription_parse(metadata, &w.arena, &sub) ? mask_of_list(sub.owned) : 0;
}

/* --- joining --- */

struct old_joining {
    struct group_join j;
    struct group_protocol protocol;
    bool is_done;
};

static inline struct old_joining *
old_join_send(struct old_peer *p)
{
    struct old_joining *a = NEW(struct old_joining);
    a->protocol = (struct group_protocol){span_cstr("cooperative"), subscription_of(p)};
    a->j = (struct group_join){.member_id = arena_copy(&w.arena, span_cstr(p->id)),
                               .instance_id = span_cstr(p->instance),
                               .client_id = span_cstr("old"),
                               .client_host = span_cstr("/127.0.0.1"),
                               .protocol_type = span_cstr("consumer"),
                               .protocols = &a->protocol,
                               .protocol_count = 1,
                               .session_timeout_ms = SESSION_MS,
                               .rebalance_timeout_ms = old_rebalance_ms,
                               .needs_member_id = p->instance == NULL};
    send_to(p->broker, &a->j.call, "g", group_join_run, &a->is_done);
    return a;
}

/* What a leader gives out: everybody the same number, in the order of members; but what another one
 * has not given up yet, nobody gets this time. */
static inline struct syncing *
old_sync_send(struct old_peer *p, const struct group_join_member *members, size_t count)
{
    struct syncing *a = NEW(struct syncing);
    uint32_t owned[8] = {0}, all = 0;
    a->s = (struct group_sync){.member_id = arena_copy(&w.arena, span_cstr(p->id)),
                               .instance_id = span_cstr(p->instance),
                               .generation = p->generation,
                               .assignments = a->list};
    for (size_t i = 0; i < count; i++) {
        owned[i] = owned_of(members[i].metadata);
        all |= owned[i];
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t mask = 0;
        for (size_t k = i; k < (size_t)topics[0].partitions; k += count) {
            mask |= 1u << k;
        }
        struct span id = arena_copy(&w.arena, members[i].id);
        struct span part = assignment_of(mask & ~(all & ~owned[i]));
        a->list[a->s.assignment_count++] = (struct group_assignment){id, part};
    }
    send_to(p->broker, &a->s.call, "g", group_sync_run, &a->is_done);
    return a;
}

static inline void
old_forget(struct old_peer *p)
{
    p->has_to_join = true;
    p->is_member = false;
    p->generation = -1;
    p->owned = 0;
    p->id[0] = '\0';
}

static inline int16_t
old_sync_take(struct old_peer *p, struct syncing *a)
{
    int16_t error = a->s.call.error;
    assert_true(a->is_done);
    if (error == KAFKA_NONE) {
        uint32_t now = mask_of(a->s.ret_assignment);
        p->has_to_join = (p->owned & ~now) != 0; /* it has given something up */
        p->owned = now;
        p->owned_generation = p->generation;
        p->is_member = true;
    } else if (error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_ILLEGAL_GENERATION ||
               error == KAFKA_FENCED_INSTANCE_ID) {
        old_forget(p);
    } else {
        p->has_to_join = true;
    }
    group_call_fini(&a->s.call);
    return error;
}

/* Takes the answer to a join. True when a sync is to follow. */
static inline bool
old_join_take(struct old_peer *p, struct old_joining *a)
{
    int16_t error = a->j.call.error;
    assert_true(a->is_done);
    if (error == KAFKA_NONE || error == KAFKA_MEMBER_ID_REQUIRED) {
        span_to_cstr(a->j.ret_member_id, p->id, sizeof(p->id));
    }
    if (error == KAFKA_NONE) {
        p->generation = a->j.ret_generation;
        p->has_to_join = false;
    } else if (error == KAFKA_UNKNOWN_MEMBER_ID || error == KAFKA_FENCED_INSTANCE_ID) {
        old_forget(p);
    }
    return error == KAFKA_NONE;
}

static inline struct syncing *
old_sync_after(struct old_peer *p, struct old_joining *a)
{
    bool is_leader = span_eq(a->j.ret_leader, a->j.ret_member_id);
    struct syncing *s = old_sync_send(p, a->j.ret_members, is_leader ? a->j.ret_member_count : 0);
    group_call_fini(&a->j.call);
    return s;
}

static inline int16_t
old_heartbeat(struct old_peer *p)
{
    struct group_heartbeat h = {.call.is_live_enough = true,
                                .member_id = span_cstr(p->id),
                                .instance_id = span_cstr(p->instance),
                                .generation = p->generation};
    bool is_done = false;
    send_to(p->broker, &h.call, "g", group_heartbeat_run, &is_done);
    run_ms(1);
    done_with(&h.call, &is_done);
    if (h.call.error == KAFKA_REBALANCE_IN_PROGRESS) {
        p->has_to_join = true;
    } else if (h.call.error == KAFKA_UNKNOWN_MEMBER_ID ||
               h.call.error == KAFKA_ILLEGAL_GENERATION ||
               h.call.error == KAFKA_FENCED_INSTANCE_ID) {
        old_forget(p);
    }
    return h.call.error;
}

/* Several of them, until each has joined and synced: a classic rebalance waits for all. */
static inline void
old_round(struct old_peer *const *peers)
{
    struct old_joining *joins[8] = {NULL};
    struct syncing *syncs[8] = {NULL};
    for (size_t i = 0; peers[i] != NULL; i++) {
        if (!peers[i]->has_to_join) {
            (void)old_heartbeat(peers[i]);
        }
        joins[i] = peers[i]->has_to_join ? old_join_send(peers[i]) : NULL;
    }
    settle();
    for (size_t i = 0; peers[i] != NULL; i++) {
        if (joins[i] != NULL && joins[i]->is_done &&
            joins[i]->j.call.error == KAFKA_MEMBER_ID_REQUIRED) {
            (void)old_join_take(peers[i], joins[i]);
            group_call_fini(&joins[i]->j.call);
            joins[i] = old_join_send(peers[i]);
        }
    }
    for (size_t i = 0; peers[i] != NULL; i++) {
        for (int n = 0; joins[i] != NULL && !joins[i]->is_done && n < 100; n++) {
            run_ms(500); /* the initial delay; or somebody who has to be missed first */
        }
        if (joins[i] != NULL && old_join_take(peers[i], joins[i])) {
            syncs[i] = old_sync_after(peers[i], joins[i]);
        } else if (joins[i] != NULL) {
            group_call_fini(&joins[i]->j.call);
        }
    }
    settle();
    for (size_t i = 0; peers[i] != NULL; i++) {
        if (syncs[i] != NULL) {
            (void)old_sync_take(peers[i], syncs[i]);
        }
    }
}

/* Joins a consumer group, or joins it again: answered at once. */
static inline int16_t
old_join(struct old_peer *p)
{
    struct old_joining *a = old_join_send(p);
    settle();
    if (a->is_done && a->j.call.error == KAFKA_MEMBER_ID_REQUIRED) {
        (void)old_join_take(p, a);
        group_call_fini(&a->j.call);
        a = old_join_send(p);
        settle();
    }
    if (!old_join_take(p, a)) {
        int16_t error = a->j.call.error;
        group_call_fini(&a->j.call);
        return error;
    }
    struct syncing *s = old_sync_after(p, a);
    settle();
    return old_sync_take(p, s);
}

#endif
