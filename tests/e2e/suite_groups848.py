# SPDX-License-Identifier: Apache-2.0
"""g8…: groups of the consumer protocol (KIP-848): librdkafka and Java as members that come, go, crash,
come back under their instance id, subscribe with expressions; groups that move from the classic
protocol and back; what administrators see."""
import hashlib
import json
import signal
import subprocess
import threading
import time

from brokers import BUILD, CACHE, KafkaBroker
from clients import CURRENT_PYTHON, PROGRAMS, java_program, need, once, run, venv
from harness import BOTH, eventually, expect, expect_true, register, test
from rawkafka import make_batch
from s3.faultproxy import Faults

HERE = PROGRAMS / "members"
# Short, so that a crash is noticed within a test.
QUICK = ("group.consumer.session.timeout.ms=6000", "group.consumer.heartbeat.interval.ms=500",
         "group.initial.rebalance.delay.ms=500")
KAFKA_QUICK = QUICK + ("group.consumer.min.session.timeout.ms=6000",
                       "group.consumer.min.heartbeat.interval.ms=500",
                       "group.consumer.migration.policy=bidirectional")


def librdkafka():
    return [str(venv("venv", CURRENT_PYTHON)), str(HERE / "members.py")]


def java(version="4.4.0"):
    program = java_program(version)
    libs = f"{CACHE}/java-{version}/libs/*"
    source = HERE / "Members.java"

    def install(home):
        run([need("javac"), "-cp", libs, "-d", home / "classes", source], "javac")
    home = once(f"java-members-{version}", hashlib.sha256(source.read_bytes()).hexdigest(), install)
    flags = program[:program.index("-cp")]
    return flags + ["-cp", f"{home}/classes:{libs}", "Members"]


class Members:
    """A process with members, and what it says of them."""

    def __init__(self, env, command, broker):
        self.assigned, self.records, self.ended, self.errors = {}, [], {}, []
        self.process = subprocess.Popen(command + [broker.address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)
        env.stack.callback(self.crash)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            row = line.rstrip("\n").split("\t")
            if row[0] == "assigned":
                self.assigned[row[1]] = set() if row[2] == "-" else set(row[2].split(","))
            elif row[0] == "record":
                self.records.append((row[2], int(row[3]), int(row[4])))
            else:
                self.ended[row[1]] = row[2] if row[0] == "failed" else ""
                self.assigned.pop(row[1], None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors = self.errors[-30:] + [line.rstrip()]

    def open(self, name, group, topics="-", regex="-", protocol="consumer", instance="-",
             assignor="-"):
        self.ended.pop(name, None)
        self._say(f"open {name} group={group} protocol={protocol} topics={topics} regex={regex} "
                  f"instance={instance} assignor={assignor}")

    def close(self, name):
        self._say(f"close {name}")
        eventually(lambda: name in self.ended, 40, f"{name} closes")
        expect(self.ended[name], "", f"how {name} ended")

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def crash(self):
        """Nobody says good-bye."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.assigned = {}


def all_parts(topic, count):
    return {f"{topic}/{p}" for p in range(count)}


def settled(who, parts, sizes, timeout=45):
    """Waits until the members (of all these processes) share the partitions, each one owner, with
    these numbers of partitions. Gives {name: partitions}."""
    def look():
        now = {n: a for m in who for n, a in list(m.assigned.items())}
        flat = [p for a in now.values() for p in a]
        return now if sorted(flat) == sorted(parts) and \
            sorted(len(a) for a in now.values()) == sorted(sizes) else None
    try:
        return eventually(look, timeout, f"{sizes} partitions a member")
    except AssertionError as e:
        state = {n: sorted(a) for m in who for n, a in m.assigned.items()}
        raise AssertionError(f"{e}: {state}, ended: {[m.ended for m in who]}, "
                             f"{[m.errors[-5:] for m in who]}") from None


def quick_broker(env, more=(), **options):
    given = KAFKA_QUICK if env.is_kafka else [f"server.{option}" for option in (*QUICK, *more)]
    return env.own(options=given, **options)


def fill(raw, topic, partitions, each, first=0):
    for p in range(partitions):
        raw.produce(topic, p, make_batch([(None, f"{i}".encode()) for i in range(first, first + each)]))


# --- what both libraries do ---

def come_and_go(env, program):
    """Three join one after the other, share six partitions, and leave one after the other; what is
    produced meanwhile is read, and committed: the next group member reads nothing again."""
    broker = quick_broker(env)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    fill(raw, topic, 6, 20)
    m = Members(env, program(), broker)
    m.open("a", group, topic)
    settled([m], parts, [6])
    m.open("b", group, topic)
    settled([m], parts, [3, 3])
    m.open("c", group, topic)
    three = settled([m], parts, [2, 2, 2])
    fill(raw, topic, 6, 20, first=20)
    wanted = {(topic, p, o) for p in range(6) for o in range(40)}
    eventually(lambda: set(m.records) == wanted, 30, "every record is read")
    m.close("b")
    two = settled([m], parts, [3, 3])
    for name in ("a", "c"):
        expect_true(three[name] <= two[name], f"{name} keeps what it had: {three} {two}")
    m.close("a")
    settled([m], parts, [6])
    m.close("c")
    m.records.clear()
    m.open("d", group, topic)
    settled([m], parts, [6])
    fill(raw, topic, 6, 1, first=40)
    eventually(lambda: {r[1] for r in m.records} == set(range(6)), 30, "new records are read")
    expect({r[2] for r in m.records}, {40}, "offsets read after all had committed and left")
    m.close("d")


def crash(env, program):
    """A member whose process is killed is missed after the session timeout."""
    broker = quick_broker(env)
    raw = env.client(broker)
    topic, group = env.topic(4, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 4)
    one, two = Members(env, program(), broker), Members(env, program(), broker)
    one.open("a", group, topic)
    two.open("b", group, topic)
    settled([one, two], parts, [2, 2])
    two.crash()
    settled([one], parts, [4])
    one.close("a")


def static(env, program):
    """A static member that goes and comes back within its session gets what it had, and the other
    one does not notice."""
    broker = quick_broker(env)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    m = Members(env, program(), broker)
    m.open("a", group, topic, instance="one")
    m.open("b", group, topic, instance="two")
    before = settled([m], parts, [3, 3])
    m.close("a")
    m.open("c", group, topic, instance="one")
    after = settled([m], parts, [3, 3])
    expect(after, {"b": before["b"], "c": before["a"]}, "assignment after the static member is back")
    m.close("c")
    settled([m], parts, [6])  # it did not come back in time
    m.close("b")


def expression(env, program):
    """Topics that match, also those that are created later."""
    broker = quick_broker(env)
    raw = env.client(broker)
    prefix, group = f"{env.name}-x", f"{env.name}-group"
    for name, count in ((f"{prefix}-1", 2), (f"{prefix}-22", 2), (f"{prefix}-z", 1)):
        expect(raw.create(name, count), 0, f"creating {name}")
        raw.wait_ready(name)
    m = Members(env, program(), broker)
    m.open("a", group, regex=f"{prefix}-[0-9]+$")
    m.open("b", group, regex=f"{prefix}-[0-9]+$")
    parts = all_parts(f"{prefix}-1", 2) | all_parts(f"{prefix}-22", 2)
    settled([m], parts, [2, 2])
    expect(raw.create(f"{prefix}-333", 2), 0, "creating another")
    settled([m], parts | all_parts(f"{prefix}-333", 2), [3, 3])
    m.close("a")
    m.close("b")


def restart(env, program):
    """A broker that is killed and started again has its groups, and nobody has to give anything up."""
    broker = quick_broker(env)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    m = Members(env, program(), broker)
    m.open("a", group, topic)
    m.open("b", group, topic)
    before = settled([m], all_parts(topic, 6), [3, 3])
    broker.kill()
    broker.start()
    raw = env.client(broker)
    fill(raw, topic, 6, 5)
    eventually(lambda: len(set(m.records)) == 30, 30, "records are read after the restart")
    expect(m.assigned, before, "assignment after the restart")
    m.close("a")
    settled([m], all_parts(topic, 6), [6])
    m.close("b")


def state_of(broker, group):
    """As the broker's own tool tells it."""
    done = subprocess.run([str(BUILD / "sluice"), "group", "describe", group, "--json", "--address",
                           broker.address], capture_output=True, text=True, timeout=20, check=True)
    return json.loads(done.stdout)["state"]


def hanging_store(env, broker):
    """Two functions: from now on the store answers nothing; it answers again."""
    if not env.is_on_files:
        proxy = env.place().proxy
        weather = proxy.faults
        return (lambda: setattr(proxy, "faults", Faults(stall=1)),
                lambda: setattr(proxy, "faults", weather))
    library, switch = BUILD / "tests" / "e2e" / "stall" / "libstall_preload.so", env.dir / "stall"
    if not library.exists():
        env.skip(f"{library} is not built")
    if broker.is_sanitized():
        env.skip("a sanitizer's runtime wants to be the first library")
    broker.env = {"LD_PRELOAD": str(library), "SLUICE_STALL": str(switch)}
    return lambda: switch.write_text("0"), switch.unlink


def store_hangs(env, program):
    """A store that does not answer for longer than a session lasts takes nobody's membership."""
    # Java commits all the time, and answers come in the order of requests: a heartbeat's waits for a
    # commit's, which must not take as long as the session.
    broker = quick_broker(env, ["offsets.commit.timeout.ms=1000"], start=False)
    hang, let_go = hanging_store(env, broker)
    broker.start()
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    m = Members(env, program(), broker)
    m.open("a", group, topic)
    m.open("b", group, topic)
    before = settled([m], all_parts(topic, 6), [3, 3])
    eventually(lambda: state_of(broker, group) == "Stable", 20, "what they own has been said")
    hang()
    time.sleep(13)  # two sessions; what is tested is that nothing happens meanwhile
    expect(m.assigned, before, "assignment while the store hangs")
    let_go()
    fill(raw, topic, 6, 5)
    eventually(lambda: len(set(m.records)) == 30, 30, "records are read afterwards")
    expect(m.assigned, before, "assignment afterwards")
    expect_true("group.member_lost" not in broker.log_text(), "nobody was lost")
    m.close("a")
    m.close("b")


def migrate(env, program):
    """A live group moves from classic members to consumer members, one by one, and back; each
    partition has one owner whenever things have settled, and commits go on."""
    broker = quick_broker(env)
    raw = env.client(broker)
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    parts = all_parts(topic, 6)
    fill(raw, topic, 6, 10)
    m = Members(env, program(), broker)
    m.open("a", group, topic, protocol="classic")
    m.open("b", group, topic, protocol="classic")
    settled([m], parts, [3, 3])
    eventually(lambda: len(set(m.records)) == 60, 30, "everything is read")
    m.open("c", group, topic)
    settled([m], parts, [2, 2, 2])
    m.close("a")
    settled([m], parts, [3, 3])
    m.open("d", group, topic)
    settled([m], parts, [2, 2, 2])
    m.close("b")
    settled([m], parts, [3, 3])
    m.open("e", group, topic, protocol="classic")
    settled([m], parts, [2, 2, 2])
    m.close("c")
    m.close("d")
    settled([m], parts, [6])
    m.open("f", group, topic, protocol="classic")
    settled([m], parts, [3, 3])
    fill(raw, topic, 6, 10, first=10)
    eventually(lambda: len(set(m.records)) == 120, 30, "what came later is read")
    expect(len(m.records), 120, "nothing is read twice: every move committed first")
    m.close("e")
    m.close("f")


for _name, _program in (("librdkafka", librdkafka), ("java", java)):
    for _case in (come_and_go, crash, static, expression, restart, store_hangs, migrate):
        is_ours = _case in (restart, store_hangs)  # Kafka's page cache does not survive kill -9
        register(f"g8_{_case.__name__}_{_name}", lambda env, c=_case, p=_program: c(env, p),
                 timeout=180, stores=BOTH, brokers=("sluice",) if is_ours else ("sluice", "kafka"),
                 all_only=(_case is migrate and _name == "librdkafka") or
                 (is_ours and _name == "java"))


@test(timeout=120, stores=BOTH)
def g8_both_libraries_in_one_group(env):
    raw = env.client()
    topic, group = env.topic(6, client=raw), f"{env.name}-group"
    one, two = Members(env, librdkafka(), env.broker), Members(env, java(), env.broker)
    one.open("a", group, topic, assignor="range")
    two.open("b", group, topic, assignor="range")
    got = settled([one, two], all_parts(topic, 6), [3, 3])
    expect_true(any(a == {f"{topic}/{p}" for p in (0, 1, 2)} for a in got.values()),
                f"range gives neighbours: {got}")
    one.close("a")
    two.close("b")


@test(timeout=120, all_only=True, stores=BOTH)
def g8_java_39_speaks_version_0(env):
    raw = env.client()
    topic, group = env.topic(4, client=raw), f"{env.name}-group"
    m = Members(env, java("3.9.2"), env.broker)
    m.open("a", group, topic)
    m.open("b", group, topic)
    settled([m], all_parts(topic, 4), [2, 2])
    m.close("a")
    settled([m], all_parts(topic, 4), [4])
    m.close("b")


@test(timeout=120, stores=BOTH)
def g8_administrators_see_it(env):
    """ConsumerGroupDescribe 0 through librdkafka, 1 through Java's tool, and ListGroups."""
    raw = env.client()
    topic, group = env.topic(4, client=raw), f"{env.name}-group"
    m = Members(env, librdkafka(), env.broker)
    m.open("a", group, topic)
    m.open("b", group, topic)
    settled([m], all_parts(topic, 4), [2, 2])
    script = HERE / "describe.py"
    seen = eventually(lambda: described(env, script, group), 30, "a stable group is described")
    expect(seen["state"], "STABLE", "state")
    expect({n: set(p) for n, p in seen["members"].items()}, m.assigned, "members and partitions")
    expect(seen["type"], "CONSUMER", "type in the list of groups")
    tool = subprocess.run(["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", KafkaBroker.jars(),
                           "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                           "--bootstrap-server", env.broker.address, "--describe", "--group", group,
                           "--members", "--verbose"], capture_output=True, text=True, timeout=60,
                          check=False)
    lines = [line for line in tool.stdout.splitlines() if line.startswith(group)]
    expect(len(lines), 2, f"members that Java's tool shows: {tool.stdout} {tool.stderr}")
    for line in lines:  # GROUP ID HOST CLIENT PARTITIONS EPOCH ASSIGNMENT TARGET-EPOCH TARGET
        fields = line.split()
        expect(fields[5:7], fields[7:9], f"what {fields[3]} has, and is to have")
    m.close("a")
    m.close("b")


def described(env, script, group):
    out = subprocess.run([str(venv("venv", CURRENT_PYTHON)), str(script), env.broker.address, group],
                         capture_output=True, text=True, timeout=40, check=False)
    if out.returncode != 0:
        raise AssertionError(out.stderr[-500:])
    seen = json.loads(out.stdout)
    return seen if seen["state"] == "STABLE" and len(seen["members"]) == 2 else None
