# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka's AdminClient (librdkafka) as a test client."""
import sys

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

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


serve({"delete_records": delete_records,
       "create_topic": lambda topic, partitions: one(admin.create_topics(
           [NewTopic(topic, partitions, 1)])),
       "delete_topic": lambda topic: one(admin.delete_topics([topic]))})
