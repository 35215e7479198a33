# SPDX-License-Identifier: Apache-2.0
"""What a test is, and what it is given: registry, environment, small assertions."""
import contextlib
import os
import pathlib
import time

from brokers import NotAvailable, make_broker
from clients import KINDS
from rawkafka import Client

TESTS = {}


class Test:
    def __init__(self, name, run, all_only, brokers, timeout):
        self.name, self.run, self.all_only = name, run, all_only
        self.brokers, self.timeout = brokers, timeout


def register(name, run, all_only=False, brokers=("sluice", "kafka"), timeout=120):
    if name in TESTS:
        raise ValueError(f"two tests are named {name}")
    TESTS[name] = Test(name, run, all_only, brokers, timeout)


def test(**options):
    """Registers a function under its own name. Options: all_only, brokers, timeout (seconds)."""
    def decorate(function):
        register(function.__name__, function, **options)
        return function
    return decorate


class Shared:
    """The broker that tests share which do not harm one. Started by the first that asks."""

    def __init__(self, kind, directory, options=()):
        self.kind, self.dir, self.options, self.broker = kind, directory, options, None

    def get(self):
        if self.broker is None:
            self.broker = make_broker(self.kind, self.dir / "shared", options=self.options).start()
        return self.broker

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

    def skip(self, reason):
        raise NotAvailable(reason)

    @property
    def broker(self):
        broker = self.shared.get()
        if broker not in self.brokers:
            self.brokers.append(broker)
            self.log_start[broker] = len(broker.log_text())
        return broker

    def own(self, directory="data", start=True, **options):
        """A broker of this test's own."""
        broker = make_broker(self.kind, self.dir / directory, **options)
        broker.log = self.dir / f"broker-{broker.port}.log"  # beside what a test may make unwritable
        self.brokers.append(broker)
        self.stack.callback(broker.kill)
        return broker.start() if start else broker

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
        return "".join(f"\n--- log of the broker at {b.address}:\n"
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
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)


def is_root():
    return os.geteuid() == 0
