# SPDX-License-Identifier: Apache-2.0
"""a3x: hostile and broken peers. The documented error or a closed connection, and nobody else pays."""
import os
import random
import socket
import struct
import time

import rawkafka as k
from harness import eventually, expect, expect_true, test
from kschema import MESSAGES, SchemaError, encode, uvarint
from rawkafka import Client, make_batch, parse_batches, request_frame
from suite_protocol import bodies

MIB = 1024  # in the KiB of /proc


def healthy(env, broker):
    """A newcomer produces and reads back."""
    with Client(broker.address) as raw:
        topic = env.topic(client=raw)
        row = raw.produce(topic, 0, make_batch([b"still here"]))
        expect((row["error"], row["base_offset"]), (0, 0), "produce afterwards")
        values = [r[3] for b in raw.read_batches(topic, 0) for r in b.records()]
        expect(values, [b"still here"], "fetch afterwards")


def settles(broker):
    """Memory of an idle broker, once it has stopped changing by much."""
    last = broker.status_kib()
    for _ in range(20):
        time.sleep(0.1)
        now = broker.status_kib()
        if abs(now - last) < 256:
            return now
        last = now
    return last


def expect_bounded(broker, before, limit_mib, budget=""):
    """Peak memory has grown by less than that."""
    if broker.is_sanitized():
        return
    grown = broker.status_kib("VmHWM") - before
    expect_true(grown < limit_mib * MIB, f"memory grew by {grown // MIB} MiB{budget}")


def valid_frames(raw, topic):
    """(name, version, frame) of every API and advertised version."""
    ranges = raw.versions()
    for name, body in bodies(raw, topic).items():
        low, high = ranges[MESSAGES[name].key]
        for version in range(3 if name == "Produce" else low, min(high, 13) + 1):
            known = {f.name for f in MESSAGES[name].request}
            request = {f: v for f, v in body(version).items() if f in known}
            yield name, version, request_frame(name, version, request, 1)


def closed_or_answered(address, frame, what, wait=10):
    """Sends one frame; True when an answer came, False when the connection was closed."""
    raw = k.Conn(address, timeout=wait)
    try:
        raw.send_raw(frame)
        raw.receive_frame()
        return True
    except (k.ConnectionClosed, ConnectionError):
        return False
    except TimeoutError:
        raise AssertionError(f"{what}: neither an answer nor an end in {wait} s") from None
    except SchemaError as e:
        raise AssertionError(f"{what}: {e}") from e
    finally:
        raw.close()


@test()
def a30_frame_sizes_that_lie(env):
    for size in (-1, -2**31, 2**31 - 1, 200 << 20, 0, 1, 7):
        frame = struct.pack(">i", size) + b"\0" * max(0, min(size, 7))
        answered = closed_or_answered(env.broker.address, frame, f"frame of {size} bytes")
        expect_true(not answered, f"a frame of {size} bytes is answered")
    healthy(env, env.broker)


@test()
def a30_not_kafka_at_all(env):
    for name, data in (("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                       ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200)),
                       ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n")):
        expect_true(not closed_or_answered(env.broker.address, data, name), f"{name} is answered")
    healthy(env, env.broker)


@test(timeout=180)
def a31_truncated_requests(env):
    """Every request at every version, cut off at every byte (with a frame size that is right)."""
    raw, topic = env.client(), env.topic()
    for name, version, frame in list(valid_frames(raw, topic)):
        payload = frame[4:]
        step = max(1, len(payload) // 40)
        for cut in range(8, len(payload), step):
            short = struct.pack(">i", cut) + payload[:cut]
            closed_or_answered(env.broker.address, short, f"{name} v{version} cut at {cut}")
    healthy(env, env.broker)


@test()
def a31_trailing_bytes(env):
    """Bytes after the end of a request never pass for a part of it."""
    raw, topic = env.client(), env.topic()
    for name, version, frame in list(valid_frames(raw, topic)):
        longer = struct.pack(">i", len(frame) - 4 + 3) + frame[4:] + b"\0\0\0"
        closed_or_answered(env.broker.address, longer, f"{name} v{version} with trailing bytes")
    healthy(env, env.broker)


@test()
def a31_counts_that_lie(env):
    """The first array or string of every request announces far more than the frame holds."""
    for name, message in MESSAGES.items():
        low, high = env.client().versions().get(message.key, (0, -1))
        for version in {low, high, message.flexible_from}:
            if not low <= version <= high or name == "ApiVersions":
                continue
            huge = uvarint(2**31) if message.is_flexible(version) else struct.pack(">i", 2**31 - 1)
            for prefix in (b"", b"\xff\xff" * 2, b"\0" * 6, b"\xff" * 12, b"\0" * 24):
                frame = request_frame(name, version, prefix + huge + b"\1" * 40, 1)
                closed_or_answered(env.broker.address, frame, f"{name} v{version}")
    healthy(env, env.broker)


@test(timeout=180, brokers=("sluice",))
def a32_mutated_requests(env):
    """Valid requests with a few bytes changed. The seed is fixed, so a failure comes again.

    Some of them really create thousands of partitions; Kafka does not recover from that in time.
    """
    raw, topic = env.client(), env.topic()
    rng = random.Random(20240607)
    frames = list(valid_frames(raw, topic))
    for _ in range(50000 if env.everything else 5000):
        _, _, frame = rng.choice(frames)
        data = bytearray(frame)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(8, len(data))] = rng.choice((0, 1, 0x7f, 0x80, 0xff,
                                                            rng.randrange(256)))
        with socket.create_connection(env.broker.address.split(":"), 5) as s:
            s.sendall(data)
            s.settimeout(0.002)
            try:
                s.recv(4096)
            except (TimeoutError, ConnectionError):
                pass
    healthy(env, env.broker)


@test(brokers=("sluice",), timeout=90)
def a33_announced_and_never_sent(env):
    """200 connections announce 90 MiB each and send nothing: bounded memory, others unharmed."""
    broker = env.own(options=["server.request.stall.timeout.ms=4000"])
    before = settles(broker)
    head = struct.pack(">i", 90 << 20) + struct.pack(">hhih", 0, 9, 1, -1)
    socks = [socket.create_connection(broker.address.split(":"), 5) for _ in range(200)]
    for s in socks:
        s.sendall(head)
    for _ in range(5):
        healthy(env, broker)
    expect_bounded(broker, before, 320)
    for s in socks:
        s.settimeout(20)
        try:
            expect(s.recv(1), b"", "a stalled connection")
        except ConnectionError:
            pass
        s.close()
    healthy(env, broker)
    eventually(lambda: broker.status_kib() - before < 48 * MIB, 10, "memory is given back")


@test(brokers=("sluice",), timeout=120)
def a33_announced_and_partly_sent(env):
    """The same, with as much sent as the broker takes: it stops reading at its budget."""
    broker = env.own(options=["server.request.stall.timeout.ms=4000",
                              "server.memory.budget=64MiB"])
    before = settles(broker)
    head = struct.pack(">i", 90 << 20) + struct.pack(">hhih", 0, 9, 1, -1)
    socks = []
    for _ in range(50):
        s = socket.create_connection(broker.address.split(":"), 5)
        s.setblocking(False)
        socks.append(s)
        try:
            s.send(head)
            for _ in range(200):
                s.send(b"\0" * 65536)
        except (BlockingIOError, ConnectionError):
            pass
    expect_bounded(broker, before, 160, ", the budget is 64 MiB")
    # Nobody can be served while the budget is taken; stalled connections are closed in 4 s.
    with Client(broker.address, timeout=30) as raw:
        expect(raw.call("ApiVersions", 0, {})["error"], 0, "a newcomer's first request")
    healthy(env, broker)
    for s in socks:
        s.close()


@test(brokers=("sluice",), timeout=90)
def a34_a_reader_that_never_reads(env):
    """600 fetches of 1 MiB in flight, no reply taken: bounded memory, others unharmed."""
    broker = env.own(options=["server.memory.budget=64MiB"])
    raw = env.client(broker)
    topic = env.topic(client=raw)
    for _ in range(4):
        expect(raw.produce(topic, 0, make_batch([os.urandom(900000)]))["error"], 0, "produce")
    before = settles(broker)
    stuck = env.client(broker)
    frame = request_frame("Fetch", 11, stuck.fetch_body([(topic, 0, 0, 4 << 20)]), 1)
    stuck.sock.setblocking(False)
    try:
        for _ in range(600):
            stuck.sock.send(frame)
    except BlockingIOError:
        pass
    for _ in range(5):
        healthy(env, broker)
    expect_bounded(broker, before, 160, ", the budget is 64 MiB")


@test(brokers=("sluice",), timeout=90)
def a34_many_large_produces_at_once(env):
    """100 connections send 8 MiB requests at once: all end in an answer, memory is bounded."""
    broker = env.own(options=["server.memory.budget=64MiB"])
    topic = env.topic(client=env.client(broker))
    before = settles(broker)
    rows = make_batch([bytes(1000000)], crc=0)  # refused, but only when it was read whole
    body = {"acks": -1, "timeout_ms": 30000, "topics": [{"name": topic, "partitions": [
        {"index": p, "records": rows} for p in range(8)]}]}
    payload = encode("Produce", 9, body)
    conns = [env.client(broker, timeout=60) for _ in range(40)]
    frame = request_frame("Produce", 9, payload, 1)
    for c in conns:
        c.sock.setblocking(False)
    left = {c: memoryview(frame) for c in conns}
    end = time.monotonic() + 60
    while left:
        expect_true(time.monotonic() < end, f"{len(left)} requests could not be sent in 60 s")
        for c in list(left):
            try:
                left[c] = left[c][c.sock.send(left[c][:1 << 18]):]
            except BlockingIOError:
                time.sleep(0.001)
            if not left[c]:
                del left[c]
    for c in conns:
        c.sock.settimeout(30)
        c.receive_frame()
    expect_bounded(broker, before, 160, ", the budget is 64 MiB")


def zstd_bomb(size):
    """A zstd frame of about size zero bytes: 128 KiB for every four bytes."""
    blocks = size >> 17
    out = [struct.pack("<I", 0xFD2FB528), b"\x00\x58"]  # no size given, a window of 2 MiB
    for i in range(blocks):
        last = 1 if i == blocks - 1 else 0
        out.append(struct.pack("<I", 1 << 17 << 3 | 1 << 1 | last)[:3] + b"\0")
    return b"".join(out)


@test(brokers=("sluice",))
def a35_decompression_bomb(env):
    """2 GiB in 64 KiB: the broker need not accept it, but it must not hold it."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(client=raw)
    before = settles(broker)
    batch = make_batch([b"x", b"y"], codec="zstd", records=zstd_bomb(2 << 30))
    row = raw.produce(topic, 0, batch)
    if row["error"] == 0:
        raw.list_offset(topic, 0, 1)  # looks for a timestamp inside the batch
    expect_bounded(broker, before, 128)
    healthy(env, broker)


@test()
def a36_the_same_partition_twice(env):
    """Rejected or merged, but answered, and what is acknowledged is there."""
    raw, topic = env.client(), env.topic()
    part = {"index": 0, "records": make_batch([b"x"])}
    for topics in ([{"name": topic, "partitions": [part, part]}],
                   [{"name": topic, "partitions": [part]}, {"name": topic, "partitions": [part]}]):
        with Client(env.broker.address) as other:
            try:
                reply = other.call("Produce", 9, {"acks": -1, "timeout_ms": 5000, "topics": topics})
            except k.ConnectionClosed:
                continue
            rows = [p for t in reply["responses"] for p in t["partitions"]]
            offsets = [p["base_offset"] for p in rows if p["error"] == 0]
            expect_true(all(o < raw.end_offset(topic, 0) for o in offsets), f"offsets {offsets}")
    body = raw.fetch_body([(topic, 0, 0, 1000), (topic, 0, 0, 1000)])
    with Client(env.broker.address) as other:
        try:
            other.call("Fetch", 11, body)
        except k.ConnectionClosed:
            pass
    healthy(env, env.broker)


@test(timeout=90)
def a36_huge_lists(env):
    """100 000 entries of nonsense in one request."""
    raw = env.client(timeout=60)
    names = [{"name": f"no.such.{i}"} for i in range(20000)]
    reply = raw.call("Metadata", 12, {"topics": names, "allow_auto_topic_creation": False})
    expect({t["error"] for t in reply["topics"]}, {k.UNKNOWN_TOPIC_OR_PARTITION}, "errors")
    rows = [{"partition": i, "timestamp": -1, "current_leader_epoch": -1} for i in range(100000)]
    try:
        reply = raw.call("ListOffsets", 5, {"replica_id": -1,
                                            "topics": [{"name": "no.such", "partitions": rows}]})
        expect({p["error"] for p in reply["topics"][0]["partitions"]},
               {k.UNKNOWN_TOPIC_OR_PARTITION}, "errors")
    except k.ConnectionClosed:
        pass  # more than we answer in one request
    healthy(env, env.broker)


@test(brokers=("sluice",))
def a36_absurd_partition_counts(env):
    raw = env.client(timeout=30)
    for count in (2**31 - 1, 100_000_000):
        error = raw.create(f"{env.name}.{count}", count)
        expect_true(error != 0, f"{count} partitions were created")
    topic = env.topic(client=raw)
    reply = raw.call("CreatePartitions", 2, {"timeout_ms": 9000, "topics": [
        {"name": topic, "count": 2**31 - 1}]})
    expect_true(reply["results"][0]["error"] != 0, "growth to 2^31-1 partitions")
    healthy(env, env.broker)


@test(brokers=("sluice",))
def a37_no_descriptor_is_leaked(env):
    """Connections that end in every way leave no descriptor behind."""
    broker = env.own()
    raw, address = env.client(broker), broker.address.split(":")
    topic = env.topic(client=raw)

    def descriptors():
        return len(os.listdir(f"/proc/{broker.pid}/fd"))

    before = descriptors()
    fetch = request_frame("Fetch", 11, raw.fetch_body([(topic, 0, 0, 100)], max_wait_ms=3000), 1)
    for i in range(400):
        s = socket.create_connection(address, 5)
        if i % 4 == 1:
            s.sendall(b"\0\0")
        elif i % 4 == 2:
            s.sendall(fetch)  # leaves while the broker waits for it
        elif i % 4 == 3:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.sendall(fetch * 3)
        s.close()
    eventually(lambda: descriptors() <= before, 15, f"descriptors back to {before}")
    raw.produce(topic, 0, make_batch([b"x"]))
    row = raw.fetch(topic, 0, 0)
    expect(len(parse_batches(row["records"])), 1, "batches")
