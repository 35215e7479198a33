# SPDX-License-Identifier: Apache-2.0
"""r3x: what a stranger does to `sluice log` and `sluice segment`: each mistake is told with what to do, and none
leaves anything behind."""
import json
import os
import subprocess

from harness import CLI, eventually, expect, expect_true, sets, sluice, test
from objects import damage_entry, entries_by_journal, flip_head
from rawkafka import make_batch
from suite_import import put_segment
from suite_reader import rolled


def told(broker, words, what, status=1, out=False):
    done = sluice(broker, *words)
    expect(done.returncode, status, f"status of {words}: {done.stdout}{done.stderr}")
    text = done.stdout if out else done.stderr
    expect_true(what in text, f"{what!r} is not said for {words}: {done.stdout}{done.stderr}")
    return done


@test(brokers=("sluice",))
def r30_log_words(env):
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=3, client=raw)
    told(broker, ["log", "frobnicate"], "no verb frobnicate", 2)
    told(broker, ["log", "verfy"], "did you mean verify", 2)
    told(broker, ["log", "cat"], "TOPIC is missing", 2)
    told(broker, ["log", "verify", "extra"], 'what is "extra"', 2)
    told(broker, ["log", "verify", "--follow"], "no option --follow", 2)
    told(broker, ["log", "cat", topic, "--partition", 3], f"{topic} has no partition 3: they are 0 to 2")
    told(broker, ["log", "cat", topic, "--partition", "-1"], "-1 is no whole number", 2)
    told(broker, ["log", "cat", "no-such"], "there is no topic no-such in this store")
    done = sluice(broker, "log", "cat", topic)
    expect((done.returncode, done.stdout, done.stderr), (0, "", ""), "an empty topic")
    told(broker, ["log", "cat", topic, "--from-offset", 5, "--partition", 0], "it ends at offset 0", 0)
    told(broker, ["log", "cat", topic, "--from-offset", 5, "--from-time", 5], "two places to begin at", 2)


@test(brokers=("sluice",))
def r31_times(env):
    """As people write them, and as log cat prints them."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=1, client=raw)
    for i in range(4):
        batch = make_batch([b"%d" % i], ts=1700000000000 + i * 500)  # 2023-11-14T22:13:20Z
        expect(raw.produce(topic, 0, batch)["error"], 0, "produce")
    for text, first in (("2023-11-14T22:13:20Z", 0), ("2023-11-14T22:13:20.500Z", 1), ("1700000001000", 2),
                        ("2023-11-14T23:13:21.250+01:00", 3), ("2023-11-14T17:13:21-05:00", 2),
                        ("2023-11-14 22:13:21", 2), ("2023-11-14", 0), ("2023-11-15", 4)):
        rows = sluice(broker, "log", "cat", topic, "--from-time", text).stdout.splitlines()
        expect(len(rows), 4 - first, f"records from {text} on")
        if rows:
            again = sluice(broker, "log", "cat", topic, "--from-time", rows[0].split("\t")[2]).stdout.splitlines()
            expect(again, rows, "from the time that it prints")
    for text in ("yesterday", "2023-13-01", "2023-11-14T22:13:20+1", "2023-11-14T22:13:20+01:99", "1969-12-31", "12x"):
        told(broker, ["log", "cat", topic, "--from-time", text], f"{text} is no time; write 2026-", 2)


@test(brokers=("sluice",))
def r32_stores_that_are_not_there(env):
    """Nothing is made where nothing was, least of all a bucket."""
    for words in (["verify"], ["repair", "--accept-loss"], ["import", "--execute"], ["sweep", "--delete"], ["cat", "t"]):
        missing = env.dir / "missing"
        done = subprocess.run([str(CLI), "log", *words, "--set", f"storage.path={missing}"], capture_output=True,
                              text=True, timeout=60, check=False)
        expect((done.returncode, done.stdout), (1, ""), f"{words}: {done.stderr}")
        expect_true("no such directory" in done.stderr and "--set storage.path=DIR" in done.stderr, done.stderr)
        expect(missing.exists(), False, "the directory")
    empty = env.dir / "empty"
    empty.mkdir()
    done = subprocess.run([str(CLI), "log", "repair", "--accept-loss", "--set", f"storage.path={empty}"],
                          capture_output=True, text=True, timeout=60, check=False)
    expect_true(done.returncode == 1 and "no broker has ever used this bucket" in done.stderr, done.stderr)
    expect(list(empty.rglob("cluster.json")), [], "a bucket")
    for words in (["verify"], ["repair"], ["repair", "--accept-loss"], ["import"], ["sweep", "--delete"], ["cat", "t"]):
        done = subprocess.run([str(CLI), "log", *words, "--set", f"storage.path={empty}"], capture_output=True,
                              text=True, timeout=60, check=False)
        expect_true(done.returncode == 1 and "no broker has ever used this bucket" in done.stderr, done.stderr)
        expect(list(empty.iterdir()), [], f"what {words} leaves in a directory that is no bucket")


@test(brokers=("sluice",))
def r33_segments_that_are_none(env):
    broker, _, paths = rolled(env)
    whole, home = paths[0].read_bytes(), env.dir / "odd"
    home.mkdir()
    fifo, cut = home / "fifo", home / "cut.kfs"
    os.mkfifo(fifo)
    told(broker, ["segment", "dump", home], "a directory, not a file")
    told(broker, ["segment", "dump", fifo], "a device or pipe, not a file")
    told(broker, ["segment", "verify", "/dev/zero"], "a device or pipe, not a file")
    told(broker, ["segment", "dump", "no/such.kfs"], "neither a file nor an object of the store")
    told(broker, ["segment", "dump", "x" * 5000], "too long for a key")
    told(broker, ["segment", "dump"], "FILE-OR-KEY is missing", 2)
    told(broker, ["segment", "verify", paths[0].with_suffix(".index")], "name the .kfs beside it")
    for n in (0, 20, 60, len(whole) - 1):
        cut.write_bytes(whole[:n])
        told(broker, ["segment", "verify", cut], "at least 48 bytes" if n < 48 else "no END! at byte")
    other, index = home / paths[1].name, home / paths[1].with_suffix(".index").name
    other.write_bytes(whole)
    told(broker, ["segment", "verify", other], "it begins at offset 0")
    other.write_bytes(paths[1].read_bytes())
    told(broker, ["segment", "verify", other], "no .index beside it", 0)
    index.mkdir()
    told(broker, ["segment", "verify", other], f"the .index of {other}: a directory, not a file")
    gap = put_segment(home / "segment-x" / "0", [(0, 3, make_batch([b"a"] * 3)),
                                                 (5, 1, make_batch([b"b"], base_offset=5))])
    told(broker, ["segment", "verify", gap], "begins at offset 5, expected 3")
    done = subprocess.run([str(CLI), "segment", "dump", "no.kfs", "--set", f"storage.path={home / 'none'}"],
                          capture_output=True, text=True, timeout=60, check=False)
    expect_true("no.kfs: no such file, and the store" in done.stderr, done.stderr)
    rows = [json.loads(x) for x in sluice(broker, "segment", "dump", "--json", paths[0]).stdout.splitlines()]
    expect(sum(r["records"] for r in rows[1:]), rows[0]["records"], "records")
    expect((rows[1]["position"], rows[1]["codec"], rows[1]["control"]), (32, "none", False), "the first batch")


@test(brokers=("sluice",))
def r34_odd_records(env):
    """Every codec; keys, values and headers that are no text, empty, null; a large one. Lines stay lines."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=1, client=raw)
    rows = [(b"\xff\x00bin", b"a\tb\nc\\d\x7f\x80", [("h", b"\xfe"), ("h", None), ("", b"")], 1700000000000),
            (None, None, [], 1700000000001), (b"", b"", [], 1700000000002)]
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        expect(raw.produce(topic, 0, make_batch(rows, codec=codec))["error"], 0, codec)
    expect(raw.produce(topic, 0, make_batch([b"x" * 900000], codec="zstd"))["error"], 0, "a large one")
    lines = sluice(broker, "log", "cat", topic, "--json").stdout.splitlines()
    got = [json.loads(x) for x in lines]
    expect([r["offset"] for r in got], list(range(16)), "offsets")
    for i in range(0, 15, 3):
        expect(got[i]["key"], {"hex": "ff0062696e"}, "a key that is no text")
        expect(got[i]["value"], {"hex": "6109620a635c647f80"}, "a value that is no text")
        expect(got[i]["headers"], [["h", {"hex": "fe"}], ["h", None], ["", ""]], "headers, in order, repeated")
        expect((got[i + 1]["key"], got[i + 1]["value"], got[i + 2]["key"]), (None, None, ""), "null is not empty")
    expect(len(got[15]["value"]), 900000, "the large one")
    done = subprocess.run([str(CLI), "log", "cat", topic, *sets(broker)], capture_output=True, timeout=60, check=True)
    expect(done.stdout.count(b"\n"), 16, "lines")
    expect_true(b"a\\x09b\\x0ac\\x5cd\\x7f\x80" in done.stdout, "what would end a field or line is escaped")
    expect(raw.produce(topic, 0, make_batch(["\x9b2J \u00e4\u00a0".encode()]))["error"], 0, "what a terminal obeys")
    last = sluice(broker, "log", "cat", topic, "--from-offset", 16).stdout
    expect(last.split("\t")[4], "\\xc2\\x9b2J \u00e4\u00a0\n", "a control character of two bytes")


@test(brokers=("sluice",))
def r35_control_batches_are_no_records(env):
    """Transactions of another server left them in imported segments."""
    broker = env.own()
    plain = make_batch([b"a", b"b"], ts=1, base_offset=0), make_batch([b"c"], ts=1, base_offset=3)
    put_segment(broker.root / "default" / "tx" / "0",
                [(0, 2, plain[0]), (2, 1, make_batch([(b"\0\0\0\1", b"\0\0\0\0\0\0")], ts=1, base_offset=2, attributes=0x30)), (3, 1, plain[1])])
    expect(sluice(broker, "log", "import", "--execute").returncode, 0, "import")
    rows = sluice(broker, "log", "cat", "tx", "--json").stdout.splitlines()
    expect([json.loads(r)["offset"] for r in rows], [0, 1, 3], "offsets")
    key = "default/tx/0/segment-00000000000000000000.kfs"
    told(broker, ["segment", "dump", key], ", control", 0, out=True)


def sluice_topic(broker, verb, *words):
    return subprocess.run([str(CLI), "topic", verb, *map(str, words), "--address", f"127.0.0.1:{broker.port}"],
                          capture_output=True, text=True, timeout=60, check=False)


def follow(broker, *words):
    return subprocess.Popen([str(CLI), "log", "cat", *words, "--follow", *sets(broker)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


@test(brokers=("sluice",))
def r36_follow_comes_to_an_end(env):
    """When nobody listens, when there is no more to come, when the topic is deleted, when it is interrupted."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=1, client=raw)
    expect(raw.produce(topic, 0, make_batch([b"0", b"1", b"2"]))["error"], 0, "produce")
    with follow(broker, topic) as program:
        program.stdout.readline()
        program.stdout.close()
        expect((program.wait(30), program.stderr.read()), (0, ""), "when the pipe is closed")
    with follow(broker, topic, "--to", "2") as program:
        expect((program.wait(30), program.stdout.read().count("\n")), (0, 2), "with --to")
    with follow(broker, topic) as program:
        for _ in range(3):
            program.stdout.readline()
        program.send_signal(2)
        expect(program.wait(30), -2, "after SIGINT")
    with follow(broker, topic) as program:
        program.stdout.readline()
        raw.call("DeleteTopics", 6, {"timeout_ms": 20000, "topics": [{"name": topic}]})
        expect(program.wait(30), 1, "when the topic is deleted")
        expect_true("the topic was deleted meanwhile" in program.stderr.read(), "what is said")


@test(brokers=("sluice",))
def r37_follow_what_comes_later(env):
    """A partition that the topic gets meanwhile; a time that no record has yet."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=1, client=raw)
    with follow(broker, topic, "--json") as program, follow(broker, topic, "--from-time", "5000", "--json") as later:
        try:
            expect(raw.produce(topic, 0, make_batch([b"a"], ts=1000))["error"], 0, "produce")
            expect(json.loads(program.stdout.readline())["value"], "a", "what came")
            done = sluice_topic(broker, "partitions", topic, 3)
            expect(done.returncode, 0, done.stderr)
            raw.wait_ready(topic)
            for value, ts in ((b"b", 2000), (b"c", 5000), (b"d", 3000)):
                eventually(lambda v=value, t=ts: raw.produce(topic, 2, make_batch([v], ts=t))["error"] == 0, 20, "produce")
            rows = [json.loads(program.stdout.readline()) for _ in range(3)]  # the test's own time limit bounds this
            expect([(r["partition"], r["value"]) for r in rows], [(2, "b"), (2, "c"), (2, "d")], "the new partition")
            rows = [json.loads(later.stdout.readline()) for _ in range(2)]
            expect([r["value"] for r in rows], ["c", "d"], "from the first of that time on")
        finally:
            program.kill()
            later.kill()


@test(brokers=("sluice",))
def r38_topics_that_are_not_known(env):
    """Journal 0 cannot be read: that is no reason to say that there is no such topic."""
    broker = env.own()
    topic = env.topic(partitions=1, client=env.client(broker))
    broker.stop()
    damage_entry(entries_by_journal(broker)["0"][0], flip_head)
    for path in (broker.root / "_sluice" / "journal" / "0" / "snapshot").glob("*"):
        path.unlink()
    done = told(broker, ["log", "cat", topic], "because journal 0 cannot be read")
    expect_true("there is no topic" not in done.stderr, done.stderr)


@test(brokers=("sluice",))
def r39_output_that_does_not_get_out(env):
    """A full disk: status 1 and a line that says so, for long and for short output; a closed pipe is no news."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=1, client=raw)
    expect(raw.produce(topic, 0, make_batch([b"x" * 10000] * 20))["error"], 0, "produce")
    address = ["--address", f"127.0.0.1:{broker.port}"]
    for words in (["version"], ["help"], ["status", *address], ["status", "--json", *address], ["topic", "list", *address],
                  *(["log", *verb, *sets(broker)] for verb in (["cat", topic], ["verify"], ["sweep"], ["repair"]))):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([str(CLI), *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        expect(done.returncode, 1, f"status of {words}")
        expect_true(done.stderr.startswith("sluice: not all of the output could be written"), f"{words}: {done.stderr}")
        expect(done.stderr.count("\n"), 1, f"lines of {words}")
    with subprocess.Popen([str(CLI), "log", "cat", topic, *sets(broker)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as program:
        program.stdout.close()
        expect((program.wait(30), program.stderr.read()), (1, ""), "a pipe that is closed")
