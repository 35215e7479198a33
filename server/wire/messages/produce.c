/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of Produce; the columns are explained in wire/schema.h. */
#include "wire/messages/produce.h"

#include "wire/reader.h"
#include "wire/writer.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_request_partition, index, 3, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_RECORDS, struct produce_request_partition, records, 3, WIRE_FOREVER, 3),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct produce_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct produce_request_topic, name, 3, 12),
    WIRE_ROW(WIRE_UUID, struct produce_request_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct produce_request_topic, partition_data, 3,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct produce_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_request, transactional_id, 3, WIRE_FOREVER, 3),
    WIRE_ROW(WIRE_I16, struct produce_request, acks, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct produce_request, timeout_ms, 3, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_topic, struct produce_request, topic_data, 3, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct produce_request, request_rows);

const struct wire_message produce_request_schema = {"ProduceRequest", 0, false, 3, 13, 9, &request};

static const struct wire_field response_record_error_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_response_record_error, batch_index, 8, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_response_record_error, batch_index_error_message,
                      8, WIRE_FOREVER, 8),
};
static const struct wire_schema response_record_error =
    WIRE_SCHEMA(struct produce_response_record_error, response_record_error_rows);

static const struct wire_field response_leader_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct produce_response_leader, leader_id, 10, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I32, struct produce_response_leader, leader_epoch, 10, WIRE_FOREVER, -1),
};
static const struct wire_schema response_leader =
    WIRE_SCHEMA(struct produce_response_leader, response_leader_rows);

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_response_partition, index, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct produce_response_partition, error_code, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct produce_response_partition, base_offset, 3, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct produce_response_partition, log_append_time_ms, 3,
                     WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct produce_response_partition, log_start_offset, 5, WIRE_FOREVER,
                     -1),
    WIRE_ROW_STRUCTS(&response_record_error, struct produce_response_partition, record_errors, 8,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_response_partition, error_message, 8,
                      WIRE_FOREVER, 8),
    {"current_leader", WIRE_STRUCT, false, 10, WIRE_FOREVER, WIRE_NEVER, 10, 0,
     (uint16_t)offsetof(struct produce_response_partition, current_leader), &response_leader, 0},
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct produce_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct produce_response_topic, name, 3, 12),
    WIRE_ROW(WIRE_UUID, struct produce_response_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct produce_response_topic, partition_responses, 3,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct produce_response_topic, response_topic_rows);

static const struct wire_field response_node_endpoint_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_response_node_endpoint, node_id, 10, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct produce_response_node_endpoint, host, 10, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct produce_response_node_endpoint, port, 10, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_response_node_endpoint, rack, 10, WIRE_FOREVER,
                      10),
};
static const struct wire_schema response_node_endpoint =
    WIRE_SCHEMA(struct produce_response_node_endpoint, response_node_endpoint_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW_STRUCTS(&response_topic, struct produce_response, responses, 3, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_I32, struct produce_response, throttle_time_ms, 3, WIRE_FOREVER),
    {"node_endpoints", WIRE_STRUCT, true, 10, WIRE_FOREVER, WIRE_NEVER, 10, 0,
     (uint16_t)offsetof(struct produce_response, node_endpoints), &response_node_endpoint, 0},
};
static const struct wire_schema response = WIRE_SCHEMA(struct produce_response, response_rows);

const struct wire_message produce_response_schema = {"ProduceResponse", 0, true, 3, 13, 9,
                                                     &response};

void
produce_response_leader_init(struct produce_response_leader *ret)
{
    wire_defaults(&response_leader, ret);
}

void
produce_response_partition_init(struct produce_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}

/* --- straight code ---
 *
 * ProduceRequest  v3-13: transactional_id? acks timeout [topic: name|id(13) [index records?]]
 * ProduceResponse v3-13: [topic: name|id(13) [index error base_offset log_append_time
 *                         log_start(5) [record_errors](8) error_message?(8) <leader>(10)]]
 *                         throttle <endpoints>(10)
 * A set of tagged fields ends every struct from v9 on. */

static void
decode_partitions(struct wire_in *in, struct produce_request_topic *topic)
{
    topic->partition_data.count = wire_array(in, in->is_flexible ? 6 : 8);
    topic->partition_data.items =
        wire_items(in, topic->partition_data.count, sizeof(*topic->partition_data.items));
    for (size_t i = 0; i < topic->partition_data.count && wire_ok(in); i++) {
        struct produce_request_partition *part = &topic->partition_data.items[i];
        part->index = wire_i32(in);
        part->records = wire_bytes_nullable(in);
        wire_tags_skip(in);
    }
}

enum sl_err
produce_request_decode(struct span body, int16_t version, struct arena *arena,
                       struct produce_request *ret)
{
    if (version < produce_request_schema.min_version ||
        version > produce_request_schema.max_version) {
        return SL_EVERSION;
    }
    struct wire_in in;
    wire_in_init(&in, body, version >= 9, arena);
    struct produce_request req = {0};
    req.transactional_id = wire_string_nullable(&in);
    req.acks = wire_i16(&in);
    req.timeout_ms = wire_i32(&in);
    req.topic_data.count = wire_array(&in, in.is_flexible ? 3 : 6);
    req.topic_data.items = wire_items(&in, req.topic_data.count, sizeof(*req.topic_data.items));
    for (size_t i = 0; i < req.topic_data.count && wire_ok(&in); i++) {
        struct produce_request_topic *topic = &req.topic_data.items[i];
        if (version >= 13) {
            wire_uuid(&in, topic->topic_id);
        } else {
            topic->name = wire_string(&in);
        }
        decode_partitions(&in, topic);
        wire_tags_skip(&in);
    }
    wire_tags_skip(&in);
    enum sl_err rc = wire_in_done(&in);
    if (rc == SL_OK) {
        *ret = req;
    }
    return rc;
}

static void
encode_leader(struct wire_out *out, const struct produce_response_leader *leader)
{
    if (leader->leader_id == -1 && leader->leader_epoch == -1) {
        wire_put_no_tags(out);
        return;
    }
    wire_put_uvarint(out, 1);
    wire_put_uvarint(out, 0);         /* tag */
    wire_put_uvarint(out, 4 + 4 + 1); /* size */
    wire_put_i32(out, leader->leader_id);
    wire_put_i32(out, leader->leader_epoch);
    wire_put_no_tags(out);
}

static void
encode_record_errors(struct wire_out *out, const struct produce_response_partition *part)
{
    wire_put_array(out, part->record_errors.count);
    for (size_t i = 0; i < part->record_errors.count; i++) {
        wire_put_i32(out, part->record_errors.items[i].batch_index);
        wire_put_string_nullable(out, part->record_errors.items[i].batch_index_error_message);
        wire_put_no_tags(out);
    }
}

static void
encode_partition(struct wire_out *out, const struct produce_response_partition *part,
                 int16_t version)
{
    wire_put_i32(out, part->index);
    wire_put_i16(out, part->error_code);
    wire_put_i64(out, part->base_offset);
    wire_put_i64(out, part->log_append_time_ms);
    if (version >= 5) {
        wire_put_i64(out, part->log_start_offset);
    }
    if (version >= 8) {
        encode_record_errors(out, part);
        wire_put_string_nullable(out, part->error_message);
    }
    if (version >= 10) {
        encode_leader(out, &part->current_leader);
    } else {
        wire_put_no_tags(out);
    }
}

enum sl_err
produce_response_encode(const struct produce_response *resp, int16_t version, struct bytes *to)
{
    if (resp->node_endpoints.count > 0) { /* rare: leave it to the table */
        return wire_encode(&produce_response_schema, version, resp, to);
    }
    if (version < produce_request_schema.min_version ||
        version > produce_request_schema.max_version) {
        return SL_EVERSION;
    }
    struct wire_out out = wire_out_to(to, version >= 9);
    wire_put_array(&out, resp->responses.count);
    for (size_t i = 0; i < resp->responses.count; i++) {
        const struct produce_response_topic *topic = &resp->responses.items[i];
        if (version >= 13) {
            wire_put_uuid(&out, topic->topic_id);
        } else {
            wire_put_string(&out, topic->name);
        }
        wire_put_array(&out, topic->partition_responses.count);
        for (size_t k = 0; k < topic->partition_responses.count; k++) {
            encode_partition(&out, &topic->partition_responses.items[k], version);
        }
        wire_put_no_tags(&out);
    }
    wire_put_i32(&out, resp->throttle_time_ms);
    wire_put_no_tags(&out);
    return wire_out_done(&out);
}
