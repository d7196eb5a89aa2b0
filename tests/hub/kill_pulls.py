#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills pulls (SIGKILL) at random moments and starts them again until they are done.

    kill_pulls.py [--rounds N] [--megabytes N] [--mode plain|faults|pair]... [--seed N]

plain   each pull is killed once or more; what it leaves must lead to the right files
faults  the same, over a Hub that fails at random
pair    two pulls of one repository at once, one of them killed

Whatever happens: the right bytes in the end, nothing else left in the cache, and no byte
of a piece that the journal had as complete is asked for again. I8_TOOL names the program.
"""
import argparse
import filecmp
import os
import random
import shutil
import sys
import tempfile
import time

import pulled
from standin import Standin

REPO = "org/model"
TOKEN = "hf_standin"
# What may befall any request for data.
FAULTS = [{"fault": f, "probability": 0.04, "seed": n, **more} for n, (f, more) in enumerate([
    ("short", {}), ("reset", {}), ("truncated", {}), ("wrong-range", {}), ("gzip", {}),
    ("stall", {"seconds": 30}), ("ignore-range", {}), ("drop", {"on": "cdn"}),
    ("status", {"on": ["cdn", "resolve"], "code": 503}),
    ("status", {"on": "cdn", "code": 429, "headers": {"Retry-After": "1"}}),
    ("status", {"on": "cdn", "code": 403}),
    ("expires", {"seconds": 1})])]


class Round:
    def __init__(self, stress):
        self.s = stress
        self.home = os.path.join(stress.scratch, "home")
        shutil.rmtree(self.home, ignore_errors=True)
        self.cache = os.path.join(self.home, "hub")
        self.s.hub.log.records = []

    def start(self):
        return pulled.start([self.s.tool, "pull", "-q", REPO], pulled.environment(
            self.s.hub.hub_url, self.home, HF_TOKEN=TOKEN))

    def killed(self, within):
        """Starts a pull and kills it within so many seconds. Its Run, None if killed."""
        started, end = self.start(), time.monotonic() + self.s.random.uniform(0, within)
        while time.monotonic() < end:
            if not started.running():
                return started.wait()
            time.sleep(min(0.002, max(0, end - time.monotonic())))
        started.kill()
        r = started.wait()
        return r if r.status == 0 else None

    def asked_again(self, done, since):
        """A request since that many for a byte that was there."""
        for r in self.s.hub.log.records[since:]:
            if r["on"] == "cdn" and r["status"] == 206:
                for first, last in done.get(self.s.hashes[r["file"]], ()):
                    if r["range"][0] <= last and first <= r["range"][1]:
                        return f"{r['file']}: {r['range']} asked for, [{first}, {last}] there"
        return None

    def check(self, run):
        assert run.status == 0, run
        snapshot = run.stdout.strip()
        folder = pulled.repository_folder(self.cache, REPO)
        blobs = set(os.listdir(os.path.join(folder, "blobs")))
        assert blobs == set(self.s.hashes.values()), f"left over or missing: " \
            f"{blobs ^ set(self.s.hashes.values())}"
        for name in self.s.hashes:
            assert filecmp.cmp(os.path.join(snapshot, name), os.path.join(self.s.source, name),
                               shallow=False), f"other bytes: {name}"
        found = {os.path.relpath(os.path.join(at, f), self.cache)
                 for at, _, files in os.walk(self.cache) for f in files}
        odd = [f for f in found if not f.startswith((".locks/", "models--org--model/blobs/",
                                                     "models--org--model/snapshots/",
                                                     "models--org--model/trees/"))]
        assert set(odd) <= {"CACHEDIR.TAG", "models--org--model/refs/main"}, odd


class Stress:
    def __init__(self, scratch, megabytes, seed):
        self.scratch, self.random = scratch, random.Random(seed)
        self.tool = os.path.abspath(os.environ["I8_TOOL"])
        self.source = os.path.join(scratch, "root", *REPO.split("/"))
        mb = megabytes * 1_000_000
        pulled.make_files(self.source, {
            "model-00001-of-00002.safetensors": mb * 2 // 3 + 1,
            "model-00002-of-00002.safetensors": mb // 3 - 1, "config.json": b"{}\n",
            "tokenizer.json": 300_000, "empty.txt": b"", "a/b.txt": b"b\n"}, seed)
        self.hub = Standin(os.path.join(scratch, "root"), static=True)
        files = self.hub.repositories.find(REPO).revisions["main"].files
        self.hashes = {f.path: f.etag for f in files.values()}
        self.lfs = sum(f.size for f in files.values() if f.lfs)
        self.kills = self.sent = self.kept = 0
        self.seconds = 5.0

    def plain(self):
        now = Round(self)
        done, since = {}, 0
        # Early and late moments alike; the more often it was killed, the longer it may run.
        within = self.seconds
        while True:
            run = now.killed(within)
            self.hub.log.settle()
            again = now.asked_again(done, since)
            assert not again, again
            if run:
                break
            self.kills += 1
            done, since = pulled.journalled(now.cache, REPO), len(self.hub.log.records)
            self.kept += sum(b - a + 1 for ranges in done.values() for a, b in ranges)
            within *= 1.5
        now.check(run)
        self.sent += sum(r["sent"] for r in self.hub.log.records if r["on"] == "cdn")

    def faults(self):
        self.hub.rules.set([dict(f, seed=self.random.random()) for f in FAULTS])
        self.plain()

    def pair(self):
        now = Round(self)
        first = now.start()
        time.sleep(self.random.uniform(0, self.seconds / 2))
        second = now.start()
        time.sleep(self.random.uniform(0, self.seconds / 2))
        victim, other = self.random.sample([first, second], 2)
        victim.kill()
        victim.wait()
        self.kills += 1
        run = other.wait()
        assert run.status == 0, run
        # The victim may have died after the other had cleared up: a temporary file stays
        # until somebody comes by.
        now.check(now.start().wait())
        self.hub.log.settle()
        self.sent += sum(r["sent"] for r in self.hub.log.records if r["on"] == "cdn")

    def calibrate(self):
        """How long a pull takes that nobody disturbs."""
        now = Round(self)
        run = now.start().wait()
        now.check(run)
        self.seconds = run.seconds


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--megabytes", type=int, default=300)
    p.add_argument("--mode", action="append", choices=["plain", "faults", "pair"])
    p.add_argument("--seed", type=int, default=int(time.time()))
    a = p.parse_args()
    scratch = tempfile.mkdtemp(prefix="int8tool-kill.")
    failed = 0
    try:
        s = Stress(scratch, a.megabytes, a.seed)
        with s.hub:
            s.calibrate()
            for mode in a.mode or ["plain", "faults", "pair"]:
                s.kills = s.sent = s.kept = 0
                s.hub.rules.set([])
                start = time.monotonic()
                for n in range(a.rounds):
                    try:
                        getattr(s, mode)()
                    except AssertionError as e:
                        failed += 1
                        print(f"FAIL: {mode}, round {n} of seed {a.seed}: {e}", flush=True)
                        if failed >= 5:
                            return 1
                print(f"{mode}: {a.rounds} pulls of {a.megabytes} MB, {s.kills} kills "
                      f"with {s.kept / 1e6:.0f} MB there, {s.sent / (a.rounds * s.lfs):.3f} times the bytes sent, "
                      f"{time.monotonic() - start:.0f} s", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"kills: {'FAILED, seed %d' % a.seed if failed else 'all ended in the right bytes'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
