# SPDX-License-Identifier: Apache-2.0
"""r0x: a bucket read without a broker, by `sluice log` and `sluice segment`."""
import json
import subprocess

import rawkafka as k
from harness import BOTH, CLI, eventually, expect, expect_true, register, sets, sluice, test
from objects import damage_entry, delete, destroy, entries_by_journal, flip, flip_head, key_of
from rawkafka import make_batch, parse_batches


def cat(broker, topic, *words):
    """The records as `log cat --json` prints them."""
    done = sluice(broker, "log", "cat", topic, "--json", *words)
    expect(done.returncode, 0, f"status of log cat: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def produce(env, broker, partitions=3, rounds=20):
    raw = env.client(broker)
    topic = env.topic(partitions=partitions, client=raw)
    for i in range(rounds):
        for p in range(partitions):
            expect(raw.produce(topic, p, make_batch([b"%d" % i, b"-%d" % i]))["error"], 0, "produce")
    return topic


@test(brokers=("sluice",), stores=BOTH)
def r01_cat_prints_what_was_written(env):
    """While the broker runs, and when it is stopped."""
    broker = env.own()
    topic = produce(env, broker)
    for is_running in (True, False):
        rows = cat(broker, topic)
        expect([(r["partition"], r["offset"]) for r in rows],
               [(p, o) for p in range(3) for o in range(40)], "partitions and offsets")
        expect([r["value"] for r in rows[:4]], ["0", "-0", "1", "-1"], "values")
        rows = cat(broker, topic, "--partition", 1, "--from-offset", 5, "--to", 8)
        expect([(r["partition"], r["offset"], r["value"]) for r in rows],
               [(1, 5, "-2"), (1, 6, "3"), (1, 7, "-3")], "a piece of it")
        if is_running:
            broker.stop()
    middle = cat(broker, topic, "--partition", 0)[20]["timestamp"]
    rows = cat(broker, topic, "--partition", 0, "--from-time", middle)
    expect(rows[0]["timestamp"] >= middle, True, "from a time")
    done = sluice(broker, "log", "cat", "no-such-topic")
    expect((done.returncode, "no-such-topic" in done.stderr), (1, True), "an unknown topic")


@test(brokers=("sluice",), stores=BOTH)
def r02_cat_follows(env):
    broker = env.own()
    topic = produce(env, broker, partitions=1, rounds=1)
    words = [str(CLI), "log", "cat", topic, "--follow", "--json", *sets(broker)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        try:
            expect(json.loads(program.stdout.readline())["value"], "0", "what was there")
            program.stdout.readline()
            expect(env.client(broker).produce(topic, 0, make_batch([b"new"]))["error"], 0, "produce")
            row = json.loads(program.stdout.readline())  # the test's own time limit bounds this
            expect((row["offset"], row["value"]), (2, "new"), "what came")
        finally:
            program.kill()


@test(brokers=("sluice",), stores=BOTH)
def r03_verify_finds_nothing_wrong(env):
    broker = env.own()
    produce(env, broker)
    for is_running in (True, False):
        done = sluice(broker, "log", "verify", "--json")
        report = json.loads(done.stdout)
        expect((done.returncode, report["errors"], report["findings"]), (0, 0, []), "log verify")
        expect_true(report["partitions"] >= 3 and report["entries"] > 10, f"too little: {report}")
        if is_running:
            broker.stop()


def finds(env, how):
    """One entry of one journal is damaged: it is named, and the exit status says so."""
    broker = env.own()
    produce(env, broker, partitions=12, rounds=10)
    broker.stop()
    journals = entries_by_journal(broker)
    _, rows = max(((j, r) for j, r in journals.items() if j != "0"), key=lambda x: len(x[1]))
    key = rows[len(rows) // 2][0]
    damage_entry(rows[len(rows) // 2], how)
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 1, f"status: {done.stdout}{done.stderr}")
    expect_true(key in done.stdout, f"{key} is not named: {done.stdout}")


for damage in (flip, flip_head, destroy, delete):
    register(f"r04_verify_finds_{damage.__name__}", lambda env, how=damage: finds(env, how),
             brokers=("sluice",), stores=BOTH)


@test(brokers=("sluice",))
def r05_nothing_there(env):
    """A directory that is no bucket is told so."""
    broker = env.own()
    broker.stop()
    done = subprocess.run([str(CLI), "log", "verify", "--set", f"storage.path={env.dir}/none"],
                          capture_output=True, text=True, timeout=20, check=False)
    expect((done.returncode, "no such directory" in done.stderr), (1, True), done.stderr)
    done = sluice(broker, "segment", "verify", "default/none/0/segment-00000000000000000000.kfs")
    expect((done.returncode, "neither a file nor an object" in done.stderr), (1, True),
           done.stderr)


# --- segments ---

# Rolled early, so that a test sees some.
ROLLING = ["journal.log.segment.target.bytes=64KiB"]


def rolled(env):
    """A stopped broker, a topic, and the segments of its partition 0, in order."""
    broker = env.own(options=ROLLING)
    raw = env.client(broker)
    topic = env.topic(partitions=2, client=raw)
    for i in range(40):
        for p in range(2):
            batch = make_batch([b"%d/%d" % (p, i) + b"x" * 10000])
            expect(raw.produce(topic, p, batch)["error"], 0, "produce")

    def segments():
        return sorted((broker.root / "default" / topic / "0").glob("*.kfs"))
    eventually(lambda: len(segments()) >= 3, 30, "three segments")
    eventually(lambda: json.loads(sluice(broker, "log", "verify", "--json").stdout)["segments"] >= 6,
               30, "three segments of each partition registered")
    broker.stop()
    return broker, topic, segments()


def served_or_refused(env, broker, topic, key):
    """What a broker gives of a partition whose second segment is damaged: what lies before it, then an
    error, and never anything else in its place. The other partition is whole."""
    broker.start()
    raw = env.client(broker)
    values, offset, error = [], 0, 0
    while not error and offset < 40:
        row = raw.fetch(topic, 0, offset, max_wait_ms=100)
        error = row["error"]
        for batch in parse_batches(row["records"]) if not error else []:
            values += [r[3] for r in batch.records() if r[0] >= offset]
            offset = batch.next_offset
    expect(error, k.KAFKA_STORAGE_ERROR, "error of the read that reaches the damage")
    expect(values, [b"0/%d" % i + b"x" * 10000 for i in range(offset)], "what lies before it")
    expect_true(0 < offset < 40, f"reading ended at {offset}")
    expect_true(key in broker.log_text(), f"the log does not name {key}")
    expect(len(raw.read_batches(topic, 1)), 40, "batches of the other partition")
    expect(raw.produce(topic, 0, make_batch([b"more"]))["error"], 0, "producing goes on")


def seg_flip(paths):
    data = bytearray(paths[1].read_bytes())
    data[len(data) // 2] ^= 0x20
    paths[1].write_bytes(data)


def seg_truncate(paths):
    paths[1].write_bytes(paths[1].read_bytes()[:-5000])


def seg_exchange(paths):
    paths[1].write_bytes(paths[0].read_bytes())


def seg_remove(paths):
    paths[1].unlink()


def damaged_segment(env, how):
    broker, topic, paths = rolled(env)
    expect(sluice(broker, "segment", "verify", paths[1]).returncode, 0, "segment verify before")
    how(paths)
    key = key_of(broker, paths[1])
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 1, f"status of log verify: {done.stdout}{done.stderr}")
    expect_true(key in done.stdout, f"{key} is not named: {done.stdout}")
    served_or_refused(env, broker, topic, key)


for damage in (seg_flip, seg_truncate, seg_exchange, seg_remove):
    register(f"r06_damaged_{damage.__name__}", lambda env, how=damage: damaged_segment(env, how),
             brokers=("sluice",), stores=BOTH)


@test(brokers=("sluice",), stores=BOTH)
def r07_a_damaged_index_is_found_and_costs_nothing(env):
    broker, topic, paths = rolled(env)
    index = paths[1].with_suffix(".index")
    data = bytearray(index.read_bytes())
    data[-1] ^= 1
    index.write_bytes(data)
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 1, f"status of log verify: {done.stdout}")
    expect_true(index.name in done.stdout, f"{index.name} is not named: {done.stdout}")
    broker.start()
    expect(len(env.client(broker).read_batches(topic, 0)), 40, "batches")


@test(brokers=("sluice",), stores=BOTH)
def r08_strangers_are_orphans(env):
    """What no journal refers to is told, and is no error."""
    broker, _, paths = rolled(env)
    stranger = paths[0].with_name("segment-00000000000000000007.kfs")
    stranger.write_bytes(paths[0].read_bytes())
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 0, f"status of log verify: {done.stdout}")
    expect_true(f"{stranger.name}: no journal refers to it" in done.stdout, done.stdout)
