# SPDX-License-Identifier: Apache-2.0
"""kafka-python (the current one, and 2.0.2) as members of classic groups; see README.md here."""
import sys
import threading
import traceback

from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor

BOOT = sys.argv[1]
LOCK = threading.Lock()


def say(*fields):
    with LOCK:
        sys.stdout.write("\t".join(str(f) for f in fields) + "\n")
        sys.stdout.flush()


class Member(threading.Thread):
    def __init__(self, name, options):
        super().__init__(daemon=True)
        self.member, self.options, self.is_closing, self.seen = name, options, False, None

    def note(self, consumer):
        now = ",".join(sorted(f"{p.topic}/{p.partition}" for p in consumer.assignment())) or "-"
        if now != self.seen:
            self.seen = now
            say("assigned", self.member, now)

    def consume(self):
        o = self.options
        extra = {} if o["instance"] == "-" else {"group_instance_id": o["instance"]}
        consumer = KafkaConsumer(*o["topics"].split(","), bootstrap_servers=BOOT,
                                 group_id=o["group"], client_id=self.member,
                                 auto_offset_reset="earliest", auto_commit_interval_ms=200,
                                 session_timeout_ms=10000, heartbeat_interval_ms=500,
                                 metadata_max_age_ms=3000,
                                 partition_assignment_strategy=[RangePartitionAssignor], **extra)
        while not self.is_closing:
            for rows in consumer.poll(50).values():
                for r in rows:
                    say("record", self.member, r.topic, r.partition, r.offset)
            self.note(consumer)
        consumer.close()

    def run(self):
        try:
            self.consume()
            say("closed", self.member)
        except Exception as e:  # pylint: disable=broad-except
            traceback.print_exc()
            say("failed", self.member, " ".join(str(e).split()))


def main():
    members = {}
    for line in sys.stdin:
        words = line.split()
        if words[0] == "open":
            members[words[1]] = Member(words[1], dict(w.split("=", 1) for w in words[2:]))
            members[words[1]].start()
        else:
            members[words[1]].is_closing = True


main()
