/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of group_world.h with topics in it, and consumers of the KIP-848 protocol that do what
 * clients do: take what they are told, give up what is not in it, say what they own. */
#ifndef SLUICE_TESTS_CONSUMER_WORLD_H
#define SLUICE_TESTS_CONSUMER_WORLD_H

#include "group/consumer.h"
#include "group/consumer_topics.h"
#include "group_world.h"

enum { TOPICS_MAX = 6, INDEXES_MAX = 16 };

/* The rebalance timeout that consumers ask for. */
static int32_t peer_rebalance_ms = 30000;

/* --- topics --- */

static struct {
    struct uuid id;
    const char *name; /* NULL: not there */
    int32_t partitions;
} topics[TOPICS_MAX];
static uint64_t topics_version;
static bool topics_are_complete;

static inline void
topic_show(size_t i, consumer_topic_fn see, void *to)
{
    const struct consumer_topic t = {topics[i].id, span_cstr(topics[i].name), topics[i].partitions};
    see(to, &t);
}

static inline bool
topics_complete(void *arg)
{
    (void)arg;
    return topics_are_complete;
}

static inline uint64_t
topics_version_of(void *arg)
{
    (void)arg;
    return topics_version;
}

static inline void
topics_find(void *arg, struct span name, consumer_topic_fn see, void *to)
{
    (void)arg;
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        if (topics[i].name != NULL && span_eq(span_cstr(topics[i].name), name)) {
            topic_show(i, see, to);
        }
    }
}

static inline void
topics_find_id(void *arg, const struct uuid *id, consumer_topic_fn see, void *to)
{
    (void)arg;
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        if (topics[i].name != NULL && uuid_eq(&topics[i].id, id)) {
            topic_show(i, see, to);
        }
    }
}

static inline void
topics_each(void *arg, consumer_topic_fn see, void *to)
{
    (void)arg;
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        if (topics[i].name != NULL) {
            topic_show(i, see, to);
        }
    }
}

/* Creates, or with another number of partitions grows; 0 deletes. A topic created again has another
 * id. */
static inline void
topic_set(size_t i, const char *name, int32_t partitions)
{
    if (topics[i].name == NULL) {
        topics[i].id = uuid_random(&w.loop.pub);
    }
    topics[i].name = partitions > 0 ? name : NULL;
    topics[i].partitions = partitions;
    topics_version++;
}

static const struct consumer_topics test_topics = {.is_complete = topics_complete,
                                                   .version = topics_version_of,
                                                   .find = topics_find,
                                                   .find_id = topics_find_id,
                                                   .each = topics_each};

static inline int
consumer_setup(void **unused)
{
    (void)unused;
    memset(&w, 0, sizeof(w));
    memset(topics, 0, sizeof(topics));
    diag_set_level(DIAG_OFF);
    test_loop_init(&w.loop);
    memory_init(&w.memory);
    arena_init(&w.arena, 1 << 30);
    w.options = group_options_default();
    w.options.topics = &test_topics;
    w.topic = uuid_random(&w.loop.pub);
    topics_version = 1;
    topics_are_complete = true;
    topic_set(0, "t", 6);
    broker_start(0);
    return 0;
}

/* --- consumers --- */

/* owned[t] has a bit for each partition of topics[t], or of one that had its name before: ids[t].
 */
struct peer {
    char id[32];
    const char *instance, *subscription[TOPICS_MAX + 1], *regex, *assignor;
    int32_t epoch;
    uint32_t owned[TOPICS_MAX];
    struct uuid ids[TOPICS_MAX];
    bool has_to_join, has_to_say_all, has_to_ack;
    size_t broker;
};

struct beating {
    struct consumer_heartbeat h;
    struct span names[TOPICS_MAX];
    struct group_parts parts[TOPICS_MAX];
    int32_t indexes[TOPICS_MAX][INDEXES_MAX];
    bool is_done;
};

static inline struct peer
peer_new(const char *id)
{
    struct peer p = {.subscription = {"t"}, .has_to_join = true};
    snprintf(p.id, sizeof(p.id), "%s", id);
    return p;
}

static inline void
fill_owned(const struct peer *p, struct beating *b)
{
    b->h.has_owned = true;
    b->h.owned.topics = b->parts;
    for (size_t t = 0; t < TOPICS_MAX; t++) {
        struct group_parts *parts = &b->parts[b->h.owned.count];
        *parts = (struct group_parts){p->ids[t], b->indexes[t], 0};
        for (int32_t i = 0; i < INDEXES_MAX; i++) {
            if ((p->owned[t] & (1u << i)) != 0) {
                b->indexes[t][parts->count++] = i;
            }
        }
        b->h.owned.count += parts->count > 0;
    }
}

static inline void
fill_all(const struct peer *p, struct beating *b)
{
    b->h.has_topics = true;
    b->h.topics = b->names;
    while (p->subscription[b->h.topic_count] != NULL) {
        b->names[b->h.topic_count] = span_cstr(p->subscription[b->h.topic_count]);
        b->h.topic_count++;
    }
    b->h.regex = span_cstr(p->regex);
    b->h.server_assignor = span_cstr(p->assignor);
    b->h.rebalance_timeout_ms = peer_rebalance_ms;
    fill_owned(p, b);
}

/* A heartbeat as this consumer sends it now; not waited for. */
static inline struct beating *
beat_send(struct peer *p)
{
    struct beating *b = NEW(struct beating);
    if (p->has_to_join) {
        memset(p->owned, 0, sizeof(p->owned));
        p->epoch = 0;
    }
    b->h = (struct consumer_heartbeat){.call.is_live_enough = true,
                                       .member_id = span_cstr(p->id),
                                       .member_epoch = p->epoch,
                                       .instance_id = span_cstr(p->instance),
                                       .client_id = span_cstr("client"),
                                       .client_host = span_cstr("/127.0.0.1"),
                                       .rebalance_timeout_ms = -1,
                                       .needs_member_id = true};
    if (p->has_to_join || p->has_to_say_all) {
        fill_all(p, b);
    } else if (p->has_to_ack) {
        fill_owned(p, b);
    }
    send_to(p->broker, &b->h.call, "g", consumer_heartbeat_run, &b->is_done);
    return b;
}

/* What is not in the new assignment is given up at once, what is new is owned at once: by then
 * nobody else may own it. */
static inline void
take_assignment(struct peer *p, const struct group_part_list *l)
{
    memset(p->owned, 0, sizeof(p->owned));
    for (uint32_t i = 0; i < l->count; i++) {
        for (size_t t = 0; t < TOPICS_MAX; t++) {
            for (uint32_t k = 0;
                 uuid_eq(&topics[t].id, &l->topics[i].topic_id) && k < l->topics[i].count; k++) {
                p->owned[t] |= 1u << l->topics[i].indexes[k];
                p->ids[t] = topics[t].id;
            }
        }
    }
    p->has_to_ack = true;
}

/* What a client does with an answer. Gives the error. */
static inline int16_t
beat_take(struct peer *p, struct beating *b)
{
    int16_t error = b->h.call.error;
    assert_true(b->is_done);
    if (error == KAFKA_NONE) {
        p->has_to_join = p->has_to_say_all = p->has_to_ack = false;
        p->epoch = b->h.ret_epoch;
        if (b->h.has_assignment) {
            take_assignment(p, &b->h.ret_assignment);
        }
    } else if (error == KAFKA_FENCED_MEMBER_EPOCH || error == KAFKA_UNKNOWN_MEMBER_ID) {
        p->has_to_join = true;
        memset(p->owned, 0, sizeof(p->owned));
    } else {
        p->has_to_say_all = true;
    }
    group_call_fini(&b->h.call);
    return error;
}

static inline int16_t
beat(struct peer *p)
{
    struct beating *b = beat_send(p);
    settle();
    return beat_take(p, b);
}

static inline int16_t
say_epoch(struct peer *p, int32_t epoch)
{
    struct beating *b = NEW(struct beating);
    b->h = (struct consumer_heartbeat){.member_id = span_cstr(p->id),
                                       .member_epoch = epoch,
                                       .instance_id = span_cstr(p->instance),
                                       .rebalance_timeout_ms = -1,
                                       .needs_member_id = true};
    send_to(p->broker, &b->h.call, "g", consumer_heartbeat_run, &b->is_done);
    settle();
    done_with(&b->h.call, &b->is_done);
    return b->h.call.error;
}

static inline int
owned_count(const struct peer *p)
{
    int n = 0;
    for (size_t t = 0; t < TOPICS_MAX; t++) {
        n += __builtin_popcount(p->owned[t]);
    }
    return n;
}

/* Everybody beats some times, so that what can settle has settled. */
static inline void
beat_all(struct peer *const *peers, int rounds)
{
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; peers[i] != NULL; i++) {
            (void)beat(peers[i]);
        }
    }
}

#endif
