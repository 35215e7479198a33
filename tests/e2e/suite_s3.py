# SPDX-License-Identifier: Apache-2.0
"""s4x: brokers on S3. Real stores, and a proxy of our own between them and the plugin.

Each test is registered once for each store (NAME_on_STORE); `./dev test` runs those of one store, and
--all those of both. The clients of suite_clients.py and the kills of suite_storage.py come here by
`run.py --store STORE`, in the weather of s3/stores.py.
"""
import subprocess

import rawkafka as k
from brokers import BUILD
from harness import eventually, expect, expect_in, expect_true, register, test
from rawkafka import make_batch
from s3.faultproxy import Faults
from s3.stores import DEFAULT, KINDS, PLUGIN, broker_options
from steady import Steady, check, log_of
from suite_clients import expect_rows, many_rows, rows_of_all_shapes
from suite_import import i01_a_bucket_is_adopted_where_it_lies
from suite_reader import r03_verify_finds_nothing_wrong
from suite_repair import p05_beside_a_running_broker

DRIVE = BUILD / "tests" / "e2e" / "s3" / "s3_drive"
PARTITIONS = 4


def on_each_store(all_only=False, **options):
    """Registers function(env, bucket) for each store, with an empty bucket there."""
    def decorate(function):
        for kind in KINDS:
            register(f"{function.__name__}_on_{kind}",
                     lambda env, kind=kind: function(env, env.shared.stores.bucket(kind)),
                     all_only=all_only or kind != DEFAULT, brokers=("sluice",),
                     together=f"on {kind}", **options)
        return function
    return decorate


def s3_broker(env, bucket, directory="data", proxy=None, plugin=(), **options):
    """A broker on a bucket, perhaps through a proxy."""
    own = bucket.plugin_options(proxy.endpoint if proxy else None) + list(plugin)
    more = options.pop("options", [])
    return env.own(directory, options=broker_options(own) + more, **options)


def drive(options, *words):
    """Runs s3_drive with these options of the plugin; (status, what it said)."""
    done = subprocess.run([str(DRIVE), str(PLUGIN), *words, *options], capture_output=True, text=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout.strip() + ("" if done.returncode == 0 else done.stderr[-800:])


def expect_drive(options, *words):
    status, said = drive(options, *words)
    expect_true(status == 0, f"{' '.join(words)}: {said}")


# --- the plugin alone ---


@on_each_store(timeout=240)
def s40_conformance_kit(env, bucket):
    """The SDK's own suite, `sluice plugin test`."""
    conf = env.dir / "kit.conf"
    options = [f"path={PLUGIN}", *bucket.plugin_options()]
    conf.write_text("[storage]\nplugin = s3\n[plugin s3]\n" + "\n".join(options) + "\n")
    done = subprocess.run([str(BUILD / "sluice"), "plugin", "test", str(PLUGIN), "--config", str(conf)],
                          capture_output=True, text=True, timeout=230, check=False)
    expect_true(done.returncode == 0 and "not ok" not in done.stdout,
                "\n".join(x for x in (done.stdout + done.stderr).split("\n")
                          if not x.startswith("ok "))[-1500:])


@on_each_store(timeout=300, all_only=True)
def s40_door(env, bucket):
    """Random operations beside a model, races, long lists, conditional replace; then with faults."""
    options = bucket.plugin_options()
    expect_drive(options, "model", "1", "400")
    expect_drive(options + ["payload.signing=off"], "model", "2", "400")
    expect_drive(options, "race", "20")
    expect_drive(options, "many", "2500")
    expect_drive(options, "replace")
    proxy = env.proxy(bucket)
    options = bucket.plugin_options(proxy.endpoint)
    proxy.faults = Faults(methods="GET HEAD LIST DELETE", error=.1, codes="500 503", reset=.1,
                          lost_response=.1, error_after=.1, cut=.1)
    for seed in range(3, 9):
        if seed == 3 or proxy.unmet():
            expect_drive(options, "model", str(seed), "300")
    proxy.faults = Faults(methods="PUT", error=.1, codes="409 503")
    expect_drive(options, "many", "300")


@on_each_store(timeout=120)
def s41_tls(env, bucket):
    """Payloads are not signed there; the store checks the CRC-32C that goes with them."""
    options = bucket.tls_options()
    expect_drive(options, "model", "1", "100")
    expect_drive(options, "race", "5")
    said = drive(options, "put", "tls/x", "100000")[1]
    expect_true(said.startswith("stored"), said)
    status, said = drive(options + ["ca.file=", "timeout=2s"], "open")
    expect_true(status != 0 and "ca.file" in said, f"an authority that nobody knows: {said}")
    expect_drive(options + ["ca.file=", "tls.verify=off"], "open")
    broker = env.own(options=broker_options(options))
    raw = env.client(broker)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"over TLS"]))["error"], 0, "produce")
    expect(log_of(raw, topic, 0), [b"over TLS"], "the log")


@on_each_store(all_only=True)
def s41_a_put_that_nobody_answered_is_unknown(env, bucket):
    for fault, stored in (("lost_response", True), ("error_after", True), ("late", True),
                          ("reset", False), ("stall", False), ("stall_after", True)):
        proxy = env.proxy(bucket)
        proxy.faults = Faults(methods="PUT", **{fault: 1})
        said = drive(bucket.plugin_options(proxy.endpoint) + ["timeout=1s"], "put",
                     f"unknown/{fault}", "1000")[1]
        expect_true(said.startswith("unknown "), f"{fault}: {said}")
        eventually(lambda f=fault, s=stored: (bucket.client.request(
            "GET", f"unknown/{f}")[0] == 200) == s, 10, f"{fault}: stored is {stored}")


# --- a broker ---


@on_each_store(timeout=180)
def s42_produce_and_consume(env, bucket):
    """kcat and confluent-kafka write and read through the proxy; then again from a broker that knows
    nothing but the bucket."""
    proxy = env.proxy(bucket)
    proxy.faults = Faults(methods="PUT GET", spare="/probe/", latency_ms=5, error=.1,
                          codes="500 503 409 412", reset=.1, lost_response=.1, error_after=.1, cut=.1)
    broker = s3_broker(env, bucket, proxy=proxy)
    raw, topics = env.client(broker), {}
    for name in ("kcat", "confluent-kafka"):
        program = env.program(name, broker)
        for codec in ("none", "zstd"):
            topic = env.topic(client=raw)
            topics[topic] = many_rows(f"{name} {codec}") + rows_of_all_shapes(program.kind)
            program.produce_ok(topic, topics[topic], codec=codec, idempotent=True)
    broker.kill()
    for i in range(10):  # each start reads the journals again
        if i > 0 and not proxy.unmet():
            break
        broker = s3_broker(env, bucket, f"fresh{i}", proxy)
        for name in ("kcat", "confluent-kafka"):
            program = env.program(name, broker)
            for topic, rows in topics.items():
                expect_rows(program.consume(topic, len(rows)), rows, f"{name} reads {topic}",
                            program.kind)
        broker.kill()


@on_each_store(timeout=240)
def s43_kill_9_and_the_other_takes_over(env, bucket):
    """An idempotent producer on two brokers on one bucket; each is killed in the middle of it."""
    proxy = env.proxy(bucket)
    brokers = [s3_broker(env, bucket, name, proxy, ["timeout=1s"], node_id=i + 1)
               for i, name in enumerate(("one", "two"))]
    raw = env.client(brokers[0])
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    env.client(brokers[1]).wait_ready("steady")
    proxy.faults = Faults(methods="PUT", spare="/probe/", latency_ms=5, error=.05,
                          codes="500 503 409 412", reset=.05, late=.05, twice=.05, lost_response=.05,
                          error_after=.05, cut=.05, stall=.02, stall_after=.02)
    with Steady(",".join(b.address for b in brokers), "steady", PARTITIONS, rate=1500) as producer:
        for i in (0, 1):
            producer.wait_more(700)
            brokers[i].kill()
            producer.wait_more(300)
            brokers[i].start()
        eventually(lambda: not proxy.unmet(), 60, "all faults")
        producer.finish()
    for broker in brokers:
        raw = env.client(broker)
        eventually(lambda r=raw: sum(r.end_offset("steady", p) for p in range(PARTITIONS)) ==
                   len(producer.acked), 20, "all records in the view of each broker")
        check(raw, [producer])


@on_each_store(timeout=240, all_only=True)
def s44_throttled(env, bucket):
    """A store that takes only so many requests a second: all of it is acknowledged in the end."""
    proxy = env.proxy(bucket)
    broker = s3_broker(env, bucket, proxy=proxy)
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    proxy.faults = Faults(throttle_per_s=10)
    with Steady(broker.address, "steady", PARTITIONS, rate=1500) as producer:
        producer.wait_more(3000)
        producer.finish()
    check(raw, [producer])


def refusal_of(env, plugin_options, timeout=60):
    """Starts a broker that must not start; what it said."""
    broker = env.own(start=False, options=broker_options(plugin_options))
    broker.start(wait=False)
    try:
        status = broker.process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it did not end by itself: {broker.tail()}") from None
    expect_true(status != 0, "it ended as if all were well")
    return broker.log_text()


@on_each_store()
def s45_a_store_where_two_can_win_is_refused(env, bucket):
    """A proxy that drops If-None-Match: the signature breaks; and one that signs anew: the probe."""
    proxy = env.proxy(bucket)
    proxy.faults = Faults(drop_condition=True)
    said = refusal_of(env, bucket.plugin_options(proxy.endpoint))
    expect_true("wrong signature" in said, f"dropped: {said[-600:]}")
    proxy.faults = Faults(drop_condition=True, resign=bucket.store.keys)
    said = refusal_of(env, bucket.plugin_options(proxy.endpoint))
    expect_true("two brokers could both win" in said, f"re-signed: {said[-600:]}")


@on_each_store(timeout=120, all_only=True)
def s45_a_start_lives_with_lost_answers(env, bucket):
    """A third of all answers is lost: the probe reads back what became of its puts."""
    proxy = env.proxy(bucket)
    proxy.faults = Faults(lost_response=.3)
    raw = env.client(s3_broker(env, bucket, proxy=proxy))
    expect_true(proxy.counts["lost_response"] > 10, f"faults were met: {dict(proxy.counts)}")
    proxy.faults = Faults()
    expect(raw.produce(env.topic(client=raw), 0, make_batch([b"after"]))["error"], 0, "produce")


@on_each_store(timeout=180, all_only=True)
def s46_what_cannot_work_is_said_in_one_line(env, bucket):
    store = bucket.store
    for change, wanted in (("bucket=absent-bucket", "there is no bucket absent-bucket"),
                           ("secret.key=canary-of-a-secret", "secret.key does not belong"),
                           ("access.key=nobody", "does not know the access key nobody"),
                           ("region=eu-west-1", "set region = us-east-1"),
                           ("endpoint=http://127.0.0.1:1", "check the endpoint"),
                           (f"endpoint=https://127.0.0.1:{store.port}", "does it speak TLS there"),
                           ("bucketty=x", "bucket")):
        if change.startswith("region") and store.name == "radosgw":
            continue  # any region will do there
        said = refusal_of(env, bucket.plugin_options() + [change, "timeout=2s"])
        expect_true(wanted in said, f"{change}: {said[-500:]}")
        expect_true("canary-of-a-secret" not in said, "a secret was printed")


@on_each_store(timeout=120, all_only=True)
def s47_the_store_goes_and_comes_back(env, bucket):
    """Meanwhile retriable errors; afterwards all goes on, and nothing acknowledged is lost."""
    broker = s3_broker(env, bucket, plugin=["timeout=2s"])
    raw = env.client(broker, timeout=40)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"before"]))["error"], 0, "produce")
    bucket.store.kill_gateway()
    try:
        row = raw.produce(topic, 0, make_batch([b"meanwhile"]))
        expect_in(row["error"], (k.REQUEST_TIMED_OUT, k.KAFKA_STORAGE_ERROR, k.NOT_LEADER),
                  "produce without a store")
        expect_true(broker.is_running(), "the broker ended")
    finally:
        bucket.store.start_gateway()
    row = raw.produce_until_ok(topic, 0, make_batch([b"after"]), timeout=40)
    expect(row["error"], 0, "produce after it came back")
    values = log_of(raw, topic, 0)
    expect((values[0], values[-1]), (b"before", b"after"), "first and last record")
    eventually(lambda: "state=healthy" in broker.log_text(), 20, "health is logged")


@on_each_store()
def s48_every_put_comes_twice(env, bucket):
    """As from an intermediary that repeats requests: each meets its own object, snapshots too."""
    proxy = env.proxy(bucket)
    proxy.faults = Faults(methods="PUT", spare="/probe/", twice=1)
    broker = s3_broker(env, bucket, proxy=proxy, options=["journal.snapshot.entries=16"])
    raw = env.client(broker)
    topic = env.topic(client=raw)

    def has_snapshot():
        expect(raw.produce(topic, 0, make_batch([b"x"]))["error"], 0, "produce")
        return any("/manifest/" in key for key in bucket.client.keys_list("_sluice/journal/"))
    eventually(has_snapshot, 30, "a manifest")
    wanted = log_of(raw, topic, 0)
    broker.kill()
    broker.start()
    expect(log_of(env.client(broker), topic, 0), wanted, "the log after a restart")


# --- the log's life after the commit, where there is no weather; in it by run.py --store ---


def register_calm(name, run):
    for kind in KINDS:
        register(f"s49_{name}_on_{kind}", lambda env, kind=kind: run(env.on_calm_store(kind)),
                 all_only=kind != DEFAULT, brokers=("sluice",), together=f"on {kind}", timeout=120)


for function in (i01_a_bucket_is_adopted_where_it_lies, r03_verify_finds_nothing_wrong,
                 p05_beside_a_running_broker):
    register_calm(function.__name__, function)


# --- at the end of a run with --store ---


@test(brokers=("sluice",), stores=("s3",))
def s99_every_fault_of_the_weather_was_met(env):
    """A path never met is a hole: too few requests, or a proxy that does not do what it says."""
    env.shared.stores.get(env.shared.store)  # which skips this test where there is no such store
    expect_true(env.shared.weather, "no broker of this run met any weather")
    env.proxies = env.shared.weather  # the rest is Env.expect_faults_met
