# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka (librdkafka) as a test client."""
import sys
import time

import confluent_kafka as ck

from proto import say, say_member, say_record, serve

BOOT = sys.argv[1]
WHERE = {"beginning": ck.OFFSET_BEGINNING, "end": ck.OFFSET_END}


def produce(o, records):
    producer = ck.Producer({
        "bootstrap.servers": BOOT, "acks": str(o.acks), "compression.type": o.codec,
        "enable.idempotence": bool(o.idempotent), "linger.ms": 20, "message.timeout.ms": 30000,
        "message.max.bytes": 10000000})

    def reported(index):
        def callback(err, msg):
            if err:
                say("error", index, err.str())
            else:
                say("ack", index, -1 if msg.offset() is None else msg.offset())
        return callback

    for i, r in enumerate(records):
        extra = {} if r.ts is None else {"timestamp": r.ts}
        try:
            producer.produce(o.topic, r.value, r.key, o.partition, on_delivery=reported(i),
                             headers=r.headers or None, **extra)
        except (BufferError, ck.KafkaException) as e:
            say("error", i, e)
        producer.poll(0)
    producer.flush(40)


def consume(o):
    consumer = ck.Consumer({"bootstrap.servers": BOOT, "group.id": "unused",
                            "enable.auto.commit": False, "check.crcs": True,
                            "auto.offset.reset": "error"})
    part = ck.TopicPartition(o.topic, o.partition, WHERE.get(o["from"], o.at))
    if o["from"] == "timestamp":
        part = consumer.offsets_for_times([part], timeout=10)[0]
    consumer.assign([part])
    got, end = 0, time.monotonic() + o.timeout_ms / 1000
    while got < o.count and time.monotonic() < end:
        msg = consumer.poll(0.2)
        if msg is None:
            continue
        if msg.error():
            raise ck.KafkaException(msg.error())
        say_record(msg.offset(), msg.timestamp()[1], msg.key(), msg.value(), msg.headers())
        got += 1
    consumer.close()


def group(o):
    config = {"bootstrap.servers": BOOT, "group.id": o.group, "enable.auto.commit": False,
              "auto.offset.reset": "earliest", "session.timeout.ms": 10000}
    if o.instance != "-":
        config["group.instance.id"] = o.instance
    if o.strategy == "cooperative":
        config["partition.assignment.strategy"] = "cooperative-sticky"
    consumer = ck.Consumer(config)
    consumer.subscribe([o.topic])
    got, end = 0, time.monotonic() + o.timeout_ms / 1000
    while got < o.count and time.monotonic() < end:
        msg = consumer.poll(0.2)
        if msg is None:
            continue
        if msg.error():
            raise ck.KafkaException(msg.error())
        say_member(msg.partition(), msg.offset(), msg.value())
        got += 1
    if got:
        consumer.commit(asynchronous=False)
    consumer.close()


serve(produce, consume, group)
