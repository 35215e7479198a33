# SPDX-License-Identifier: Apache-2.0
"""a1x, a2x: one matrix over all client libraries. What one cannot do is in clients.py (`lacks`)."""
import json
import os
import subprocess

from clients import KINDS, Row, tool
from harness import eventually, expect, expect_true, register, test
from rawkafka import make_batch

# The largest record: a batch of exactly max.message.bytes (1048588) that holds nothing else.
LARGEST_VALUE = 1048588 - 61 - 11
BOTH = ("file", "s3")


def rows_of_all_shapes(kind):
    """Null, empty and binary keys and values, headers; without what the client cannot send."""
    binary = bytes(i for i in range(256) if i not in (0x1d, 0x1e))
    rows = [
        Row(b"value alone"),
        Row(b"value", b"key"),
        Row(None, b"key of a null value"),
        Row(b"", b"key of an empty value"),
        Row(binary, b"key of a binary value"),
        Row(b"v", b"k", [("h1", b"one"), ("h2", b"two"), ("h1", b"again")]),
    ]
    if "null-headers" not in kind.lacks:
        rows.append(Row(b"v", b"k", [("null", None), ("empty", b"")]))
    if "repeated-headers" in kind.lacks:
        rows = [r for r in rows if len({n for n, _ in r.headers}) == len(r.headers)]
    return rows


def many_rows(label, n=100):
    """Compressible enough that every client really compresses."""
    return [Row((f"{label} record {i} " * 8).encode(), f"key {i % 7}".encode()) for i in range(n)]


def expect_rows(got, wanted, what, kind=None):
    """got: [(offset, Row)] as that kind of client read them, offsets dense from the first."""
    lacks = kind.lacks if kind is not None else ()
    expect(len(got), len(wanted), f"{what}: number of records")
    for i, ((offset, row), want) in enumerate(zip(got, wanted)):
        expect(offset, got[0][0] + i, f"{what}: offset of record {i}")
        expect_true(row.same(want, lacks), f"{what}: record {i} is {row}, was {want}")
        if want.ts is not None:
            expect(row.ts, want.ts, f"{what}: timestamp of record {i}")


def codecs(env, kind):
    """Produce with each codec, with and without idempotence; stored as sent; read back."""
    raw, program = env.client(), env.program(kind.name)
    modes = [False] if "idempotence" in kind.lacks else [False, True]
    for codec in kind.codecs:
        for idempotent in modes:
            topic, rows = env.topic(client=raw), many_rows(codec)
            offsets = program.produce_ok(topic, rows, codec=codec, idempotent=idempotent)
            if "offsets" not in kind.lacks:
                expect(offsets, list(range(len(rows))), f"{codec}: acknowledged offsets")
            batches = raw.read_batches(topic, 0)
            expect({b.codec for b in batches}, {codec}, "codec of the stored batches")
            expect({b.pid >= 0 for b in batches}, {idempotent}, f"{codec}: producer id in batches")
            read_back(env, program, topic, rows, f"{codec} {idempotent}")


def acks(env, kind):
    raw, program = env.client(), env.program(kind.name)
    for level in ("0", "1", "all"):
        if level == "0" and "acks0" in kind.lacks:
            continue
        topic, rows = env.topic(client=raw), many_rows(f"acks {level}", 20)
        program.produce_ok(topic, rows, acks=level)
        eventually(lambda t=topic, n=len(rows): raw.end_offset(t, 0) == n, 10,
                   f"end offset after acks={level}")
        read_back(env, program, topic, rows, f"acks={level}")


def shapes(env, kind):
    raw, program = env.client(), env.program(kind.name)
    topic, rows = env.topic(client=raw), rows_of_all_shapes(kind)
    program.produce_ok(topic, rows)
    largest = Row(os.urandom(LARGEST_VALUE // 2).replace(b"\x1d", b"").replace(b"\x1e", b""))
    largest.value += b"x" * (LARGEST_VALUE - len(largest.value))
    program.produce_ok(topic, [largest])
    rows.append(largest)
    read_back(env, program, topic, rows, "shapes")
    if "timestamps" not in kind.lacks:
        topic = env.topic(client=raw)
        rows = [Row(b"t", b"k", ts=1600000000000 + 1000 * i) for i in range(5)]
        program.produce_ok(topic, rows)
        read_back(env, program, topic, rows, "timestamps")


def too_large(env, kind):
    """A record over the limit is refused with an error, and the next one passes."""
    program, topic = env.program(kind.name), env.topic()
    acked, refused = program.produce(topic, [Row(os.urandom(1500000))])
    expect((len(acked), len(refused)), (0, 1), "a record of 1.5 MB: (acknowledged, refused)")
    program.produce_ok(topic, [Row(b"next")])
    read_back(env, program, topic, [Row(b"next")], "after the refused one")


def start_points(env, kind):
    if not can_read(env, kind):
        env.skip(f"{kind.name} consumes only as a group, and the broker has none yet")
    raw, program, t0 = env.client(), env.program(kind.name), 1700000000000
    topic = env.topic(client=raw)
    rows = [Row(f"v{i}".encode(), b"k", ts=t0 + 1000 * i) for i in range(30)]
    for at in range(0, 30, 10):  # three batches of ten
        batch = make_batch([(r.key, r.value, (), r.ts) for r in rows[at:at + 10]])
        expect(raw.produce(topic, 0, batch)["error"], 0, "produce")
    expect_rows(program.consume(topic, 30), rows, "from the beginning")
    for start, at, first in (("offset", 0, 0), ("offset", 17, 17), ("offset", 29, 29),
                             ("timestamp", t0 - 5, 0), ("timestamp", t0 + 13000, 13),
                             ("timestamp", t0 + 13001, 14), ("timestamp", t0 + 29000, 29)):
        got = program.consume(topic, 30 - first, start=start, at=at)
        expect_rows(got, rows[first:], f"from {start} {at}")
        expect(got[0][0], first, f"first offset from {start} {at}")
    from_end(program, raw, topic, 30)


def from_end(program, raw, topic, end):
    """Produces until the waiting consumer gets one: where it began is known only to itself."""
    program.consume_begin(topic, 1, start="end", timeout=15)
    for _ in range(100):
        expect(raw.produce(topic, 0, make_batch([b"late"]))["error"], 0, "produce")
        try:
            eventually(lambda: not program.lines.empty(), 0.1, "an answer", every=0.005)
            break
        except AssertionError:
            continue
    got = program.consume_end()
    expect(len(got), 1, "records from the end")
    expect(got[0][1].value, b"late", "record from the end")
    expect_true(got[0][0] >= end, f"offset {got[0][0]} is before the end {end}")


def auto_create(env, kind):
    """A topic nobody created comes into being when a producer asks for it."""
    program, topic = env.program(kind.name), f"{env.name}.auto"
    rows = many_rows("auto", 3)
    program.produce_ok(topic, rows)
    read_back(env, program, topic, rows, "auto-created topic")
    expect(env.client().metadata([topic])["topics"][0]["error"], 0, "Metadata of it")


def cross(env, writer, readers):
    """One client writes with every codec; every other one reads the same bytes."""
    topics, program = {}, env.program(writer.name)
    for codec in writer.codecs:
        rows = many_rows(f"{writer.name} {codec}", 20) + rows_of_all_shapes(writer)
        topics[codec] = env.topic(), rows
        program.produce_ok(topics[codec][0], rows, codec=codec)
    for reader in readers:
        if not can_read(env, reader):
            continue
        program = env.program(reader.name)
        for codec in sorted(set(writer.codecs) & set(reader.codecs)):
            if codec == "snappy" and "xerial" in reader.lacks:
                continue
            if (codec, writer.name) == ("lz4", "aiokafka") and "lz4-block-sums" in reader.lacks:
                continue
            topic, rows = topics[codec]
            got = program.consume(topic, len(rows))
            expect_rows(got, rows, f"{writer.name} wrote {codec}, {reader.name} read", reader)


JOIN_GROUP = 11


def can_read(env, kind):
    """A client that knows no assign() reads as soon as the broker has groups."""
    return "assign" not in kind.lacks or JOIN_GROUP in env.client().versions()


def read_back(env, program, topic, rows, what):
    """By the client itself where it can, else by a raw reader."""
    if can_read(env, program.kind):
        expect_rows(program.consume(topic, len(rows)), rows, what, program.kind)
        return
    stored = [r for b in env.client().read_batches(topic, 0) if b.codec in ("none", "gzip")
              for r in b.records()]
    got = [(offset, Row(value, key, headers, ts)) for offset, ts, key, value, headers in stored]
    if got:
        expect_rows(got, rows, what + " (raw reader)", program.kind)


def register_all():
    matrix = (("a10", codecs), ("a11", acks), ("a12", shapes), ("a13", too_large),
              ("a14", start_points), ("a15", auto_create))
    for kind in KINDS.values():
        label = kind.name.replace("-", "_").replace(".", "_")
        for number, function in matrix:
            register(f"{number}_{label}_{function.__name__}",
                     lambda env, f=function, k=kind: f(env, k), all_only=not kind.in_default,
                     stores=BOTH)
    default = [k for k in KINDS.values() if k.in_default]
    for kind in default:
        label = kind.name.replace("-", "_")
        register(f"a20_{label}_writes_all_read", lambda env, k=kind: cross(env, k, default),
                 stores=BOTH)
    for kind in KINDS.values():
        label = kind.name.replace("-", "_").replace(".", "_")
        register(f"a21_{label}_writes_every_client_reads",
                 lambda env, k=kind: cross(env, k, installable()), all_only=True, timeout=240,
                 stores=BOTH)


def installable():
    """Every kind that can be installed here (the others are skipped by name in their own tests)."""
    out = []
    for kind in KINDS.values():
        try:
            kind.program()
            out.append(kind)
        except Exception:  # pylint: disable=broad-except
            continue
    return out


@test(stores=BOTH)
def a16_java_verifiable_producer(env):
    """Kafka's own VerifiableProducer, and the Java consumer on what it acknowledged."""
    topic, n = env.topic(partitions=3), 2000
    done = subprocess.run(tool("VerifiableProducer", "--bootstrap-server", env.broker.address,
                               "--topic", topic, "--max-messages", n, "--acks", "-1"),
                          capture_output=True, text=True, timeout=90, check=False)
    lines = [json.loads(x) for x in done.stdout.splitlines() if x.startswith("{")]
    expect(done.returncode, 0, f"status of VerifiableProducer ({done.stderr[-300:]})")
    sent = [x for x in lines if x["name"] == "producer_send_success"]
    expect(len(sent), n, "acknowledged sends")
    raw, program = env.client(), env.program("java-4")
    for partition in range(3):
        mine = {x["offset"]: x["value"].encode() for x in sent if x["partition"] == partition}
        end = raw.end_offset(topic, partition)
        expect(sorted(mine), list(range(end)), f"acknowledged offsets of partition {partition}")
        got = program.consume(topic, end, partition=partition)
        expect({o: r.value for o, r in got}, mine, f"records of partition {partition}")


@test(stores=BOTH)
def a17_snappy_both_framings(env):
    """Raw snappy (librdkafka) and xerial (Java) are stored byte for byte and read by everybody."""
    raw, topic, wanted, sent = env.client(), env.topic(), [], []
    for codec in ("snappy", "xerial"):
        rows = many_rows(codec, 10)
        sent.append(make_batch([(r.key, r.value) for r in rows], codec=codec))
        expect(raw.produce(topic, 0, sent[-1])["error"], 0, f"produce {codec}")
        wanted += rows
    for batch, want in zip(raw.read_batches(topic, 0), sent):
        expect(batch.data[16:], want[16:], "stored bytes after the leader epoch")
    readers = [k for k in KINDS.values() if k.in_default or env.everything]
    for kind in readers:
        if kind in installable() and can_read(env, kind) and "xerial" not in kind.lacks:
            got = env.program(kind.name).consume(topic, len(wanted))
            expect_rows(got, wanted, f"{kind.name} read both framings")


register_all()
