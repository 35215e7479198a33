# SPDX-License-Identifier: Apache-2.0
"""What versitygw and radosgw have in common: processes of ours, a port, keys, buckets."""
import os
import pathlib
import signal
import socket
import subprocess
import time

from s3.s3client import S3

_running = []


class S3Server:
    """A server on loopback. start() may be called again after stop() or kill()."""

    name = "?"
    region = "us-east-1"

    def __init__(self, directory, port, keys, certificate=None):
        self.dir = pathlib.Path(directory).resolve()
        self.port, self.keys, self.certificate = port, keys, certificate
        self.address = f"127.0.0.1:{port}"
        self.processes = []

    # --- what each kind does in its own way ---

    def prepare(self):
        """Before each start."""

    def start_processes(self):
        raise NotImplementedError

    # --- life ---

    def spawn(self, name, command, env=None, **more):
        with open(self.dir / f"{name}.log", "ab") as log:
            process = subprocess.Popen([str(x) for x in command], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True,
                                       env={**os.environ, **(env or {})}, **more)
        self.processes.append(process)
        return process

    def start(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.prepare()
        _running.append(self)
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
            for process in self.processes:
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

    def _end(self, how):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(how)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self.processes = []
        if self in _running:
            _running.remove(self)

    # --- use ---

    @property
    def endpoint(self):
        return f"{'https' if self.certificate else 'http'}://{self.address}"

    def make_bucket(self, name):
        """Over plain http only."""
        bucket = self.bucket(name)
        bucket.create_bucket()
        return bucket

    def bucket(self, name):
        return S3(self.address, name, self.keys, self.region)

    def options(self, bucket, endpoint=None):
        """The plugin's options for a bucket, perhaps through a proxy."""
        return [f"endpoint={endpoint or self.endpoint}", f"bucket={bucket}",
                f"region={self.region}", f"access.key={self.keys[0]}",
                f"secret.key={self.keys[1]}"] + (
                    [f"ca.file={self.certificate}"] if self.certificate else [])


def stop_all():
    for server in list(_running):
        server.kill()
