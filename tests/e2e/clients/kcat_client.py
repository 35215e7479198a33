# SPDX-License-Identifier: Apache-2.0
"""kcat as a test client: one kcat process per command.

kcat takes headers and nulls for a whole run only, so records are sent in runs of equal shape; and it
reports no offsets.
"""
import itertools
import subprocess
import sys
import tempfile
import time

from proto import say, say_record, serve

BOOT = sys.argv[1]
KEY_END, RECORD_END = "\x1d", "\x1e"
FORMAT = "%o\t%T\t%K\t%S\t%h\n%k%s\n"


def shape(numbered):
    r = numbered[1]
    return r.headers, r.key is None, r.value is None, r.value == b""


def run_of_equals(o, group):
    command = ["kcat", "-P", "-b", BOOT, "-t", o.topic, "-p", str(o.partition),
               "-D", RECORD_END, "-X", f"acks={o.acks}", "-X", f"compression.codec={o.codec}",
               "-X", f"enable.idempotence={'true' if o.idempotent else 'false'}",
               "-X", "message.max.bytes=10000000", "-X", "message.timeout.ms=30000"]
    first = group[0][1]
    for name, value in first.headers:
        command += ["-H", f"{name}={value.decode()}"]
    if first.key is not None:
        command += ["-K", KEY_END]
    if first.value is None:
        command += ["-Z"]
    lines = [(b"" if r.key is None else r.key + KEY_END.encode()) + (r.value or b"")
             for _, r in group]
    if len(group) == 1 and first.key is None:  # a file is one record, whatever is in it
        with tempfile.NamedTemporaryFile() as f:
            f.write(lines[0])
            f.flush()
            return subprocess.run(command + [f.name], capture_output=True, timeout=60, check=False)
    data = b"".join(line + RECORD_END.encode() for line in lines)
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


def produce(o, records):
    for _, group in itertools.groupby(enumerate(records), shape):
        group = list(group)
        done = run_of_equals(o, group)
        for i, _ in group:
            if done.returncode:
                say("error", i, " ".join(done.stderr.decode().split()))
            else:
                say("ack", i, -1)


def read_record(out):
    head = out.readline().decode().rstrip("\n").split("\t")
    if len(head) != 5:
        return False
    offset, ts, key_len, value_len, headers = head
    key_len, value_len = int(key_len), int(value_len)
    key = None if key_len < 0 else out.read(key_len)
    value = None if value_len < 0 else out.read(value_len)
    out.read(1)
    pairs = [h.split("=", 1) for h in headers.split(",")] if headers else []
    say_record(offset, ts, key, value,  # kcat prints a null header value as NULL
               [(n, None if v == "NULL" else v.encode()) for n, v in pairs])
    return True


def consume(o):
    where = {"offset": str(o.at), "timestamp": f"s@{o.at}"}.get(o["from"], o["from"])
    command = ["kcat", "-C", "-q", "-u", "-b", BOOT, "-t", o.topic, "-p", str(o.partition),
               "-o", where, "-c", str(o.count), "-f", FORMAT, "-X", "check.crcs=true"]
    if o["from"] == "timestamp":
        command += ["-e"]
    child = subprocess.Popen(["timeout", str(o.timeout_ms / 1000)] + command,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    got, end = 0, time.monotonic() + o.timeout_ms / 1000
    while got < o.count and time.monotonic() < end and read_record(child.stdout):
        got += 1
    child.terminate()
    err = child.communicate(timeout=10)[1].decode()
    if "ERROR" in err:
        raise RuntimeError(err)


serve(produce, consume)
