#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts and stops a Ceph of one monitor, one OSD in memory and one radosgw, on free loopback ports.

    radosgw.py DIRECTORY        prints the plugin's options and serves until Ctrl-C

Needs Debian's packages: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd
"""
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from brokers import NotAvailable, free_port  # noqa: E402
from s3.server import S3Server, certificate_for  # noqa: E402

PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")

# cephx stays on: with "auth none" radosgw hangs. tcp_nodelay=1: else each answer waits 40 ms.
CONFIG = """[global]
fsid = {fsid}
mon initial members = a
mon host = v1:127.0.0.1:{mon_port}
ms bind msgr2 = false
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {dir}/keyring
run dir = {dir}
admin socket = {dir}/$name.asok
pid file =
log file = {dir}/$name.ceph.log
crash dir = {dir}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon warn on pool no redundancy = false
mon allow pool delete = true
mon allow pool size one = true
[mon.a]
mon data = {dir}/mon
[osd]
osd objectstore = memstore
osd data = {dir}/osd
osd class load list = *
osd class default list = *
memstore device bytes = 4294967296
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1{tls}
rgw enable usage log = false
rgw enable ops log = false
rgw enable gc threads = true
"""


class Radosgw(S3Server):
    """What it holds is gone after stop(): the OSD keeps it in memory."""

    name = gateway = "radosgw"
    region = "default"

    def __init__(self, directory):
        missing = [p for p in PROGRAMS if not shutil.which(p)]
        if missing:
            raise NotAvailable(f"radosgw: no {', '.join(missing)} (apt-get install radosgw ceph-mon "
                               "ceph-osd)")
        super().__init__(directory, ("tester", "tester-secret-key"))
        self.conf = self.dir / "ceph.conf"

    def call(self, *command, timeout=30):
        done = subprocess.run([str(x) for x in command], capture_output=True, text=True,
                              timeout=timeout, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def ceph(self, *words):
        return self.call("ceph", "-c", self.conf, "--connect-timeout", "10", *words)

    def keyring(self):
        for name, caps in (("mon.", ["mon"]), ("client.admin", ["mon", "osd", "mgr"]),
                           ("client.rgw", ["mon", "osd", "mgr"])):
            flags = [w for kind in caps for w in ("--cap", kind, "allow *")]
            create = [] if (self.dir / "keyring").exists() else ["--create-keyring"]
            self.call("ceph-authtool", *create, self.dir / "keyring", "--gen-key", "-n", name, *flags)

    def prepare(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        (self.dir / "mon").mkdir(parents=True)
        (self.dir / "osd").mkdir()
        mon_port, fsid, tls = free_port(), str(uuid.uuid4()), ""
        self.certificate = certificate_for(self.dir)
        if self.certificate:
            tls = (f" ssl_endpoint=127.0.0.1:{self.tls_port} ssl_certificate={self.certificate[0]}"
                   f" ssl_private_key={self.certificate[1]}")
        self.conf.write_text(CONFIG.format(dir=self.dir, port=self.port, mon_port=mon_port,
                                           fsid=fsid, tls=tls))
        self.keyring()
        self.call("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{mon_port}]", "--fsid",
                  fsid, self.dir / "monmap")
        self.call("ceph-mon", "-c", self.conf, "--mkfs", "-i", "a", "--monmap", self.dir / "monmap",
                  "--keyring", self.dir / "keyring")

    def start_processes(self):
        self.spawn("ceph-mon", ["ceph-mon", "-c", self.conf, "-i", "a", "-f"])
        self.osd_start()
        self.start_gateway()
        self.user_make()

    def start_gateway(self):
        self.spawn("radosgw", ["radosgw", "-c", self.conf, "-n", "client.rgw", "-f"])
        self.wait_port()

    def osd_start(self):
        ident, ring = str(uuid.uuid4()), self.dir / "osd" / "keyring"
        secret = self.call("ceph-authtool", "--gen-print-key").strip()
        (self.dir / "secret.json").write_text(f'{{"cephx_secret": "{secret}"}}')
        number = self.ceph("osd", "new", ident, "-i", self.dir / "secret.json").strip()
        self.call("ceph-authtool", "--create-keyring", ring, "--name", f"osd.{number}", "--add-key",
                  secret)
        self.call("ceph-osd", "-c", self.conf, "-i", number, "--mkfs", "--osd-uuid", ident,
                  "--keyring", ring)
        self.spawn("ceph-osd", ["ceph-osd", "-c", self.conf, "-i", number, "-f", "--keyring",
                                ring])
        end = time.monotonic() + 60
        while "1 up" not in self.ceph("osd", "stat"):
            if time.monotonic() > end:
                raise TimeoutError(f"the OSD did not come up: {self.log_tail()}")
            time.sleep(0.1)

    def user_make(self):
        self.call("radosgw-admin", "-c", self.conf, "-n", "client.rgw", "user", "create", "--uid",
                  "tester", "--display-name", "tester", "--access-key", self.keys[0], "--secret",
                  self.keys[1], timeout=60)

    def stop(self):
        """There is nothing to save, and an OSD in memory takes its time to end."""
        self._end(signal.SIGKILL)


if __name__ == "__main__":
    from s3.versitygw import main
    main(Radosgw)
