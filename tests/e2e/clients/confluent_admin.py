# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka's AdminClient (librdkafka) as a test client."""
import sys
import time

from confluent_kafka import Consumer, ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, AdminClient,
                                   AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource,
                                   NewTopic, ResourcePatternType, ResourceType)

from admin_proto import serve

admin = AdminClient({"bootstrap.servers": sys.argv[1]})


def outcome(future, ok):
    """What ok makes of the future's result, or the error as text."""
    try:
        return ok(future.result(30))
    except KafkaException as e:
        return f"{e.args[0].name()}: {e.args[0].str()}"


def delete_records(topic, offsets):
    parts = [TopicPartition(topic, int(p), o) for p, o in offsets.items()]
    return {str(tp.partition): outcome(f, lambda r: r.low_watermark)
            for tp, f in admin.delete_records(parts).items()}


def one(futures):
    """The outcome of a call for one thing."""
    return outcome(next(iter(futures.values())), lambda r: "ok" if r is None else r)


def resource(topic, **kwargs):
    return ConfigResource(ConfigResource.Type.TOPIC, topic, **kwargs)


def alter(topic, edits, validate=False):
    """edits: [[name, operation, value]]"""
    entries = [ConfigEntry(n, v, incremental_operation=AlterConfigOpType[o]) for n, o, v in edits]
    return one(admin.incremental_alter_configs([resource(topic, incremental_configs=entries)],
                                               validate_only=validate))


def replace(topic, values):
    return one(admin.alter_configs([resource(topic, set_config=values)]))


def describe(topic, names):
    """{name: [value, source]}"""
    rows = one(admin.describe_configs([resource(topic)]))
    if isinstance(rows, str):
        return rows
    return {n: [rows[n].value, ConfigSource(rows[n].source).name] for n in names}


def acls():
    """Of describe_acls this library swallows the error, so one is created."""
    return one(admin.create_acls([AclBinding(ResourceType.TOPIC, "t", ResourcePatternType.LITERAL,
                                             "User:a", "*", AclOperation.READ,
                                             AclPermissionType.ALLOW)]))


def elect(topic, partition):
    """The error of one partition."""
    def error_of(result):
        return next(iter(result.values())).name()
    return outcome(admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(topic, partition)]),
                   error_of)


def throttles(client_id):
    """A list that fills with the throttle times a client is told, and its configuration."""
    told = []
    return told, {"bootstrap.servers": sys.argv[1], "client.id": client_id,
                  "throttle_cb": lambda e: told.append(e.throttle_time)}


def produce_throttled(topic, client_id, count, size):
    told, conf = throttles(client_id)
    producer = Producer({**conf, "batch.size": 16000, "linger.ms": 5, "max.in.flight": 1})
    began = time.monotonic()
    for _ in range(count):
        producer.produce(topic, bytes(size), partition=0)
        producer.poll(0)
    left = producer.flush(60)
    return {"left": left, "seconds": time.monotonic() - began, "throttled": max(told, default=0)}


def consume_throttled(topic, client_id, count):
    told, conf = throttles(client_id)
    consumer = Consumer({**conf, "group.id": "unused", "enable.auto.commit": False,
                         "fetch.message.max.bytes": 100000})
    consumer.assign([TopicPartition(topic, 0, 0)])
    began, got = time.monotonic(), 0
    while got < count and time.monotonic() < began + 60:
        message = consumer.poll(0.2)
        got += message is not None and message.error() is None
    answer = {"got": got, "seconds": time.monotonic() - began, "throttled": max(told, default=0)}
    consumer.close()
    return answer


serve({"acls": acls, "elect": elect, "produce_throttled": produce_throttled, "consume_throttled": consume_throttled, "alter": alter, "replace": replace, "describe": describe, "delete_records": delete_records,
       "create_topic": lambda topic, partitions: one(admin.create_topics(
           [NewTopic(topic, partitions, 1)])),
       "delete_topic": lambda topic: one(admin.delete_topics([topic]))})
