# SPDX-License-Identifier: Apache-2.0
"""A forward proxy for plain HTTP, to see that one is used: `with Proxy() as p:` has p.url
and p.seen, the addresses that were asked for."""
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        self.server.seen.append(self.path)
        to = socket.create_connection((url.hostname, url.port or 80))
        path = url.path + (f"?{url.query}" if url.query else "")
        lines = [f"{self.command} {path} HTTP/1.1"] + [
            f"{k}: {v}" for k, v in self.headers.items()
            if k.lower() not in ("proxy-connection", "connection")] + ["Connection: close"]
        to.sendall("\r\n".join(lines + ["", ""]).encode())
        while data := to.recv(1 << 16):
            self.connection.sendall(data)
        to.close()
        self.close_connection = True

    do_HEAD = do_GET


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.seen, self.url = [], f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
