# SPDX-License-Identifier: Apache-2.0
"""rNNNN: each a bug that was found, and a test that failed before the fix."""
import time

from harness import expect, expect_true, test
from rawkafka import make_batch
from suite_scale import wakeups


@test(brokers=("sluice",))
def r0001_fetch_below_min_bytes_sleeps(env):
    """With less than min_bytes in the log the fetch was woken at once, for ever: a core was lost for
    the whole of max_wait_ms."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"one"]))["error"], 0, "produce")
    waiting = env.client(broker)
    corr = waiting.send("Fetch", 11, raw.fetch_body([(topic, 0, 0, 1 << 20)], max_wait_ms=20000,
                                             min_bytes=100000))
    raw.metadata([topic])
    cpu, woken, window = broker.cpu_s(), wakeups(broker), 3
    time.sleep(window)
    spent, woken = broker.cpu_s() - cpu, wakeups(broker) - woken
    expect_true(spent < 0.5 * window, f"{spent:.2f} s of CPU in {window} s of waiting")
    expect_true(woken < 1000 * window, f"{woken} wake-ups in {window} s of waiting")
    expect(raw.produce(topic, 0, make_batch([b"x" * 200000]))["error"], 0, "produce the rest")
    row = waiting.receive("Fetch", 11, corr)["responses"][0]["partitions"][0]
    expect_true(len(row["records"]) >= 200000, "the fetch gets both batches when there is enough")
