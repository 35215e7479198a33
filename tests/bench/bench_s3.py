#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks on S3: a broker on a real S3 server, with and without a distance between the two.

    bench_s3.py [--only REGEX] [--reps N] [--seconds S] [--delay MS] [--store NAME] [--dir DIR]
                [--out FILE] [--set OPTION]

Prints figures, asserts nothing. The server is versitygw on the local disk (built once with Go; it
does not sync), or else radosgw with an OSD in memory. latency_relay holds every answer of it back by
--delay milliseconds, those to GET and LIST too, and counts the requests. Every case has a fresh
broker and a fresh bucket.
"""
import argparse
import collections
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import bench  # noqa: E402
from brokers import BUILD, NotAvailable, SluiceBroker, stop_all  # noqa: E402
from s3 import server as s3server  # noqa: E402
from s3.radosgw import Radosgw  # noqa: E402
from s3.versitygw import Versitygw  # noqa: E402

STORES = {"versitygw": Versitygw, "radosgw": Radosgw}
PLUGIN = BUILD / "storage-s3.so"
OFFERED = 2000  # batches a second of the cases that count PUTs
ONE_JOURNAL = ("journal.cluster.journals=1",)

# delayed: through the relay. options: of the broker.
Case = collections.namedtuple("Case", "name text size partitions command delayed shown options")


def case(name, text, partitions, command, delayed=True, shown=("MB_s", "cpu_s_GiB"), options=()):
    return Case(name, text, 1024, partitions, command, delayed, shown, options)


def sync(writers):
    return bench.raw(1024, 12, "-c", writers, "-W", 1, "-R", 1)


def paced(partitions):
    return bench.raw(1024, partitions, "-c", 32, "-W", 32, "-R", 1, "-r", OFFERED)


def consume(_, topic):
    return ["rdkbench", "-m", "consume", "-t", topic, "-P", 12, "-d", 60]


LATENCY = ("p50_ms", "p99_ms")
PUTS = ("journal_puts_s", "p50_ms")
CASES = (
    case("sync.1", "one synchronous writer", 12, sync(1), shown=LATENCY),
    case("sync.64", "64 synchronous writers", 12, sync(64), shown=("msgs_s", "p50_ms", "p99_ms")),
    case("puts.p1", f"{OFFERED:,} batches/s in 1 partition, one journal", 1, paced(1), shown=PUTS,
         options=ONE_JOURNAL),
    case("puts.p100", "… in 100 partitions", 100, paced(100), shown=PUTS, options=ONE_JOURNAL),
    case("puts.p10000", "… in 10 000 partitions", 10000, paced(10000), shown=PUTS,
         options=ONE_JOURNAL),
    case("puts4.p1", "… in 1 partition, four journals", 1, paced(1), shown=PUTS),
    case("puts4.p10000", "… in 10 000 partitions", 10000, paced(10000), shown=PUTS),
    case("produce", "produce librdkafka 1 KiB, 12 partitions", 12, bench.rdk("produce", 1024, 12)),
    case("consume", "consume librdkafka 1 KiB, 12 partitions", 12, consume),
    case("produce.near", "produce librdkafka 1 KiB, no delay", 12, bench.rdk("produce", 1024, 12),
         delayed=False),
    case("consume.near", "consume librdkafka 1 KiB, no delay", 12, consume, delayed=False),
)

bench.UNITS["journal_puts_s"] = ("journal PUT/s", 1)


class Relay:
    """latency_relay before a server."""

    def __init__(self, store, delay_ms):
        self.process = subprocess.Popen(
            [str(bench.PROGRAMS / "latency_relay"), "-t", str(store.port), "-m", str(delay_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def counts(self):
        """What came since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--s3", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", help="only cases whose name matches")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--delay", type=float, default=50, help="milliseconds, of every request")
    parser.add_argument("--store", choices=sorted(STORES), help="versitygw where there is Go")
    parser.add_argument("--dir", default=str(BUILD / "bench"), help="the store's data; a real disk")
    parser.add_argument("--out", help="append every measurement as one JSON line")
    parser.add_argument("--set", action="append", default=[], help="option of our broker")
    return parser.parse_args()


def store_start(o):
    names = [o.store] if o.store else ["versitygw", "radosgw"]
    for name in names:
        directory = pathlib.Path(o.dir) / f"s3-{name}"
        shutil.rmtree(directory, ignore_errors=True)
        try:
            return STORES[name](directory).start()
        except NotAvailable as e:
            print(e, file=sys.stderr)
    raise NotAvailable("no S3 server")


def broker_start(o, c, store, endpoint, bucket):
    own = [f"path={PLUGIN}", *store.options(bucket, endpoint)]
    directory = pathlib.Path(o.dir) / "s3-broker"
    directory.mkdir(parents=True, exist_ok=True)
    return SluiceBroker(directory / bucket, options=[
        "storage.plugin=s3", *(f"plugin.s3.{x}" for x in own), *c.options, *o.set]).start()


def load(o, c, broker, relay):
    """Runs the case's program; what it says and what the relay and /proc counted meanwhile."""
    bench.create(broker, "load", c.partitions)
    if c.name.startswith("consume"):
        bench.run_program(broker, bench.rdk("produce", c.size, c.partitions)(o, "load"))
    relay.counts()
    broker.reset_peak()
    cpu = broker.cpu_s()
    row = bench.run_program(broker, c.command(o, "load"))
    counts = relay.counts()
    time.sleep(bench.SETTLE_S)
    row["cpu_s"] = round(broker.cpu_s() - cpu, 2)
    row["cpu_s_GiB"] = row["cpu_s"] / (row["bytes"] / bench.GIB) if row["bytes"] else None
    row["peak_MiB"] = broker.status_kib("VmHWM") // 1024
    if c.delayed:
        row["journal_puts_s"] = counts["journal_puts"] / row["elapsed"]
        row["store"] = counts
    return row


def measure(o, c, store, rep):
    """One repetition of a case."""
    bucket = re.sub(r"\W", "-", f"{c.name}-{rep}")
    store.make_bucket(bucket)
    relay = Relay(store, o.delay if c.delayed else 0)
    broker = None
    try:
        broker = broker_start(o, c, store, relay.endpoint if c.delayed else None, bucket)
        return load(o, c, broker, relay)
    finally:
        if broker is not None:
            broker.stop()
        relay.stop()
        bucket_drop(store, bucket)


def bucket_drop(store, bucket):
    """So that neither disk nor memory swells."""
    if isinstance(store, Radosgw):
        store.stop()
        store.start()
    else:
        shutil.rmtree(store.dir / "buckets" / bucket)


def measure_all(o, store, cases):
    rows = collections.defaultdict(list)
    for c in cases:
        for rep in range(o.reps):
            try:
                row = measure(o, c, store, rep)
            except (RuntimeError, subprocess.TimeoutExpired, OSError) as e:
                row = {"failed": " ".join(str(e).split())[:200]}
            rows[c.name].append(row)
            bench.say(o, {"side": store.name, "case": c.name, "rep": rep, **row})
    return rows


def median(rows, key):
    values = [r[key] for r in rows if r.get(key) is not None]
    return statistics.median(values) if values else None


def verdicts(o, rows):
    """{case: (target, verdict)} of the cases that have one."""
    out = {}

    def judge(name, text, good, said):
        if rows.get(name) and not any("failed" in r for r in rows[name]):
            out[name] = (text, ("met" if good() else "missed") + f": {said()}")

    def of(name, key):
        return median(rows[name], key) or 0

    bound = o.delay + 10
    judge("sync.1", f"≤ {bound:g} ms p50", lambda: of("sync.1", "p50_ms") <= bound,
          lambda: f"{of('sync.1', 'p50_ms') - o.delay:.1f} ms over the delay")
    if rows.get("sync.1"):
        ratio = of("sync.64", "msgs_s") / (of("sync.1", "msgs_s") or 1) if rows.get("sync.64") else 0
        judge("sync.64", "≥ 20 × one writer", lambda: ratio >= 20, lambda: f"{ratio:.0f} ×")
    rates = [of(n, "journal_puts_s") for n in ("puts.p1", "puts.p100", "puts.p10000") if rows.get(n)]
    spread = max(rates) / min(rates) if rates and min(rates) > 0 else 0
    judge("puts.p10000", "all three within 20 %", lambda: 0 < spread <= 1.2,
          lambda: f"{(spread - 1) * 100:.0f} % apart")
    return out


def print_table(o, store, cases, rows):
    said = verdicts(o, rows)
    print(f"| acks=all, {store.name}, {o.delay:g} ms before each answer | | target | |\n| --- | --- "
          "| --- | --- |")
    for c in cases:
        failed = [r["failed"] for r in rows[c.name] if "failed" in r]
        text = "failed: " + failed[0].replace("|", "/") if failed else "; ".join(
            bench.figure(rows[c.name], key) for key in c.shown)
        errors = sum(r.get("errors") or 0 for r in rows[c.name])
        text += f"; {errors} errors" if errors else ""
        target, verdict = said.get(c.name, ("", ""))
        print(f"| {c.text} | {text} | {target} | {verdict} |")


def main():
    o = arguments()
    if not (bench.PROGRAMS / "rdkbench").exists() or not PLUGIN.exists():
        print("tests/bench or the S3 plugin is not built", file=sys.stderr)
        return 1
    cases = [c for c in CASES if re.search(o.only, c.name)]
    try:
        store = store_start(o)
        rows = measure_all(o, store, cases)
    except NotAvailable as e:
        print(f"cannot run: {e}", file=sys.stderr)
        return 1
    finally:
        stop_all()
        s3server.stop_all()
    print(f"{bench.machine()}; {o.reps} × {o.seconds:g} s a case; client, broker and store on the "
          "same machine\n")
    print_table(o, store, cases, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
