#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/unit/wire/vectors/messages.txt: bytes of every message at every version that
server/wire/ can speak, written by an independent interpreter of Kafka's own message definitions.

    make_wire_vectors.py kafka-clients-4.3.1.jar > tests/unit/wire/vectors/messages.txt

The definitions (common/message/*.json) are read from the jar and are not kept here. Lines are

    KEY request|response VERSION VARIANT HEX OFFSETS

where OFFSETS says at which bytes a length or a count of elements begins (only for `filled`),
with the variants
    null     every nullable field null, everything else empty or zero, no tagged field
    empty    like null, but what is nullable is there and empty
    filled   two elements in every array, every tagged field present, every value computed from the
             field's name and the index of the innermost array element (value() below; the C test
             has the same function), so that swapped fields are seen
    unknown  filled, plus a tagged field nobody knows in every struct of a flexible version
"""
import json
import re
import struct
import sys
import zipfile
import zlib

# What server/wire/ speaks: key -> (first, last version). The test fails if this list and the table
# in server/wire/apis.c differ.
SPOKEN = {
    0: (3, 13), 1: (4, 17), 2: (1, 9), 3: (0, 13), 8: (2, 9), 9: (1, 9), 10: (0, 4), 11: (0, 9),
    12: (0, 4), 13: (0, 5), 14: (0, 5), 15: (0, 6), 16: (0, 5), 17: (0, 1), 18: (0, 4), 19: (2, 7),
    20: (1, 6), 21: (0, 2), 22: (0, 5), 23: (2, 4), 29: (1, 3), 30: (1, 3), 31: (1, 3), 32: (1, 4),
    33: (0, 2), 35: (1, 4), 37: (0, 3), 42: (0, 2), 43: (0, 2), 44: (0, 1), 46: (0, 0), 47: (0, 0),
    48: (0, 1),
    49: (0, 1), 50: (0, 0), 60: (0, 1), 68: (0, 1), 69: (0, 1), 75: (0, 0),
}


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


class Versions:
    def __init__(self, text):
        self.none = text in (None, "none")
        if not self.none:
            first, dash, last = text.rstrip("+").partition("-")
            self.first = int(first)
            self.last = 1 << 15 if text.endswith("+") else int(last if dash else first)

    def __contains__(self, version):
        return not self.none and self.first <= version <= self.last


def uvarint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def value(kind, name, index, must_be_set):
    text = (name + str(index)).encode()
    h = zlib.crc32(text)
    if kind == "bool":
        return must_be_set or bool(h & 1)
    if kind == "uuid":
        return (text * 16)[:16]
    if kind in ("string", "bytes", "records"):
        return text
    return {"int8": h % 127 + 1, "int16": h % 32767 + 1, "uint16": h % 65535 + 1,
            "int32": h % 0x7FFFFFFF + 1, "int64": h << 20 | 5, "float64": float(h)}[kind]


FIXED = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "int64": ">q",
         "float64": ">d"}


class Writer:
    def __init__(self, message, version, variant):
        self.version, self.variant = version, variant
        self.flexible = version in Versions(message.get("flexibleVersions"))
        self.common = {s["name"]: s["fields"] for s in message.get("commonStructs", [])}
        self.filled = variant in ("filled", "unknown")
        self.lie_at = None  # write a wrong length there, counted from 0
        self.lengths = 0

    def length(self, n, is_string):
        """n None means null."""
        self.lengths += 1
        if self.lengths - 1 == self.lie_at:
            return b"\x7f"
        if self.flexible:
            return uvarint(0 if n is None else n + 1)
        return struct.pack(">h" if is_string else ">i", -1 if n is None else n)

    def scalar(self, kind, name, index, nullable, must_be_set):
        if kind == "uuid":
            return value(kind, name, index, False) if self.filled else bytes(16)
        if kind in FIXED:
            return struct.pack(FIXED[kind], value(kind, name, index, must_be_set) if self.filled else 0)
        if self.filled:
            raw = value(kind, name, index, must_be_set)
        else:
            raw = None if nullable and self.variant == "null" else b""
        return self.length(None if raw is None else len(raw), kind == "string") + (raw or b"")

    def item(self, kind, field, index, nullable, must_be_set):
        if kind in FIXED or kind in ("uuid", "string", "bytes", "records"):
            return self.scalar(kind, snake(field["name"]), index, nullable, must_be_set)
        if nullable and self.variant == "null":
            return b"\xff"
        if nullable:
            return b"\x01" + self.struct(field.get("fields") or self.common[kind], index)
        return self.struct(field.get("fields") or self.common[kind], index)

    def field(self, field, index, must_be_set=False):
        kind = field["type"]
        nullable = self.version in Versions(field.get("nullableVersions"))
        if not kind.startswith("[]"):
            return self.item(kind, field, index, nullable, must_be_set)
        if nullable and self.variant == "null":
            return self.length(None, False)
        n = 2 if self.filled else 0
        return self.length(n, False) + b"".join(
            self.item(kind[2:], field, i, False, False) for i in range(n))

    def struct(self, fields, index):
        out, tagged = b"", []
        for field in fields:
            if self.version not in Versions(field["versions"]):
                continue
            if self.version in Versions(field.get("taggedVersions")):
                tagged.append((field["tag"], field))
            else:
                out += self.field(field, index)
        if not self.flexible:
            return out
        sets = [(t, self.field(f, index, True)) for t, f in sorted(tagged, key=lambda x: x[0])]
        sets = sets if self.filled else []
        if self.variant == "unknown":
            sets.append((9000, b"who knows"))
        return out + uvarint(len(sets)) + b"".join(
            uvarint(t) + uvarint(len(b)) + b for t, b in sets)


def load(jar):
    for name in sorted(jar.namelist()):
        if not re.match(r"common/message/\w+(Request|Response)\.json$", name):
            continue
        text = jar.read(name).decode()
        message = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
        if message.get("apiKey") in SPOKEN:
            yield message


def length_offsets(message, version, body):
    """Where the n-th length is: where the bytes change if it is written wrong."""
    writer = Writer(message, version, "filled")
    writer.struct(message["fields"], 0)
    for n in range(writer.lengths):
        liar = Writer(message, version, "filled")
        liar.lie_at = n
        other = liar.struct(message["fields"], 0)
        # inside a tagged field the size before it changes as well
        at = next(i for i, (a, b) in enumerate(zip(other, body)) if a != b)
        yield str(at)


def main():
    messages = list(load(zipfile.ZipFile(sys.argv[1])))
    for m in sorted(messages, key=lambda m: (m["apiKey"], m["type"])):
        first, last = SPOKEN[m["apiKey"]]
        for version in range(first, last + 1):
            assert version in Versions(m["validVersions"]), (m["name"], version)
            for variant in ("null", "empty", "filled", "unknown"):
                writer = Writer(m, version, variant)
                if variant == "unknown" and not writer.flexible:
                    continue
                body = writer.struct(m["fields"], 0)
                at = length_offsets(m, version, body) if variant == "filled" else ()
                print(m["apiKey"], m["type"], version, variant, body.hex() or "-",
                      ",".join(sorted(set(at), key=int)) or "-")


if __name__ == "__main__":
    main()
