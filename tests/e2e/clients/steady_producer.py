# SPDX-License-Identifier: Apache-2.0
"""An idempotent confluent-kafka producer that lives through anything the broker does.

    steady_producer.py HOST:PORT TOPIC PARTITIONS RATE [LABEL]

Sends records `LABEL:INDEX` at RATE a second, round robin, until standard input ends; then flushes.
Prints `ack INDEX PARTITION OFFSET` for each acknowledgement, `error INDEX TEXT` for each refusal, and
`done SENT` last.
"""
import sys
import threading
import time

import confluent_kafka as ck

BOOT, TOPIC, PARTITIONS, RATE = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
LABEL = sys.argv[5] if len(sys.argv) > 5 else "r"
PADDING = "." * 80

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

producer = ck.Producer({
    "bootstrap.servers": BOOT, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
    "message.timeout.ms": 300000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
    "retry.backoff.ms": 50, "topic.metadata.refresh.interval.ms": 1000,
    "socket.timeout.ms": 10000, "log_level": 3})


def reported(index):
    def callback(err, msg):
        if err:
            print("error", index, err.str(), flush=True)
        else:
            print("ack", index, msg.partition(), msg.offset())
    return callback


sent, began = 0, time.monotonic()
while not stop.is_set():
    due = int((time.monotonic() - began) * RATE)
    while sent < due:
        try:
            producer.produce(TOPIC, f"{LABEL}:{sent}:{PADDING}", partition=sent % PARTITIONS,
                             on_delivery=reported(sent))
        except BufferError:
            break
        sent += 1
    producer.poll(0.005)
    sys.stdout.flush()
left = producer.flush(120)
print("done", sent, left, flush=True)
