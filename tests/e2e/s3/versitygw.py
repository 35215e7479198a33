#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts and stops versitygw, an S3 server on a directory, on a free loopback port.

    versitygw.py DIRECTORY      prints the plugin's options and serves until Ctrl-C

The program is $VERSITYGW, or one on the PATH, or it is built once from its Go module into
build/e2e/versitygw (a minute; needs a Go newer than Debian 12's).
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from brokers import CACHE, NotAvailable  # noqa: E402
from s3.server import S3Server, certificate_for  # noqa: E402

MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"


def binary():
    given = os.environ.get("VERSITYGW") or shutil.which("versitygw")
    if given:
        return given
    home = CACHE / "versitygw"
    built = home / "versitygw"
    if built.exists():
        return str(built)
    if not shutil.which("go"):
        raise NotAvailable("versitygw: there is no go to build it with")
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["go", "install", MODULE], env={**os.environ, "GOBIN": str(home)},
                          capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise NotAvailable(f"versitygw: go cannot build it: {done.stderr.strip()[-200:]}")
    return str(built)


class Versitygw(S3Server):
    """The gateway on a directory, once for http and once for https; what it acknowledged survives a
    kill."""

    name = gateway = "versitygw"

    def __init__(self, directory):
        super().__init__(directory, ("tester", "tester-secret"))
        self.program = binary()

    def prepare(self):
        (self.dir / "buckets").mkdir(parents=True, exist_ok=True)
        self.certificate = self.certificate or certificate_for(self.dir)

    def start_processes(self):
        self.start_gateway()

    def start_gateway(self):
        self.spawn_one("versitygw", self.port)
        if self.certificate:
            self.spawn_one("versitygw-tls", self.tls_port, "--cert", self.certificate[0], "--key",
                           self.certificate[1])
        self.wait_port()

    def spawn_one(self, name, port, *more):
        self.spawn(name, [self.program, "--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet",
                          *more, "posix", self.dir / "buckets"],
                   {"ROOT_ACCESS_KEY": self.keys[0], "ROOT_SECRET_KEY": self.keys[1]})


def main(kind=Versitygw):
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY")
    server = kind(sys.argv[1]).start()
    server.make_bucket("sluice")
    print("\n".join(server.options("sluice")), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        signal.pause()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
