#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy between an S3 client and an S3 server that does to requests what networks and busy
stores do. Standard library only.

    proxy = FaultProxy(("127.0.0.1", 7070), seed=1).start()
    proxy.faults = Faults(latency_ms=50, lost_response=0.01)      # at any time
    ... proxy.endpoint ... proxy.counts ...
    proxy.stop()

or  faultproxy.py --target 127.0.0.1:7070 [--port N] [--latency-ms 50] [--lost-response 0.01] …

What a fault means for a put: `reset`, `error`, `throttle` and `stall` come before the store saw the
request; `lost_response`, `error_after` and `stall_after` after it was applied; `late` is applied some
time after the client was told nothing; `twice` is applied twice, as by an intermediary that repeats
it, and the second answer is given: a put with a condition is told 412 by its own object. `cut` cuts
the answer off. A 412 of `error` is a lie that no store tells, and that the start-up probe refuses.

Faults come by a schedule rather than by dice alone: between two of a kind lie at most 2/p requests. So
a fault that a test asks for is met as soon as it makes enough requests, and unmet() names those that
were not: a path never met is a hole in the test.
"""
import argparse
import asyncio
import collections
import dataclasses
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from s3.s3client import signed_headers  # noqa: E402

HEAD_MAX, BODY_MAX = 64 * 1024, 64 << 20


@dataclasses.dataclass
class Faults:
    """Shares of the requests of `methods`: "" = all, else some of "PUT GET LIST HEAD DELETE"."""
    methods: str = ""
    spare: str = ""               # a pattern: requests whose path has it meet no fault
    latency_ms: float = 0         # median of a log-normal distribution
    latency_sigma: float = 0.3    # of its logarithm: 0.3 puts p99 at twice the median
    reset: float = 0              # the connection, before the store sees anything
    error: float = 0              # one of `codes`, before the store sees anything
    codes: str = "500 503 409"    # 409 and 412 only for puts with a condition
    throttle_per_s: float = 0     # more than so many requests a second get 503 SlowDown
    lost_response: float = 0      # applied, then the connection is reset
    error_after: float = 0        # applied, then 500 is answered
    late: float = 0               # puts only: the connection is reset, and then it is applied
    late_s: float = 0.5
    twice: float = 0              # puts only: applied twice; the second answer is given
    stall: float = 0              # no answer, ever; not applied
    stall_after: float = 0        # no answer, ever; applied
    cut: float = 0                # the answer breaks off
    drop_condition: bool = False  # If-None-Match and If-Match do not reach the store
    resign: tuple = ()            # (access, secret): and the signature is made to fit

    def expected(self):
        """The counters that must not stay at 0."""
        methods = self.methods.split()
        out = [f"{fault} {m}" if methods else fault
               for fault in SHARES if getattr(self, fault)
               for m in (methods or [""]) if fault not in PUTS_ONLY or m in ("", "PUT")]
        if self.error:
            out += [f"error {code}" for code in self.codes.split()
                    if code not in CONDITIONAL or not methods or "PUT" in methods]
        return set(out + [name for name, value in (
            ("latency", self.latency_ms), ("throttle", self.throttle_per_s),
            ("drop_condition", self.drop_condition)) if value])


SHARES = ("reset", "error", "late", "stall", "twice", "stall_after", "lost_response", "error_after",
          "cut")
PUTS_ONLY = ("late", "twice")
CONDITIONAL = ("409", "412")
CODES = {"500": ("500 Internal Server Error", "InternalError"),
         "503": ("503 Service Unavailable", "SlowDown"),
         "429": ("429 Too Many Requests", "TooManyRequests"),
         "409": ("409 Conflict", "ConditionalRequestConflict"),
         "412": ("412 Precondition Failed", "PreconditionFailed")}


class Hangup(Exception):
    """The connection ends here; how: "close", "reset", or "stall" until the client gives up."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


class Message:
    """Head and body of a request or an answer, as bytes that can be sent on."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.headers = [tuple(x.split(":", 1)) for x in lines[1:] if ":" in x]

    def get(self, name):
        return next((v.strip() for k, v in self.headers if k.lower() == name), None)

    def kind(self):
        """Of a request: its method; LIST for a GET that lists."""
        method, target = self.first.split(" ")[:2]
        return "LIST" if method == "GET" and "list-type=" in target else method

    def rebuild(self):
        lines = [self.first] + [f"{k}: {v.strip()}" for k, v in self.headers]
        self.head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_chunked(reader):
    raw = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        raw += line + await reader.readexactly(size + 2)
        if size == 0 or len(raw) > BODY_MAX:
            return raw


async def read_message(reader, answers=None):
    """answers: the method that this is the answer to; None for a request."""
    message = Message(await reader.readuntil(b"\r\n\r\n"), b"")
    status = message.first.split(" ")[1] if answers else ""
    if answers == "HEAD" or status in ("204", "304"):
        return message
    if (message.get("transfer-encoding") or "").lower() == "chunked":
        message.body = await read_chunked(reader)
    elif message.get("content-length"):
        length = int(message.get("content-length"))
        if length > BODY_MAX:
            raise Hangup("reset")
        message.body = await reader.readexactly(length)
    return message


class FaultProxy:
    def __init__(self, target, port=0, seed=None):
        self.target, self.port = target, port
        self.rng = random.Random(seed)
        self.counts = collections.Counter()
        self.expected = set()  # counters of what was asked for
        self.schedule = {}     # (fault, kind of request): (share, requests until the next)
        self.codes = []        # what is left of a shuffled deck of error codes
        self._faults = Faults()
        self.recent = collections.deque()  # when the last requests came, for throttling
        self.loop = self.thread = None

    # --- life ---

    def start(self):
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)
        return self

    def stop(self):
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
            self.loop = None

    def _run(self, ready):
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # connections that break are the purpose
        server = loop.run_until_complete(asyncio.start_server(
            self.serve, "127.0.0.1", self.port, limit=HEAD_MAX, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self.loop = loop
        ready.set()
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        return f"http://{self.address}"

    # --- faults ---

    @property
    def faults(self):
        return self._faults

    @faults.setter
    def faults(self, faults):
        self._faults = faults
        self.expected |= faults.expected()

    def unmet(self):
        """What was asked for and never happened."""
        return sorted(x for x in self.expected if not self.counts[x])

    def count(self, fault, kind):
        self.counts[fault] += 1
        self.counts[f"{fault} {kind}"] += 1

    def hits(self, fault, request):
        """Does it happen to this request?"""
        share, kind = getattr(self.faults, fault), request.kind()
        if (not share or self.faults.methods and kind not in self.faults.methods.split()
                or fault in PUTS_ONLY and kind != "PUT" or self.is_spared(request)):
            return False
        was, left = self.schedule.get((fault, kind), (None, 0))
        if was != share:
            left = self.gap(share)
        self.schedule[fault, kind] = (share, left - 1)
        if left > 1:
            return False
        self.schedule[fault, kind] = (share, self.gap(share))
        self.count(fault, kind)
        return True

    def gap(self, share):
        """Requests until the next fault: 1/share on average."""
        return self.rng.randint(1, max(1, round(2 / share) - 1))

    def is_spared(self, request):
        return bool(self.faults.spare and re.search(self.faults.spare, request.first.split(" ")[1]))

    def error_code(self, request):
        """Each code of the deck in its turn; the next that fits this request."""
        has_condition = request.kind() == "PUT" and request.get("if-none-match")
        for is_fresh in (False, True):
            if is_fresh:
                self.codes = self.codes + self.rng.sample(self.faults.codes.split(),
                                                          len(self.faults.codes.split()))
            for code in self.codes:
                if code in self.faults.codes and (has_condition or code not in CONDITIONAL):
                    self.codes.remove(code)
                    return code
        return "500"

    # --- one connection ---

    async def serve(self, reader, writer):
        upstream = None
        try:
            while True:
                request = await read_message(reader)
                upstream = await self.turn(request, writer, upstream)
        except Hangup as end:
            if end.how == "stall":
                await reader.read(1)  # until the client gives up
            if end.how != "close":
                self.reset(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()
            if upstream:
                upstream[1].close()

    @staticmethod
    def reset(writer):
        """RST instead of FIN."""
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def is_too_fast(self):
        limit, now = self.faults.throttle_per_s, time.monotonic()
        self.recent.append(now)
        while self.recent and self.recent[0] < now - 1:
            self.recent.popleft()
        if limit and len(self.recent) > limit:
            self.recent.pop()
            return True
        return False

    def delays(self):
        """Seconds before the store sees the request, and after."""
        if not self.faults.latency_ms:
            return 0, 0
        self.counts["latency"] += 1
        all_s = self.faults.latency_ms / 1000 * self.rng.lognormvariate(0, self.faults.latency_sigma)
        before = self.rng.random() * all_s
        return before, all_s - before

    @staticmethod
    async def answer_error(writer, code):
        status, name = CODES[code]
        body = f"<Error><Code>{name}</Code><Message>injected</Message></Error>".encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    async def turn(self, request, writer, upstream):
        """One request and what comes of it. Gives the connection to the store for the next one."""
        kind = request.kind()
        self.counts[kind] += 1
        before, after = self.delays()
        if self.is_too_fast():
            self.counts["throttle"] += 1
            await self.answer_error(writer, "503")
            return upstream
        if self.hits("reset", request):
            raise Hangup("reset")
        if self.hits("error", request):
            code = self.error_code(request)
            self.counts[f"error {code}"] += 1
            await self.answer_error(writer, code)
            return upstream
        if self.hits("late", request):
            asyncio.ensure_future(self.apply_late(request))
            raise Hangup("reset")
        if self.hits("stall", request):
            raise Hangup("stall")
        await asyncio.sleep(before)
        answer, upstream = await self.forward(request, upstream)
        if self.hits("twice", request):
            answer, upstream = await self.forward(request, upstream)
        await asyncio.sleep(after)
        await self.give(answer, request, writer)
        return upstream

    async def give(self, answer, request, writer):
        """The store's answer, or what is left of it."""
        if self.hits("stall_after", request):
            raise Hangup("stall")
        if self.hits("lost_response", request):
            raise Hangup("reset")
        if self.hits("error_after", request):
            await self.answer_error(writer, "500")
            return
        raw = answer.head + answer.body
        if self.hits("cut", request):
            writer.write(raw[:self.rng.randrange(len(raw))])
            await writer.drain()
            raise Hangup("reset")
        writer.write(raw)
        await writer.drain()
        if (answer.get("connection") or "").lower() == "close":
            raise Hangup("close")

    async def apply_late(self, request):
        await asyncio.sleep(self.rng.random() * 2 * self.faults.late_s)
        try:
            _, upstream = await self.forward(request, None)
            upstream[1].close()
        except (OSError, asyncio.IncompleteReadError):
            pass

    # --- the store ---

    async def forward(self, request, upstream):
        method = request.first.split(" ")[0]
        if self.faults.drop_condition:
            self.drop_condition(request, method)
        for is_last in (False, True):
            is_fresh = upstream is None
            if is_fresh:
                upstream = await asyncio.open_connection(*self.target, limit=HEAD_MAX)
            try:
                upstream[1].write(request.head + request.body)
                await upstream[1].drain()
                return await read_message(upstream[0], answers=method), upstream
            except (OSError, asyncio.IncompleteReadError):
                upstream[1].close()
                upstream = None
                if is_fresh or is_last:  # a kept connection may have been closed meanwhile
                    raise
        raise OSError("not reached")

    def drop_condition(self, request, method):
        kept = [(k, v) for k, v in request.headers if k.lower() not in ("if-none-match", "if-match")]
        if len(kept) == len(request.headers):
            return
        self.counts["drop_condition"] += 1
        request.headers = kept
        if self.faults.resign:
            self.resign(request, method)
        request.rebuild()

    def resign(self, request, method):
        _, target, version = request.first.split(" ")
        path, _, query = target.partition("?")
        signs = {k.lower(): v.strip() for k, v in request.headers
                 if k.lower() == "host" or k.lower().startswith("x-amz-")}
        signed = signed_headers(method, urllib.parse.unquote(path),
                                dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), signs,
                                signs["x-amz-content-sha256"], self.faults.resign)
        others = [(k, v) for k, v in request.headers if k.lower() not in signed]
        request.headers = others + list(signed.items())
        request.first = f"{method} {target} {version}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="HOST:PORT of the store")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int)
    for field in dataclasses.fields(Faults):
        if field.type in (float, "float"):
            parser.add_argument("--" + field.name.replace("_", "-"), type=float, default=field.default)
    parser.add_argument("--methods", default="")
    parser.add_argument("--spare", default="")
    parser.add_argument("--codes", default=Faults.codes)
    parser.add_argument("--drop-condition", action="store_true")
    args = vars(parser.parse_args())
    host, _, port = args.pop("target").rpartition(":")
    proxy = FaultProxy((host, int(port)), args.pop("port"), args.pop("seed"))
    proxy.faults = Faults(**args)
    proxy.start()
    print(proxy.endpoint, flush=True)
    try:
        proxy.thread.join()
    except KeyboardInterrupt:
        proxy.stop()
        print(dict(proxy.counts))


if __name__ == "__main__":
    main()
