# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka's AdminClient (librdkafka) as a test client."""
import sys

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from admin_proto import serve

admin = AdminClient({"bootstrap.servers": sys.argv[1]})


def outcome(future, ok):
    """What ok makes of the future's result, or the error as text."""
    try:
        return ok(future.result(30))
    except KafkaException as e:
        return e.args[0].str()


def delete_records(topic, offsets):
    parts = [TopicPartition(topic, int(p), o) for p, o in offsets.items()]
    return {str(tp.partition): outcome(f, lambda r: r.low_watermark)
            for tp, f in admin.delete_records(parts).items()}


serve({"delete_records": delete_records})
