# SPDX-License-Identifier: Apache-2.0
"""What a test is, and what it is given: registry, environment, small assertions."""
import collections
import contextlib
import dataclasses
import os
import pathlib
import subprocess
import time

from brokers import BUILD, NotAvailable, make_broker
from clients import KINDS
from rawkafka import Client
from s3.stores import WEATHER, WEATHER_OPTIONS, Stores, broker_options

TESTS = {}
BOTH = ("file", "s3")  # stores of a test
CLI = BUILD / "sluice"
_patience = 1  # how much longer than on an idle local disk a test waits for what must come


class Test:
    def __init__(self, name, run, **options):
        self.name, self.run = name, run
        self.all_only = options.pop("all_only", False)
        self.brokers = options.pop("brokers", ("sluice", "kafka"))
        self.stores = options.pop("stores", ("file",))
        self.timeout = options.pop("timeout", 120)
        self.together = options.pop("together", name)
        if options:
            raise ValueError(f"{name}: no such options: {options}")


def register(name, run, **options):
    """Options: all_only; brokers; stores, of "file" and "s3" (run.py --store); timeout (seconds);
    together: tests that name the same run one after the other also with --jobs."""
    if name in TESTS:
        raise ValueError(f"two tests are named {name}")
    TESTS[name] = Test(name, run, **options)


def test(**options):
    """Registers a function under its own name, with the options of register()."""
    def decorate(function):
        register(function.__name__, function, **options)
        return function
    return decorate


@dataclasses.dataclass
class Place:
    """Where brokers that share a directory keep their objects: there, or in a bucket."""
    options: list = dataclasses.field(default_factory=list)  # of the broker
    bucket: object = None                                    # an s3client.S3
    proxy: object = None                                     # before that bucket


class Shared:
    """What tests share: S3 stores, and the broker of those tests that do not harm one. Each is started
    by the first that asks."""

    def __init__(self, kind, directory, store="file"):
        self.kind, self.dir, self.store, self.broker = kind, directory, store, None
        self.stores, self.place = Stores(directory), None
        self.weather = []  # the proxies of all brokers that run in it; see suite_s3.s99

    def get(self):
        if self.broker is None:
            if self.place is None:
                self.place = Place() if self.store == "file" else self.place_in_the_weather()
            self.broker = make_broker(self.kind, self.dir / "shared", options=self.place.options).start()
            self.broker.bucket = self.place.bucket
        return self.broker

    def place_in_the_weather(self):
        """A new bucket of --store, behind a proxy of its own."""
        bucket = self.stores.bucket(self.store)
        proxy = bucket.proxy(len(self.weather)).start()
        proxy.faults = WEATHER
        self.weather.append(proxy)
        options = broker_options(bucket.plugin_options(proxy.endpoint)) + list(WEATHER_OPTIONS)
        return Place(options, bucket.client, proxy)

    def died(self):
        """True once, if the broker ended by itself; the next test gets a new one."""
        if self.broker is None or self.broker.is_running():
            return False
        self.broker.stop()
        self.broker.dir = self.broker.dir.with_name(self.broker.dir.name + "+")
        self.broker = None
        self.dir = self.dir / "again"
        return True


class Env:
    """Given to one test; what it starts is stopped when the test ends."""

    def __init__(self, name, kind, shared, directory, everything):
        self.name, self.kind, self.shared, self.dir = name, kind, shared, pathlib.Path(directory)
        self.everything = everything  # --all
        self.is_kafka = kind == "kafka"
        self.brokers, self.topics, self.stack = [], 0, contextlib.ExitStack()
        self.log_start = {}  # broker: how long its log was when this test began
        self.places, self.proxies = {}, []  # of own() by directory; proxies of this test
        self.calm_store = None              # a kind of store where there is no weather

    def skip(self, reason):
        raise NotAvailable(reason)

    @property
    def broker(self):
        broker = self.shared.get()
        if broker not in self.brokers:
            self.brokers.append(broker)
            self.log_start[broker] = len(broker.log_text())
        return broker

    @property
    def is_on_files(self):
        return self.shared.store == "file" and self.calm_store is None

    def place(self, directory="data"):
        """Where own() puts the objects of brokers on that directory."""
        if directory not in self.places:
            if self.calm_store is not None:
                bucket = self.shared.stores.bucket(self.calm_store)
                made = Place(broker_options(bucket.plugin_options()), bucket.client)
            else:
                made = Place() if self.is_on_files else self.shared.place_in_the_weather()
            self.places[directory] = made
        return self.places[directory]

    def on_calm_store(self, kind):
        """From now on own() takes buckets of that store, without weather."""
        self.calm_store = kind
        set_patience(2)
        self.stack.callback(set_patience, 1)
        return self

    def own(self, directory="data", start=True, **options):
        """A broker of this test's own. Two on the same directory share what it holds, also when
        that is a bucket (run.py --store)."""
        place = self.place(directory)
        more = [o for o in options.get("options", ()) if self.is_on_files or not o.startswith("storage.volume")]
        options["options"] = place.options + more
        broker = make_broker(self.kind, self.dir / directory, **options)
        broker.bucket = place.bucket
        broker.log = self.dir / f"broker-{broker.port}.log"  # beside what a test may make unwritable
        self.brokers.append(broker)
        self.stack.callback(broker.kill)
        return broker.start() if start else broker

    def proxy(self, bucket):
        """A fault proxy before a bucket's store."""
        proxy = bucket.proxy(self.name)
        self.proxies.append(proxy)
        self.stack.callback(proxy.stop)
        return proxy.start()

    def expect_faults_met(self):
        """Every fault that the proxies of this test were told to make was met."""
        counts = sum((p.counts for p in self.proxies), start=collections.Counter())
        wanted = set().union(*(p.expected for p in self.proxies))
        expect(sorted(x for x in wanted if not counts[x]), [],
               f"faults that were never met; there were {dict(counts)}")
        return ", ".join(f"{name} {counts[name]}" for name in sorted(wanted))

    def client(self, broker=None, timeout=20):
        return self.stack.enter_context(Client((broker or self.broker).address, timeout))

    def program(self, kind, broker=None):
        """A client program, by the name of its kind."""
        return self.stack.enter_context(KINDS[kind].start((broker or self.broker).address))

    def topic(self, partitions=1, configs=(), client=None):
        """Creates a topic of this test's own and waits until it is ready."""
        self.topics += 1
        name = f"{self.name}.{self.topics}"
        raw = client or self.client()
        expect(raw.create(name, partitions, configs), 0, f"creating {name}")
        raw.wait_ready(name)
        if self.is_kafka:  # its Metadata runs ahead of its logs
            for p in range(partitions):
                eventually(lambda p=p: raw.list_offset(name, p, -1)["error"] == 0, 10, f"{name}/{p}")
        return name

    def logs(self):
        """The end of what each broker of this test logged meanwhile."""
        lines = 12 if self.is_kafka else 40
        return "".join(
            f"\n--- log of the broker at {b.address}:\n"
            f"{b.tail(lines, self.log_start.get(b, 0))}\n" for b in self.brokers)

    def close(self):
        self.stack.close()


def expect(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {short(got)}, wanted {short(wanted)}")


def expect_in(got, wanted, what):
    if got not in wanted:
        raise AssertionError(f"{what}: got {short(got)}, wanted one of {short(wanted)}")


def expect_true(value, what):
    if not value:
        raise AssertionError(what)


def short(value):
    text = repr(value)
    return text if len(text) < 400 else text[:200] + " … " + text[-150:]


def eventually(condition, timeout, what, every=0.05):
    """Waits for a true value and returns it. Only for what has no event to wait on."""
    end = time.monotonic() + timeout * _patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)


def set_patience(factor):
    """What eventually() waits, in multiples of what it is told."""
    global _patience
    _patience = factor


def sluice(broker, *words, timeout=60):
    """A command of `sluice` on what the broker's store holds."""
    return subprocess.run([str(CLI), *map(str, words), *sets(broker)], capture_output=True, text=True,
                          timeout=timeout * _patience, check=False)


def sets(broker):
    """The options that lead a command to the broker's store."""
    return [w for s in broker.store_options() for w in ("--set", s)]


def is_root():
    return os.geteuid() == 0
