# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the brokers that tests and benchmarks run against, on free loopback ports.

A broker is ready when it answers ApiVersions v0. Whatever is started here is stopped by stop_all(),
by process id; a broker's log is a file that the runner prints when a test fails.
"""
import base64
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time

from objects import BucketPath

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
CACHE = ROOT / "build" / "e2e"
PEER = ROOT / "tests" / "bench" / "kafka-peer"

_given_ports = set()
_lane = (0, 1)  # this process, of how many that start brokers beside each other
_running = []


class NotAvailable(Exception):
    """Something a test needs is not on this machine; the test is skipped with this reason."""


def set_lane(lane, lanes):
    """From now on free_port() gives no port that it gives in another lane."""
    global _lane
    _lane = (lane, lanes)


def free_port():
    """A port that nobody listens on and that was not given before in this run."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        mine = (port >> 3) % _lane[1] == _lane[0]  # the kernel prefers odd ones, so not modulo 2
        if mine and port not in _given_ports and port < 65000:
            _given_ports.add(port)
            return port


def answers(port, timeout=1.0):
    """True when an ApiVersions v0 request is answered there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as s:
            s.settimeout(timeout)
            s.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
            return len(s.recv(8)) == 8
    except OSError:
        return False


class Broker:
    """One broker process on one directory. start() may be called again after stop() or kill()."""

    kind = "?"

    def __init__(self, directory, port=None, env=None):
        self.dir = pathlib.Path(directory)
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = self.dir.parent / f"{self.dir.name}-{self.port}.log"
        self.process = None
        self.env = dict(env or {})
        self.ready_s = None
        self.bucket = None  # an s3client.S3, of a broker that does not keep its objects in self.dir

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """Once, before the first start."""
        self.dir.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True, timeout=60):
        self.prepare()
        log = open(self.log, "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, start_new_session=True,
                                        env={**os.environ, **self.env})
        log.close()
        _running.append(self)
        if wait:
            self.wait_ready(timeout)
            self.ready_s = time.monotonic() - began
        return self

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} broker ended with status "
                                   f"{self.process.returncode}: {self.tail(5)}")
            if answers(self.port):
                return
            time.sleep(0.002 if self.kind == "sluice" else 0.05)
        raise TimeoutError(f"{self.kind} broker did not answer in {timeout} s: {self.tail(5)}")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, and waits for the end."""
        self._end(signal.SIGKILL, 10)

    def stop(self, timeout=30):
        """SIGTERM; returns the exit status. Killed when it takes longer than timeout."""
        return self._end(signal.SIGTERM, timeout)

    def _end(self, sig, timeout):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        if self in _running:
            _running.remove(self)
        return self.process.returncode

    def log_text(self):
        try:
            return self.log.read_text(errors="replace")
        except OSError:
            return ""

    def tail(self, lines=40, since=0):
        """The last lines of the log; since: only what was written after that many characters."""
        return "\n".join(self.log_text()[since:].splitlines()[-lines:])

    # --- what /proc says ---

    def status_kib(self, key="VmRSS"):
        for line in open(f"/proc/{self.pid}/status", encoding="ascii"):
            if line.startswith(key + ":"):
                return int(line.split()[1])
        return 0

    def reset_peak(self):
        """Makes VmHWM count from now on."""
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")

    def cpu_s(self):
        fields = open(f"/proc/{self.pid}/stat", encoding="ascii").read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SluiceBroker(Broker):
    kind = "sluice"

    def __init__(self, directory, port=None, options=(), node_id=1, env=None):
        super().__init__(directory, port, env)
        self.options, self.node_id = list(options), node_id
        self.binary = BUILD / "sluice"

    def prepare(self):
        super().prepare()
        if not self.binary.exists():
            raise NotAvailable(f"{self.binary} is not built")

    @property
    def root(self):
        """What lies in its store, as a path."""
        return self.dir if self.bucket is None else BucketPath(self.bucket)

    def store_options(self):
        """Those of its options that say where its objects are."""
        if self.bucket is None:
            return [f"storage.path={self.dir}"]
        return [o for o in self.options if o.startswith(("storage.plugin=", "plugin."))]

    def is_sanitized(self):
        """Built with a sanitizer, whose own memory says nothing about ours."""
        data = self.binary.read_bytes()
        return b"__asan_init" in data or b"__tsan_init" in data

    def command(self):
        sets = [f"listener.plain.address={self.address}", f"storage.path={self.dir}",
                f"server.node.id={self.node_id}"] + self.options
        return [str(self.binary), "serve"] + [w for s in sets for w in ("--set", s)]


class KafkaBroker(Broker):
    """Apache Kafka, broker and controller in one process, from Maven packages."""

    kind = "kafka"

    def __init__(self, directory, port=None, options=(), heap="1g", env=None):
        super().__init__(directory, port, env)
        self.options, self.heap = list(options), heap
        self.controller_port = free_port()

    @staticmethod
    def jars():
        libs = CACHE / "kafka-peer" / "libs"
        if not libs.is_dir() or not any(libs.glob("kafka_2.13-*.jar")):
            if not shutil.which("mvn") or not shutil.which("java"):
                raise NotAvailable("Apache Kafka: no mvn or no java")
            done = subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies",
                                   "-DincludeScope=runtime", f"-DoutputDirectory={libs}"],
                                  cwd=PEER, capture_output=True, text=True, timeout=600)
            if done.returncode:
                raise NotAvailable(f"Apache Kafka: {done.stdout.strip()[-300:]}")
        return f"{libs}/*"

    def java(self):
        return ["java", f"-Xms{self.heap}", f"-Xmx{self.heap}", "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
                "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
                f"-Dlog4j2.configurationFile={self.dir}/log4j2.xml", "-cp", self.jars()]

    def prepare(self):
        super().prepare()
        if (self.dir / "server.properties").exists():
            return
        properties = (PEER / "server.properties").read_text()
        for key, value in (("@DIR@", self.dir), ("@PORT@", self.port),
                           ("@CONTROLLER_PORT@", self.controller_port)):
            properties = properties.replace(key, str(value))
        (self.dir / "server.properties").write_text(properties + "\n".join(self.options) + "\n")
        shutil.copy(PEER / "log4j2.xml", self.dir)
        cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A")
        subprocess.run(self.java() + ["kafka.tools.StorageTool", "format", "-t", cluster, "-c",
                                      str(self.dir / "server.properties")],
                       check=True, capture_output=True, timeout=60)

    def command(self):
        return self.java() + ["kafka.Kafka", str(self.dir / "server.properties")]


def make_broker(kind, directory, **kwargs):
    if kind == "sluice":
        # Two loops and four journals also where the default is one: what goes between them is what
        # can go wrong, and what fails in one must not touch the others.
        kwargs["options"] = ["server.threads=2", "journal.cluster.journals=4",
                             *kwargs.get("options", ())]
    return {"sluice": SluiceBroker, "kafka": KafkaBroker}[kind](directory, **kwargs)


def stop_all():
    for broker in list(_running):
        broker.kill()
