#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy between an S3 client and an S3 server that does to requests what networks and busy
stores do. Standard library only.

    proxy = FaultProxy(("127.0.0.1", 7070), seed=1).start()
    proxy.faults = Faults(latency_ms=50, lost_response=0.01)      # at any time
    ... proxy.endpoint ... proxy.counts ...
    proxy.stop()

or  faultproxy.py --target 127.0.0.1:7070 [--port N] [--latency-ms 50] [--lost-response 0.01] …

What a fault means for a put: `reset`, `error`, `throttle` and half of `stall` come before the
store saw the request; `lost_response`, `error_after` and the other half of `stall` after it was
applied; `late` is applied some time after the client was told nothing; `cut` cuts the answer off.
"""
import argparse
import asyncio
import collections
import dataclasses
import os
import random
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
    """Probabilities are per request, of the methods in `methods` ("" = all, else "PUT GET")."""
    methods: str = ""
    latency_ms: float = 0         # median of a log-normal distribution
    latency_sigma: float = 0.3    # of its logarithm: 0.3 puts p99 at twice the median
    reset: float = 0              # the connection, before the store sees anything
    error: float = 0              # one of `codes`, before the store sees anything
    codes: str = "500 503 409"    # 409 and 412 only for puts with a condition
    throttle_per_s: float = 0     # more than so many requests a second get 503 SlowDown
    lost_response: float = 0      # applied, then the connection is reset
    error_after: float = 0        # applied, then 500 is answered
    late: float = 0               # the connection is reset, and then it is applied
    late_s: float = 0.5
    stall: float = 0              # no answer, ever
    cut: float = 0                # the answer breaks off
    drop_condition: bool = False  # If-None-Match and If-Match do not reach the store
    resign: tuple = ()            # (access, secret): and the signature is made to fit


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
        self.target, self.port, self.faults = target, port, Faults()
        self.rng = random.Random(seed)
        self.counts = collections.Counter()
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

    def dice(self, fault, method):
        chance = getattr(self.faults, fault)
        if self.faults.methods and method not in self.faults.methods.split():
            return False
        if chance > 0 and self.rng.random() < chance:
            self.counts[fault] += 1
            return True
        return False

    def is_too_fast(self):
        limit, now = self.faults.throttle_per_s, time.monotonic()
        self.recent.append(now)
        while self.recent and self.recent[0] < now - 1:
            self.recent.popleft()
        if limit and len(self.recent) > limit:
            self.recent.pop()
            self.counts["throttle"] += 1
            return True
        return False

    def delays(self):
        """Seconds before the store sees the request, and after."""
        if not self.faults.latency_ms:
            return 0, 0
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

    def error_code(self, request, method):
        has_condition = method == "PUT" and request.get("if-none-match")
        codes = [c for c in self.faults.codes.split() if has_condition or c not in ("409", "412")]
        return self.rng.choice(codes) if codes else "500"

    async def turn(self, request, writer, upstream):
        """One request and what comes of it. Gives the connection to the store for the next one."""
        method = request.first.split(" ")[0]
        self.counts[method] += 1
        before, after = self.delays()
        if self.is_too_fast():
            await self.answer_error(writer, "503")
            return upstream
        if self.dice("reset", method):
            raise Hangup("reset")
        if self.dice("error", method):
            await self.answer_error(writer, self.error_code(request, method))
            return upstream
        stalls, is_late = self.dice("stall", method), self.dice("late", method)
        if is_late:
            asyncio.ensure_future(self.apply_late(request))
            raise Hangup("reset")
        if stalls and self.rng.random() < 0.5:
            raise Hangup("stall")
        await asyncio.sleep(before)
        answer, upstream = await self.forward(request, method, upstream)
        await asyncio.sleep(after)
        if stalls:
            raise Hangup("stall")
        await self.give(answer, method, writer)
        return upstream

    async def give(self, answer, method, writer):
        """The store's answer, or what is left of it."""
        if self.dice("lost_response", method):
            raise Hangup("reset")
        if self.dice("error_after", method):
            await self.answer_error(writer, "500")
            return
        raw = answer.head + answer.body
        if self.dice("cut", method):
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
            _, upstream = await self.forward(request, request.first.split(" ")[0], None)
            upstream[1].close()
        except (OSError, asyncio.IncompleteReadError):
            pass

    # --- the store ---

    async def forward(self, request, method, upstream):
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
