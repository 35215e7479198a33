# SPDX-License-Identifier: Apache-2.0
"""i0x: `sluice log import`: the topics of a bucket that KafScale wrote.

KafScale is imitated from docs/formats.md: segments and indexes, and nothing else in the bucket."""
import json
import struct

from filestore import crc32c
from harness import BOTH, expect, expect_true, sluice, test
from kfsreader import read_bucket
from logreader import read_log
from objects import laid_out
from rawkafka import make_batch
from s3.faultproxy import Faults

OLD = 1_500_000_000_000  # years ago: retention must not take it


def batches_of(first, count, name):
    """[(offset, records, bytes)]: batches of three records, offset by offset."""
    return [(o, 3, make_batch([b"%s-%d" % (name, o + i) for i in range(3)], ts=OLD + o, base_offset=o))
            for o in range(first, first + 3 * count, 3)]


def put_segment(directory, batches, interval=100):
    """What KafScale writes: segment and index."""
    base, last = batches[0][0], batches[-1][0] + batches[-1][1] - 1
    body, marks, since = b"", [], interval
    for offset, records, batch in batches:
        if since >= interval:
            marks.append((offset, 32 + len(body)))
            since = 0
        since += records
        body += batch
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"segment-{base:020}.kfs"
    path.write_bytes(struct.pack(">4sHHqiqI", b"KAFS", 1, 0, base, sum(b[1] for b in batches), OLD, 0) + body +
                     struct.pack(">Iq4s", crc32c(body), last, b"END!"))
    path.with_suffix(".index").write_bytes(struct.pack(">4sHiiH", b"IDX\0", 1, len(marks), interval, 0) +
                                           b"".join(struct.pack(">qi", *m) for m in marks))
    return path


def kafscale(root):
    """Topic `orders`: partition 0 from offset 0, partition 2 from offset 3000 (older ones are gone), nothing
    in partition 1. Topic `clicks`: one partition."""
    paths, wanted = {}, {}
    for topic, p, first, cuts in (("orders", 0, 0, (50, 60, 1)), ("orders", 2, 3000, (40, 40)),
                                  ("clicks", 0, 0, (400,))):
        paths[topic, p], wanted[topic, p] = [], b""
        for count in cuts:
            rows = batches_of(first, count, b"%s/%d" % (topic.encode(), p))
            paths[topic, p].append(put_segment(root / "default" / topic / str(p), rows))
            wanted[topic, p] += b"".join(b for *_, b in rows)
            first += 3 * count
    return paths, wanted


def report(broker, *words, status=0):
    done = sluice(broker, "log", "import", "--json", *words)
    expect(done.returncode, status, f"status of log import: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def verified(broker):
    done = sluice(broker, "log", "verify", "--json")
    expect(done.returncode, 0, f"log verify: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def expect_log(broker, wanted):
    """Of a stopped broker, by the independent reader."""
    log = read_log(laid_out(broker))
    for where, data in wanted.items():
        journal, part = log[where]
        expect_true(b"".join(b for b, _ in journal.batches(part)).startswith(data), f"{where}: other bytes")


@test(brokers=("sluice",), stores=BOTH)
def i01_a_bucket_is_adopted_where_it_lies(env):
    """Beside a running broker; consumed, written on, restarted; nothing of it is touched."""
    broker = env.own()
    raw = env.client(broker)
    paths, wanted = kafscale(broker.root)
    before = {p: p.read_bytes() for p in (broker.root / "default").rglob("segment-*")}
    dry = report(broker)
    expect((dry["topics"], dry["partitions"], dry["segments"], dry["executed"]), (2, 3, 6, False), "a dry run")
    expect_true(all(t["error"] != 0 for t in raw.metadata(["orders"])["topics"]), "a dry run made a topic")
    done = report(broker, "--execute")
    expect((done["topics"], done["partitions"], done["segments"]), (2, 3, 6), "what was adopted")
    expect({p: p.read_bytes() for p in (broker.root / "default").rglob("segment-*")}, before, "the objects")
    for is_restarted in (False, True):
        for (topic, p), data in wanted.items():
            raw.wait_ready(topic)
            first = int.from_bytes(paths[topic, p][0].read_bytes()[8:16], "big")
            expect(raw.list_offset(topic, p, -2)["offset"], first, f"{topic}/{p}: start")
            got = b"".join(b.data for b in raw.read_batches(topic, p, first))
            expect_true(got.startswith(data), f"{topic}/{p}: other bytes")
            at = raw.list_offset(topic, p, OLD + first + 60)
            expect(at["offset"], first + 60, f"{topic}/{p}: by time")
            expect(raw.produce(topic, p, make_batch([b"more"]))["error"], 0, "producing goes on")
        expect(raw.end_offset("orders", 0), 334 + is_restarted, "orders/0: end")
        expect(raw.end_offset("orders", 1), 0, "orders/1: nothing")
        if not is_restarted:
            again = report(broker, "--execute")
            expect((again["topics"], again["known"], again["refused"]), (0, 3, 0), "the second time")
            broker.stop()
            verified(broker)
            expect_log(broker, wanted)
            broker.start()
            raw = env.client(broker)
    got = env.program("kcat", broker).consume("clicks", 1202, timeout=20)
    expect([(offset, r.value) for offset, r in got],
           [(o, b"clicks/0-%d" % o) for o in range(1200)] + [(1200, b"more"), (1201, b"more")], "kcat")
    broker.stop()
    verified(broker)
    expect_log(broker, wanted)
    expect_true(len(read_bucket(laid_out(broker))) >= 3, "segments")


@test(brokers=("sluice",), stores=BOTH)
def i02_indexes_are_made(env):
    broker = env.own()
    paths, wanted = kafscale(broker.root)
    paths["orders", 0][0].with_suffix(".index").unlink()
    paths["clicks", 0][0].with_suffix(".index").write_bytes(b"rubbish")
    done = report(broker, "--execute", "--topic", "orders")
    expect((done["topics"], done["partitions"]), (1, 2), "one topic")
    expect(paths["clicks", 0][0].with_suffix(".index").read_bytes(), b"rubbish", "the other topic")
    report(broker, "--execute")
    broker.stop()
    verified(broker)
    expect_log(broker, wanted)


@test(brokers=("sluice",), stores=("s3",))
def i05_answers_are_lost(env):
    """Half of all puts fail, and some of those are stored nevertheless: the indexes are put all the same."""
    broker = env.own()
    paths, wanted = kafscale(broker.root)
    indexes = [p.with_suffix(".index") for rows in paths.values() for p in rows]
    for path in indexes:
        path.unlink()
    env.place().proxy.faults = Faults(methods="PUT", error=.2, codes="500 503", lost_response=.2, error_after=.2,
                                      twice=.2)
    report(broker, "--execute")
    expect_true(all(p.exists() for p in indexes), "an index is missing")
    env.place().proxy.faults = Faults()
    broker.stop()
    verified(broker)
    expect_log(broker, wanted)


def lines(result, kind):
    return [f"{line['topic']}/{line['partition']}: {line['text']}" for line in result["lines"] if line["kind"] == kind]


@test(brokers=("sluice",), stores=BOTH)
def i03_what_is_refused(env):
    """A damaged segment, a hole, a name that was used: the topic is refused whole, the other is taken."""
    broker = env.own()
    raw = env.client(broker)
    paths, _ = kafscale(broker.root)
    data = bytearray(paths["orders", 2][1].read_bytes())
    data[len(data) // 2] ^= 1
    paths["orders", 2][1].write_bytes(data)
    put_segment(broker.root / "default" / "holes" / "0", batches_of(0, 5, b"h"))
    put_segment(broker.root / "default" / "holes" / "0", batches_of(30, 5, b"h"))
    expect(raw.create("used"), 0, "create")
    raw.call("DeleteTopics", 6, {"timeout_ms": 20000, "topics": [{"name": "used"}]})
    put_segment(broker.root / "default" / "used" / "0", batches_of(0, 5, b"u"))
    (broker.root / "default" / "clicks" / "readme").write_bytes(b"not a segment")
    done = report(broker, "--execute", status=1)
    expect((done["topics"], done["refused"]), (1, 2), "clicks alone")
    text = "\n".join(lines(done, "refused"))
    for what in (paths["orders", 2][1].name, "does not begin where"):
        expect_true(what in text, f"{what} is not said: {text}")
    expect_true("used/-1: left alone" in "\n".join(lines(done, "note")), "the name that was used is not told")
    named = report(broker, "--execute", "--topic", "used", status=1)
    expect_true("was deleted here" in "\n".join(lines(named, "refused")), "the name that was used is taken")
    expect_true("clicks/readme" in "\n".join(lines(done, "note")), "the stranger is not named")
    expect_true(all(t["error"] != 0 for t in raw.metadata(["orders"])["topics"]), "orders was created")


@test(brokers=("sluice",), stores=BOTH)
def i04_nobody_has_used_the_bucket(env):
    """--execute makes it a Sluice bucket; a dry run does not."""
    broker = env.own(start=False)
    broker.prepare()
    _, wanted = kafscale(broker.root)
    done = sluice(broker, "log", "import")
    expect((done.returncode, "no broker has ever used" in done.stderr), (1, True), done.stderr)
    report(broker, "--execute")
    verified(broker)
    broker.start()
    raw = env.client(broker)
    for (topic, p), data in wanted.items():
        first = 3000 if p == 2 else 0
        expect_true(b"".join(b.data for b in raw.read_batches(topic, p, first)) == data, f"{topic}/{p}")


@test(brokers=("sluice",), stores=BOTH)
def i06_holes_that_kafscale_leaves(env):
    """It counts offsets before it stores them, and goes on behind them when an upload fails. Whoever imports
    must say so; then the holes are losses with a name, and consumers go on behind them."""
    broker = env.own()
    home = broker.root / "default" / "holes" / "0"
    for first in (0, 30, 90):
        put_segment(home, batches_of(first, 5, b"h"))
    text = "\n".join(lines(report(broker, "--execute", status=1), "refused"))
    expect_true("offsets 15 to 29 are in none" in text and "--accept-loss" in text, text)
    dry = report(broker, "--accept-loss")
    expect((dry["topics"], dry["holes"], dry["executed"]), (1, 2, False), "a dry run")
    done = report(broker, "--accept-loss", "--execute")
    expect((done["topics"], done["holes"], done["records"]), (1, 2, 45), "what was adopted")
    told = [f["text"] for f in verified(broker)["findings"]]
    expect(len([t for t in told if "15 to 29" in t or "45 to 89" in t]), 2, f"losses that verify tells of: {told}")
    raw = env.client(broker)
    raw.wait_ready("holes")
    wanted = [o for first in (0, 30, 90) for o in range(first, first + 15)]
    expect(raw.produce("holes", 0, make_batch([b"more"]))["base_offset"], 105, "producing goes on")
    for name in ("kcat", "confluent-kafka"):
        got = env.program(name, broker).consume("holes", 46, timeout=20)
        expect([o for o, _ in got], wanted + [105], f"offsets that {name} reads")
    for at in (15, 20, 29, 44, 45, 89):
        row = raw.fetch("holes", 0, at, max_wait_ms=100)
        expect(row["error"], 0, f"a fetch at {at}")
        expect_true(row["records"], f"a fetch at {at} leads nowhere")
    rows = sluice(broker, "log", "cat", "holes", "--json").stdout.splitlines()
    expect([json.loads(r)["offset"] for r in rows], wanted + [105], "what log cat prints")


def lying_segment(path, last, *batches):
    """Of generation 1, from offset 0, with batches of three records; the footer says `last`."""
    body = b"".join(batches)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(">4sHHqiqI", b"KAFS", 1, 0, 0, 3 * len(batches), OLD, 0) + body +
                     struct.pack(">Iq4s", crc32c(body), last, b"END!"))


@test(brokers=("sluice",))
def i07_segments_that_lie(env):
    """About where they end, or of offsets behind which nothing can be written: refused, and the next ones are read."""
    broker = env.own()
    raw = env.client(broker)
    _, wanted = kafscale(broker.root)
    home, top = broker.root / "default", 2 ** 63 - 2
    name = f"segment-{0:020}-1.kfs"
    lying_segment(home / "bare" / "0" / name, 3)
    lying_segment(home / "ends" / "0" / name, 100, make_batch([b"a", b"b", b"c"], ts=OLD))
    put_segment(home / "high" / "0", [(top, 1, make_batch([b"x"], ts=OLD, base_offset=top))])
    dry = report(broker, status=1)
    done = report(broker, "--execute", status=1)
    for result in (dry, done):
        expect((result["topics"], result["refused"]), (2, 3), "topics")
    text = "\n".join(lines(done, "refused"))
    for what in ("bare/0: ", "ends/0: ", "the footer says 100", "high/0: ", "leave no room"):
        expect_true(what in text, f"{what} is not said: {text}")
    expect_true(all(t["error"] != 0 for t in raw.metadata(["high"])["topics"]), "high was created")
    for words in (["--topic", "orders/0"], ["--topic", ""], ["--topic", "../orders"]):
        told = sluice(broker, "log", "import", *words)
        expect((told.returncode, "is no name of a topic" in told.stderr), (2, True), f"{words}: {told.stderr}")
    broker.stop()
    verified(broker)
    expect_log(broker, wanted)
