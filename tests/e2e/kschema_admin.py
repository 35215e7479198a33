# SPDX-License-Identifier: Apache-2.0
"""Messages that administrators send; the notation is kschema.py's."""

SPEC = {
    "DeleteRecords": (21, 2, """
topics [] 0+
  name string 0+
  partitions [] 0+
    partition_index i32 0+
    offset i64 0+
timeout_ms i32 0+
""", """
throttle_time_ms i32 0+
topics [] 0+
  name string 0+
  partitions [] 0+
    partition_index i32 0+
    low_watermark i64 0+
    error i16 0+
"""),
    "DescribeAcls": (29, 2, """
resource_type_filter i8 0+
resource_name_filter string 0+ null=0+
pattern_type_filter i8 1+
principal_filter string 0+ null=0+
host_filter string 0+ null=0+
operation i8 0+
permission_type i8 0+
""", """
throttle_time_ms i32 0+
error i16 0+
error_message string 0+ null=0+
resources [] 0+
  resource_type i8 0+
  resource_name string 0+
  pattern_type i8 1+
  acls [] 0+
    principal string 0+
    host string 0+
    operation i8 0+
    permission_type i8 0+
"""),
    "CreateAcls": (30, 2, """
creations [] 0+
  resource_type i8 0+
  resource_name string 0+
  resource_pattern_type i8 1+
  principal string 0+
  host string 0+
  operation i8 0+
  permission_type i8 0+
""", """
throttle_time_ms i32 0+
results [] 0+
  error i16 0+
  error_message string 0+ null=0+
"""),
    "DeleteAcls": (31, 2, """
filters [] 0+
  resource_type_filter i8 0+
  resource_name_filter string 0+ null=0+
  pattern_type_filter i8 1+
  principal_filter string 0+ null=0+
  host_filter string 0+ null=0+
  operation i8 0+
  permission_type i8 0+
""", """
throttle_time_ms i32 0+
filter_results [] 0+
  error i16 0+
  error_message string 0+ null=0+
  matching_acls [] 0+
    error i16 0+
    error_message string 0+ null=0+
    resource_type i8 0+
    resource_name string 0+
    pattern_type i8 1+
    principal string 0+
    host string 0+
    operation i8 0+
    permission_type i8 0+
"""),
    "AlterConfigs": (33, 2, """
resources [] 0+
  resource_type i8 0+
  resource_name string 0+
  configs [] 0+
    name string 0+
    value string 0+ null=0+
validate_only bool 0+
""", """
throttle_time_ms i32 0+
responses [] 0+
  error i16 0+
  error_message string 0+ null=0+
  resource_type i8 0+
  resource_name string 0+
"""),
    "DescribeLogDirs": (35, 2, """
topics [] 0+ null=0+
  topic string 0+
  partitions []i32 0+
""", """
throttle_time_ms i32 0+
error i16 3+
results [] 0+
  error i16 0+
  log_dir string 0+
  topics [] 0+
    name string 0+
    partitions [] 0+
      partition_index i32 0+
      partition_size i64 0+
      offset_lag i64 0+
      is_future_key bool 0+
  total_bytes i64 4+
  usable_bytes i64 4+
  is_cordoned bool 5+
"""),
    "ElectLeaders": (43, 2, """
election_type i8 1+
topic_partitions [] 0+ null=0+
  topic string 0+
  partitions []i32 0+
timeout_ms i32 0+
""", """
throttle_time_ms i32 0+
error i16 1+
replica_election_results [] 0+
  topic string 0+
  partition_result [] 0+
    partition_id i32 0+
    error i16 0+
    error_message string 0+ null=0+
"""),
    "IncrementalAlterConfigs": (44, 1, """
resources [] 0+
  resource_type i8 0+
  resource_name string 0+
  configs [] 0+
    name string 0+
    config_operation i8 0+
    value string 0+ null=0+
validate_only bool 0+
""", """
throttle_time_ms i32 0+
responses [] 0+
  error i16 0+
  error_message string 0+ null=0+
  resource_type i8 0+
  resource_name string 0+
"""),
    "ListPartitionReassignments": (46, 0, """
timeout_ms i32 0+
topics [] 0+ null=0+
  name string 0+
  partition_indexes []i32 0+
""", """
throttle_time_ms i32 0+
error i16 0+
error_message string 0+ null=0+
topics [] 0+
  name string 0+
  partitions [] 0+
    partition_index i32 0+
    replicas []i32 0+
    adding_replicas []i32 0+
    removing_replicas []i32 0+
"""),
    "DescribeClientQuotas": (48, 1, """
components [] 0+
  entity_type string 0+
  match_type i8 0+
  match string 0+ null=0+
strict bool 0+
""", """
throttle_time_ms i32 0+
error i16 0+
error_message string 0+ null=0+
entries [] 0+ null=0+
  entity [] 0+
    entity_type string 0+
    entity_name string 0+ null=0+
  values [] 0+
    key string 0+
    value f64 0+
"""),
    "AlterClientQuotas": (49, 1, """
entries [] 0+
  entity [] 0+
    entity_type string 0+
    entity_name string 0+ null=0+
  ops [] 0+
    key string 0+
    value f64 0+
    remove bool 0+
validate_only bool 0+
""", """
throttle_time_ms i32 0+
entries [] 0+
  error i16 0+
  error_message string 0+ null=0+
  entity [] 0+
    entity_type string 0+
    entity_name string 0+ null=0+
"""),
    "DescribeUserScramCredentials": (50, 0, """
users [] 0+ null=0+
  name string 0+
""", """
throttle_time_ms i32 0+
error i16 0+
error_message string 0+ null=0+
results [] 0+
  user string 0+
  error i16 0+
  error_message string 0+ null=0+
  credential_infos [] 0+
    mechanism i8 0+
    iterations i32 0+
"""),
    "DescribeTopicPartitions": (75, 0, """
topics [] 0+
  name string 0+
response_partition_limit i32 0+
cursor {} 0+ null=0+
  topic_name string 0+
  partition_index i32 0+
""", """
throttle_time_ms i32 0+
topics [] 0+
  error i16 0+
  name string 0+ null=0+
  topic_id uuid 0+
  is_internal bool 0+
  partitions [] 0+
    error i16 0+
    partition_index i32 0+
    leader_id i32 0+
    leader_epoch i32 0+
    replica_nodes []i32 0+
    isr_nodes []i32 0+
    eligible_leader_replicas []i32 0+ null=0+
    last_known_elr []i32 0+ null=0+
    offline_replicas []i32 0+
  topic_authorized_operations i32 0+
next_cursor {} 0+ null=0+
  topic_name string 0+
  partition_index i32 0+
"""),
}
