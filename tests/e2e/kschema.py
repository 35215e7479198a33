# SPDX-License-Identifier: Apache-2.0
"""Kafka message schemas, and one interpreter that encodes and decodes them at any version.

Written independently of the broker's own tables, so that a mistake there does not hide here. One
message is two indented texts, one line a field:

    NAME TYPE VERSIONS [null=VERSIONS] [tag=N]

TYPE is bool i8 i16 i32 i64 f64 uuid string bytes records, `[]` (array of the deeper lines), `[]i32`
(array of a primitive) or `{}` (a struct). VERSIONS is `3+`, `0-12` or `5`. Values travel as dicts;
a field that is left out becomes null where null is allowed, else zero or empty.
"""
import struct

import kschema_admin

SPEC = {
    "Produce": (0, 9, """
transactional_id string 3+ null=3+
acks i16 0+
timeout_ms i32 0+
topics [] 0+
  name string 0-12
  topic_id uuid 13+
  partitions [] 0+
    index i32 0+
    records records 0+ null=0+
""", """
responses [] 0+
  name string 0-12
  topic_id uuid 13+
  partitions [] 0+
    index i32 0+
    error i16 0+
    base_offset i64 0+
    log_append_time_ms i64 2+
    log_start_offset i64 5+
    record_errors [] 8+
      batch_index i32 8+
      message string 8+ null=8+
    error_message string 8+ null=8+
    current_leader {} 10+ tag=0
      leader_id i32 10+
      leader_epoch i32 10+
throttle_time_ms i32 1+
node_endpoints [] 10+ tag=0
  node_id i32 10+
  host string 10+
  port i32 10+
  rack string 10+ null=10+
"""),
    "Fetch": (1, 12, """
cluster_id string 12+ null=12+ tag=0
replica_id i32 0-14
replica_state {} 15+ tag=1
  replica_id i32 15+
  replica_epoch i64 15+
max_wait_ms i32 0+
min_bytes i32 0+
max_bytes i32 3+
isolation_level i8 4+
session_id i32 7+
session_epoch i32 7+
topics [] 0+
  topic string 0-12
  topic_id uuid 13+
  partitions [] 0+
    partition i32 0+
    current_leader_epoch i32 9+
    fetch_offset i64 0+
    last_fetched_epoch i32 12+
    log_start_offset i64 5+
    partition_max_bytes i32 0+
    replica_directory_id uuid 17+ tag=0
    high_watermark i64 18+ tag=1
forgotten_topics_data [] 7+
  topic string 7-12
  topic_id uuid 13+
  partitions []i32 7+
rack_id string 11+
""", """
throttle_time_ms i32 1+
error i16 7+
session_id i32 7+
responses [] 0+
  topic string 0-12
  topic_id uuid 13+
  partitions [] 0+
    partition i32 0+
    error i16 0+
    high_watermark i64 0+
    last_stable_offset i64 4+
    log_start_offset i64 5+
    diverging_epoch {} 12+ tag=0
      epoch i32 12+
      end_offset i64 12+
    current_leader {} 12+ tag=1
      leader_id i32 12+
      leader_epoch i32 12+
    snapshot_id {} 12+ tag=2
      end_offset i64 12+
      epoch i32 12+
    aborted_transactions [] 4+ null=4+
      producer_id i64 4+
      first_offset i64 4+
    preferred_read_replica i32 11+
    records records 0+ null=0+
node_endpoints [] 16+ tag=0
  node_id i32 16+
  host string 16+
  port i32 16+
  rack string 16+ null=16+
"""),
    "ListOffsets": (2, 6, """
replica_id i32 0+
isolation_level i8 2+
topics [] 0+
  name string 0+
  partitions [] 0+
    partition i32 0+
    current_leader_epoch i32 4+
    timestamp i64 0+
timeout_ms i32 10+
""", """
throttle_time_ms i32 2+
topics [] 0+
  name string 0+
  partitions [] 0+
    partition i32 0+
    error i16 0+
    timestamp i64 1+
    offset i64 1+
    leader_epoch i32 4+
"""),
    "Metadata": (3, 9, """
topics [] 0+ null=1+
  topic_id uuid 10+
  name string 0+ null=10+
allow_auto_topic_creation bool 4+
include_cluster_authorized_operations bool 8-10
include_topic_authorized_operations bool 8+
""", """
throttle_time_ms i32 3+
brokers [] 0+
  node_id i32 0+
  host string 0+
  port i32 0+
  rack string 1+ null=1+
cluster_id string 2+ null=2+
controller_id i32 1+
topics [] 0+
  error i16 0+
  name string 0+ null=12+
  topic_id uuid 10+
  is_internal bool 1+
  partitions [] 0+
    error i16 0+
    index i32 0+
    leader i32 0+
    leader_epoch i32 7+
    replicas []i32 0+
    isr []i32 0+
    offline []i32 5+
  authorized_operations i32 8+
cluster_authorized_operations i32 8-10
error i16 13+
"""),
    "OffsetCommit": (8, 8, """
group_id string 2+
generation i32 2+
member_id string 2+
group_instance_id string 7+ null=7+
retention_time_ms i64 2-4
topics [] 2+
  name string 2+
  partitions [] 2+
    index i32 2+
    offset i64 2+
    leader_epoch i32 6+
    metadata string 2+ null=2+
""", """
throttle_time_ms i32 3+
topics [] 2+
  name string 2+
  partitions [] 2+
    index i32 2+
    error i16 2+
"""),
    "OffsetFetch": (9, 6, """
group_id string 1-7
topics [] 1-7 null=2+
  name string 1-7
  partitions []i32 1-7
require_stable bool 7+
""", """
throttle_time_ms i32 3+
topics [] 1-7
  name string 1-7
  partitions [] 1-7
    index i32 1-7
    offset i64 1-7
    leader_epoch i32 5-7
    metadata string 1-7 null=1+
    error i16 1-7
error i16 2-7
"""),
    "FindCoordinator": (10, 3, """
key string 0-3
key_type i8 1+
coordinator_keys []string 4+
""", """
throttle_time_ms i32 1+
error i16 0-3
error_message string 1-3 null=1-3
node_id i32 0-3
host string 0-3
port i32 0-3
coordinators [] 4+
  key string 4+
  node_id i32 4+
  host string 4+
  port i32 4+
  error i16 4+
  error_message string 4+ null=4+
"""),
    "ApiVersions": (18, 3, """
client_software_name string 3+
client_software_version string 3+
""", """
error i16 0+
api_keys [] 0+
  key i16 0+
  min i16 0+
  max i16 0+
throttle_time_ms i32 1+
supported_features [] 3+ tag=0
  name string 3+
  min i16 3+
  max i16 3+
finalized_features_epoch i64 3+ tag=1
finalized_features [] 3+ tag=2
  name string 3+
  max i16 3+
  min i16 3+
zk_migration_ready bool 3+ tag=3
"""),
    "CreateTopics": (19, 5, """
topics [] 0+
  name string 0+
  num_partitions i32 0+
  replication_factor i16 0+
  assignments [] 0+
    partition_index i32 0+
    broker_ids []i32 0+
  configs [] 0+
    name string 0+
    value string 0+ null=0+
timeout_ms i32 0+
validate_only bool 1+
""", """
throttle_time_ms i32 2+
topics [] 0+
  name string 0+
  topic_id uuid 7+
  error i16 0+
  error_message string 1+ null=1+
  topic_config_error_code i16 5+ tag=0
  num_partitions i32 5+
  replication_factor i16 5+
  configs [] 5+ null=5+
    name string 5+
    value string 5+ null=5+
    read_only bool 5+
    config_source i8 5+
    is_sensitive bool 5+
"""),
    "DeleteTopics": (20, 4, """
topics [] 6+
  name string 6+ null=6+
  topic_id uuid 6+
topic_names []string 0-5
timeout_ms i32 0+
""", """
throttle_time_ms i32 1+
responses [] 0+
  name string 0+ null=6+
  topic_id uuid 6+
  error i16 0+
  error_message string 5+ null=5+
"""),
    "InitProducerId": (22, 2, """
transactional_id string 0+ null=0+
transaction_timeout_ms i32 0+
producer_id i64 3+
producer_epoch i16 3+
""", """
throttle_time_ms i32 0+
error i16 0+
producer_id i64 0+
producer_epoch i16 0+
"""),
    "OffsetForLeaderEpoch": (23, 4, """
replica_id i32 3+
topics [] 0+
  topic string 0+
  partitions [] 0+
    partition i32 0+
    current_leader_epoch i32 2+
    leader_epoch i32 0+
""", """
throttle_time_ms i32 2+
topics [] 0+
  topic string 0+
  partitions [] 0+
    error i16 0+
    partition i32 0+
    leader_epoch i32 1+
    end_offset i64 0+
"""),
    "DescribeConfigs": (32, 4, """
resources [] 0+
  resource_type i8 0+
  resource_name string 0+
  configuration_keys []string 0+ null=0+
include_synonyms bool 1+
include_documentation bool 3+
""", """
throttle_time_ms i32 0+
results [] 0+
  error i16 0+
  error_message string 0+ null=0+
  resource_type i8 0+
  resource_name string 0+
  configs [] 0+
    name string 0+
    value string 0+ null=0+
    read_only bool 0+
    is_default bool 0
    config_source i8 1+
    is_sensitive bool 0+
    synonyms [] 1+
      name string 1+
      value string 1+ null=1+
      source i8 1+
    config_type i8 3+
    documentation string 3+ null=3+
"""),
    "CreatePartitions": (37, 2, """
topics [] 0+
  name string 0+
  count i32 0+
  assignments [] 0+ null=0+
    broker_ids []i32 0+
timeout_ms i32 0+
validate_only bool 0+
""", """
throttle_time_ms i32 0+
results [] 0+
  name string 0+
  error i16 0+
  error_message string 0+ null=0+
"""),
    "DescribeCluster": (60, 0, """
include_cluster_authorized_operations bool 0+
endpoint_type i8 1+
include_fenced_brokers bool 2+
""", """
throttle_time_ms i32 0+
error i16 0+
error_message string 0+ null=0+
endpoint_type i8 1+
cluster_id string 0+
controller_id i32 0+
brokers [] 0+
  broker_id i32 0+
  host string 0+
  port i32 0+
  rack string 0+ null=0+
  is_fenced bool 2+
cluster_authorized_operations i32 0+
"""),
}

NEVER = 1 << 15
ZERO_UUID = bytes(16)


class SchemaError(Exception):
    """The bytes do not follow the schema."""


class Versions:
    """A range of versions as the definitions write it: 3+, 0-12 or 5."""

    def __init__(self, text):
        if text.endswith("+"):
            self.low, self.high = int(text[:-1]), NEVER
        elif "-" in text:
            self.low, self.high = (int(x) for x in text.split("-"))
        else:
            self.low = self.high = int(text)

    def __contains__(self, version):
        return self.low <= version <= self.high


class Field:
    def __init__(self, line):
        words = line.split()
        self.name, self.type, self.versions = words[0], words[1], Versions(words[2])
        options = dict(w.split("=") for w in words[3:])
        self.null = Versions(options["null"]) if "null" in options else ()
        self.tag = int(options["tag"]) if "tag" in options else None
        self.fields = []


def parse_spec(text):
    """The fields of one indented text."""
    root = Field("root {} 0+")
    stack = [(-1, root)]
    for line in text.splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        field = Field(line)
        while stack[-1][0] >= indent:
            stack.pop()
        stack[-1][1].fields.append(field)
        stack.append((indent, field))
    return root.fields


class Message:
    def __init__(self, name, key, flexible_from, request, response):
        self.name, self.key, self.flexible_from = name, key, flexible_from
        self.request, self.response = parse_spec(request), parse_spec(response)

    def is_flexible(self, version):
        return version >= self.flexible_from


MESSAGES = {name: Message(name, *spec) for name, spec in (SPEC | kschema_admin.SPEC).items()}


def uvarint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


NUMBERS = {"i8": ">b", "i16": ">h", "i32": ">i", "i64": ">q", "f64": ">d"}


class Encoder:
    def __init__(self, version, flexible):
        self.version, self.flexible = version, flexible

    def length(self, n, wide):
        """n is None for null; wide is the old four-byte form."""
        if self.flexible:
            return uvarint(0 if n is None else n + 1)
        return struct.pack(">i" if wide else ">h", -1 if n is None else n)

    def struct(self, fields, value):
        out, tagged = [], []
        for field in fields:
            if self.version not in field.versions:
                continue
            if field.tag is None:
                out.append(self.field(field, value.get(field.name)))
            elif field.name in value:
                tagged.append((field.tag, self.field(field, value[field.name])))
        unknown = set(value) - {f.name for f in fields} - {"_tags"}
        if unknown:
            raise SchemaError(f"no such field: {sorted(unknown)}")
        if self.flexible:
            tagged = sorted(tagged + list(value.get("_tags", {}).items()))
            out.append(uvarint(len(tagged)))
            out += [uvarint(t) + uvarint(len(b)) + b for t, b in tagged]
        return b"".join(out)

    def field(self, field, value):
        if field.type.startswith("[]"):
            return self.array(field, value)
        if field.type == "{}" and self.version in field.null:
            return b"\xff" if value is None else b"\1" + self.struct(field.fields, value)
        if field.type == "{}":
            return self.struct(field.fields, value or {})
        return self.primitive(field.type, value, self.version in field.null)

    def array(self, field, value):
        if value is None:
            if self.version in field.null:
                return self.length(None, True)
            value = []
        one = field.type[2:]
        items = [self.primitive(one, v, False) if one else self.struct(field.fields, v)
                 for v in value]
        return self.length(len(items), True) + b"".join(items)

    def primitive(self, kind, value, nullable):
        if kind in NUMBERS:
            return struct.pack(NUMBERS[kind], value or 0)
        if kind == "bool":
            return b"\1" if value else b"\0"
        if kind == "uuid":
            return value or ZERO_UUID
        wide = kind != "string"
        if value is None and nullable:
            return self.length(None, wide)
        data = value or b""
        if isinstance(data, str):
            data = data.encode()
        return self.length(len(data), wide) + data


class Decoder:
    def __init__(self, data, version, flexible):
        self.data, self.pos, self.version, self.flexible = data, 0, version, flexible

    def take(self, n):
        if n < 0 or n > len(self.data) - self.pos:
            raise SchemaError(f"{n} bytes wanted at {self.pos}, {len(self.data)} there")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        shift = result = 0
        while True:
            byte = self.take(1)[0]
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7
            if shift > 63:
                raise SchemaError("varint too long")

    def length(self, wide):
        if self.flexible:
            n = self.uvarint()
            return None if n == 0 else n - 1
        n = self.number(">i" if wide else ">h")
        return None if n == -1 else n

    def struct(self, fields):
        out = {}
        for field in fields:
            if self.version in field.versions and field.tag is None:
                out[field.name] = self.field(field)
        if self.flexible:
            self.tags(fields, out)
        return out

    def tags(self, fields, out):
        known = {f.tag: f for f in fields if f.tag is not None and self.version in f.versions}
        last = -1
        for _ in range(self.uvarint()):
            tag, size = self.uvarint(), self.uvarint()
            if tag <= last:
                raise SchemaError(f"tag {tag} after {last}")
            last, end = tag, self.pos + size
            if tag in known:
                out[known[tag].name] = self.field(known[tag])
                if self.pos != end:
                    raise SchemaError(f"tag {tag} has a wrong size")
            else:
                out.setdefault("_tags", {})[tag] = self.take(size)

    def field(self, field):
        nullable = self.version in field.null
        if field.type.startswith("[]"):
            n = self.length(True)
            if n is None:
                if not nullable:
                    raise SchemaError(f"{field.name} is null")
                return None
            one = field.type[2:]
            return [self.primitive(one, False, field.name) if one else self.struct(field.fields)
                    for _ in range(n)]
        if field.type == "{}" and nullable and self.number(">b") < 0:
            return None
        if field.type == "{}":
            return self.struct(field.fields)
        return self.primitive(field.type, nullable, field.name)

    def primitive(self, kind, nullable, name):
        if kind in NUMBERS:
            return self.number(NUMBERS[kind])
        if kind == "bool":
            return self.take(1) != b"\0"
        if kind == "uuid":
            return self.take(16)
        n = self.length(kind != "string")
        if n is None:
            if not nullable:
                raise SchemaError(f"{name} is null")
            return None
        data = self.take(n)
        return data.decode() if kind == "string" else data


def encode(name, version, body, side="request"):
    message = MESSAGES[name]
    return Encoder(version, message.is_flexible(version)).struct(getattr(message, side), body)


def decode(name, version, data, side="response"):
    """Decodes all of data; bytes left over are an error."""
    message = MESSAGES[name]
    decoder = Decoder(data, version, message.is_flexible(version))
    out = decoder.struct(getattr(message, side))
    if decoder.pos != len(data):
        raise SchemaError(f"{name} v{version}: {len(data) - decoder.pos} bytes left over")
    return out
