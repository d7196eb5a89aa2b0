# SPDX-License-Identifier: Apache-2.0
"""Makes repositories, runs `int8tool pull`, and looks at what it leaves behind: shared by
the tests of faults, of kills, and by others that need a look into a cache."""
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from repositories import git_sha1

HEX = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# Variables of the caller that must not decide anything here.
UNSET = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE",
         "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
         "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "http_proxy",
         "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy",
         "NO_PROXY", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"]


# A program built with a sanitizer takes more memory and time.
SANITIZED = any(k in os.environ for k in ("ASAN_OPTIONS", "TSAN_OPTIONS"))
TIMEOUT = 600 if SANITIZED else 120  # seconds after which a run hangs


def make_files(folder, sizes, seed=0):
    """Files of random bytes: {path: size}, or bytes as they are."""
    rng = random.Random(seed)
    for path, size in sizes.items():
        at = os.path.join(folder, path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with open(at, "wb") as f:
            if isinstance(size, bytes):
                f.write(size)
                continue
            while size > 0:
                size -= f.write(rng.randbytes(min(size, 4 << 20)))


def digest(path, kind="sha256"):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, kind).hexdigest() if hasattr(
            hashlib, "file_digest") else hashlib.new(kind, f.read()).hexdigest()


class Run:
    """One finished run of the program."""

    def __init__(self, status, stdout, stderr, seconds):
        self.status, self.stdout, self.stderr = status, stdout, stderr
        self.seconds = seconds

    def __str__(self):
        return (f"exit {self.status} after {self.seconds:.1f} s\n"
                f"stdout: {self.stdout[-500:]}\nstderr: {self.stderr[-1500:]}")


def environment(endpoint, home, **more):
    """The caller's, less what must not decide anything; more: over all of it."""
    env = {k: v for k, v in os.environ.items() if k not in UNSET}
    # Some tests wait for the end of the former, none for that of the latter.
    env.update(HF_ENDPOINT=endpoint, HF_HOME=home, LC_ALL="C.UTF-8",
               HF_HUB_DOWNLOAD_TIMEOUT="10" if SANITIZED else "2", HF_HUB_ETAG_TIMEOUT="10")
    env.update(more)
    return env


# A process begins with the peak of the one that forked it, and tests are large: so a small
# one forks what is to be measured, and says what it took.
MEASURE = """import os, resource, sys
status = os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(
    sys.argv[2], sys.argv[2:], os.environ), 0)[1])
with open(sys.argv[1], "w") as f:
    f.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)"""


def run_measured(command, env):
    """The Run, and its peak of resident memory in KiB."""
    with tempfile.NamedTemporaryFile("r") as peak:
        r = run([sys.executable, "-S", "-c", MEASURE, peak.name, *command], env)
        return r, int(peak.read() or 0)


def start(command, env, cwd=None):
    """Starts a command whose output goes to files; Started.wait() gives the Run."""
    return Started(command, env, cwd)


class Started:
    def __init__(self, command, env, cwd):
        self.begun = time.monotonic()
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.err)

    def running(self):
        time.sleep(0.01)
        return os.waitid(os.P_PID, self.process.pid,
                         os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)  # Popen.kill would reap it

    def wait(self, timeout=TIMEOUT):
        """At most `timeout` seconds: then it is killed and its status is -9."""
        hung = False
        while True:
            pid, status = os.waitpid(self.process.pid, os.WNOHANG)
            if pid:
                break
            if not hung and time.monotonic() - self.begun > timeout:
                hung = True
                self.kill()
            time.sleep(0.005)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for f in (self.out, self.err):
            f.seek(0)
            texts.append(f.read().decode("utf-8", "replace"))
            f.close()
        if hung:
            texts[1] += "\n(killed: it hung)"
        return Run(self.process.returncode, *texts, time.monotonic() - self.begun)


def run(command, env, cwd=None, timeout=TIMEOUT):
    return start(command, env, cwd).wait(timeout)


def repository_folder(cache, repo):
    return os.path.join(cache, "models--" + repo.replace("/", "--"))


def journalled(cache, repo):
    """{hash: ranges of bytes} that the journals in a cache say are there."""
    done, blobs = {}, os.path.join(repository_folder(cache, repo), "blobs")
    for name in os.listdir(blobs) if os.path.isdir(blobs) else []:
        if not name.endswith(".journal"):
            continue
        with open(os.path.join(blobs, name), "rb") as f:
            head, _, states = f.read().partition(b"\n")
        head = json.loads(head)
        piece, size = head["piece"], head["size"]
        for i, state in enumerate(states.rstrip(b"\n")):
            if chr(state) in "ws":
                done.setdefault(head["hash"], []).append(
                    (i * piece, min((i + 1) * piece, size) - 1))
    return done


def cache_faults(cache, repo, complete):
    """What is wrong in the cache: a list of sentences. Nothing under a final name may be
    false; when the pull was complete, nothing else may be left either."""
    folder, bad = repository_folder(cache, repo), []
    blobs = os.path.join(folder, "blobs")
    for name in sorted(os.listdir(blobs)) if os.path.isdir(blobs) else []:
        at = os.path.join(blobs, name)
        if HEX.fullmatch(name):
            if len(name) == 64:
                found = digest(at)
            else:
                with open(at, "rb") as f:
                    found = git_sha1(f.read())
            if found != name:
                bad.append(f"blob {name} hashes to {found}")
        elif complete:
            bad.append(f"left over: blobs/{name}")
        elif ".int8part" not in name:
            bad.append(f"a partial file that other clients do not leave alone: {name}")
    snapshots = os.path.join(folder, "snapshots")
    for at, _, names in os.walk(snapshots):
        for name in names:
            link = os.path.join(at, name)
            target = os.path.realpath(link)
            if not os.path.islink(link):
                bad.append(f"not a link: {link}")
            elif not os.path.isfile(target) or os.path.dirname(target) != os.path.realpath(
                    blobs) or not HEX.fullmatch(os.path.basename(target)):
                bad.append(f"{link} leads to {os.readlink(link)}")
    refs = os.path.join(folder, "refs")
    for at, _, names in os.walk(refs):
        for name in names:
            with open(os.path.join(at, name)) as f:
                commit = f.read()
            if not re.fullmatch("[0-9a-f]{40}", commit):
                bad.append(f"ref {name} holds {commit!r}")
            elif not os.path.isdir(os.path.join(snapshots, commit)):
                bad.append(f"ref {name} names no snapshot")
    return bad


def snapshot_faults(snapshot, source, names):
    """Are exactly these files of the source folder in the snapshot, byte for byte?"""
    bad, found = [], set()
    for at, _, files in os.walk(snapshot):
        found |= {os.path.relpath(os.path.join(at, f), snapshot) for f in files}
    for name in sorted(found ^ set(names)):
        bad.append(f"{'missing' if name in names else 'not asked for'}: {name}")
    for name in sorted(found & set(names)):
        a, b = os.path.join(snapshot, name), os.path.join(source, name)
        if os.path.getsize(a) != os.path.getsize(b) or digest(a) != digest(b):
            bad.append(f"other bytes than the source's: {name}")
    return bad
