# SPDX-License-Identifier: Apache-2.0
"""kafka-python as a test client: the current one, and 2.0.2 as Debian ships it."""
import sys
import time

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from proto import say, say_member, say_record, serve

BOOT = sys.argv[1]
OLD = kafka.__version__.startswith("2.0")


def produce(o, records):
    extra = {} if OLD else {"enable_idempotence": bool(o.idempotent)}
    producer = KafkaProducer(
        bootstrap_servers=BOOT, acks=o.acks, linger_ms=20, max_request_size=10000000,
        compression_type=None if o.codec == "none" else o.codec,
        request_timeout_ms=20000, retries=5, **extra)
    futures = []
    for i, r in enumerate(records):
        try:
            futures.append((i, producer.send(o.topic, value=r.value, key=r.key,
                                             headers=r.headers or None, partition=o.partition,
                                             timestamp_ms=r.ts)))
        except kafka.errors.KafkaError as e:
            say("error", i, repr(e))
    producer.flush(30)
    for i, future in futures:
        try:
            offset = future.get(30).offset
            say("ack", i, -1 if offset is None else offset)
        except kafka.errors.KafkaError as e:
            say("error", i, repr(e))
    producer.close(10)


def consume(o):
    consumer = KafkaConsumer(bootstrap_servers=BOOT, group_id=None, enable_auto_commit=False,
                             auto_offset_reset="none", max_partition_fetch_bytes=4 << 20)
    part = TopicPartition(o.topic, o.partition)
    consumer.assign([part])
    if o["from"] == "beginning":
        consumer.seek_to_beginning(part)
    elif o["from"] == "end":
        consumer.seek_to_end(part)
    elif o["from"] == "timestamp":
        found = consumer.offsets_for_times({part: o.at})[part]
        if found is None:
            consumer.close()
            return
        consumer.seek(part, found.offset)
    else:
        consumer.seek(part, o.at)
    got, end = 0, time.monotonic() + o.timeout_ms / 1000
    while got < o.count and time.monotonic() < end:
        for rows in consumer.poll(200, max_records=o.count - got).values():
            for r in rows:
                say_record(r.offset, r.timestamp, r.key, r.value, r.headers)
                got += 1
    consumer.close()


def group(o):
    extra = {} if o.instance == "-" else {"group_instance_id": o.instance}
    consumer = KafkaConsumer(o.topic, bootstrap_servers=BOOT, group_id=o.group,
                             enable_auto_commit=False, auto_offset_reset="earliest",
                             session_timeout_ms=10000, **extra)
    got, end = 0, time.monotonic() + o.timeout_ms / 1000
    while got < o.count and time.monotonic() < end:
        for rows in consumer.poll(200, max_records=o.count - got).values():
            for r in rows:
                say_member(r.partition, r.offset, r.value)
                got += 1
    if got:
        consumer.commit()
    consumer.close()


serve(produce, consume, group)
