# SPDX-License-Identifier: Apache-2.0
"""What versitygw and radosgw have in common: processes of ours, a port, keys, buckets."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from brokers import free_port
from s3.s3client import S3

_running = []


def certificate_for(directory):
    """A certificate of its own authority for 127.0.0.1: (certificate, key), or None without openssl."""
    if not shutil.which("openssl"):
        return None
    files = directory / "store.pem", directory / "store.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=sluice test", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


class S3Server:
    """A server on loopback, over http, and over https where there is an openssl to make a certificate
    with. start() may be called again after stop() or kill()."""

    name = "?"
    region = "us-east-1"
    gateway = "?"  # which of its processes speaks S3

    def __init__(self, directory, keys):
        self.dir = pathlib.Path(directory).resolve()
        self.port, self.tls_port, self.keys = free_port(), free_port(), keys
        self.address = f"127.0.0.1:{self.port}"
        self.certificate = None  # (certificate, key), once it was started
        self.processes = {}

    # --- what each kind does in its own way ---

    def prepare(self):
        """Before each start."""

    def start_processes(self):
        raise NotImplementedError

    def start_gateway(self):
        raise NotImplementedError

    # --- life ---

    def spawn(self, name, command, env=None, **more):
        with open(self.dir / f"{name}.log", "ab") as log:
            process = subprocess.Popen([str(x) for x in command], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True,
                                       env={**os.environ, **(env or {})}, **more)
        self.processes[name] = process
        if self not in _running:
            _running.append(self)
        return process

    def start(self):
        self.prepare()
        try:
            self.start_processes()
            self.wait_port()
        except BaseException:
            self.kill()
            raise
        return self

    def wait_port(self, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for process in self.processes.values():
                if process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended with status {process.returncode}: "
                                       f"{self.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"{self.name} did not listen in {timeout} s: {self.log_tail()}")

    def log_tail(self):
        return " | ".join(log.read_text(errors="replace")[-300:] for log in self.dir.glob("*.log"))

    def kill(self):
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def kill_gateway(self):
        """Nobody answers any more. What is stored stays, until start_gateway()."""
        self._end(signal.SIGKILL, [n for n in self.processes if n.startswith(self.gateway)])

    def _end(self, how, names=None):
        ended = [self.processes.pop(name) for name in reversed(names or list(self.processes))]
        for process in ended:
            if process.poll() is None:
                process.send_signal(how)
        for process in ended:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        if not self.processes and self in _running:
            _running.remove(self)

    # --- use ---

    @property
    def endpoint(self):
        return f"http://{self.address}"

    @property
    def tls_endpoint(self):
        return f"https://127.0.0.1:{self.tls_port}"

    def make_bucket(self, name):
        bucket = self.bucket(name)
        bucket.create_bucket()
        return bucket

    def bucket(self, name):
        return S3(self.address, name, self.keys, self.region)

    def options(self, bucket, endpoint=None):
        """The plugin's options for a bucket, perhaps through a proxy."""
        return [f"endpoint={endpoint or self.endpoint}", f"bucket={bucket}",
                f"region={self.region}", f"access.key={self.keys[0]}",
                f"secret.key={self.keys[1]}"]

    def tls_options(self, bucket):
        return self.options(bucket, self.tls_endpoint) + [f"ca.file={self.certificate[0]}"]


def stop_all():
    for server in list(_running):
        server.kill()
