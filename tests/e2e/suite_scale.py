# SPDX-License-Identifier: Apache-2.0
"""a4x: many partitions, many connections, many who wait."""
import os
import select
import socket
import struct
import time

from harness import eventually, expect, expect_true, test
from rawkafka import make_batch, parse_batches


@test(timeout=180, brokers=("sluice",))
def a40_ten_thousand_partitions_in_one_request(env):
    broker, n = env.own(), 10000
    raw = env.client(broker, timeout=90)
    expect(raw.create("wide", n, timeout_ms=80000), 0, "CreateTopics")
    row = raw.wait_ready("wide", timeout=60)
    expect(sorted(p["index"] for p in row["partitions"]), list(range(n)), "partitions")
    for p in (0, 1, n // 2, n - 1):
        expect(raw.produce("wide", p, make_batch([b"x"]))["error"], 0, f"produce to {p}")
    body = {"replica_id": -1, "topics": [{"name": "wide", "partitions": [
        {"partition": p, "current_leader_epoch": -1, "timestamp": -1} for p in range(n)]}]}
    rows = raw.call("ListOffsets", 5, body)["topics"][0]["partitions"]
    expect(sum(p["offset"] for p in rows), 4, "sum of the end offsets")
    fetch = raw.fetch_body([("wide", p, 0, 1000) for p in range(n)])
    rows = raw.call("Fetch", 11, fetch)["responses"][0]["partitions"]
    expect(sorted(p["partition"] for p in rows), list(range(n)), "partitions of one Fetch")
    expect(sum(len(parse_batches(p["records"])) for p in rows), 4, "batches of one Fetch")
    broker.kill()
    broker.start()
    raw = env.client(broker, timeout=60)
    expect(len(raw.metadata(["wide"])["topics"][0]["partitions"]), n, "after a restart")
    rows = raw.call("ListOffsets", 5, body)["topics"][0]["partitions"]
    expect(sum(p["offset"] for p in rows), 4, "sum of the end offsets after a restart")


def connect_all(broker, n):
    """n connections begun at once; the sockets, all connected."""
    host, port = broker.address.split(":")
    socks = []
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((host, int(port)))
        socks.append(s)
    waiting = select.poll()
    for s in socks:
        waiting.register(s, select.POLLOUT)
    left, end = set(s.fileno() for s in socks), time.monotonic() + 30
    while left and time.monotonic() < end:
        for fd, _ in waiting.poll(1000):
            left.discard(fd)
            waiting.unregister(fd)
    expect(len(left), 0, "connections that were not accepted")
    return socks


@test()
def a41_thousand_connections_at_once(env):
    socks = connect_all(env.broker, 1000)
    try:
        for i, s in enumerate(socks):
            s.setblocking(True)
            s.settimeout(20)
            s.sendall(struct.pack(">ihhih", 10, 18, 0, i, -1))
        for i, s in enumerate(socks):
            head = s.recv(8, socket.MSG_WAITALL)
            expect(len(head), 8, f"bytes of the answer on connection {i}")
            expect(struct.unpack(">i", head[4:])[0], i, "correlation id")
    finally:
        for s in socks:
            s.close()


def wakeups(broker):
    """How often any thread of the broker gave up the CPU by itself: once for every wait."""
    total = 0
    for task in os.listdir(f"/proc/{broker.pid}/task"):
        with open(f"/proc/{broker.pid}/task/{task}/status", encoding="ascii") as f:
            total += next(int(x.split()[1]) for x in f if x.startswith("voluntary"))
    return total


@test(brokers=("sluice",))
def a42_fifty_waiting_consumers(env):
    """They cost nothing while they wait, and a record reaches each."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(client=raw)
    waiting = [env.client(broker, timeout=30) for _ in range(50)]
    body = raw.fetch_body([(topic, 0, 0, 1 << 20)], max_wait_ms=60000)
    corrs = [c.send("Fetch", 11, body) for c in waiting]
    raw.metadata([topic])
    time.sleep(0.5)  # what the sends caused is over
    cpu, woken, window = broker.cpu_s(), wakeups(broker), 5
    time.sleep(window)
    spent, woken = broker.cpu_s() - cpu, wakeups(broker) - woken
    expect_true(spent <= 0.03, f"{spent:.2f} s of CPU in {window} s of waiting")
    expect_true(woken <= 25 * window, f"{woken} wake-ups in {window} s of waiting")
    expect(raw.produce(topic, 0, make_batch([b"new"]))["error"], 0, "produce")
    for c, corr in zip(waiting, corrs):  # the connections' time-out is half of max_wait
        row = c.receive("Fetch", 11, corr)["responses"][0]["partitions"][0]
        expect([b.records()[0][3] for b in parse_batches(row["records"])], [b"new"], "records")


@test(brokers=("sluice",))
def a42_waiting_consumers_of_other_partitions_sleep_on(env):
    """A record wakes those who wait for its partition and nobody else."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=2, client=raw)
    other = env.client(broker)
    corr = other.send("Fetch", 11, raw.fetch_body([(topic, 1, 0, 1000)], max_wait_ms=3000))
    for _ in range(20):
        raw.produce(topic, 0, make_batch([b"x"]))
    other.sock.settimeout(0.2)
    try:
        early = other.sock.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        early = b""
    expect(early, b"", "an answer although nothing came for partition 1")
    other.sock.settimeout(20)
    raw.produce(topic, 1, make_batch([b"y"]))
    row = other.receive("Fetch", 11, corr)["responses"][0]["partitions"][0]
    expect([b.records()[0][3] for b in parse_batches(row["records"])], [b"y"], "records")


@test(brokers=("sluice",))
def a43_idle_broker(env):
    """Nobody connected: no CPU, little memory."""
    broker = env.own()
    time.sleep(0.5)
    cpu, woken, window = broker.cpu_s(), wakeups(broker), 4
    time.sleep(window)
    spent, woken = broker.cpu_s() - cpu, wakeups(broker) - woken
    expect_true(spent <= 0.03, f"{spent:.2f} s of CPU in {window} idle seconds")
    expect_true(woken <= 25 * window, f"{woken} wake-ups in {window} idle seconds")


@test(brokers=("sluice",))
def a43_graceful_stop(env):
    """SIGTERM: status 0, waiting fetches do not delay it, everything is there afterwards."""
    broker = env.own(options=["server.shutdown.timeout.ms=60000"])
    raw = env.client(broker)
    topic = env.topic(client=raw)
    for i in range(20):
        expect(raw.produce(topic, 0, make_batch([b"%d" % i]))["error"], 0, "produce")
    waiting = env.client(broker)
    waiting.send("Fetch", 11, raw.fetch_body([(topic, 0, 20, 1000)], max_wait_ms=60000))
    raw.metadata([topic])
    expect(broker.stop(timeout=25), 0, "exit status after SIGTERM")
    broker.start()
    raw = env.client(broker)
    values = [r[3] for b in raw.read_batches(topic, 0) for r in b.records()]
    expect(values, [b"%d" % i for i in range(20)], "records after a restart")
    eventually(lambda: broker.is_running(), 1, "the broker runs")
