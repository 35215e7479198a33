# SPDX-License-Identifier: Apache-2.0
"""p0x: `sluice log repair`: what is damaged is given up by name, and everything else is read again."""
import json

from filestore import read_store
from harness import BOTH, eventually, expect, expect_true, register, sluice, test
from kfsreader import read_bucket
from logreader import read_log
from objects import damage_entry, delete, destroy, entries_by_journal, flip, flip_head, key_of, laid_out, snapshots
from rawkafka import make_batch, parse_batches
from suite_log import rolled as rolled_to
from suite_reader import rolled, seg_exchange, seg_flip, seg_remove, seg_truncate
from suite_retention import EAGER, OFTEN, is_tidy, latest, produce_keyed, wait_compacted


def repair(broker, *words, status=0):
    done = sluice(broker, "log", "repair", "--json", *words)
    expect(done.returncode, status, f"status of log repair {words}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def verify(broker, status=0):
    done = sluice(broker, "log", "verify", "--json")
    expect(done.returncode, status, f"status of log verify: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def lost(report):
    """{(topic, partition): offsets that are named}"""
    rows = {}
    for line in report["lines"]:
        if "first" in line:
            rows.setdefault((line["topic"], line["partition"]), set()).update(range(line["first"], line["last"] + 1))
    return rows


def files(broker):
    return {key_of(broker, p): p.read_bytes() for p in (broker.root / "default").rglob("segment-*")}


def repaired(broker):
    """Dry run, repair, verify: what was given up. Nothing that was there is touched."""
    verify(broker, status=1)
    before = files(broker)
    dry = repair(broker, status=1)
    expect(files(broker), before, "a dry run")
    expect(dry["executed"], False, "a dry run says so")
    done = repair(broker, "--accept-loss")
    expect(lost(done), lost(dry), "what the dry run said and what was done")
    expect(done["not_repaired"], 0, "not repaired")
    after = files(broker)
    changed = [k for k in before if after.get(k) != before[k] and not k.endswith(".index")]
    expect(changed, [], "originals that were touched")
    report = verify(broker)
    noted = [f["text"] for f in report["findings"] if "given up" in f["text"]]
    expect(len(noted), done["losses"], f"losses that verify tells of: {report['findings']}")
    for topic, p in lost(done):
        expect_true(any(f"{topic} partition {p}:" in t for t in noted), f"{topic}/{p} is not among {noted}")
    return lost(done), done


def values(raw, topic, partition, offset=0):
    """{offset: value}, read from there to the end as a consumer does."""
    found, end = {}, raw.end_offset(topic, partition)
    while offset < end:
        row = raw.fetch(topic, partition, offset, max_wait_ms=100)
        expect(row["error"], 0, f"{topic}/{partition} at {offset}")
        batches = parse_batches(row["records"])
        expect_true(batches, f"{topic}/{partition}: nothing at {offset}, the end is {end}")
        for batch in batches:
            if batch.count:
                found.update({r[0]: r[3] for r in batch.records() if r[0] >= offset})
            offset = batch.next_offset
    return found


def damaged_segment(env, how):
    """A segment of 40 batches of one record is damaged."""
    broker, topic, paths = rolled(env)
    before = paths[1].read_bytes()
    how(paths)
    damaged = paths[1].read_bytes() if paths[1].exists() else None
    gone, done = repaired(broker)
    offsets = gone[topic, 0]
    first, end = int(paths[1].stem[-20:]), int(paths[2].stem[-20:])
    expect_true(offsets <= set(range(first, end)), f"{offsets} are not of the segment {first} to {end - 1}")
    expected = {seg_flip: 1, seg_truncate: 1, seg_exchange: end - first, seg_remove: end - first}[how]
    expect(len(offsets), expected, "records given up")
    expect((done["segments"], done["records_at_most"]), (1, expected), "what was repaired")
    if damaged is None:
        paths[1].write_bytes(before)  # kfsreader.py looks at all files
    home = laid_out(broker)
    if damaged is not None:
        copy = f"_sluice/damaged/{key_of(broker, paths[1])}"
        expect(read_store(home)[copy], damaged, "the copy of what it was")
    expect_true(read_log(home), "the independent reader")
    broker.start()
    raw = env.client(broker)
    wanted = {o: b"0/%d" % o + b"x" * 10000 for o in range(40) if o not in offsets}
    expect(values(raw, topic, 0), wanted, "what is served")
    expect(len(values(raw, topic, 1)), 40, "the other partition")
    for at in sorted(offsets):
        row = raw.fetch(topic, 0, at, max_wait_ms=100)
        expect(row["error"], 0, f"a fetch at {at}, within the hole")
        expect_true(parse_batches(row["records"])[-1].next_offset > at, f"a fetch at {at} leads nowhere")
    expect(raw.produce(topic, 0, make_batch([b"more"]))["base_offset"], 40, "producing goes on")
    for name in ("kcat", "confluent-kafka"):
        got = env.program(name, broker).consume(topic, 40 - len(offsets) + 1, timeout=20)
        expect([o for o, _ in got], sorted(wanted) + [40], f"offsets that {name} reads")
    broker.stop()
    verify(broker)


for damage in (seg_flip, seg_truncate, seg_exchange, seg_remove):
    register(f"p01_repaired_{damage.__name__}", lambda env, how=damage: damaged_segment(env, how),
             brokers=("sluice",), stores=BOTH)


@test(brokers=("sluice",), stores=BOTH)
def p02_indexes_cost_nothing(env):
    """One is damaged, one is missing."""
    broker, _, paths = rolled(env)
    paths[0].with_suffix(".index").unlink()
    index = paths[1].with_suffix(".index")
    index.write_bytes(index.read_bytes()[:-1] + b"\7")
    gone, done = repaired(broker)
    expect((gone, done["indexes"], done["losses"]), ({}, 2, 0), "what was repaired")
    read_bucket(laid_out(broker))


def damaged_entry(env, how, is_named=True):
    """One entry, beneath a snapshot, with runs of several partitions. If no manifest names the snapshot,
    the journal does not open; a dry run says what it will cost nevertheless."""
    broker = env.own(options=["journal.snapshot.entries=16"])
    raw = env.client(broker)
    topic = env.topic(partitions=12, client=raw)
    for i in range(10):
        for p in range(12):
            expect(raw.produce(topic, p, make_batch([b"%d-%d" % (p, i), b"x"]))["error"], 0, "produce")
    broker.stop()
    journals = entries_by_journal(broker)
    _, rows = max(((j, r) for j, r in journals.items() if j != "0"), key=lambda x: len(x[1]))
    key = rows[8][0]
    damage_entry(rows[8], how)
    for path in [] if is_named else snapshots(broker, "manifest"):
        path.unlink()
    gone, done = repaired(broker)
    expect_true(done["runs"] > 0, f"no runs were rolled: {done}")
    expect_true(sum(len(o) for o in gone.values()) <= 24, f"too much was given up: {gone}")
    expect_true(all(key in line["key"] for line in done["lines"] if "first" in line), f"{key} is not named")
    broker.start()
    raw = env.client(broker)
    for p in range(12):
        expect(sorted(values(raw, topic, p)), [o for o in range(20) if o not in gone.get((topic, p), ())],
               f"partition {p}")
        expect(raw.produce(topic, p, make_batch([b"more"]))["base_offset"], 20, "producing goes on")
    broker.stop()
    verify(broker)


for damage in (flip, flip_head, destroy, delete):
    register(f"p03_repaired_entry_{damage.__name__}", lambda env, how=damage: damaged_entry(env, how),
             brokers=("sluice",), stores=BOTH)
    register(f"p03_unnamed_entry_{damage.__name__}",
             lambda env, how=damage: damaged_entry(env, how, is_named=False), brokers=("sluice",),
             stores=BOTH)


@test(brokers=("sluice",), stores=BOTH)
def p06_a_compacted_segment(env):
    """Its gaps are no losses; what was damaged is."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    topic = env.topic(client=raw, configs=EAGER)
    sent = []
    for turn in range(100):
        rows = [(b"key %d" % ((turn * 7 + i * i) % 301), b"%d %d " % (turn, i) + b"x" * 90) for i in range(20)]
        produce_keyed(raw, topic, rows)
        sent += rows
    eventually(lambda: rolled_to(broker, topic) == len(sent), 30, "rolled")
    wait_compacted(broker, topic, len(sent))
    eventually(lambda: is_tidy(broker, topic), 30, "replaced segments are deleted")
    broker.stop()
    path = max((broker.root / "default" / topic / "0").glob("*.kfs"), key=lambda p: len(p.read_bytes()))
    expect_true("-" in path.stem[8:], f"{path.name} is not a compacted segment")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    gone, done = repaired(broker)
    expect(done["losses"], 1, "holes")
    expect_true(0 < done["records_at_most"] <= len(gone[topic, 0]) <= 60, f"{done}")
    broker.start()
    got = values(env.client(broker), topic, 0)
    for _, (offset, value) in latest(sent).items():
        if offset not in gone[topic, 0]:
            expect(got.get(offset), value, f"offset {offset}")
        else:
            expect(got.get(offset), None, f"offset {offset}, which was given up")


@test(brokers=("sluice",), stores=BOTH)
def p05_beside_a_running_broker(env):
    """A segment goes missing under a broker: it serves the partition again when the tool is done."""
    broker, topic, paths = rolled(env)
    broker.start()
    raw = env.client(broker)
    paths[1].unlink()
    done = repair(broker, "--accept-loss")
    gone = lost(done)[topic, 0]
    eventually(lambda: raw.fetch(topic, 0, min(gone), max_wait_ms=100)["error"] == 0, 20, "the broker takes it up")
    expect(sorted(values(raw, topic, 0)), [o for o in range(40) if o not in gone], "what is served")
    verify(broker)
