#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the Hugging Face Hub, on the loopback alone: README.md says what it
serves and how to make it fail.

    standin.py ROOT [--ready FILE] [--log FILE] [--faults FILE] [--cdn URL] [--port N]
               [--static]

Serves the repositories below ROOT until it is ended. Once it listens and has hashed what
is there, `export HF_ENDPOINT=…` goes to stdout and, whole, to --ready.
"""
import argparse
import os
import signal
import sys
import threading

from cdn_side import CdnHandler
from faults import Rules
from http_side import Log, Server
from hub_side import HubHandler
from repositories import Repositories


class Standin:
    """Both servers and what they share. `with Standin(root) as hub:` starts and stops."""

    def __init__(self, root, faults=None, log=None, cdn=None, port=0,
                 tokens=("hf_standin",), static=False, tls=None):
        self.repositories = Repositories(root, static)
        self.rules, self.log = Rules(faults), Log(log)
        self.moved, self.tokens = {}, set(tokens)
        scheme = "https" if tls else "http"  # tls: an ssl.SSLContext
        self._hub = Server(HubHandler, self, port, tls)
        self._cdn = Server(CdnHandler, self, tls=tls)
        self.hub_url = f"{scheme}://127.0.0.1:{self._hub.server_address[1]}"
        # Another host name as well as another port: Python's client follows redirects to
        # the same name.
        self.cdn_url = (cdn or f"{scheme}://localhost:{self._cdn.server_address[1]}").rstrip("/")

    def tokens_of(self, repo):
        """Tokens that are somebody's; whether they open a repository is its own matter."""
        return self.tokens | set(repo.settings.get("tokens", []) if repo else [])

    def sent(self, repo, on):
        """Body bytes sent so far, requests under way included."""
        with self.log.lock:
            return (sum(r["sent"] for r in self.log.records
                        if r["repo"] == repo and r["on"] == on) +
                    sum(r.sent for r in self.log.running if r.repo == repo and r.on == on))

    def prepare(self):
        for name in self.repositories.names():
            self.repositories.find(name)
        return self

    def __enter__(self):
        for server in (self._hub, self._cdn):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("root")
    p.add_argument("--ready", help="written, whole, once requests are answered")
    p.add_argument("--log", help="one JSON line a request is appended to it")
    p.add_argument("--faults", help="a JSON list of rules; read again when replaced")
    p.add_argument("--cdn", help="a base URL that serves ROOT instead of the own CDN part")
    p.add_argument("--static", action="store_true", help="the files will not change")
    p.add_argument("--port", type=int, default=0)
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Standin(a.root, a.faults, a.log, a.cdn, a.port,
                 static=a.static).prepare() as hub:
        text = f"export HF_ENDPOINT={hub.hub_url}\n"
        sys.stdout.write(text)
        sys.stdout.flush()
        if a.ready:
            with open(a.ready + ".tmp", "w") as f:
                f.write(text)
            os.rename(a.ready + ".tmp", a.ready)
        parent = os.getppid()
        # Nobody needs a stand-in whose test is gone.
        while os.getppid() == parent:
            threading.Event().wait(1)


if __name__ == "__main__":
    main()
