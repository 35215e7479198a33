# SPDX-License-Identifier: Apache-2.0
"""g…: consumer groups of the classic protocol: each client library as a member, members that come, go
and die, static and cooperative ones, brokers that restart and die."""
import threading
import time

from clients import CURRENT_PYTHON, KINDS, venv
from harness import eventually, expect, expect_true, register, test
from rawkafka import make_batch

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
                     timeout=180)


register_clients()
