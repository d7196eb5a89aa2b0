#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times commands side by side: each once a round, the rounds one after another, so that
whatever else the machine does falls on all of them. Prints a Markdown table: median time,
lowest and highest, rate, median processor time, peak memory, and how many times as long as
the first command each takes, by either time (median over the rounds, lowest and highest).
Where the machine is shared, processor time tells more.

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
    """Seconds, those of the processors, and the peak of resident memory in MiB."""
    with open(os.devnull, "w") as null:
        start = time.monotonic()
        p = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=null,
                             env=dict(os.environ, NAME=name))
        _, status, usage = os.wait4(p.pid, 0)
        seconds = time.monotonic() - start
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"{name} failed with {p.returncode}: {command}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def number(value):
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def spread(values):
    return (f"{number(statistics.median(values))} "
            f"({number(min(values))}–{number(max(values))})")


def times_first(values, first):
    return spread([x / y if y else 0 for x, y in zip(values, first)])


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
    cpu = {n: [] for n, _ in commands}
    memory = {n: [] for n, _ in commands}
    for _ in range(a.runs):
        for name, command in commands:
            if run(a.before, name):
                sys.exit(f"preparing {name} failed: {a.before}")
            s, c, m = timed(command, name)
            if run(a.check, name):
                sys.exit(f"{name} left something wrong: {a.check}")
            seconds[name].append(s)
            cpu[name].append(c)
            memory[name].append(m)
    rate = a.bytes > 0
    print("| | seconds |" + (" MB/s |" if rate else "")
          + " CPU seconds | peak MiB | × the first | × its CPU |")
    print("|---|---|" + ("---|" if rate else "") + "---|---|---|---|")
    first = commands[0][0]
    for name, _ in commands:
        s = seconds[name]
        cells = [name, spread(s)]
        if rate:
            cells.append(f"{a.bytes / statistics.median(s) / 1e6:.0f}")
        cells += [spread(cpu[name]), f"{max(memory[name]):.0f}",
                  times_first(s, seconds[first]), times_first(cpu[name], cpu[first])]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
