# SPDX-License-Identifier: Apache-2.0
"""Reads the objects in the directory of a stopped broker. Written from docs/file-store.md alone."""
import struct

CRC_TABLE = list(range(256))
for _ in range(8):
    CRC_TABLE = [c >> 1 ^ (0x82F63B78 if c & 1 else 0) for c in CRC_TABLE]


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = CRC_TABLE[(crc ^ b) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def require(condition, why):
    if not condition:
        raise ValueError(why)


class Cursor:
    def __init__(self, data, name):
        self.data, self.at, self.end, self.name = data, 0, len(data), name

    def bytes(self, n):
        require(n <= self.end - self.at, f"{self.name}: cut short at byte {self.at}")
        self.at += n
        return self.data[self.at - n:self.at]

    def take(self, fmt):
        values = struct.unpack(">" + fmt, self.bytes(struct.calcsize(">" + fmt)))
        return values if len(values) > 1 else values[0]

    def list(self, read):
        return [read() for _ in range(self.take("I"))]


def volume_records(path):
    """[(key, sequence, payload)] of the records that are not deleted."""
    data, headers, rows, end, is_over = path.read_bytes(), [], [], 8192, False
    for h in (data[:4096], data[4096:8192]):
        state, ident, generation, revision, limit, key_n, crc = struct.unpack(">12xIQQQ8xQ8xH2xI", h[:72])
        if h[:12] == b"SLUICEVL\0\0\0\1" and crc32c(h[:68] + h[72:72 + key_n]) == crc:
            headers.append((generation, revision, ident, state == 1, limit))
    require(headers, f"{path}: neither header is valid")
    generation, _, ident, is_closed, limit = max(headers)
    for at in range(8192, limit if is_closed else len(data), 4096):
        h = data[at:at + 4096]
        key_n, *place, sequence, length, crc, offset, prev_n, head_crc = \
            struct.unpack(">6xHQQQQQII16xH2xI", h[:80])
        if at < end or h[:6] != b"SLRC\0\1" or place != [ident, generation, at] or \
                crc32c(h[:76] + h[96:96 + key_n + prev_n]) != head_crc:
            is_over = is_over or at >= end  # else: inside the record before
            continue
        require(not is_over, f"{path}: damaged at byte {end}")
        is_deleted, payload = bin(h[80]).count("1") >= 4, data[at + offset:at + offset + length]
        rows.append((h[96:96 + key_n].decode(), sequence, None if is_deleted else payload, crc))
        end = at + (offset + length + 4095) // 4096 * 4096
    require(not is_closed or end == limit, f"{path}: damaged at byte {end}")
    if rows and not is_closed and rows[-1][2] is not None and crc32c(rows[-1][2]) != rows[-1][3]:
        rows.pop()  # torn by a crash
    rows = [row for row in rows if row[2] is not None]
    for key, _, payload, crc in rows:
        require(crc32c(payload) == crc, f"{path}: the payload of {key} is damaged")
    return [row[:3] for row in rows]


def read_store(directory):
    """{key: bytes}"""
    files = {p.relative_to(directory).as_posix(): p for p in directory.rglob("*") if p.is_file()}
    objects, sequences = {k: p.read_bytes() for k, p in files.items() if k[0] != "+"}, {}
    for path in (directory / "+volumes").glob("*.vol"):
        for key, sequence, payload in volume_records(path):
            if sequence > sequences.get(key, -1):
                objects[key], sequences[key] = payload, sequence
    return objects
