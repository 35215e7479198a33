# SPDX-License-Identifier: Apache-2.0
"""r0x: a bucket read without a broker, by `sluice log` and `sluice segment`."""
import json
import os
import subprocess

from brokers import BUILD
from harness import expect, expect_true, register, test
from rawkafka import make_batch
from suite_storage import entries_by_journal

SLUICE = BUILD / "sluice"


def sluice(broker, *words, timeout=60):
    return subprocess.run([str(SLUICE), *map(str, words), "--set", f"storage.path={broker.dir}"],
                          capture_output=True, text=True, timeout=timeout, check=False)


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


@test(brokers=("sluice",))
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


@test(brokers=("sluice",))
def r02_cat_follows(env):
    broker = env.own()
    topic = produce(env, broker, partitions=1, rounds=1)
    words = [str(SLUICE), "log", "cat", topic, "--follow", "--json", "--set", f"storage.path={broker.dir}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        try:
            expect(json.loads(program.stdout.readline())["value"], "0", "what was there")
            program.stdout.readline()
            expect(env.client(broker).produce(topic, 0, make_batch([b"new"]))["error"], 0, "produce")
            row = json.loads(program.stdout.readline())  # the test's own time limit bounds this
            expect((row["offset"], row["value"]), (2, "new"), "what came")
        finally:
            program.kill()


@test(brokers=("sluice",))
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


def flip(f, at, payload, length):
    f.seek(at + payload + length - 3)
    byte = f.read(1)
    f.seek(at + payload + length - 3)
    f.write(bytes([byte[0] ^ 0x10]))


def flip_head(f, at, payload, _length):
    f.seek(at + payload + 60)
    byte = f.read(1)
    f.seek(at + payload + 60)
    f.write(bytes([byte[0] ^ 0x10]))


def destroy(f, at, _payload, _length):
    f.seek(at)
    f.write(os.urandom(96))


def delete(f, at, _payload, _length):
    f.seek(at + 80)
    f.write(b"\xff")


def finds(env, how):
    """One entry of one journal is damaged: it is named, and the exit status says so."""
    broker = env.own()
    produce(env, broker, partitions=12, rounds=10)
    broker.stop()
    journals = entries_by_journal(broker.dir)
    _, rows = max(((j, r) for j, r in journals.items() if j != "0"), key=lambda x: len(x[1]))
    key, path, at, payload, length = rows[len(rows) // 2]
    with open(path, "r+b") as f:
        how(f, at, payload, length)
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 1, f"status: {done.stdout}{done.stderr}")
    expect_true(key in done.stdout, f"{key} is not named: {done.stdout}")


for damage in (flip, flip_head, destroy, delete):
    register(f"r04_verify_finds_{damage.__name__}", lambda env, how=damage: finds(env, how),
             brokers=("sluice",))


@test(brokers=("sluice",))
def r05_nothing_there(env):
    """A directory that is no bucket is told so."""
    broker = env.own()
    broker.stop()
    done = subprocess.run([str(SLUICE), "log", "verify", "--set", f"storage.path={env.dir}/none"],
                          capture_output=True, text=True, timeout=20, check=False)
    expect((done.returncode, "no broker has ever used" in done.stderr), (1, True), done.stderr)
    done = sluice(broker, "segment", "verify", "default/none/0/segment-00000000000000000000.kfs")
    expect((done.returncode, "neither a file nor an object" in done.stderr), (1, True),
           done.stderr)
