# SPDX-License-Identifier: Apache-2.0
"""f0x: what lies in the store is what docs/formats.md and docs/file-store.md say.

logreader.py and filestore.py, written from those pages alone, read the directory of a broker that was
stopped; what they find is compared with what the broker served while it ran.
"""
import struct
import subprocess
import sys

from brokers import HERE
from clients import Row
from filestore import crc32c, read_store
from harness import eventually, expect, expect_true, test
from logreader import read_log
from rawkafka import make_batch, parse_batches

PARTITIONS = 3
# Small volumes, so that there are several and a large entry does not fit into one; snapshots often.
OPTIONS = ["storage.volume.size=1MiB", "journal.snapshot.entries=16"]


def rows_of(codec):
    return [Row(f"{codec} value {i} ".encode() * 20, f"key {i}".encode()) for i in range(50)]


def produce_everything(env, broker):
    """{topic: rows of partition 0}: real clients, every codec; more partitions; one large batch."""
    raw, sent = env.client(broker), {}
    for name in ("kcat", "confluent-kafka"):
        program = env.program(name, broker)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            topic, rows = env.topic(PARTITIONS, client=raw), rows_of(codec)
            program.produce_ok(topic, rows, codec=codec, idempotent=name != "kcat")
            sent[topic] = rows
    pid, epoch = raw.init_producer()
    for topic in sent:
        for i in range(40):
            batch = make_batch([b"%d" % i] * 3, pid=pid, epoch=epoch, seq=3 * i)
            expect(raw.produce(topic, 1, batch)["error"], 0, "produce")
        expect(raw.produce(topic, 2, make_batch([b"x" * 400000]))["error"], 0, "produce")
    return sent


def served(raw, topics):
    """{(topic, partition): bytes} as the broker serves them."""
    return {(t, p): b"".join(b.data for b in raw.read_batches(t, p))
            for t in topics for p in range(PARTITIONS)}


def expect_same_log(broker, sent, wanted):
    log = read_log(broker.dir)
    expect(sorted(log), sorted(wanted), "topics and partitions")
    counts = {}
    for where, (journal, part) in log.items():
        rows = list(journal.batches(part))
        expect_true(b"".join(b for b, _ in rows) == wanted[where], f"{where}: other bytes")
        counts[where] = sum(n for _, n in rows)
        expect((part.start, part.end), (0, counts[where]), f"{where}: start and end")
        if where[1] == 0 and parse_batches(rows[0][0])[0].codec in ("none", "gzip"):
            records = [r for b, _ in rows for r in parse_batches(b)[0].records()]
            expect([(r[2], r[3]) for r in records], [(r.key, r.value) for r in sent[where[0]]],
                   f"{where}: keys and values")
    for (topic, partition), n in counts.items():
        expect(n, {0: len(sent[topic]), 1: 120, 2: 1}[partition], f"records of {topic}/{partition}")
    return counts


@test(brokers=("sluice",), timeout=120)
def f01_the_log_is_readable_without_us(env):
    broker = env.own(options=OPTIONS)
    sent = produce_everything(env, broker)
    wanted = served(env.client(broker), sent)
    expect(broker.stop(), 0, "status after SIGTERM")
    keys = read_store(broker.dir)
    expect_true(any("/manifest/" in k for k in keys), "no snapshot was written, so none was read")
    files = [k for k in keys if k.split("/")[-1].isdigit() and (broker.dir / k).is_file() and
             "/manifest/" not in k]
    expect_true(files, "no entry is a file of its own, so none was read")
    counts = expect_same_log(broker, sent, wanted)
    done = subprocess.run([sys.executable, HERE / "logreader.py", broker.dir], capture_output=True,
                          text=True, check=False)
    expect((done.returncode, done.stderr), (0, ""), "status and complaints of logreader.py")
    lines = [x.split() for x in done.stdout.splitlines()]
    expect({(x[0], int(x[1])): int(x[7]) for x in lines}, counts, "what logreader.py prints")


@test(brokers=("sluice",), timeout=120)
def f01_the_log_is_readable_after_kill_9(env):
    """Volumes that nobody closed; then the broker goes on, and again."""
    broker = env.own(options=OPTIONS)
    sent = produce_everything(env, broker)
    wanted = served(env.client(broker), sent)
    broker.kill()
    expect_same_log(broker, sent, wanted)
    broker.start()
    raw = env.client(broker)
    for topic, partition in wanted:
        eventually(lambda t=topic, p=partition, r=raw: r.list_offset(t, p, -1)["error"] == 0, 20, "end")
    expect_true(served(raw, sent) == wanted, "the broker serves other bytes after the restart")
    broker.kill()
    expect_same_log(broker, sent, wanted)


@test(brokers=("sluice",), timeout=120)
def f01_the_log_of_two_brokers_is_readable(env):
    """They take turns at losing; the chain has one end nevertheless."""
    one, two = env.own(options=OPTIONS), env.own(options=OPTIONS, node_id=2)
    raws = [env.client(one), env.client(two)]
    topic = env.topic(1, client=raws[0])
    eventually(lambda: raws[1].metadata([topic])["topics"][0]["error"] == 0, 20, "known at two")
    acked = 0
    for i in range(80):
        sent = [(raw, raw.send("Produce", 9, raw.produce_body(topic, 0, make_batch([b"%d" % i]))))
                for raw in raws]
        for raw, corr in sent:
            reply = raw.receive("Produce", 9, corr)
            acked += reply["responses"][0]["partitions"][0]["error"] == 0
    # What a broker shows may be old for a moment (docs/journal.md, R8), never wrong.
    eventually(lambda: raws[0].end_offset(topic, 0) >= acked, 20, f"{acked} records at the first")
    wanted = b"".join(b.data for b in raws[0].read_batches(topic, 0))
    for broker in (one, two):
        broker.stop()
    journal, part = read_log(one.dir)[topic, 0]
    expect_true(b"".join(b for b, _ in journal.batches(part)) == wanted, "other bytes")
    expect_true(part.end >= 100, f"only {part.end} records were written")


@test(brokers=("sluice",), timeout=60)
def f02_the_reader_notices_damage(env):
    """A test of the reader: one flipped bit, one missing entry; and a void one."""
    broker = env.own(options=OPTIONS[:1])
    raw = env.client(broker)
    topic = env.topic(client=raw)
    for i in range(10):
        expect(raw.produce(topic, 0, make_batch([b"needle %d" % i]))["error"], 0, "produce")
    broker.stop()
    volume = next(p for p in (broker.dir / "+volumes").iterdir() if b"needle 5" in p.read_bytes())
    data = volume.read_bytes()
    at = data.index(b"needle 5")
    record = data.rindex(b"SLRC", 0, at)
    for where, bit, why in ((at, 1, "damaged"), (record + 80, 0xff, "missing")):
        volume.write_bytes(data[:where] + bytes([data[where] ^ bit]) + data[where + 1:])
        try:
            read_log(broker.dir)
        except ValueError as e:
            expect_true(why in str(e) and "/journal/" in str(e), f"the complaint is: {e}")
        else:
            raise AssertionError(f"byte {where} was changed and nobody noticed")
    volume.write_bytes(data)
    (journal, part), = read_log(broker.dir).values()
    expect(part.end, 10, "the end without damage")
    add_void_entry(broker.dir, journal)
    (after, part), = read_log(broker.dir).values()
    expect((after.n, part.end), (journal.n + 1, 10), "entries and end with a void entry")


def add_void_entry(directory, journal):
    """The last entry again under the next number: it links to an entry that is not the last."""
    last = bytearray(journal.objects[journal.entry(journal.n)])
    head = struct.unpack(">I", last[96:100])[0]
    last[32:40], last[40:56] = struct.pack(">Q", journal.n + 1), bytes(range(16))
    last[100:104] = struct.pack(">I", crc32c(last[:100] + bytes(4) + last[104:head]))
    path = directory / journal.entry(journal.n + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(last)
