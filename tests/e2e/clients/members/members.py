# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka (librdkafka) as members of groups; see README.md in this folder."""
import sys
import threading
import traceback

import confluent_kafka as ck

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

    def config(self):
        o = self.options
        config = {"bootstrap.servers": BOOT, "group.id": o["group"], "client.id": self.member,
                  "group.protocol": o["protocol"], "auto.offset.reset": "earliest",
                  "auto.commit.interval.ms": 200, "topic.metadata.refresh.interval.ms": 1000,
                  "metadata.max.age.ms": 3000}
        if o["protocol"] == "classic":
            config["session.timeout.ms"] = 10000
            config["heartbeat.interval.ms"] = 500
            config["partition.assignment.strategy"] = \
                "cooperative-sticky" if o["assignor"] == "-" else o["assignor"]
        elif o["assignor"] != "-":
            config["group.remote.assignor"] = o["assignor"]
        if o["instance"] != "-":
            config["group.instance.id"] = o["instance"]
        return config

    def note(self, consumer):
        now = ",".join(sorted(f"{p.topic}/{p.partition}" for p in consumer.assignment())) or "-"
        if now != self.seen:
            self.seen = now
            say("assigned", self.member, now)

    def consume(self):
        consumer = ck.Consumer(self.config())
        o = self.options
        consumer.subscribe(["^" + o["regex"]] if o["regex"] != "-" else o["topics"].split(","))
        while not self.is_closing:
            msg = consumer.poll(0.05)
            self.note(consumer)
            if msg is None:
                continue
            if not msg.error():
                say("record", self.member, msg.topic(), msg.partition(), msg.offset())
            elif msg.error().code() not in (ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
                                            ck.KafkaError.TOPIC_AUTHORIZATION_FAILED):
                raise ck.KafkaException(msg.error())
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
