#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""int8tool pull against a Hub that fails: every case of fault_cases.py and scenarios.py
ends in the right bytes or in one clear error, with nothing false in the cache.

    test_pull.py [--quick] [--jobs N] [--verbose] [NAME...]

I8_TOOL names the program. --quick leaves out what has to wait for timeouts and backoff.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import shutil
import sys
import tempfile
import traceback

import fault_cases
import pulled
import scenarios
from standin import Standin

TOKEN = "hf_standin"
FILES = {fault_cases.MODEL: 20_000_001, "config.json": b'{"a": 1}\n', "empty.txt": b"",
         "sub/folder/notes.txt": b"notes\n", "tokenizer.json": 70_000, ".gitattributes": b"x\n"}
# The most resident memory any pull may need, whatever it is sent (KiB).
PEAK_KIB = 64 * 1024


class Bench:
    """The one stand-in of all cases, and a place for each case."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.tool = os.path.abspath(os.environ["I8_TOOL"])
        self.files = FILES
        self.root = os.path.join(scratch, "root")
        self.template = os.path.join(scratch, "template")
        pulled.make_files(self.template, FILES)
        next_one = dict(FILES, **{"config.json": b'{"a": 2}\n'})
        pulled.make_files(self.template + "-next", next_one, seed=1)
        os.makedirs(os.path.join(self.root, "org"))
        self.hub = Standin(self.root)

    def repository(self, name, folder=None, settings="{}"):
        """A repository org/name with the template's files (hard links)."""
        at = os.path.join(self.root, "org", name)
        shutil.copytree(folder or self.template, at, copy_function=os.link)
        base = name.partition("@")[0]
        with open(os.path.join(self.root, "org", base + ".json"), "w") as f:
            f.write(settings)
        return "org/" + base

    def place(self, name):
        at = os.path.join(self.scratch, "homes", name)
        os.makedirs(at, exist_ok=True)
        return at

    def records(self, repo, on=None):
        self.hub.log.settle(repo)
        return [r for r in self.hub.log.records
                if r["repo"] == repo and (on is None or r["on"] == on)]


class Case:
    def __init__(self, bench, name):
        self.bench, self.name = bench, name
        self.home = bench.place(name)
        self.cache = os.path.join(self.home, "hub")

    def env(self, **more):
        return pulled.environment(self.bench.hub.hub_url, self.home,
                                  **{"HF_TOKEN": TOKEN, **more})

    def start(self, *args, **env):
        return pulled.start([self.bench.tool, "pull", *args], self.env(**env))

    def pull(self, *args, **env):
        r = self.start(*args, **env).wait()
        assert TOKEN not in r.stdout + r.stderr, f"the token shows:\n{r}"
        return r

    def pull_measured(self, *args, **env):
        """The same, and no more memory than PEAK_KIB."""
        r, kib = pulled.run_measured([self.bench.tool, "pull", *args], self.env(**env))
        if not pulled.SANITIZED:
            assert kib <= PEAK_KIB, f"{kib} KiB of memory\n{r}"
        return r

    def ends_well(self, r, repo, folder=None, names=None, leftovers=False):
        """The right bytes, and nothing else."""
        assert r.status == 0, r
        snapshot = r.stdout.strip()
        assert snapshot.startswith(self.cache), r
        bad = pulled.cache_faults(self.cache, repo, not leftovers)
        bad += pulled.snapshot_faults(snapshot, folder or self.bench.template,
                                      names or list(FILES))
        assert not bad, "\n".join(bad)

    def fails(self, r, pattern, repo):
        """Exit 1, one line, nothing false in the cache."""
        assert r.status == 1 and r.stdout == "", r
        lines = r.stderr.splitlines()
        errors = [n for n in lines if n.startswith("int8tool: error: ")]
        assert len(errors) == 1 and lines[-1] == errors[0], r
        assert fnmatch.fnmatchcase(errors[0][17:], pattern), f"not like {pattern}: {r}"
        assert errors[0].isprintable(), r
        bad = pulled.cache_faults(self.cache, repo, False)
        assert not bad, "\n".join(bad)

    def no_leak(self):
        leaks = [r for r in self.bench.hub.log.records
                 if r["on"] == "cdn" and r["authorization"]]
        assert not leaks, f"the token went to the CDN: {leaks[0]}"


def run_fault(case, rules, wanted):
    """Under the fault, and, if that failed, once more without it."""
    b = case.bench
    repo = b.repository(case.name, settings='{"page": 2}')
    b.repository(case.name + "@next", b.template + "-next", settings='{"page": 2}')
    own = [{**r, "repo": repo} for r in rules]
    b.hub.rules.add(own)
    r = (case.pull_measured if case.name in fault_cases.MEASURED else case.pull)(repo)
    assert b.hub.rules.met(repo) or not rules, "the fault was never met"
    folder = b.template + ("-next" if case.name == "branch-moves-before" else "")
    if wanted is None:
        case.ends_well(r, repo, folder)
    elif wanted == "either":
        if r.status == 0:
            case.ends_well(r, repo)
        else:
            case.fails(r, "*", repo)
    else:
        case.fails(r, wanted, repo)
    if r.status != 0:
        b.hub.rules.remove(repo)
        case.ends_well(case.pull(repo), repo, folder)
    case.no_leak()


def cases(bench):
    for name, rules in fault_cases.ENDS_WELL.items():
        yield name, lambda c, rules=rules: run_fault(c, rules, None)
    for name, (rules, pattern) in fault_cases.FAILS.items():
        yield name, lambda c, rules=rules, pattern=pattern: run_fault(c, rules, pattern)
    for name, rules in fault_cases.EITHER.items():
        yield name, lambda c, rules=rules: run_fault(c, rules, "either")
    yield from scenarios.SCENARIOS.items()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--jobs", type=int, default=12)
    p.add_argument("--verbose", action="store_true")
    p.add_argument("names", nargs="*")
    a = p.parse_args()
    scratch = tempfile.mkdtemp(prefix="int8tool-hub.")
    counts = {"passed": 0, "failed": 0, "skipped": 0}

    def one(name, function):
        case = Case(bench, name)
        try:
            function(case)
            return None
        except scenarios.Skip as e:
            return e
        except Exception as e:  # the report below names it
            return str(e) if isinstance(e, AssertionError) else traceback.format_exc()
        finally:
            shutil.rmtree(case.home, ignore_errors=True)

    try:
        bench = Bench(scratch)
        chosen = [(n, f) for n, f in cases(bench)
                  if (any(fnmatch.fnmatchcase(n, w) for w in a.names) if a.names
                      else not (a.quick and n in fault_cases.SLOW))]
        with bench.hub, concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            # The slow ones first: they mostly wait.
            chosen.sort(key=lambda c: c[0] not in fault_cases.SLOW)
            runs = {pool.submit(one, *c): c[0] for c in chosen}
            for done in concurrent.futures.as_completed(runs):
                bad = done.result()
                skipped = isinstance(bad, scenarios.Skip)
                counts["skipped" if skipped else "failed" if bad else "passed"] += 1
                if skipped:
                    print(f"SKIP: {runs[done]}: {bad}", flush=True)
                elif bad:
                    print(f"FAIL: {runs[done]}: {bad}", flush=True)
                elif a.verbose:
                    print(f"ok: {runs[done]}", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"hub: {counts['passed']} passed, {counts['failed']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
