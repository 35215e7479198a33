#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the segments of a bucket, without any journal. Written from docs/formats.md, "Segments", alone.

    kfsreader.py DIRECTORY                    offsets, records and bytes of each topic partition
    kfsreader.py DIRECTORY TOPIC PARTITION    the record batches of one, as they are, to standard output

Checks all that the files say about themselves: frames, checksums of bodies and batches, density of offsets,
indexes, and that a partition's segments follow each other. What is wrong is said by key, and position; then the
status is 1. TOPIC is the directory's name.
"""
import pathlib
import re
import struct
import sys

from filestore import crc32c, require

NAME = re.compile(r"segment-(\d{20})(?:-([1-9]\d*))?\.kfs")
HEADER, FOOTER = struct.Struct(">4sHHqiqI"), struct.Struct(">Iq4s")
INDEX = struct.Struct(">4sHiiH")
BATCH = struct.Struct(">qiibIhiqqqhii")


class Segment:
    """One segment, checked when it is made. batches: (position, base offset, last offset, records, bytes)"""

    def __init__(self, key, data, index):
        self.key, self.data = key, data
        named = NAME.fullmatch(key.split("/")[-1])
        require(named, f"{key}: not the name of a segment")
        self.generation = int(named[2] or 0)
        require(len(self.data) >= HEADER.size + FOOTER.size, f"{key}: cut short")
        magic, version, flags, self.base, self.records, self.created_ms, _ = HEADER.unpack_from(self.data)
        require((magic, version, flags) == (b"KAFS", 1, 0), f"{key}: no segment of version 1")
        require(self.base == int(named[1]), f"{key}: begins at {self.base}")
        self.body = self.data[HEADER.size:-FOOTER.size]
        crc, self.last, end = FOOTER.unpack_from(self.data, len(self.data) - FOOTER.size)
        require(end == b"END!", f"{key}: the end is missing")
        require(crc32c(self.body) == crc, f"{key}: checksum of the body")
        self.batches = list(self.walk())
        require(self.batches, f"{key}: no batch")
        require(self.batches[-1][2] == self.last or self.generation, f"{key}: ends at {self.batches[-1][2]}")
        require(sum(b[3] for b in self.batches) == self.records, f"{key}: number of records")
        self.check_index(index, key[:-4] + ".index")

    def walk(self):
        at, offset = 0, self.base
        while at < len(self.body):
            where = f"{self.key}: batch at byte {HEADER.size + at}"
            require(len(self.body) - at >= BATCH.size, f"{where} is cut short")
            first, size, _, magic, crc, _, delta, *_, count = BATCH.unpack_from(self.body, at)
            require(magic == 2 and BATCH.size - 12 <= size <= len(self.body) - at - 12, f"{where}: magic or length")
            batch = self.body[at:at + 12 + size]
            require(crc32c(batch[21:]) == crc, f"{where}: checksum")
            require(first == offset or (self.generation and first > offset), f"{where}: is of offset {first}")
            yield HEADER.size + at, first, first + delta, count, batch
            at, offset = at + 12 + size, first + delta + 1

    def check_index(self, data, key):
        require(len(data) >= INDEX.size, f"{key}: missing or cut short")
        magic, version, count, interval, _ = INDEX.unpack_from(data)
        require((magic, version) == (b"IDX\0", 1) and interval > 0, f"{key}: no index of version 1")
        require(len(data) == INDEX.size + 12 * count, f"{key}: length")
        wanted, since = [], interval
        for position, first, _, records, _ in self.batches:
            if since >= interval or not wanted:
                wanted.append((first, position))
                since = 0
            since += records
        found = list(struct.iter_unpack(">qi", data[INDEX.size:]))
        require(found == wanted, f"{key}: {len(found)} entries, the segment has {len(wanted)} or others")


def content(path):
    return path.read_bytes() if path.is_file() else b""


def read_partition(directory, key):
    """The segments of one partition, in order."""
    paths = sorted(p for p in directory.iterdir() if p.suffix == ".kfs")
    segments = [Segment(f"{key}/{p.name}", p.read_bytes(), content(p.with_suffix(".index"))) for p in paths]
    for before, after in zip(segments, segments[1:]):
        follows = after.base == before.last + 1 or (before.generation and after.base > before.last)
        require(follows, f"{after.key}: the one before it ends at {before.last}")
    return segments


def read_bucket(directory, namespace="default"):
    """{(topic directory, partition): [Segment]}"""
    root, found = pathlib.Path(directory) / namespace, {}
    for topic in sorted(root.iterdir()) if root.is_dir() else ():
        for partition in topic.iterdir():
            where = topic.name, int(partition.name)
            found[where] = read_partition(partition, f"{namespace}/{topic.name}/{partition.name}")
    return {where: segments for where, segments in found.items() if segments}


def main(directory, *wanted):
    for (topic, partition), segments in sorted(read_bucket(directory).items()):
        if wanted:
            if wanted == (topic, str(partition)):
                sys.stdout.buffer.write(b"".join(s.body for s in segments))
            continue
        print(f"{topic} {partition} from {segments[0].base} to {segments[-1].last} segments {len(segments)} "
              f"records {sum(s.records for s in segments)} bytes {sum(len(s.body) for s in segments)}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ValueError, TypeError, OSError) as e:
        sys.exit(f"kfsreader.py: {e}")
