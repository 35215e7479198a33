#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: a fixed suite against our broker and, with --peer, Apache Kafka in the same session.

    bench.py [--peer] [--only REGEX] [--reps N] [--seconds S] [--dir DIR] [--out FILE]

Prints figures, asserts nothing. Each case runs --reps times; the table shows the median, and lowest
and highest where they differ. Our broker starts anew, on an empty directory, for every case; Kafka
starts once in each of its two modes (page cache; fsync of every request) and is warmed up first,
because a cold JVM needs twice the CPU. Broker CPU per GiB of values, from /proc, is the figure that
holds from run to run; MB/s is shared with the client, which runs on the same cores.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from brokers import BUILD, KafkaBroker, NotAvailable, SluiceBroker, free_port, stop_all  # noqa: E402
from rawkafka import Client  # noqa: E402

PROGRAMS = BUILD / "tests" / "bench"
GIB = float(1 << 30)
SETTLE_S = 0.7  # CPU that a broker spends after the client has left counts too
MOST_BYTES = 1200e6  # of values that one produce case may write

# options: of our broker, in this case
Case = collections.namedtuple("Case", "name text size partitions command target options", defaults=[()])


def rdk(mode, size, partitions, *extra):
    return lambda o, topic: ["rdkbench", "-m", mode, "-t", topic, "-P", partitions, "-s", size,
                             "-d", o.seconds, "-n", int(MOST_BYTES / size), *extra]


def raw(size, partitions, *extra):
    return lambda o, topic: ["rawcli", "-t", topic, "-P", partitions, "-s", size,
                             "-d", o.seconds, *extra]


def rate(mb_s, cpu):
    return {"MB_s": (">=", mb_s), "cpu_s_GiB": ("<=", cpu)}


def requests(n):
    return {"msgs_s": (">=", n)}


def latency(p50, p99):
    return {"p50_ms": ("<=", p50), "p99_ms": ("<=", p99)}


CASES = (
    Case("produce.1024B", "produce librdkafka 1 KiB, 12 partitions", 1024, 12,
         rdk("produce", 1024, 12), rate(500, 0.75)),
    Case("produce.100B", "… 100 B, 12 partitions", 100, 12,
         rdk("produce", 100, 12), rate(115, 1.2)),
    Case("produce.zstd", "… 1 KiB, zstd", 1024, 12,
         rdk("produce", 1024, 12, "-X", "compression.codec=zstd"), rate(160, 0.4)),
    Case("raw.16x1024B", "raw client, 1 KiB × 16 a batch", 1024, 4,
         raw(1024, 4, "-c", 4, "-R", 16, "-n", int(MOST_BYTES / 16384)), rate(330, 1.5)),
    Case("consume.1024B", "consume librdkafka 1 KiB, 12 partitions", 1024, 12,
         lambda o, t: ["rdkbench", "-m", "consume", "-t", t, "-P", 12, "-d", 60], rate(900, 0.3)),
    Case("consume.settled", "… a moment later: it is in segments", 1024, 12,
         lambda o, t: ["rdkbench", "-m", "consume", "-t", t, "-P", 12, "-d", 60], rate(900, 0.3)),
    Case("sync.1", "sync writers, 1", 1024, 12, raw(1024, 12, "-c", 1, "-W", 1, "-R", 1),
         requests(5000)),
    Case("sync.16", "sync writers, 16", 1024, 12, raw(1024, 12, "-c", 16, "-W", 1, "-R", 1),
         requests(29000)),
    Case("sync.64", "sync writers, 64", 1024, 12, raw(1024, 12, "-c", 64, "-W", 1, "-R", 1),
         requests(46000)),
    Case("paced.linger5", "10k/s, librdkafka, linger 5", 1024, 12,
         rdk("paced", 1024, 12, "-r", 10000, "-X", "linger.ms=5"), latency(4, 8)),
    Case("paced.linger0", "10k/s, librdkafka, linger 0", 1024, 12,
         rdk("paced", 1024, 12, "-r", 10000, "-X", "linger.ms=0"), latency(0.8, 5)),
    # The same while everything is rolled as it comes; a segment is much smaller than usual.
    Case("paced.rolling", "… linger 5, while rolling (1 MiB)", 1024, 12,
         rdk("paced", 1024, 12, "-r", 10000, "-X", "linger.ms=5"), latency(4, 8),
         ["journal.log.segment.target.bytes=1MiB"]),
    Case("raw.rolling", "raw client, 1 KiB × 16, while rolling (8 MiB)", 1024, 4,
         raw(1024, 4, "-c", 4, "-R", 16, "-n", int(MOST_BYTES / 16384)), rate(330, 1.5),
         ["journal.log.segment.target.bytes=8MiB"]),
    Case("produce.p1000", "produce librdkafka 1 KiB, 1 000 partitions", 1024, 1000,
         rdk("produce", 1024, 1000, "-X", "queue.buffering.max.kbytes=65536"), rate(350, 1.2)),
    Case("idle", "start to first answer; idle memory", 0, 0, None,
         {"start_ms": ("<=", 50), "idle_MiB": ("<=", 20)}),
)

UNITS = {"MB_s": ("MB/s", 0), "cpu_s_GiB": ("CPU s/GiB", 2), "msgs_s": ("req/s", 0),
         "p50_ms": ("ms p50", 2), "p99_ms": ("ms p99", 2), "start_ms": ("ms", 0),
         "idle_MiB": ("MiB", 0)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="Apache Kafka too, in both modes")
    parser.add_argument("--peer-only", action="store_true", help="only Apache Kafka")
    parser.add_argument("--only", default="", help="only cases whose name matches")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--warm", type=float, default=20, help="seconds of warm-up for Kafka")
    parser.add_argument("--dir", default=str(BUILD / "bench"), help="data directories; a real disk")
    parser.add_argument("--out", help="append every measurement as one JSON line")
    parser.add_argument("--set", action="append", default=[], help="option of our broker")
    return parser.parse_args()


def run_program(broker, words, limit=180):
    """The JSON object that a load generator prints."""
    words = [str(w) for w in words]
    command = [str(PROGRAMS / words[0]), "-b", broker.address] + words[1:]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    lines = [x for x in done.stdout.splitlines() if x.startswith("{")]
    if not lines:
        raise RuntimeError(f"{' '.join(words)}: status {done.returncode}: {done.stderr.strip()}")
    return json.loads(lines[-1])


def create(broker, topic, partitions):
    reply = run_program(broker, ["rawcli", "-m", "create", "-t", topic, "-P", partitions])
    if reply["error"]:
        raise RuntimeError(f"creating {topic}: error {reply['error']}")
    if broker.kind == "kafka":  # its Metadata runs ahead of its logs
        with Client(broker.address) as client:
            for p in range(partitions):
                while client.list_offset(topic, p, -1)["error"]:
                    time.sleep(0.05)
        time.sleep(1)


def settle(broker, limit=120):
    """Until it has rolled what it has to: less than 5 % of a core in a second."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        cpu = broker.cpu_s()
        time.sleep(1)
        if broker.cpu_s() - cpu < 0.05:
            return


def measure_load(o, case, broker, rep):
    """One repetition of a case with a load generator."""
    topic = f"{case.name}.{rep}.{free_port()}"
    create(broker, topic, case.partitions)
    if case.name.startswith("consume"):
        run_program(broker, rdk("produce", case.size, case.partitions)(o, topic))
    if case.name.endswith("settled"):
        settle(broker)
    broker.reset_peak()
    cpu = broker.cpu_s()
    row = run_program(broker, case.command(o, topic))
    time.sleep(SETTLE_S)
    row["cpu_s"] = round(broker.cpu_s() - cpu, 2)
    row["cpu_s_GiB"] = row["cpu_s"] / (row["bytes"] / GIB) if row["bytes"] else None
    row["peak_MiB"] = broker.status_kib("VmHWM") // 1024
    with contextlib.suppress(RuntimeError):  # so that a broker that keeps its data does not swell
        run_program(broker, ["rawcli", "-m", "delete", "-t", topic])
        time.sleep(1 if broker.kind == "sluice" else 3)
    return row


def measure_idle(make, directory):
    """Start-up on an empty directory, and what it occupies before anybody asks anything."""
    broker = make(directory)
    broker.start()
    time.sleep(1)
    row = {"start_ms": broker.ready_s * 1000, "idle_MiB": broker.status_kib() / 1024}
    broker.stop()
    return row


class Side:
    """One broker under test: how to make it, and whether it lives through all cases."""

    def __init__(self, name, make, lasting):
        self.name, self.make, self.lasting = name, make, lasting


def sides(o):
    out = []
    if not o.peer_only:
        out.append(Side("Sluice, fsync", lambda d, more=(): SluiceBroker(
            d, options=o.set + list(more)), False))
    if o.peer or o.peer_only:
        KafkaBroker.jars()
        out.append(Side("Kafka, page cache", lambda d, more=(): KafkaBroker(d), True))
        out.append(Side("Kafka, fsync", lambda d, more=(): KafkaBroker(
            d, options=["log.flush.interval.messages=1"]), True))
    return out


def fresh(o, side):
    directory = pathlib.Path(o.dir) / re.sub(r"\W+", "-", side.name.lower())
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory / "data"


def warm_up(o, broker):
    create(broker, "warm-up", 12)
    spent = time.monotonic() + o.warm
    while time.monotonic() < spent:
        run_program(broker, rdk("produce", 1024, 12)(o, "warm-up"))
        run_program(broker, raw(100, 12, "-c", 16, "-W", 1, "-R", 1)(o, "warm-up"))
        run_program(broker, ["rdkbench", "-m", "consume", "-t", "warm-up", "-P", 12, "-d", 5])


def say(o, row):
    print(json.dumps(row), file=sys.stderr, flush=True)
    if o.out:
        with open(o.out, "a", encoding="ascii") as f:
            f.write(json.dumps(row) + "\n")


def measure_side(o, side, cases, rows):
    lasting = None
    for case in cases:
        for rep in range(o.reps):
            if case.command is None:
                row = measure_idle(side.make, fresh(o, side) if lasting is None
                                   else lasting.dir.with_name("idle" + str(rep)))
            else:
                broker = lasting or side.make(fresh(o, side), case.options).start()
                if side.lasting and lasting is None:
                    lasting = broker
                    warm_up(o, broker)
                try:
                    row = measure_load(o, case, broker, rep)
                except (RuntimeError, subprocess.TimeoutExpired, OSError) as e:
                    row = {"failed": " ".join(str(e).split())[:200]}
                    print(broker.tail(5), file=sys.stderr)
                if not side.lasting:
                    broker.stop()
            rows[case.name, side.name].append(row)
            say(o, {"side": side.name, "case": case.name, "rep": rep, **row})
    if lasting is not None:
        lasting.stop()
    fresh(o, side)


def figure(rows, key):
    """Median, and the spread where there is one."""
    unit, digits = UNITS[key]
    values = [r[key] for r in rows if r.get(key) is not None]
    if not values:
        return "–"
    text = f"{statistics.median(values):,.{digits}f}"
    low, high = (f"{f(values):,.{digits}f}" for f in (min, max))
    return f"{text} {unit}" if low == high else f"{text} {unit} ({low}–{high})"


def cell(case, rows):
    failed = [r["failed"] for r in rows if "failed" in r]
    if failed:
        return "failed: " + failed[0].replace("|", "/")
    text = "; ".join(figure(rows, key) for key in case.target)
    if any(r.get("errors") for r in rows):
        text += f"; {sum(r['errors'] for r in rows)} errors"
    return text


def verdict(case, rows):
    missed = []
    for key, (sign, bound) in case.target.items():
        values = [r[key] for r in rows if r.get(key) is not None]
        median = statistics.median(values) if values else None
        good = median is not None and (median >= bound if sign == ">=" else median <= bound)
        if not good:
            missed.append(UNITS[key][0])
    return "met" if not missed else "missed: " + ", ".join(missed)


def target_text(case):
    return ", ".join(f"{'≥' if sign == '>=' else '≤'} {bound:,} {UNITS[key][0]}"
                     for key, (sign, bound) in case.target.items())


def print_table(cases, names, rows):
    ours = names[0] if names[0].startswith("Sluice") else None
    head = ["case, acks=all"] + names + (["target", ""] if ours else [])
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for case in cases:
        line = [case.text] + [cell(case, rows[case.name, n]) for n in names]
        if ours:
            line += [target_text(case), verdict(case, rows[case.name, ours])]
        print("| " + " | ".join(line) + " |")
    peaks = []
    for name in names:
        values = [r["peak_MiB"] for (_, n), rs in rows.items() if n == name for r in rs
                  if "peak_MiB" in r]
        peaks += [f"{name}: {max(values)} MiB"] if values else []
    print("\nPeak memory over all cases: " + "; ".join(peaks) if peaks else "")


def machine():
    model = next((x.split(":", 1)[1].strip() for x in open("/proc/cpuinfo", encoding="utf-8")
                  if x.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {platform.release()}"


def run(o, program, suite):
    """The chosen cases of a suite on the chosen sides, and its table. suite: has CASES, sides,
    measure_side and print_table."""
    if not (PROGRAMS / program).exists():
        print("tests/bench is not built: librdkafka-dev is missing", file=sys.stderr)
        return 1
    cases = [c for c in suite.CASES if re.search(o.only, c.name)]
    rows = collections.defaultdict(list)
    try:
        chosen = suite.sides(o)
        for side in chosen:
            suite.measure_side(o, side, cases, rows)
    except NotAvailable as e:
        print(f"cannot run: {e}", file=sys.stderr)
        return 1
    finally:
        stop_all()
    print(f"{machine()}; {o.reps} × {o.seconds:g} s a case, client on the same machine\n")
    suite.print_table(cases, [s.name for s in chosen], rows)
    return 0


if __name__ == "__main__":
    sys.exit(run(arguments(), "rdkbench", sys.modules[__name__]))
