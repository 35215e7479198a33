#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of coordinators, and of consumers with many partitions.

    bench_groups.py [--peer] [--only REGEX] [--reps N] [--seconds S] [--dir DIR] [--out FILE]
                    [--set OPTION]

Prints figures, asserts nothing. groupcli is 1 000 groups of three members (classic protocol), each a
connection; fetchcli is one consumer of 1 000 partitions; the cases java.* run Kafka's own console
consumer. Our broker starts anew, on an empty directory, for every case. With --peer Apache Kafka in
its two modes, each started once and warmed up. Broker CPU is from /proc, in percent of one core.
"""
import argparse
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import time

import bench
from brokers import BUILD, KafkaBroker, NotAvailable, SluiceBroker
from rawkafka import Client

PARTITIONS = 1000
RECORDS_S = 100  # that arrive meanwhile
SESSION_MS = 6000  # of members that crash
JAVA_WARM_S = 20  # of a consumer, until it has joined and is compiled

# run(o, broker, topic) measures one repetition. shown: what the table says.
Case = collections.namedtuple("Case", "name text partitions run shown")

bench.UNITS.update({
    "cpu_pct": ("% of a core", 1), "beats_s": ("heartbeats/s", 0), "commits_s": ("commits/s", 0),
    "per_entry": ("commits a journal entry", 0), "max_ms": ("ms most", 0),
    "rejoined_p50_ms": ("ms p50 after the last has rejoined", 1),
    "rejoined_p99_ms": ("ms p99", 1), "cpu_us": ("µs of CPU a fetch", 0),
    "request_bytes": ("bytes asked", 0), "reply_bytes": ("bytes answered", 0),
    "fetches_s": ("fetches/s", 0), "client_pct": ("% of a core in the client", 1),
    "kb_s_read": ("kB/s to the consumer", 1), "kb_s_written": ("kB/s from it", 1)})


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help="Apache Kafka too, in both modes")
    parser.add_argument("--peer-only", action="store_true", help="only Apache Kafka")
    parser.add_argument("--only", default="", help="only cases whose name matches")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--warm", type=float, default=20, help="seconds of warm-up for Kafka")
    parser.add_argument("--dir", default=str(BUILD / "bench"), help="data directories; a real disk")
    parser.add_argument("--out", help="append every measurement as one JSON line")
    parser.add_argument("--set", action="append", default=[], help="option of our broker")
    return parser.parse_args()


def counters(broker):
    """Of our broker; nothing of another."""
    if broker.kind != "sluice":
        return collections.Counter()
    done = subprocess.run([str(BUILD / "sluice"), "status", "--address", broker.address, "--json",
                           "--counters"], capture_output=True, text=True, timeout=30, check=True)
    return collections.Counter(json.loads(done.stdout)["broker"]["counters"])


class Meter:
    """What a broker spends from now on."""

    def __init__(self, broker):
        self.broker, self.counts = broker, counters(broker)
        self.cpu, self.began = broker.cpu_s(), time.monotonic()

    def read(self):
        cpu, seconds = self.broker.cpu_s() - self.cpu, time.monotonic() - self.began
        return cpu, seconds, counters(self.broker) - self.counts


def run_program(broker, words, limit=600):
    """Runs groupcli or fetchcli; what it says in all its lines, and what the broker spent from when
    it was settled."""
    command = [str(bench.PROGRAMS / words[0]), "-b", broker.address] + [str(w) for w in words[1:]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        row = {}
        for line in process.stdout:
            row.update(json.loads(line))
            if "settled_s" in row and "cpu_s" not in row:
                meter, row["cpu_s"] = Meter(broker), 0
            if "elapsed" in row:
                row["cpu_s"], seconds, counts = meter.read()
                row["cpu_pct"] = 100 * row["cpu_s"] / seconds
                row["entries"] = counts["journal_entries_won"]
                break
        if process.wait(limit) or "elapsed" not in row:
            print(f"{words}: {process.stderr.read().strip()}", file=sys.stderr)
        if "elapsed" not in row:
            raise RuntimeError(f"{' '.join(command[3:])} failed")
        return row
    finally:
        process.kill()
        process.wait()


def groups(*words):
    def run(o, broker, topic):
        prefix = f"g{time.monotonic_ns()}"
        row = run_program(broker, ["groupcli", "-t", topic, "-d", o.seconds, "-G", prefix, *words])
        row["commits_s"] = row["msgs_s"]
        if row["entries"]:
            row["per_entry"] = row["msgs"] / row["entries"]
        return row
    return run


def fetches(wants_session, records_s=0):
    """At once, one after the other; or as records arrive."""
    def run(o, broker, topic):
        words = ["fetchcli", "-t", topic, "-P", PARTITIONS, "-S", wants_session, "-d", o.seconds,
                 "-w", 500 if records_s else 0]
        if broker.kind == "kafka":
            run_program(broker, words[:-4] + ["-d", o.warm / 2])
        with arriving(o, broker, topic, records_s):
            row = run_program(broker, words)
        row["fetches_s"] = row["fetches"] / row["elapsed"]
        row["cpu_us"] = row["cpu_s"] * 1e6 / row["fetches"]
        return row
    return run


class arriving:
    """records_s records a second of 100 bytes, over all partitions, for long enough."""

    def __init__(self, o, broker, topic, records_s):
        self.command = [str(bench.PROGRAMS / "rawcli"), "-b", broker.address, "-t", topic, "-P",
                        str(PARTITIONS), "-s", "100", "-R", "1", "-c", "1", "-r", str(records_s),
                        "-d", str(o.seconds + 60)]
        self.process = None if records_s == 0 else 1

    def __enter__(self):
        if self.process is not None:
            self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
            time.sleep(1)

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def socket_bytes(pid, port):
    """[received, sent] so far over the connections of a process to that port, as ss tells them."""
    done = subprocess.run(["ss", "-tinpHO", "dst", f"127.0.0.1:{port}"], capture_output=True,
                          text=True, timeout=30, check=True)
    lines = [x for x in done.stdout.splitlines() if f"pid={pid}," in x]
    return [sum(int(n) for x in lines for n in re.findall(rf" {key}:(\d+)", x))
            for key in ("bytes_received", "bytes_sent")]


def proc_cpu(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def java(records_s):
    """The console consumer as it comes: a group of one, from the end. It asks for a fetch session."""
    def run(o, broker, topic):
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", KafkaBroker.jars(),
                   "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server",
                   broker.address, "--topic", topic]
        with arriving(o, broker, topic, records_s):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                time.sleep(JAVA_WARM_S)
                meter, cpu = Meter(broker), proc_cpu(process.pid)
                io = socket_bytes(process.pid, broker.port)
                time.sleep(o.seconds)
                spent, seconds, counts = meter.read()
                now = socket_bytes(process.pid, broker.port)
                client = proc_cpu(process.pid) - cpu
            finally:
                process.kill()
                process.wait()
        return {"cpu_pct": 100 * spent / seconds, "client_pct": 100 * client / seconds,
                "kb_s_read": (now[0] - io[0]) / seconds / 1e3,
                "kb_s_written": (now[1] - io[1]) / seconds / 1e3,
                "requests_s": counts["api_requests"] / seconds}
    return run


COMMITS = ("commits_s", "p50_ms", "p99_ms", "per_entry", "cpu_pct")
FETCH = ("cpu_us", "request_bytes", "reply_bytes")
CONSUMER = ("cpu_pct", "kb_s_read", "kb_s_written", "client_pct")
CASES = (
    Case("groups.beat", "1 000 groups of 3, a heartbeat every 3 s", 12, groups("-m", "beat"),
         ("cpu_pct", "beats_s", "p50_ms", "p99_ms")),
    Case("groups.commit", "… each member commits one after the other", 12,
         groups("-m", "commit"), COMMITS),
    Case("groups.commit1k", "… 1 000 commits/s of all together", 12,
         groups("-m", "commit", "-r", 1000), COMMITS),
    Case("groups.crash", "… one of each crashes: settled after its session ends", 12,
         groups("-m", "crash", "-S", SESSION_MS),
         ("p50_ms", "p99_ms", "max_ms", "rejoined_p50_ms", "rejoined_p99_ms")),
    Case("fetch.full", "fetch of 1 000 partitions, no session", PARTITIONS, fetches(0), FETCH),
    Case("fetch.session", "… with a session", PARTITIONS, fetches(1), FETCH),
    Case("fetch.full.100", f"… no session, {RECORDS_S} records/s arrive", PARTITIONS,
         fetches(0, RECORDS_S), ("fetches_s", "cpu_pct", *FETCH)),
    Case("fetch.session.100", "… with a session", PARTITIONS, fetches(1, RECORDS_S),
         ("fetches_s", "cpu_pct", *FETCH)),
    Case("java.idle", "Java consumer of 1 000 partitions, idle", PARTITIONS, java(0), CONSUMER),
    Case("java.100", f"… {RECORDS_S} records/s arrive", PARTITIONS, java(RECORDS_S), CONSUMER),
)

# Our default, so that the rebalances of a start are as many.
KAFKA = ["group.initial.rebalance.delay.ms=3000"]


def sides(o):
    out = []
    if not o.peer_only:
        out.append(bench.Side("Sluice, fsync", lambda d: SluiceBroker(d, options=o.set), False))
    if o.peer or o.peer_only:
        KafkaBroker.jars()
        out.append(bench.Side("Kafka, page cache", lambda d: KafkaBroker(d, options=KAFKA), True))
        out.append(bench.Side("Kafka, fsync", lambda d: KafkaBroker(
            d, options=KAFKA + ["log.flush.interval.messages=1"]), True))
    return out


def find_coordinator(broker):
    """Makes Kafka create the topic that it keeps offsets in."""
    with Client(broker.address) as client:
        while client.call("FindCoordinator", 2, {"key": "g", "key_type": 0})["error"]:
            time.sleep(0.2)


def start(o, side, case):
    broker = side.make(bench.fresh(o, side)).start()
    find_coordinator(broker)
    if side.lasting:
        bench.create(broker, "warm-up", case.partitions)
        seconds, o.seconds = o.seconds, o.warm
        try:
            groups("-m", "commit")(o, broker, "warm-up")
        finally:
            o.seconds = seconds
    return broker


def measure(o, side, case, broker, made):
    """One repetition. made: the topics that this broker has."""
    topic = f"of-{case.partitions}"
    try:
        if topic not in made:
            bench.create(broker, topic, case.partitions)
            made.add(topic)
        row = case.run(o, broker, topic)
    except (RuntimeError, subprocess.SubprocessError, OSError, ValueError, NotAvailable) as e:
        row = {"failed": " ".join(str(e).split())[:200]}
        print(broker.tail(5), file=sys.stderr)
    row["load"] = os.getloadavg()[0]
    bench.say(o, {"side": side.name, "case": case.name, **row})
    return row


def measure_side(o, side, cases, rows):
    broker = None
    for case in cases:
        if side.name == "Kafka, fsync" and not case.name.startswith("groups"):
            continue  # it only reads
        for _ in range(o.reps):
            if broker is None:
                broker, made = start(o, side, case), set()
            rows[case.name, side.name].append(measure(o, side, case, broker, made))
            if not side.lasting:
                broker.stop()
                broker = None
    if broker is not None:
        broker.stop()
    bench.fresh(o, side)


def cell(case, rows):
    failed = [r["failed"] for r in rows if "failed" in r]
    if not rows:
        return ""
    if failed:
        return "failed: " + failed[0].replace("|", "/")
    text = "; ".join(bench.figure(rows, key) for key in case.shown
                     if any(r.get(key) is not None for r in rows))
    if case.name.startswith("fetch.session") and not any(r["session"] for r in rows):
        text += " (no session given)"
    errors = sum(r.get("errors") or 0 for r in rows)
    return text + (f"; {errors} errors" if errors else "")


def print_table(cases, names, rows):
    print("| | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for case in cases:
        print("| " + " | ".join([case.text] + [cell(case, rows[case.name, n]) for n in names]) + " |")
    loads = [r["load"] for rs in rows.values() for r in rs]
    print(f"\nLoad of the machine meanwhile: {statistics.median(loads):.1f} "
          f"({min(loads):.1f}–{max(loads):.1f})")


if __name__ == "__main__":
    sys.exit(bench.run(arguments(), "groupcli", sys.modules[__name__]))
