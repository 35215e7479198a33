# SPDX-License-Identifier: Apache-2.0
"""l5x: what goes from a log, and what must not: retention, DeleteRecords, compaction."""
import json
import time

from clients import ALL_CODECS, KINDS
from harness import BOTH, eventually, expect, expect_true, sluice, test
from kfsreader import read_bucket
from objects import key_of, laid_out, last_bytes
from rawkafka import make_batch
from suite_log import SOON, expect_readable, last_of, produce, rolled, served

OFTEN = SOON + ["server.log.retention.check.interval.ms=200", "server.log.cleaner.backoff.ms=200"]
OUT_OF_RANGE = 1
# A compacted topic that is compacted whenever something is dirty.
EAGER = (("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01"))


def start_of(raw, topic, partition=0):
    return raw.list_offset(topic, partition, -2)["offset"]


def end_of(raw, topic, partition=0):
    return raw.list_offset(topic, partition, -1)["offset"]


def produce_keyed(raw, topic, rows, codec="none", partition=0):
    """One batch of [(key, value)]; the offset of the first."""
    reply = raw.produce(topic, partition, make_batch(rows, codec=codec))
    expect(reply["error"], 0, "produce")
    return reply["base_offset"]


def latest(sent):
    """{key: (offset, value)} of [(key, value)], the list being the log."""
    return {k: (i, v) for i, (k, v) in enumerate(sent)}


def expect_latest(env, broker, topic, wanted):
    """Real clients read exactly these {key: (offset, value)}, once what was stored is in place."""
    raw = env.client(broker)
    eventually(lambda: sum(b.count for b in raw.read_batches(topic, 0)) == len(wanted), 30, "the latest values are left")
    names = [n for n, k in KINDS.items() if k.in_default or (env.everything and set(ALL_CODECS) <= set(k.codecs))]
    for name in names:
        got = env.program(name, broker).consume(topic, len(wanted), timeout=20)
        expect({r.key: (offset, r.value) for offset, r in got}, wanted, f"{name}: the latest values")
        expect(len(got), len(wanted), f"{name}: records")


def is_tidy(broker, topic, partition=0):
    """What compaction replaced is deleted: the segments there are follow each other, and have an index."""
    home = broker.root / "default" / topic / str(partition)
    try:
        rows = sorted((int(p.stem.split("-")[1]), int.from_bytes(last_bytes(p, 12)[:8], "big"))
                      for p in home.glob("*.kfs"))
    except FileNotFoundError:  # between the list and the reading
        return False
    return len(rows) == len(list(home.glob("*.index"))) and all(
        base > last for (base, _), (_, last) in zip(rows[1:], rows))


def expect_sound(broker, topic, partition=0):
    """A stopped broker's segments, read by the description alone; `log verify` finds nothing."""
    expect_true(read_bucket(laid_out(broker))[topic, partition], "no segments")
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 0, f"log verify: {done.stdout[-600:]} {done.stderr[-300:]}")


def wait_compacted(broker, topic, end, partition=0):
    """All of [0, end) lies in segments of a generation."""
    def is_done():
        return last_of(sorted((broker.root / "default" / topic / str(partition)).glob("*-*-*.kfs"))) + 1 >= end
    eventually(is_done, 30, f"{topic}/{partition} is compacted up to {end}")


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l51_compaction_keeps_the_latest_of_each_key(env):
    """Updates in every codec; offsets do not change; every codec's batches are read by real clients."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    topic = env.topic(client=raw, configs=EAGER)
    sent = []
    for turn in range(30):
        for codec in ("none", "gzip", "snappy", "xerial", "lz4", "zstd"):
            rows = [(b"key %d" % ((turn * 7 + i * i) % 61), b"%d %d " % (turn, i) + codec.encode() * 40)
                    for i in range(20)]
            expect(produce_keyed(raw, topic, rows, codec), len(sent), "base offset")
            sent += rows
    end = len(sent)
    eventually(lambda: rolled(broker, topic) == end, 30, "rolled")
    wait_compacted(broker, topic, end)
    expect((start_of(raw, topic), end_of(raw, topic)), (0, end), "start and end")
    expect(raw.read_batches(topic, 0)[-1].next_offset, end, "where the last batch ends")
    expect_latest(env, broker, topic, latest(sent))
    eventually(lambda: is_tidy(broker, topic), 30, "replaced segments are deleted")
    wanted = served(raw, topic)
    broker.stop()
    expect_sound(broker, topic)
    expect_readable(broker, topic, {0: wanted})
    broker.start()
    expect_latest(env, broker, topic, latest(sent))


def first_of(broker, topic, partition=0):
    """The offset at which the first segment begins."""
    return int(min((broker.root / "default" / topic / str(partition)).glob("*.kfs")).stem.split("-")[1])


def has_object(broker, topic, base, partition=0):
    return any((broker.root / "default" / topic / str(partition)).glob(f"segment-{base:020}*.kfs"))


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l52_tombstones_and_updates(env):
    """Deleted keys: the tombstone stands at first, and is gone with the next compaction after its time."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    topic = env.topic(client=raw, configs=EAGER + (("delete.retention.ms", "3000"),))
    sent = [(b"key %d" % (i % 50), b"value %d" % i) for i in range(500)]
    for at in range(0, 500, 50):
        produce_keyed(raw, topic, sent[at:at + 50], "zstd")
    dead = [(b"key %d" % i, None) for i in range(0, 50, 2)]
    produce_keyed(raw, topic, dead)
    sent += dead
    wait_compacted(broker, topic, len(sent))
    expect_latest(env, broker, topic, latest(sent))
    time.sleep(3.5)  # delete.retention.ms, by the broker's clock
    more = [(b"key 1", b"again")]
    produce_keyed(raw, topic, more)
    sent += more
    wanted = {k: v for k, v in latest(sent).items() if v[1] is not None}
    eventually(lambda: sum(b.count for b in raw.read_batches(topic, 0)) == len(wanted), 30, "tombstones go")
    expect_latest(env, broker, topic, wanted)
    expect(end_of(raw, topic), len(sent), "the end")


@test(brokers=("sluice",), timeout=180, stores=BOTH)
def l53_kill_9_while_compacting(env):
    """Six times, and a map too small for the keys; at any time the latest of each key is there."""
    broker = env.own(options=OFTEN + ["server.log.cleaner.dedupe.buffer.size=4KiB"])
    topic = env.topic(client=env.client(broker), configs=EAGER)
    sent = []
    for turn in range(6):
        raw = env.client(broker)
        for batch in range(60):
            rows = [(b"key %d" % ((turn + batch * 20 + i * 3) % 700), b"%d.%d.%d " % (turn, batch, i) * 9)
                    for i in range(20)]
            produce_keyed(raw, topic, rows, ("lz4", "gzip")[batch % 2])
            sent += rows
        if turn % 2:
            eventually(lambda: "compact.done" in broker.log_text(), 20, "something is compacted")
        broker.kill()
        broker.start()
        raw = env.client(broker)
        eventually(lambda r=raw: r.list_offset(topic, 0, -1)["error"] == 0, 20, "open")
        got = {k: (o, v) for b in raw.read_batches(topic, 0, end=len(sent)) if b.codec in ("none", "gzip")
               for o, _, k, v, _ in b.records()}
        for key, (offset, value) in latest(sent).items():
            if offset // 20 % 2:  # the batches that this client can look into
                expect(got.get(key), (offset, value), f"{key} after the kill")
    wait_compacted(broker, topic, len(sent))
    expect_latest(env, broker, topic, latest(sent))
    time.sleep(2.5)  # journal.grace.ms, by the store's clock
    left = sweep(broker, "--delete")
    expect((left["deleted"], left["failed"]), (left["dead"], 0), "what is swept")
    expect(sweep(broker)["dead"], 0, "dead objects after the sweep")
    expect_latest(env, broker, topic, latest(sent))
    broker.stop()
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 0, f"log verify: {done.stdout[-600:]} {done.stderr[-300:]}")


def orphans(broker):
    """{key: fate} of what `log sweep` lists."""
    return {o["key"]: o["fate"] for o in sweep(broker)["objects"]}


def sweep(broker, *words, grace_ms=2000):
    done = sluice(broker, "log", "sweep", "--json", *words, "--set", f"journal.grace.ms={grace_ms}",
                  "--set", "journal.safe.window.ms=1000", "--set", "journal.check.interval.ms=200")
    expect(done.returncode, 0, f"log sweep: {done.stderr[-300:]}")
    return json.loads(done.stdout)


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l54_retention_by_time_and_size(env):
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    by_time = env.topic(client=raw, configs=[("retention.ms", "4000")])
    by_size = env.topic(client=raw, configs=[("retention.bytes", "200000")])
    keeps = env.topic(client=raw, configs=[("retention.ms", "4000"), ("cleanup.policy", "compact")])
    produce(raw, by_time, 0, 200)
    produce(raw, by_size, 0, 400)
    produce_keyed(raw, keeps, [(b"k", b"v")])
    eventually(lambda: start_of(raw, by_time) == 600, 30, "all is past its retention")
    expect(raw.fetch(by_time, 0, 0)["error"], OUT_OF_RANGE, "a fetch below the start")
    expect(raw.fetch(by_time, 0, 599)["error"], OUT_OF_RANGE, "a fetch below the start")
    expect(raw.fetch(by_time, 0, 600, max_wait_ms=10)["error"], 0, "a fetch at the end")
    expect(end_of(raw, by_time), 600, "the end")
    eventually(lambda: rolled(broker, by_size) == 1200, 30, "rolled")
    eventually(lambda: 0 < first_of(broker, by_size) == start_of(raw, by_size), 30, "what is too much goes")

    def bytes_from(base):
        return sum(len(p.read_bytes()) for p in (broker.root / "default" / by_size / "0").glob("*.kfs")
                   if int(p.stem.split("-")[1]) >= base)

    def is_at_rest():
        start = start_of(raw, by_size)
        expect_true(bytes_from(start) >= 200000, "what is to be kept is kept")
        return bytes_from(start + 1) < 200000
    eventually(is_at_rest, 30, "no more than a segment too much is left")
    expect(raw.fetch(by_size, 0, start_of(raw, by_size) - 1)["error"], OUT_OF_RANGE, "below the start")
    eventually(lambda: not has_object(broker, by_time, 0), 30, "objects go")
    expect((start_of(raw, keeps), raw.read_batches(keeps, 0)[0].count), (0, 1), "what is only compacted stays")
    produce(raw, by_time, 0, 1)
    expect(raw.list_offset(by_time, 0, -2)["offset"], 600, "the next record")
    rows = env.program("confluent-kafka", broker).consume(by_size, 3, start="beginning", timeout=20)
    expect(rows[0][0], start_of(raw, by_size), "where a consumer begins")
    wanted = b"".join(b.data for b in raw.read_batches(by_size, 0, start_of(raw, by_size)))
    eventually(lambda: first_of(broker, by_size) == start_of(raw, by_size) and is_tidy(broker, by_size) and
               is_tidy(broker, keeps), 30, "objects go")
    broker.stop()
    expect_readable(broker, by_size, {0: wanted})


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l55_delete_records_across_segments(env):
    """Into a segment, across several, into what is not rolled; readers never see a gap."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    topic = env.topic(client=raw)
    produce(raw, topic, 0, 200)
    eventually(lambda: rolled(broker, topic) == 600, 30, "rolled")
    whole = raw.read_batches(topic, 0)
    for start in (1, 4, 100, 299, 300, 598):
        reply = raw.call("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [
            {"name": topic, "partitions": [{"partition_index": 0, "offset": start}]}]})
        row = reply["topics"][0]["partitions"][0]
        expect((row["error"], row["low_watermark"]), (0, start), f"deleting up to {start}")
        expect(start_of(raw, topic), start, "the start")
        expect(raw.fetch(topic, 0, start - 1)["error"], OUT_OF_RANGE, "below it")
        got = raw.read_batches(topic, 0, start)
        wanted = [b.data for b in whole if b.next_offset > start]
        expect_true([b.data for b in got] == wanted, f"from {start}: other batches")
    produce(raw, topic, 0, 2)
    reply = raw.call("DeleteRecords", 2, {"timeout_ms": 10000, "topics": [
        {"name": topic, "partitions": [{"partition_index": 0, "offset": 604}]}]})
    expect(reply["topics"][0]["partitions"][0]["error"], 0, "deleting into what is not rolled")
    expect(raw.read_batches(topic, 0, 604)[-1].next_offset, 606, "the end")
    eventually(lambda: not has_object(broker, topic, 0), 30, "objects go")
    broker.kill()
    broker.start()
    raw = env.client(broker)
    eventually(lambda: raw.list_offset(topic, 0, -1)["error"] == 0, 20, "open")
    expect((start_of(raw, topic), end_of(raw, topic)), (604, 606), "start and end after kill -9")


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l56_times_across_segments_and_after_compaction(env):
    """ListOffsets by time and for the largest time, against all records as they are read."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    plain = env.topic(client=raw, configs=[("retention.ms", "-1")])
    compacted = env.topic(client=raw, configs=EAGER)
    base = int(time.time() * 1000)
    for topic in (plain, compacted):
        for i in range(150):
            times = [base + (i * 7919 + k * 104729) % 100000 for k in range(5)]
            rows = [(b"k%d" % ((i * 5 + k * k) % 97), b"x" * 200, (), t) for k, t in enumerate(times)]
            expect(raw.produce(topic, 0, make_batch(rows))["error"], 0, "produce")
    eventually(lambda: rolled(broker, plain) == 750, 30, "rolled")
    wait_compacted(broker, compacted, 750)
    for topic in (plain, compacted):
        rows = [(o, ts) for b in raw.read_batches(topic, 0) for o, ts, *_ in b.records()]
        for t in list(range(base - 1, base + 100001, 2999)):
            wanted = next(((o, ts) for o, ts in rows if ts >= t), (-1, -1))
            got = raw.list_offset(topic, 0, t)
            expect((got["offset"], got["timestamp"]), wanted, f"{topic} at {t - base}")
        top = max(ts for _, ts in rows)
        got = raw.list_offset(topic, 0, -3)
        expect((got["offset"], got["timestamp"]), next(r for r in rows if r[1] == top), "the largest time")


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l57_two_brokers_compact_one_journal(env):
    options = [o for o in OFTEN if "cleaner" not in o] + ["server.log.cleaner.backoff.ms=50"]
    one, two = env.own(options=options), env.own(options=options, node_id=2)
    raws = [env.client(one), env.client(two)]
    topic = env.topic(client=raws[0], configs=EAGER)
    eventually(lambda: raws[1].metadata([topic])["topics"][0]["error"] == 0, 20, "known at two")
    sent = {}
    for i in range(300):
        rows = [(b"key %d" % ((i * 3 + k) % 41), b"%d" % i * 20) for k in range(10)]
        reply = raws[i % 2].produce_until_ok(topic, 0, make_batch(rows))
        expect(reply["error"], 0, "produce")
        sent.update({k: (reply["base_offset"] + n, v) for n, (k, v) in enumerate(rows)})
    wait_compacted(one, topic, 3000)
    for broker in (one, two):
        expect_latest(env, broker, topic, sent)
    for broker in (one, two):
        broker.stop()
    done = sluice(one, "log", "verify")
    expect(done.returncode, 0, f"log verify: {done.stdout[-600:]} {done.stderr[-300:]}")


@test(brokers=("sluice",), timeout=60, stores=BOTH)
def l58_sweep_tells_dead_from_living(env):
    """Planted objects of every kind; only what no journal can ever refer to goes, and not before its time."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    topic = env.topic(client=raw, configs=EAGER)
    for i in range(100):
        produce_keyed(raw, topic, [(b"key %d" % (i % 7), b"%d" % i * 100)])
    wait_compacted(broker, topic, 100)
    eventually(lambda: is_tidy(broker, topic), 30, "replaced segments are deleted")
    home = broker.root / "default" / topic / "0"
    names = sorted(home.glob("*.kfs"))
    base, gen = (int(x) for x in names[0].stem.split("-")[1:])
    end = end_of(raw, topic)
    planted = {home / f"segment-{base:020}.kfs": "dead", home / f"segment-{base:020}.index": "dead",
               home / f"segment-{base + 1:020}.kfs": "dead", home / f"segment-{end:020}.kfs": "kept",
               home / f"segment-{end:020}-1.kfs": "kept",
               home / f"segment-{base:020}-{gen + 3}.kfs": "kept",
               home / f"segment-{base + 1:020}-1.kfs": "dead", home / "notes.txt": "kept",
               home.parent / "7" / f"segment-{0:020}.kfs": "kept",
               broker.root / "default" / "elsewhere" / "0" / f"segment-{0:020}.kfs": "kept"}
    if gen > 1:
        planted[home / f"segment-{base:020}-{gen - 1}.kfs"] = "dead"
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"planted")
    wanted = {key_of(broker, p): fate for p, fate in planted.items()}
    young = {k: "too young" if fate == "dead" else fate for k, fate in wanted.items()}
    listed = sweep(broker, "--delete", grace_ms=3600000)
    expect({o["key"]: o["fate"] for o in listed["objects"]}, young, "what is listed")
    expect(listed["deleted"], 0, "young ones are not deleted")
    time.sleep(3.5)  # journal.grace.ms, by the store's clock
    expect(orphans(broker), wanted, "what is listed")
    expect_true(all(p.exists() for p in planted), "without --delete nothing goes")
    dead = sum(fate == "dead" for fate in wanted.values())
    expect(sweep(broker, "--delete")["deleted"], dead, "deleted")
    expect({p: p.exists() for p in planted}, {p: fate == "kept" for p, fate in planted.items()}, "what is left")
    got = raw.read_batches(topic, 0)
    expect(sum(b.count for b in got), 7, "records")
    broker.stop()
    expect(sluice(broker, "log", "verify").returncode, 0, "log verify")
