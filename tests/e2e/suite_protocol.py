# SPDX-License-Identifier: Apache-2.0
"""a0x: the protocol, frame by frame. Where we differ from Apache Kafka on purpose, the test says so."""
import struct

import rawkafka as k
from harness import expect, expect_in, expect_true, test
from kschema import MESSAGES, ZERO_UUID, SchemaError
from rawkafka import Client, make_batch, parse_batches, request_frame

# What kafka.md promises; Kafka may offer more.
ADVERTISED = {"Produce": (0, 13), "Fetch": (4, 17), "ListOffsets": (1, 9), "Metadata": (0, 13),
              "FindCoordinator": (0, 4), "ApiVersions": (0, 4), "CreateTopics": (2, 7),
              "InitProducerId": (0, 5), "OffsetForLeaderEpoch": (2, 4), "DescribeConfigs": (1, 4),
              "CreatePartitions": (0, 3), "DescribeCluster": (0, 1)}


def one_partition(topic, **fields):
    return [{"name": topic, "partitions": [{"partition": 0, **fields}]}]


def bodies(raw, topic):
    """{API: function of a version that gives a request which must succeed}"""
    topic_id = raw.topic_id(topic)

    def produce(version):
        body = raw.produce_body(topic, 0, make_batch([b"x"]))
        if version >= 13:
            body["topics"][0] = {"topic_id": topic_id, **body["topics"][0]}
            del body["topics"][0]["name"]
        return body

    def fetch(version):
        return raw.fetch_body([(topic_id if version >= 13 else topic, 0, 0, 1000)], max_wait_ms=10)

    return {
        "Produce": produce,
        "Fetch": fetch,
        "ListOffsets": lambda v: {"replica_id": -1, "topics": one_partition(
            topic, timestamp=-1, current_leader_epoch=-1)},
        "Metadata": lambda v: {"topics": [{"name": topic}]},
        "FindCoordinator": lambda v: {"coordinator_keys": ["g"]} if v >= 4 else {"key": "g"},
        "ApiVersions": lambda v: {"client_software_name": "e2e", "client_software_version": "1.0"},
        "CreateTopics": lambda v: {"timeout_ms": 20000, "topics": [
            {"name": f"{topic}.create{v}", "num_partitions": 1, "replication_factor": 1}]},
        "InitProducerId": lambda v: {"producer_id": -1, "producer_epoch": -1},
        "OffsetForLeaderEpoch": lambda v: {"replica_id": -1, "topics": [
            {"topic": topic, "partitions": [{"current_leader_epoch": -1, "leader_epoch": 0}]}]},
        "DescribeConfigs": lambda v: {"resources": [{"resource_type": 2, "resource_name": topic}]},
        "CreatePartitions": lambda v: {"timeout_ms": 20000,
                                       "topics": [{"name": topic, "count": 2 + v}]},
        "DescribeCluster": lambda v: {"endpoint_type": 1},
    }


def errors_in(value):
    """Every error code anywhere in a reply."""
    if isinstance(value, list):
        return [e for item in value for e in errors_in(item)]
    if isinstance(value, dict):
        own = [value["error"]] if isinstance(value.get("error"), int) else []
        return own + [e for item in value.values() for e in errors_in(item)]
    return []


@test()
def a01_api_versions(env):
    raw = env.client()
    for version in range(5):
        reply = raw.call("ApiVersions", version, {"client_software_name": "a-1.b",
                                                  "client_software_version": "1.0-x"}
                         if version >= 3 else {})
        expect(reply["error"], 0, f"v{version}: error")
        ranges = {a["key"]: (a["min"], a["max"]) for a in reply["api_keys"]}
        for name, (low, high) in ADVERTISED.items():
            got = ranges.get(MESSAGES[name].key)
            if env.is_kafka:
                expect_true(got and got[0] <= low and got[1] >= high, f"{name}: {got}")
            else:
                expect(got, (low, high), f"{name} at v{version}")
        for absent in (4, 5, 6, 7):
            expect_true(absent not in ranges, f"inter-broker API {absent} is advertised")


@test()
def a01_api_versions_of_the_future(env):
    """An unknown version is answered in the layout of v0, error 35, with the range of API 18."""
    for version in (5, 99, 32767):
        raw = env.client()
        corr = raw.send("ApiVersions", version, b"\x07garbage that nobody can decode")
        reply = raw.receive("ApiVersions", 0, corr)
        expect(reply["error"], k.UNSUPPORTED_VERSION, "error")
        expect(reply["api_keys"], [{"key": 18, "min": 0, "max": 4}], "api_keys")
        expect(raw.call("ApiVersions", 0, {})["error"], 0, "next request on that connection")


@test()
def a01_api_versions_bad_software_name(env):
    for name, version in (("", "1"), ("-x", "1"), ("x", ""), ("a b", "1"), ("x", "1.")):
        raw = env.client()
        reply = raw.call("ApiVersions", 3, {"client_software_name": name,
                                            "client_software_version": version})
        expect(reply["error"], k.INVALID_REQUEST, f"name {name!r}, version {version!r}")


@test()
def a02_every_version_decodes(env):
    """Every advertised version of every API, encoded and decoded by an independent codec."""
    raw, topic = env.client(), env.topic()
    ranges = raw.versions()
    for name, body in bodies(raw, topic).items():
        if MESSAGES[name].key not in ranges:
            raise AssertionError(f"{name} is not advertised")
        low, high = ranges[MESSAGES[name].key]
        for version in range(3 if name == "Produce" else low, min(high, ADVERTISED[name][1]) + 1):
            what = f"{name} v{version}"
            request = body(version)
            known = {f.name for f in MESSAGES[name].request}
            request = {f: v for f, v in request.items() if f in known}
            try:
                reply = raw.call(name, version, request)
            except (SchemaError, k.ConnectionClosed) as e:
                raise AssertionError(f"{what}: {e}") from e
            allowed = {0} if not env.is_kafka else {0, 14, 15}  # its coordinator is still loading
            expect_true(set(errors_in(reply)) <= allowed, f"{what}: {reply}")


@test()
def a03_unknown_api_or_version_closes(env):
    for name, frame in (
            ("unknown key", struct.pack(">ihhih", 10, 999, 0, 1, -1)),
            ("negative key", struct.pack(">ihhih", 10, -1, 0, 1, -1)),
            ("Metadata v99", struct.pack(">ihhih", 10, 3, 99, 1, -1)),
            ("Metadata v-1", struct.pack(">ihhih", 10, 3, -1, 1, -1)),
            ("Fetch v3", struct.pack(">ihhih", 10, 1, 3, 1, -1)),
            ("empty body", struct.pack(">ihhih", 10, 0, 9, 1, -1))):
        raw = env.client()
        raw.send_raw(frame)
        expect_true(raw.is_closed(), f"{name}: the connection stays open or is answered")
    expect(env.client().call("ApiVersions", 0, {})["error"], 0, "a new connection")


@test()
def a03_produce_0_to_2_is_listed_and_refused(env):
    """kafka.md 1b: advertised from 0 for old librdkafka, but no batch of theirs is accepted."""
    topic = env.topic()
    old = struct.pack(">hi", -1, 1000) + struct.pack(">i", 0)
    for version in (0, 1, 2):
        raw = env.client()
        frame = struct.pack(">hhih", 0, version, 1, -1) + old
        raw.send_raw(struct.pack(">i", len(frame)) + frame)
        expect_true(raw.is_closed(), f"Produce v{version}: the connection stays open")
    expect(env.client().end_offset(topic, 0), 0, "end offset")


@test()
def a04_header_and_tags(env):
    """Null client id, and unknown tagged fields in header and body are skipped by length."""
    raw = env.client()
    for client_id in (None, "", "x" * 200, "ünïcode"):
        name = client_id.encode().decode("latin-1") if client_id else client_id
        for version in (1, 9):
            frame = request_frame("Metadata", version, {"topics": []}, 7, None)
            if client_id is not None:
                data = client_id.encode()
                header = struct.pack(">hhih", 3, version, 7, len(data)) + data
                frame = header + frame[14:]
                frame = struct.pack(">i", len(frame)) + frame
            raw.send_raw(frame)
            reply = raw.receive("Metadata", version, 7)
            expect_true(len(reply["brokers"]) >= 1, f"brokers for client id {name!r} v{version}")
    tags = b"\x02" + b"\x05\x03abc" + b"\x90\x4e\x00"  # tag 5 of 3 bytes, tag 10000 of none
    body = b"\x01" + b"\0\0\0" + tags
    frame = struct.pack(">hhih", 3, 9, 8, -1) + tags + body
    raw.send_raw(struct.pack(">i", len(frame)) + frame)
    raw.receive("Metadata", 9, 8)


@test(brokers=("sluice",))
def a04_bad_tags_close(env):
    """Tags that do not ascend, lie about their length, or come in absurd numbers."""
    for name, tags in (("descending", b"\x02\x05\x00\x04\x00"), ("repeated", b"\x02\x05\x00\x05\x00"),
                       ("too long", b"\x01\x05\x7fabc"), ("count", b"\xff\xff\xff\xff\x07"),
                       ("endless varint", b"\x80" * 12)):
        raw = env.client()
        frame = struct.pack(">hhih", 3, 9, 8, -1) + b"\0" + b"\x01\0\0\0" + tags
        raw.send_raw(struct.pack(">i", len(frame)) + frame)
        expect_true(raw.is_closed(), f"{name}: the connection stays open")


@test()
def a05_acks(env):
    raw, topic = env.client(), env.topic()
    for acks in (2, -2, 127):
        row = raw.produce(topic, 0, make_batch([b"x"]), acks=acks)
        expect(row["error"], k.INVALID_REQUIRED_ACKS, f"acks={acks}")
    for acks in (1, -1):
        expect(raw.produce(topic, 0, make_batch([b"x"]), acks=acks)["error"], 0, f"acks={acks}")
    raw.send("Produce", 9, raw.produce_body(topic, 0, make_batch([b"x"]), acks=0))
    expect(raw.call("ApiVersions", 0, {})["error"], 0, "acks=0 has no reply; the next one is next")
    expect(env.client().end_offset(topic, 0), 3, "end offset")


@test()
def a05_acks_0_with_an_error_closes(env):
    raw, topic = env.client(), env.topic()
    raw.send("Produce", 9, raw.produce_body(topic, 0, make_batch([b"x"], crc=1), acks=0))
    expect_true(raw.is_closed(), "a bad batch with acks=0 leaves the connection open")
    expect(env.client().end_offset(topic, 0), 0, "end offset")


@test()
def a06_one_bad_partition_harms_no_other(env):
    raw, topic = env.client(), env.topic(partitions=3)
    body = {"acks": -1, "timeout_ms": 5000, "topics": [
        {"name": topic, "partitions": [
            {"index": 0, "records": make_batch([b"a"])},
            {"index": 1, "records": make_batch([b"b"], crc=99)},
            {"index": 7, "records": make_batch([b"c"])},
            {"index": 2, "records": make_batch([b"d", b"e"])}]},
        {"name": topic + ".none", "partitions": [{"index": 0, "records": make_batch([b"f"])}]}]}
    reply = raw.call("Produce", 9, body)
    rows = {(t["name"], p["index"]): p["error"]
            for t in reply["responses"] for p in t["partitions"]}
    expect(rows, {(topic, 0): 0, (topic, 1): k.CORRUPT_MESSAGE,
                  (topic, 7): k.UNKNOWN_TOPIC_OR_PARTITION, (topic, 2): 0,
                  (topic + ".none", 0): k.UNKNOWN_TOPIC_OR_PARTITION}, "errors by partition")
    expect([raw.end_offset(topic, p) for p in range(3)], [1, 0, 2], "end offsets")


def bad_batches():
    """(name, batch, the errors that are right)"""
    good = make_batch([b"x"])
    two = make_batch([b"1", b"2"])
    invalid, corrupt = (k.INVALID_RECORD,), (k.CORRUPT_MESSAGE,)
    either = (k.INVALID_RECORD, k.CORRUPT_MESSAGE)
    return (
        ("two batches", good + good, invalid),
        ("no batch", b"", invalid),
        ("null records", None, invalid),  # Kafka never answers this one
        ("base offset 5", make_batch([b"x"], base_offset=5), invalid),
        ("count too small", make_batch([b"1", b"2"], count=1), invalid),
        ("count too large", make_batch([b"1"], count=2), invalid),
        ("count 0", make_batch([b"1"], count=0), invalid),
        ("count negative", make_batch([b"1"], count=-1, last_offset_delta=-2), invalid),
        ("control bit", make_batch([b"x"], attributes=0x20), invalid),
        ("producer id without sequence", make_batch([b"x"], pid=77, epoch=0, seq=-1), invalid),
        ("wrong CRC", make_batch([b"x"], crc=1), corrupt),
        ("one bit flipped", two[:-2] + bytes([two[-2] ^ 1]) + two[-1:], corrupt),
        ("cut off by one byte", good[:-1], either),
        ("only a header", good[:61], either),
        ("half a header", good[:30], either),
        ("length beyond the end", make_batch([b"x"], length=1 << 30), either),
        ("length negative", make_batch([b"x"], length=-1), either),
        ("length too small", make_batch([b"x"], length=10), either),
        ("magic 1", make_batch([b"x"], magic=1), either),
        ("magic 0", make_batch([b"x"], magic=0), either),
        ("magic 9", make_batch([b"x"], magic=9), either),
        ("larger than max.message.bytes", make_batch([bytes(1048588 - 61 - 11 + 1)]),
         (k.MESSAGE_TOO_LARGE,)),
    )


@test()
def a07_bad_batches_are_refused(env):
    """Each with its error; the good batch beside it in the same request is stored."""
    raw, topic = env.client(), env.topic(partitions=2)
    problems = []
    for name, batch, allowed in bad_batches():
        if env.is_kafka and batch is None:
            continue
        body = {"acks": -1, "timeout_ms": 5000, "topics": [{"name": topic, "partitions": [
            {"index": 0, "records": batch}, {"index": 1, "records": make_batch([b"good"])}]}]}
        try:
            reply = raw.call("Produce", 9, body)
        except (k.ConnectionClosed, TimeoutError) as e:
            problems.append(f"{name}: {e!r} (wanted error {allowed})")
            raw = env.client()
            continue
        rows = {p["index"]: p for p in reply["responses"][0]["partitions"]}
        if rows[0]["error"] not in allowed:
            problems.append(f"{name}: error {rows[0]['error']}, wanted {allowed}")
        if rows[1]["error"] != 0 and not env.is_kafka:  # Kafka fails the whole request on some
            problems.append(f"{name}: the good batch beside it: {rows[1]}")
    if problems:
        raise AssertionError("\n" + "\n".join(problems))
    expect(raw.end_offset(topic, 0), 0, "end offset of the partition that got bad ones")


@test()
def a07_largest_batch_is_accepted(env):
    raw, topic = env.client(), env.topic()
    batch = make_batch([bytes(1048588 - 61 - 11)])
    expect(len(batch), 1048588, "size of the batch")
    expect(raw.produce(topic, 0, batch)["error"], 0, "a batch of exactly max.message.bytes")


@test()
def a07_zstd_needs_produce_7(env):
    raw, topic = env.client(), env.topic()
    batch = make_batch([b"x"], codec="zstd")
    expect(raw.produce(topic, 0, batch, version=6)["error"], k.UNSUPPORTED_COMPRESSION_TYPE, "v6")
    expect(raw.produce(topic, 0, batch, version=7)["error"], 0, "v7")


@test(brokers=("sluice",))
def a07_transactional_batches_are_refused(env):
    raw, topic = env.client(), env.topic()
    pid, epoch = raw.init_producer()
    row = raw.produce(topic, 0, make_batch([b"x"], pid=pid, epoch=epoch, seq=0, attributes=0x10))
    expect_true(row["error"] != 0, "a transactional batch is accepted")
    expect(raw.end_offset(topic, 0), 0, "end offset")


@test()
def a07_batches_are_stored_as_sent(env):
    """Only base offset and leader epoch may change: both lie before the CRC."""
    raw, topic, sent, end = env.client(), env.topic(), [], 0
    rows = [(b"k", b"v" * 50, [("h", b"x"), ("n", None)], 1700000000000 + i) for i in range(10)]
    for codec in ("none", "gzip", "snappy", "xerial", "lz4", "zstd"):
        sent.append((end, make_batch(rows, codec=codec)))
        row = raw.produce(topic, 0, sent[-1][1])
        expect((row["error"], row["base_offset"], row["log_append_time_ms"]), (0, end, -1), codec)
        end += len(rows)
    got = raw.read_batches(topic, 0)
    expect(len(got), len(sent), "number of batches")
    for batch, (base, data) in zip(got, sent):
        expect(batch.base_offset, base, "base offset")
        expect(batch.data[8:12] + batch.data[16:], data[8:12] + data[16:], "bytes of the batch")


@test()
def a08_duplicates_are_answered_with_their_offset(env):
    """The last five batches of a producer are remembered; an older one is not a success."""
    raw, topic = env.client(), env.topic()
    pid, epoch = raw.init_producer()
    batches = [make_batch([b"a", b"b"], pid=pid, epoch=epoch, seq=2 * i) for i in range(7)]
    for i, batch in enumerate(batches):
        row = raw.produce(topic, 0, batch)
        expect((row["error"], row["base_offset"]), (0, 2 * i), f"batch {i}")
    for i in (6, 5, 4, 3, 2):
        row = raw.produce(topic, 0, batches[i])
        expect((row["error"], row["base_offset"]), (0, 2 * i), f"batch {i} again")
    row = raw.produce(topic, 0, batches[0])
    expect_in(row["error"], (k.OUT_OF_ORDER_SEQUENCE, 46), "batch 0 again, long forgotten")
    expect(raw.end_offset(topic, 0), 14, "end offset")


@test()
def a08_gaps_and_epochs(env):
    raw, topic = env.client(), env.topic()
    pid, epoch = raw.init_producer()

    def produce(seq, epoch, count=1):
        rows = [b"x"] * count
        return raw.produce(topic, 0, make_batch(rows, pid=pid, epoch=epoch, seq=seq))["error"]

    expect(produce(0, epoch, 3), 0, "sequence 0..2")
    expect(produce(4, epoch), k.OUT_OF_ORDER_SEQUENCE, "a gap")
    expect(produce(3, epoch), 0, "sequence 3 after the refused gap")
    expect(produce(1, epoch + 1), k.OUT_OF_ORDER_SEQUENCE, "a new epoch that begins at 1")
    expect(produce(0, epoch + 1), 0, "a new epoch from 0 (KIP-360: the client raises it alone)")
    expect(produce(4, epoch), k.INVALID_PRODUCER_EPOCH, "the old epoch")
    expect(produce(1, epoch + 1), 0, "the new epoch goes on")
    expect(raw.end_offset(topic, 0), 6, "end offset")


@test()
def a08_first_sequence_of_an_unknown_producer(env):
    """Not 0 is refused by us (kafka.md 17); Kafka accepts it and can reorder."""
    raw, topic = env.client(), env.topic()
    pid, epoch = raw.init_producer()
    row = raw.produce(topic, 0, make_batch([b"x"], pid=pid, epoch=epoch, seq=5))
    expect(row["error"], 0 if env.is_kafka else k.OUT_OF_ORDER_SEQUENCE, "first sequence 5")


@test()
def a08_sequence_wraps(env):
    """2^31-1 is followed by 0, inside a batch and between batches."""
    raw, topic, top = env.client(), env.topic(), 2**31 - 1
    if not env.is_kafka:
        env.skip("reaching 2^31-1 needs a first sequence that is not 0, which we refuse; "
                 "tests/unit/state covers the wrap")
    pid, epoch = raw.init_producer()
    for seq, count in ((top - 1, 1), (top, 3), (2, 1)):
        row = raw.produce(topic, 0, make_batch([b"x"] * count, pid=pid, epoch=epoch, seq=seq))
        expect(row["error"], 0, f"sequence {seq}, {count} records")


@test()
def a08_pipelined_produces_keep_their_order(env):
    """Sixty requests in flight on one connection: replies in order, offsets in order."""
    raw, topic = env.client(), env.topic()
    pid, epoch = raw.init_producer()
    corrs = []
    for i in range(60):
        batch = make_batch([f"{i}".encode()], pid=pid, epoch=epoch, seq=i)
        corrs.append(raw.send("Produce", 9, raw.produce_body(topic, 0, batch)))
    for i, corr in enumerate(corrs):
        row = raw.receive("Produce", 9, corr)["responses"][0]["partitions"][0]
        expect((row["error"], row["base_offset"]), (0, i), f"request {i}")
    values = [r[3] for b in raw.read_batches(topic, 0) for r in b.records()]
    expect(values, [f"{i}".encode() for i in range(60)], "values in order")


@test()
def a08_mixed_requests_are_answered_in_order(env):
    """A waiting Fetch in the middle; what follows must not overtake it."""
    raw, topic = env.client(), env.topic()
    fetch = raw.fetch_body([(topic, 0, 0, 1 << 20)], max_wait_ms=300, min_bytes=1)
    sent = [("Metadata", 9, {"topics": [{"name": topic}]}), ("Fetch", 11, fetch),
            ("ListOffsets", 5, {"replica_id": -1, "topics": one_partition(
                topic, timestamp=-1, current_leader_epoch=-1)}),
            ("Produce", 9, raw.produce_body(topic, 0, make_batch([b"x"]))),
            ("ApiVersions", 2, {})]
    corrs = [raw.send(*one) for one in sent]
    for (name, version, _), corr in zip(sent, corrs):
        raw.receive(name, version, corr)


@test()
def a09_fetch_wakes_on_a_new_record(env):
    raw, writer, topic = env.client(), env.client(), env.topic()
    corr = raw.send("Fetch", 11, raw.fetch_body([(topic, 0, 0, 1 << 20)], max_wait_ms=60000))
    expect(writer.produce(topic, 0, make_batch([b"new"]))["error"], 0, "produce")
    reply = raw.receive("Fetch", 11, corr)  # the connection's time-out is below max_wait
    row = reply["responses"][0]["partitions"][0]
    expect([b.records()[0][3] for b in parse_batches(row["records"])], [b"new"], "records")


@test()
def a09_fetch_error_answers_at_once(env):
    raw, topic = env.client(), env.topic(partitions=2)
    for partition, error in ((1, k.OFFSET_OUT_OF_RANGE), (9, k.UNKNOWN_TOPIC_OR_PARTITION)):
        if partition == 9 and env.is_kafka:
            continue  # Kafka waits for the other partition
        body = raw.fetch_body([(topic, 0, 0, 1000), (topic, partition, 55, 1000)],
                              max_wait_ms=60000)
        rows = raw.call("Fetch", 11, body)["responses"][0]["partitions"]
        expect({r["partition"]: r["error"] for r in rows}, {0: 0, partition: error}, "errors")


@test()
def a09_fetch_empty(env):
    """At the end: every requested partition, records of length 0 (never null), HW and start."""
    raw, topic = env.client(), env.topic(partitions=3)
    raw.produce(topic, 1, make_batch([b"x"] * 4))
    rows = [(topic, 0, 0, 1000), (topic, 1, 4, 1000), (topic, 2, 0, 1000)]
    for version in (4, 7, 11, 12):
        body = raw.fetch_body(rows, max_wait_ms=50)
        body = {f: v for f, v in body.items() if version >= 7 or not f.startswith("session")}
        reply = raw.call("Fetch", version, body)
        got = {p["partition"]: p for p in reply["responses"][0]["partitions"]}
        expect(sorted(got), [0, 1, 2], f"v{version}: partitions in the reply")
        expect({p: r["records"] for p, r in got.items()}, {0: b"", 1: b"", 2: b""}, "records")
        expect({p: r["high_watermark"] for p, r in got.items()}, {0: 0, 1: 4, 2: 0}, "HW")
        expect({r["last_stable_offset"] for r in got.values()} <= {0, 4}, True, "LSO")
        if version >= 7:
            expect((reply["error"], reply["session_id"]), (0, 0), "error, session id")


@test()
def a09_fetch_out_of_range(env):
    raw, topic = env.client(), env.topic()
    raw.produce(topic, 0, make_batch([b"x"] * 3))
    for offset in (4, 1 << 40, -5):
        row = raw.fetch(topic, 0, offset, max_wait_ms=60000)
        expect(row["error"], k.OFFSET_OUT_OF_RANGE, f"offset {offset}")
        expect_in(row["records"], (b"", None) if env.is_kafka else (b"",), "records")
        if not env.is_kafka:  # Kafka says -1
            expect((row["high_watermark"], row["log_start_offset"]), (3, 0), "HW and log start")
    row = raw.fetch(topic, 0, 3, max_wait_ms=10)
    expect((row["error"], row["records"]), (0, b""), "at the end")


@test()
def a09_fetch_limits(env):
    """At least one whole batch, from the one that holds the offset; request order decides who."""
    raw, topic = env.client(), env.topic(partitions=2)
    for partition in (0, 1):
        for i in range(3):
            batch = make_batch([bytes([i]) * 5000] * 4)
            expect(raw.produce(topic, partition, batch)["error"], 0, "produce")
    row = raw.fetch(topic, 0, 6, limit=1, max_bytes=1)
    batches = parse_batches(row["records"])
    expect(batches[0].base_offset, 4, "first batch holds offset 6")
    expect(batches[0].count, 4, "and is whole")
    for order in ((0, 1), (1, 0)):
        body = raw.fetch_body([(topic, p, 0, 1 << 20) for p in order], max_bytes=1)
        rows = {p["partition"]: p["records"]
                for p in raw.call("Fetch", 11, body)["responses"][0]["partitions"]}
        expect(len(parse_batches(rows[order[0]])), 1, f"order {order}: batches of the first")
        expect(parse_batches(rows[order[1]]), [], f"order {order}: batches of the second")
    body = raw.fetch_body([(topic, 0, 0, 45000), (topic, 1, 0, 45000)])
    for p in raw.call("Fetch", 11, body)["responses"][0]["partitions"]:
        expect_in(len(parse_batches(p["records"])), (2, 3), "batches within partition_max_bytes")
        expect_true(len(p["records"]) <= 45000 + 20100, f"{len(p['records'])} bytes of 45000")


@test()
def a09_fetch_min_bytes_is_capped_at_max_bytes(env):
    raw, topic = env.client(), env.topic()
    raw.produce(topic, 0, make_batch([bytes(5000)]))
    row = raw.fetch(topic, 0, 0, max_wait_ms=60000, min_bytes=1 << 30, max_bytes=1000)
    expect(len(parse_batches(row["records"])), 1, "batches")


@test()
def a09_fetch_sessions(env):
    raw, topic = env.client(), env.topic()
    raw.produce(topic, 0, make_batch([b"x"]))
    body = raw.fetch_body([(topic, 0, 0, 1000)], session_epoch=0)
    reply = raw.call("Fetch", 12, body)
    expect(reply["error"], 0, "opening a session")
    if not env.is_kafka:
        expect(reply["session_id"], 0, "session id: we keep none")
    expect(len(reply["responses"][0]["partitions"]), 1, "partitions")
    body = raw.fetch_body([], session_id=12345678, session_epoch=3)
    expect(raw.call("Fetch", 12, body)["error"], k.FETCH_SESSION_ID_NOT_FOUND, "unknown session")


@test()
def a09_fetch_isolation(env):
    raw, topic = env.client(), env.topic()
    raw.produce(topic, 0, make_batch([b"x"]))
    for level, aborted in ((0, None), (1, [])):
        row = raw.fetch(topic, 0, 0, isolation_level=level)
        expect(row["aborted_transactions"], aborted, f"aborted list at isolation {level}")
        expect((row["high_watermark"], row["last_stable_offset"]), (1, 1), "HW and LSO")
        expect(len(parse_batches(row["records"])), 1, "batches")


@test()
def a09_leader_epochs(env):
    """A client that knows a higher epoch is told so; the current one and -1 pass."""
    raw, topic = env.client(), env.topic()
    raw.produce(topic, 0, make_batch([b"x"] * 5))
    epoch = raw.metadata([topic])["topics"][0]["partitions"][0]["leader_epoch"]
    for asked, error in ((-1, 0), (epoch, 0), (epoch + 5, k.UNKNOWN_LEADER_EPOCH)):
        body = raw.fetch_body([(topic, 0, 0, 1000)])
        body["topics"][0]["partitions"][0]["current_leader_epoch"] = asked
        row = raw.call("Fetch", 11, body)["responses"][0]["partitions"][0]
        expect(row["error"], error, f"Fetch with epoch {asked}")
        reply = raw.call("ListOffsets", 5, {"replica_id": -1, "topics": one_partition(
            topic, timestamp=-1, current_leader_epoch=asked)})
        expect(reply["topics"][0]["partitions"][0]["error"], error, f"ListOffsets, epoch {asked}")
    for version in (2, 3, 4):
        for asked in (epoch, epoch + 3):
            if asked > epoch and env.is_kafka:
                continue  # Kafka answers -1/-1; kafka.md 29 says why we do not
            body = {"replica_id": -1, "topics": [{"topic": topic, "partitions": [
                {"partition": 0, "current_leader_epoch": -1, "leader_epoch": asked}]}]}
            body = {f: v for f, v in body.items() if f != "replica_id" or version >= 3}
            row = raw.call("OffsetForLeaderEpoch", version, body)["topics"][0]["partitions"][0]
            expect((row["error"], row["leader_epoch"], row["end_offset"]), (0, epoch, 5),
                   f"OffsetForLeaderEpoch v{version}, epoch {asked}")


@test()
def a0a_topic_ids(env):
    raw, topic, other = env.client(), env.topic(), env.topic()
    first, second = raw.topic_id(topic), raw.topic_id(other)
    expect_true(first not in (ZERO_UUID, bytes(15) + b"\1"), "a reserved id")
    expect_true(first != second, "two topics with one id")
    expect(env.client().topic_id(topic), first, "id asked again")
    row = raw.metadata([first])["topics"][0]
    expect((row["error"], row["name"], row["topic_id"]), (0, topic, first), "Metadata by id")
    row = raw.metadata([b"\x55" * 16])["topics"][0]
    expect(row["error"], k.UNKNOWN_TOPIC_ID, "Metadata by an unknown id")
    body = raw.produce_body(topic, 0, make_batch([b"x"]))
    for topic_id, error in ((first, 0), (b"\x55" * 16, k.UNKNOWN_TOPIC_ID)):
        body["topics"] = [{"topic_id": topic_id, "partitions": body["topics"][0]["partitions"]}]
        row = raw.call("Produce", 13, body)["responses"][0]["partitions"][0]
        expect(row["error"], error, "Produce v13")
        for version in (13, 17):
            reply = raw.call("Fetch", version, {
                f: v for f, v in raw.fetch_body([(topic_id, 0, 0, 1000)], max_wait_ms=10).items()
                if f != "replica_id" or version < 15})
            expect(reply["responses"][0]["topic_id"], topic_id, f"id in the reply of v{version}")
            expect(reply["responses"][0]["partitions"][0]["error"], error, f"Fetch v{version}")


@test()
def a0b_metadata_lists(env):
    """v0: an empty list is all; later null is all and empty is none."""
    raw, topic = env.client(), env.topic(partitions=4)
    for version, asked, all_of_them in ((0, [], True), (1, None, True), (1, [], False),
                                        (9, None, True), (12, None, True), (13, [], False)):
        reply = raw.call("Metadata", version, {"topics": asked})
        names = [t["name"] for t in reply["topics"]]
        expect(topic in names, all_of_them, f"v{version} {asked}: topic listed")
        expect_true(all_of_them or not names, f"v{version}: {names}")
        expect_true(len(reply["brokers"]) == 1, f"brokers: {reply['brokers']}")
        broker = reply["brokers"][0]
        expect(f"{broker['host']}:{broker['port']}", env.broker.address, "advertised address")
        if version >= 1:
            expect(reply["controller_id"], broker["node_id"], "controller id")
    row = raw.metadata([topic])["topics"][0]
    expect(sorted(p["index"] for p in row["partitions"]), [0, 1, 2, 3], "partitions")
    for p in row["partitions"]:
        expect_true(p["leader"] in p["replicas"] and p["leader"] in p["isr"], f"leader of {p}")


@test()
def a0b_metadata_creates(env):
    raw = env.client()
    reply = raw.metadata([f"{env.name}.no"], auto_create=False)
    expect(reply["topics"][0]["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "auto-create not allowed")
    names = [f"{env.name}.v{v}" for v in (0, 3, 4, 12)]
    for version, name in zip((0, 3, 4, 12), names):
        reply = raw.call("Metadata", version, {"topics": [{"name": name}], **(
            {"allow_auto_topic_creation": True} if version >= 4 else {})})
        expect_in(reply["topics"][0]["error"], (0, k.LEADER_NOT_AVAILABLE,
                                                k.UNKNOWN_TOPIC_OR_PARTITION if env.is_kafka
                                                else 0), f"v{version}: error")
        raw.wait_ready(name)
        row = raw.produce(name, 0, make_batch([b"x"]))
        expect((row["error"], row["base_offset"]), (0, 0), f"produce to {name}")
    raw.metadata(None, auto_create=True)
    reply = raw.metadata([f"{env.name}.no"], auto_create=False)
    expect(reply["topics"][0]["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "asking for all creates none")


BAD_NAMES = ("", ".", "..", "x" * 250, "a b", "a/b", "a\x00b", "é", "a:b", "a\n")


@test()
def a0b_bad_topic_names(env):
    raw = env.client()
    for name in BAD_NAMES:
        expect(raw.metadata([name], auto_create=True)["topics"][0]["error"], k.INVALID_TOPIC,
               f"Metadata with {name!r}")
        expect(raw.create(name), k.INVALID_TOPIC, f"CreateTopics with {name!r}")
    for name in ("x" * 249, "A.b-C_9"):
        expect(raw.create(name + "" if len(name) == 249 else name), 0, f"creating {name!r}")
    expect(raw.create(f"{env.name}.a_b"), 0, "a name with _")
    expect(raw.create(f"{env.name}.a.b"), k.INVALID_TOPIC, "the same with . in its place")


@test()
def a0c_create_topics(env):
    raw, topic = env.client(), env.topic()
    expect(raw.create(topic), k.TOPIC_ALREADY_EXISTS, "an existing topic")
    for count in (0, -2):
        expect(raw.create(f"{env.name}.p", count), k.INVALID_PARTITIONS, f"{count} partitions")
    expect(raw.create(f"{env.name}.default", -1), 0, "-1 partitions: the default")
    expect_true(len(raw.wait_ready(f"{env.name}.default")["partitions"]) >= 1, "partitions")
    for factor, error in ((0, 38), (-2, 38), (-1, 0), (1, 0), (3, 38 if env.is_kafka else 0),
                          (32767, 38 if env.is_kafka else 0)):
        reply = raw.call("CreateTopics", 5, {"timeout_ms": 9000, "topics": [
            {"name": f"{env.name}.rf{factor}", "num_partitions": 1, "replication_factor": factor}]})
        expect(reply["topics"][0]["error"], error, f"replication factor {factor}")
    for key, value, error in (("no.such.key", "1", k.INVALID_CONFIG),
                              ("retention.ms", "soon", k.INVALID_CONFIG),
                              ("retention.ms", "-5", k.INVALID_CONFIG),
                              ("cleanup.policy", "maybe", k.INVALID_CONFIG),
                              ("retention.ms", "60000", 0), ("cleanup.policy", "compact", 0)):
        got = raw.create(f"{env.name}.{key}.{value}", configs=[(key, value)])
        expect(got, error, f"creating with {key}={value}")


@test()
def a0c_create_topics_details(env):
    raw, name = env.client(), f"{env.name}.x"

    def create(names, **extra):
        reply = raw.call("CreateTopics", 7, {"timeout_ms": 9000, "topics": [
            {"name": n, "num_partitions": 2, "replication_factor": 1} for n in names], **extra})
        return [(t["name"], t["error"]) for t in reply["topics"]], reply["topics"]

    expect(create([name], validate_only=True)[0], [(name, 0)], "validate only")
    expect(raw.metadata([name])["topics"][0]["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "not created")
    rows, full = create([name])
    expect(rows, [(name, 0)], "create")
    expect(full[0]["num_partitions"], 2, "num_partitions in the reply of v7")
    expect(full[0]["topic_id"], raw.topic_id(name), "topic_id in the reply of v7")
    expect(sorted(create([name + ".ok", name, "."])[0]),
           sorted([(name + ".ok", 0), (name, k.TOPIC_ALREADY_EXISTS), (".", k.INVALID_TOPIC)]),
           "one of three is good")
    rows, _ = create([name + ".twice", name + ".twice"])
    expect({e for _, e in rows}, {k.INVALID_REQUEST}, "the same name twice in one request")


@test()
def a0c_create_partitions(env):
    raw, topic = env.client(), env.topic(partitions=2)
    for name, count, error in ((topic, 1, k.INVALID_PARTITIONS), (topic, 2, k.INVALID_PARTITIONS),
                               (topic + ".no", 5, k.UNKNOWN_TOPIC_OR_PARTITION), (topic, 5, 0)):
        reply = raw.call("CreatePartitions", 2, {"timeout_ms": 9000,
                                                 "topics": [{"name": name, "count": count}]})
        expect(reply["results"][0]["error"], error, f"{name} to {count} partitions")
    expect(len(raw.wait_ready(topic)["partitions"]), 5, "partitions")
    produce = raw.produce_until_ok if env.is_kafka else raw.produce
    for p in range(5):
        expect(produce(topic, p, make_batch([b"x"]))["error"], 0, f"produce to {p}")


@test()
def a0d_list_offsets(env):
    raw, topic, t0 = env.client(), env.topic(), 1700000000000
    row = raw.list_offset(topic, 0, t0)
    expect((row["error"], row["timestamp"], row["offset"]), (0, -1, -1), "by time, empty log")
    for base in (0, 3):
        rows = [(b"k", b"v", (), t0 + 1000 * (base + i)) for i in range(3)]
        expect(raw.produce(topic, 0, make_batch(rows))["error"], 0, "produce")
    for asked, ts, offset in ((-1, -1, 6), (-2, -1, 0), (t0 - 1, t0, 0), (t0, t0, 0),
                              (t0 + 1, t0 + 1000, 1), (t0 + 2500, t0 + 3000, 3),
                              (t0 + 4000, t0 + 4000, 4), (t0 + 5000, t0 + 5000, 5),
                              (t0 + 5001, -1, -1), (0, t0, 0), (-3, t0 + 5000, 5)):
        row = raw.list_offset(topic, 0, asked)
        expect((row["error"], row["timestamp"], row["offset"]), (0, ts, offset), f"asked {asked}")
    expect(raw.list_offset(topic, 7, -1)["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "no partition 7")
    expect(raw.list_offset("no.such", 0, -1)["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "no topic")
    reply = raw.call("ListOffsets", 1, {"replica_id": -1, "topics": one_partition(
        topic, timestamp=t0 + 2500)})
    row = reply["topics"][0]["partitions"][0]
    expect((row["error"], row["timestamp"], row["offset"]), (0, t0 + 3000, 3), "v1")


@test()
def a0d_list_offsets_in_a_compressed_batch(env):
    raw, topic, t0 = env.client(), env.topic(), 1700000000000
    for codec in ("gzip", "snappy", "xerial", "lz4", "zstd"):
        rows = [(b"k", b"v", (), t0 + i) for i in range(10)]
        base = raw.produce(topic, 0, make_batch(rows, codec=codec))["base_offset"]
        t0 += 100
        row = raw.list_offset(topic, 0, t0 - 100 + 7)
        expect((row["error"], row["timestamp"], row["offset"]), (0, t0 - 93, base + 7), codec)


@test()
def a0e_describe_cluster(env):
    raw = env.client()
    for version in (0, 1):
        reply = raw.call("DescribeCluster", version, {"endpoint_type": 1} if version else {})
        expect(reply["error"], 0, "error")
        expect([f"{b['host']}:{b['port']}" for b in reply["brokers"]], [env.broker.address],
               "brokers")
        expect(reply["controller_id"], reply["brokers"][0]["broker_id"], "controller id")
        expect(reply["cluster_id"], raw.metadata([])["cluster_id"], "cluster id, as in Metadata")
        expect_true(len(reply["cluster_id"]) > 0, "an empty cluster id")


@test()
def a0e_find_coordinator(env):
    raw = env.client()
    if env.is_kafka:
        env.skip("Kafka's answer depends on a topic it creates meanwhile")
    node = raw.metadata([])["brokers"][0]
    for version in (0, 1, 2, 3):
        reply = raw.call("FindCoordinator", version, {"key": "group"})
        expect((reply["error"], reply["node_id"], reply["host"], reply["port"]),
               (0, node["node_id"], node["host"], node["port"]), f"v{version}")
    reply = raw.call("FindCoordinator", 4, {"coordinator_keys": ["g1", "g2"]})
    expect([(c["key"], c["error"], c["node_id"]) for c in reply["coordinators"]],
           [("g1", 0, node["node_id"]), ("g2", 0, node["node_id"])], "v4")


@test(brokers=("sluice",))
def a0e_transactions_are_refused_for_good(env):
    """With an error no client retries: INVALID_REQUEST, and a message (kafka.md 38)."""
    raw = env.client()
    for version in (1, 2, 3):
        reply = raw.call("FindCoordinator", version, {"key": "tx", "key_type": 1})
        expect(reply["error"], k.INVALID_REQUEST, f"FindCoordinator v{version}")
        expect_true(reply["error_message"], "no message")
    reply = raw.call("FindCoordinator", 4, {"coordinator_keys": ["tx"], "key_type": 1})
    expect(reply["coordinators"][0]["error"], k.INVALID_REQUEST, "FindCoordinator v4")
    for version in (0, 4):
        body = {"transactional_id": "tx", "transaction_timeout_ms": 1000}
        if version >= 3:
            body.update(producer_id=-1, producer_epoch=-1)
        expect(raw.call("InitProducerId", version, body)["error"], k.INVALID_REQUEST,
               f"InitProducerId v{version} with a transactional id")
    for key in (24, 25, 26, 27, 28):
        expect_true(key not in raw.versions(), f"API {key} is advertised")


@test()
def a0e_producer_ids(env):
    raw = env.client()
    ids = [raw.init_producer()[0] for _ in range(20)]
    expect(len(set(ids)), 20, "distinct producer ids")
    expect_true(min(ids) >= 0, f"producer ids {ids}")
    if not env.is_kafka:
        for pid, epoch in ((-1, 3), (7, -1)):
            reply = raw.call("InitProducerId", 4, {"producer_id": pid, "producer_epoch": epoch})
            expect(reply["error"], k.INVALID_REQUEST, f"producer id {pid}, epoch {epoch}")


@test()
def a0f_describe_configs(env):
    raw = env.client()
    topic = env.topic(configs=[("cleanup.policy", "compact"), ("retention.ms", "123456")])
    for version in (1, 2, 3, 4):
        reply = raw.call("DescribeConfigs", version, {"resources": [
            {"resource_type": 2, "resource_name": topic}]})
        result = reply["results"][0]
        expect((result["error"], result["resource_name"]), (0, topic), f"v{version}")
        values = {c["name"]: c["value"] for c in result["configs"]}
        expect((values["cleanup.policy"], values["retention.ms"]), ("compact", "123456"), "values")
        expect_true("max.message.bytes" in values, f"keys: {sorted(values)}")
    reply = raw.call("DescribeConfigs", 2, {"resources": [
        {"resource_type": 2, "resource_name": topic, "configuration_keys": ["retention.ms"]},
        {"resource_type": 2, "resource_name": topic + ".no"}]})
    expect([c["name"] for c in reply["results"][0]["configs"]], ["retention.ms"], "asked for one")
    expect(reply["results"][1]["error"], k.UNKNOWN_TOPIC_OR_PARTITION, "an unknown topic")
