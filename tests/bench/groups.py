#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What consumer groups cost: prints figures, asserts nothing.

    groups.py BOOTSTRAP [--pid PID] [--groups N] [--members N] [--seconds N] [--interval-ms N]

Makes N groups of classic members over few connections (requests are pipelined, each connection holds one
member of many groups), lets all heartbeat at the interval, then lets one member of each group commit as
fast as it is answered, then stops the heartbeats of one group's last member and takes the time until the
others have a new generation. --pid: the broker's, whose CPU time is read from /proc.
"""
import argparse
import os
import socket
import struct
import threading
import time

JOIN, SYNC, HEARTBEAT, COMMIT, METADATA = 11, 14, 12, 8, 3
AT_ONCE = 100  # groups of one connection; a broker works on 128 requests of a connection at once
SESSION_MS = 10000


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def blob(b):
    return struct.pack(">i", len(b)) + b


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, requests):
        """[(key, version, body)]"""
        out = b""
        for key, version, body in requests:
            frame = struct.pack(">hhi", key, version, 1) + text("bench") + body
            out += blob(frame)
        self.socket.sendall(out)

    def receive(self):
        size, = struct.unpack(">i", self.file.read(4))
        return self.file.read(size)[4:]

    def ask(self, requests):
        self.send(requests)
        return [self.receive() for _ in requests]


class Member:
    def __init__(self, group):
        self.group, self.id, self.generation = group, "", -1

    def join(self):
        return JOIN, 1, text(self.group) + struct.pack(">ii", SESSION_MS, 60000) + text(self.id) + \
            text("bench") + struct.pack(">i", 1) + text("p") + blob(b"m")

    def joined(self, reply):
        error, self.generation = struct.unpack(">hi", reply[:6])
        if error:
            raise RuntimeError(f"JoinGroup: error {error}")
        at = 6
        for name in ("protocol", "leader", "id"):
            size, = struct.unpack(">h", reply[at:at + 2])
            setattr(self, name, reply[at + 2:at + 2 + size].decode())
            at += 2 + size

    def sync(self):
        return SYNC, 0, text(self.group) + struct.pack(">i", self.generation) + text(self.id) + \
            struct.pack(">i", 0)

    def heartbeat(self):
        return HEARTBEAT, 0, text(self.group) + struct.pack(">i", self.generation) + text(self.id)

    def commit(self, topic, offset):
        return COMMIT, 2, text(self.group) + struct.pack(">i", self.generation) + text(self.id) + \
            struct.pack(">q", -1) + struct.pack(">i", 1) + text(topic) + struct.pack(">i", 1) + \
            struct.pack(">iq", 0, offset) + text("")


def cpu_s(pid):
    if not pid:
        return 0.0
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Holder:
    """One connection with one member of each of some groups."""

    def __init__(self, address, groups):
        self.connection, self.members = Connection(address), [Member(g) for g in groups]
        self.errors = 0

    def enter(self):
        for member, reply in zip(self.members, self.connection.ask([m.join() for m in self.members])):
            member.joined(reply)
        for reply in self.connection.ask([m.sync() for m in self.members]):
            error, = struct.unpack(">h", reply[:2])
            self.errors += error != 0


def together(holders, work):
    """Runs work(holder) of all at the same time."""
    threads = [threading.Thread(target=work, args=(h,)) for h in holders]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def beat(seconds, interval_s, counts):
    def work(holder):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            for reply in holder.connection.ask([m.heartbeat() for m in holder.members]):
                error, = struct.unpack(">h", reply[:2])
                counts[1 if error else 0] += 1
            time.sleep(max(0, interval_s - (time.monotonic() - began)))
    return work


def commit(seconds, topic, counts):
    def work(holder):
        end, offset = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            offset += 1
            for reply in holder.connection.ask([m.commit(topic, offset) for m in holder.members]):
                error, = struct.unpack(">h", reply[-2:])
                counts[1 if error else 0] += 1
    return work


def crash(address, members):
    """Seconds beyond the session time-out from a member's silence to the others' new generation."""
    group = [Holder(address, ["crash"]) for _ in range(members)]
    together(group, Holder.enter)
    silent, began = group.pop(), time.monotonic()
    silent.connection.socket.close()
    while True:
        for h in group:
            reply, = h.connection.ask([h.members[0].heartbeat()])
            if struct.unpack(">h", reply[:2])[0] == 27:
                together(group, Holder.enter)
                return time.monotonic() - began - SESSION_MS / 1000
        time.sleep(0.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bootstrap")
    parser.add_argument("--pid", type=int, default=0)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--interval-ms", type=float, default=3000)
    args = parser.parse_args()
    topic = "bench-groups"
    Connection(args.bootstrap).ask([(METADATA, 1, struct.pack(">i", 1) + text(topic))])
    names = [f"bench-{i}" for i in range(args.groups)]
    holders = [Holder(args.bootstrap, names[at:at + AT_ONCE])
               for at in range(0, args.groups, AT_ONCE) for _ in range(args.members)]
    began, cpu = time.monotonic(), cpu_s(args.pid)
    together(holders, Holder.enter)
    print(f"{args.groups} groups of {args.members} joined and synced in "
          f"{time.monotonic() - began:.2f} s, broker CPU {cpu_s(args.pid) - cpu:.2f} s")
    counts, began, cpu = [0, 0], time.monotonic(), cpu_s(args.pid)
    together(holders, beat(args.seconds, args.interval_ms / 1000, counts))
    took, used = time.monotonic() - began, cpu_s(args.pid) - cpu
    print(f"heartbeats: {counts[0] / took:.0f}/s ({counts[1]} errors), broker CPU {used / took:.1%} of "
          f"a core, {used * 1e6 / max(1, counts[0]):.1f} us each")
    counts, began, cpu = [0, 0], time.monotonic(), cpu_s(args.pid)
    together(holders[::args.members], commit(args.seconds / 2, topic, counts))
    took, used = time.monotonic() - began, cpu_s(args.pid) - cpu
    print(f"commits: {counts[0] / took:.0f}/s ({counts[1]} errors), broker CPU {used / took:.1%} of a core, "
          f"{used * 1e6 / max(1, counts[0]):.1f} us each")
    print(f"crash of a member to a settled group, beyond its session: {crash(args.bootstrap, 3):.2f} s")


if __name__ == "__main__":
    main()
