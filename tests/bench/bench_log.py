#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench --log: what a long log costs. Prints figures, asserts nothing.

    bench_log.py [--gib N] [--seconds S] [--only REGEX] [--store file|s3|both] [--partitions N]
                 [--delay MS]

cold:   p99 of a producer's acknowledgements (10 000 records/s, linger 5) alone, and while a consumer
        replays --gib of old records from the store, whose blocks are not in memory. p99_times: of the
        first one. others: cores that other processes of the machine took meanwhile; a figure means
        little when that is not near 0.
scale:  --partitions partitions in topics of 1 000, of which 1 000 are written to: memory of the broker.
restart: kill -9 with all that and --gib of records in the bucket: time from starting the process to the
        first accepted produce, and to the first 1 MiB read from the oldest segment.

On S3 (versitygw on the local disk, or else radosgw) the last two, and restart once more with every
answer --delay milliseconds late.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

import bench
import bench_s3
from brokers import BUILD, NotAvailable, SluiceBroker, stop_all
from rawkafka import Client, make_batch

TOPIC_PARTITIONS = 1000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--gib", type=float, default=10)
    parser.add_argument("--partitions", type=int, default=100000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", default="", help="only cases whose name matches")
    parser.add_argument("--store", choices=["file", "s3", "both"], default="both")
    parser.add_argument("--delay", type=float, default=30, help="milliseconds; on S3, one more restart")
    parser.add_argument("--dir", default=str(BUILD / "bench"), help="data directories; a real disk")
    parser.add_argument("--set", action="append", default=[], help="option of our broker")
    return parser.parse_args()


def say(case, **figures):
    print(json.dumps({"case": case, **figures}), flush=True)


def fill(o, broker, topic):
    """--gib of 1 KiB records in 12 partitions."""
    bench.create(broker, topic, 12)
    left = int(o.gib * 1024 * 1024)
    while left > 0:
        n = min(left, 1 << 20)
        row = bench.run_program(broker, ["rdkbench", "-m", "produce", "-t", topic, "-P", 12, "-s", 1024,
                                         "-d", 600, "-n", n], limit=700)
        if row.get("errors") or not row["bytes"]:
            raise RuntimeError(f"filling: {row}")
        left -= n


def paced(o, topic):
    return ["rdkbench", "-m", "paced", "-t", topic, "-P", 12, "-s", 1024, "-r", 10000, "-d", o.seconds]


def cpu_of(broker):
    """(time, CPU seconds of the machine, and of those the broker's and our programs')."""
    ticks = [int(x) for x in open("/proc/stat", encoding="ascii").readline().split()[1:9]]
    own = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return (time.monotonic(), (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK"),
            broker.cpu_s() + sum(r.ru_utime + r.ru_stime for r in own))


def others(was, now):
    """Cores that anybody else took between the two."""
    return round((now[1] - was[1] - now[2] + was[2]) / (now[0] - was[0]), 2)


def cold(o, broker):
    bench.create(broker, "live", 12)
    first = None
    for name, is_replaying in (("alone", False), ("during a replay", True), ("alone again", False)):
        consumer = None
        if is_replaying:
            words = ["rdkbench", "-b", broker.address, "-m", "consume", "-t", "old", "-P", "12",
                     "-d", str(o.seconds)]
            consumer = subprocess.Popen([str(bench.PROGRAMS / words[0]), *words[1:]],
                                        stdout=subprocess.PIPE, text=True)
        cpu = broker.cpu_s()
        began = cpu_of(broker)
        row = bench.run_program(broker, paced(o, "live"))
        first = first or row["p99_ms"]
        figures = {"p50_ms": row["p50_ms"], "p99_ms": row["p99_ms"], "p99_times": round(row["p99_ms"] / first, 2),
                   "cpu_s": round(broker.cpu_s() - cpu, 2)}
        if consumer is not None:
            read = json.loads(consumer.communicate(timeout=120)[0].splitlines()[-1])
            figures["replay_MB_s"] = read["MB_s"]
        figures["others"] = others(began, cpu_of(broker))
        say("cold", what=name, **figures)


def scale(o, broker):
    topics = o.partitions // TOPIC_PARTITIONS
    start = time.monotonic()
    with Client(broker.address) as client:
        client.sock.settimeout(120)
        for i in range(topics):
            if client.create(f"many{i}", TOPIC_PARTITIONS):
                raise RuntimeError("creating topics")
        made = time.monotonic() - start
        for i in range(1000):
            row = client.produce(f"many{i % topics}", i // topics, make_batch([b"x" * 100]))
            if row["error"]:
                raise RuntimeError(f"producing: error {row['error']}")
    say("scale", partitions=topics * TOPIC_PARTITIONS, create_s=round(made, 2),
        rss_MiB=broker.status_kib() // 1024, peak_MiB=broker.status_kib("VmHWM") // 1024)


def produce_last(broker):
    with Client(broker.address) as client:  # there must be one that is rolled, and one that is not
        client.produce("old", 0, make_batch([b"last"]))


def restart(o, broker, **figures):
    produce_last(broker)
    broker.kill()
    start = time.monotonic()
    broker.start(timeout=600)
    client, topics = Client(broker.address), o.partitions // TOPIC_PARTITIONS
    topic = f"many{topics - 1}" if re.search(o.only, "scale") else "old"
    while client.produce(topic, 0, make_batch([b"first"]))["error"]:
        time.sleep(0.002)
    accepted = time.monotonic() - start
    row = client.fetch("old", 0, 0, limit=1 << 20)
    say("restart", **figures, accepted_ms=round(accepted * 1000),
        oldest_read_ms=round((time.monotonic() - start) * 1000), read_bytes=len(row["records"]),
        rss_MiB=broker.status_kib() // 1024)


class FileStore:
    name, cases = "file", (cold, scale, restart)

    def __init__(self, o, directory):
        self.options = list(o.set)

    def segments(self, broker):
        return len(list(broker.dir.glob("default/old/*/*.kfs")))

    def after(self, o, broker):
        pass


class S3Store:
    name, cases = "s3", (scale, restart)

    def __init__(self, o, directory):
        self.server = bench_s3.store_start(argparse.Namespace(store=None, dir=directory))
        self.server.make_bucket("long-log")
        self.options = self.options_at(o, None)

    def options_at(self, o, endpoint):
        own = [f"path={bench_s3.PLUGIN}", *self.server.options("long-log", endpoint)]
        return ["storage.plugin=s3", *(f"plugin.s3.{x}" for x in own), *o.set]

    def segments(self, broker):
        keys = self.server.bucket("long-log").keys_list("default/old/")
        return sum(k.endswith(".kfs") for k in keys)

    def after(self, o, broker):
        """Once more, further away."""
        if not o.delay or not re.search(o.only, "restart"):
            return
        relay = bench_s3.Relay(self.server, o.delay)
        try:
            produce_last(broker)
            broker.options = self.options_at(o, relay.endpoint)
            restart(o, broker, store=self.name, delay_ms=o.delay)
            say("requests", store=self.name, **relay.counts())
            broker.stop()
        finally:
            relay.stop()


STORES = {"file": FileStore, "s3": S3Store}


def run_on(o, make, directory):
    store = make(o, directory)
    print(f"--- store: {store.name}", flush=True)
    broker = SluiceBroker(directory / "data", options=store.options).start()
    if re.search(o.only, "cold restart"):
        start = time.monotonic()
        fill(o, broker, "old")
        say("fill", GiB=o.gib, seconds=round(time.monotonic() - start, 1))
        bench.settle(broker)
        say("rolled", seconds=round(time.monotonic() - start, 1), segments=store.segments(broker))
    for case in store.cases:
        if re.search(o.only, case.__name__):
            case(o, broker, **({"store": store.name} if case is restart else {}))
    store.after(o, broker)
    broker.stop()


def main():
    o = arguments()
    directory = pathlib.Path(o.dir) / "long-log"
    for name in STORES if o.store == "both" else [o.store]:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        try:
            run_on(o, STORES[name], directory)
        except NotAvailable as e:
            print(f"cannot run on {name}: {e}", file=sys.stderr)
        finally:
            stop_all()
            bench_s3.s3server.stop_all()
            shutil.rmtree(directory, ignore_errors=True)
    print(bench.machine())
    return 0


if __name__ == "__main__":
    sys.exit(main())
