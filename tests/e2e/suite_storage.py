# SPDX-License-Identifier: Apache-2.0
"""s0x: what may happen to a broker and its disk, and what was promised nevertheless."""
import os
import random
import shutil
import struct
import subprocess
import threading
import time

import rawkafka as k
from brokers import BUILD, answers
from harness import eventually, expect, expect_in, expect_true, is_root, test
from objects import damage_entry, delete, destroy, entries_by_journal
from rawkafka import Client, make_batch
from steady import Steady, check, log_of

PARTITIONS = 4
BOTH = ("file", "s3")


def kill_rounds(env, rounds, **options):
    """Kills the broker again and again under an idempotent producer, then checks the log."""
    broker = env.own(**options)
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    rng = random.Random(env.name)
    with Steady(broker.address, "steady", PARTITIONS) as producer:
        producer.wait_more(500)
        for _ in range(rounds):
            producer.wait_more(rng.randint(50, 2500))
            broker.kill()
            broker.start()
        producer.wait_more(500)
        producer.finish()
        check(env.client(broker), [producer])


@test(timeout=240, stores=BOTH)
def s01_kill_9_under_load(env):
    kill_rounds(env, 5)


@test(all_only=True, timeout=900, brokers=("sluice",), stores=BOTH)
def s01_kill_9_fifty_times(env):
    kill_rounds(env, 50)


@test(timeout=240, brokers=("sluice",))
def s01_kill_9_with_small_volumes_and_snapshots(env):
    """The same while volumes roll over and snapshots are written all the time."""
    kill_rounds(env, 5, options=["storage.volume.size=1MiB", "journal.snapshot.entries=16"])


@test(timeout=240, brokers=("sluice",), all_only=True, stores=("s3",))
def s01_kill_9_with_snapshots(env):
    kill_rounds(env, 5, options=["journal.snapshot.entries=16"])


@test(brokers=("sluice",), timeout=240, stores=BOTH)
def s01_stop_and_start_under_load(env):
    """SIGTERM instead: an acknowledged record is kept, and none comes twice."""
    broker = env.own()
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    with Steady(broker.address, "steady", PARTITIONS) as producer:
        for _ in range(4):
            producer.wait_more(1500)
            expect(broker.stop(timeout=25), 0, "status after SIGTERM")
            broker.start()
        producer.wait_more(500)
        producer.finish()
        check(env.client(broker), [producer])


def power_rounds(env, rounds):
    """Cuts the power at a random moment under load, again and again, then checks the log.

    powerloss/preload.c stands under the broker: at the cut it undoes, at random, what was not
    synced (bytes, sizes, directory entries), and kills the process.
    """
    library = BUILD / "tests" / "e2e" / "powerloss" / "libpowerloss_preload.so"
    if not library.exists():
        env.skip(f"{library} is not built")
    broker = env.own(options=["storage.volume.size=1MiB", "journal.snapshot.entries=64"])
    if broker.is_sanitized():
        env.skip("a sanitizer and the preloaded library do not go together")
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    rng = random.Random(env.name)
    with Steady(broker.address, "steady", PARTITIONS) as producer:
        producer.wait_more(200)
        broker.stop()
        for i in range(rounds):
            broker.env = {"LD_PRELOAD": str(library), "SLUICE_POWERLOSS_DIR": str(broker.dir),
                          "SLUICE_POWERLOSS_SEED": str(rng.randrange(1, 1 << 30)),
                          "SLUICE_POWERLOSS_AFTER": str(rng.randint(1, 1500))}
            broker.start(wait=False)  # the power may go while it starts, too
            broker.process.wait(60)
            expect(broker.process.returncode, -9, f"how the broker ended in round {i}")
            broker.stop()
            shutil.rmtree(f"{broker.dir}.grave", ignore_errors=True)
        broker.env = {}
        broker.start()
        producer.wait_more(500)
        producer.finish()
        check(env.client(broker), [producer])


@test(timeout=240, brokers=("sluice",))
def s02_power_loss_under_load(env):
    power_rounds(env, 8)


@test(all_only=True, timeout=900, brokers=("sluice",))
def s02_power_loss_fifty_times(env):
    power_rounds(env, 50)


@test(timeout=90, stores=BOTH)
def s03_a_retry_after_a_restart(env):
    """The same Produce frame before and after kill -9: the same offset, and the log grew once."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=2, client=raw)
    pid, epoch = raw.init_producer()
    batches = [make_batch([b"a%d" % i, b"b%d" % i], pid=pid, epoch=epoch, seq=2 * i)
               for i in range(6)]
    for i, batch in enumerate(batches):
        row = raw.produce(topic, 1, batch)
        expect((row["error"], row["base_offset"]), (0, 2 * i), f"batch {i}")
    for end in (broker.kill, broker.stop):
        end()
        broker.start()
        raw = env.client(broker)
        eventually(lambda r=raw: r.list_offset(topic, 1, -1)["error"] == 0, 20, "partition online")
        for i in (5,) if env.is_kafka else (5, 4, 3, 2, 1):  # Kafka keeps the last over a restart
            row = raw.produce_until_ok(topic, 1, batches[i])
            expect((row["error"], row["base_offset"]), (0, 2 * i), f"batch {i} again")
        expect(raw.end_offset(topic, 1), 12, "end offset")
    row = raw.produce(topic, 1, make_batch([b"x"], pid=pid, epoch=epoch, seq=12))
    expect((row["error"], row["base_offset"]), (0, 12), "the next batch")
    row = raw.produce(topic, 1, make_batch([b"x"], pid=pid, epoch=epoch, seq=14))
    expect(row["error"], k.OUT_OF_ORDER_SEQUENCE, "a gap after the restart")
    fresh, _ = raw.init_producer()
    expect_true(fresh != pid, "a producer id was given twice")


@test(brokers=("sluice",), timeout=60, stores=BOTH)
def s03_restart_keeps_everything(env):
    """Topics, ids, configs, partitions, offsets and bytes survive kill -9."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=3, configs=[("retention.ms", "777777")], client=raw)
    rows = [(b"k", os.urandom(300), [("h", b"v")], 1700000000000 + i) for i in range(40)]
    for i in range(3):
        for codec in ("none", "gzip", "zstd", "lz4", "snappy"):
            expect(raw.produce(topic, i, make_batch(rows, codec=codec))["error"], 0, "produce")

    def everything(client):
        stored = [b.data for p in range(3) for b in client.read_batches(topic, p)]
        configs = client.call("DescribeConfigs", 2, {"resources": [
            {"resource_type": 2, "resource_name": topic,
             "configuration_keys": ["retention.ms"]}]})["results"][0]["configs"]
        return (client.topic_id(topic), stored, configs[0]["value"],
                client.list_offset(topic, 0, 1700000000020)["offset"],
                client.metadata([])["cluster_id"])

    before = everything(raw)
    for end in (broker.kill, broker.stop, broker.kill):
        end()
        broker.start()
        after = everything(env.client(broker))
        for was, now in zip(before, after):
            expect(now, was, "after a restart")


# --- two brokers on one directory ---


def log_lines(broker, *words):
    return [x for x in broker.log_text().splitlines() if any(w in x.lower() for w in words)]


@test(brokers=("sluice",), timeout=180, stores=BOTH)
def s04_two_brokers_one_directory(env):
    """Producers on each of two brokers: one log, dense and exact, the same seen from both."""
    one = env.own()
    two = env.own(node_id=2)
    raw_one, raw_two = env.client(one), env.client(two)
    expect(raw_one.create("steady", PARTITIONS), 0, "create")
    raw_one.wait_ready("steady")
    eventually(lambda: raw_two.metadata(["steady"])["topics"][0]["error"] == 0, 20,
               "the second broker knows the topic")
    acked, problems, stop = [[], []], [], threading.Event()

    def write(which, broker):
        with Client(broker.address, timeout=30) as raw:
            pid, epoch = raw.init_producer()
            seqs, i = [0] * PARTITIONS, 0
            while not stop.is_set():
                p = i % PARTITIONS
                name = b"%d:%d" % (which, i)
                batch = make_batch([name], pid=pid, epoch=epoch, seq=seqs[p])
                row = raw.produce_until_ok("steady", p, batch)
                if row["error"]:
                    problems.append((which, i, row))
                    return
                acked[which].append((p, row["base_offset"], name))
                seqs[p] += 1
                i += 1

    threads = [threading.Thread(target=write, args=(i, b)) for i, b in enumerate((one, two))]
    for t in threads:
        t.start()
    # Neither may starve the other (R9): 200 of each in a minute, or, on a machine that has no time
    # for that many, a share that nobody calls starving. Who is starved gets one in a hundred.
    goal, limit_s = (300, 60) if env.shared.store == "file" else (200, 60)
    end = time.monotonic() + limit_s
    while min(len(a) for a in acked) < goal and time.monotonic() < end and not problems:
        time.sleep(0.05)
    stop.set()
    for t in threads:
        t.join(60)
    expect(problems, [], "errors that retries did not cure")
    least, most = sorted(len(a) for a in acked)
    expect_true(least >= goal or (least >= 20 and 8 * least >= most),
                f"acknowledged: {[len(a) for a in acked]}")
    total = sum(len(a) for a in acked)
    views = []
    for raw in (env.client(one), env.client(two)):
        eventually(lambda r=raw: sum(r.end_offset("steady", p) for p in range(PARTITIONS)) == total,
                   20, f"{total} records in the view of {raw.sock.getpeername()}")
        views.append([log_of(raw, "steady", p) for p in range(PARTITIONS)])
    expect_true(views[0] == views[1], "the two brokers show different logs")
    expect_true(any("another broker" in b.log_text() for b in (one, two)),
                "no log line says that two brokers write")
    for rows in acked:
        for p, offset, name in rows:
            expect(views[0][p][offset], name, f"record at {p}/{offset}")


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def s04_a_retry_at_the_other_broker(env):
    """A batch sent to one broker and again to the other: one offset, one record."""
    one = env.own()
    two = env.own(node_id=2)
    raw_one, raw_two = env.client(one), env.client(two)
    topic = env.topic(client=raw_one)
    eventually(lambda: raw_two.metadata([topic])["topics"][0]["error"] == 0, 20, "known at two")
    pid, epoch = raw_one.init_producer()
    for i in range(20):
        batch = make_batch([b"%d" % i], pid=pid, epoch=epoch, seq=i)
        first, second = (raw_one, raw_two) if i % 2 else (raw_two, raw_one)
        for raw in (first, second):
            row = raw.produce_until_ok(topic, 0, batch)
            expect((row["error"], row["base_offset"]), (0, i), f"batch {i}")
    for raw in (raw_one, raw_two):
        eventually(lambda r=raw: r.end_offset(topic, 0) == 20, 10, "end offset 20")


@test(brokers=("sluice",), timeout=120, stores=BOTH)
def s04_the_second_takes_over(env):
    """One of two is killed; the other goes on with the same log at once."""
    one = env.own()
    two = env.own(node_id=2)
    raw_one, raw_two = env.client(one), env.client(two)
    topic = env.topic(client=raw_one)
    eventually(lambda: raw_two.metadata([topic])["topics"][0]["error"] == 0, 20, "known at two")
    for i in range(50):
        expect(raw_one.produce_until_ok(topic, 0, make_batch([b"%d" % i]))["error"], 0, "produce")
    one.kill()
    row = raw_two.produce_until_ok(topic, 0, make_batch([b"50"]))
    expect((row["error"], row["base_offset"]), (0, 50), "the next produce, at the other broker")
    expect(log_of(raw_two, topic, 0), [b"%d" % i for i in range(51)], "the log")


def two_with_kills(env, rounds):
    """Two brokers, an idempotent producer on each, and one or the other is killed all the time."""
    brokers = [env.own(), env.own(node_id=2)]
    raw = env.client(brokers[0])
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    other = env.client(brokers[1])
    eventually(lambda: other.metadata(["steady"])["topics"][0]["error"] == 0, 20, "known at two")
    rng = random.Random(env.name)
    with Steady(brokers[0].address, "steady", PARTITIONS, 1500, "a") as a, \
            Steady(brokers[1].address, "steady", PARTITIONS, 1500, "b") as b:
        for i in range(rounds):
            for producer in (a, b):
                producer.wait_more(rng.randint(50, 800))
            brokers[i % 2].kill()
            if rng.random() < 0.5:
                (b, a)[i % 2].wait_more(200)  # the other one goes on meanwhile
            brokers[i % 2].start()
        a.finish()
        b.finish()
        for broker in brokers:
            raw = env.client(broker)
            eventually(lambda r=raw: sum(r.end_offset("steady", p) for p in range(PARTITIONS)) ==
                       len(a.acked) + len(b.acked), 20, "all records in the view of each broker")
            check(raw, [a, b])


@test(brokers=("sluice",), timeout=240, stores=BOTH)
def s04_two_brokers_two_producers_and_kills(env):
    two_with_kills(env, 6)


@test(brokers=("sluice",), timeout=900, all_only=True)
def s04_two_brokers_two_producers_and_fifty_kills(env):
    two_with_kills(env, 50)


@test(brokers=("sluice",), timeout=450, all_only=True, stores=("s3",))
def s04_two_brokers_two_producers_and_twenty_kills(env):
    """Each start reads the journals through the weather."""
    two_with_kills(env, 20)


# --- damage ---


def damage(env, how):
    """Writes to many partitions, damages one entry in the middle of one journal, starts again."""
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(partitions=12, client=raw)
    for i in range(30):
        for p in range(12):
            expect(raw.produce(topic, p, make_batch([b"%d" % i]))["error"], 0, "produce")
    broker.stop()
    journals = entries_by_journal(broker)
    journal, rows = max(((j, r) for j, r in journals.items() if j != "0"), key=lambda x: len(x[1]))
    expect_true(len(rows) > 10, f"journal {journal} has {len(rows)} entries")
    key = rows[len(rows) // 2][0]
    damage_entry(rows[len(rows) // 2], how)
    try:
        broker.start(timeout=30)
    except (RuntimeError, TimeoutError) as e:
        raise AssertionError(f"the broker does not start with one damaged journal: {e}") from e
    raw = env.client(broker)
    failed, served = [], []
    for p in range(12):
        row = raw.fetch(topic, p, 0, max_wait_ms=200)
        if row["error"] == 0:
            values = log_of(raw, topic, p)
            expect(values, [b"%d" % i for i in range(30)], f"partition {p} is given less, quietly")
            expect(raw.produce(topic, p, make_batch([b"more"]))["error"], 0, f"produce to {p}")
            served.append(p)
        else:
            expect_true(raw.produce(topic, p, make_batch([b"no"]))["error"] != 0,
                        f"partition {p} cannot be read but is written")
            expect_true(raw.list_offset(topic, p, -1)["error"] != 0,
                        f"partition {p} cannot be read but tells its end")
            failed.append(p)
    expect_true(served, "no partition is served")
    expect_true(failed, f"every partition is served although {key} is damaged")
    expect_true(key in broker.log_text(), f"the log does not name {key}")


@test(brokers=("sluice",), timeout=60)
def s05_a_flipped_byte_in_a_middle_entry(env):
    def flip(f, at, payload, length):
        where = at + payload + length - 5
        f.seek(where)
        byte = f.read(1)
        f.seek(where)
        f.write(bytes([byte[0] ^ 0x20]))
    damage(env, flip)


@test(brokers=("sluice",), timeout=60)
def s05_a_flipped_byte_in_the_head_of_a_middle_entry(env):
    def flip(f, at, payload, _length):
        f.seek(at + payload + 20)
        byte = f.read(1)
        f.seek(at + payload + 20)
        f.write(bytes([byte[0] ^ 0x01]))
    damage(env, flip)


@test(brokers=("sluice",), timeout=60)
def s05_a_destroyed_record_header(env):
    damage(env, destroy)


@test(brokers=("sluice",), timeout=60)
def s05_a_deleted_middle_entry(env):
    """As a mistaken operator's tool would do it; marked as deleted, in a volume."""
    damage(env, delete)


# --- full, read-only and forbidden disks ---


class Tmpfs:
    """A small file system of its own, while the test runs."""

    def __init__(self, env, size):
        if not is_root():
            env.skip("mounting a file system needs root")
        self.path = env.dir / "mount"
        self.path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.path],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            env.skip(f"mount: {done.stderr.strip()}")
        env.stack.callback(self.unmount)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], capture_output=True, check=False)

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], capture_output=True, check=True)


STORAGE_ERRORS = (k.KAFKA_STORAGE_ERROR, k.REQUEST_TIMED_OUT)


def expect_complaint(broker, since, *words):
    """A log line that names the directory and says what is wrong."""
    path = str(broker.dir)

    def found():
        return [x for x in broker.log_text()[since:].splitlines()
                if path in x and any(w in x.lower() for w in words)]
    eventually(found, 10, f"a log line with {path} and one of {words}")


@test(brokers=("sluice",), timeout=120)
def s06_disk_full(env):
    mount = Tmpfs(env, "64m")
    broker = env.own("mount/data", options=["storage.volume.size=1MiB"])
    raw = env.client(broker, timeout=40)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"first"]))["error"], 0, "produce")
    filler = mount.path / "filler"
    with open(filler, "wb") as f:
        try:
            while True:
                f.write(bytes(1 << 16))
                f.flush()
        except OSError:
            pass
    since, acked = len(broker.log_text()), 1
    for _ in range(40):
        row = raw.produce(topic, 0, make_batch([os.urandom(200000)]))
        if row["error"]:
            break
        acked += 1
    expect_in(row["error"], STORAGE_ERRORS, "error of a produce on a full disk")
    expect_complaint(broker, since, "space", "full")
    expect(len(log_of(raw, topic, 0)) >= acked, True, "acknowledged records can be read")
    filler.unlink()
    row = raw.produce_until_ok(topic, 0, make_batch([b"last"]), timeout=30)
    expect(row["error"], 0, "produce after space was made")
    expect_true(broker.is_running(), "the broker ended")
    values = log_of(raw, topic, 0)
    expect((values[0], values[-1]), (b"first", b"last"), "first and last record")
    broker.kill()
    broker.start()
    expect(log_of(env.client(broker), topic, 0), values, "the log after a restart")


@test(brokers=("sluice",), timeout=60)
def s06_read_only_at_start(env):
    mount = Tmpfs(env, "64m")
    (mount.path / "data").mkdir()
    mount.remount("ro")
    refused_then_served(env, env.own("mount/data", start=False), lambda: mount.remount("rw"),
                        "read-only", "readonly")


@test(brokers=("sluice",), timeout=60)
def s06_no_permission_at_start(env):
    """As an ordinary user, on a directory that belongs to somebody else."""
    if not is_root() or not shutil.which("setpriv"):
        env.skip("becoming an ordinary user needs root and setpriv")
    path = env.dir / "closed"
    path.mkdir(mode=0o700)
    for parent in (env.dir, env.dir.parent):
        parent.chmod(0o755)
    broker = as_nobody(env.own("closed/data", start=False))
    refused_then_served(env, broker, lambda: path.chmod(0o777), "permission")


def as_nobody(broker):
    """Makes it run as an ordinary user; file permissions mean nothing to root."""
    command = broker.command()
    broker.prepare = lambda: None
    broker.command = lambda: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + \
        command
    return broker


@test(brokers=("sluice",), timeout=90)
def s06_permission_is_taken_away(env):
    """No new file can be made in the directories of a running broker; then it can again."""
    if not is_root() or not shutil.which("setpriv"):
        env.skip("becoming an ordinary user needs root and setpriv")
    for parent in (env.dir, env.dir.parent):
        parent.chmod(0o755)
    path = env.dir / "data"
    path.mkdir()
    os.chown(path, 65534, 65534)
    broker = as_nobody(env.own(start=False, options=["storage.volume.size=1MiB"])).start()

    def forbid():
        for folder in [path] + [p for p in path.rglob("*") if p.is_dir()]:
            folder.chmod(0o555)

    def allow():
        for folder in [path] + [p for p in path.rglob("*") if p.is_dir()]:
            folder.chmod(0o755)
    no_new_files(env, broker, forbid, allow)


def refused_then_served(env, broker, cure, *words):
    """The process stays up and says why; whether it answers meanwhile or not, it serves in the end."""
    broker.start(wait=False)
    expect_complaint(broker, 0, *words)
    if answers(broker.port):
        raw = env.client(broker, timeout=40)
        expect_true(raw.create("t") != 0, "a topic was created on a disk that cannot be written")
        row = raw.produce("t", 0, make_batch([b"x"]))
        expect_in(row["error"], STORAGE_ERRORS + (k.UNKNOWN_TOPIC_OR_PARTITION, ), "produce")
    expect_true(broker.is_running(), "the broker ended")
    cure()
    broker.wait_ready(30)
    raw = env.client(broker, timeout=40)
    eventually(lambda: raw.create("t") in (0, k.TOPIC_ALREADY_EXISTS), 30, "CreateTopics", 0.2)
    row = raw.produce_until_ok("t", 0, make_batch([b"x"]), timeout=20)
    expect(row["error"], 0, "produce when the cause is gone")
    expect_true(broker.is_running(), "the broker ended")


@test(brokers=("sluice",), timeout=90)
def s06_directory_becomes_read_only(env):
    """The same for root: the directories are made immutable."""
    broker = env.own(options=["storage.volume.size=1MiB"])

    def immutable(flag):
        folders = [broker.dir] + [p for p in broker.dir.rglob("*") if p.is_dir()]
        return subprocess.run(["chattr", flag, *map(str, folders)], capture_output=True,
                              check=False).returncode == 0

    if not immutable("+i"):
        env.skip("chattr +i does not work here")
    env.stack.callback(immutable, "-i")
    immutable("-i")
    no_new_files(env, broker, lambda: immutable("+i"), lambda: immutable("-i"))


def no_new_files(env, broker, forbid, allow):
    """Produces until the store needs a new file and gets none; then lets it have one."""
    raw = env.client(broker, timeout=40)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"first"]))["error"], 0, "produce")
    forbid()
    since, acked = len(broker.log_text()), 1
    for _ in range(200):
        row = raw.produce(topic, 0, make_batch([os.urandom(200000)]))
        if row["error"]:
            break
        acked += 1
    expect_in(row["error"], STORAGE_ERRORS, "error of a produce when no file can be made")
    expect_complaint(broker, since, "permitted", "permission", "read-only")
    expect_true(len(log_of(raw, topic, 0)) >= acked, "acknowledged records can be read")
    allow()
    row = raw.produce_until_ok(topic, 0, make_batch([b"last"]), timeout=30)
    expect(row["error"], 0, "produce after the cause is gone")
    expect_true(broker.is_running(), "the broker ended")
    values = log_of(raw, topic, 0)
    expect((values[0], values[-1]), (b"first", b"last"), "first and last record")
