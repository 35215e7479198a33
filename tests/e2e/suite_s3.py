# SPDX-License-Identifier: Apache-2.0
"""s4x: brokers on S3. Real stores, started here; a proxy of our own between them and the plugin."""
import random
import shutil
import subprocess

import rawkafka as k
from brokers import BUILD
from harness import eventually, expect, expect_in, expect_true, test
from rawkafka import make_batch
from s3.faultproxy import FaultProxy, Faults
from s3.radosgw import Radosgw
from s3.versitygw import Versitygw
from steady import Steady, check, log_of

PLUGIN = BUILD / "storage-s3.so"
DRIVE = BUILD / "tests" / "e2e" / "s3" / "s3_drive"
PARTITIONS = 4
STORES = {"versitygw": Versitygw, "radosgw": Radosgw}


def store_of(env, kind="versitygw"):
    """A store of this test's own, with an empty bucket named sluice."""
    if not PLUGIN.exists():
        env.skip(f"{PLUGIN} is not built")
    store = STORES[kind](env.dir / kind)
    env.stack.callback(store.kill)
    store.start()
    store.make_bucket("sluice")
    return store


def proxy_of(env, store):
    proxy = FaultProxy(("127.0.0.1", store.port), seed=env.name)
    env.stack.callback(proxy.stop)
    return proxy.start()


def s3_options(store, endpoint=None, more=()):
    """The options that put a broker on the store."""
    own = [f"path={PLUGIN}", *store.options("sluice", endpoint), *more]
    return ["storage.plugin=s3"] + [f"plugin.s3.{x}" for x in own]


def drive(env, store, *words, endpoint=None, more=()):
    """Runs s3_drive; (status, what it said)."""
    if not DRIVE.exists():
        env.skip(f"{DRIVE} is not built")
    done = subprocess.run([str(DRIVE), str(PLUGIN), *words, *store.options("sluice", endpoint), *more],
                          capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout.strip() + ("" if done.returncode == 0 else done.stderr[-800:])


def expect_drive(env, store, *words, **options):
    status, said = drive(env, store, *words, **options)
    expect_true(status == 0, f"{' '.join(words)}: {said}")


def kit(env, store, *more):
    """The conformance kit of the SDK against the plugin, in a bucket of its own: it ends plugins with
    puts in flight, which land when they like."""
    conf = env.dir / "kit.conf"
    store.make_bucket("conformance")
    options = [f"path={PLUGIN}", *store.options("conformance"), *more]
    conf.write_text("[storage]\nplugin = s3\n[plugin s3]\n" + "\n".join(options) + "\n")
    done = subprocess.run([str(BUILD / "sluice"), "plugin", "test", str(PLUGIN), "--config", str(conf)],
                          capture_output=True, text=True, timeout=300, check=False)
    expect_true(done.returncode == 0 and "not ok" not in done.stdout,
                "\n".join(x for x in (done.stdout + done.stderr).split("\n")
                          if not x.startswith("ok "))[-1500:])


def conformance(env, kind):
    """The door itself on a real store: a model, races, long lists, conditional replace."""
    store = store_of(env, kind)
    kit(env, store)
    expect_drive(env, store, "model", "1", "400")
    expect_drive(env, store, "model", "2", "400", more=["payload.signing=off"])
    expect_drive(env, store, "race", "20")
    expect_drive(env, store, "many", "2500")
    expect_drive(env, store, "replace")
    proxy = proxy_of(env, store)
    proxy.faults = Faults(methods="GET HEAD DELETE", error=.1, reset=.1, lost_response=.1,
                          error_after=.1, cut=.1)
    expect_drive(env, store, "model", "3", "300", endpoint=proxy.endpoint)
    expect_true(min(proxy.counts[x] for x in ("error", "reset", "lost_response", "cut")) > 3,
                f"faults were met: {dict(proxy.counts)}")
    proxy.faults = Faults(methods="PUT", error=.1, codes="409 503")
    expect_drive(env, store, "many", "300", endpoint=proxy.endpoint)


@test(all_only=True, brokers=("sluice",), timeout=240)
def s40_door_on_versitygw(env):
    conformance(env, "versitygw")


@test(all_only=True, brokers=("sluice",), timeout=400)
def s40_door_on_radosgw(env):
    conformance(env, "radosgw")


def certificate_of(env):
    """A certificate of its own authority for 127.0.0.1; (certificate, key)."""
    if not shutil.which("openssl"):
        env.skip("no openssl")
    files = env.dir / "store.pem", env.dir / "store.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=sluice test", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@test(all_only=True, brokers=("sluice",), timeout=180)
def s41_door_over_tls(env):
    """Payloads are not signed there; the store checks the CRC-32C that goes with them."""
    if not PLUGIN.exists():
        env.skip(f"{PLUGIN} is not built")
    store = Versitygw(env.dir / "versitygw", *certificate_of(env))
    env.stack.callback(store.kill)
    (store.dir / "buckets" / "sluice").mkdir(parents=True)
    store.start()
    expect_drive(env, store, "model", "1", "200")
    expect_drive(env, store, "race", "10")
    said = drive(env, store, "put", "tls/x", "100000")[1]
    expect_true(said.startswith("stored"), said)
    status, said = drive(env, store, "open", more=["ca.file=", "timeout=2s"])
    expect_true(status != 0 and "ca.file" in said, f"an authority that nobody knows: {said}")
    expect_drive(env, store, "open", more=["ca.file=", "tls.verify=off"])


@test(all_only=True, brokers=("sluice",), timeout=120)
def s41_a_put_that_nobody_answered_is_unknown(env):
    store = store_of(env)
    proxy = proxy_of(env, store)
    for fault, stored in (("lost_response", True), ("error_after", True), ("late", True),
                          ("reset", False), ("stall", None)):
        proxy.faults = Faults(methods="PUT", **{fault: 1})
        said = drive(env, store, "put", f"unknown/{fault}", "1000", endpoint=proxy.endpoint,
                     more=["timeout=1s"])[1]
        expect_true(said.startswith("unknown "), f"{fault}: {said}")
        if stored is not None:
            eventually(lambda f=fault, s=stored: (store.bucket("sluice").request(
                "GET", f"unknown/{f}")[0] == 200) == s, 10, f"{fault}: stored is {stored}")


def produce_and_consume(env, kind):
    """kcat writes, the broker is killed, and a new one on the same bucket gives all of it back."""
    if not shutil.which("kcat"):
        env.skip("no kcat")
    store = store_of(env, kind)
    broker = env.own(options=s3_options(store))
    lines = [f"line {i}" for i in range(5000)]
    subprocess.run(["kcat", "-b", broker.address, "-P", "-t", "first", "-X", "acks=all"],
                   input="\n".join(lines) + "\n", text=True, check=True, timeout=60)
    broker.kill()
    other = env.own("data2", options=s3_options(store))
    done = subprocess.run(["kcat", "-b", other.address, "-C", "-t", "first", "-o", "beginning", "-e",
                           "-q"], capture_output=True, text=True, check=True, timeout=60)
    expect(sorted(done.stdout.split("\n")[:-1]), sorted(lines), "what was read back")


@test(all_only=True, brokers=("sluice",), timeout=120)
def s42_produce_and_consume_on_versitygw(env):
    produce_and_consume(env, "versitygw")


@test(all_only=True, brokers=("sluice",), timeout=240)
def s42_produce_and_consume_on_radosgw(env):
    produce_and_consume(env, "radosgw")


def kill_rounds(env, store, rounds, proxy=None, faults=None, more=()):
    """faults are at work except while a broker starts: the probe's 32 puts at once want answers."""
    endpoint = proxy.endpoint if proxy else None
    broker = env.own(options=s3_options(store, endpoint) + list(more))
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    rng = random.Random(env.name)
    with Steady(broker.address, "steady", PARTITIONS, rate=1500) as producer:
        for _ in range(rounds):
            if proxy:
                proxy.faults = faults
            producer.wait_more(rng.randint(200, 1500))
            broker.kill()
            if proxy:
                proxy.faults = Faults()
            broker.start()
        producer.wait_more(300)
        producer.finish()
        check(env.client(broker), [producer])


@test(all_only=True, brokers=("sluice",), timeout=300)
def s43_kill_9_under_load(env):
    store = store_of(env)
    kill_rounds(env, store, 5)


@test(all_only=True, brokers=("sluice",), timeout=400)
def s43_kill_9_under_load_and_faults(env):
    """The same through a proxy that loses, delays and refuses: nothing acknowledged is lost."""
    store = store_of(env)
    proxy = proxy_of(env, store)
    faults = Faults(latency_ms=5, lost_response=.03, error=.03, error_after=.03, reset=.02, late=.02,
                    cut=.02)
    kill_rounds(env, store, 5, proxy, faults, ["plugin.s3.timeout=3s"])
    expect_true(sum(proxy.counts[x] for x in ("lost_response", "error", "error_after", "late")) > 5,
                f"faults were met: {dict(proxy.counts)}")


@test(all_only=True, brokers=("sluice",), timeout=240)
def s44_two_brokers_on_one_bucket(env):
    """Both write the same partitions; each record is there once, and one takes over from the other."""
    store = store_of(env)
    first = env.own("one", options=s3_options(store), node_id=1)
    second = env.own("two", options=s3_options(store), node_id=2)
    raw = env.client(first)
    expect(raw.create("shared", 1), 0, "create")
    raw.wait_ready("shared")
    env.client(second).wait_ready("shared")
    acked, clients = [], (raw, env.client(second))
    for i in range(40):
        client = clients[i % 2]
        row = client.produce_until_ok("shared", 0, make_batch([b"%d" % i]), timeout=30)
        expect(row["error"], 0, f"record {i}")
        acked.append(row["base_offset"])
    expect(len(set(acked)), 40, "offsets")
    first.kill()
    row = env.client(second).produce_until_ok("shared", 0, make_batch([b"after"]), timeout=30)
    expect(row["error"], 0, "produce after the other died")
    eventually(lambda: len(log_of(env.client(second), "shared", 0)) == 41, 20, "41 records")


def refusal_of(env, options, timeout=60):
    """Starts a broker that must not start; what it said."""
    broker = env.own(start=False, options=options)
    broker.start(wait=False)
    try:
        status = broker.process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it did not end by itself: {broker.tail()}") from None
    expect_true(status != 0, "it ended as if all were well")
    return broker.log_text()


@test(all_only=True, brokers=("sluice",), timeout=120)
def s45_a_store_where_two_can_win_is_refused(env):
    """A proxy that drops If-None-Match: the signature breaks; and one that signs anew: the probe."""
    store = store_of(env)
    proxy = proxy_of(env, store)
    proxy.faults = Faults(drop_condition=True)
    said = refusal_of(env, s3_options(store, proxy.endpoint))
    expect_true("wrong signature" in said, f"dropped: {said[-600:]}")
    proxy.faults = Faults(drop_condition=True, resign=store.keys)
    said = refusal_of(env, s3_options(store, proxy.endpoint))
    expect_true("twice" in said or "win" in said or "conditional" in said, f"re-signed: {said[-600:]}")


@test(all_only=True, brokers=("sluice",), timeout=180)
def s46_what_cannot_work_is_said_in_one_line(env):
    store = store_of(env)
    for change, wanted in (("bucket=absent-bucket", "there is no bucket absent-bucket"),
                           ("secret.key=canary-of-a-secret", "secret.key does not belong"),
                           ("access.key=nobody", "does not know the access key nobody"),
                           ("region=eu-west-1", "set region = us-east-1"),
                           ("endpoint=http://127.0.0.1:1", "check the endpoint"),
                           (f"endpoint=https://127.0.0.1:{store.port}", "does it speak TLS there"),
                           ("bucketty=x", "bucket")):
        said = refusal_of(env, s3_options(store, more=[change, "timeout=2s"]))
        expect_true(wanted in said, f"{change}: {said[-500:]}")
        expect_true("canary-of-a-secret" not in said, "a secret was printed")


@test(all_only=True, brokers=("sluice",), timeout=120)
def s47_the_store_goes_and_comes_back(env):
    """Meanwhile retriable errors; afterwards all goes on, and nothing acknowledged is lost."""
    store = store_of(env)
    broker = env.own(options=s3_options(store, more=["timeout=2s"]))
    raw = env.client(broker, timeout=40)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"before"]))["error"], 0, "produce")
    store.kill()
    row = raw.produce(topic, 0, make_batch([b"meanwhile"]))
    expect_in(row["error"], (k.REQUEST_TIMED_OUT, k.KAFKA_STORAGE_ERROR, k.NOT_LEADER),
              "produce without a store")
    expect_true(broker.is_running(), "the broker ended")
    store.start()
    row = raw.produce_until_ok(topic, 0, make_batch([b"after"]), timeout=40)
    expect(row["error"], 0, "produce after it came back")
    values = log_of(raw, topic, 0)
    expect((values[0], values[-1]), (b"before", b"after"), "first and last record")
    eventually(lambda: "is healthy" in broker.log_text(), 20, "health is logged")
