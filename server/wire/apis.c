/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of APIs. Versions live in the schema tables; here they are only repeated, and a
 * test holds the two together. */
#include "wire/frame.h"
#include "wire/messages/alter_client_quotas.h"
#include "wire/messages/alter_configs.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/consumer_group_describe.h"
#include "wire/messages/consumer_group_heartbeat.h"
#include "wire/messages/create_acls.h"
#include "wire/messages/create_partitions.h"
#include "wire/messages/create_topics.h"
#include "wire/messages/delete_acls.h"
#include "wire/messages/delete_groups.h"
#include "wire/messages/delete_records.h"
#include "wire/messages/delete_topics.h"
#include "wire/messages/describe_acls.h"
#include "wire/messages/describe_client_quotas.h"
#include "wire/messages/describe_cluster.h"
#include "wire/messages/describe_configs.h"
#include "wire/messages/describe_groups.h"
#include "wire/messages/describe_log_dirs.h"
#include "wire/messages/describe_topic_partitions.h"
#include "wire/messages/describe_user_scram_credentials.h"
#include "wire/messages/elect_leaders.h"
#include "wire/messages/fetch.h"
#include "wire/messages/find_coordinator.h"
#include "wire/messages/heartbeat.h"
#include "wire/messages/incremental_alter_configs.h"
#include "wire/messages/init_producer_id.h"
#include "wire/messages/join_group.h"
#include "wire/messages/leave_group.h"
#include "wire/messages/list_groups.h"
#include "wire/messages/list_offsets.h"
#include "wire/messages/list_partition_reassignments.h"
#include "wire/messages/metadata.h"
#include "wire/messages/offset_commit.h"
#include "wire/messages/offset_delete.h"
#include "wire/messages/offset_fetch.h"
#include "wire/messages/offset_for_leader_epoch.h"
#include "wire/messages/produce.h"
#include "wire/messages/sasl_handshake.h"
#include "wire/messages/sluice_status.h"
#include "wire/messages/sync_group.h"

static const struct api_info apis[] = {
    {API_PRODUCE, "Produce", 3, 13, 9, &produce_request_schema, &produce_response_schema},
    {API_FETCH, "Fetch", 4, 17, 12, &fetch_request_schema, &fetch_response_schema},
    {API_LIST_OFFSETS, "ListOffsets", 1, 9, 6, &list_offsets_request_schema,
     &list_offsets_response_schema},
    {API_METADATA, "Metadata", 0, 13, 9, &metadata_request_schema, &metadata_response_schema},
    {API_OFFSET_COMMIT, "OffsetCommit", 2, 9, 8, &offset_commit_request_schema,
     &offset_commit_response_schema},
    {API_OFFSET_FETCH, "OffsetFetch", 1, 9, 6, &offset_fetch_request_schema,
     &offset_fetch_response_schema},
    {API_FIND_COORDINATOR, "FindCoordinator", 0, 4, 3, &find_coordinator_request_schema,
     &find_coordinator_response_schema},
    {API_JOIN_GROUP, "JoinGroup", 0, 9, 6, &join_group_request_schema, &join_group_response_schema},
    {API_HEARTBEAT, "Heartbeat", 0, 4, 4, &heartbeat_request_schema, &heartbeat_response_schema},
    {API_LEAVE_GROUP, "LeaveGroup", 0, 5, 4, &leave_group_request_schema,
     &leave_group_response_schema},
    {API_SYNC_GROUP, "SyncGroup", 0, 5, 4, &sync_group_request_schema, &sync_group_response_schema},
    {API_DESCRIBE_GROUPS, "DescribeGroups", 0, 6, 5, &describe_groups_request_schema,
     &describe_groups_response_schema},
    {API_LIST_GROUPS, "ListGroups", 0, 5, 3, &list_groups_request_schema,
     &list_groups_response_schema},
    {API_SASL_HANDSHAKE, "SaslHandshake", 0, 1, WIRE_NEVER, &sasl_handshake_request_schema,
     &sasl_handshake_response_schema},
    {API_API_VERSIONS, "ApiVersions", 0, 4, 3, &api_versions_request_schema,
     &api_versions_response_schema},
    {API_CREATE_TOPICS, "CreateTopics", 2, 7, 5, &create_topics_request_schema,
     &create_topics_response_schema},
    {API_DELETE_TOPICS, "DeleteTopics", 1, 6, 4, &delete_topics_request_schema,
     &delete_topics_response_schema},
    {API_DELETE_RECORDS, "DeleteRecords", 0, 2, 2, &delete_records_request_schema,
     &delete_records_response_schema},
    {API_INIT_PRODUCER_ID, "InitProducerId", 0, 5, 2, &init_producer_id_request_schema,
     &init_producer_id_response_schema},
    {API_OFFSET_FOR_LEADER_EPOCH, "OffsetForLeaderEpoch", 2, 4, 4,
     &offset_for_leader_epoch_request_schema, &offset_for_leader_epoch_response_schema},
    {API_DESCRIBE_ACLS, "DescribeAcls", 1, 3, 2, &describe_acls_request_schema,
     &describe_acls_response_schema},
    {API_CREATE_ACLS, "CreateAcls", 1, 3, 2, &create_acls_request_schema,
     &create_acls_response_schema},
    {API_DELETE_ACLS, "DeleteAcls", 1, 3, 2, &delete_acls_request_schema,
     &delete_acls_response_schema},
    {API_DESCRIBE_CONFIGS, "DescribeConfigs", 1, 4, 4, &describe_configs_request_schema,
     &describe_configs_response_schema},
    {API_ALTER_CONFIGS, "AlterConfigs", 0, 2, 2, &alter_configs_request_schema,
     &alter_configs_response_schema},
    {API_DESCRIBE_LOG_DIRS, "DescribeLogDirs", 1, 4, 2, &describe_log_dirs_request_schema,
     &describe_log_dirs_response_schema},
    {API_CREATE_PARTITIONS, "CreatePartitions", 0, 3, 2, &create_partitions_request_schema,
     &create_partitions_response_schema},
    {API_DELETE_GROUPS, "DeleteGroups", 0, 2, 2, &delete_groups_request_schema,
     &delete_groups_response_schema},
    {API_ELECT_LEADERS, "ElectLeaders", 0, 2, 2, &elect_leaders_request_schema,
     &elect_leaders_response_schema},
    {API_INCREMENTAL_ALTER_CONFIGS, "IncrementalAlterConfigs", 0, 1, 1,
     &incremental_alter_configs_request_schema, &incremental_alter_configs_response_schema},
    {API_LIST_PARTITION_REASSIGNMENTS, "ListPartitionReassignments", 0, 0, 0,
     &list_partition_reassignments_request_schema, &list_partition_reassignments_response_schema},
    {API_OFFSET_DELETE, "OffsetDelete", 0, 0, WIRE_NEVER, &offset_delete_request_schema,
     &offset_delete_response_schema},
    {API_DESCRIBE_CLIENT_QUOTAS, "DescribeClientQuotas", 0, 1, 1,
     &describe_client_quotas_request_schema, &describe_client_quotas_response_schema},
    {API_ALTER_CLIENT_QUOTAS, "AlterClientQuotas", 0, 1, 1, &alter_client_quotas_request_schema,
     &alter_client_quotas_response_schema},
    {API_DESCRIBE_USER_SCRAM_CREDENTIALS, "DescribeUserScramCredentials", 0, 0, 0,
     &describe_user_scram_credentials_request_schema,
     &describe_user_scram_credentials_response_schema},
    {API_DESCRIBE_CLUSTER, "DescribeCluster", 0, 1, 0, &describe_cluster_request_schema,
     &describe_cluster_response_schema},
    {API_CONSUMER_GROUP_HEARTBEAT, "ConsumerGroupHeartbeat", 0, 1, 0,
     &consumer_group_heartbeat_request_schema, &consumer_group_heartbeat_response_schema},
    {API_CONSUMER_GROUP_DESCRIBE, "ConsumerGroupDescribe", 0, 1, 0,
     &consumer_group_describe_request_schema, &consumer_group_describe_response_schema},
    {API_DESCRIBE_TOPIC_PARTITIONS, "DescribeTopicPartitions", 0, 0, 0,
     &describe_topic_partitions_request_schema, &describe_topic_partitions_response_schema},
};

static const struct api_info own = {API_SLUICE_STATUS,
                                    "SluiceStatus",
                                    0,
                                    0,
                                    WIRE_NEVER,
                                    &sluice_status_request_schema,
                                    &sluice_status_response_schema};

const struct api_info *
api_info_table(size_t *ret_count)
{
    *ret_count = sizeof(apis) / sizeof(apis[0]);
    return apis;
}

const struct api_info *
api_info_find(int16_t key)
{
    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
        if (apis[i].key == key) {
            return &apis[i];
        }
    }
    return key == own.key ? &own : NULL;
}
