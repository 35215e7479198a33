/* SPDX-License-Identifier: Apache-2.0
 *
 * Straight code for fetches.
 *
 * FetchRequest  v4-17: replica_id(<15) max_wait min_bytes max_bytes isolation session_id(7)
 *     session_epoch(7) [topic: name(<13)|id [partition leader_epoch(9) offset
 *     last_fetched_epoch(12) log_start(5) max_bytes <directory>(17)]]
 *     [forgotten: name|id [partition]](7) rack(11) <cluster_id(12), replica_state(15)>
 * FetchResponse v4-17: throttle error(7) session_id(7) [topic: name|id [partition error
 *     high_watermark last_stable log_start(5) [aborted]? preferred_replica(11) records
 *     <diverging, leader, snapshot>(12)]] <endpoints>(16)
 *
 * What a client hardly ever sends or gets (tagged fields with something in them) goes through the
 * table: decode starts over, encode looks first. */
#include "wire/messages/fetch.h"
#include "wire/reader.h"
#include "wire/writer.h"

/* True if there was something in the set, so that the table has to look at it. */
static bool
tags_are_there(struct wire_in *in)
{
    return in->is_flexible && wire_tags(in) != 0;
}

static bool
decode_partition(struct wire_in *in, int16_t version, struct fetch_request_partition *part)
{
    part->partition = wire_i32(in);
    part->current_leader_epoch = version >= 9 ? wire_i32(in) : -1;
    part->fetch_offset = wire_i64(in);
    part->last_fetched_epoch = version >= 12 ? wire_i32(in) : -1;
    part->log_start_offset = version >= 5 ? wire_i64(in) : -1;
    part->partition_max_bytes = wire_i32(in);
    return !tags_are_there(in);
}

static void
decode_name(struct wire_in *in, int16_t version, struct span *ret_name, uint8_t ret_id[16])
{
    if (version >= 13) {
        wire_uuid(in, ret_id);
    } else {
        *ret_name = wire_string(in);
    }
}

static bool
decode_topic(struct wire_in *in, int16_t version, struct fetch_request_topic *topic)
{
    decode_name(in, version, &topic->topic, topic->topic_id);
    topic->partitions.count = wire_array(in, 16);
    topic->partitions.items =
        wire_items(in, topic->partitions.count, sizeof(*topic->partitions.items));
    for (size_t i = 0; i < topic->partitions.count && wire_ok(in); i++) {
        if (!decode_partition(in, version, &topic->partitions.items[i])) {
            return false;
        }
    }
    return !tags_are_there(in);
}

static bool
decode_forgotten(struct wire_in *in, int16_t version, struct fetch_request_forgotten_topic *topic)
{
    decode_name(in, version, &topic->topic, topic->topic_id);
    topic->partitions.count = wire_array(in, 4);
    topic->partitions.items =
        wire_items(in, topic->partitions.count, sizeof(*topic->partitions.items));
    for (size_t i = 0; i < topic->partitions.count && wire_ok(in); i++) {
        topic->partitions.items[i] = wire_i32(in);
    }
    return !tags_are_there(in);
}

static void
decode_head(struct wire_in *in, int16_t version, struct fetch_request *req)
{
    req->replica_id = version < 15 ? wire_i32(in) : -1;
    req->replica_state = (struct fetch_request_replica_state){-1, -1};
    req->max_wait_ms = wire_i32(in);
    req->min_bytes = wire_i32(in);
    req->max_bytes = wire_i32(in);
    req->isolation_level = wire_i8(in);
    req->session_id = version >= 7 ? wire_i32(in) : 0;
    req->session_epoch = version >= 7 ? wire_i32(in) : -1;
}

/* Gives false if a tagged field has something in it. */
static bool
decode_body(struct wire_in *in, int16_t version, struct fetch_request *req)
{
    decode_head(in, version, req);
    req->topics.count = wire_array(in, in->is_flexible ? 3 : 6);
    req->topics.items = wire_items(in, req->topics.count, sizeof(*req->topics.items));
    for (size_t i = 0; i < req->topics.count && wire_ok(in); i++) {
        if (!decode_topic(in, version, &req->topics.items[i])) {
            return false;
        }
    }
    if (version >= 7) {
        req->forgotten_topics_data.count = wire_array(in, in->is_flexible ? 3 : 6);
        req->forgotten_topics_data.items = wire_items(in, req->forgotten_topics_data.count,
                                                      sizeof(*req->forgotten_topics_data.items));
        for (size_t i = 0; i < req->forgotten_topics_data.count && wire_ok(in); i++) {
            if (!decode_forgotten(in, version, &req->forgotten_topics_data.items[i])) {
                return false;
            }
        }
    }
    req->rack_id = version >= 11 ? wire_string(in) : span_of(NULL, 0);
    return !tags_are_there(in);
}

enum sl_err
fetch_request_decode(struct span body, int16_t version, struct arena *arena,
                     struct fetch_request *ret)
{
    if (version < fetch_request_schema.min_version || version > fetch_request_schema.max_version) {
        return SL_EVERSION;
    }
    struct wire_in in;
    wire_in_init(&in, body, version >= fetch_request_schema.flexible_since, arena);
    struct fetch_request req = {0};
    if (!decode_body(&in, version, &req) && wire_ok(&in)) {
        return wire_decode(&fetch_request_schema, version, body, arena, ret);
    }
    enum sl_err rc = wire_in_done(&in);
    if (rc == SL_OK) {
        *ret = req;
    }
    return rc;
}

/* --- response --- */

static bool
has_tagged(const struct fetch_response_partition *part)
{
    return part->diverging_epoch.epoch != -1 || part->diverging_epoch.end_offset != -1 ||
           part->current_leader.leader_id != -1 || part->current_leader.leader_epoch != -1 ||
           part->snapshot_id.epoch != -1 || part->snapshot_id.end_offset != -1;
}

/* One tagged struct of an i32 and an i64 (or of two i32), in wire order. */
static void
encode_tag_head(struct wire_out *out, uint32_t tag, uint32_t size)
{
    wire_put_uvarint(out, tag);
    wire_put_uvarint(out, size + 1);
}

static void
encode_tagged(struct wire_out *out, const struct fetch_response_partition *part)
{
    bool has_diverging =
        part->diverging_epoch.epoch != -1 || part->diverging_epoch.end_offset != -1;
    bool has_leader =
        part->current_leader.leader_id != -1 || part->current_leader.leader_epoch != -1;
    bool has_snapshot = part->snapshot_id.epoch != -1 || part->snapshot_id.end_offset != -1;
    wire_put_uvarint(out, (uint32_t)has_diverging + (uint32_t)has_leader + (uint32_t)has_snapshot);
    if (has_diverging) {
        encode_tag_head(out, 0, 4 + 8);
        wire_put_i32(out, part->diverging_epoch.epoch);
        wire_put_i64(out, part->diverging_epoch.end_offset);
        wire_put_no_tags(out);
    }
    if (has_leader) {
        encode_tag_head(out, 1, 4 + 4);
        wire_put_i32(out, part->current_leader.leader_id);
        wire_put_i32(out, part->current_leader.leader_epoch);
        wire_put_no_tags(out);
    }
    if (has_snapshot) {
        encode_tag_head(out, 2, 8 + 4);
        wire_put_i64(out, part->snapshot_id.end_offset);
        wire_put_i32(out, part->snapshot_id.epoch);
        wire_put_no_tags(out);
    }
}

static void
encode_aborted(struct wire_out *out, const struct fetch_response_partition *part)
{
    if (part->aborted_transactions.items == NULL) {
        wire_put_array_null(out);
        return;
    }
    wire_put_array(out, part->aborted_transactions.count);
    for (size_t i = 0; i < part->aborted_transactions.count; i++) {
        wire_put_i64(out, part->aborted_transactions.items[i].producer_id);
        wire_put_i64(out, part->aborted_transactions.items[i].first_offset);
        wire_put_no_tags(out);
    }
}

/* Everything up to where the record bytes belong. */
static void
encode_before_records(struct wire_out *out, const struct fetch_response_partition *part,
                      int16_t version)
{
    wire_put_i32(out, part->partition_index);
    wire_put_i16(out, part->error_code);
    wire_put_i64(out, part->high_watermark);
    wire_put_i64(out, part->last_stable_offset);
    if (version >= 5) {
        wire_put_i64(out, part->log_start_offset);
    }
    encode_aborted(out, part);
    if (version >= 11) {
        wire_put_i32(out, part->preferred_read_replica);
    }
    wire_put_bytes_len(out, part->records.len);
}

static void
encode_after_records(struct wire_out *out, const struct fetch_response_partition *part,
                     int16_t version)
{
    if (version >= 12 && has_tagged(part)) {
        encode_tagged(out, part);
    } else {
        wire_put_no_tags(out);
    }
}

/* tag 0: the list of brokers that current_leader speaks of (KIP-951). */
static void
encode_endpoints(struct wire_out *out, const struct fetch_response *resp, int16_t version)
{
    if (version < 16 || resp->node_endpoints.count == 0) {
        wire_put_no_tags(out);
        return;
    }
    struct bytes body;
    bytes_init(&body, out->to->ceiling);
    struct wire_out inner = wire_out_to(&body, true);
    wire_put_array(&inner, resp->node_endpoints.count);
    for (size_t i = 0; i < resp->node_endpoints.count; i++) {
        const struct fetch_response_node_endpoint *node = &resp->node_endpoints.items[i];
        wire_put_i32(&inner, node->node_id);
        wire_put_string(&inner, node->host);
        wire_put_i32(&inner, node->port);
        wire_put_string_nullable(&inner, node->rack);
        wire_put_no_tags(&inner);
    }
    wire_put_uvarint(out, 1);
    wire_put_uvarint(out, 0);
    wire_put_uvarint(out, (uint32_t)body.len);
    bytes_append(out->to, body.data, body.len);
    out->is_bad = out->is_bad || wire_out_done(&inner) != SL_OK;
    bytes_fini(&body);
}

static size_t
partitions_with_records(const struct fetch_response *resp)
{
    size_t n = 0;
    for (size_t i = 0; i < resp->responses.count; i++) {
        for (size_t k = 0; k < resp->responses.items[i].partitions.count; k++) {
            n += resp->responses.items[i].partitions.items[k].records.len > 0;
        }
    }
    return n;
}

static void
encode_topic(struct wire_out *out, const struct fetch_response_topic *topic, int16_t version,
             struct fetch_splices *splices)
{
    if (version >= 13) {
        wire_put_uuid(out, topic->topic_id);
    } else {
        wire_put_string(out, topic->topic);
    }
    wire_put_array(out, topic->partitions.count);
    for (size_t i = 0; i < topic->partitions.count; i++) {
        const struct fetch_response_partition *part = &topic->partitions.items[i];
        encode_before_records(out, part, version);
        if (part->records.len > 0) {
            splices->items[splices->count++] = (struct fetch_splice){out->to->len, part};
            splices->records_bytes += part->records.len;
        }
        encode_after_records(out, part, version);
    }
    wire_put_no_tags(out);
}

enum sl_err
fetch_response_encode(const struct fetch_response *resp, int16_t version, struct bytes *to,
                      struct arena *arena, struct fetch_splices *ret)
{
    if (version < fetch_response_schema.min_version ||
        version > fetch_response_schema.max_version) {
        return SL_EVERSION;
    }
    size_t n = partitions_with_records(resp);
    struct fetch_splices splices = {0};
    splices.items = arena_array(arena, n > 0 ? n : 1, sizeof(*splices.items));
    if (splices.items == NULL) {
        return SL_ENOMEM;
    }
    struct wire_out out = wire_out_to(to, version >= fetch_response_schema.flexible_since);
    wire_put_i32(&out, resp->throttle_time_ms);
    if (version >= 7) {
        wire_put_i16(&out, resp->error_code);
        wire_put_i32(&out, resp->session_id);
    }
    wire_put_array(&out, resp->responses.count);
    for (size_t i = 0; i < resp->responses.count; i++) {
        encode_topic(&out, &resp->responses.items[i], version, &splices);
    }
    encode_endpoints(&out, resp, version);
    enum sl_err rc = wire_out_done(&out);
    if (rc == SL_OK) {
        *ret = splices;
    }
    return rc;
}
