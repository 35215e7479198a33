/* SPDX-License-Identifier: Apache-2.0
 *
 * Straight code for the Metadata response: brokers, then topics with their partitions. */
#include "wire/messages/metadata.h"
#include "wire/writer.h"

static void
put_ids(struct wire_out *out, const int32_t *ids, size_t count)
{
    wire_put_array(out, count);
    for (size_t i = 0; i < count; i++) {
        wire_put_i32(out, ids[i]);
    }
}

static void
put_broker(struct wire_out *out, const struct metadata_response_broker *broker, int16_t version)
{
    wire_put_i32(out, broker->node_id);
    wire_put_string(out, broker->host);
    wire_put_i32(out, broker->port);
    if (version >= 1) {
        wire_put_string_nullable(out, broker->rack);
    }
    wire_put_no_tags(out);
}

static void
put_partition(struct wire_out *out, const struct metadata_response_partition *part, int16_t version)
{
    wire_put_i16(out, part->error_code);
    wire_put_i32(out, part->partition_index);
    wire_put_i32(out, part->leader_id);
    if (version >= 7) {
        wire_put_i32(out, part->leader_epoch);
    }
    put_ids(out, part->replica_nodes.items, part->replica_nodes.count);
    put_ids(out, part->isr_nodes.items, part->isr_nodes.count);
    if (version >= 5) {
        put_ids(out, part->offline_replicas.items, part->offline_replicas.count);
    }
    wire_put_no_tags(out);
}

static void
put_topic(struct wire_out *out, const struct metadata_response_topic *topic, int16_t version)
{
    wire_put_i16(out, topic->error_code);
    if (version >= 12) {
        wire_put_string_nullable(out, topic->name);
    } else {
        wire_put_string(out, topic->name);
    }
    if (version >= 10) {
        wire_put_uuid(out, topic->topic_id);
    }
    if (version >= 1) {
        wire_put_bool(out, topic->is_internal);
    }
    wire_put_array(out, topic->partitions.count);
    for (size_t i = 0; i < topic->partitions.count; i++) {
        put_partition(out, &topic->partitions.items[i], version);
    }
    if (version >= 8) {
        wire_put_i32(out, topic->topic_authorized_operations);
    }
    wire_put_no_tags(out);
}

static void
put_head(struct wire_out *out, const struct metadata_response *resp, int16_t version)
{
    if (version >= 3) {
        wire_put_i32(out, resp->throttle_time_ms);
    }
    wire_put_array(out, resp->brokers.count);
    for (size_t i = 0; i < resp->brokers.count; i++) {
        put_broker(out, &resp->brokers.items[i], version);
    }
    if (version >= 2) {
        wire_put_string_nullable(out, resp->cluster_id);
    }
    if (version >= 1) {
        wire_put_i32(out, resp->controller_id);
    }
}

enum sl_err
metadata_response_encode(const struct metadata_response *resp, int16_t version, struct bytes *to)
{
    if (version < metadata_response_schema.min_version ||
        version > metadata_response_schema.max_version) {
        return SL_EVERSION;
    }
    struct wire_out out = wire_out_to(to, version >= metadata_response_schema.flexible_since);
    put_head(&out, resp, version);
    wire_put_array(&out, resp->topics.count);
    for (size_t i = 0; i < resp->topics.count; i++) {
        put_topic(&out, &resp->topics.items[i], version);
    }
    if (version >= 8 && version <= 10) {
        wire_put_i32(&out, resp->cluster_authorized_operations);
    }
    if (version >= 13) {
        wire_put_i16(&out, resp->error_code);
    }
    wire_put_no_tags(&out);
    return wire_out_done(&out);
}
