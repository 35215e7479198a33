# SPDX-License-Identifier: Apache-2.0
"""l0x: the log's life after the commit: segments, collection, and what a crash leaves of them.

Segments are read by kfsreader.py, the whole log by logreader.py, both written from docs/formats.md alone.
"""
import json
import struct
import subprocess
import threading
import time

from clients import Row
from filestore import crc32c, read_store
from harness import BOTH, CLI, eventually, expect, expect_true, test
from kfsreader import read_bucket
from logreader import read_log
from objects import is_entry, laid_out, last_bytes
from rawkafka import Client, make_batch
from s3.faultproxy import Faults

NOW = int(time.time() * 1000)  # what is older than retention.ms would go
# Everything small and soon, so that minutes of a log's life pass in seconds.
SOON = ["journal.log.segment.target.bytes=64KiB", "journal.roll.age.ms=1000", "journal.grace.ms=2000",
        "journal.safe.window.ms=1000", "journal.check.interval.ms=200", "journal.snapshot.entries=64",
        "storage.volume.size=1MiB"]


def produce(raw, topic, partition, count, size=350):
    for i in range(count):
        values = [b"%s/%d %d " % (topic.encode(), partition, i) + b"x" * size] * 3
        expect(raw.produce(topic, partition, make_batch(values, ts=NOW + i))["error"], 0, "produce")


def served(raw, topic, partition=0):
    return b"".join(b.data for b in raw.read_batches(topic, partition))


def rolled(broker, topic, partition=0):
    """The first offset that no segment covers, by the file names and headers alone."""
    return last_of(sorted((broker.root / "default" / topic / str(partition)).glob("*.kfs"))) + 1


def last_of(segments):
    """The last offset of the last one; -1 where there is none."""
    return int.from_bytes(last_bytes(segments[-1], 12)[:8], "big") if segments else -1


def entries(broker):
    keys = read_store(broker.dir) if broker.bucket is None else broker.bucket.keys_list("_sluice/journal/")
    return [k for k in keys if is_entry(k)]


def expect_readable(broker, topic, wanted, partitions=1):
    """A stopped broker's bucket: each segment sound, and journal and segments give what was served."""
    home = laid_out(broker)
    segments = read_bucket(home)
    for p in range(partitions):
        expect_true(wanted[p].startswith(b"".join(s.body for s in segments.get((topic, p), ()))),
                    f"{topic}/{p}: segments hold other bytes")
        journal, part = read_log(home)[topic, p]
        expect_true(b"".join(b for b, _ in journal.batches(part)) == wanted[p], f"{topic}/{p}: other bytes")
    return segments


def volumes_of(broker):
    """Files that hold entries; none in a bucket."""
    return len(list((broker.dir / "+volumes").glob("*.vol")))


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l01_records_move_into_segments(env):
    """By size and by age; consumers do not notice; entries are collected, volumes used again."""
    broker = env.own(options=SOON)
    raw = env.client(broker)
    topic, trickle = env.topic(2, client=raw), env.topic(client=raw)
    produce(raw, trickle, 0, 1)
    for p in range(2):
        produce(raw, topic, p, 200)
    wanted = {p: served(raw, topic, p) for p in range(2)}
    for name, p, end in ((topic, 0, 600), (topic, 1, 600), (trickle, 0, 3)):
        eventually(lambda n=name, p=p, e=end: rolled(broker, n, p) == e, 30, f"{name}/{p} is rolled")
    expect_true({p: served(raw, topic, p) for p in range(2)} == wanted, "other bytes from segments")
    expect(raw.list_offset(topic, 1, -1)["offset"], 600, "the end")
    eventually(lambda: len(entries(broker)) < 20, 30, "entries are collected", every=0.5)
    volumes = volumes_of(broker)
    for _ in range(2 if env.everything else 1):
        produce(raw, topic, 0, 200)
        end = raw.list_offset(topic, 0, -1)["offset"]
        eventually(lambda e=end: rolled(broker, topic) == e, 30, "rolled")
        eventually(lambda: len(entries(broker)) < 20, 30, "entries are collected", every=0.5)
    expect_true(volumes_of(broker) <= volumes + 2, "volumes are not used again")
    wanted[0] = served(raw, topic, 0)
    expect(broker.stop(), 0, "status after SIGTERM")
    segments = expect_readable(broker, topic, wanted, 2)
    expect_true(len(segments[topic, 1]) >= 4, "the size of segments was not kept to")


@test(brokers=("sluice",), timeout=180, stores=BOTH)
def l02_kill_9_while_rolling(env):
    """Ten times; nothing acknowledged is lost, no segment is wrong, the next broker goes on."""
    broker = env.own(options=SOON)
    topic = env.topic(2, client=env.client(broker))
    wanted = {0: b"", 1: b""}
    for turn in range(10):
        raw = env.client(broker)
        before = rolled(broker, topic)
        for p in range(2):
            produce(raw, topic, p, 60 + 7 * turn)
        if turn % 2:
            eventually(lambda b=before: rolled(broker, topic) > b, 20, "something is rolled")
        now = {p: served(raw, topic, p) for p in range(2)}
        expect_true(all(now[p].startswith(wanted[p]) for p in range(2)), "the log changed")
        wanted = now
        broker.kill()
        expect_readable(broker, topic, wanted, 2)
        broker.start()
        raw = env.client(broker)
        eventually(lambda r=raw: r.list_offset(topic, 0, -1)["error"] == 0, 20, "open")
        expect_true({p: served(raw, topic, p) for p in range(2)} == wanted, "other bytes after the kill")
    eventually(lambda: len(entries(broker)) < 40, 40, "entries are collected after ten kills", every=0.5)
    broker.stop()
    expect_readable(broker, topic, wanted, 2)


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l03_two_rollers_at_once(env):
    """Two brokers write and roll one journal, cutting at different sizes."""
    one = env.own(options=SOON)
    two = env.own(options=SOON[1:] + ["journal.log.segment.target.bytes=100KiB"], node_id=2)
    raws = [env.client(one), env.client(two)]
    topic = env.topic(client=raws[0])
    eventually(lambda: raws[1].metadata([topic])["topics"][0]["error"] == 0, 20, "known at two")
    workers = [threading.Thread(target=produce, args=(raw, topic, 0, 200)) for raw in raws]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    eventually(lambda: raws[0].end_offset(topic, 0) == 1200, 20, "1200 records")
    wanted = served(raws[0], topic)
    eventually(lambda: rolled(one, topic) == 1200, 30, "all is rolled")
    expect_true(served(raws[1], topic) == wanted, "the other broker serves other bytes")
    one.stop()
    two.stop()
    expect_readable(one, topic, {0: wanted})


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l04_what_lies_under_a_segments_name(env):
    """Rubbish is said and left alone; the other partitions go on. A sound segment that nobody registered,
    cut elsewhere, is adopted, and its wrong index replaced."""
    broker = env.own(options=[o for o in SOON if "roll.age" not in o] + ["journal.roll.age.ms=3600000"])
    raw = env.client(broker)
    topic = env.topic(3, client=raw)
    for p in range(3):
        produce(raw, topic, p, 10)  # too little for a segment
    broker.stop()
    home = broker.root / "default" / topic
    name = f"segment-{0:020}"
    for p in (0, 1):
        (home / str(p)).mkdir(parents=True)
    (home / "0" / f"{name}.kfs").write_bytes(b"rubbish " * 100)
    # Partition 1: made by hand, of its first four batches.
    journal, part = read_log(laid_out(broker))[topic, 1]
    batches = list(journal.batches(part))[:4]
    body = b"".join(b for b, _ in batches)
    (home / "1" / f"{name}.kfs").write_bytes(handmade(body, sum(n for _, n in batches)))
    (home / "1" / f"{name}.index").write_bytes(b"left by somebody")
    broker.start()
    raw = env.client(broker)
    eventually(lambda: raw.list_offset(topic, 0, -1)["error"] == 0, 20, "open")
    for p in range(3):
        produce(raw, topic, p, 80)
    wanted = {p: served(raw, topic, p) for p in range(3)}
    eventually(lambda: rolled(broker, topic, 1) > 100 and rolled(broker, topic, 2) > 100, 30, "rolled")
    eventually(lambda: "roller.foreign_segment" in broker.log_text(), 20, "the rubbish is said")
    expect_true(f"{topic}/0/{name}.kfs" in broker.log_text(), "the log does not name the object")
    expect((home / "0" / f"{name}.kfs").read_bytes()[:8], b"rubbish ", "what is not ours is left alone")
    expect_true({p: served(raw, topic, p) for p in range(3)} == wanted, "other bytes")
    broker.stop()
    for left in list((home / "0").iterdir()):
        left.unlink()
    segments = expect_readable(broker, topic, wanted, 3)
    expect(segments[topic, 1][0].last, sum(n for _, n in batches) - 1, "the extent that was adopted")


@test(brokers=("sluice",), stores=("s3",), timeout=120)
def l05_two_rollers_in_the_weather(env):
    """Answers lost, refused and late; what was acknowledged is read back from segments."""
    one, two = env.own(options=SOON), env.own(options=SOON, node_id=2)
    raws = [env.client(one, timeout=60), env.client(two, timeout=60)]
    topic = env.topic(client=raws[0])
    eventually(lambda: raws[1].metadata([topic])["topics"][0]["error"] == 0, 30, "known at two")
    program = env.program("confluent-kafka", one)
    rows = [Row(b"value %d " % i + b"x" * 900, b"key %d" % i) for i in range(1000)]
    for i in range(0, len(rows), 50):
        program.produce_ok(topic, rows[i:i + 50], idempotent=True)
    made = lambda b: counters(b)["roll_segments"]  # noqa: E731
    eventually(lambda: made(one) + made(two) >= 5, 60, "segments are registered", every=1)
    for raw in raws:
        values = [r[3] for b in raw.read_batches(topic, 0) for r in b.records()]
        expect(values, [r.value for r in rows], "what is read back")


def refuse_segments(env, broker):
    """No segment can be stored, until the function is called that this gives."""
    if env.is_on_files:
        blocked = broker.dir / "default"
        blocked.write_bytes(b"")  # where the directory of the segments would be
        return blocked.unlink
    proxy = env.place().proxy
    weather = proxy.faults
    proxy.faults = Faults(methods="PUT", error=1, codes="503", spare="_sluice/")
    return lambda: setattr(proxy, "faults", weather)


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def l06_the_roller_cannot_keep_up(env):
    """Nothing can be rolled: producers are slowed down, then refused; then it goes on by itself."""
    broker = env.own(options=SOON + ["journal.live.runs.max=1000"])
    raw = env.client(broker)
    topic = env.topic(client=raw)
    let_go_on = refuse_segments(env, broker)
    answers = []

    def push():
        # A connection of its own: one that was told to wait is not read until then.
        with Client(broker.address, 20) as one:
            reply = one.call("Produce", 9, one.produce_body(topic, 0, make_batch([b"x" * 100])))
        answers.append((reply["responses"][0]["partitions"][0]["error"], reply["throttle_time_ms"]))
        return answers[-1][0]

    for _ in range(3000):
        if push() != 0:
            break
    expect(answers[-1], (19, 1000), "error and throttle time of a refusal")
    expect_true(any(error == 0 and wait > 0 for error, wait in answers), "nobody was slowed down before")
    accepted = sum(error == 0 for error, _ in answers)
    expect_true(accepted < 1500, f"{accepted} batches were taken before one was refused")
    expect_true(counters(broker)["produce_overload"] > 0, "the counter produce_overload")
    let_go_on()
    eventually(lambda: push() == 0 and answers[-1][1] == 0, 60, "producers are let go on", every=0.5)
    expect_true(rolled(broker, topic) > 0, "nothing was rolled")
    accepted = sum(error == 0 for error, _ in answers)
    expect(sum(b.count for b in raw.read_batches(topic, 0)), accepted, "records")


@test(brokers=("sluice",), timeout=240, all_only=True)
def l07_a_soak_stays_flat(env):
    """Under sustained load neither the entries that are kept nor what a restart has to read grows."""
    broker = env.own(options=["journal.log.segment.target.bytes=1MiB", "journal.roll.age.ms=3000",
                              "journal.live.max.bytes=32MiB", "storage.volume.size=8MiB"] + SOON[2:-1])
    topic = env.topic(8, client=env.client(broker))
    trickle = env.topic(200, client=env.client(broker))
    is_over, sent = threading.Event(), []

    def write(p):
        with Client(broker.address, 60) as raw:
            while not is_over.is_set():
                batch = make_batch([b"%d" % len(sent) + b"x" * 1000] * 30)
                sent.append(raw.produce(topic, p, batch)["error"])
                sent.append(raw.produce(trickle, len(sent) % 200, make_batch([b"now and then"]))["error"])

    writers = [threading.Thread(target=write, args=(p,)) for p in range(8)]
    for w in writers:
        w.start()
    samples = []
    for _ in range(12):  # the load is what is sampled, hence the sleep
        time.sleep(5)
        samples.append((len(list((broker.dir / "+volumes").glob("*.vol"))), broker.status_kib() >> 10, len(sent)))
    is_over.set()
    for w in writers:
        w.join()
    expect(set(sent), {0}, "errors")
    broker.kill()
    broker.start()
    print(f"    l07: volumes, MiB, requests every 5 s: {samples}; ready {broker.ready_s:.2f} s after kill -9")
    early, late = max(s[0] for s in samples[2:6]), max(s[0] for s in samples[8:])
    expect_true(late <= early * 2 + 4, f"volumes pile up: {samples}")
    raw = env.client(broker)
    eventually(lambda: raw.list_offset(topic, 0, -1)["error"] == 0, 30, "open")
    ends = sum(raw.end_offset(topic, p) for p in range(8)) + sum(raw.end_offset(trickle, p) for p in range(200))
    expect(ends, len(sent) // 2 * 31, "records")


def counters(broker):
    done = subprocess.run([str(CLI), "status", "--address", broker.address, "--json",
                           "--counters"], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)["broker"]["counters"]


def handmade(body, records):
    return (struct.pack(">4sHHqiqI", b"KAFS", 1, 0, 0, records, 1, 0) + body +
            struct.pack(">Iq4s", crc32c(body), records - 1, b"END!"))


def rolls(broker):
    done = subprocess.run([str(CLI), "status", "--address", broker.address, "--json"], capture_output=True, text=True,
                          timeout=60, check=True)
    return [j["roll"] for j in json.loads(done.stdout)["broker"]["journals"]]


@test(brokers=("sluice",))
def l09_status_tells_what_is_not_rolled(env):
    """And nothing any more, once it is."""
    broker = env.own(options=["journal.roll.age.ms=3600000"])
    raw = env.client(broker)
    topic = env.topic(client=raw)
    produce(raw, topic, 0, 10)
    roll = max(rolls(broker), key=lambda r: r["live_batches"])
    expect(roll["live_batches"], 10, "batches that are not rolled")
    expect_true(roll["live_bytes"] > 10000 and roll["kept_bytes"] > roll["live_bytes"], f"bytes: {roll}")
    expect_true(10 <= roll["kept_entries"] <= 20 and roll["lag_permille"] == 0 < roll["kept_bytes_max"], f"{roll}")
    text = subprocess.run([str(CLI), "status", "--address", broker.address], capture_output=True, text=True,
                          timeout=60, check=True).stdout
    expect_true("not rolled: 10 batches, " in text and "lag 0 per mille" in text, text)
    broker.stop()
    broker.options.append("journal.roll.age.ms=1000")
    broker.start()
    eventually(lambda: sum(r["live_batches"] for r in rolls(broker)) == 0, 30, "rolled")
    roll = rolls(broker)[0]
    expect((roll["kept_entries"], roll["kept_bytes"], roll["oldest_ms"]), (0, 0, 0), "what is kept")
