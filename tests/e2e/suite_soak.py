# SPDX-License-Identifier: Apache-2.0
"""r2x: under load that goes on and on, what a broker keeps of its journal stays the same."""
import json

from harness import expect, expect_true, sluice, test
from steady import Steady, check

PARTITIONS = 4
# Everything that takes minutes or hours by default, in seconds.
OPTIONS = ["journal.log.segment.target.bytes=256KiB", "journal.roll.age.ms=1000",
           "journal.snapshot.entries=64", "journal.safe.window.ms=1000",
           "journal.check.interval.ms=300", "journal.grace.ms=2000", "storage.volume.size=1MiB"]
ROUNDS = 6


def state_of(broker):
    """What `log verify` counts, and the bytes of the file store's volumes."""
    done = sluice(broker, "log", "verify", "--json")
    report = json.loads(done.stdout)
    expect((done.returncode, report["errors"]), (0, 0), f"log verify: {report['findings']}")
    volumes = sum(p.stat().st_size for p in (broker.dir / "+volumes").glob("*.vol"))
    return report["entries"], report["runs"], volumes


@test(brokers=("sluice",), all_only=True, timeout=400)
def r20_a_soak(env):
    """Entries, live runs and volumes of the last rounds are those of the second: rolled, collected,
    recycled. The first round is left out: nothing has been collected by then."""
    broker = env.own(options=OPTIONS)
    raw = env.client(broker)
    expect(raw.create("steady", PARTITIONS), 0, "create")
    raw.wait_ready("steady")
    seen = []
    with Steady(broker.address, "steady", PARTITIONS) as producer:
        for _ in range(ROUNDS):
            producer.wait_more(60000, timeout=120)  # some 15 s; snapshots are 10 s apart
            seen.append(state_of(broker))
        producer.finish()
        check(env.client(broker), [producer])
    entries, runs, volumes = zip(*seen[1:], strict=True)
    print(f"    entries {entries}, live runs {runs}, bytes of volumes {volumes}")
    for what, values in (("entries", entries), ("bytes of volumes", volumes)):
        expect_true(max(values[2:]) <= 1.6 * max(values[:2]), f"{what} grow: {values}")
    # An entry holds one run at least: what was not rolled would be there in each of them.
    expect_true(max(runs) <= max(entries), f"live runs {runs} in {entries} entries")
    broker.stop()
    broker.start()
    expect_true(env.client(broker).end_offset("steady", 0) > 0, "nothing was written")
