#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the logs in a store that nobody writes to. Written from docs/formats.md alone.

    logreader.py DIRECTORY                     start, end, records and bytes of each topic partition
    logreader.py DIRECTORY TOPIC PARTITION     the record batches of one, as they are, to standard output

Compares every checksum, follows every chain. What is wrong is said by key; then the status is 1.
"""
import base64
import json
import pathlib
import struct
import sys
from types import SimpleNamespace

from filestore import Cursor, crc32c, read_store, require
from kfsreader import Segment


class Journal:
    namespace = "default"

    def __init__(self, objects, prefix, cluster, j):
        self.objects, self.cluster, self.j, self.prefix = objects, cluster, j, f"{prefix}/journal/{j}/"
        self.n, self.last, self.parts, self.topics = 0, bytes(16), {}, {}  # topics: id -> name, journals
        manifests = [k for k in objects if k.startswith(self.prefix + "manifest/")]
        acked = self.restore(max(manifests)) if manifests else 0
        while self.entry(self.n + 1) in objects:
            self.apply(self.n + 1, self.entry(self.n + 1))
        beyond = [k for k in objects if k > self.entry(self.n) and k[:-20] == self.prefix]
        acked = max([acked] + [struct.unpack(">Q", objects[k][72:80])[0] for k in beyond])
        require(acked <= self.n, f"{self.entry(self.n + 1)}: missing, though it was committed")

    def entry(self, n):
        return f"{self.prefix}{n:020}"

    def open(self, key, magic):
        c = Cursor(self.objects.get(key, b""), key)
        require(c.take("4sHH")[:2] == (magic, 1), f"{key}: not version 1 of {magic}")
        require(c.take("16sI") == (self.cluster, self.j), f"{key}: of another cluster or journal")
        return c

    def restore(self, key):
        c, content = self.open(key, b"SLJM"), b""
        _, m, _, acked, _, _, length = c.take("QQQQqiH")
        snapshot = c.bytes(length).decode()
        require(crc32c(c.data[:c.at]) == c.take("I"), f"{key}: checksum")
        c = self.open(snapshot, b"SLJS")
        self.n, self.last, total = c.take("Q16sQ")
        require(crc32c(c.data[:60]) == c.take("I") and self.n == m, f"{snapshot}: header")
        while c.at < c.end:
            size, crc = c.take("II")
            content += c.bytes(size)
            require(crc32c(c.data[c.at - size:c.at]) == crc, f"{snapshot}: chunk before byte {c.at}")
        c = Cursor(content, snapshot)
        magic, version, _, _ = c.take("4sHHq")
        require((len(content), magic) == (total, b"SLST") and version in (1, 2, 3), f"{snapshot}: content")
        c.list(lambda: self.restored_topic(c, version))
        c.list(lambda: self.partition(c, version))
        return acked

    def restored_topic(self, c, version):
        ident, _ = self.topic(c), c.take("iq")
        if version > 1 and c.take("Bq")[0]:
            del self.topics[ident]  # is being deleted

    def topic(self, c):
        ident, length = c.take("16sH")
        name, _ = c.bytes(length).decode(), c.take("I")  # and the incarnation
        self.topics[ident] = (name, c.list(lambda: c.take("I")))
        c.list(lambda: (c.bytes(c.take("H")), c.bytes(c.take("I"))))
        return ident

    def segment(self, c):
        base, last, size, _, gen, _, _ = c.take("qqQqIII")
        c.list(lambda: c.take("IIq"))
        return base, last, size, gen

    def partition(self, c, version):
        ident, index, start, end, _ = c.take("16siqqB")
        directory = c.bytes(c.take("H")).decode() if version > 1 else ""
        segments = c.list(lambda: (self.segment(c), c.take("q"))[0]) if version > 1 else []
        runs = [(n, base, *rest) for n, base, _, *rest in c.list(lambda: c.take("QqqiIII"))]
        self.parts[ident, index] = SimpleNamespace(start=start, end=end, runs=runs, dir=directory,
                                                   segments=segments, index=index)
        c.list(lambda: (c.take("qhq"), [c.take("iiq") for _ in range(c.take("B"))]))

    def apply(self, n, key):
        c = self.open(key, b"SLJE")
        _, number, ident, prev, _, _, items, _, head, crc, size = c.take("iQ16s16sQqIIIIQ")
        require(number == n and len(c.data) == head + size, f"{key}: of another place, or cut short")
        require(crc32c(c.data[:100] + bytes(4) + c.data[104:head]) == crc, f"{key}: checksum of the head")
        self.n, c.at = n, 128
        if prev == self.last:  # else it is void
            self.last = ident
            for _ in range(items):
                kind, version, size = c.take("HHI")
                item = Cursor(c.bytes(size), key)
                require(version == 1, f"{key}: item kind {kind} version {version}")
                self.item(kind, item, head)
                require(item.at == item.end, f"{key}: item kind {kind} is longer than its fields")

    def item(self, kind, c, head):
        if kind == 1:
            where, count, base, position, length, crc, _ = c.take("16si"), *c.take("iqIII52s")
            p = self.parts.get(where)
            require(p is not None and p.end == base, f"{c.name}: the run at {base} does not fit")
            p.runs.append((self.n, base, count, head + position, length, crc))
            p.end += count
        elif kind == 16:
            c.list(lambda: self.topic(c))
        elif kind == 18:
            self.topics[c.take("16si")[0]][1].extend(c.list(lambda: c.take("I")))
        elif kind == 32:
            while c.at < c.end:
                ident = c.bytes(16)
                c.list(lambda: self.opened(ident, c.take("i")))
        elif kind == 19:
            c.list(lambda: self.topics.pop(c.bytes(16), None))
        elif kind == 33:
            while c.at < c.end:
                ident = c.bytes(16)
                self.parts = {k: p for k, p in self.parts.items() if k[0] != ident}
        elif kind == 34:
            while c.at < c.end:
                p, start = self.parts.get(c.take("16si")), c.take("q")
                if p is not None and start > p.start:
                    p.start, p.runs = min(start, p.end), [r for r in p.runs if r[1] + r[2] > start]
                    p.segments = [s for s in p.segments if s[1] >= start]
        elif kind == 36:
            c.list(lambda: self.register(c, self.parts[c.take("16si")], c.bytes(c.take("H")).decode()))
        elif kind == 37:
            p, sources, new = self.parts[c.take("16si")], c.list(lambda: c.take("qI")), self.segment(c)
            p.segments = sorted([s for s in p.segments if (s[0], s[3]) not in sources] + [new])
        elif kind == 40:
            p, directory = self.parts[c.take("16si")], c.bytes(c.take("H")).decode()
            p.dir, p.segments = directory, c.list(lambda: self.segment(c))
            p.start, p.end = p.segments[0][0], p.segments[-1][1] + 1
        else:  # how many are open, topics gone, producer ids, configs, quotas, producers, garbage, losses, groups
            require(kind in (17, 20, 21, 22, 23, 35, 38, 41, 48, 49, 50), f"{c.name}: item kind {kind} is unknown")
            c.at = c.end

    def opened(self, ident, index):
        self.parts.setdefault((ident, index), SimpleNamespace(start=0, end=0, runs=[], dir="", segments=[], index=index))

    def register(self, c, p, directory):
        new = self.segment(c)
        covered = [r for r in p.runs if r[1] <= new[1]]
        require(covered and (covered[0][1], sum(covered[-1][1:3])) == (new[0], new[1] + 1),
                f"{c.name}: the segment at {new[0]} does not fit")
        p.runs, p.dir, p.segments = p.runs[len(covered):], directory, p.segments + [new]

    def batches(self, p):
        """Yields batch and number of records, every checksum compared: first the segments, then the runs."""
        for base, last, size, generation in (s for s in p.segments if s[2]):
            key = f"{self.namespace}/{p.dir}/{p.index}/segment-{base:020}" + (f"-{generation}" if generation else "")
            kfs = self.objects.get(key + ".kfs", b"")
            segment = Segment(key + ".kfs", kfs, self.objects.get(key + ".index", b""))
            require((segment.last, len(kfs)) == (last, size), f"{key}.kfs: is not what the journal says")
            yield from ((batch, records) for *_, records, batch in segment.batches)
        for n, base, count, position, length, crc in p.runs:
            key, offset = self.entry(n), base
            run = self.objects.get(key, b"")[position:position + length]
            require(len(run) == length and crc32c(run) == crc, f"{key}: run at offset {base}")
            while run:
                first, size, _, magic, crc, _, delta = struct.unpack(">qiibIhi", run[:27])
                batch, run = run[:12 + size], run[12 + size:]
                require((first, magic, crc) == (offset, 2, crc32c(batch[21:])), f"{key}: batch at {offset}")
                yield batch, struct.unpack(">i", batch[57:61])[0]
                offset += delta + 1
            require(offset == base + count, f"{key}: run at offset {base} ends at {offset}")


def read_log(directory, prefix="_sluice"):
    """{(topic, partition): (journal, partition)}"""
    objects = read_store(pathlib.Path(directory))
    about = json.loads(objects[f"{prefix}/cluster.json"])
    require(about["min_reader"] <= 1, f"{prefix}/cluster.json: needs a newer reader")
    cluster = base64.urlsafe_b64decode(about["cluster_id"] + "==")
    journals = [Journal(objects, prefix, cluster, j) for j in range(about["journals"])]
    return {(name, i): (journals[j], journals[j].parts[ident, i])
            for ident, (name, where) in journals[0].topics.items()
            for i, j in enumerate(where) if (ident, i) in journals[j].parts}


def main(directory, *wanted):
    for where, (journal, p) in sorted(read_log(directory).items(), key=lambda row: row[0]):
        if not wanted or wanted == (where[0], str(where[1])):
            rows = list(journal.batches(p))
            sys.stdout.buffer.write(b"".join(b for b, _ in rows) if wanted else (
                f"{where[0]} {where[1]} start {p.start} end {p.end} records {sum(n for _, n in rows)} "
                f"batches {len(rows)} bytes {sum(len(b) for b, _ in rows)}\n").encode())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as problem:
        sys.exit(f"logreader: {problem}")
