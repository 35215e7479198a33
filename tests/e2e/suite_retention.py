# SPDX-License-Identifier: Apache-2.0
"""l5x: what goes from a log, and what must not: retention, DeleteRecords, compaction."""
import time

from clients import Row
from harness import eventually, expect, expect_true, test
from kfsreader import read_bucket
from rawkafka import make_batch
from suite_log import SOON, produce, rolled, served
from suite_reader import sluice

OFTEN = SOON + ["server.log.retention.check.interval.ms=200", "server.log.cleaner.backoff.ms=200"]
OUT_OF_RANGE = 1
# A compacted topic that is compacted whenever something is dirty.
EAGER = (("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01"))


def start_of(raw, topic, partition=0):
    return raw.list_offset(topic, partition, -2)["offset"]


def end_of(raw, topic, partition=0):
    return raw.list_offset(topic, partition, -1)["offset"]


def produce_keyed(raw, topic, rows, codec="none", partition=0):
    """One batch of [(key, value)]; the offset of the first."""
    reply = raw.produce(topic, partition, make_batch(rows, codec=codec))
    expect(reply["error"], 0, "produce")
    return reply["base_offset"]


def latest(sent):
    """{key: (offset, value)} of [(key, value)], the list being the log."""
    return {k: (i, v) for i, (k, v) in enumerate(sent)}


def expect_latest(env, broker, topic, wanted):
    """Real clients read exactly these {key: (offset, value)}."""
    for name in ("kcat", "confluent-kafka"):
        got = env.program(name, broker).consume(topic, len(wanted), timeout=20)
        expect({r.key: (offset, r.value) for offset, r in got}, wanted, f"{name}: the latest values")
        expect(len(got), len(wanted), f"{name}: records")


def is_tidy(broker, topic, partition=0):
    """What compaction replaced is deleted: the segments there are follow each other."""
    names = sorted((broker.dir / "default" / topic / str(partition)).glob("*.kfs"))
    files = [n.read_bytes() for n in names if n.exists()]
    ends = [int.from_bytes(f[-12:-4], "big") + 1 for f in files]
    return [int.from_bytes(f[8:16], "big") for f in files[1:]] == ends[:-1]


def expect_sound(broker, topic, partition=0):
    """A stopped broker's segments, read by the description alone; `log verify` finds nothing."""
    expect_true(read_bucket(broker.dir)[topic, partition], "no segments")
    done = sluice(broker, "log", "verify")
    expect(done.returncode, 0, f"log verify: {done.stdout[-600:]} {done.stderr[-300:]}")


def wait_compacted(broker, topic, end, partition=0):
    """All of [0, end) lies in segments of a generation."""
    def is_done():
        files = sorted((broker.dir / "default" / topic / str(partition)).glob("*-*-*.kfs"))
        return files and int.from_bytes(files[-1].read_bytes()[-12:-4], "big") + 1 >= end
    eventually(is_done, 30, f"{topic}/{partition} is compacted up to {end}")


@test(brokers=("sluice",), timeout=120)
def l51_compaction_keeps_the_latest_of_each_key(env):
    """Updates in every codec; offsets do not change; every codec's batches are read by real clients."""
    broker = env.own(options=OFTEN)
    raw = env.client(broker)
    topic = env.topic(client=raw, configs=EAGER)
    sent = []
    for turn in range(30):
        for codec in ("none", "gzip", "snappy", "xerial", "lz4", "zstd"):
            rows = [(b"key %d" % ((turn * 7 + i * i) % 61), b"%d %d " % (turn, i) + codec.encode() * 40)
                    for i in range(20)]
            expect(produce_keyed(raw, topic, rows, codec), len(sent), "base offset")
            sent += rows
    end = len(sent)
    eventually(lambda: rolled(broker, topic) == end, 30, "rolled")
    wait_compacted(broker, topic, end)
    expect((start_of(raw, topic), end_of(raw, topic)), (0, end), "start and end")
    expect(raw.read_batches(topic, 0)[-1].next_offset, end, "where the last batch ends")
    expect_latest(env, broker, topic, latest(sent))
    eventually(lambda: is_tidy(broker, topic), 30, "replaced segments are deleted")
    broker.stop()
    expect_sound(broker, topic)
    broker.start()
    expect_latest(env, broker, topic, latest(sent))
