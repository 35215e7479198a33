# SPDX-License-Identifier: Apache-2.0
"""s6x: back-pressure. A store that is slow, or hangs, while clients go on.

The file store is slowed down and stopped by a library under the broker (stall/preload.c), S3 by the
fault proxy. Nothing here asserts how fast something is; a client that waits for an answer that does not
come fails by its time-out, which is far shorter than what a request would wait for the store.
"""
import contextlib
import json
import pathlib
import struct
import subprocess
import threading

import rawkafka as k
from brokers import BUILD, NotAvailable
from harness import eventually, expect, expect_in, expect_true, register
from rawkafka import ConnectionClosed, make_batch, parse_batches
from s3.faultproxy import Faults
from s3.stores import DEFAULT, KINDS, broker_options
from steady import Steady, check, log_of

REFUSED = 19           # NOT_ENOUGH_REPLICAS: nothing was written, try again
UNKNOWN_MEMBER = 25
STILL_LOADING = 14     # COORDINATOR_LOAD_IN_PROGRESS
PROMPT_S = 8           # what "at once" is waited for; a produce waits for the store for 10 s and more
FULL_THROTTLE_MS = 1000


# Version 0: group "g", generation 0, member "m".
HEARTBEAT = (lambda body: struct.pack(">i", len(body)) + body)(
    struct.pack(">hhih", 12, 0, 1, -1) + struct.pack(">h1sih1s", 1, b"g", 0, 1, b"m"))


class Disk:
    """The store under a broker of the file store."""

    def __init__(self, env):
        library = BUILD / "tests" / "e2e" / "stall" / "libstall_preload.so"
        if not library.exists():
            raise NotAvailable(f"{library} is not built")
        self.switch = pathlib.Path(env.dir) / "stall"
        self.broker = env.own(start=False, options=["server.memory.budget=32MiB"])
        self.broker.env = {"LD_PRELOAD": str(library), "SLUICE_STALL": str(self.switch)}
        if self.broker.is_sanitized():
            raise NotAvailable("a sanitizer's runtime wants to be the first library")
        self.broker.start()

    def slow(self, ms):
        """Each write takes so long, 0: for ever. By rename, so that no reader sees half a number."""
        fresh = self.switch.with_suffix(".new")
        fresh.write_text(str(ms))
        fresh.rename(self.switch)

    def hang(self):
        self.slow(0)

    def well(self):
        self.switch.unlink(missing_ok=True)


class Relay:
    """The store under a broker on S3."""

    def __init__(self, env, bucket):
        self.proxy = env.proxy(bucket)
        self.broker = env.own(options=broker_options(
            bucket.plugin_options(self.proxy.endpoint) + ["timeout=2s"]) +
            ["server.memory.budget=32MiB"])

    def slow(self, ms):
        self.proxy.faults = Faults(methods="PUT GET", latency_ms=ms)

    def hang(self):
        self.proxy.faults = Faults(stall=1)

    def well(self):
        self.proxy.faults = Faults()


def on_every_store(timeout):
    """Registers function(env, make_store) for the file store and, with --all, for S3."""
    def decorate(function):
        name = function.__name__
        register(name, lambda env: function(env, Disk(env)), brokers=("sluice",), timeout=timeout)
        for kind in KINDS:
            register(f"{name}_on_{kind}", lambda env, kind=kind: function(
                env, Relay(env, env.shared.stores.bucket(kind))), brokers=("sluice",),
                timeout=2 * timeout, all_only=True, together=f"on {kind}")
        return function
    return decorate


class Writer(threading.Thread):
    """Writes one value until it is acknowledged, as a client does that never gives up; remembers
    every answer. Stops early when told to."""

    def __init__(self, address, topic, value, size=1000):
        super().__init__(daemon=True)
        self.address, self.topic, self.value = address, topic, value
        self.batch = make_batch([value + b"." * size])
        self.answers, self.throttles, self.offset = [], [], None
        self.is_told_to_stop, self.is_answered = threading.Event(), threading.Event()

    def run(self):
        while self.offset is None and not self.is_told_to_stop.is_set():
            with contextlib.suppress(OSError, ConnectionClosed), \
                    k.Client(self.address, 60) as client:
                self.attempt(client)
            self.is_told_to_stop.wait(0.05)

    def attempt(self, client):
        while self.offset is None and not self.is_told_to_stop.is_set():
            reply = client.call("Produce", 9, client.produce_body(self.topic, 0, self.batch))
            row = reply["responses"][0]["partitions"][0]
            self.answers.append(row["error"])
            self.throttles.append(reply["throttle_time_ms"])
            if row["error"] == 0:
                self.offset = row["base_offset"]
            self.is_answered.set()


def values_of(raw, topic):
    return [v.rstrip(b".") for v in log_of(raw, topic, 0)]


def expect_served(env, broker, topic, wanted):
    """A consumer of what is there, Metadata, ApiVersions and a heartbeat, each on a new connection and
    each at once. A produce on the same connection before does not matter to them."""
    raw = env.client(broker, timeout=PROMPT_S)
    expect(raw.metadata([topic])["topics"][0]["error"], 0, "Metadata")
    versions = raw.versions()
    expect_true(3 in versions, "ApiVersions")
    row = raw.fetch(topic, 0, 0)
    got = [v.rstrip(b".") for b in parse_batches(row["records"]) for *_, v, _ in b.records()]
    expect((row["error"], got), (0, wanted), "a consumer of recent records")
    if 12 in versions:
        raw.send_raw(HEARTBEAT)
        correlation, error = struct.unpack(">ih", raw.receive_frame())
        expect(correlation, 1, "a heartbeat")
        # A coordinator that does not know the group reads the store's tail first, if it can.
        expect_in(error, (UNKNOWN_MEMBER, STILL_LOADING), "a heartbeat")


@on_every_store(timeout=120)
def s60_a_store_that_hangs(env, store):
    """Producers are refused after a while, at once and without a false acknowledgement; others do not
    notice. Afterwards everything goes on, and everything acknowledged is there, once."""
    broker = store.broker
    raw = env.client(broker)
    topic = env.topic(client=raw)
    reply = raw.call("Produce", 9, raw.produce_body(topic, 0, make_batch([b"before"])))
    expect(reply["throttle_time_ms"], 0, "throttle time while all is well")
    store.hang()
    first = Writer(broker.address, topic, b"first")
    first.start()
    others = []

    def is_refused():
        if not others or others[-1].answers == [] and len(others) < 40:
            others.append(Writer(broker.address, topic, b"other %d" % len(others)))
            others[-1].start()
        others[-1].is_answered.wait(0.5)
        return any(REFUSED in w.answers for w in others)

    eventually(is_refused, 40, "a produce is refused")
    refused = next(w for w in others if REFUSED in w.answers)
    expect(refused.throttles[refused.answers.index(REFUSED)], FULL_THROTTLE_MS,
           "throttle time of a refusal")
    expect_served(env, broker, topic, [b"before"])
    told = status(broker)
    expect_in("refusing", [j["pressure"] for j in told["broker"]["journals"]], "what status tells")
    expect_true(told["broker"]["store"]["health"] != "healthy", f"health: {told['broker']['store']}")
    everybody = [first, *others]
    expect([w.value for w in everybody if 0 in w.answers], [], "acknowledged while the store hung")
    store.well()
    for w in everybody:
        w.join(60)
        expect_true(w.offset is not None, f"{w.value} was never acknowledged: {w.answers[-5:]}")
        expect_true(set(w.answers) <= {0, REFUSED, k.REQUEST_TIMED_OUT}, f"answers: {w.answers}")
    values = values_of(env.client(broker), topic)
    for w in everybody:
        expect(values[w.offset], w.value, f"the record acknowledged at {w.offset}")
    is_unsure = any(k.REQUEST_TIMED_OUT in w.answers for w in everybody)
    expect(set(values), {b"before"} | {w.value for w in everybody}, "records in the log")
    expect_true(is_unsure or len(values) == len(set(values)), f"records twice: {values}")
    eventually(lambda: throttle_of(env, broker, topic) == 0, 30, "no throttle any more")
    expect_true("level=refusing" in broker.log_text(), "the log tells of it")


def status(broker, *options):
    """What `sluice status --json` tells."""
    done = subprocess.run([str(BUILD / "sluice"), "status", "--address", broker.address, "--json",
                           *options], capture_output=True, text=True, timeout=PROMPT_S, check=False)
    expect((done.returncode, done.stderr), (0, ""), "sluice status")
    return json.loads(done.stdout)


def throttle_of(env, broker, topic):
    with k.Client(broker.address, 20) as raw:
        return raw.call("Produce", 9, raw.produce_body(topic, 0, make_batch([b"probe"])))[
            "throttle_time_ms"]


@on_every_store(timeout=120)
def s61_a_store_that_is_slow(env, store):
    """Acknowledgements come, late, and ask for a pause; the pause ends with the slowness."""
    broker = store.broker
    topic = env.topic(client=env.client(broker))
    expect(throttle_of(env, broker, topic), 0, "throttle time while all is well")
    store.slow(1200)
    eventually(lambda: throttle_of(env, broker, topic) > 0, 60, "a throttle time")
    store.well()
    eventually(lambda: throttle_of(env, broker, topic) == 0, 60, "no throttle any more")
    expect_true("level=slowing" in broker.log_text(), "the log tells of it")


@on_every_store(timeout=150)
def s62_more_than_the_memory_while_the_store_hangs(env, store):
    """Producers offer twice the memory budget. The broker does not grow by it, and Metadata on the
    producers' own connections and on others is answered."""
    broker = store.broker
    topic = env.topic(client=env.client(broker))
    expect(throttle_of(env, broker, topic), 0, "throttle time while all is well")
    before = broker.status_kib()
    store.hang()
    writers = [Writer(broker.address, topic, b"%d" % i, size=1000000) for i in range(64)]
    for w in writers:
        w.start()
    eventually(lambda: any(REFUSED in w.answers for w in writers), 60, "a produce is refused")
    expect_served(env, broker, topic, [b"probe"])
    grown = broker.status_kib("VmHWM") - before
    expect_true(grown < 120 * 1024, f"the broker grew by {grown} KiB for a budget of 32 MiB")
    store.well()
    for w in writers:
        w.join(90)
        expect_true(w.offset is not None, f"{w.value} was never acknowledged: {w.answers[-5:]}")
    values = values_of(env.client(broker), topic)
    for w in writers:
        expect(values[w.offset], w.value, f"the record acknowledged at {w.offset}")


@on_every_store(timeout=150)
def s63_an_idempotent_producer_does_not_notice(env, store):
    """confluent-kafka writes at a steady rate while the store hangs for longer than it is refused;
    nothing is lost, doubled or out of order, and it sees no error."""
    broker = store.broker
    topic = env.topic(2, client=env.client(broker))
    with Steady(broker.address, topic, 2, rate=300) as producer:
        producer.wait_more(300)
        store.hang()
        eventually(lambda: "level=refusing" in broker.log_text(), 40, "producers are refused")
        store.well()
        producer.wait_more(1000)
        producer.finish()
        check(env.client(broker), [producer])


@on_every_store(timeout=60)
def s64_status_tells_what_requests_cost(env, store):
    """On a local store nothing; on S3 what its price list says of the rate; counters when asked for."""
    broker = store.broker
    topic = env.topic(client=env.client(broker))
    for _ in range(3):
        throttle_of(env, broker, topic)
    told = status(broker, "--counters")
    expect([t["name"] for t in told["topics"]], [topic], "topics")
    report = told["broker"]
    expect((report["node_id"], report["store"]["health"]), (1, "healthy"), "node and health")
    expect({j["mode"] for j in report["journals"]}, {"live"}, "modes of the journals")
    expect_true(report["rates"]["put"] > 0 and report["store"]["latency_ms"]["put"] > 0, f"{report}")
    expect_true(report["counters"]["store_puts"] > 0, "the counter store_puts")
    price = report["price"]
    is_s3 = isinstance(store, Relay)
    expect((price["put_per_1000"], price["get_per_1000"]), (0.005, 0.0004) if is_s3 else (0, 0),
           "prices")
    expect(price["per_month"] > 0, is_s3, "a price for the month")
    expect(report["plugin_counters"] != [], is_s3, "counters of the plugin")
