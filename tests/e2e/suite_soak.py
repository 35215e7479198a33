# SPDX-License-Identifier: Apache-2.0
"""r2x: under load that goes on and on, what a broker keeps of its journal stays the same."""
import collections
import json
import threading
import time

from harness import eventually, expect, expect_true, sluice, test
from objects import is_entry
from rawkafka import Client, make_batch
from steady import Steady, check
from suite_log import counters

PARTITIONS = 4
# Everything that takes minutes or hours by default, in seconds.
OPTIONS = ["journal.log.segment.target.bytes=256KiB", "journal.roll.age.ms=1000",
           "journal.snapshot.entries=64", "journal.safe.window.ms=1000",
           "journal.check.interval.ms=300", "journal.grace.ms=2000", "storage.volume.size=1MiB"]
# Whoever reads beside such a broker must trust no look at the store for longer than it does.
TIMES = [w for o in OPTIONS if o.startswith(("journal.safe", "journal.check", "journal.grace")) for w in ("--set", o)]
ROUNDS = 6


def verified(broker):
    """What `log verify` says beside the running broker; it finds nothing wrong."""
    done = sluice(broker, "log", "verify", "--json", *TIMES)
    report = json.loads(done.stdout)
    expect((done.returncode, report["errors"]), (0, 0), f"log verify: {report['findings'][:6]} {done.stderr[-900:]}")
    return report


def state_of(broker):
    """What `log verify` counts, and the bytes of the file store's volumes."""
    report = verified(broker)
    volumes = sum(p.stat().st_size for p in (broker.dir / "+volumes").glob("*.vol"))
    return report["entries"], report["runs"], volumes


@test(brokers=("sluice",), all_only=True, timeout=400)
def r20_a_soak(env):
    """Entries, live runs and volumes of the last rounds are those of the second: rolled, collected,
    recycled. The first round is left out: nothing has been collected by then."""
    broker = env.own(options=OPTIONS)
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    seen = []
    with Steady(broker.address, "steady", PARTITIONS) as producer:
        for _ in range(ROUNDS):
            producer.wait_more(60000, timeout=120)  # some 15 s; snapshots are 10 s apart
            seen.append(state_of(broker))
        producer.finish()
        check(env.client(broker), [producer])
    entries, runs, volumes = zip(*seen[1:], strict=True)
    print(f"    entries {entries}, live runs {runs}, bytes of volumes {volumes}")
    for what, values in (("entries", entries), ("bytes of volumes", volumes)):
        expect_true(max(values[2:]) <= 1.6 * max(values[:2]), f"{what} grow: {values}")
    # An entry holds one run at least: what was not rolled would be there in each of them.
    expect_true(max(runs) <= max(entries), f"live runs {runs} in {entries} entries")
    broker.stop()
    broker.start()
    expect_true(env.client(broker).end_offset("steady", 0) > 0, "nothing was written")


# --- a bucket ---

FLOW = (("retention.bytes", "1000000"),)
KEYS = (("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.3"))
OFTEN = ["server.log.retention.check.interval.ms=200", "server.log.cleaner.backoff.ms=200"]


class Writers:
    """Each produces to its own partition of two topics, as fast as it is answered."""

    def __init__(self, broker, topics, count):
        self.is_over, self.errors, self.sent = threading.Event(), collections.Counter(), 0
        self.threads = [threading.Thread(target=self._write, args=(broker, topics, p)) for p in range(count)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for t in self.threads:
            t.join()

    def _write(self, broker, topics, partition):
        i = 0
        with Client(broker.address, 60) as raw:
            while not self.is_over.is_set():
                rows = [(b"key %d" % ((i * 10 + k) % 97), b"x" * 400) for k in range(10)]
                for topic in topics:
                    self.errors[raw.produce(topic, partition, make_batch(rows))["error"]] += 1
                i, self.sent = i + 1, self.sent + 1


def census(broker, flow, keys):
    """How many objects there are of each kind."""
    found = collections.Counter()
    for key in broker.bucket.keys_list():
        parts = key.split("/")
        kinds = (("entries", is_entry(key)), ("manifests", "manifest" in parts), ("snapshots", "snapshot" in parts),
                 ("trimmed", flow in parts), ("compacted", keys in parts))
        found[next((kind for kind, is_it in kinds if is_it), "other")] += 1
    return found


@test(brokers=("sluice",), stores=("s3",), all_only=True, timeout=400)
def r21_a_soak_of_a_bucket(env):
    """Of no kind do the objects grow in number: entries, snapshots, what retention and compaction left
    behind. Meanwhile answers are lost, refused and late. A put of a compacted segment that takes effect
    after its name was given up and deleted is left over; the sweep finds it."""
    broker = env.own(options=OPTIONS + OFTEN)
    raw = env.client(broker, timeout=60)
    flow, keys = env.topic(4, FLOW, client=raw), env.topic(4, KEYS, client=raw)
    seen = []
    with Writers(broker, (flow, keys), 4) as writers:
        for _ in range(10):
            time.sleep(12)  # the load is what is sampled
            seen.append(census(broker, flow, keys))
            verified(broker)
    expect_true(set(writers.errors) <= {0, 7, 19}, f"errors of producers: {writers.errors}")
    print(f"    {writers.sent} rounds of two batches; objects: {[dict(sorted(x.items())) for x in seen]}")
    for kind in ("entries", "manifests", "snapshots", "trimmed", "compacted"):
        early, late = max(x[kind] for x in seen[2:6]), max(x[kind] for x in seen[6:])
        expect_true(0 < late <= 1.5 * early + 10, f"{kind} grow: {[x[kind] for x in seen]}")

    eventually(lambda: all(f"/{keys}/" in x["key"] for x in verified(broker)["findings"]), 20,
               "nothing else is left over", every=1)
    expect_true(verified(broker)["orphans"] <= 0.01 * counters(broker)["compact_segments"], "orphans")
    done = sluice(broker, "log", "sweep", "--delete", "--json", *TIMES)
    expect((done.returncode, json.loads(done.stdout)["failed"]), (0, 0), f"log sweep: {done.stderr[-300:]}")
    expect(verified(broker)["orphans"], 0, "orphans after the sweep")
    sizes = [sum(len(b.data) for b in raw.read_batches(flow, p, raw.list_offset(flow, p, -2)["offset"]))
             for p in range(4)]
    expect_true(all(x >= 1000000 for x in sizes), f"retention takes too much: {sizes}")
    for p in range(4):
        expect(len({r[2] for b in raw.read_batches(keys, p) for r in b.records()}), 97, "keys that are left")
