#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times commands side by side: each once a round, the rounds one after another, so that
whatever else the machine does falls on all of them. Prints a Markdown table: median time,
lowest and highest, rate, peak memory, and how many times as long as the first command each
takes (median over the rounds, lowest and highest).

    time_runs.py [--runs N] [--bytes N] [--before COMMAND] [--check COMMAND] NAME=COMMAND...

Commands are the shell's. --before and --check run around each, untimed, with $NAME set; a
command or a check that fails ends it all.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time


def run(command, name):
    return subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL,
                          env=dict(os.environ, NAME=name), check=False).returncode


def timed(command, name):
    """Seconds, and the peak of resident memory in MiB."""
    with open(os.devnull, "w") as null:
        start = time.monotonic()
        p = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=null,
                             env=dict(os.environ, NAME=name))
        _, status, usage = os.wait4(p.pid, 0)
        seconds = time.monotonic() - start
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"{name} failed with {p.returncode}: {command}")
    return seconds, usage.ru_maxrss / 1024


def spread(values, form):
    return (f"{statistics.median(values):{form}} "
            f"({min(values):{form}}–{max(values):{form}})")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--bytes", type=int, default=0)
    p.add_argument("--before", default=":")
    p.add_argument("--check", default=":")
    p.add_argument("commands", nargs="+")
    a = p.parse_args()
    commands = [c.split("=", 1) for c in a.commands]
    seconds = {n: [] for n, _ in commands}
    memory = {n: [] for n, _ in commands}
    for _ in range(a.runs):
        for name, command in commands:
            if run(a.before, name):
                sys.exit(f"preparing {name} failed: {a.before}")
            s, m = timed(command, name)
            if run(a.check, name):
                sys.exit(f"{name} left something wrong: {a.check}")
            seconds[name].append(s)
            memory[name].append(m)
    rate = a.bytes > 0
    print("| | seconds |" + (" MB/s |" if rate else "") + " peak MiB | × the first |")
    print("|---|---|" + ("---|" if rate else "") + "---|---|")
    first = seconds[commands[0][0]]
    for name, _ in commands:
        s = seconds[name]
        cells = [name, spread(s, ".2f")]
        if rate:
            cells.append(f"{a.bytes / statistics.median(s) / 1e6:.0f}")
        cells += [f"{max(memory[name]):.0f}",
                  spread([x / y for x, y in zip(s, first)], ".2f")]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
