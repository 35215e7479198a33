# SPDX-License-Identifier: Apache-2.0
"""d0x: what administrators do, through Kafka's own tools, other clients' admin APIs and raw frames."""
import json
import subprocess

import rawkafka as k
from brokers import KafkaBroker
from clients import need, python_program
from harness import expect, expect_true, short, test
from kschema import MESSAGES, SchemaError
from suite_protocol import errors_in

# What this suite exercises at every version; test_table.c and docs/protocol.md say the same.
ADVERTISED = {"DescribeAcls": (1, 3), "CreateAcls": (1, 3), "DeleteAcls": (1, 3),
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


def bodies(raw, topic):
    """{API: function of a version: (request, the error codes that are right in the answer)}"""
    return {
        "DescribeAcls": lambda v: (ANY_ACL, {k.SECURITY_DISABLED}),
        "CreateAcls": lambda v: ({"creations": [ONE_ACL]}, {k.SECURITY_DISABLED}),
        "DeleteAcls": lambda v: ({"filters": [ANY_ACL]}, {k.SECURITY_DISABLED}),
        "DescribeLogDirs": lambda v: ({"topics": None}, {0}),
        "DeleteRecords": lambda v: ({"topics": [{"name": topic, "partitions": [
            {"partition_index": 0, "offset": -1}]}], "timeout_ms": 5000}, {0}),
        "ElectLeaders": lambda v: ({"topic_partitions": [{"topic": topic, "partitions": [0]}],
                                    "timeout_ms": 5000}, {0, k.ELECTION_NOT_NEEDED}),
        "ListPartitionReassignments": lambda v: ({"timeout_ms": 5000}, {0}),
        "DescribeTopicPartitions": lambda v: ({"topics": [{"name": topic}],
                                               "response_partition_limit": 10}, {0}),
    }


@test(timeout=180)
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


@test()
def d02_acls_without_an_authorizer(env):
    tool = Tool(env)
    for args in (("--list",), ("--add", "--allow-principal", "User:a", "--operation", "Read",
                               "--topic", "t"),
                 ("--remove", "--force", "--topic", "t")):
        _, text = tool.run("acls", *args)
        expect_text(text, "SecurityDisabledException", f"kafka-acls {args[0]}")
        expect_text(text, "No Authorizer is configured", f"kafka-acls {args[0]}")


@test()
def d02_elections_and_reassignments(env):
    tool, topic = Tool(env), env.topic(partitions=2)
    text = tool.ok("election", "--election-type", "preferred", "--topic", topic, "--partition", "1")
    expect_text(text, f"Valid replica already elected for partitions {topic}-1", "kafka-leader-election")
    tool.ok("election", "--election-type", "preferred", "--all-topic-partitions")
    status, text = tool.run("election", "--election-type", "preferred", "--topic", topic,
                            "--partition", "7")
    expect_true(status != 0, f"an election of a partition that is not there: {text}")
    expect_text(tool.ok("reassign", "--list"), "No partition reassignments found", "reassign --list")


@test()
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


# --- DeleteRecords, DescribeLogDirs ---

def fill(raw, topic, count, partition=0):
    for i in range(count):
        expect(raw.produce(topic, partition, k.make_batch([(b"k", b"%d" % i)]))["error"], 0, "produce")


@test()
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


@test()
def d03_delete_records_confluent(env):
    admin, raw, topic = Admin(env, "confluent_admin.py"), env.client(), env.topic(partitions=2)
    fill(raw, topic, 5, partition=1)
    expect(admin.call("delete_records", topic=topic, offsets={"1": 2, "0": 0}), {"0": 0, "1": 2},
           "low watermarks")
    expect(admin.call("delete_records", topic=topic, offsets={"1": -1})["1"], 5, "to the end")
    expect_text(str(admin.call("delete_records", topic=topic, offsets={"1": 6})["1"]), "out of range",
                "beyond the end")


@test(brokers=("sluice",))  # Kafka writes its log starts down now and then
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


@test()
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
