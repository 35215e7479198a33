# SPDX-License-Identifier: Apache-2.0
"""kafka-python's KafkaAdminClient as a test client."""
import sys

from kafka import KafkaProducer
from kafka.admin import (ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType,
                         ConfigResource, ConfigResourceType, KafkaAdminClient,
                         ResourcePatternFilter, ResourceType)

from admin_proto import serve

admin = KafkaAdminClient(bootstrap_servers=sys.argv[1])


def log_dirs(topic):
    topics = admin.describe_log_dirs([topic])[0]["log_dirs"][0]["topics"]
    return {p["partition_index"]: p["partition_size"] for t in topics for p in t["partitions"]}


def delete_topic(topic):
    admin.delete_topics([topic])
    return "ok"


def create_topic(topic, partitions):
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
    return "ok"


def alter(topic, values):
    return repr(admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, values)]))


def describe(topic):
    return repr(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))


def produce_throttled(topic, client_id, count, size):
    """Milliseconds of the longest throttle time, by the producer's own metric."""
    producer = KafkaProducer(bootstrap_servers=sys.argv[1], client_id=client_id, batch_size=100000,
                             linger_ms=5)
    for _ in range(count):
        producer.send(topic, bytes(size), partition=0)
    producer.flush(60)
    groups = producer.metrics()
    producer.close()
    return max(v for g in groups.values() for n, v in g.items() if n == "throttle-time-max")


def acls():
    """What KafkaAdminClient makes of a cluster without an authorizer."""
    every = ACLFilter(principal=None, host="*", operation=ACLOperation.ANY,
                      permission_type=ACLPermissionType.ANY,
                      resource_pattern=ResourcePatternFilter(ResourceType.ANY, None,
                                                             ACLResourcePatternType.ANY))
    return repr(admin.describe_acls(every))


def topic_pages(topic):
    """{partition: leader}, by DescribeTopicPartitions"""
    rows = admin.describe_topic_partitions([topic])
    return rows if isinstance(rows, str) else repr(rows)


serve({"acls": acls, "topic_pages": topic_pages,
       "reassignments": lambda: repr(admin.list_partition_reassignments()),
       "produce_throttled": produce_throttled, "alter": alter, "describe": describe, "log_dirs": log_dirs, "delete_topic": delete_topic, "create_topic": create_topic})
