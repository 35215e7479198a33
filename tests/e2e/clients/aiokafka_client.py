# SPDX-License-Identifier: Apache-2.0
"""aiokafka as a test client."""
import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from proto import say, say_member, say_record, serve

BOOT = sys.argv[1]


async def send_all(o, records):
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOT, acks=o.acks, linger_ms=20, max_request_size=10000000,
        compression_type=None if o.codec == "none" else o.codec,
        enable_idempotence=bool(o.idempotent))
    await producer.start()
    try:
        futures = []
        for i, r in enumerate(records):
            try:
                futures.append((i, await producer.send(
                    o.topic, value=r.value, key=r.key, partition=o.partition,
                    timestamp_ms=r.ts, headers=r.headers or None)))
            except KafkaError as e:
                say("error", i, repr(e))
        for i, future in futures:
            try:
                meta = await asyncio.wait_for(future, 30)
                say("ack", i, -1 if meta is None or meta.offset is None else meta.offset)
            except KafkaError as e:
                say("error", i, repr(e))
    finally:
        await producer.stop()


async def read_all(o):
    consumer = AIOKafkaConsumer(bootstrap_servers=BOOT, group_id=None, enable_auto_commit=False,
                                auto_offset_reset="none")
    await consumer.start()
    try:
        part = TopicPartition(o.topic, o.partition)
        consumer.assign([part])
        if o["from"] == "beginning":
            await consumer.seek_to_beginning(part)
        elif o["from"] == "end":
            await consumer.seek_to_end(part)
        elif o["from"] == "timestamp":
            found = (await consumer.offsets_for_times({part: o.at}))[part]
            if found is None:
                return
            consumer.seek(part, found.offset)
        else:
            consumer.seek(part, o.at)
        got, end = 0, time.monotonic() + o.timeout_ms / 1000
        while got < o.count and time.monotonic() < end:
            batches = await consumer.getmany(timeout_ms=200, max_records=o.count - got)
            for rows in batches.values():
                for r in rows:
                    say_record(r.offset, r.timestamp, r.key, r.value, r.headers)
                    got += 1
    finally:
        await consumer.stop()


async def read_group(o):
    extra = {} if o.instance == "-" else {"group_instance_id": o.instance}
    consumer = AIOKafkaConsumer(o.topic, bootstrap_servers=BOOT, group_id=o.group,
                                enable_auto_commit=False, auto_offset_reset="earliest", **extra)
    await consumer.start()
    try:
        got, end = 0, time.monotonic() + o.timeout_ms / 1000
        while got < o.count and time.monotonic() < end:
            batches = await consumer.getmany(timeout_ms=200, max_records=o.count - got)
            for rows in batches.values():
                for r in rows:
                    say_member(r.partition, r.offset, r.value)
                    got += 1
        if got:
            await consumer.commit()
    finally:
        await consumer.stop()


serve(lambda o, r: asyncio.run(send_all(o, r)), lambda o: asyncio.run(read_all(o)),
      lambda o: asyncio.run(read_group(o)))
