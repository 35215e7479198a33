# SPDX-License-Identifier: Apache-2.0
"""g…: consumer groups of the classic protocol: each client library as a member, members that come, go
and die, static and cooperative ones, brokers that restart and die."""
import subprocess
import time

from clients import CURRENT_PYTHON, KINDS, PROGRAMS, tool, venv
from harness import BOTH, eventually, expect, expect_true, register, test
from rawkafka import make_batch
from suite_groups848 import Members, all_parts, librdkafka, settled

PARTITIONS, EACH = 4, 50


def fill(env, raw, partitions=PARTITIONS, each=EACH):
    """A topic with `each` numbered records in every partition."""
    topic = env.topic(partitions, client=raw)
    for p in range(partitions):
        rows = [(None, f"{p}/{i}".encode()) for i in range(each)]
        raw.produce(topic, p, make_batch(rows))
    return topic


def all_of(partitions=PARTITIONS, each=EACH):
    return sorted((p, i, f"{p}/{i}".encode()) for p in range(partitions) for i in range(each))


def two_members(env, kind):
    """Two members share the partitions, commit, and leave nothing for a third."""
    raw = env.client()
    topic, group = fill(env, raw), f"{env.name}-group"
    one, two = env.program(kind.name), env.program(kind.name)
    half = PARTITIONS * EACH // 2
    one.group_begin(topic, group, half, 40)
    two.group_begin(topic, group, half, 40)
    a, b = one.group_end(40), two.group_end(40)
    expect(sorted(a + b), all_of(), "what both read together")
    expect_true(not {p for p, _, _ in a} & {p for p, _, _ in b}, "a partition has one owner")
    expect(one.group(topic, group, 1, 8), [], "what is left after both committed")


def goes_on(env, kind):
    """A member that comes back goes on where its group has committed; another library too."""
    raw = env.client()
    topic, group = fill(env, raw, 1, 100), f"{env.name}-group"
    first = env.program(kind.name).group(topic, group, 40, 30)
    expect([o for _, o, _ in first][:40], list(range(40)), "the first forty")
    at = len(first)  # a library may commit all that it fetched at once
    second = env.program("confluent-kafka").group(topic, group, 100 - at, 30)
    expect([o for _, o, _ in second], list(range(at, 100)), "the rest, read by another library")


def static_member(env, kind):
    """A static member that was away for less than its session comes back without a rebalance."""
    raw = env.client()
    topic, group = fill(env, raw, 1, 60), f"{env.name}-group"
    first = env.program(kind.name)
    got = first.group(topic, group, 20, 30, instance="one")
    expect([o for _, o, _ in got][:20], list(range(20)), "the first twenty")
    again = env.program(kind.name).group(topic, group, 60 - len(got), 40, instance="one")
    expect([o for _, o, _ in again], list(range(len(got), 60)), "the rest")


def cooperative(env, kind):
    raw = env.client()
    topic, group = fill(env, raw), f"{env.name}-group"
    one, two = env.program(kind.name), env.program(kind.name)
    one.group_begin(topic, group, PARTITIONS * EACH // 2, 40, strategy="cooperative")
    two.group_begin(topic, group, PARTITIONS * EACH // 2, 40, strategy="cooperative")
    expect(sorted(one.group_end(40) + two.group_end(40)), all_of(), "what both read together")


def register_clients():
    for kind in KINDS.values():
        if "group" in kind.lacks:
            continue
        cases = [two_members, goes_on]
        cases += [] if "static" in kind.lacks else [static_member]
        cases += [] if "cooperative" in kind.lacks else [cooperative]
        for case in cases:
            register(f"g1_{case.__name__}_{kind.name.replace('-', '_').replace('.', '_')}",
                     lambda env, k=kind, c=case: c(env, k), all_only=not kind.in_default,
                     timeout=180, stores=BOTH)


register_clients()


# --- members that stay: joining, leaving, crashing, brokers that restart ---

# Short delays, so that a rebalance does not take the three seconds that Kafka waits.
QUICK = ("server.group.initial.rebalance.delay.ms=500",)


def kafka_python():
    return [str(venv("venv", CURRENT_PYTHON)), str(PROGRAMS / "members" / "kafka_python.py")]


def old_kafka_python():
    packages = ("kafka-python==2.0.2", "lz4", "python-snappy", "zstandard")
    return [str(venv("venv-old", packages)), str(PROGRAMS / "members" / "kafka_python.py")]


class Watched(Members):
    """Members whose assignments are kept in the order in which they came."""

    def __init__(self, env, command, broker):
        self.history = []
        super().__init__(env, command, broker)

    def _read(self):
        for line in self.process.stdout:
            row = line.rstrip("\n").split("\t")
            if row[0] == "assigned":
                self.assigned[row[1]] = set() if row[2] == "-" else set(row[2].split(","))
                self.history.append((row[1], self.assigned[row[1]]))
            elif row[0] == "record":
                self.records.append((row[2], int(row[3]), int(row[4])))
            else:
                self.ended[row[1]] = row[2] if row[0] == "failed" else ""
                self.assigned.pop(row[1], None)

    def join(self, name, group, topic, **options):
        self.open(name, group, topic, protocol="classic", **options)


def pour(raw, topic, partitions, each, first=0):
    for p in range(partitions):
        rows = [(None, f"{i}".encode()) for i in range(first, first + each)]
        expect(raw.produce(topic, p, make_batch(rows))["error"], 0, "produced")


def three_members(env, command, strategy):
    """Three members join, one leaves, one crashes; what is produced all the while is read by
    somebody, each partition by one member at a time; what was committed is not read again."""
    broker = env.own(options=QUICK)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    pour(raw, topic, 6, 10)
    m, doomed = Watched(env, command, broker), Watched(env, command, broker)
    m.join("a", group, topic, assignor=strategy)
    settled([m], parts, [6])
    m.join("b", group, topic, assignor=strategy)
    settled([m], parts, [3, 3])
    doomed.join("c", group, topic, assignor=strategy)
    settled([m, doomed], parts, [2, 2, 2])
    pour(raw, topic, 6, 10, first=10)
    wanted = {(topic, p, o) for p in range(6) for o in range(20)}
    eventually(lambda: set(m.records + doomed.records) == wanted, 30, "all records are read")
    m.close("b")
    settled([m, doomed], parts, [3, 3])
    doomed.crash()
    settled([m], parts, [6])
    pour(raw, topic, 6, 10, first=20)
    wanted = {(topic, p, o) for p in range(6) for o in range(20, 30)}
    eventually(lambda: wanted <= set(m.records), 30, "what came after the crash is read")
    m.close("a")
    m.records.clear()
    m.join("d", group, topic, assignor=strategy)
    settled([m], parts, [6])
    pour(raw, topic, 6, 1, first=30)
    eventually(lambda: {r[1] for r in m.records} == set(range(6)), 30, "new records are read")
    expect({r[2] for r in m.records}, {30}, "offsets read after all had committed and left")
    m.close("d")


@test(brokers=("sluice",), stores=BOTH, timeout=180)
def g20_three_members_confluent_eager(env):
    three_members(env, librdkafka(), "range")


@test(brokers=("sluice",), stores=BOTH, all_only=True, timeout=180)
def g20_three_members_confluent_cooperative(env):
    three_members(env, librdkafka(), "cooperative-sticky")


@test(brokers=("sluice",), stores=BOTH, timeout=180)
def g20_three_members_kafka_python(env):
    three_members(env, kafka_python(), "range")


@test(brokers=("sluice",), stores=BOTH, all_only=True, timeout=180)
def g20_three_members_kafka_python_2_0_2(env):
    three_members(env, old_kafka_python(), "range")


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g21_mixed_libraries_share_one_group(env):
    """Two libraries in one group: what one assigns the other understands."""
    broker = env.own(options=QUICK)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    one, two = Watched(env, librdkafka(), broker), Watched(env, kafka_python(), broker)
    one.join("a", group, topic, assignor="range")
    settled([one], parts, [6])
    two.join("b", group, topic, assignor="range")
    settled([one, two], parts, [3, 3])
    one.close("a")
    settled([two], parts, [6])
    two.close("b")


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g22_static_member_crashes_and_returns_unnoticed(env):
    """kill -9 and a new process with the same instance id: nobody rebalances."""
    broker = env.own(options=QUICK)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    other, first = Watched(env, librdkafka(), broker), Watched(env, librdkafka(), broker)
    other.join("b", group, topic, assignor="range", instance="two")
    first.join("a", group, topic, assignor="range", instance="one")
    before = settled([other, first], parts, [3, 3])
    seen = len(other.history)
    first.crash()
    again = Watched(env, librdkafka(), broker)
    again.join("a", group, topic, assignor="range", instance="one")
    after = settled([other, again], parts, [3, 3])
    expect(after, before, "assignment when it is back")
    pour(raw, topic, 6, 5)
    eventually(lambda: len(set(other.records + again.records)) == 30, 20, "both read on")
    expect(other.history[seen:], [], "what the other one noticed")


def restart(env, end):
    broker = env.own(options=QUICK)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    one, two = Watched(env, librdkafka(), broker), Watched(env, kafka_python(), broker)
    one.join("a", group, topic, assignor="range")
    two.join("b", group, topic, assignor="range")
    settled([one, two], parts, [3, 3])
    pour(raw, topic, 6, 5)
    eventually(lambda: len(set(one.records + two.records)) == 30, 20, "both read")
    seen = len(one.history), len(two.history)
    end(broker)
    broker.start()
    raw = env.client(broker)
    pour(raw, topic, 6, 5, first=5)
    eventually(lambda: len(set(one.records + two.records)) == 60, 40, "both read on")
    expect((one.history[seen[0]:], two.history[seen[1]:]), ([], []), "rebalances after the restart")
    expect(len(one.records + two.records), 60, "records read, each once")
    one.close("a")
    two.close("b")


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g23_restarted_broker_keeps_groups_without_a_rebalance(env):
    restart(env, lambda broker: expect(broker.stop(), 0, "exit status"))


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g23_killed_broker_keeps_groups_without_a_rebalance(env):
    restart(env, lambda broker: broker.kill())


def commit_body(group, topic, offset, generation=-1, member=""):
    return {"group_id": group, "generation": generation, "member_id": member,
            "retention_time_ms": -1, "topics": [{"name": topic, "partitions": [
                {"index": 0, "offset": offset, "leader_epoch": -1, "metadata": "m"}]}]}


def fetched(raw, group, topic):
    reply = raw.call("OffsetFetch", 5, {"group_id": group, "topics": [
        {"name": topic, "partitions": [0]}]})
    row = reply["topics"][0]["partitions"][0]
    expect((reply["error"], row["error"]), (0, 0), "errors of OffsetFetch")
    return row["offset"]


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g24_acknowledged_commits_survive_kill_9(env):
    broker = env.own()
    topic, acked = env.topic(client=env.client(broker)), -1
    for _ in range(5):
        raw = env.client(broker)
        for _ in range(50):
            reply = raw.call("OffsetCommit", 7, commit_body("group", topic, acked + 1))
            expect(reply["topics"][0]["partitions"][0]["error"], 0, "commit")
            acked += 1
        broker.kill()
        broker.start()
        expect(fetched(env.client(broker), "group", topic), acked, "what is committed")


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g25_two_brokers_see_each_others_commits(env):
    one, two = env.own(), env.own()
    a, b = env.client(one), env.client(two)
    topic = env.topic(client=a)
    b.wait_ready(topic)
    for i in range(50):
        reply = (a if i % 2 else b).call("OffsetCommit", 7, commit_body("group", topic, i))
        expect(reply["topics"][0]["partitions"][0]["error"], 0, "commit")
        expect(fetched(b if i % 2 else a, "group", topic), i, "what the other broker says")


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g26_another_broker_takes_a_group_over(env):
    """The members move to the other broker when theirs dies, and go on where they were."""
    one, two = env.own(options=QUICK), env.own(options=QUICK)
    raw = env.client(one)
    topic, group = env.topic(4, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 4)
    m = Watched(env, librdkafka(), one)
    m.join("a", group, topic, assignor="range")
    settled([m], parts, [4])
    pour(raw, topic, 4, 10)
    eventually(lambda: len(set(m.records)) == 40, 20, "read")
    m.close("a")
    one.kill()
    n = Watched(env, librdkafka(), two)
    n.join("a", group, topic, assignor="range")
    settled([n], parts, [4])
    pour(env.client(two), topic, 4, 10, first=10)
    eventually(lambda: len(set(n.records)) == 40, 20, "read on")
    expect({r[2] for r in n.records}, set(range(10, 20)), "offsets read at the other broker")
    n.close("a")


class Both:
    """Two brokers as bootstrap servers."""

    def __init__(self, *brokers):
        self.address = ",".join(b.address for b in brokers)


@test(brokers=("sluice",), stores=BOTH, timeout=120)
def g26_coordinator_dies_and_the_group_goes_on_without_a_rebalance(env):
    one = env.own(options=QUICK + ("server.node.id=1",))
    two = env.own(options=QUICK + ("server.node.id=2",))
    raw = env.client(one)
    topic, group = env.topic(4, client=raw), f"{env.name}-group"
    env.client(two).wait_ready(topic)
    m = Watched(env, librdkafka(), Both(one, two))
    m.join("a", group, topic, assignor="range")
    settled([m], all_parts(topic, 4), [4])
    pour(raw, topic, 4, 10)
    eventually(lambda: len(set(m.records)) == 40, 20, "read")
    seen = len(m.history)
    first, other = (one, two) if group in one.log_text() else (two, one)
    first.kill()
    pour(env.client(other), topic, 4, 10, first=10)
    eventually(lambda: len(set(m.records)) == 80, 40, "read on at the other broker")
    eventually(lambda: fetched(env.client(other), group, topic) == 20, 20, "committed there")
    expect(m.history[seen:], [], "rebalances")
    m.close("a")


@test(brokers=("sluice",), stores=BOTH, all_only=True, timeout=180)
def g27_stop_does_not_wait_for_members(env):
    """A broker that is told to stop answers those who wait in a rebalance, and ends at once."""
    broker = env.own(options=("server.group.initial.rebalance.delay.ms=60000",))
    raw = env.client(broker)
    topic = env.topic(client=raw)
    m = Watched(env, librdkafka(), broker)
    m.join("a", "group", topic, assignor="range")
    eventually(lambda: "rebalancing" in broker.log_text(), 20, "it waits")
    began = time.monotonic()
    expect(broker.stop(), 0, "exit status")
    expect_true(time.monotonic() - began < 9, "it did not wait for its time-out")


# --- administration, with Java's own tool ---

def groups_tool(broker, *words):
    command = tool("consumer.group.ConsumerGroupCommand", "--bootstrap-server", broker.address,
                   *words)
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return done.stdout + done.stderr


@test(brokers=("sluice",), stores=BOTH, all_only=True, timeout=240)
def g30_java_group_command(env):
    broker = env.own(options=QUICK)
    raw = env.client(broker)
    topic, group = env.topic(2, client=raw), "java-group"
    pour(raw, topic, 2, 10)
    m = Watched(env, librdkafka(), broker)
    m.join("a", group, topic, assignor="range")
    settled([m], all_parts(topic, 2), [2])
    eventually(lambda: len(set(m.records)) == 20, 20, "read")
    expect_true(group in groups_tool(broker, "--list"), "listed")
    out = groups_tool(broker, "--list", "--state", "Stable")
    expect_true(group in out, f"listed as stable: {out}")
    out = groups_tool(broker, "--describe", "--group", group, "--members", "--verbose")
    expect_true("rdkafka" in out or "a-" in out, f"its member: {out}")
    out = groups_tool(broker, "--describe", "--group", group, "--state")
    expect_true("Stable" in out and "range" in out, f"its state: {out}")
    out = groups_tool(broker, "--delete", "--group", group)
    expect_true("NON_EMPTY_GROUP" in out.upper().replace(" ", "_") or "not empty" in out,
                f"a group with members is not deleted: {out}")
    out = groups_tool(broker, "--delete-offsets", "--group", group, "--topic", topic)
    expect_true("subscribed" in out.lower(), f"nor offsets of what it is subscribed to: {out}")
    m.close("a")
    out = groups_tool(broker, "--describe", "--group", group)
    expect_true("10" in out, f"its offsets: {out}")
    out = groups_tool(broker, "--reset-offsets", "--group", group, "--topic", topic,
                      "--to-offset", "3", "--execute")
    expect(fetched(raw, group, topic), 3, f"the offset after a reset: {out}")
    out = groups_tool(broker, "--delete-offsets", "--group", group, "--topic", topic)
    expect(fetched(raw, group, topic), -1, f"the offset after its deletion: {out}")
    out = groups_tool(broker, "--delete", "--group", group)
    expect_true("successful" in out, f"deleted: {out}")
    expect_true(group not in groups_tool(broker, "--list").split(), "not listed any more")
