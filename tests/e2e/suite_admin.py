# SPDX-License-Identifier: Apache-2.0
"""d0x: what administrators do, through Kafka's own tools, other clients' admin APIs and raw frames."""
import json
import subprocess
import time

import rawkafka as k
from brokers import KafkaBroker
from clients import Row, need, python_program
from harness import BOTH, eventually, expect, expect_true, short, test
from kschema import MESSAGES, ZERO_UUID, SchemaError
from suite_protocol import errors_in

# What this suite exercises at every version; test_table.c and docs/protocol.md say the same.
ADVERTISED = {"DeleteTopics": (1, 6), "DescribeAcls": (1, 3), "CreateAcls": (1, 3),
              "DeleteAcls": (1, 3), "AlterConfigs": (0, 2), "IncrementalAlterConfigs": (0, 1),
              "DescribeClientQuotas": (0, 1), "AlterClientQuotas": (0, 1),
              "DescribeUserScramCredentials": (0, 0),
              "DescribeLogDirs": (1, 4), "DeleteRecords": (0, 2), "ElectLeaders": (0, 2),
              "ListPartitionReassignments": (0, 0), "DescribeTopicPartitions": (0, 0)}

ANY_ACL = {"resource_type_filter": 1, "pattern_type_filter": 1, "operation": 1, "permission_type": 1}
ONE_ACL = {"resource_type": 2, "resource_name": "t", "resource_pattern_type": 3, "principal": "User:a",
           "host": "*", "operation": 3, "permission_type": 3}


class Tool:
    """Kafka's command line tools, from the Maven packages of the Kafka peer."""

    CLASSES = {"topics": "org.apache.kafka.tools.TopicCommand",
               "configs": "kafka.admin.ConfigCommand",
               "offsets": "org.apache.kafka.tools.GetOffsetShell",
               "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
               "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
               "election": "org.apache.kafka.tools.LeaderElectionCommand",
               "acls": "org.apache.kafka.tools.AclCommand",
               "reassign": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"}

    def __init__(self, env, broker=None):
        need("java")
        self.jars, self.dir = KafkaBroker.jars(), env.dir
        self.address = (broker or env.broker).address
        self.log = self.dir / "log4j2.properties"
        self.log.write_text("rootLogger.level = warn\nrootLogger.appenderRef.e.ref = e\n"
                            "appender.e.type = Console\nappender.e.name = e\n"
                            "appender.e.target = SYSTEM_ERR\nappender.e.layout.type = PatternLayout\n"
                            "appender.e.layout.pattern = %p %m%n\n")

    def run(self, name, *args, file=None, timeout=60):
        """(status, everything it printed). file: text that a {file} in args stands for."""
        path = self.dir / "tool.json"
        if file is not None:
            path.write_text(file)
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                   f"-Dlog4j2.configurationFile={self.log}", "-cp", self.jars, self.CLASSES[name],
                   "--bootstrap-server", self.address, *[a.replace("{file}", str(path)) for a in args]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        return done.returncode, done.stdout + done.stderr

    def ok(self, name, *args, **kwargs):
        status, text = self.run(name, *args, **kwargs)
        if status:
            raise AssertionError(f"{name} {' '.join(args)}: status {status}: {text[-600:]}")
        return text


class Admin:
    """The admin client of another library: a program in clients/ that answers in JSON."""

    def __init__(self, env, script, broker=None):
        command = python_program(script) + [(broker or env.broker).address]
        self.name = script
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, start_new_session=True)
        env.stack.callback(self.close)

    def call(self, what, **args):
        """The answer; a ClientError of the library becomes {"error": text}."""
        self.process.stdin.write(json.dumps([what, args]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name}: ended")
        return json.loads(line)

    def close(self):
        self.process.kill()
        self.process.wait(10)


def expect_text(text, part, what):
    if part not in text:
        raise AssertionError(f"{what}: {part!r} is not in {short(text)}")


def quota(entity, **values):
    """A request that sets values (None removes) of one entity: [(type, name or None)]."""
    return {"entries": [{
        "entity": [{"entity_type": t, "entity_name": n} for t, n in entity],
        "ops": [{"key": key, "value": v or 0.0, "remove": v is None} for key, v in values.items()]}]}


def bodies(raw, topic):
    """{API: function of a version: (request, the error codes that are right in the answer)}"""
    def delete_topics(version):
        name = f"{topic}.v{version}"
        expect(raw.create(name), 0, f"creating {name}")
        raw.wait_ready(name)
        return {"topics": [{"name": name}], "topic_names": [name], "timeout_ms": 20000}, {0}

    return {
        "DescribeAcls": lambda v: (ANY_ACL, {k.SECURITY_DISABLED}),
        "CreateAcls": lambda v: ({"creations": [ONE_ACL]}, {k.SECURITY_DISABLED}),
        "DeleteAcls": lambda v: ({"filters": [ANY_ACL]}, {k.SECURITY_DISABLED}),
        "AlterConfigs": lambda v: ({"resources": [{"resource_type": 2, "resource_name": topic,
                                                  "configs": [{"name": "retention.ms",
                                                               "value": str(v)}]}]}, {0}),
        "IncrementalAlterConfigs": lambda v: (
            {"resources": [{"resource_type": 2, "resource_name": topic, "configs": [
                {"name": "retention.ms", "config_operation": 1}]}]}, {0}),
        "DescribeUserScramCredentials": lambda v: ({"users": [{"name": "nobody"}]},
                                                   {0, k.RESOURCE_NOT_FOUND}),
        "DescribeClientQuotas": lambda v: ({"components": []}, {0}),
        "AlterClientQuotas": lambda v: (quota([("client-id", "d01")], consumer_byte_rate=1e9 + v), {0}),
        "DescribeLogDirs": lambda v: ({"topics": None}, {0}),
        "DeleteTopics": delete_topics,
        "DeleteRecords": lambda v: ({"topics": [{"name": topic, "partitions": [
            {"partition_index": 0, "offset": -1}]}], "timeout_ms": 5000}, {0}),
        "ElectLeaders": lambda v: ({"topic_partitions": [{"topic": topic, "partitions": [0]}],
                                    "timeout_ms": 5000}, {0, k.ELECTION_NOT_NEEDED}),
        "ListPartitionReassignments": lambda v: ({"timeout_ms": 5000}, {0}),
        "DescribeTopicPartitions": lambda v: ({"topics": [{"name": topic}],
                                               "response_partition_limit": 10}, {0}),
    }


@test(timeout=180, stores=BOTH)
def d01_every_version_decodes(env):
    raw, topic = env.client(), env.topic()
    ranges = raw.versions()
    for name, (low, high) in ADVERTISED.items():
        got = ranges.get(MESSAGES[name].key)
        if env.is_kafka:
            expect_true(got and got[0] <= low and got[1] >= high, f"{name}: {got}")
        else:
            expect(got, (low, high), f"{name}: advertised")
        for version in range(low, high + 1):
            what = f"{name} v{version}"
            body, right = bodies(raw, topic)[name](version)
            known = {f.name for f in MESSAGES[name].request if version in f.versions}
            try:
                reply = raw.call(name, version, {f: v for f, v in body.items() if f in known})
            except (SchemaError, k.ConnectionClosed) as e:
                raise AssertionError(f"{what}: {e}") from e
            expect_true(set(errors_in(reply)) <= right, f"{what}: {reply}")


@test(stores=BOTH)
def d02_acls_without_an_authorizer(env):
    tool = Tool(env)
    for args in (("--list",), ("--add", "--allow-principal", "User:a", "--operation", "Read",
                               "--topic", "t"),
                 ("--remove", "--force", "--topic", "t")):
        _, text = tool.run("acls", *args)
        expect_text(text, "SecurityDisabledException", f"kafka-acls {args[0]}")
        expect_text(text, "No Authorizer is configured", f"kafka-acls {args[0]}")


@test(stores=BOTH)
def d02_elections_and_reassignments(env):
    tool, topic = Tool(env), env.topic(partitions=2)
    text = tool.ok("election", "--election-type", "preferred", "--topic", topic, "--partition", "1")
    expect_text(text, f"Valid replica already elected for partitions {topic}-1", "kafka-leader-election")
    tool.ok("election", "--election-type", "preferred", "--all-topic-partitions")
    status, text = tool.run("election", "--election-type", "preferred", "--topic", topic,
                            "--partition", "7")
    expect_true(status != 0, f"an election of a partition that is not there: {text}")
    expect_text(tool.ok("reassign", "--list"), "No partition reassignments found", "reassign --list")


@test(stores=BOTH)
def d02_describe_topics(env):
    """Java's admin client describes topics by pages (DescribeTopicPartitions)."""
    tool, topic = Tool(env), env.topic(partitions=3)
    text = tool.ok("topics", "--describe", "--topic", topic)
    expect_text(text, "PartitionCount: 3", "kafka-topics --describe")
    expect_text(text, "Partition: 2", "kafka-topics --describe")
    many = [env.topic(partitions=50) for _ in range(2)]
    text = tool.ok("topics", "--describe", "--partition-size-limit-per-response", "20", "--topic",
                   f"{env.name}.*")
    for name in many:
        expect(text.count(f"Topic: {name}\tPartition:"), 50, f"partitions of {name}")


@test(stores=BOTH)
def d02_other_clients(env):
    confluent, python = Admin(env, "confluent_admin.py"), Admin(env, "kafka_python_admin.py")
    topic = env.topic(partitions=3)
    for admin in (confluent, python):
        expect_text(str(admin.call("acls")).replace("_", "").lower(), "securitydisabled", admin.name)
    expect(confluent.call("elect", topic=topic, partition=1), "ELECTION_NOT_NEEDED", "elect_leaders")
    expect(confluent.call("elect", topic=topic, partition=3), "UNKNOWN_TOPIC_OR_PART", "elect_leaders")
    expect_true("error" not in python.call("reassignments"), "list_partition_reassignments")
    expect_text(str(python.call("topic_pages", topic=topic)), topic, "describe_topic_partitions")


# --- DeleteRecords, DescribeLogDirs ---

def fill(raw, topic, count, partition=0):
    for i in range(count):
        expect(raw.produce(topic, partition, k.make_batch([(b"k", b"%d" % i)]))["error"], 0, "produce")


@test(stores=BOTH)
def d03_delete_records_java(env):
    tool, raw, topic = Tool(env), env.client(), env.topic(partitions=2)
    fill(raw, topic, 10)
    text = tool.ok("delete-records", "--offset-json-file", "{file}", file=json.dumps(
        {"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": 4},
                                      {"topic": topic, "partition": 1, "offset": -1}]}))
    expect_text(text, f"partition: {topic}-0\tlow_watermark: 4", "kafka-delete-records")
    expect(raw.list_offset(topic, 0, -2)["offset"], 4, "log start")
    expect_text(tool.ok("offsets", "--topic", topic, "--time", "earliest"), f"{topic}:0:4",
                "kafka-get-offsets")
    expect(raw.fetch(topic, 0, 3)["error"], k.OFFSET_OUT_OF_RANGE, "a fetch below the start")
    expect([b.base_offset for b in raw.read_batches(topic, 0, 4)], list(range(4, 10)), "the rest")
    _, text = tool.run("delete-records", "--offset-json-file", "{file}", file=json.dumps(
        {"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": 11}]}))
    expect_text(text, "OffsetOutOfRangeException", "an offset beyond the end")


@test(stores=BOTH)
def d03_delete_records_confluent(env):
    admin, raw, topic = Admin(env, "confluent_admin.py"), env.client(), env.topic(partitions=2)
    fill(raw, topic, 5, partition=1)
    expect(admin.call("delete_records", topic=topic, offsets={"1": 2, "0": 0}), {"0": 0, "1": 2},
           "low watermarks")
    expect(admin.call("delete_records", topic=topic, offsets={"1": -1})["1"], 5, "to the end")
    expect_text(str(admin.call("delete_records", topic=topic, offsets={"1": 6})["1"]), "out of range",
                "beyond the end")


@test(brokers=("sluice",), stores=BOTH)  # Kafka writes its log starts down now and then
def d03_deleted_records_stay_deleted(env):
    broker = env.own()
    raw = env.client(broker)
    topic = env.topic(client=raw)
    fill(raw, topic, 6)
    reply = raw.call("DeleteRecords", 2, {"timeout_ms": 5000, "topics": [
        {"name": topic, "partitions": [{"partition_index": 0, "offset": 5}]}]})
    expect(reply["topics"][0]["partitions"][0]["low_watermark"], 5, "low watermark")
    broker.kill()
    broker.start()
    raw = env.client(broker)
    raw.wait_ready(topic)
    expect(raw.list_offset(topic, 0, -2)["offset"], 5, "log start after kill -9")
    expect(raw.end_offset(topic, 0), 6, "end after kill -9")


@test(stores=BOTH)
def d03_log_dirs(env):
    tool, raw, topic = Tool(env), env.client(), env.topic(partitions=2)
    batch = k.make_batch([b"x" * 1000])
    for _ in range(3):
        expect(raw.produce(topic, 1, batch)["error"], 0, "produce")
    text = tool.ok("log-dirs", "--describe", "--topic-list", topic)
    rows = json.loads(text[text.index("{"):text.rindex("}") + 1])
    dirs = rows["brokers"][0]["logDirs"]
    expect((len(dirs), dirs[0]["error"]), (1, None), "kafka-log-dirs: directories")
    sizes = {p["partition"]: p["size"] for p in dirs[0]["partitions"]}
    expect(sizes, {f"{topic}-0": 0, f"{topic}-1": 3 * len(batch)}, "kafka-log-dirs: sizes")
    admin = Admin(env, "kafka_python_admin.py")
    sizes = admin.call("log_dirs", topic=topic)
    expect(sizes, {"0": 0, "1": 3 * len(batch)}, "kafka-python: sizes")


# --- DeleteTopics ---

@test(stores=BOTH)
def d04_delete_topics_java(env):
    tool, raw, topic = Tool(env), env.client(), env.topic(partitions=5)
    expect(raw.produce(topic, 3, k.make_batch([b"old"]))["error"], 0, "produce")
    old_id = raw.topic_id(topic)
    tool.ok("topics", "--delete", "--topic", topic)
    eventually(lambda: raw.metadata([topic])["topics"][0]["error"] == k.UNKNOWN_TOPIC_OR_PARTITION,
               10, "Metadata forgets the topic")
    expect(raw.produce(topic, 3, k.make_batch([b"x"]))["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "produce")
    expect(raw.fetch(topic, 3, 0)["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "fetch")
    _, text = tool.run("topics", "--delete", "--topic", topic)
    expect_text(text, "does not exist as expected", "kafka-topics --delete, again")
    tool.ok("topics", "--create", "--topic", topic, "--partitions", "5")
    raw.wait_ready(topic)
    expect_true(raw.topic_id(topic) != old_id, "the new topic has the id of the old one")
    expect(raw.produce(topic, 3, k.make_batch([b"new"]))["base_offset"], 0, "the first new offset")
    body = raw.fetch_body([(old_id, 3, 0, 1000)], max_wait_ms=10)
    row = raw.call("Fetch", 13, body)["responses"][0]["partitions"][0]
    expect(row["error"], k.UNKNOWN_TOPIC_ID, "a fetch of the old id")


@test(stores=BOTH)
def d04_delete_topics_other_clients(env):
    raw = env.client()
    for script in ("confluent_admin.py", "kafka_python_admin.py"):
        admin, topic = Admin(env, script), env.topic(partitions=3)
        expect(admin.call("delete_topic", topic=topic), "ok", f"{script}: delete")
        eventually(lambda: raw.metadata([topic])["topics"][0]["error"] != 0, 10, "it is gone")
        expect_text(str(admin.call("delete_topic", topic=topic)).replace("_", "").lower(),
                    "unknowntopicorpart",
                    f"{script}: again")
        expect(admin.call("create_topic", topic=topic, partitions=2), "ok", f"{script}: create")
        raw.wait_ready(topic)


@test(stores=BOTH)
def d04_delete_topics_by_id(env):
    raw, topics = env.client(), [env.topic() for _ in range(2)]
    ids = [raw.topic_id(t) for t in topics]
    bad = bytes(range(16))
    reply = raw.call("DeleteTopics", 6, {"timeout_ms": 20000, "topics": [
        {"topic_id": ids[0]}, {"topic_id": bad}, {"name": topics[1], "topic_id": ids[1]},
        {"name": "none"}, {}]})
    rows = reply["responses"]
    by_id = {r["topic_id"]: (r["name"], r["error"]) for r in rows if r["topic_id"] != ZERO_UUID}
    expect(by_id[ids[0]], (topics[0], 0), "by id")
    expect(by_id[bad], (None, k.UNKNOWN_TOPIC_ID), "an unknown id")
    expect(by_id[ids[1]][1], k.INVALID_REQUEST, "name and id")
    others = sorted(r["error"] for r in rows if r["topic_id"] == ZERO_UUID)
    expect(others, [k.UNKNOWN_TOPIC_OR_PARTITION, k.INVALID_REQUEST], "unknown name, neither")


@test(brokers=("sluice",), stores=BOTH, timeout=180)
def d05_deletion_is_cut_short(env):
    """kill -9 at any point of deletions; afterwards each topic is whole or gone, in every journal."""
    broker = env.own(options=["journal.cluster.journals=4"])
    for round_nr in range(12):
        raw = env.client(broker)
        names = [f"t{round_nr}.{i}" for i in range(20)]
        for name in names:
            expect(raw.create(name, 6), 0, "create")
        raw.send("DeleteTopics", 6, {"timeout_ms": 20000, "topics": [{"name": n} for n in names[:10]]})
        for name in names[10:]:
            raw.send("DeleteTopics", 6, {"timeout_ms": 20000, "topics": [{"name": name}]})
        time.sleep(round_nr * 0.0007)  # where it is cut
        broker.kill()
        broker.start()
        raw = env.client(broker)
        for name in names:
            row = raw.metadata([name])["topics"][0]
            if row["error"] == 0:
                raw.wait_ready(name)
                for p in range(6):
                    expect(raw.produce_until_ok(name, p, k.make_batch([b"x"]))["error"], 0, "produce")
                continue
            expect(row["error"], k.UNKNOWN_TOPIC_OR_PARTITION, name)
            expect(raw.create(name, 6), 0, f"creating {name} again")
            raw.wait_ready(name)
            for p in range(6):
                expect(raw.produce(name, p, k.make_batch([b"x"]))["base_offset"], 0, "a fresh log")
        reply = raw.call("DeleteTopics", 6, {"timeout_ms": 20000,
                                             "topics": [{"name": n} for n in names]})
        expect(errors_in(reply), [0] * 20, "deleting all")
    eventually(lambda: raw.call("DescribeLogDirs", 4, {})["results"][0]["topics"] == [], 20,
               "no partition is left")


@test(brokers=("sluice",), stores=BOTH, timeout=180)
def d05_another_broker_deletes(env):
    """What one broker deletes and creates again is soon the same for the other."""
    one = env.own(options=["journal.cluster.journals=2"])
    two = env.own(node_id=2)
    raw_one, raw_two = env.client(one), env.client(two)
    expect(raw_one.create("t", 4), 0, "create")
    eventually(lambda: raw_two.metadata(["t"])["topics"][0]["error"] == 0, 20, "two knows the topic")
    old_id = raw_two.topic_id("t")
    expect(raw_two.produce_until_ok("t", 3, k.make_batch([b"old"]))["error"], 0, "produce at two")
    reply = raw_one.call("DeleteTopics", 6, {"timeout_ms": 20000, "topics": [{"name": "t"}]})
    expect(errors_in(reply), [0], "delete at one")
    row = raw_two.produce("t", 3, k.make_batch([b"late"]))
    expect(row["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "produce at two, which may not know it yet")
    eventually(lambda: raw_two.metadata(["t"])["topics"][0]["error"] == k.UNKNOWN_TOPIC_OR_PARTITION,
               30, "two forgets the topic")
    expect(raw_two.create("t", 4), 0, "created again at two")
    eventually(lambda: raw_one.metadata(["t"])["topics"][0]["error"] == 0, 30, "one knows it")
    new_id = raw_two.topic_id("t")
    expect_true(new_id != old_id, "the new topic has the id of the old one")
    eventually(lambda: raw_one.topic_id("t") == new_id, 30, "both say the same id")
    expect(raw_one.produce_until_ok("t", 3, k.make_batch([b"new"]))["base_offset"], 0, "a fresh log")


# --- configurations ---

@test(timeout=180, stores=BOTH)
def d06_configs_java(env):
    tool, topic = Tool(env), env.topic()
    entity = ("--entity-type", "topics", "--entity-name", topic)
    tool.ok("configs", "--alter", *entity, "--add-config", "retention.ms=1000,cleanup.policy=[compact,delete]")
    text = tool.ok("configs", "--describe", *entity)
    expect_text(text, "retention.ms=1000", "kafka-configs --describe")
    expect_text(text, "cleanup.policy=compact,delete", "kafka-configs --describe")
    expect_text(text, "DYNAMIC_TOPIC_CONFIG:retention.ms=1000", "its synonyms")
    tool.ok("configs", "--alter", *entity, "--delete-config", "retention.ms")
    text = tool.ok("configs", "--describe", *entity, "--all")
    expect_text(text, "retention.ms=" + ("-1" if env.is_kafka else "604800000"), "the default again")
    expect_text(text, "max.message.bytes=1048588", "all of them")
    for config, why in (("foo.bar=1", "Unknown topic config name: foo.bar"),
                        ("retention.ms=-7", "Value must be at least -1"),
                        ("compression.type=foo", "String must be one of")):
        status, text = tool.run("configs", "--alter", *entity, "--add-config", config)
        expect_true(status != 0, f"{config} is taken")
        expect_text(text, why, config)
    status, text = tool.run("configs", "--alter", "--entity-type", "brokers", "--entity-name", "1",
                            "--add-config", "node.id=5")
    expect_true(status != 0, f"a broker's configuration is changed: {text}")
    expect_text(text, "Cannot update these configs dynamically: [node.id]", "a broker's")


@test(stores=BOTH)
def d06_configs_confluent(env):
    admin, topic = Admin(env, "confluent_admin.py"), env.topic()
    expect(admin.call("alter", topic=topic, edits=[["retention.ms", "SET", "77"],
                                                   ["cleanup.policy", "APPEND", "compact"]]), "ok", "set")
    names = ["retention.ms", "cleanup.policy", "max.message.bytes"]
    expect(admin.call("describe", topic=topic, names=names), {
        "retention.ms": ["77", "DYNAMIC_TOPIC_CONFIG"],
        "cleanup.policy": ["delete,compact", "DYNAMIC_TOPIC_CONFIG"],
        "max.message.bytes": ["1048588", "DEFAULT_CONFIG"]}, "after SET and APPEND")
    expect(admin.call("alter", topic=topic, edits=[["cleanup.policy", "SUBTRACT", "delete"],
                                                   ["retention.ms", "DELETE", None]]), "ok", "take away")
    got = admin.call("describe", topic=topic, names=names)
    expect(got["cleanup.policy"], ["compact", "DYNAMIC_TOPIC_CONFIG"], "after SUBTRACT")
    expect(got["retention.ms"][1] == "DYNAMIC_TOPIC_CONFIG", False, "after DELETE")
    expect(admin.call("alter", topic=topic, validate=True, edits=[["retention.ms", "SET", "99"]]), "ok",
           "validate")
    expect(admin.call("describe", topic=topic, names=names), got, "validate_only changes nothing")
    expect_text(admin.call("alter", topic=topic, edits=[["retention.ms", "SET", "x"]]),
                "INVALID_CONFIG", "a bad value")
    expect(admin.call("replace", topic=topic, values={"retention.ms": "5"}), "ok", "replace")
    got = admin.call("describe", topic=topic, names=names)
    expect(got["retention.ms"], ["5", "DYNAMIC_TOPIC_CONFIG"], "after replacing")
    expect(got["cleanup.policy"][0], "delete", "after replacing")


@test(brokers=("sluice",), stores=BOTH)
def d06_configs_outlive_kill_9(env):
    broker = env.own()
    raw, topic = env.client(broker), None
    topic = env.topic(client=raw)
    body = {"resources": [{"resource_type": 2, "resource_name": topic, "configs": [
        {"name": "max.message.bytes", "value": "200"}]}]}
    expect(errors_in(raw.call("IncrementalAlterConfigs", 1, body)), [0], "alter")
    large = k.make_batch([b"x" * 300])
    expect(raw.produce(topic, 0, large)["error"], k.MESSAGE_TOO_LARGE, "at once")
    broker.kill()
    broker.start()
    raw = env.client(broker)
    raw.wait_ready(topic)
    expect(raw.produce_until_ok(topic, 0, k.make_batch([b"x"]))["error"], 0, "a small one")
    expect(raw.produce(topic, 0, large)["error"], k.MESSAGE_TOO_LARGE, "after kill -9")


@test(stores=BOTH)
def d06_configs_kafka_python(env):
    admin, raw, topic = Admin(env, "kafka_python_admin.py"), env.client(), env.topic()
    answer = admin.call("alter", topic=topic, values={"retention.ms": "99"})
    expect_true(isinstance(answer, str), f"alter: {answer}")
    reply = raw.call("DescribeConfigs", 4, {"resources": [
        {"resource_type": 2, "resource_name": topic, "configuration_keys": ["retention.ms"]}]})
    row = reply["results"][0]["configs"][0]
    expect((row["value"], row["config_source"]), ("99", 1), "DescribeConfigs")
    expect_text(str(admin.call("describe", topic=topic)), "'99'", "describe")
    answer = admin.call("alter", topic=topic, values={"retention.ms": "x"})
    expect_text(str(answer), "Not a number of type LONG", "a bad value")


# --- what configurations demand of a produce ---

@test(stores=BOTH)
def d07_compacted_topics_want_keys(env):
    raw = env.client()
    topic = env.topic(configs=[("cleanup.policy", "compact")])
    for codec in ("none", "gzip", "zstd", "snappy", "lz4"):
        row = raw.produce(topic, 0, k.make_batch([(b"k", b"1"), b"2", (b"", b"3"), (None, None)], codec))
        expect(row["error"], k.INVALID_RECORD, f"{codec}: error")
        expect([e["batch_index"] for e in row["record_errors"]], [1, 3], f"{codec}: records at fault")
        expect_text(row["record_errors"][0]["message"], "Compacted topic cannot accept message without "
                    f"key in topic partition {topic}-0", codec)
        expect(raw.produce(topic, 0, k.make_batch([(b"k", None)], codec))["error"], 0, "a tombstone")
    for kind in ("java-4", "confluent-kafka", "kafka-python"):
        client = env.program(kind)
        client.produce_ok(topic, [Row(b"v", key=b"k")])
        acked, refused = client.produce(topic, [Row(b"v")])
        expect((acked, list(refused)), ({}, [0]), f"{kind}: a record without a key")


@test(stores=BOTH)
def d07_timestamps_within_bounds(env):
    raw, now = env.client(), int(time.time() * 1000)
    topic = env.topic(configs=[("message.timestamp.before.max.ms", "1000000"),
                               ("message.timestamp.after.max.ms", "500000")])
    for codec in ("none", "gzip"):
        for offset, wanted in ((0, 0), (-900000, 0), (400000, 0), (-1100000, k.INVALID_TIMESTAMP),
                               (600000, k.INVALID_TIMESTAMP)):
            batch = k.make_batch([(b"k", b"v", (), now), (b"k", b"v", (), now + offset)], codec)
            row = raw.produce(topic, 0, batch)
            expect(row["error"], wanted, f"{codec}: {offset} ms from now")
            if wanted:
                expect([e["batch_index"] for e in row["record_errors"]], [1], "records at fault")
                expect_text(row["record_errors"][0]["message"], "of message with offset 1 is out of range",
                            "its message")
    acked, refused = env.program("java-4").produce(topic, [Row(b"v", ts=now + 700000)])
    expect((acked, list(refused)), ({}, [0]), "java: a record from the future")
    plain = env.topic()
    row = raw.produce(plain, 0, k.make_batch([(b"k", b"v", (), now + 3700000)]))
    expect(row["error"], k.INVALID_TIMESTAMP, "an hour ahead is the default")
    expect(raw.produce(plain, 0, k.make_batch([(b"k", b"v", (), 5)]))["error"], 0, "an old record")


# --- quotas ---

def quotas_of(raw, *components, strict=False):
    """{(parts of the entity, sorted): values}"""
    reply = raw.call("DescribeClientQuotas", 1, {"strict": strict, "components": [
        {"entity_type": t, "match_type": m, "match": n} for t, m, n in components]})
    expect(reply["error"], 0, "DescribeClientQuotas")
    return {tuple(sorted((p["entity_type"], p["entity_name"]) for p in e["entity"])):
            {v["key"]: v["value"] for v in e["values"]} for e in reply["entries"]}


@test(timeout=180, stores=BOTH)
def d08_quotas_java(env):
    tool, raw = Tool(env), env.client()
    user, client = f"{env.name}-user", f"{env.name}-client"
    named = ("--entity-type", "users", "--entity-name", user, "--entity-type", "clients",
             "--entity-name", client)
    tool.ok("configs", "--alter", *named, "--add-config",
            "producer_byte_rate=1024,consumer_byte_rate=2048,request_percentage=12.5")
    key = (("client-id", client), ("user", user))
    values = {"producer_byte_rate": 1024.0, "consumer_byte_rate": 2048.0, "request_percentage": 12.5}
    expect(quotas_of(raw, ("user", 0, user)), {key: values}, "what is kept")
    text = tool.ok("configs", "--describe", *named)
    expect_text(text, "consumer_byte_rate=2048.0", "kafka-configs --describe")
    tool.ok("configs", "--alter", *named[:4], "--add-config", "producer_byte_rate=9")
    text = tool.ok("configs", "--describe", "--entity-type", "users")
    expect_text(text, f"Quota configs for user-principal '{user}' are producer_byte_rate=9.0", "users")
    tool.ok("configs", "--alter", *named[:4], "--delete-config", "producer_byte_rate")
    tool.ok("configs", "--alter", *named, "--delete-config", "producer_byte_rate,request_percentage")
    expect(quotas_of(raw, ("user", 0, user)), {key: {"consumer_byte_rate": 2048.0}}, "after removing")
    status, text = tool.run("configs", "--alter", *named, "--add-config", "producer_byte_rate=-5")
    expect_true(status != 0, "a negative quota is taken")
    expect_text(text, "Quota producer_byte_rate must be greater than 0", "a negative quota")
    tool.ok("configs", "--alter", *named, "--delete-config", "consumer_byte_rate")
    expect(quotas_of(raw, ("user", 0, user)), {}, "nothing is left")


@test(timeout=180)
def d08_quotas_throttle_produce_and_fetch(env):
    """1.5 MB at 100 kB/s with a burst of ten seconds: about five seconds, and clients are told."""
    raw, topic = env.client(), env.topic()
    admin, python = Admin(env, "confluent_admin.py"), Admin(env, "kafka_python_admin.py")
    slow = f"{env.name}-slow"
    reply = raw.call("AlterClientQuotas", 1, quota(
        [("client-id", slow)], producer_byte_rate=100000.0, consumer_byte_rate=100000.0))
    expect(errors_in(reply), [0], "AlterClientQuotas")
    got = admin.call("produce_throttled", topic=topic, client_id=slow, count=1500, size=1000)
    expect(got.get("left"), 0, f"produce: {got}")
    expect_true(got["throttled"] > 0.05 and got["seconds"] > 2, f"produce is not throttled: {got}")
    got = admin.call("consume_throttled", topic=topic, client_id=slow, count=1500)
    expect(got.get("got"), 1500, f"consume: {got}")
    expect_true(got["throttled"] > 0.05 and got["seconds"] > 2, f"consume is not throttled: {got}")
    got = admin.call("produce_throttled", topic=topic, client_id="other", count=1500, size=1000)
    expect((got["left"], got["throttled"]), (0, 0), f"another client is throttled: {got}")
    ms = python.call("produce_throttled", topic=topic, client_id=slow, count=1200, size=1000)
    expect_true(isinstance(ms, float) and ms > 50, f"kafka-python's throttle-time-max: {ms}")
    raw.call("AlterClientQuotas", 1, quota([("client-id", slow)], producer_byte_rate=None,
                                           consumer_byte_rate=None))
    got = admin.call("produce_throttled", topic=topic, client_id=slow, count=1500, size=1000)
    expect((got["left"], got["throttled"]), (0, 0), f"throttled after the quota is gone: {got}")


@test(brokers=("sluice",), stores=BOTH)
def d08_quotas_of_requests(env):
    """request_percentage: whoever keeps the event loop busy is told to wait, everybody else is not."""
    raw, topic = env.client(), env.topic(partitions=200)
    reply = raw.call("AlterClientQuotas", 1, quota([("client-id", "greedy")], request_percentage=0.01))
    expect(errors_in(reply), [0], "AlterClientQuotas")
    frame = k.request_frame("Metadata", 9, {"topics": [{"name": topic}]}, 1, "greedy")

    def throttle():
        raw.send_raw(frame)
        return raw.receive("Metadata", 9, 1)["throttle_time_ms"]
    eventually(lambda: throttle() > 0, 60, "a throttle time for the greedy client", every=0)
    expect(env.client().metadata([topic], version=9)["throttle_time_ms"], 0, "another client")
    env.client().call("AlterClientQuotas", 1, quota([("client-id", "greedy")], request_percentage=None))


@test(brokers=("sluice",), stores=BOTH)
def d08_quotas_outlive_kill_9(env):
    broker = env.own()
    raw = env.client(broker)
    expect(errors_in(raw.call("AlterClientQuotas", 1, quota([("user", None)], producer_byte_rate=5.0))),
           [0], "AlterClientQuotas")
    broker.kill()
    broker.start()
    raw = env.client(broker)
    expect(quotas_of(raw), {(("user", None),): {"producer_byte_rate": 5.0}}, "after kill -9")
    raw.create("t")
    raw.wait_ready("t")
    reply = raw.call("Produce", 9, raw.produce_body("t", 0, k.make_batch([b"x" * 1000])))
    expect_true(reply["throttle_time_ms"] > 10000, f"it is carried out: {reply['throttle_time_ms']}")
