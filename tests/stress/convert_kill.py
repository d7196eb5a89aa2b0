# SPDX-License-Identifier: Apache-2.0
"""Kills conversions at random moments, and lets them go on, until all are done.

    convert_kill.py INT8TOOL DIR [--bytes N] [--rounds N] [--seed N] [--only NAME,...]
                    [--compress zstd[:LEVEL]]

In DIR (best in memory) a BF16 LLaMA of so many bytes is made and converted once
undisturbed. Then, ROUNDS times each:
  alone      SIGKILL after a random time, again and again, until one run comes through;
             jobs, memory and hashing of every run are random, too
  mpi        the same under mpirun -n 4, where one random rank is killed
  ranks      the same with --ranks I/3, whose ranks are killed and started again alone
  together   the same with all ranks at once, one of which is killed; those that did not come
             through are started again, together
  nospace    (ROUNDS/10) the file system fills up in the middle; with room again, it goes on
  unwritable a read-only output: one line, exit 1
Whatever happened, every byte must be that of the undisturbed conversion, and before the end
no file stands under its final name without the manifest's other files. Exit 1 otherwise.
nospace and unwritable mount a tmpfs (root); what cannot be done here is said and left out.
"""
import argparse
import filecmp
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
MPI_RANKS = 4
LONGEST_S = 900  # a run that takes longer hangs
MPIRUN_IDLE_S = 20  # without a living rank
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1")


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Bench:
    def __init__(self, tool, folder, size, seed, compress):
        self.tool, self.folder = tool, folder
        self.model, self.reference = folder / "model", folder / "reference"
        self.random = random.Random(seed)
        self.mpirun_hung = 0
        subprocess.run([sys.executable, "-B", HERE / "../tools/make_checkpoint.py", "--big",
                        str(size), self.model], check=True)
        # Several shards, so that renaming them takes time, too.
        self.options = ["--max-shard-size", str(size // 7), "--compress", compress, "-q"]
        began = time.monotonic()
        subprocess.run(self.command(self.reference), check=True)
        self.seconds = time.monotonic() - began

    def command(self, out, *more):
        return [self.tool, "convert", self.model, "-o", out, *self.options, *more]

    def check_unfinished(self, out):
        """No manifest: then a file under a final name is whole all the same."""
        for path in out.rglob("*") if out.exists() else []:
            name = path.relative_to(out)
            if path.suffix == ".part" or path.name.startswith(
                    ("int8tool.journal", "int8tool.publisher", "int8tool.json-")):
                continue
            check((self.reference / name).exists(), f"{path}: not a file of the output")
            check(filecmp.cmp(path, self.reference / name, shallow=False),
                  f"{path}: false bytes under a final name")

    def check_finished(self, out):
        names = sorted(p.relative_to(self.reference) for p in self.reference.rglob("*"))
        check(sorted(p.relative_to(out) for p in out.rglob("*")) == names,
              f"{out}: holds {sorted(os.listdir(out))}")
        for name in names:
            check(filecmp.cmp(out / name, self.reference / name, shallow=False),
                  f"{out / name}: other bytes than the undisturbed conversion's")

    def finished(self, out):
        """Finished, but for the last thing of all: the journal goes after the manifest."""
        return (out / "int8tool.json").exists() and not any(out.glob("int8tool.journal*"))

    def some_options(self):
        jobs = self.random.choice([1, 2, 3, 5])
        return ["--jobs", str(jobs), *self.random.choice([[], ["--ram", "64MiB"]])]

    def run_killed(self, command, kills, victim=None):
        """True if the run came through before it was killed. After many kills it is given more
        time: a file's digest begins anew in every run, so that some run must last."""
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        delay = self.random.uniform(0, 1.1 * self.seconds * (1 + kills / 4))
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            target = victim(process.pid) if victim else process.pid
            if target:
                try:
                    os.kill(target, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        said = self.end_of(process, command)
        if process.returncode == 0:
            return True
        check(process.returncode == -signal.SIGKILL or victim, f"{command}: {said}")
        return False

    def end_of(self, process, command):
        """Waits for the process and returns what it said. Open MPI's mpirun (4.1.4 with PMIx
        4.2.2) now and then locks itself up in PMIx_server_finalize when a rank was killed: it
        is helped out, once none of its ranks is alive."""
        idle_s = 0
        for _ in range(LONGEST_S):
            try:
                return process.communicate(timeout=1)[1]
            except subprocess.TimeoutExpired:
                alive = children(process.pid, pathlib.Path(self.tool).name)
                idle_s = idle_s + 1 if command[0] == "mpirun" and not alive else 0
                if idle_s == MPIRUN_IDLE_S:
                    self.mpirun_hung += 1
                    process.kill()
        process.kill()
        raise Failure(f"{command}: hangs")


def children(pid, name):
    """The processes below `pid` whose program has that name."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text()
        except OSError:
            continue
        if not entry.name.isdigit():
            continue
        comm, rest = fields[fields.index("(") + 1:].rsplit(")", 1)
        state, parent = rest.split()[:2]
        if int(parent) == pid and comm == name and state != "Z":
            found.append(int(entry.name))
    return found


def alone(bench, out):
    kills = 0
    while not bench.finished(out):
        if not bench.run_killed(bench.command(out, *bench.some_options()), kills):
            kills += 1
            if not bench.finished(out):
                bench.check_unfinished(out)
    return kills


def mpi(bench, out):
    name = pathlib.Path(bench.tool).name

    def victim(pid):
        ranks = children(pid, name)
        return bench.random.choice(ranks) if ranks else None

    alone_s, kills = bench.seconds, 0
    bench.seconds = bench.mpi_seconds
    while not bench.finished(out):
        command = ["mpirun", "-n", str(MPI_RANKS), *bench.command(out, "--ranks", "mpi")]
        if not bench.run_killed(command, kills, victim):
            kills += 1
            if not bench.finished(out):
                bench.check_unfinished(out)
    bench.seconds = alone_s
    return kills


def ranks(bench, out):
    kills, waiting = 0, [0, 1, 2]
    while waiting:
        rank = bench.random.choice(waiting)
        command = bench.command(out, "--ranks", f"{rank}/3", *bench.some_options())
        if bench.run_killed(command, kills):
            waiting.remove(rank)
        else:
            kills += 1
            if not (out / "int8tool.json").exists():
                bench.check_unfinished(out)
    check(bench.finished(out), f"{out}: all ranks are done, but it is not published")
    return kills


def together(bench, out):
    kills, waiting = 0, [0, 1, 2]
    while waiting:
        commands = [bench.command(out, "--ranks", f"{rank}/3", *bench.some_options())
                    for rank in waiting]
        victim = bench.random.randrange(len(waiting))
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                    text=True) for command in commands]
        time.sleep(bench.random.uniform(0, 1.5 * bench.seconds * (1 + kills / 4)))
        running[victim].kill()
        said = [bench.end_of(*pair) for pair in zip(running, commands)]
        failed = [i for i, process in enumerate(running) if process.returncode != 0]
        for i in failed:
            check(i == victim and running[i].returncode == -signal.SIGKILL,
                  f"{commands[i]}: {said[i]}")
        waiting = [waiting[i] for i in failed]
        kills += len(failed)
    check((out / "int8tool.json").exists(), f"{out}: all ranks are done, but it is not published")
    # A rank that was killed after another had published may have left something.
    subprocess.run(bench.command(out, "--ranks", "0/3"), check=True)
    return kills


def nospace(bench, out):
    """Somebody else fills the disk while we write."""
    mount = bench.folder / "small"
    mount.mkdir()
    size = sum(p.stat().st_size for p in bench.reference.rglob("*")) * 5 // 4 + (1 << 20)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "stress", mount], check=True)
    try:
        full = 0
        while not bench.finished(mount / "out"):
            process = subprocess.Popen(bench.command(mount / "out"), stderr=subprocess.PIPE,
                                       text=True)
            time.sleep(bench.random.uniform(0.05, 0.8) * bench.seconds)
            filler = os.open(mount / "filler", os.O_CREAT | os.O_WRONLY)
            try:
                while True:
                    os.write(filler, b"x" * (1 << 20))
            except OSError:
                pass
            os.close(filler)
            said = process.communicate()[1]
            os.unlink(mount / "filler")
            if process.returncode != 0:
                full += 1
                check(process.returncode == 1 and said.count("\n") == 1 and
                      ("space" in said.lower() or "free" in said),
                      f"a full disk gives {process.returncode} and says {said!r}")
                check(not (mount / "out/int8tool.json").exists(), "a manifest, on a full disk")
                bench.check_unfinished(mount / "out")
        bench.check_finished(mount / "out")
        shutil.copytree(mount / "out", out)
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()
    return full


def unwritable(bench, out):
    mount = bench.folder / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "stress", mount], check=True)
    try:
        run = subprocess.run(bench.command(mount / "out"), stderr=subprocess.PIPE, text=True)
        check(run.returncode == 1 and run.stderr.count("\n") == 1,
              f"a read-only output gives {run.returncode} and says {run.stderr!r}")
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()
    shutil.copytree(bench.reference, out)
    return 1


def can_mount(folder):
    mount = folder / "probe"
    mount.mkdir()
    works = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "probe", mount], stderr=subprocess.DEVNULL).returncode == 0
    if works:
        subprocess.run(["umount", mount], check=True)
    mount.rmdir()
    return works


def has_mpi(bench):
    """Tries it, and takes the time of a conversion that is left alone."""
    if not shutil.which("mpirun"):
        return False
    out = bench.folder / "mpi"
    began = time.monotonic()
    run = subprocess.run(["mpirun", "-n", str(MPI_RANKS), *bench.command(out, "--ranks", "mpi")],
                         env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bench.mpi_seconds = time.monotonic() - began
    shutil.rmtree(out, ignore_errors=True)
    return run.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bytes", type=int, default=1000000000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--compress", default="none")
    parser.add_argument("--only", default="alone,mpi,ranks,together,nospace,unwritable")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}")
    bench = Bench(args.tool, args.folder, args.bytes, seed, args.compress)
    print(f"undisturbed: {bench.seconds:.2f} s")
    kinds = {"alone": alone, "mpi": mpi, "ranks": ranks, "together": together,
             "nospace": nospace, "unwritable": unwritable}
    possible = {"mpi": has_mpi(bench)}
    possible["nospace"] = possible["unwritable"] = can_mount(args.folder)
    for name in args.only.split(","):
        if not possible.get(name, True):
            print(f"{name}: not possible here, left out")
            continue
        rounds = {"nospace": max(1, args.rounds // 10), "unwritable": 1}.get(name, args.rounds)
        stops = []
        for number in range(rounds):
            out = args.folder / "out"
            try:
                stops.append(kinds[name](bench, out))
                bench.check_finished(out)
            except Failure as failure:
                print(f"{name}, round {number}: {failure}", file=sys.stderr)
                return 1
            shutil.rmtree(out)
        print(f"{name}: {rounds} conversions, stopped {sum(stops)} times (at most {max(stops)} "
              "in one), all bytes equal", flush=True)
    if bench.mpirun_hung:
        print(f"mpirun itself hung {bench.mpirun_hung} times, without a living rank")
    return 0


if __name__ == "__main__":
    sys.exit(main())
