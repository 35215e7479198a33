#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seed corpora of the wire fuzz targets from the unit tests' vectors.

    make_wire_seeds.py        (from anywhere; writes into tests/fuzz/corpus/)
"""
import pathlib
import struct

TESTS = pathlib.Path(__file__).resolve().parent.parent
VECTORS = TESTS / "unit/wire/vectors"
CORPUS = TESTS / "fuzz/corpus"


def seed(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def messages():
    """Of each message the last version of either encoding, with everything and with nothing in it."""
    lines = [line.split() for line in open(VECTORS / "messages.txt")]
    flexible = {tuple(l[:3]) for l in lines if l[3] == "unknown"}
    last = {(l[0], l[1], tuple(l[:3]) in flexible, l[3]): l for l in lines}
    for (key, kind, is_flexible, variant), line in last.items():
        if variant not in ("filled", "null"):
            continue
        body = b"" if line[4] == "-" else bytes.fromhex(line[4])
        key, version = int(key), int(line[2])
        name = f"{key:02}_{kind}_v{version}_{variant}"
        seed("wire_message", name, struct.pack(">Bhh", kind == "response", key, version) + body)
        if kind == "request" and variant == "filled":
            header = struct.pack(">hhih", key, version, 7, 4) + b"seed" + b"\0" * is_flexible
            seed("wire_frame", name, header + body)


def batches():
    for line in open(VECTORS / "batches.txt"):
        name, producer_id, count, hexed = line.split()
        raw = bytes.fromhex(hexed)
        if int(count) == 1 and int(producer_id) > 0:
            seed("wire_batch", name, b"\1" + raw)
        if int(count) == 40 and int(producer_id) > 0:
            seed("wire_records", name, raw[22:23] + struct.pack(">H", int(count)) + raw[61:])


messages()
batches()
