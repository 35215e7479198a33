# SPDX-License-Identifier: Apache-2.0
"""e…: whole applications, as they come from Maven Central: Kafka Connect (distributed, file to topic to
file), Kafka Streams (word count, at least once), and two programs of Apache Kafka's own system tests."""
import collections
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from brokers import free_port
from clients import PROGRAMS, need, once, run, tool
from harness import Env, eventually, expect, expect_true, short, test
from rawkafka import ConnectionClosed, make_batch

HEAP = ["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
TOPICS = ("connect-configs", "connect-offsets", "connect-status")  # of a Connect cluster itself
INVALID_RECORD = 87


def java(main):
    """The command of an application's main class."""
    need("java")
    mvn, javac = need("mvn"), need("javac")
    source = PROGRAMS / "apps"
    text = "".join((source / name).read_text() for name in ("pom.xml", "WordCount.java"))

    def install(home):
        run([mvn, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={home}/libs"], "Kafka Connect and Streams", cwd=source)
        run([javac, "-cp", f"{home}/libs/*", "-d", home / "classes", source / "WordCount.java"],
            "javac WordCount.java")
    home = once("apps", hashlib.sha256(text.encode()).hexdigest(), install)
    return ["java", *HEAP, "-cp", f"{home}/classes:{home}/libs/*", main]


class Application:
    """A Java process of this test, with its output in a file."""

    def __init__(self, env: Env, name, command):
        self.name, self.command, self.process = name, command, None
        self.log = env.dir / f"{name}.log"
        env.stack.callback(self.kill)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.PIPE, start_new_session=True)
        return self

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def stop(self):
        """Asks it to end by itself, and insists that it does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, condition, timeout, what):
        """eventually(), as long as the process lives."""
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with status {self.process.returncode}: "
                                     f"{self.text()[-2000:]}")
            return condition()
        try:
            return eventually(look, timeout, what, every=0.1)
        except AssertionError as e:
            raise AssertionError(f"{e}\n--- the end of {self.log}:\n{self.text()[-3000:]}") from None


# --- Kafka Connect ---

class Worker(Application):
    """One worker of a Connect cluster, and its REST interface."""

    def __init__(self, env, broker):
        self.url = f"http://127.0.0.1:{free_port()}"
        properties = {
            "bootstrap.servers": broker.address, "group.id": "connect-cluster",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "config.storage.topic": TOPICS[0], "offset.storage.topic": TOPICS[1],
            "status.storage.topic": TOPICS[2], "offset.storage.partitions": 5,
            "config.storage.replication.factor": 3, "offset.storage.replication.factor": 3,
            "status.storage.replication.factor": 3, "offset.flush.interval.ms": 500,
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000,
            "rebalance.timeout.ms": 10000, "scheduled.rebalance.max.delay.ms": 0,
            "consumer.session.timeout.ms": 6000, "consumer.heartbeat.interval.ms": 1000,
            "listeners": self.url, "plugin.discovery": "service_load"}
        if env.is_kafka:
            properties.update({key: 1 for key in properties if "replication.factor" in key})
        path = env.dir / "worker.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        super().__init__(env, "connect", java("org.apache.kafka.connect.cli.ConnectDistributed") +
                         [str(path)])

    def begin(self):
        self.start()
        self.wait(lambda: self.ask("/connectors") is not None, 90, "Connect answers")
        return self

    def ask(self, path, body=None, method=None):
        """The answer, or None while there is none to be had."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.loads(reply.read() or b"null")
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def configure(self, name, config):
        self.wait(lambda: self.ask(f"/connectors/{name}/config", config, "PUT"), 60,
                  f"connector {name} is taken")

    def states(self, name):
        status = self.ask(f"/connectors/{name}/status")
        return status and [status["connector"]["state"]] + [t["state"] for t in status["tasks"]]

    def wait_running(self, *names):
        for name in names:
            self.wait(lambda name=name: self.states(name) == ["RUNNING"] * 2, 60, f"{name} runs")

    def offsets(self, name):
        """What Connect keeps for the connector, as the REST interface tells it."""
        return [row["offset"] for row in (self.ask(f"/connectors/{name}/offsets") or
                                          {"offsets": []})["offsets"]]


class FileToFile:
    """A file that is read into a topic, and the topic into another file."""

    TOPIC = "lines"

    def __init__(self, env, broker):
        self.source, self.sink, self.said = env.dir / "source.txt", env.dir / "sink.txt", 0
        self.source.touch()
        self.worker, self.broker, self.env = Worker(env, broker), broker, env

    def connect(self):
        self.worker.configure("source", {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1", "file": str(self.source), "topic": self.TOPIC})
        self.worker.configure("sink", {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "tasks.max": "1", "file": str(self.sink), "topics": self.TOPIC})
        self.worker.wait_running("source", "sink")

    def say(self, lines):
        """Appends numbered lines to the source."""
        with open(self.source, "a", encoding="ascii") as f:
            for self.said in range(self.said + 1, self.said + 1 + lines):
                f.write(f"line {self.said} {'x' * (self.said % 100)}\n")

    def heard(self):
        """The numbers of the lines that came, in the order in which they came."""
        text = self.sink.read_text() if self.sink.exists() else ""
        return [int(line.split()[1]) for line in text.splitlines(keepends=True)
                if line.endswith("\n")]

    def wait_heard(self, timeout=90):
        """Waits until every line came, and says which."""
        self.worker.wait(lambda: len(set(self.heard())) == self.said, timeout,
                         f"all of {self.said} lines come through")
        heard = self.heard()
        expect(list(dict.fromkeys(heard)), list(range(1, self.said + 1)), "lines, in their order")
        return heard

    def wait_committed(self):
        """Waits until the offsets of both connectors stand at the end of what there is."""
        size, end = self.source.stat().st_size, self.env.client(self.broker).end_offset(self.TOPIC, 0)
        self.worker.wait(lambda: self.worker.offsets("source") == [{"position": size}], 40,
                         f"the source's offset is {size}")
        self.worker.wait(lambda: self.worker.offsets("sink") == [{"kafka_offset": end}], 40,
                         f"the sink's offset is {end}")


def config_of(raw, topic, key):
    reply = raw.call("DescribeConfigs", 4, {"resources": [
        {"resource_type": 2, "resource_name": topic, "configuration_keys": [key]}],
        "include_synonyms": False, "include_documentation": False})
    expect(reply["results"][0]["error"], 0, f"describing {topic}")
    return reply["results"][0]["configs"][0]["value"]


def expect_compacted(raw):
    """Connect's own topics are compacted, and none takes a record without a key."""
    for topic in TOPICS:
        expect(config_of(raw, topic, "cleanup.policy"), "compact", f"cleanup.policy of {topic}")
        expect(raw.produce(topic, 0, make_batch([(None, b"no key")]))["error"], INVALID_RECORD,
               f"a record without a key in {topic}")


@test(all_only=True, timeout=400)
def e01_connect_each_line_once(env):
    """Whoever ends when all offsets are committed, in good order or by kill -9: each line comes once."""
    broker = env.own()
    flow = FileToFile(env, broker)
    flow.worker.begin()
    flow.connect()
    expect_compacted(env.client(broker))
    flow.say(2000)
    flow.wait_heard()
    flow.worker.stop()  # commits what it has done
    flow.say(500)
    flow.worker.begin()
    flow.wait_heard()
    flow.wait_committed()
    broker.kill()
    broker.start()
    flow.say(500)
    flow.wait_heard()
    flow.wait_committed()
    flow.worker.kill()
    broker.kill()
    broker.start()
    flow.worker.begin()
    flow.worker.wait_running("source", "sink")  # as they were configured
    flow.say(500)
    expect(flow.wait_heard(), list(range(1, 3501)), "lines, each once")
    flow.wait_committed()


@test(all_only=True, timeout=400)
def e02_connect_kills_in_the_midst(env):
    """Broker and worker die while lines flow: every line comes, in order, some more than once."""
    broker = env.own()
    flow = FileToFile(env, broker)
    flow.worker.begin()
    flow.connect()
    for victim in (broker, flow.worker, broker):
        seen = len(flow.heard())
        flow.say(3000)
        flow.worker.wait(lambda seen=seen: len(flow.heard()) > seen, 60, "lines flow")
        victim.kill()
        flow.say(1000)
        if victim is broker:
            broker.start()
        else:
            flow.worker.begin()
        flow.wait_heard()
    flow.wait_committed()


# --- Kafka Streams ---

WORDS = "the log is the only truth a broker without state can lose nothing".split()


class WordCount(Application):
    """The word count, and what should have come of it."""

    PARTITIONS = 3

    def __init__(self, env, broker):
        self.env, self.broker, self.truth, self.said = env, broker, collections.Counter(), 0
        raw = env.client(broker)
        self.input, self.output = (env.topic(self.PARTITIONS, client=raw) for _ in range(2))
        self.id, self.state = f"{env.name}-count", env.dir / "state"
        self.random = random.Random(5)
        super().__init__(env, "streams", java("WordCount") + [
            broker.address, self.id, self.input, self.output, str(self.state)])

    def begin(self):
        began = self.text().count("RUNNING")
        self.start()
        self.wait(lambda: self.text().count("RUNNING") > began, 90, "Streams runs")
        return self

    def close(self):
        """Ends it in good order."""
        closed = self.text().count("closed\ttrue")
        self.process.stdin.close()
        expect(self.process.wait(60), 0, "exit status")
        expect(self.text().count("closed\ttrue"), closed + 1, "it closed in time")

    def say(self, lines, raw=None):
        raw = raw or self.env.client(self.broker)
        for _ in range(lines):
            words = self.random.choices(WORDS, k=8)
            batch = make_batch([(None, " ".join(words).encode())])
            row = raw.produce_until_ok(self.input, self.said % self.PARTITIONS, batch)
            expect(row["error"], 0, "produced")
            self.truth.update(words)
            self.said += 1

    def counts(self):
        """The last count of each word, read from the output."""
        raw, out = self.env.client(self.broker), {}
        for p in range(self.PARTITIONS):
            for batch in raw.read_batches(self.output, p):
                out.update((key.decode(), int(value)) for _, _, key, value, _ in batch.records())
        raw.close()
        return out

    def wait_counts(self, condition, what, timeout=90):
        self.wait(lambda: condition(self.counts()), timeout,
                  f"{what}: {short(dict(self.truth))}, counted {short(self.counts())}")

    def wait_exact(self):
        self.wait_counts(lambda c: c == dict(self.truth), "exact counts")

    def wait_at_least(self):
        self.wait_counts(lambda c: all(c.get(w, 0) >= n for w, n in self.truth.items()),
                         "counts of at least")

    def internal(self, kind):
        return f"{self.id}-{'words' if kind == 'repartition' else 'counts'}-{kind}"


@test(all_only=True, timeout=400)
def e11_streams_word_count(env):
    """Counts are exact as long as the application is not killed, also when the broker is, and when its
    state has to be read again from its changelog."""
    broker = env.own()
    count = WordCount(env, broker).begin()
    count.say(300)
    count.wait_exact()
    raw = env.client(broker)
    expect(config_of(raw, count.internal("changelog"), "cleanup.policy"), "compact", "changelog")
    expect(config_of(raw, count.internal("repartition"), "cleanup.policy"), "delete", "repartition")
    expect(config_of(raw, count.internal("repartition"), "retention.ms"), "-1", "repartition")
    eventually(lambda: sum(raw.list_offset(count.internal("repartition"), p, -2)["offset"]
                           for p in range(count.PARTITIONS)) > 0, 60,
               "what was counted is deleted from the repartition topic")
    count.close()
    shutil.rmtree(count.state)
    count.say(100)
    count.begin()
    count.wait_exact()
    broker.kill()
    broker.start()
    count.say(100)
    count.wait_exact()
    count.close()


@test(all_only=True, timeout=400)
def e12_streams_kills_in_the_midst(env):
    """Broker and application die while words flow: at least once is what is promised."""
    broker = env.own()
    count = WordCount(env, broker).begin()
    for victim in (broker, count, broker):
        talker = threading.Thread(target=talk, args=(count,), daemon=True)
        talker.start()
        before = sum(count.counts().values())
        count.wait(lambda before=before: sum(count.counts().values()) > before, 60, "words flow")
        victim.kill()
        if victim is broker:
            broker.start()
        else:
            count.begin()
        talker.join(60)
        expect_true(not talker.is_alive(), "everything is said")
        count.wait_at_least()
    count.close()


def talk(count):
    """Says 300 lines, also to a broker that dies meanwhile."""
    left = 300
    while left > 0:
        try:
            raw = count.env.client(count.broker)
            while left > 0:
                count.say(1, raw)
                left -= 1
        except (OSError, ConnectionClosed):
            time.sleep(0.05)  # it is being started again


# --- programs of Kafka's own system tests ---

@test(all_only=True, timeout=180)
def e21_client_compatibility_test(env):
    """It creates `newtopic` itself, so that must not be there."""
    broker = env.own()
    topic = env.topic(client=env.client(broker))
    supported = {"offsets-for-times": True, "cluster-id": True, "create-topics": True,
                 "describe-acls": True, "describe-configs": True, "idempotent-producer": True}
    words = [w for name, yes in supported.items() for w in (f"--{name}-supported", str(yes).lower())]
    command = tool("ClientCompatibilityTest", "--bootstrap-server", broker.address, "--topic", topic,
                   "--num-cluster-nodes", 1, "--expect-record-too-large-exception", "false", *words)
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    expect((done.returncode, done.stdout.strip()), (0, "SUCCESS."), done.stderr[-2000:])


@test(all_only=True, timeout=180)
def e22_end_to_end_latency(env):
    """Each record is sent, read back and compared before the next; it fails when one is not the same."""
    topic = env.topic()
    command = tool("EndToEndLatency", "--bootstrap-server", env.broker.address, "--topic", topic,
                   "--num-records", 2000, "--producer-acks", "all", "--record-size", 100)
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    expect(done.returncode, 0, done.stdout + done.stderr)
    expect_true(re.search(r"99th = \d+", done.stdout), f"percentiles: {done.stdout[-500:]}")
    expect(env.client().end_offset(topic, 0), 2000, "records in the topic")
