# SPDX-License-Identifier: Apache-2.0
"""The line protocol between the test runner and every client program (README.md in this folder)."""
import base64
import sys
import traceback


def pack(data):
    return "-" if data is None else "=" + base64.b64encode(data).decode()


def unpack(text):
    return None if text == "-" else base64.b64decode(text[1:])


class Record:
    """What is produced: key, value, timestamp in ms (None: now) and headers [(name, bytes|None)]."""

    def __init__(self, line):
        key, value, ts, headers = line.rstrip("\n").split("\t")
        self.key, self.value = unpack(key), unpack(value)
        self.ts = None if ts == "-" else int(ts)
        self.headers = [] if headers == "-" else [
            (h.split(":")[0], unpack(h.split(":")[1])) for h in headers.split(",")]


def say(*fields):
    sys.stdout.write("\t".join(str(f) for f in fields) + "\n")


def say_record(offset, ts, key, value, headers):
    packed = ",".join(f"{n}:{pack(v)}" for n, v in headers or []) or "-"
    say("record", offset, ts, pack(key), pack(value), packed)


class Options(dict):
    """key=value words of a command; attribute access, numbers where they look like numbers."""

    def __getattr__(self, name):
        value = self[name]
        return int(value) if value.lstrip("-").isdigit() else value


def say_member(partition, offset, value):
    say("member", partition, offset, pack(value))


def serve(produce, consume, group=None):
    """Answers commands until end of input. A command that fails says so and the next one is taken."""
    for line in sys.stdin:
        words = line.split()
        options = Options(w.split("=", 1) for w in words[1:])
        try:
            if words[0] == "produce":
                records = [Record(sys.stdin.readline()) for _ in range(options.count)]
                produce(options, records)
            elif words[0] == "consume":
                consume(options)
            elif words[0] == "group":
                group(options)
        except Exception as e:  # pylint: disable=broad-except
            traceback.print_exc()
            say("failed", type(e).__name__ + " " + " ".join(str(e).split()))
        say("done")
        sys.stdout.flush()
