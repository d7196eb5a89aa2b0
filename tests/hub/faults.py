# SPDX-License-Identifier: Apache-2.0
"""Faults by switch: a list of rules, each of which spoils the requests that it matches.
README.md lists the rules. A rule counts the requests that it matches, so that it can hit
the second one only, or two thirds of them at random."""
import fnmatch
import json
import os
import random
import threading

# Where a rule applies when it does not say so.
DATA = ("cdn", "cache", "inline")
USUAL_PLACE = {"flip": DATA, "short": DATA, "truncated": DATA, "reset": DATA, "stall": DATA,
               "slow": DATA, "ignore-range": DATA, "wrong-range": DATA,
               "wrong-total": DATA, "gzip": DATA, "expires": ("resolve",),
               "tree": ("tree",), "huge": ("info",), "json": ("info",),
               "weak-etag": ("resolve", "cache", "inline"),
               "move": ("info", "tree", "resolve")}


class Rule:
    def __init__(self, settings):
        if "fault" not in settings:
            raise ValueError(f"a rule without a fault: {settings}")
        self.settings = settings
        self.fault = settings["fault"]
        on = settings.get("on", USUAL_PLACE.get(self.fault))
        if not on:
            raise ValueError(f"{self.fault}: 'on' must say which requests")
        self.on = (on,) if isinstance(on, str) else tuple(on)
        self.seen = self.met = 0
        self.random = random.Random(settings.get("seed", 0))

    def get(self, key, default=None):
        return self.settings.get(key, default)

    def hits(self, request):
        """Counts one request that may match, and says whether it is to be spoilt."""
        s = self.settings
        if request.on not in self.on:
            return False
        if USUAL_PLACE.get(self.fault) == DATA and request.method == "HEAD":
            return False  # no data to spoil
        if not fnmatch.fnmatchcase(request.repo or "", s.get("repo", "*")):
            return False
        if not fnmatch.fnmatchcase(request.file or "", s.get("file", "*")):
            return False
        if "method" in s and s["method"] != request.method:
            return False
        if "ranged" in s and s["ranged"] != (request.range is not None):
            return False
        if "at" in s and request.range and not (
                request.range[0] <= s["at"] <= request.range[1]):
            return False
        if request.parallel <= s.get("parallel", 0):
            return False
        self.seen += 1
        number = self.seen - 1 - s.get("skip", 0)
        if number < 0 or number >= s.get("times", 1 << 62):
            return False
        hit = self.random.random() < s.get("probability", 1)
        self.met += hit
        return hit


class Rules:
    """Rules from a JSON file that is read again when it was replaced, so that a test can
    change them while the stand-in runs; counts then begin anew."""

    def __init__(self, path=None):
        self._path, self._key, self._rules = path, None, []
        self._lock = threading.Lock()

    def set(self, rules):
        with self._lock:
            self._rules = [Rule(r) for r in rules]

    def add(self, rules):
        with self._lock:
            self._rules += [Rule(r) for r in rules]

    def remove(self, repo):
        """Takes out the rules that are for this repository alone."""
        with self._lock:
            self._rules = [r for r in self._rules if r.get("repo") != repo]

    def met(self, repo):
        """How many requests were spoilt by the rules that are for this repository alone:
        those under way too, which the log does not have yet."""
        with self._lock:
            return sum(r.met for r in self._rules if r.get("repo") == repo)

    def _refresh(self):
        try:
            st = os.stat(self._path)
            key = (st.st_ino, st.st_size, st.st_mtime_ns)
        except FileNotFoundError:
            key = None
        if key != self._key:
            self._key = key
            rules = []
            if key:
                with open(self._path) as f:
                    rules = json.load(f)
            self._rules = [Rule(r) for r in rules]

    def hitting(self, request):
        with self._lock:
            if self._path:
                self._refresh()
            return [r for r in self._rules if r.hits(request)]
