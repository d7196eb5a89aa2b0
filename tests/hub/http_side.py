# SPDX-License-Identifier: Apache-2.0
"""What both sides of the stand-in share: a request, the log of requests, and answers that
can be spoilt by a rule of faults.py."""
import gzip
import json
import os
import re
import select
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

CHUNK = 256 << 10
SETTLED = "/-/settled"  # answered when the log has all that was asked for before


class Request:
    """One request as the log and the rules see it."""

    def __init__(self, method, target, headers):
        self.method, self.target = method, target
        self.on = self.repo = self.file = self.range = self.status = None
        self.parallel, self.sent, self.start, self.faults = 1, 0, time.time(), []
        authorization = headers.get("Authorization")
        self.authorized = authorization is not None
        self.token = (authorization or "").removeprefix("Bearer ") or None

    def record(self):
        return {"start": self.start, "end": time.time(), "on": self.on,
                "method": self.method, "path": self.target, "repo": self.repo,
                "file": self.file, "range": self.range, "status": self.status,
                "authorization": self.authorized, "sent": self.sent,
                "faults": self.faults}


class Log:
    """One JSON line a finished request: in the named file, or else in memory."""

    def __init__(self, path=None):
        self.records, self.running, self.lock = [], set(), threading.Lock()
        self._file = open(path, "a", buffering=1) if path else None

    def begin(self, request):
        with self.lock:
            self.running.add(request)

    def settle(self, repo=None):
        """Until all requests (for this repository) have ended, whose sender is gone: one may
        have its answer before the log has the request."""
        while True:
            with self.lock:
                if not any(repo in (None, r.repo) for r in self.running):
                    return
            time.sleep(0.005)

    def end(self, request):
        with self.lock:
            self.running.discard(request)
            if self._file:
                self._file.write(json.dumps(request.record()) + "\n")
            else:
                self.records.append(request.record())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler, state, port=0, tls=None):
        self.state, self.tls = state, tls
        self.active, self.lock = {}, threading.Lock()
        super().__init__(("127.0.0.1", port), handler)

    def finish_request(self, request, client_address):
        # In the connection's own thread: a handshake may take its time, or fail.
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # a client that went away, mostly: it is meant to


class Gone(Exception):
    """The connection is finished with, on purpose or because the client left."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def version_string(self):
        return "standin"

    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == SETTLED:
            self.state.log.settle()
            self.send_response(204)
            self.end_headers()
            return
        request = self.request_now = Request(self.command, self.path, self.headers)
        self.state.log.begin(request)
        length = int(self.headers.get("Content-Length") or 0)
        self.posted = self.rfile.read(min(length, 1 << 20))
        try:
            self.respond(request)
        except (Gone, OSError):
            self.close_connection = True
        finally:
            self.leave(request)
            self.state.log.end(request)

    do_HEAD = do_POST = do_GET

    @property
    def state(self):
        return self.server.state

    # How many requests for a file are under way, for rules about parallel ones.
    def enter(self, request):
        with self.server.lock:
            key = request.repo, request.file
            self.server.active[key] = self.server.active.get(key, 0) + 1
            request.parallel = self.server.active[key]
            request.entered = True

    def leave(self, request):
        if getattr(request, "entered", False):
            with self.server.lock:
                self.server.active[request.repo, request.file] -= 1

    def spoil(self, request):
        """Applies the rules that need no body; returns the others as {fault: rule}."""
        rules = self.state.rules.hitting(request)
        request.faults = [r.fault for r in rules]
        for rule in rules:
            if rule.fault == "delay":
                time.sleep(rule.get("seconds", 1))
            elif rule.fault == "status":
                self.answer(rule.get("code", 503), rule.get("headers", {}),
                            rule.get("body", "standin: a fault by switch\n").encode())
                raise Gone if rule.get("close") else Answered
            elif rule.fault == "drop":
                self.reset()
        self.header_rules = [r for r in rules if r.fault == "header"]
        return {r.fault: r for r in rules}

    def answer(self, status, headers=(), body=b"", length=None, content_type="text/plain"):
        """Sends everything but a file's bytes. `length` is for answers to HEAD."""
        self.send_head(status, {
            "Content-Type": content_type,
            "Content-Length": str(len(body) if length is None else length),
            **dict(headers)})
        if self.command != "HEAD" and body:
            self.send(body)

    def send_head(self, status, headers):
        self.request_now.status = status
        for rule in getattr(self, "header_rules", ()):
            for name, value in rule.get("set", {}).items():
                headers = {k: v for k, v in headers.items() if k.lower() != name.lower()}
                if value is not None:
                    headers[name] = value.replace("{hub}", self.state.hub_url).replace(
                        "{cdn}", self.state.cdn_url)
        self.header_rules = []
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, data):
        self.connection.sendall(data)
        self.request_now.sent += len(data)

    def reset(self):
        """Ends the connection with a TCP reset instead of an orderly close."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.wfile.close()
        self.rfile.close()
        self.connection.close()
        raise Gone

    def stall(self, seconds):
        """Sends nothing more until the time is over or the client closes."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if readable:
            raise Gone

    def send_file(self, disk, size, headers, faults):
        """GET or HEAD of a file, ranges included, spoilt by the given rules."""
        request = self.request_now
        status, start, end = 200, 0, size - 1
        if request.range and "ignore-range" not in faults and size > 0:
            start, end = request.range
            if start >= size or start > end:
                self.answer(416, {**headers, "Content-Range": f"bytes */{size}"})
                return
            end = min(end, size - 1)
            status = 206
        length = end - start + 1
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes",
                   "Content-Length": str(length), **headers}
        if status == 206:
            wrong, total = ("wrong-range" in faults), size + ("wrong-total" in faults)
            headers["Content-Range"] = f"bytes {start + wrong}-{end + wrong}/{total}"
        if "gzip" in faults:
            with open(disk, "rb") as f:
                f.seek(start)
                packed = gzip.compress(f.read(min(length, 64 << 20)), 1)
            headers.update({"Content-Encoding": "gzip", "Content-Length": str(len(packed))})
        elif "truncated" in faults:  # a short answer that does not say so
            length //= 2
            end = start + length - 1
            headers["Content-Length"] = str(length)
        self.send_head(status, headers)
        if self.command == "HEAD":
            return
        if "gzip" in faults:
            self.send(packed)
        else:
            self.send_bytes(disk, start, length, faults)

    def send_bytes(self, disk, start, length, faults):
        stops = {name: self.stop_at(faults[name], start, length)
                 for name in ("short", "reset", "stall") if name in faults}
        flip = faults.get("flip")
        flip_at = flip.get("at", start + length // 2) if flip else -1
        slow = faults.get("slow")
        rate = slow.get("rate", 1 << 20) if slow else 0
        chunk = min(CHUNK, max(1, rate // 20)) if rate else CHUNK
        begun, at, end = time.monotonic(), start, start + length
        with open(disk, "rb") as f:
            while at < end or stops:
                reached = [name for name, stop in stops.items() if stop <= at]
                if "reset" in reached:
                    time.sleep(0.05)  # what was sent before shall arrive
                    self.reset()
                if "short" in reached:
                    raise Gone
                if "stall" in reached:
                    self.stall(faults["stall"].get("seconds", 3600))
                    del stops["stall"]
                    continue
                n = min([chunk, end - at] + [stop - at for stop in stops.values()])
                if at <= flip_at < at + n:
                    data = bytearray(os.pread(f.fileno(), n, at))
                    data[flip_at - at] ^= 0x20
                    self.send(data)
                elif self.server.tls:
                    self.send(os.pread(f.fileno(), n, at))
                else:
                    n = os.sendfile(self.connection.fileno(), f.fileno(), at, n)
                    self.request_now.sent += n
                    if n == 0:
                        raise Gone  # the file shrank
                at += n
                if rate:
                    ahead = (at - start) / rate - (time.monotonic() - begun)
                    if ahead > 0:
                        time.sleep(ahead)

    @staticmethod
    def stop_at(rule, start, length):
        """The file offset at which a rule ends a body: `at`, `after` bytes, or half way."""
        if "at" in rule.settings:
            return min(max(rule.get("at"), start), start + length)
        return start + min(rule.get("after", length // 2), length)


class Answered(Gone):
    """A rule has answered; the connection may go on."""


def parse_range(text):
    """`bytes=a-b` or `bytes=a-` as [a, b]; None for anything else, which is then ignored."""
    m = re.fullmatch(r"bytes=(\d+)-(\d*)", text or "")
    return [int(m[1]), int(m[2]) if m[2] else (1 << 62)] if m else None


def url_path(path):
    return quote(path, errors="surrogateescape")
