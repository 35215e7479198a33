# SPDX-License-Identifier: Apache-2.0
"""Real Kafka clients: installs each into build/e2e and talks to its program (clients/README.md).

A client that cannot be installed here raises NotAvailable with the reason; tests that want it are
then reported as skipped, by name.
"""
import base64
import fcntl
import hashlib
import queue
import shutil
import subprocess
import sys
import threading
import time

from brokers import CACHE, HERE, KafkaBroker, NotAvailable

PROGRAMS = HERE / "clients"


class ClientError(Exception):
    """A client said that its command failed."""


class Row:
    """What is produced and what is compared: key, value, headers, and the timestamp if it is set."""

    def __init__(self, value, key=None, headers=(), ts=None):
        self.value, self.key, self.headers, self.ts = value, key, list(headers), ts

    def same(self, other, lacks=()):
        """As far as a client with these lacks can tell them apart."""
        def seen(r):
            headers, value, key = r.headers, r.value, r.key
            if "repeated-headers" in lacks:
                headers = sorted(headers, key=lambda h: h[0])
            if "empty-values" in lacks:
                headers = [(n, v or None) for n, v in headers]
                value, key = value or None, key or None
            return key, value, headers
        return seen(self) == seen(other)

    def __repr__(self):
        def short(b):
            return b if b is None or len(b) < 40 else f"<{len(b)} bytes {hashlib.md5(b).hexdigest()}>"
        return f"Row({short(self.value)!r}, key={short(self.key)!r}, {self.headers}, ts={self.ts})"


def pack(data):
    return "-" if data is None else "=" + base64.b64encode(data).decode()


def unpack(text):
    return None if text == "-" else base64.b64decode(text[1:])


def run(command, what, timeout=600, **kwargs):
    """Runs an installer; its failure is a reason to skip."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                              timeout=timeout, check=False, **kwargs)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise NotAvailable(f"{what}: {e}") from e
    if done.returncode:
        raise NotAvailable(f"{what}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def need(program):
    path = shutil.which(program)
    if path is None:
        raise NotAvailable(f"{program} is not on this machine")
    return path


def once(directory, text, install):
    """Runs install(directory) unless it was done before for the same text. One process at a time."""
    stamp = CACHE / directory / "installed"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{directory}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != text:
            shutil.rmtree(stamp.parent, ignore_errors=True)
            stamp.parent.mkdir(parents=True)
            install(stamp.parent)
            stamp.write_text(text)
    return stamp.parent


def venv(directory, packages):
    """A Python in its own environment with these packages."""
    def install(home):
        run([sys.executable, "-m", "venv", home], "python3 -m venv")
        run([home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *packages],
            "pip install " + " ".join(packages))
    return once(directory, " ".join(packages), install) / "bin" / "python"


CURRENT_PYTHON = ("confluent-kafka==2.16.1", "kafka-python==3.0.12", "aiokafka==0.14.0", "lz4",
                  "python-snappy", "zstandard")


def python_program(script, directory="venv", packages=CURRENT_PYTHON):
    return [str(venv(directory, packages)), str(PROGRAMS / script)]


def java_program(version):
    need("java")
    mvn = need("mvn")
    source = PROGRAMS / "java"
    text = version + (source / "pom.xml").read_text() + \
        (source / "src/main/java/JavaClient.java").read_text()

    def install(home):
        run([mvn, "-q", "-B", f"-Dkafka.version={version}", f"-Dout={home}/target",
             "compile", "dependency:copy-dependencies", f"-DoutputDirectory={home}/libs"],
            f"mvn, kafka-clients {version}", cwd=source)
    home = once(f"java-{version}", hashlib.sha256(text.encode()).hexdigest(), install)
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", f"{home}/target/classes:{home}/libs/*", "JavaClient"]


def node_program(script):
    node, npm = need("node"), need("npm")
    source = PROGRAMS / "node"
    text = "".join(p.read_text() for p in sorted(source.iterdir()) if p.is_file())

    def install(home):
        for p in source.iterdir():
            if p.is_file():
                shutil.copy(p, home)
        run([npm, "install", "--no-audit", "--no-fund", "--silent"], "npm install", cwd=home)
    home = once("node", hashlib.sha256(text.encode()).hexdigest(), install)
    return [node, str(home / script)]


def go_program(name):
    go = need("go")
    source = PROGRAMS / "go"
    text = "".join(p.read_text() for p in sorted(source.rglob("*")) if p.is_file())

    def install(home):
        shutil.copytree(source, home / "src")
        (home / "bin").mkdir()
        run([go, "build", "-o", home / "bin/", "./..."], "go build", cwd=home / "src")
    home = once("go", hashlib.sha256(text.encode()).hexdigest(), install)
    return [str(home / "bin" / name)]


def kcat_program():
    need("kcat")
    return [sys.executable, str(PROGRAMS / "kcat_client.py")]


ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Kind:
    """One client library: how to get its program, and what it cannot do.

    lacks: `idempotence`, `timestamps` (cannot set them), `offsets` (does not report them),
    `null-headers`, `repeated-headers` (reads them grouped by name), `empty-values` (reads them as
    null), `assign` (consumes only as a member of a group), `xerial` (cannot read Java's snappy),
    `lz4-block-sums` (its LZ4 takes the checksum behind a block, which aiokafka writes, for bytes),
    `group` (its program has no such command), `static` (no group.instance.id), `cooperative`.
    """

    def __init__(self, name, program, codecs=ALL_CODECS, lacks=(), in_default=False):
        self.name, self.program, self.codecs = name, program, codecs
        self.lacks, self.in_default = set(lacks), in_default

    def start(self, address):
        return Program(self, self.program(), address)


class Program:
    """A running client program. Commands one at a time; each ends, or is ended, in time."""

    def __init__(self, kind, command, address):
        self.kind = kind
        self.process = subprocess.Popen(command + [address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, bufsize=1 << 16, start_new_session=True)
        self.lines, self.errors = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n").split("\t"))
        self.lines.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors = self.errors[-30:] + [line.rstrip()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def _write(self, lines):
        """Apart, because a program may answer before it has read everything."""
        def write():
            try:
                self.process.stdin.write("\n".join(lines) + "\n")
                self.process.stdin.flush()
            except (OSError, ValueError):
                pass
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        return thread

    def _answer(self, timeout):
        end, out = time.monotonic() + timeout, []
        while True:
            try:
                row = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise ClientError(f"{self.kind.name} did not answer in {timeout} s; "
                                  f"stderr: {' / '.join(self.errors[-8:])}") from None
            if row is None:
                raise ClientError(f"{self.kind.name} ended; stderr: {' / '.join(self.errors[-8:])}")
            if row[0] == "done":
                return out
            if row[0] == "failed":
                raise ClientError(f"{self.kind.name}: {row[1]}; stderr: "
                                  f"{' / '.join(self.errors[-8:])}")
            out.append(row)

    def produce(self, topic, rows, partition=0, codec="none", acks="all", idempotent=False,
                timeout=60):
        """Returns ({index: offset}, {index: error text})."""
        lines = [f"produce topic={topic} partition={partition} codec={codec} acks={acks} "
                 f"idempotent={int(idempotent)} count={len(rows)}"]
        for r in rows:
            headers = ",".join(f"{n}:{pack(v)}" for n, v in r.headers) or "-"
            lines.append("\t".join([pack(r.key), pack(r.value),
                                    "-" if r.ts is None else str(r.ts), headers]))
        self._write(lines)
        acked, refused = {}, {}
        for row in self._answer(timeout):
            if row[0] == "ack":
                acked[int(row[1])] = int(row[2])
            elif row[0] == "error":
                refused[int(row[1])] = row[2]
        return acked, refused

    def produce_ok(self, topic, rows, **options):
        """Produces and insists on an acknowledgement of each; the offsets in order."""
        acked, refused = self.produce(topic, rows, **options)
        if refused or len(acked) != len(rows):
            raise AssertionError(f"{self.kind.name} {options}: {len(acked)} of {len(rows)} "
                                 f"acknowledged, refused: {dict(list(refused.items())[:3])}; "
                                 f"stderr: {' / '.join(self.errors[-5:])}")
        return [acked[i] for i in range(len(rows))]

    def consume(self, topic, count, partition=0, start="beginning", at=0, timeout=15):
        """[(offset, Row)], at most count; fewer when timeout seconds pass."""
        self.consume_begin(topic, count, partition, start, at, timeout)
        return self.consume_end(timeout)

    def consume_begin(self, topic, count, partition=0, start="beginning", at=0, timeout=15):
        self._write([f"consume topic={topic} partition={partition} from={start} at={at} "
                     f"count={count} timeout_ms={int(timeout * 1000)}"])

    def group_begin(self, topic, group, count, timeout=20, instance="-", strategy="default"):
        self._write([f"group topic={topic} group={group} count={count} instance={instance} "
                     f"strategy={strategy} timeout_ms={int(timeout * 1000)}"])

    def group_end(self, timeout=20):
        """[(partition, offset, value)] that the member of a group read."""
        return [(int(r[1]), int(r[2]), unpack(r[3]))
                for r in self._answer(timeout + 30) if r[0] == "member"]

    def group(self, topic, group, count, timeout=20, **options):
        self.group_begin(topic, group, count, timeout, **options)
        return self.group_end(timeout)

    def consume_end(self, timeout=15):
        out = []
        for row in self._answer(timeout + 30):
            if row[0] != "record":
                continue
            headers = [] if row[5] == "-" else [
                (h.split(":")[0], unpack(h.split(":")[1])) for h in row[5].split(",")]
            out.append((int(row[1]), Row(unpack(row[4]), unpack(row[3]), headers, int(row[2]))))
        return out


def kinds():
    def py(script, *rest):
        return lambda: python_program(script, *rest)

    old = ("kafka-python==2.0.2", "lz4", "python-snappy", "zstandard")
    rows = [
        Kind("kcat", kcat_program, in_default=True,
             lacks=("timestamps", "offsets", "null-headers", "group")),
        Kind("confluent-kafka", py("confluent_client.py"), in_default=True),
        Kind("kafka-python", py("kafka_python_client.py"), in_default=True,
             lacks=("null-headers", "cooperative")),
        Kind("java-4", lambda: java_program("4.4.0"), in_default=True),
        Kind("java-3.9", lambda: java_program("3.9.2")),
        Kind("java-2.8", lambda: java_program("2.8.2")),
        Kind("kafka-python-2.0.2", py("kafka_python_client.py", "venv-old", old),
             lacks=("idempotence", "null-headers", "static", "cooperative")),
        Kind("aiokafka", py("aiokafka_client.py"), lacks=("cooperative",)),
        Kind("kafkajs", lambda: node_program("kafkajs.js"),
             lacks=("null-headers", "repeated-headers", "assign", "static", "cooperative",
                    "lz4-block-sums")),
        Kind("platformatic", lambda: node_program("platformatic.mjs"),
             codecs=("none", "gzip", "snappy", "lz4"),  # zstd needs a newer Node
             lacks=("null-headers", "xerial", "cooperative")),
        Kind("franz-go", lambda: go_program("franz")),
        Kind("sarama", lambda: go_program("sarama"), lacks=("cooperative",)),
        Kind("kafka-go", lambda: go_program("kafkago"),
             lacks=("idempotence", "offsets", "empty-values", "null-headers", "static",
                    "cooperative")),
    ]
    return {k.name: k for k in rows}


KINDS = kinds()


def tool(cls, *args):
    """The command of a program from kafka-tools, for instance VerifiableProducer."""
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", KafkaBroker.jars(),
            f"org.apache.kafka.tools.{cls}", *map(str, args)]
