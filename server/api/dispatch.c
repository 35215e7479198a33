/* From a frame to a handler.
 *
 * Key, version and correlation id come first: an ApiVersions request of a version that we do not
 * know is still answered (in the layout of version 0, KIP-511), everything else that we do not know
 * closes the connection, which is what clients probe for. */
#include "api/api_int.h"
#include "base/counters.h"

/* The largest structs per byte of request are a fetch's: 400 bytes for a partition that takes 16.
 */
/* As in Kafka: a window. */
enum { REQUEST_QUOTA_WAIT_MAX_MS = 1000 };
enum { ARENA_SLACK = 64 << 10, ARENA_PER_BYTE = 32, ARENA_MAX = 64 << 20, REPLY_MAX = 64 << 20 };

static const struct api_row table[] = {
    {API_PRODUCE, 0, 13, 3, ACL_WRITE, ACL_TOPIC, produce_handle},
    {API_FETCH, 4, 17, 4, ACL_READ, ACL_TOPIC, fetch_handle},
    {API_LIST_OFFSETS, 1, 9, 1, ACL_DESCRIBE, ACL_TOPIC, list_offsets_handle},
    {API_METADATA, 0, 13, 0, ACL_DESCRIBE, ACL_TOPIC, metadata_handle},
    {API_OFFSET_COMMIT, 2, 9, 2, ACL_READ, ACL_GROUP, offset_commit_handle},
    {API_OFFSET_FETCH, 1, 9, 1, ACL_DESCRIBE, ACL_GROUP, offset_fetch_handle},
    {API_FIND_COORDINATOR, 0, 4, 0, ACL_DESCRIBE, ACL_GROUP, find_coordinator_handle},
    {API_JOIN_GROUP, 0, 9, 0, ACL_READ, ACL_GROUP, join_group_handle},
    {API_HEARTBEAT, 0, 4, 0, ACL_READ, ACL_GROUP, heartbeat_handle},
    {API_LEAVE_GROUP, 0, 5, 0, ACL_READ, ACL_GROUP, leave_group_handle},
    {API_SYNC_GROUP, 0, 5, 0, ACL_READ, ACL_GROUP, sync_group_handle},
    {API_DESCRIBE_GROUPS, 0, 6, 0, ACL_DESCRIBE, ACL_GROUP, describe_groups_handle},
    {API_LIST_GROUPS, 0, 5, 0, ACL_DESCRIBE, ACL_CLUSTER, list_groups_handle},
    {API_API_VERSIONS, 0, 4, 0, ACL_ANY, ACL_NONE, api_versions_handle},
    {API_CREATE_TOPICS, 2, 7, 2, ACL_CREATE, ACL_TOPIC, create_topics_handle},
    {API_DELETE_TOPICS, 1, 6, 1, ACL_DELETE, ACL_TOPIC, delete_topics_handle},
    {API_DELETE_RECORDS, 0, 2, 0, ACL_DELETE, ACL_TOPIC, delete_records_handle},
    {API_INIT_PRODUCER_ID, 0, 5, 0, ACL_IDEMPOTENT_WRITE, ACL_CLUSTER, init_producer_id_handle},
    {API_OFFSET_FOR_LEADER_EPOCH, 2, 4, 2, ACL_DESCRIBE, ACL_TOPIC, offset_for_leader_epoch_handle},
    {API_DESCRIBE_ACLS, 1, 3, 1, ACL_DESCRIBE, ACL_CLUSTER, describe_acls_handle},
    {API_CREATE_ACLS, 1, 3, 1, ACL_ALTER, ACL_CLUSTER, create_acls_handle},
    {API_DELETE_ACLS, 1, 3, 1, ACL_ALTER, ACL_CLUSTER, delete_acls_handle},
    {API_DESCRIBE_CONFIGS, 1, 4, 1, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, describe_configs_handle},
    {API_ALTER_CONFIGS, 0, 2, 0, ACL_ALTER_CONFIGS, ACL_TOPIC, alter_configs_handle},
    {API_DESCRIBE_LOG_DIRS, 1, 4, 1, ACL_DESCRIBE, ACL_CLUSTER, describe_log_dirs_handle},
    {API_CREATE_PARTITIONS, 0, 3, 0, ACL_ALTER, ACL_TOPIC, create_partitions_handle},
    {API_DELETE_GROUPS, 0, 2, 0, ACL_DELETE, ACL_GROUP, delete_groups_handle},
    {API_ELECT_LEADERS, 0, 2, 0, ACL_ALTER, ACL_CLUSTER, elect_leaders_handle},
    {API_INCREMENTAL_ALTER_CONFIGS, 0, 1, 0, ACL_ALTER_CONFIGS, ACL_TOPIC,
     incremental_alter_configs_handle},
    {API_LIST_PARTITION_REASSIGNMENTS, 0, 0, 0, ACL_DESCRIBE, ACL_CLUSTER,
     list_partition_reassignments_handle},
    {API_OFFSET_DELETE, 0, 0, 0, ACL_DELETE, ACL_GROUP, offset_delete_handle},
    {API_DESCRIBE_CLIENT_QUOTAS, 0, 1, 0, ACL_DESCRIBE_CONFIGS, ACL_CLUSTER,
     describe_client_quotas_handle},
    {API_ALTER_CLIENT_QUOTAS, 0, 1, 0, ACL_ALTER_CONFIGS, ACL_CLUSTER, alter_client_quotas_handle},
    {API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0, 0, ACL_DESCRIBE, ACL_CLUSTER,
     describe_user_scram_credentials_handle},
    {API_DESCRIBE_CLUSTER, 0, 1, 0, ACL_ANY, ACL_NONE, describe_cluster_handle},
    {API_CONSUMER_GROUP_HEARTBEAT, 0, 1, 0, ACL_READ, ACL_GROUP, consumer_group_heartbeat_handle},
    {API_CONSUMER_GROUP_DESCRIBE, 0, 1, 0, ACL_DESCRIBE, ACL_GROUP, consumer_group_describe_handle},
    {API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, 0, ACL_DESCRIBE, ACL_TOPIC,
     describe_topic_partitions_handle},
};

/* Our own, served and not advertised: Kafka's clients have no use for it. */
static const struct api_row status_row = {.key = API_SLUICE_STATUS,
                                          .operation = ACL_DESCRIBE,
                                          .resource = ACL_CLUSTER,
                                          .handle = status_handle};

const struct api_row *
api_table(size_t *ret_count)
{
    *ret_count = sizeof(table) / sizeof(table[0]);
    return table;
}

const struct api_row *
api_find(int16_t key)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].key == key) {
            return &table[i];
        }
    }
    return key == status_row.key ? &status_row : NULL;
}

void
api_close(struct request *req, const char *why)
{
    static struct diag_limit limit;
    counter_add(C_net_frames_bad, 1);
    if (diag_limit_ok(&limit, 5)) {
        SL_WARN(req->broker->log, "request.refused", KV_STR("peer", req->conn->peer),
                KV_I64("api", req->api_key), KV_I64("version", req->api_version),
                KV_STR("why", why));
    }
    req->is_close = true;
    request_finish(req);
}

bool
api_decode(struct request *req, const struct request_header *h, void *out)
{
    enum sl_err rc = wire_decode(h->info->request, h->api_version, h->body, &req->arena, out);
    if (rc != SL_OK) {
        api_close(req, rc == SL_ENOMEM ? "the request is too large to be decoded"
                                       : "the request cannot be decoded");
    }
    return rc == SL_OK;
}

void
api_reply_bytes(struct request *req, struct bytes *b)
{
    struct buf *owner = buf_copy(bytes_span(b));
    bytes_fini(b);
    out_add(&req->out, buf_span(owner), &owner);
    request_finish(req);
}

/* Gives resp, or a copy of it that names the throttle of the request. Messages call it
 * throttle_time_ms, in their root. */
static const void *
with_throttle(struct request *req, const struct wire_schema *root, const void *resp)
{
    if (req->throttle_ms == 0) {
        return resp;
    }
    for (size_t i = 0; i < root->nfields; i++) {
        const struct wire_field *f = &root->fields[i];
        if (f->type == WIRE_I32 && !f->is_list && strcmp(f->name, "throttle_time_ms") == 0) {
            uint8_t *copy = (uint8_t *)arena_alloc(&req->arena, root->size);
            if (copy == NULL) {
                return resp; /* it is throttled all the same */
            }
            memcpy(copy, resp, root->size);
            memcpy(copy + f->offset, &req->throttle_ms, sizeof(req->throttle_ms));
            return copy;
        }
    }
    return resp;
}

void
api_reply(struct request *req, const struct request_header *h, const void *resp)
{
    const struct wire_message *msg = h->info->response;
    struct bytes b;
    bytes_init(&b, REPLY_MAX);
    size_t start = response_begin(&b, h);
    enum sl_err rc = wire_encode(msg, h->api_version, with_throttle(req, msg->root, resp), &b);
    if (rc == SL_OK) {
        rc = response_end(&b, start, 0);
    }
    if (rc != SL_OK) {
        bytes_fini(&b);
        api_close(req, "the answer is too large; ask for less at once");
        return;
    }
    api_reply_bytes(req, &b);
}

static void
run_handler(struct request *req, const struct request_header *h)
{
    const struct api_row *row = api_find(h->api_key);
    if (h->api_key == API_API_VERSIONS) {
        api_versions_handle(req, h);
        return;
    }
    if (row == NULL || !h->is_known_version || h->api_version < row->served_since ||
        h->api_version > row->max_version) {
        api_close(req, "this API or version is not served");
        return;
    }
    row->handle(req, h);
}

/* The time that handlers take on the loop counts against request_percentage. What a client owes
 * from before throttles this request; what this one takes is known when its handler has returned,
 * and then the request may be gone. */
static void
meter_handler(struct request *req, const struct request_header *h)
{
    struct quotas *q = req->broker->quotas;
    struct sched *loop = req->loop;
    if (!quotas_are_set(q)) {
        run_handler(req, h);
        return;
    }
    struct quota_client c = api__quota_client(req);
    int64_t began = sched_now(loop);
    struct quota_bucket *b = quotas_hold(q, QUOTA_REQUEST, &c, began);
    if (b == NULL) {
        run_handler(req, h);
        return;
    }
    int64_t ms = quotas_take(q, QUOTA_REQUEST, &c, 0, began);
    request_throttle(req, ms < REQUEST_QUOTA_WAIT_MAX_MS ? ms : REQUEST_QUOTA_WAIT_MAX_MS);
    run_handler(req, h);
    int64_t ended = sched_now(loop);
    quotas_release(q, &b, (double)(ended - began) / (double)SCHED_S, ended);
}

void
api_dispatch(struct request *req)
{
    size_t most = ARENA_MAX - ARENA_SLACK;
    size_t ceiling = req->body.len < most / ARENA_PER_BYTE ? req->body.len * ARENA_PER_BYTE : most;
    arena_init(&req->arena, ceiling + ARENA_SLACK);
    struct request_header *h = (struct request_header *)arena_alloc(&req->arena, sizeof(*h));
    counter_add(C_api_requests, 1);
    if (request_header_parse(req->body, h) != SL_OK) {
        api_close(req, "the header of the request cannot be decoded");
        return;
    }
    req->api_key = h->api_key;
    req->api_version = h->api_version;
    req->correlation_id = h->correlation_id;
    req->client_id = h->client_id;
    req->conn->client_id = h->client_id;
    meter_handler(req, h);
}

void
api_conn_closed(struct broker *broker, struct conn_info *conn)
{
    (void)broker;
    conn->api_state = NULL; /* nothing is kept per connection yet */
}
