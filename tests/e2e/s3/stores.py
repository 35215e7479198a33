# SPDX-License-Identifier: Apache-2.0
"""The real stores that the tests of a run share, buckets in them, and the weather on the way there."""
import shutil

from brokers import BUILD, NotAvailable
from s3.faultproxy import FaultProxy, Faults
from s3.radosgw import PROGRAMS, Radosgw
from s3.versitygw import Versitygw

PLUGIN = BUILD / "storage-s3.so"
KINDS = {"versitygw": Versitygw, "radosgw": Radosgw}

# The one that `./dev test` runs on: Debian's own, where it is installed.
DEFAULT = "radosgw" if all(shutil.which(p) for p in PROGRAMS) else "versitygw"

# What whole suites live through. Stalls cost the plugin's timeout, or half of it for a read, so there
# are few; and an open waits for the slowest of its reads, so snapshots are not far apart.
WEATHER = Faults(methods="PUT GET", latency_ms=8, codes="500 503 409", reset=.02, error=.03,
                 late=.02, twice=.02, lost_response=.02, error_after=.02, cut=.02, stall=.001,
                 stall_after=.001)
WEATHER_OPTIONS = ("plugin.s3.timeout=3s", "journal.snapshot.entries=200")


class Bucket:
    """An empty bucket of its own on a shared store."""

    def __init__(self, store, name):
        self.store, self.name = store, name
        self.client = store.make_bucket(name)

    def plugin_options(self, endpoint=None):
        return self.store.options(self.name, endpoint)

    def tls_options(self):
        if not self.store.certificate:
            raise NotAvailable("no openssl to make a certificate with")
        return self.store.tls_options(self.name)

    def proxy(self, seed):
        return FaultProxy(("127.0.0.1", self.store.port), seed=seed)


def broker_options(plugin_options):
    """What puts a broker on a bucket, with these options of the plugin."""
    return ["storage.plugin=s3"] + [f"plugin.s3.{x}" for x in (f"path={PLUGIN}", *plugin_options)]


class Stores:
    """Each is started by the first test that asks, and runs until the end."""

    def __init__(self, directory):
        self.dir, self.servers, self.buckets = directory, {}, 0

    def get(self, kind):
        if not PLUGIN.exists():
            raise NotAvailable(f"{PLUGIN} is not built")
        if kind not in self.servers:
            self.servers[kind] = KINDS[kind](self.dir / kind).start()
        return self.servers[kind]

    def bucket(self, kind):
        self.buckets += 1
        return Bucket(self.get(kind), f"sluice-{self.buckets}")

    def stop(self):
        for server in self.servers.values():
            server.kill()
