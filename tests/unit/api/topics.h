/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics for tests: made through CreateTopics and filled through Produce, as a client would. */
#ifndef SLUICE_TESTS_API_TOPICS_H
#define SLUICE_TESTS_API_TOPICS_H

#include "api_fixture.h"
#include "wire/messages/create_topics.h"
#include "wire/messages/produce.h"

static inline struct create_topics_request_topic
new_topic(const char *name, int32_t partitions)
{
    return (struct create_topics_request_topic){
        .name = span_cstr(name), .num_partitions = partitions, .replication_factor = 1};
}

static inline void
create_all(struct create_topics_request_topic *topics, size_t count, int16_t version,
           struct create_topics_response *ret)
{
    struct create_topics_request in;
    create_topics_request_init(&in);
    in.topics.items = topics;
    in.topics.count = count;
    call(API_CREATE_TOPICS, version, &in, ret);
    assert_int_equal(ret->topics.count, count);
}

static inline void
create_one(const char *name, int32_t partitions)
{
    struct create_topics_request_topic t = new_topic(name, partitions);
    struct create_topics_response out;
    create_all(&t, 1, 7, &out);
    assert_int_equal(out.topics.items[0].error_code, 0);
}

/* Gives the base offset, or the error as a negative number. */
static inline int64_t
produce(const char *topic, int32_t partition, struct span batch)
{
    struct produce_request_partition p = {.index = partition, .records = batch};
    struct produce_request_topic t = {.name = span_cstr(topic)};
    struct produce_request in = {.acks = -1, .timeout_ms = 1000};
    struct produce_response out;
    t.partition_data.items = &p;
    t.partition_data.count = 1;
    in.topic_data.items = &t;
    in.topic_data.count = 1;
    call(API_PRODUCE, 9, &in, &out);
    const struct produce_response_partition *r =
        &out.responses.items[0].partition_responses.items[0];
    return r->error_code != 0 ? -r->error_code : r->base_offset;
}

/* A batch of `count` records at these times. */
static inline int64_t
produce_at(const char *topic, int32_t partition, const int64_t *timestamps, int32_t count)
{
    struct bytes b;
    bytes_init(&b, 1 << 20);
    put_batch(&b, timestamps, count);
    int64_t base = produce(topic, partition, bytes_span(&b));
    bytes_fini(&b);
    return base;
}

#endif
