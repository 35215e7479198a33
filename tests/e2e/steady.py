# SPDX-License-Identifier: Apache-2.0
"""A producer under load across crashes, and the check of what it was promised."""
import collections
import subprocess
import threading

from clients import CURRENT_PYTHON, PROGRAMS, venv
from harness import eventually, expect, expect_true


class Steady:
    """clients/steady_producer.py as a process; every acknowledgement is kept."""

    def __init__(self, address, topic, partitions, rate=4000, label="r"):
        self.topic, self.partitions, self.label = topic, partitions, label
        self.acked, self.errors, self.sent = {}, [], None
        command = [venv("venv", CURRENT_PYTHON), PROGRAMS / "steady_producer.py", address, topic,
                   partitions, rate, label]
        self.process = subprocess.Popen([str(x) for x in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.said = collections.deque(maxlen=20)  # librdkafka's log; a full pipe would stop it
        threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def _read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "ack":
                # None: librdkafka concludes from a later success that a request it had given up on
                # was written; it does not know where.
                offset = None if words[3] == "None" else int(words[3])
                self.acked[int(words[1])] = (int(words[2]), offset)
            elif words[0] == "done":
                self.sent = int(words[1])
            else:
                self.errors.append(line.strip())

    def wait_more(self, n, timeout=60):
        """Until n more records are acknowledged."""
        goal = len(self.acked) + n
        eventually(lambda: len(self.acked) >= goal or self.process.poll() is not None, timeout,
                   f"{n} more acknowledgements (there are {len(self.acked)}; {self.errors[:3]})")

    def finish(self, timeout=150):
        """Stops sending and waits for what is under way."""
        self.process.stdin.close()
        self.process.wait(timeout)
        self.reader.join(10)
        expect(self.errors, [], "errors of the producer")
        expect(len(self.acked), self.sent, "acknowledged of sent records")


def log_of(raw, topic, partition):
    """[value] by offset; offsets must be dense from 0."""
    values = []
    for batch in raw.read_batches(topic, partition):
        for offset, _, _, value, _ in batch.records():
            expect(offset, len(values), f"offset in {topic}/{partition}")
            values.append(value)
    return values


def check(raw, producers):
    """Every acknowledged record is there once, in order, at its acknowledged offset; nothing else."""
    first = producers[0]
    logs = [log_of(raw, first.topic, p) for p in range(first.partitions)]
    total = 0
    for producer in producers:
        names = [{v.split(b":.")[0].decode() for v in log} for log in logs]
        for index, (partition, offset) in producer.acked.items():
            if offset is None:
                expect_true(f"{producer.label}:{index}" in names[partition],
                            f"{producer.label}:{index} was acknowledged and is not in {partition}")
                continue
            expect_true(offset < len(logs[partition]),
                        f"{producer.label}:{index} was acknowledged at {partition}/{offset}, "
                        f"the log ends at {len(logs[partition])}")
            name = logs[partition][offset].split(b":.")[0].decode()
            expect(name, f"{producer.label}:{index}", f"record at {partition}/{offset}")
        total += len(producer.acked)
    expect(sum(len(x) for x in logs), total, "records in the log, of those acknowledged")
    for partition, values in enumerate(logs):
        expect(len(set(values)), len(values), f"distinct records in partition {partition}")
        for producer in producers:
            order = [int(v.split(b":")[1]) for v in values
                     if v.startswith(producer.label.encode() + b":")]
            expect(order, sorted(order), f"order of {producer.label} in partition {partition}")
