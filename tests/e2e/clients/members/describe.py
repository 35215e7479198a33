# SPDX-License-Identifier: Apache-2.0
"""describe.py HOST:PORT GROUP: one group as confluent-kafka's admin client sees it, as JSON."""
import json
import sys

from confluent_kafka.admin import AdminClient

admin = AdminClient({"bootstrap.servers": sys.argv[1]})
described = admin.describe_consumer_groups([sys.argv[2]])[sys.argv[2]].result()
listed = admin.list_consumer_groups().result().valid
json.dump({
    "state": described.state.name,
    "type": [g.type.name for g in listed if g.group_id == sys.argv[2]][0],
    "members": {m.client_id: [f"{p.topic}/{p.partition}" for p in m.assignment.topic_partitions]
                for m in described.members}}, sys.stdout)
