# SPDX-License-Identifier: Apache-2.0
"""c1x: `sluice topic|group|config|quota`, against any broker of the Kafka protocol. What the commands
did is looked at with the raw client, which shares no code with them."""
import json
import os
import re
import subprocess
import time

from brokers import BUILD, KafkaBroker, NotAvailable, free_port
from harness import BOTH, eventually, expect, expect_in, expect_true, short, test
from rawkafka import make_batch
from suite_groups848 import Members, all_parts, librdkafka, settled

SLUICE = BUILD / "sluice"


class Cli:
    """The commands, against one broker."""

    def __init__(self, broker, **env):
        if not SLUICE.exists():
            raise NotAvailable(f"{SLUICE} is not built")
        self.address, self.env = broker.address, {**os.environ, "LC_ALL": "C.UTF-8", **env}

    def run(self, *words, timeout=60):
        return subprocess.run([str(SLUICE), *map(str, words), "--address", self.address],
                              capture_output=True, text=True, timeout=timeout, check=False,
                              env=self.env)

    def ok(self, *words):
        done = self.run(*words)
        expect((done.returncode, done.stderr), (0, ""), f"sluice {' '.join(map(str, words))}")
        return done.stdout

    def json(self, *words):
        return json.loads(self.ok(*words, "--json"))

    def refused(self, *words, status=1, says=()):
        """One line on stderr that says these things, and nothing else."""
        done = self.run(*words)
        what = f"sluice {' '.join(map(str, words))}"
        expect((done.returncode, done.stdout), (status, ""), what)
        expect(done.stderr.count("\n"), 1, f"lines of {done.stderr!r}")
        expect_true(done.stderr.startswith(f"sluice {words[0]} {words[1]}: "), f"{done.stderr!r}")
        for part in (says,) if isinstance(says, str) else says:
            expect_true(part in done.stderr, f"{what}: {part!r} is not in {short(done.stderr)}")


def fill(raw, topic, partition, count, ts=None):
    expect(raw.produce(topic, partition, make_batch([b"x"] * count, ts=ts))["error"], 0, "produce")


def configs_of(raw, topic, *names):
    rows = raw.call("DescribeConfigs", 2, {"resources": [
        {"resource_type": 2, "resource_name": topic, "configuration_keys": list(names)}]})
    return {c["name"]: c["value"] for c in rows["results"][0]["configs"]}


def committed(raw, group, topic, partitions):
    rows = raw.call("OffsetFetch", 7, {"group_id": group, "require_stable": False, "topics": [
        {"name": topic, "partitions": list(range(partitions))}]})
    return [p["offset"] for p in sorted(rows["topics"][0]["partitions"], key=lambda p: p["index"])]


# --- topics ---

@test(stores=BOTH)
def c10_a_topic_from_its_creation_to_its_deletion(env):
    cli, raw, topic = Cli(env.broker), env.client(), f"{env.name}.t"
    made = cli.json("topic", "create", topic, "--partitions", 3, "--config", "retention.ms=123456",
                    "--config", "cleanup.policy=compact,delete")
    expect((made["name"], made["partitions"], made["replication_factor"]), (topic, 3, 1), "create")
    row = raw.wait_ready(topic)
    expect(len(row["partitions"]), 3, "partitions")
    expect(configs_of(raw, topic, "retention.ms", "cleanup.policy"),
           {"retention.ms": "123456", "cleanup.policy": "compact,delete"}, "configs")
    listed = {t["name"]: t for t in cli.json("topic", "list")}
    expect(listed[topic], {"name": topic, "partitions": 3, "replication_factor": 1,
                           "internal": False}, "topic list")
    expect_true(f"\n{topic} " in cli.ok("topic", "list"), "topic list in words")

    batch = make_batch([(b"k", b"v")] * 7)
    eventually(lambda: raw.produce(topic, 1, batch)["error"] == 0, 20, "produce")
    seen = cli.json("topic", "describe", topic)
    expect(seen["id"], made["id"], "id")
    expect([(p["partition"], p["start"], p["end"], p["replicas"]) for p in seen["partitions"]],
           [(0, 0, 0, [1]), (1, 0, 7, [1]), (2, 0, 0, [1])], "describe")
    expect([p["size_bytes"] for p in seen["partitions"]], [0, len(batch), 0], "sizes")
    changed = {c["name"]: (c["value"], c["source"]) for c in seen["configs"]}
    expect(changed["retention.ms"], ("123456", "DYNAMIC_TOPIC_CONFIG"), "a config that differs")
    expect_true("max.message.bytes" not in changed, "a config that does not")
    text = cli.ok("topic", "describe", topic)
    for part in (f"topic {topic}, id {made['id']}, 3 partitions\n", "PARTITION  LEADER",
                 "  retention.ms = 123456  (of the topic)\n"):
        expect_true(part in text, f"{part!r} is not in {text!r}")

    expect(cli.json("topic", "partitions", topic, 5),
           {"name": topic, "partitions_before": 3, "partitions": 5}, "partitions")
    expect(len(eventually(lambda: len(raw.wait_ready(topic)["partitions"]) == 5 and
                          raw.wait_ready(topic), 20, "5 partitions")["partitions"]), 5, "partitions")
    expect(cli.ok("topic", "delete", topic), f"deleted {topic}\n", "delete")
    eventually(lambda: raw.metadata([topic])["topics"][0]["error"] == 3, 20, "it is gone")
    cli.refused("topic", "describe", topic, says=f"no topic {topic}")


@test(stores=BOTH)
def c10_a_log_loses_its_beginning(env):
    cli, raw, topic = Cli(env.broker), env.client(), env.topic(2)
    fill(raw, topic, 1, 10)
    cut = ("topic", "delete-records", topic, "--partition", 1, "--before")
    expect(cli.json(*cut, 4), {"topic": topic, "partition": 1, "start": 4}, "before 4")
    expect(raw.list_offset(topic, 1, -2)["offset"], 4, "the start")
    cli.refused(*cut, 11, says=(f"{topic}, partition 1", "OFFSET_OUT_OF_RANGE"))
    expect(cli.json(*cut, "end")["start"], 10, "before the end")
    row = cli.json("topic", "describe", topic)["partitions"][1]
    expect((row["start"], row["end"]), (10, 10), "describe")


@test(stores=BOTH)
def c10_mistakes_with_topics(env):
    cli, topic = Cli(env.broker), env.topic(2)
    almost = topic[:-3] + topic[-2:]
    cli.refused("topic", "create", topic, says=(topic, "TOPIC_ALREADY_EXISTS", "topic describe"))
    for words in (("describe",), ("delete",)):
        cli.refused("topic", *words, almost, says=(f"no topic {almost}", f"mean {topic}?"))
    cli.refused("topic", "partitions", almost, 5, says=f"mean {topic}?")
    cli.refused("topic", "delete-records", almost, "-p", 0, "--before", "end", says=f"mean {topic}?")
    cli.refused("topic", "delete-records", topic, "-p", 2, "--before", "end",
                says=f"{topic} has no partition 2, it has 2")
    cli.refused("topic", "partitions", topic, 1, says="INVALID_PARTITIONS")
    cli.refused("topic", "create", f"{topic}.x", "--config", "retention.m=1",
                says=("Unknown topic config name: retention.m", "INVALID_CONFIG"))
    cli.refused("topic", "create", f"{topic}.x", "--replication-factor", 9,
                says="INVALID_REPLICATION_FACTOR") if env.is_kafka else None
    cli.refused("topic", "create", "no/name", says=("no/name", "INVALID_TOPIC_EXCEPTION"))
    done = cli.run("topic", "delete", f"{topic}.none", topic)
    expect((done.returncode, done.stdout), (1, f"deleted {topic}\n"), "one of two is there")


# --- groups ---

def group_lives(env, protocol):
    cli, raw, broker = Cli(env.broker), env.client(), env.broker
    topic, group = env.topic(4), f"{env.name}-{protocol}"
    for p in range(4):
        fill(raw, topic, p, 10 * (p + 1))
    members = Members(env, librdkafka(), broker)
    members.open("one", group, topic, protocol=protocol)
    instance = "i2" if protocol == "classic" else "-"  # its session is short there
    members.open("two", group, topic, protocol=protocol, instance=instance)
    settled([members], all_parts(topic, 4), [2, 2])
    eventually(lambda: committed(raw, group, topic, 4) == [10, 20, 30, 40], 30, "all is committed")

    listed = {g["group"]: g for g in cli.json("group", "list", "--state", "Stable,Empty")}
    expect(listed[group], {"group": group, "state": "Stable", "type": protocol,
                           "protocol": "consumer"}, "group list")
    expect_true(group not in [g["group"] for g in cli.json("group", "list", "--state", "Empty")],
                "it is not empty")
    seen = cli.json("group", "describe", group)
    expect((seen["group"], seen["type"], seen["state"], seen["coordinator"]),
           (group, protocol, "Stable", 1), "group describe")
    said = {m["client_id"]: {f"{a['topic']}/{p}" for a in m["assignment"] for p in a["partitions"]}
            for m in seen["members"]}
    expect(said, members.assigned, "assignments, by member")
    expect({m["client_id"]: m["instance"] or "-" for m in seen["members"]},
           {"one": "-", "two": instance}, "instances")
    expect_true(f"group {group}: {protocol}, Stable, assignor " in cli.ok("group", "describe", group),
                "group describe in words")

    fill(raw, topic, 3, 5)
    eventually(lambda: committed(raw, group, topic, 4)[3] == 45, 30, "that is committed, too")
    expect(cli.json("group", "lag", group)["lag"], 0, "lag")
    reset = ("group", "reset", group, "--topic", topic, "--to-earliest", "--execute")
    cli.refused(*reset, says=(f"{group} has 2 member(s)", "stop them first"))
    cli.refused("group", "delete", group, says=(group, "NON_EMPTY_GROUP", "stop its members"))
    members.close("one")
    members.close("two")
    eventually(lambda: cli.json("group", "describe", group)["members"] == [], 90, "they are gone")
    group_resets(cli, raw, group, topic)
    expect(cli.ok("group", "delete", group), f"deleted {group}\n", "delete")
    cli.refused("group", "describe", group, says=f"no group {group}")


def group_resets(cli, raw, group, topic):
    """A group without members, with 10, 20, 30 and 45 records in its topic, all read."""
    reset = ("group", "reset", group, "--topic", topic)
    would = cli.json(*reset, "--to-earliest")
    expect(would, {"group": group, "topic": topic, "executed": False, "partitions": [
        {"partition": p, "from": n, "to": 0} for p, n in enumerate([10, 20, 30, 45])]}, "dry run")
    expect(committed(raw, group, topic, 4), [10, 20, 30, 45], "nothing is changed")
    expect_true(cli.json(*reset, "--to-offset", 15, "--execute")["executed"], "executed")
    expect(committed(raw, group, topic, 4), [10, 15, 15, 15], "to an offset, or the nearest")
    lag = cli.json("group", "lag", group)
    expect([(p["partition"], p["committed"], p["end"], p["lag"]) for p in lag["partitions"]],
           [(0, 10, 10, 0), (1, 15, 20, 5), (2, 15, 30, 15), (3, 15, 45, 30)], "lag")
    expect(lag["lag"], 50, "lag of all")
    lines = cli.ok("group", "lag", group).splitlines()
    expect([line.count("█") for line in lines], [0, 0, 5, 15, 30, 0], f"bars of {lines}")
    expect(lines[5], f"{group}: 50 behind, over 4 partitions", "the last line")
    cli.ok(*reset, "--to-earliest", "--partition", 2, "--execute")
    expect(committed(raw, group, topic, 4), [10, 15, 0, 15], "one partition")
    cli.ok(*reset, "--to-latest", "--execute")
    expect(committed(raw, group, topic, 4), [10, 20, 30, 45], "to the end")


@test(timeout=240, stores=BOTH)
def c11_a_classic_group(env):
    group_lives(env, "classic")


@test(timeout=240, stores=BOTH)
def c11_a_group_of_the_consumer_protocol(env):
    group_lives(env, "consumer")


@test(stores=BOTH)
def c11_offsets_by_time(env):
    cli, raw, topic = Cli(env.broker), env.client(), env.topic(2)
    hour = 3600 * 1000
    begin = 1767225600000  # 2026-01-01T00:00:00Z
    for i in range(4):
        fill(raw, topic, 0, 1, ts=begin + i * hour)
    group = f"{env.name}-group"
    reset = ("group", "reset", group, "--topic", topic)
    text = cli.ok(*reset, "--to-time", "2026-01-01T01:30:00Z")
    expect_true(f"there is no group {group} yet; this would make one\n" in text, text)
    expect_true(text.endswith("nothing was changed; --execute does it\n"), text)
    for when, wanted in (("2026-01-01T01:30:00Z", 2), ("2026-01-01", 0), (begin + 3 * hour, 3),
                         ("2026-01-02", 4)):
        cli.ok(*reset, "--to-time", when, "--execute")
        expect(committed(raw, group, topic, 2), [wanted, 0], f"to {when}")
    expect(cli.json("group", "describe", group)["members"], [], "a group that nobody was in")


@test(stores=BOTH)
def c11_mistakes_with_groups(env):
    cli, topic = Cli(env.broker), env.topic(2)
    group = f"{env.name}-group"
    cli.ok("group", "reset", group, "--topic", topic, "--to-latest", "--execute")
    for verb in ("describe", "lag", "delete"):
        cli.refused("group", verb, group[:-2] + group[-1], says=("no group", f"mean {group}?"))
    cli.refused("group", "lag", "zzz", says=("no group zzz", "`sluice group list`"))
    cli.refused("group", "reset", group, "--topic", topic[:-1], "--to-latest", says=f"mean {topic}?")
    cli.refused("group", "reset", group, "--topic", topic, "--to-latest", "-p", 7,
                says=f"{topic} has no partition 7, it has 2")
    for words in ((), ("--topic", topic), ("--topic", topic, "--to-latest", "--to-earliest"),
                  ("--topic", topic, "--to-offset", "-3"), ("--topic", topic, "--to-time", "soon")):
        cli.refused("group", "reset", group, *words, status=2)


@test(stores=BOTH)
def c11_lag_of_what_is_gone(env):
    """A topic that was deleted after the group committed."""
    cli, raw, topic, gone = Cli(env.broker), env.client(), env.topic(), env.topic()
    group = f"{env.name}-group"
    fill(raw, topic, 0, 3)
    for name in (topic, gone):
        cli.ok("group", "reset", group, "--topic", name, "--to-earliest", "--execute")
    expect(len(cli.json("group", "lag", group)["partitions"]), 2, "partitions")
    cli.ok("topic", "delete", gone)
    rows = {p["topic"]: (p["committed"], p["end"], p["lag"])
            for p in cli.json("group", "lag", group)["partitions"]}
    expect(rows[topic], (0, 3, 3), "what is there")
    expect_in(rows.get(gone), (None, (0, None, None)), "what is gone")


# --- configurations ---

@test(stores=BOTH)
def c12_configurations(env):
    cli, raw, topic = Cli(env.broker), env.client(), env.topic()
    of = ("topic", topic)
    cli.ok("config", "set", *of, "retention.ms=777", "cleanup.policy=compact")
    expect(configs_of(raw, topic, "retention.ms", "cleanup.policy"),
           {"retention.ms": "777", "cleanup.policy": "compact"}, "after set")
    rows = cli.json("config", "get", *of)[0]
    expect((rows["type"], rows["name"]), ("topic", topic), "whose")
    own = {c["name"]: c["value"] for c in rows["configs"] if c["source"] == "DYNAMIC_TOPIC_CONFIG"}
    expect(own, {"retention.ms": "777", "cleanup.policy": "compact"}, "config get")
    expect_true("  retention.ms = 777  (of the topic)\n" in cli.ok("config", "get", *of), "in words")
    every = {c["name"] for c in cli.json("config", "get", *of, "--all")[0]["configs"]}
    expect_true({"retention.ms", "segment.bytes", "max.message.bytes"} < every, f"--all: {every}")
    cli.ok("config", "unset", *of, "retention.ms")
    expect_true(configs_of(raw, topic, "retention.ms")["retention.ms"] != "777", "after unset")

    cli.refused("config", "set", *of, "retentoin.ms=1", says=("INVALID_CONFIG", "mean retention.ms?"))
    cli.refused("config", "set", *of, "retention.ms=x", says=("INVALID_CONFIG", "retention.ms"))
    cli.refused("config", "set", *of, "segment.bytes=5", "retention.ms=1", says="INVALID_CONFIG")
    expect_true(configs_of(raw, topic, "retention.ms")["retention.ms"] != "1", "all or none")
    cli.refused("config", "set", "topic", topic[:-1], "retention.ms=1", says=f"mean {topic}?")
    cli.refused("config", "get", "topic", topic[:-1], says=f"mean {topic}?")
    for words in (("get", "tpic", "x"), ("get", "topic"), ("set", *of), ("set", *of, "x"),
                  ("set", *of, "=x"), ("unset", *of), ("set", "broker"), ("get", "broker", "x")):
        cli.refused("config", *words, status=2)


@test(stores=BOTH)
def c12_configurations_of_brokers(env):
    cli = Cli(env.broker)
    both = [cli.json("config", "get", "broker", *words, "--all") for words in ((), ("1",))]
    expect(both[0], both[1], "the only broker")
    names = {c["name"] for c in both[0][0]["configs"]}
    expect_true({"message.max.bytes", "num.partitions"} <= names, f"names: {sorted(names)}")
    changed = {c["name"] for c in cli.json("config", "get", "broker", 1)[0]["configs"]}
    expect_true("node.id" in changed, f"what is configured: {sorted(changed)}")
    expect_true("auto.create.topics.enable" in names - changed, f"a default: {sorted(changed)}")
    cli.refused("config", "get", "broker", 9, says="no broker 9")
    cli.refused("config", "set", "broker", 1, "node.id=4", says="node.id")


# --- quotas ---

@test(stores=BOTH)
def c13_quotas(env):
    cli, user, client = Cli(env.broker), f"{env.name}-user", f"{env.name}-id"

    def mine():
        return [q for q in cli.json("quota", "list") if q["entity"].get("user") == user]
    cli.ok("quota", "set", "--user", user, "producer_byte_rate=1024", "request_percentage=12.5")
    cli.ok("quota", "set", "--user", user, "--client-id", client, "consumer_byte_rate=5e6")
    cli.ok("quota", "set", "--user", user, "--client-id-default", "consumer_byte_rate=7")
    wanted = [{"entity": {"user": user}, "quotas": {"producer_byte_rate": 1024.0,
                                                    "request_percentage": 12.5}},
              {"entity": {"user": user, "client-id": client},
               "quotas": {"consumer_byte_rate": 5e6}},
              {"entity": {"user": user, "client-id": None}, "quotas": {"consumer_byte_rate": 7.0}}]
    key = lambda q: sorted(q["quotas"].items())  # noqa: E731
    expect(sorted(mine(), key=key), sorted(wanted, key=key), "quota list")
    some = cli.json("quota", "list", "--user", user, "--client-id", client)
    expect(some, [wanted[1]], "quota list of one entity")
    text = cli.ok("quota", "list", "--user", user)
    for part in (f"user {user}, client-id {client}", "(default)", "5000000", "12.5"):
        expect_true(part in text, f"{part!r} is not in {text!r}")
    cli.refused("quota", "set", "--user", user, "producer_byte_rat=1",
                says=("INVALID_REQUEST", "mean producer_byte_rate?"))
    cli.refused("quota", "set", "--user", user, "producer_byte_rate=-1", says="INVALID_REQUEST")
    for words in (("producer_byte_rate=1",), ("--user", user), ("--user", user, "x"),
                  ("--user", user, "producer_byte_rate=much"),
                  ("--user", user, "--user-default", "producer_byte_rate=1")):
        cli.refused("quota", "set", *words, status=2)
    cli.ok("quota", "unset", "--user", user, "producer_byte_rate", "request_percentage")
    cli.ok("quota", "unset", "--user", user, "--client-id", client, "consumer_byte_rate")
    cli.ok("quota", "unset", "--user", user, "--client-id-default", "consumer_byte_rate")
    expect(mine(), [], "after unset")


# --- clusters ---

class SecondKafka(KafkaBroker):
    """A broker that joins the cluster of another one, which is its controller."""

    def __init__(self, directory, first):
        super().__init__(directory, heap="512m", options=(
            "process.roles=broker", "node.id=2",
            f"controller.quorum.voters=1@127.0.0.1:{first.controller_port}"))
        self.options += [f"listeners=PLAINTEXT://127.0.0.1:{self.port}"]
        self.first = first

    def prepare(self):
        super().prepare()
        ours, theirs = (d / "data" / "meta.properties" for d in (self.dir, self.first.dir))
        cluster = re.search(r"(?m)^cluster.id=.*$", theirs.read_text())[0]
        ours.write_text(re.sub(r"(?m)^cluster.id=.*$", lambda _: cluster, ours.read_text()))


@test(brokers=("kafka",), timeout=180)
def c14_two_brokers(env):
    """Leaders and coordinators are two brokers; either may be named."""
    one = env.own(heap="512m")
    two = SecondKafka(env.dir / "two", one)
    env.brokers.append(two)
    env.stack.callback(two.kill)
    two.start()
    raws = {1: env.client(one), 2: env.client(two)}
    eventually(lambda: len(raws[1].metadata([])["brokers"]) == 2, 60, "two brokers")
    cli, other = Cli(one), Cli(two)
    cli.ok("topic", "create", "spread", "--partitions", 8)
    row = raws[1].wait_ready("spread")
    expect({p["leader"] for p in row["partitions"]}, {1, 2}, "leaders")
    for p in row["partitions"]:
        leader = raws[p["leader"]]
        batch = make_batch([b"x"] * (p["index"] + 1))
        expect(leader.produce_until_ok("spread", p["index"], batch)["error"], 0, "produce")
    for which in (cli, other):
        seen = which.json("topic", "describe", "spread")["partitions"]
        expect([p["end"] for p in seen], list(range(1, 9)), "ends")
        expect_true(all(p["size_bytes"] > 0 for p in seen), f"sizes: {seen}")
    groups = [f"group-{i}" for i in range(6)]
    for i, group in enumerate(groups):
        (cli if i % 2 else other).ok("group", "reset", group, "--topic", "spread", "--to-earliest",
                                     "--execute")
    coordinators = {cli.json("group", "describe", g)["coordinator"] for g in groups}
    expect(coordinators, {1, 2}, "coordinators")
    for which in (cli, other):
        expect([g["group"] for g in which.json("group", "list")], sorted(groups), "group list")
        expect(which.json("group", "lag", groups[0])["lag"], 36, "lag")
        expect([b["name"] for b in which.json("config", "get", "broker")], ["1", "2"], "brokers")
    for p in (3, 4):
        other.ok("topic", "delete-records", "spread", "-p", p, "--before", 2)
    for group in groups:
        cli.ok("group", "delete", group)
    expect(other.json("group", "list"), [], "groups are gone")


@test(brokers=("sluice",), stores=BOTH)
def c15_nobody_answers(env):
    broker = env.own(start=False, port=free_port())
    cli = Cli(broker)
    cli.refused("topic", "list", says=(f"cannot connect to {broker.address}", "Connection refused"))
    began = time.monotonic()
    done = subprocess.run([str(SLUICE), "group", "list", "--address", "no.such.host.invalid:9092"],
                          capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode, 1, "status")
    expect_true("no.such.host.invalid:9092" in done.stderr, done.stderr)
    expect_true(time.monotonic() - began < 60, "it ends")
