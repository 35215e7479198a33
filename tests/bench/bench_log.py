#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench --log: what a long log costs. Prints figures, asserts nothing.

    bench_log.py [--gib N] [--seconds S] [--only REGEX] [--store file|s3] [--partitions N]

cold:   p99 of a producer's acknowledgements (10 000 records/s, linger 5) alone, and while a consumer
        replays --gib of old records from the store, whose blocks are not in memory.
scale:  --partitions partitions in topics of 1 000, of which 1 000 are written to: memory of the broker.
restart: kill -9 with all that and --gib of records in the bucket: time from starting the process to the
        first accepted produce, and to the first 1 MiB read from the oldest segment.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import bench
from brokers import BUILD, SluiceBroker, stop_all
from rawkafka import Client, make_batch

TOPIC_PARTITIONS = 1000
PLUGIN = BUILD / "storage-s3.so"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--gib", type=float, default=10)
    parser.add_argument("--partitions", type=int, default=100000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", default="", help="only cases whose name matches")
    parser.add_argument("--store", choices=["file", "s3"], default="file")
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


def settle(broker, limit=120):
    """Until it has rolled what it has to: less than 5 % of a core in a second."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        cpu = broker.cpu_s()
        time.sleep(1)
        if broker.cpu_s() - cpu < 0.05:
            return


def cold(o, broker):
    bench.create(broker, "live", 12)
    settle(broker)
    for name, is_replaying in (("alone", False), ("during a replay", True), ("alone again", False)):
        consumer = None
        if is_replaying:
            words = ["rdkbench", "-b", broker.address, "-m", "consume", "-t", "old", "-P", "12",
                     "-d", str(o.seconds)]
            consumer = subprocess.Popen([str(bench.PROGRAMS / words[0]), *words[1:]],
                                        stdout=subprocess.PIPE, text=True)
        cpu = broker.cpu_s()
        row = bench.run_program(broker, paced(o, "live"))
        figures = {"p50_ms": row["p50_ms"], "p99_ms": row["p99_ms"], "cpu_s": round(broker.cpu_s() - cpu, 2)}
        if consumer is not None:
            read = json.loads(consumer.communicate(timeout=120)[0].splitlines()[-1])
            figures["replay_MB_s"] = read["MB_s"]
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


def restart(o, broker):
    with Client(broker.address) as client:  # there must be one that is rolled, and one that is not
        client.produce("old", 0, make_batch([b"last"]))
    broker.kill()
    start = time.monotonic()
    broker.start()
    client, topics = Client(broker.address), o.partitions // TOPIC_PARTITIONS
    topic = f"many{topics - 1}" if re.search(o.only, "scale") else "old"
    while client.produce(topic, 0, make_batch([b"first"]))["error"]:
        time.sleep(0.002)
    accepted = time.monotonic() - start
    row = client.fetch("old", 0, 0, limit=1 << 20)
    say("restart", store=o.store, accepted_ms=round(accepted * 1000),
        oldest_read_ms=round((time.monotonic() - start) * 1000), read_bytes=len(row["records"]),
        rss_MiB=broker.status_kib() // 1024)


def options_of(o):
    if o.store == "file":
        return o.set, None
    import bench_s3  # its servers are its own
    args = argparse.Namespace(store=None, dir=o.dir)
    store = bench_s3.store_start(args)
    store.make_bucket("long-log")
    own = [f"path={PLUGIN}", *store.options("long-log", None)]
    return ["storage.plugin=s3", *(f"plugin.s3.{x}" for x in own), *o.set], store


def main():
    o = arguments()
    directory = pathlib.Path(o.dir) / "long-log"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    options, _ = options_of(o)
    try:
        broker = SluiceBroker(directory / "data", options=options).start()
        if re.search(o.only, "cold restart"):
            start = time.monotonic()
            fill(o, broker, "old")
            say("fill", GiB=o.gib, seconds=round(time.monotonic() - start, 1),
                segments=len(list((directory / "data").glob("default/old/*/*.kfs"))))
        for case in (cold, scale, restart):
            if re.search(o.only, case.__name__):
                case(o, broker)
        broker.stop()
    finally:
        stop_all()
        if o.store == "s3":
            import bench_s3
            bench_s3.s3server.stop_all()
        shutil.rmtree(directory, ignore_errors=True)
    print(bench.machine())
    return 0


if __name__ == "__main__":
    sys.exit(main())
