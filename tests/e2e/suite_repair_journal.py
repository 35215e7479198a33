# SPDX-License-Identifier: Apache-2.0
"""p1x: `sluice log repair` where a journal does not open: entries beyond its snapshot, its snapshot, its
manifest are gone or damaged. What is not served any more was named; the rest is; no offset comes twice."""
import contextlib
import json
import os
import shutil
import subprocess

from brokers import BUILD
from filestore import read_store
from harness import BOTH, CLI, eventually, expect, expect_true, register, sets, sluice, test
from objects import damage_entry, delete, entries_by_journal, flip_head, key_of, laid_out, snapshots
from rawkafka import make_batch, parse_batches
from suite_groups import commit_body, fetched
from suite_log import rolled as rolled_to
from suite_reader import rolled
from suite_repair import values as values_from
from suite_retention import EAGER, OFTEN, latest, produce_keyed, wait_compacted

QUICK = ["journal.safe.window.ms=1000", "journal.check.interval.ms=300"]
PARTITIONS = 4
SETS = [w for s in QUICK for w in ("--set", s)]


def log(broker, *words, status=0):
    done = sluice(broker, "log", *words, "--json", *SETS)
    expect(done.returncode, status, f"status of log {words}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def named(report):
    """[(topic, partition, first, last, is of unknown size)]"""
    return [(x["topic"], x["partition"], x["first"], x["last"], x["records_at_most"] is None)
            for x in report["lines"] if "first" in x]


def is_named(losses, topic, partition, offset):
    return any(x[:2] == (topic, partition) and x[2] <= offset <= x[3] for x in losses)


def values(raw, topic, partition):
    """{offset: value}, from the log's start to its end."""
    return values_from(raw, topic, partition, raw.list_offset(topic, partition, -2)["offset"])


def objects(broker):
    """But for what the start-up probe could not delete in bad weather."""
    keys = [key_of(broker, p) for p in broker.root.rglob("*")]
    return sorted(k for k in keys if "+" not in k and "/probe/" not in k)


class Log:
    """What was written to a broker that is stopped, and what became of it."""

    def __init__(self, env, rounds=10, options=(), snapshot=1000000):
        self.env = env
        self.broker = env.own(options=[*QUICK, f"journal.snapshot.entries={snapshot}", *options])
        self.raw = env.client(self.broker)
        self.topic = env.topic(partitions=PARTITIONS, client=self.raw)
        self.written = {}
        self.write(rounds)
        self.where = self.places()

    def write(self, rounds, partitions=range(PARTITIONS)):
        for _ in range(rounds):
            for p in partitions:
                value = b"%d-%d" % (p, len(self.written))
                row = self.raw.produce(self.topic, p, make_batch([value]))
                expect(row["error"], 0, "produce")
                expect_true((p, row["base_offset"]) not in self.written, "an offset was given twice")
                self.written[p, row["base_offset"]] = value

    def places(self):
        """{partition: its journal}; writes a record to each."""
        places = {}
        for p in range(PARTITIONS):
            before = {j: len(r) for j, r in entries_by_journal(self.broker).items()}
            self.write(1, [p])
            places[p] = [j for j, r in entries_by_journal(self.broker).items() if len(r) > before.get(j, 0)][0]
        return places

    def end_in(self, journal):
        """Kills the broker; gives the entries of the journal. The last is not the end of a volume, where
        damage looks like a write that was cut off."""
        rows = entries_by_journal(self.broker)[journal]
        self.write(1, [p for p, j in self.where.items() if j != journal])
        self.broker.kill()
        expect(entries_by_journal(self.broker)[journal], rows, "entries of the journal")
        return rows

    def data_journal(self):
        return [j for j in self.where.values() if j != "0"][0]

    def repair(self):
        """Dry run, repair; gives the report."""
        log(self.broker, "verify", status=1)
        before = objects(self.broker)
        dry = log(self.broker, "repair", status=1)
        expect(objects(self.broker), before, "objects after a dry run")
        done = log(self.broker, "repair", "--accept-loss")
        expect(sorted(named(done)), sorted(named(dry)), "what the dry run said and what was done")
        expect((done["not_repaired"], done["journals"]), (0, 1), f"what was done: {done}")
        report = log(self.broker, "verify")
        told = [f["text"] for f in report["findings"] if "given up" in f["text"]]
        expect(len(told), done["losses"], f"losses that verify tells of: {told}")
        again = log(self.broker, "repair", "--accept-loss")
        expect(again["lines"], [], "a second repair")
        return done

    def check(self, done, most):
        """Everything is served, but at most `most` records, which are named; then it goes on."""
        losses, gone = named(done), []
        self.broker.start()
        self.raw = self.env.client(self.broker)
        for p in range(PARTITIONS):
            eventually(lambda p=p: self.raw.list_offset(self.topic, p, -1)["error"] == 0, 20, "online")
            got = values(self.raw, self.topic, p)
            for (q, offset), value in self.written.items():
                if q == p and offset not in got:
                    gone.append((p, offset))
                    expect_true(is_named(losses, self.topic, p, offset), f"{p}/{offset} is gone, and not named")
                elif q == p:
                    expect(got[offset], value, f"{p}/{offset}")
            expect(sorted(o for o in got if (p, o) not in self.written), [], "offsets that were never given")
        expect_true(len(gone) <= most, f"{gone}: more than the lost entries held")
        self.write(2)
        self.broker.stop()
        log(self.broker, "verify")
        return gone


def lost_entry(env, where, how):
    """One record in each entry; the topic's own journal loses one."""
    it = Log(env)
    rows = it.end_in(it.data_journal())
    at = {"first": 0, "second": 1, "middle": len(rows) // 2, "last": -1}[where]
    damage_entry(rows[at], how)
    done = it.repair()
    expect_true(any(x["kind"] == "given up" and x["key"] == rows[at][0] for x in done["lines"]),
                f"{rows[at][0]} is not named")
    gone = it.check(done, 1)
    expect(len(gone), 0 if where == "first" else 1, "records that are gone")


for spot in ("first", "second", "middle", "last"):
    for damage in (delete, flip_head):
        if (spot, damage) != ("last", delete):  # nothing can tell that from a log that ends before it
            register(f"p10_{spot}_entry_{damage.__name__}",
                     lambda env, spot=spot, how=damage: lost_entry(env, spot, how), brokers=("sluice",), stores=BOTH)


@test(brokers=("sluice",), stores=BOTH)
def p11_several_entries(env):
    """Beyond a snapshot, some next to each other, missing and damaged."""
    it = Log(env, rounds=30, snapshot=16)
    it.write(15)
    rows = it.end_in(it.data_journal())
    for at, how in ((-12, flip_head), (-11, delete), (-7, delete), (-3, flip_head)):
        damage_entry(rows[at], how)
    expect(len(it.check(it.repair(), 4)), 4, "records that are gone")


@test(brokers=("sluice",), stores=BOTH)
def p12_ends_are_not_given_twice(env):
    """The last record of a partition was in the lost entry, and others came after it."""
    it = Log(env, rounds=5)
    journal, part = [(j, p) for p, j in it.where.items() if j != "0"][0]
    it.write(1, [part])
    end = max(o for p, o in it.written if p == part)
    rows = it.end_in(journal)
    damage_entry(rows[-1], flip_head)
    done = it.repair()
    unknown = [x for x in named(done) if x[4] and x[1] == part]
    expect(len(unknown), 1, f"losses of unknown size: {named(done)}")
    expect(unknown[0][2], end, "from where on")
    it.check(done, 1)
    row = [o for p, o in it.written if p == part and o > end]
    expect_true(row and min(row) > unknown[0][3], f"{row}: offsets that readers may have seen are given again")


@test(brokers=("sluice",), stores=BOTH)
def p13_producers_go_on(env):
    """Idempotent ones, whatever the lost entry said of them."""
    it = Log(env, rounds=1)
    pid, epoch = it.raw.init_producer()
    batch = [make_batch([b"%d" % i], pid=pid, epoch=epoch, seq=i) for i in range(11)]
    for i in range(10):
        expect(it.raw.produce(it.topic, 0, batch[i])["error"], 0, "produce")
    damage_entry(it.end_in(it.where[0])[-1], flip_head)
    it.repair()
    it.broker.start()
    raw = env.client(it.broker)
    row = raw.produce_until_ok(it.topic, 0, batch[10])
    expect(row["error"], 0, "the producer's next batch")
    fresh, _ = raw.init_producer()
    expect_true(fresh != pid, "a producer id was given twice")


@test(brokers=("sluice",), stores=BOTH)
def p14_entries_of_groups_only(env):
    """Offsets go back to what was committed before; nothing else changes."""
    it = Log(env, rounds=3)
    before = {j: len(r) for j, r in entries_by_journal(it.broker).items()}
    for offset in (1, 2, 3):
        reply = it.raw.call("OffsetCommit", 7, commit_body("group", it.topic, offset))
        expect(reply["topics"][0]["partitions"][0]["error"], 0, "commit")
    now = entries_by_journal(it.broker)
    journal = [j for j in now if len(now[j]) >= before.get(j, 0) + 3][0]
    damage_entry(it.end_in(journal)[-1], flip_head)
    done = it.repair()
    it.check(done, 0)
    it.broker.start()
    raw = env.client(it.broker)
    eventually(lambda: raw.list_offset(it.topic, 0, -1)["error"] == 0, 20, "online")
    expect(fetched(raw, "group", it.topic), 2, "the offset that was committed before")


@test(brokers=("sluice",), stores=BOTH)
def p15_the_creation_of_a_topic(env):
    """Journal 0 lost it: the topic comes back under a name that says so."""
    it = Log(env, rounds=3)
    it.broker.kill()
    rows = entries_by_journal(it.broker)["0"]
    damage_entry(rows[0], flip_head)
    done = it.repair()
    lines = [x["text"] for x in done["lines"] if "made again" in x["text"]]
    expect(len(lines), 1, f"topics that are made again: {done['lines']}")
    it.topic = lines[0].split("topic ")[1].split(" is lost")[0]
    it.check(done, 0)


@test(brokers=("sluice",), stores=BOTH)
def p16_a_snapshot_whose_elder_is_there(env):
    """It says the same with the entries behind it: nothing is lost, and brokers may run."""
    it = Log(env, rounds=20, snapshot=16)
    it.broker.stop()
    it.broker.start()
    it.raw = env.client(it.broker)
    it.write(60)
    it.broker.kill()
    by_journal = {}
    for p in snapshots(it.broker, "snapshot"):
        by_journal.setdefault(key_of(it.broker, p).split("/")[-3], []).append(p)
    paths = max(by_journal.values(), key=len)
    expect_true(len(paths) > 1, f"snapshots: {by_journal}")
    data = bytearray(paths[-1].read_bytes())
    data[len(data) // 2] ^= 8
    paths[-1].write_bytes(bytes(data))
    done = it.repair()
    expect((done["losses"], done["entries_given_up"]), (0, 0), "what is given up")
    expect(it.check(done, 0), [], "records that are gone")


def unlink_snapshots(broker):
    """All of one journal, which is given."""
    paths = snapshots(broker, "snapshot")
    journal = key_of(broker, paths[-1]).split("/")[-3]
    for p in paths:
        if f"/{journal}/snapshot/" in key_of(broker, p):
            p.unlink()
    return journal


@test(brokers=("sluice",), stores=BOTH)
def p16_a_snapshot_without_an_elder(env):
    """Some of its entries are gone as well: nothing is repaired, and what to do is said."""
    it = Log(env, rounds=20, snapshot=16)
    it.broker.kill()
    journal = unlink_snapshots(it.broker)
    damage_entry(entries_by_journal(it.broker)[journal][0], delete)
    before = objects(it.broker)
    done = sluice(it.broker, "log", "repair", "--accept-loss", *SETS)
    expect(done.returncode, 1, f"status: {done.stdout}{done.stderr}")
    expect_true("Restore that object" in done.stdout and "cannot be repaired" in done.stderr,
                f"{done.stdout}{done.stderr}")
    expect(objects(it.broker), before, "objects")


@test(brokers=("sluice",), stores=BOTH)
def p17_a_damaged_manifest(env):
    it = Log(env, rounds=20, snapshot=16)
    it.broker.kill()
    path = snapshots(it.broker, "manifest")[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(bytes(data))
    done = it.repair()
    expect((done["losses"], done["entries_given_up"]), (0, 0), "what is given up")
    expect(it.check(done, 0), [], "records that are gone")


@test(brokers=("sluice",), stores=BOTH)
def p18_a_broker_that_writes_is_left_alone(env):
    """It has the whole state. Nothing is shut out. It does not write so much that it puts a snapshot,
    which on an object store comes after 256 entries."""
    it = Log(env, rounds=5)
    rows = entries_by_journal(it.broker)[it.data_journal()]
    part = [p for p, j in it.where.items() if j == it.data_journal()][0]
    damage_entry(rows[len(rows) // 2], delete)
    words = [str(CLI), "log", "repair", "--accept-loss", *SETS, *sets(it.broker)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        while program.poll() is None:
            it.write(1, [part])
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(0.1)
        text = program.stdout.read() + program.stderr.read()
    expect(program.returncode, 1, f"status: {text}")
    expect_true("is written to by a broker" in text, text)
    it.write(3)
    fences = [p for p in snapshots(it.broker, "manifest") if b"-repair" in p.read_bytes()]
    expect(fences, [], "manifests that shut brokers out")


@test(brokers=("sluice",), stores=BOTH)
def p18_a_broker_that_rests_takes_it_up(env):
    """It knew what is lost, and is shut out until it has read what is left."""
    it = Log(env, rounds=5)
    journal = it.data_journal()
    damage_entry(entries_by_journal(it.broker)[journal][-3], delete)
    done = it.repair()
    for p in range(PARTITIONS):
        batch = make_batch([b"more"])
        row = it.raw.produce_until_ok(it.topic, p, batch)
        expect_true((p, row["base_offset"]) not in it.written, f"offset {row['base_offset']} of {p} comes twice")
        it.written[p, row["base_offset"]] = b"more"
    it.broker.stop()
    it.check(done, 1)


@test(brokers=("sluice",), timeout=240)
def p19_cut_off_anywhere(env):
    """The tool is killed after its first, second, ... change of the store, and run again."""
    library = BUILD / "tests" / "e2e" / "powerloss" / "libpowerloss_preload.so"
    it = Log(env, rounds=5)
    if not library.exists() or it.broker.is_sanitized():
        env.skip("the preloaded library is not there, or does not go with a sanitizer")
    rows = it.end_in(it.data_journal())
    damage_entry(rows[len(rows) // 2], flip_head)
    dry = log(it.broker, "repair", status=1)
    cuts, status = 0, None
    while status != 0:
        cuts += 1
        kill = {"LD_PRELOAD": str(library), "SLUICE_POWERLOSS_DIR": str(it.broker.dir),
                "SLUICE_POWERLOSS_SEED": str(cuts), "SLUICE_POWERLOSS_AFTER": str(3 * cuts)}
        done = subprocess.run([str(CLI), "log", "repair", "--accept-loss", "--json", *SETS, *sets(it.broker)],
                              env={**os.environ, **kill}, capture_output=True, text=True, check=False)
        shutil.rmtree(f"{it.broker.dir}.grave", ignore_errors=True)
        status = done.returncode
        expect_true(status in (0, -9), f"status in round {cuts}: {done.stdout}{done.stderr}")
    expect_true(cuts > 3, f"{cuts} rounds")
    log(it.broker, "verify")
    it.check(dry, 1)


@test(brokers=("sluice",), stores=BOTH)
def p20_a_new_cluster_on_the_segments(env):
    """What docs/operations.md says of a journal whose snapshot is gone."""
    broker, topic, paths = rolled(env)
    new = ["--set", "storage.prefix=_sluice2"]
    done = sluice(broker, "log", "import", "--execute", *new)
    expect(done.returncode, 0, f"log import: {done.stdout}{done.stderr}")
    after = env.own(options=["storage.prefix=_sluice2"])
    raw = env.client(after)
    raw.wait_ready(topic)
    end = int(paths[-1].stem[-20:])
    got = values(raw, topic, 0)
    expect_true(set(range(end)) <= set(got), f"{sorted(got)} up to {end}")
    expect(got[3], b"0/3" + b"x" * 10000, "a value")
    expect(raw.produce(topic, 0, make_batch([b"more"]))["error"], 0, "producing goes on")
    after.stop()
    expect(sluice(after, "log", "verify", *new).returncode, 0, "status of log verify")


@test(brokers=("sluice",), stores=BOTH)
def p11_two_journals_at_once(env):
    """One of them holds the list of topics."""
    it = Log(env, rounds=5)
    it.broker.kill()
    for journal, how in (("0", flip_head), (it.data_journal(), delete)):
        damage_entry(entries_by_journal(it.broker)[journal][-2], how)
    dry = log(it.broker, "repair", status=1)
    done = log(it.broker, "repair", "--accept-loss")
    expect((done["journals"], done["not_repaired"], sorted(named(done))), (2, 0, sorted(named(dry))), "what was done")
    log(it.broker, "verify")
    it.check(done, 2)


@test(brokers=("sluice",), stores=BOTH)
def p21_consumers_walk_over_it(env):
    """Known holes, and the room at the end, whatever client reads."""
    it = Log(env, rounds=1)
    topic = env.topic(partitions=1, client=it.raw)
    for i in range(20):
        expect(it.raw.produce(topic, 0, make_batch([b"%d" % i]))["base_offset"], i, "an offset")
    now = entries_by_journal(it.broker)
    journal = max(now, key=lambda j: len(now[j]))
    rows = it.end_in(journal)
    for at in (-1, -8, -9):
        damage_entry(rows[at], flip_head)
    done = log(it.broker, "repair", "--accept-loss")
    it.broker.start()
    raw = env.client(it.broker)
    eventually(lambda: raw.list_offset(topic, 0, -1)["error"] == 0, 20, "online")
    end = raw.end_offset(topic, 0)
    expect_true(end > 19 + 3 * 10 ** 7 - 1 and [x for x in named(done) if x[4] and x[0] == topic], f"{named(done)}")
    wanted = [o for o in range(19) if o not in (11, 12)] + [end, end + 1]
    for i in range(2):
        expect(raw.produce(topic, 0, make_batch([b"new %d" % i]))["base_offset"], end + i, "the next offset")
    for name in ("kcat", "confluent-kafka", "kafka-python"):
        got = env.program(name, it.broker).consume(topic, len(wanted), timeout=30)
        expect([o for o, _ in got], wanted, f"offsets that {name} reads")
    row = raw.fetch(topic, 0, 1000000, max_wait_ms=100)
    expect(row["error"], 0, "a fetch in the room")
    expect_true(parse_batches(row["records"])[-1].next_offset >= end, "it leads nowhere")


@test(brokers=("sluice",), stores=BOTH)
def p22_two_tools_at_once(env):
    """One shuts brokers out; the other says that somebody was faster, or ends up with the same."""
    it = Log(env, rounds=5)
    rows = it.end_in(it.data_journal())
    damage_entry(rows[len(rows) // 2], delete)
    dry = log(it.broker, "repair", status=1)
    words = [str(CLI), "log", "repair", "--accept-loss", *SETS, *sets(it.broker)]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    texts = [p.communicate(timeout=100)[0] for p in both]
    expect_true(0 in [p.returncode for p in both], f"{texts}")
    log(it.broker, "repair", "--accept-loss")
    report = log(it.broker, "verify")
    expect(report["errors"], 0, "errors")
    it.check(dry, 1)


@test(brokers=("sluice",), stores=BOTH)
def p23_restored_after_a_repair_was_begun(env):
    """Brokers are shut out already, and then the lost entry is found: nothing is given up."""
    it = Log(env, rounds=5)
    rows = it.end_in(it.data_journal())
    key = rows[len(rows) // 2][0]
    entry = (laid_out(it.broker) / key).read_bytes() if it.broker.bucket else read_store(it.broker.dir)[key]
    damage_entry(rows[len(rows) // 2], delete)
    words = [str(CLI), "log", "repair", "--accept-loss", *SETS, *sets(it.broker)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        eventually(lambda: snapshots(it.broker, "manifest"), 30, "the fence")
        program.kill()
    text = sluice(it.broker, "log", "verify", *SETS).stdout
    expect_true("a repair of it was begun" in text, text)
    (it.broker.root / key).write_bytes(entry)
    done = log(it.broker, "repair", "--accept-loss")
    expect((done["journals"], done["losses"], done["entries_given_up"]), (1, 0, 0), "what was done")
    log(it.broker, "verify")
    expect(it.check(done, 0), [], "records that are gone")


@test(brokers=("sluice",), stores=BOTH)
def p16_the_only_snapshot_and_all_entries(env):
    """The entries say everything."""
    it = Log(env, rounds=20, snapshot=16)
    it.broker.kill()
    unlink_snapshots(it.broker)
    done = it.repair()
    expect((done["losses"], done["entries_given_up"]), (0, 0), "what is given up")
    expect(it.check(done, 0), [], "records that are gone")


def numbers(broker, journal):
    return [int(r[0].rsplit("/", 1)[1]) for r in entries_by_journal(broker).get(journal, [])]


@test(brokers=("sluice",), stores=BOTH, timeout=180)
def p17_manifests_that_are_gone(env):
    """All of them, and entries were collected: a snapshot is there, and a broker that knows a younger
    manifest sees the new one."""
    it = Log(env, rounds=5, snapshot=16, options=["journal.roll.age.ms=1000", "journal.grace.ms=2000"])
    journal = it.data_journal()

    def is_collected():
        it.write(3)
        rows = numbers(it.broker, journal)
        return rows and rows[0] > 1
    eventually(is_collected, 60, "entries are collected")
    paths = [p for p in snapshots(it.broker, "manifest") if f"/{journal}/manifest/" in key_of(it.broker, p)]
    newest = max(int(key_of(it.broker, p).rsplit("/", 1)[1]) for p in paths)
    it.broker.kill()
    for p in snapshots(it.broker, "manifest"):
        if f"/{journal}/manifest/" in key_of(it.broker, p):
            p.unlink()
    done = it.repair()
    expect((done["losses"], done["entries_given_up"]), (0, 0), "what is given up")
    paths = [p for p in snapshots(it.broker, "manifest") if f"/{journal}/manifest/" in key_of(it.broker, p)]
    expect_true(int(key_of(it.broker, paths[-1]).rsplit("/", 1)[1]) > newest + 1000, f"{paths}")
    expect(it.check(done, 0), [], "records that are gone")


@test(brokers=("sluice",), stores=BOTH)
def p24_segments_that_nobody_registered_any_more(env):
    """An entry with records is lost, and the one that registered the segment they were rolled into: the
    segment is there, and nothing is given up but the entries."""
    it = Log(env, rounds=10, options=["journal.roll.age.ms=1000"])
    journal = it.data_journal()
    part = [p for p, j in it.where.items() if j == journal][0]
    home = it.broker.root / "default" / it.topic / str(part)
    eventually(lambda: home.glob("*.index") and list(home.glob("*.kfs")), 30, "a segment")
    it.write(3, [part])
    it.broker.kill()

    def payloads():
        objects = read_store(laid_out(it.broker))
        return [(row, objects[row[0]]) for row in entries_by_journal(it.broker)[journal]]
    names = [row for row, data in payloads() if it.topic.encode() in data]
    if not names:
        env.skip("the broker was killed before it registered the segment")
    rows = [row for row, _ in payloads()]
    for row in (*names, rows[5]):
        damage_entry(row, delete)
    done = it.repair()
    expect_true(done["entries_given_up"] >= 2, f"{done}")
    expect([x for x in named(done) if not x[4]], [], "records that are given up")
    expect(it.check(done, 0), [], "records that are gone")


@test(brokers=("sluice",), timeout=180)
def p20_a_new_cluster_on_compacted_segments(env):
    """Beside segments that compaction has replaced, and not deleted yet."""
    broker = env.own(options=[*[o for o in OFTEN if "grace" not in o], "journal.grace.ms=3600000"])
    raw = env.client(broker)
    topic = env.topic(client=raw, configs=EAGER)
    sent = []
    for turn in range(60):
        rows = [(b"key %d" % ((turn * 7 + i * i) % 101), b"%d %d " % (turn, i) + b"x" * 90) for i in range(20)]
        produce_keyed(raw, topic, rows)
        sent += rows
    eventually(lambda: rolled_to(broker, topic) == len(sent), 30, "rolled")
    wait_compacted(broker, topic, len(sent))
    broker.stop()
    home = broker.root / "default" / topic / "0"
    names = sorted(p.stem for p in home.glob("*.kfs"))
    expect_true([n for n in names if n.count("-") == 2] and [n for n in names if n.count("-") == 1],
                f"{names}: no generations beside each other")
    new = ["--set", "storage.prefix=_sluice2"]
    done = sluice(broker, "log", "import", "--execute", "--accept-loss", *new)
    expect(done.returncode, 0, f"log import: {done.stdout}{done.stderr}")
    after = env.own(options=["storage.prefix=_sluice2"])
    raw = env.client(after)
    raw.wait_ready(topic)
    got = values(raw, topic, 0)
    for _, (offset, value) in latest(sent).items():
        expect(got.get(offset), value, f"offset {offset}")
    expect(raw.produce(topic, 0, make_batch([b"more"]))["base_offset"], len(sent), "the next offset")
    after.stop()
    expect(sluice(after, "log", "verify", *new).returncode, 0, "status of log verify")


@test(brokers=("sluice",), stores=BOTH, timeout=180)
def p25_a_broker_that_knows_it_saves_it(env):
    """An entry is lost while a broker has the journal open: it writes a snapshot in time, and then only the
    records that stood in the entry are missed, by name."""
    it = Log(env, rounds=5, snapshot=16)
    journal = it.data_journal()
    part = [p for p, j in it.where.items() if j == journal][0]
    it.write(3, [part])
    row = entries_by_journal(it.broker)[journal][-2]
    lost = int(row[0].rsplit("/", 1)[1])
    damage_entry(row, delete)

    def is_beyond():
        it.write(8, [part])
        keys = [key_of(it.broker, p) for p in snapshots(it.broker, "snapshot")]
        return any(int(k.rsplit("/", 1)[1][:20]) >= lost for k in keys if f"/{journal}/snapshot/" in k)
    eventually(is_beyond, 60, "a snapshot beyond the lost entry")
    log(it.broker, "verify", status=1)
    done = log(it.broker, "repair", "--accept-loss")
    expect((done["journals"], done["entries_given_up"], done["not_repaired"]), (0, 0, 0), f"what was done: {done}")
    expect([(x[1], x[3] - x[2], x[4]) for x in named(done)], [(part, 0, False)], "one record is given up")
    it.broker.stop()
    log(it.broker, "verify")
    expect(len(it.check(done, 1)), 1, "records that are gone")
