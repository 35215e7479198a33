/* The table of APIs: key, versions that are advertised, what has to be allowed, and who does the
 * work.
 *
 * A handler decodes the body, works, and ends in api_reply (or its own encoding) and
 * request_finish, at once or later, on the request's loop.
 *
 * Threads: a handler runs on its connection's loop. */
#ifndef SLUICE_API_HANDLERS_H
#define SLUICE_API_HANDLERS_H

#include "api/authorize.h"
#include "api/broker.h"
#include "api/request.h"
#include "wire/errors.h"
#include "wire/frame.h"

/* h lives in the request's arena. */
typedef void (*api_handler_fn)(struct request *req, const struct request_header *h);

struct api_row {
    int16_t key;
    int16_t min_version, max_version; /* advertised */
    int16_t served_since;             /* Produce lists 0-2 and refuses them (KAFKA-18659) */
    enum acl_operation operation;     /* what the handler asks, item by item, of ... */
    enum acl_resource resource;       /* ... which kind of resource */
    api_handler_fn handle;
};
const struct api_row *api_table(size_t *ret_count);
const struct api_row *api_find(int16_t key);

/* Decodes the body with the API's table; on failure closes the connection and finishes the request:
 * false. out is a struct of the message. */
bool api_decode(struct request *req, const struct request_header *h, void *out);
/* Encodes resp with the API's table and finishes the request. */
void api_reply(struct request *req, const struct request_header *h, const void *resp);
/* Gives a reply that was encoded into b (response_begin .. response_end done) and finishes. Clears
 * b. */
void api_reply_bytes(struct request *req, struct bytes *b);
/* Something is wrong with the request itself: closes the connection. */
void api_close(struct request *req, const char *why);

void api_versions_handle(struct request *req, const struct request_header *h);
void metadata_handle(struct request *req, const struct request_header *h);
void produce_handle(struct request *req, const struct request_header *h);
void fetch_handle(struct request *req, const struct request_header *h);
void list_offsets_handle(struct request *req, const struct request_header *h);
void offset_for_leader_epoch_handle(struct request *req, const struct request_header *h);
void find_coordinator_handle(struct request *req, const struct request_header *h);
void init_producer_id_handle(struct request *req, const struct request_header *h);
void join_group_handle(struct request *req, const struct request_header *h);
void sync_group_handle(struct request *req, const struct request_header *h);
void heartbeat_handle(struct request *req, const struct request_header *h);
void leave_group_handle(struct request *req, const struct request_header *h);
void offset_commit_handle(struct request *req, const struct request_header *h);
void offset_fetch_handle(struct request *req, const struct request_header *h);
void offset_delete_handle(struct request *req, const struct request_header *h);
void describe_groups_handle(struct request *req, const struct request_header *h);
void list_groups_handle(struct request *req, const struct request_header *h);
void consumer_group_heartbeat_handle(struct request *req, const struct request_header *h);
void consumer_group_describe_handle(struct request *req, const struct request_header *h);
void delete_groups_handle(struct request *req, const struct request_header *h);
void create_topics_handle(struct request *req, const struct request_header *h);
void delete_topics_handle(struct request *req, const struct request_header *h);
void create_partitions_handle(struct request *req, const struct request_header *h);
void describe_cluster_handle(struct request *req, const struct request_header *h);
void alter_configs_handle(struct request *req, const struct request_header *h);
void incremental_alter_configs_handle(struct request *req, const struct request_header *h);
void describe_configs_handle(struct request *req, const struct request_header *h);
void describe_acls_handle(struct request *req, const struct request_header *h);
void create_acls_handle(struct request *req, const struct request_header *h);
void delete_acls_handle(struct request *req, const struct request_header *h);
void describe_log_dirs_handle(struct request *req, const struct request_header *h);
void delete_records_handle(struct request *req, const struct request_header *h);
void describe_client_quotas_handle(struct request *req, const struct request_header *h);
void alter_client_quotas_handle(struct request *req, const struct request_header *h);
void describe_user_scram_credentials_handle(struct request *req, const struct request_header *h);
void elect_leaders_handle(struct request *req, const struct request_header *h);
void list_partition_reassignments_handle(struct request *req, const struct request_header *h);
void describe_topic_partitions_handle(struct request *req, const struct request_header *h);
void status_handle(struct request *req, const struct request_header *h);

#endif
