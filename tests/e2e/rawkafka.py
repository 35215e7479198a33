# SPDX-License-Identifier: Apache-2.0
"""A raw Kafka client for tests: one socket, one frame at a time, nothing hidden, nothing retried.

Also record batches: `make_batch` builds them (each field can be falsified), `parse_batches` takes
them apart without trusting the broker. Codecs are written as *stored* blocks, so that every codec is
available with the standard library alone: valid for any decoder, and never what a broker that
recompresses would send back.
"""
import socket
import struct
import time
import zlib

from kschema import MESSAGES, Decoder, SchemaError, decode, encode, uvarint

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
CODEC_NAMES = {v: k for k, v in CODECS.items()}

NONE, OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION = 0, 1, 2, 3
LEADER_NOT_AVAILABLE, NOT_LEADER, REQUEST_TIMED_OUT, MESSAGE_TOO_LARGE = 5, 6, 7, 10
INVALID_TOPIC, INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION = 17, 21, 35
TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR = 36, 37, 38
INVALID_CONFIG, INVALID_REQUEST = 40, 42
SECURITY_DISABLED, ELECTION_NOT_NEEDED, RESOURCE_NOT_FOUND = 54, 84, 91
OUT_OF_ORDER_SEQUENCE, INVALID_PRODUCER_EPOCH, KAFKA_STORAGE_ERROR = 45, 47, 56
FETCH_SESSION_ID_NOT_FOUND, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH = 70, 74, 75
UNSUPPORTED_COMPRESSION_TYPE, INVALID_RECORD, INVALID_TIMESTAMP = 76, 87, 32
UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID = 100, 103


class ConnectionClosed(Exception):
    """The broker closed the connection."""


# --- CRC-32C and XXH32, for want of both in the standard library ---

def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


_CRC = _crc_table()


def crc32c(data):
    crc, table = 0xFFFFFFFF, _CRC
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def xxh32_short(data):
    """XXH32 with seed 0 of fewer than 16 bytes (an LZ4 frame descriptor)."""
    m, p1, p2 = 0xFFFFFFFF, 2654435761, 2246822519
    p3, p4, p5 = 3266489917, 668265263, 374761393
    h = p5 + len(data) & m
    while len(data) >= 4:
        h = h + struct.unpack("<I", data[:4])[0] * p3 & m
        h = (h << 17 | h >> 15) & m
        h, data = h * p4 & m, data[4:]
    for byte in data:
        h = h + byte * p5 & m
        h = (h << 11 | h >> 21) & m
        h = h * p1 & m
    h = (h ^ h >> 15) * p2 & m
    h = (h ^ h >> 13) * p3 & m
    return h ^ h >> 16


# --- codecs, with stored blocks ---

def snappy_raw(data):
    out = [uvarint(len(data))]
    for at in range(0, len(data), 60):
        part = data[at:at + 60]
        out.append(bytes([len(part) - 1 << 2]) + part)
    return b"".join(out)


def snappy_xerial(data):
    out = [b"\x82SNAPPY\0", struct.pack(">ii", 1, 1)]
    for at in range(0, len(data), 32768):
        block = snappy_raw(data[at:at + 32768])
        out.append(struct.pack(">i", len(block)) + block)
    return b"".join(out)


def lz4_frame(data):
    descriptor = bytes([0x60, 0x40])  # version 1, independent blocks; blocks of up to 64 KiB
    out = [struct.pack("<I", 0x184D2204), descriptor, bytes([xxh32_short(descriptor) >> 8 & 0xFF])]
    for at in range(0, len(data), 65536):
        part = data[at:at + 65536]
        out.append(struct.pack("<I", len(part) | 0x80000000) + part)
    return b"".join(out) + bytes(4)


def zstd_frame(data):
    out = [struct.pack("<I", 0xFD2FB528), b"\xa0", struct.pack("<I", len(data))]
    parts = [data[at:at + 65536] for at in range(0, len(data), 65536)] or [b""]
    for i, part in enumerate(parts):
        last = 1 if i == len(parts) - 1 else 0
        out.append(struct.pack("<I", len(part) << 3 | last)[:3] + part)
    return b"".join(out)


def compress(codec, data):
    if codec == "gzip":
        c = zlib.compressobj(6, zlib.DEFLATED, 31)
        return c.compress(data) + c.flush()
    return {"none": bytes, "snappy": snappy_raw, "xerial": snappy_xerial, "lz4": lz4_frame,
            "zstd": zstd_frame}[codec](data)


# --- record batches ---

def varint(n):
    return uvarint((n << 1 ^ n >> 63) & 0xFFFFFFFFFFFFFFFF)


def _nullable(data):
    return varint(-1) if data is None else varint(len(data)) + data


def make_record(index, key, value, headers=(), ts_delta=0):
    parts = [b"\0", varint(ts_delta), varint(index), _nullable(key), _nullable(value),
             varint(len(headers))]
    for name, content in headers:
        parts.append(_nullable(name.encode()) + _nullable(content))
    body = b"".join(parts)
    return varint(len(body)) + body


def make_batch(values, codec="none", pid=-1, epoch=-1, seq=-1, ts=None, **falsify):
    """values: bytes, or (key, value[, headers[, timestamp]]).

    falsify: base_offset, leader_epoch, magic, crc, attributes (or'ed in), last_offset_delta, count,
    length, records (the encoded section, whole) replace what would be right.
    """
    now = int(time.time() * 1000) if ts is None else ts
    rows = [(None, v, (), now) if isinstance(v, bytes) or v is None else
            (v[0], v[1], v[2] if len(v) > 2 else (), v[3] if len(v) > 3 else now) for v in values]
    base_ts = rows[0][3] if rows else now
    max_ts = max((r[3] for r in rows), default=now)
    body = b"".join(make_record(i, k, v, h, t - base_ts) for i, (k, v, h, t) in enumerate(rows))
    body = falsify.get("records", compress(codec, body))
    attributes = CODECS["snappy" if codec == "xerial" else codec] | falsify.get("attributes", 0)
    tail = struct.pack(">hiqqqhii", attributes, falsify.get("last_offset_delta", len(rows) - 1),
                       base_ts, max_ts, pid, epoch, seq, falsify.get("count", len(rows))) + body
    crc = falsify.get("crc", crc32c(tail))
    length = falsify.get("length", len(tail) + 9)
    return struct.pack(">qiibI", falsify.get("base_offset", 0), length,
                       falsify.get("leader_epoch", -1), falsify.get("magic", 2), crc) + tail


class Batch:
    """One batch as it came, its header taken apart."""

    HEADER = ">qiibIhiqqqhii"

    def __init__(self, data):
        (self.base_offset, self.length, self.leader_epoch, self.magic, self.crc, self.attributes,
         self.last_offset_delta, self.base_ts, self.max_ts, self.pid, self.epoch, self.seq,
         self.count) = struct.unpack(self.HEADER, data[:61])
        self.data, self.payload = data, data[61:]
        self.codec = CODEC_NAMES.get(self.attributes & 7, "?")

    @property
    def next_offset(self):
        return self.base_offset + self.last_offset_delta + 1

    def check(self):
        if self.magic != 2 or crc32c(self.data[21:]) != self.crc:
            raise SchemaError(f"batch at {self.base_offset}: magic {self.magic} or CRC wrong")

    def records(self):
        """[(offset, timestamp, key, value, headers)]; codecs none and gzip only."""
        data = zlib.decompress(self.payload, 47) if self.codec == "gzip" else self.payload
        if self.codec not in ("none", "gzip"):
            raise ValueError(f"codec {self.codec}")
        decoder, out = RecordDecoder(data), []
        for _ in range(self.count):
            delta, ts, key, value, headers = decoder.record()
            out.append((self.base_offset + delta, self.base_ts + ts, key, value, headers))
        return out


class RecordDecoder(Decoder):
    def __init__(self, data):
        super().__init__(data, 0, True)

    def varint(self):
        n = self.uvarint()
        return n >> 1 ^ -(n & 1)

    def blob(self):
        n = self.varint()
        return None if n == -1 else self.take(n)

    def record(self):
        end = self.varint() + self.pos
        self.take(1)
        ts, delta = self.varint(), self.varint()
        key, value = self.blob(), self.blob()
        headers = [(self.blob().decode(), self.blob()) for _ in range(self.varint())]
        if self.pos != end:
            raise SchemaError("record length does not match its fields")
        return delta, ts, key, value, headers


def parse_batches(data, check=True):
    """All whole batches of a fetched record set; a truncated last one is left out."""
    out = []
    while len(data) >= 61:
        size = 12 + struct.unpack(">i", data[8:12])[0]
        if size > len(data):
            break
        batch = Batch(data[:size])
        if check:
            batch.check()
        out.append(batch)
        data = data[size:]
    return out


# --- connection ---

def request_frame(name, version, body, corr, client_id="raw"):
    message = MESSAGES[name]
    payload = body if isinstance(body, bytes) else encode(name, version, body)
    header = struct.pack(">hhi", message.key, version, corr)
    header += struct.pack(">h", -1) if client_id is None else \
        struct.pack(">h", len(client_id)) + client_id.encode()
    if message.is_flexible(version):
        header += b"\0"
    return struct.pack(">i", len(header) + len(payload)) + header + payload


class Conn:
    """One connection. Every wait ends after timeout seconds."""

    def __init__(self, address, timeout=20):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.corr = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, name, version, body):
        self.corr += 1
        self.send_raw(request_frame(name, version, body, self.corr))
        return self.corr

    def take(self, n):
        parts = []
        while n:
            try:
                part = self.sock.recv(min(n, 1 << 20))
            except ConnectionError as e:
                raise ConnectionClosed(str(e)) from e
            if not part:
                raise ConnectionClosed("end of stream")
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def receive_frame(self):
        size = struct.unpack(">i", self.take(4))[0]
        if size < 4 or size > 200 << 20:
            raise SchemaError(f"reply of {size} bytes")
        return self.take(size)

    def receive(self, name, version, corr):
        frame = self.receive_frame()
        got = struct.unpack(">i", frame[:4])[0]
        if got != corr:
            raise SchemaError(f"correlation id {got}, not {corr}")
        at = 4
        if MESSAGES[name].is_flexible(version) and name != "ApiVersions":
            if frame[4:5] != b"\0":
                raise SchemaError("response header carries tags")
            at = 5
        return decode(name, version, frame[at:])

    def call(self, name, version, body):
        return self.receive(name, version, self.send(name, version, body))

    def is_closed(self, wait=10):
        """True when the broker closes within wait seconds; a reply counts as not closed."""
        self.sock.settimeout(wait)
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class Client(Conn):
    """A connection with the handful of calls that tests use all the time."""

    def versions(self):
        reply = self.call("ApiVersions", 0, {})
        return {a["key"]: (a["min"], a["max"]) for a in reply["api_keys"]}

    def create(self, topic, partitions=1, configs=(), version=5, timeout_ms=30000):
        """Error code of creating one topic."""
        reply = self.call("CreateTopics", version, {
            "topics": [{"name": topic, "num_partitions": partitions, "replication_factor": 1,
                        "configs": [{"name": k, "value": v} for k, v in configs]}],
            "timeout_ms": timeout_ms})
        return reply["topics"][0]["error"]

    def metadata(self, topics, version=12, auto_create=False):
        rows = None if topics is None else [
            {"name": t} if isinstance(t, str) else {"topic_id": t} for t in topics]
        return self.call("Metadata", version, {"topics": rows,
                                               "allow_auto_topic_creation": auto_create})

    def topic_id(self, topic):
        return self.metadata([topic])["topics"][0]["topic_id"]

    def wait_ready(self, topic, timeout=20):
        """Waits until every partition of topic names a leader."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            row = self.metadata([topic])["topics"][0]
            if row["error"] == 0 and all(p["error"] == 0 and p["leader"] >= 0
                                         for p in row["partitions"]):
                return row
            time.sleep(0.05)
        raise TimeoutError(f"topic {topic} is not ready")

    def produce_body(self, topic, partition, batch, acks=-1):
        return {"acks": acks, "timeout_ms": 10000, "topics": [
            {"name": topic, "partitions": [{"index": partition, "records": batch}]}]}

    def produce(self, topic, partition, batch, version=9, acks=-1):
        """The reply's row of that partition."""
        reply = self.call("Produce", version, self.produce_body(topic, partition, batch, acks))
        return reply["responses"][0]["partitions"][0]

    def produce_until_ok(self, topic, partition, batch, timeout=30):
        """Produces again as a client does, while the error is one that a client retries."""
        end = time.monotonic() + timeout
        while True:
            row = self.produce(topic, partition, batch)
            if row["error"] in (0, ) or time.monotonic() > end:
                return row
            time.sleep(0.1)

    def fetch_body(self, rows, max_wait_ms=500, min_bytes=1, max_bytes=55 << 20, **extra):
        """rows: [(topic name or id, partition, offset, partition_max_bytes)]"""
        topics = {}
        for topic, partition, offset, limit in rows:
            topics.setdefault(topic, []).append({
                "partition": partition, "fetch_offset": offset, "partition_max_bytes": limit,
                "current_leader_epoch": -1, "last_fetched_epoch": -1, "log_start_offset": -1})
        return {"replica_id": -1, "max_wait_ms": max_wait_ms, "min_bytes": min_bytes,
                "max_bytes": max_bytes, "session_id": 0, "session_epoch": -1, **extra,
                "topics": [{"topic" if isinstance(t, str) else "topic_id": t, "partitions": p}
                           for t, p in topics.items()]}

    def fetch(self, topic, partition, offset, version=11, limit=1 << 20, **extra):
        """The reply's row of that partition."""
        body = self.fetch_body([(topic, partition, offset, limit)], **extra)
        reply = self.call("Fetch", version, body)
        if reply.get("error"):
            raise SchemaError(f"fetch: top-level error {reply['error']}")
        return reply["responses"][0]["partitions"][0]

    def list_offset(self, topic, partition, timestamp, version=7):
        reply = self.call("ListOffsets", version, {"replica_id": -1, "topics": [
            {"name": topic, "partitions": [{"partition": partition, "current_leader_epoch": -1,
                                            "timestamp": timestamp}]}]})
        return reply["topics"][0]["partitions"][0]

    def end_offset(self, topic, partition):
        return self.list_offset(topic, partition, -1)["offset"]

    def read_batches(self, topic, partition, offset=0, end=None):
        """All batches from offset to end (default: the end now)."""
        end = self.end_offset(topic, partition) if end is None else end
        out = []
        while offset < end:
            row = self.fetch(topic, partition, offset, max_wait_ms=1000)
            if row["error"]:
                raise SchemaError(f"{topic}/{partition} at {offset}: error {row['error']}")
            batches = [b for b in parse_batches(row["records"]) if b.next_offset > offset]
            if not batches:
                raise SchemaError(f"{topic}/{partition}: nothing at {offset}, end is {end}")
            out += batches
            offset = batches[-1].next_offset
        return out

    def init_producer(self, version=4):
        """(producer id, epoch); waits while a coordinator is still loading, as clients do."""
        end = time.monotonic() + 10
        while True:
            reply = self.call("InitProducerId", version, {
                "transactional_id": None, "transaction_timeout_ms": 0, "producer_id": -1,
                "producer_epoch": -1})
            if reply["error"] not in (14, 15) or time.monotonic() > end:
                break
            time.sleep(0.1)
        if reply["error"]:
            raise SchemaError(f"InitProducerId: error {reply['error']}")
        return reply["producer_id"], reply["producer_epoch"]
