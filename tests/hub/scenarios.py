# SPDX-License-Identifier: Apache-2.0
"""Pulls that take more than one step to tell: who may read, what is asked for, what is
there already, who else pulls."""
import json
import os
import shutil
import ssl
import subprocess
import time

import pulled
from fault_cases import MODEL
from forward_proxy import Proxy

SCENARIOS = {}


class Skip(Exception):
    """This machine cannot show it; why."""


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def closed(case, kind, token):
    repo = case.bench.repository(case.name, settings=json.dumps(
        {kind: True, "tokens": ["hf_granted"]}))
    return repo, case.pull(repo, HF_TOKEN=token)


@scenario
def gated_without_token(case):
    repo, r = closed(case, "gated", "")
    case.fails(r, f"*{repo}*", repo)


@scenario
def gated_without_access(case):
    repo, r = closed(case, "gated", "hf_standin")
    case.fails(r, f"*{repo}*", repo)


@scenario
def gated_with_access(case):
    repo, r = closed(case, "gated", "hf_granted")
    case.ends_well(r, repo)
    assert "hf_granted" not in r.stdout + r.stderr
    case.no_leak()


@scenario
def private_without_token(case):
    repo, r = closed(case, "private", "")
    case.fails(r, f"*{repo}*", repo)


@scenario
def private_without_access(case):
    repo, r = closed(case, "private", "hf_standin")
    case.fails(r, f"*{repo}*", repo)


@scenario
def private_with_access(case):
    repo, r = closed(case, "private", "hf_granted")
    case.ends_well(r, repo)
    case.no_leak()


@scenario
def token_unknown(case):
    repo = case.bench.repository(case.name)
    r = case.pull(repo, HF_TOKEN="hf_unknown")
    case.fails(r, "*token*", repo)
    assert "hf_unknown" not in r.stdout + r.stderr


@scenario
def token_from_file_and_verbose(case):
    repo = case.bench.repository(case.name, settings='{"private": 1, "tokens": ["hf_infile"]}')
    with open(os.path.join(case.home, "token"), "w") as f:
        f.write(" hf_infile\r\n")
    env = case.env()
    del env["HF_TOKEN"]
    r = pulled.run([case.bench.tool, "pull", "-v", repo], env)
    assert "hf_infile" not in r.stdout + r.stderr, r
    case.ends_well(r, repo)


@scenario
def renamed(case):
    repo = case.bench.repository(case.name)
    with open(os.path.join(case.bench.root, "org", "old-name.json"), "w") as f:
        json.dump({"renamed_to": repo}, f)
    r = case.pull("org/old-name")
    # Under the name that was asked for, as Python's client does.
    case.ends_well(r, "org/old-name")


@scenario
def canonical_id(case):
    shutil.copytree(case.bench.template, os.path.join(case.bench.root, "canonical"))
    r = case.pull("canonical")
    if r.status == 0:
        case.ends_well(r, "canonical")
    else:  # a name without organisation may be refused as no repository
        assert r.status in (1, 2), r


@scenario
def missing_repository(case):
    case.fails(case.pull("org/nowhere"), "*org/nowhere*", "org/nowhere")


@scenario
def missing_revision(case):
    repo = case.bench.repository(case.name)
    case.fails(case.pull(repo + "@v9"), "*v9*", repo)


@scenario
def revisions(case):
    """A tag, a ref with slashes, a commit: each its own snapshot, shared blobs once."""
    b = case.bench
    repo = b.repository(case.name)
    for name in ("@v1", "@refs%2Fpr%2F1"):
        b.repository(case.name + name, b.template + "-next")
    case.ends_well(case.pull(repo), repo)
    case.ends_well(case.pull(repo + "@refs/pr/1"), repo, b.template + "-next")
    r = case.pull(repo + "@v1")
    case.ends_well(r, repo, b.template + "-next")
    commit = os.path.basename(r.stdout.strip())
    case.ends_well(case.pull(f"{repo}@{commit}"), repo, b.template + "-next")
    folder = pulled.repository_folder(case.cache, repo)
    for ref in ("main", "v1", "refs/pr/1"):
        assert os.path.exists(os.path.join(folder, "refs", ref)), f"no ref {ref}"
    assert not os.path.exists(os.path.join(folder, "refs", commit)), "a commit is no ref"


@scenario
def nothing_again(case):
    """A second pull moves no data; a third, offline, sends nothing at all."""
    b = case.bench
    repo = b.repository(case.name)
    case.ends_well(case.pull(repo), repo)
    before = len(b.records(repo))
    case.ends_well(case.pull(repo), repo)
    again = b.records(repo)[before:]
    assert all(r["on"] in ("info", "tree") for r in again), again
    before = len(b.records(repo))
    case.ends_well(case.pull("--offline", repo), repo)
    case.ends_well(case.pull(repo, HF_HUB_OFFLINE="1"), repo)
    assert len(b.records(repo)) == before, "offline means no request"


@scenario
def offline_with_nothing(case):
    repo = case.bench.repository(case.name)
    case.fails(case.pull("--offline", repo), f"*{repo}*", repo)


@scenario
def nobody_listens(case):
    repo = case.bench.repository(case.name)
    r = case.pull(repo, HF_ENDPOINT="http://127.0.0.1:9")
    case.fails(r, "*127.0.0.1*", repo)


@scenario
def patterns(case):
    repo = case.bench.repository(case.name)
    names = ["config.json", "tokenizer.json"]
    r = case.pull(repo, "--include", "*.json", "--exclude", "sub*")
    case.ends_well(r, repo, names=names)
    case.fails(case.pull(repo, "--include", "*.gguf"), "*", repo)


@scenario
def one_weight_format(case):
    b = case.bench
    folder = os.path.join(case.home, "source")
    both = {"config.json": b"{}", "model.safetensors": 1000, "pytorch_model.bin": 1000,
            "tf_model.h5": 1000, "flax_model.msgpack": 1000, "onnx/model.onnx": 1000}
    pulled.make_files(folder, both)
    repo = b.repository(case.name, folder)
    r = case.pull(repo)
    case.ends_well(r, repo, folder, ["config.json", "model.safetensors"])
    os.remove(os.path.join(b.root, "org", case.name, "model.safetensors"))
    r = case.pull(repo)
    case.ends_well(r, repo, folder, ["config.json", "pytorch_model.bin"])


@scenario
def verify_finds_a_bad_blob(case):
    """What the cache has is trusted by size, until --verify hashes it and fetches anew."""
    repo = case.bench.repository(case.name)
    r = case.pull(repo)
    case.ends_well(r, repo)
    blob = os.path.realpath(os.path.join(r.stdout.strip(), MODEL))
    with open(blob, "r+b") as f:
        f.seek(7_000_000)
        f.write(b"damaged")
    assert case.pull(repo).status == 0
    case.ends_well(case.pull("--verify", repo), repo)


def overlapping(done, records):
    """The first request that asks again for a byte of the ranges that were done."""
    for r in records:
        if r["range"] and r["status"] == 206:
            for first, last in done:
                if r["range"][0] <= last and first <= r["range"][1]:
                    return r
    return None


@scenario
def resumes(case):
    """After a failure the next run fetches what is missing, and only that."""
    b = case.bench
    repo = b.repository(case.name)
    last = os.path.getsize(os.path.join(b.template, MODEL)) - 1
    b.hub.rules.add([{"fault": "status", "code": 404, "on": "cdn", "at": last, "repo": repo,
                      "skip": 0}, {"fault": "delay", "seconds": 1, "on": "cdn", "at": last,
                                   "repo": repo}])
    done = []
    while not done:  # on a machine that is very busy the failure may come first
        case.fails(case.pull(repo), f"*{MODEL}*", repo)
        done = sum(pulled.journalled(case.cache, repo).values(), [])
    before = len(b.records(repo, "cdn"))
    b.hub.rules.remove(repo)
    case.ends_well(case.pull(repo), repo)
    again = overlapping(done, b.records(repo, "cdn")[before:])
    assert not again, f"fetched again: {again['range']}, of {done}"


@scenario
def content_changes_before_the_resume(case):
    """The branch has another file of that name when the pull goes on: nothing is mixed."""
    b = case.bench
    repo = b.repository(case.name)
    b.repository(case.name + "@next", b.template + "-next")
    b.hub.rules.add([{"fault": "reset", "on": "cdn", "at": 15_000_000, "repo": repo},
                     {"fault": "status", "code": 404, "on": "cdn", "repo": repo, "skip": 3}])
    r = case.pull(repo)
    assert r.status == 1, r
    b.hub.rules.remove(repo)
    b.hub.rules.add([{"fault": "move", "repo": repo}])
    case.ends_well(case.pull(repo), repo, b.template + "-next", leftovers=True)


@scenario
def two_at_once(case):
    """They share the work or wait; the data comes once."""
    b = case.bench
    repo = b.repository(case.name)
    b.hub.rules.add([{"fault": "slow", "rate": 8 << 20, "repo": repo}])
    runs = [case.start(repo) for _ in range(2)]
    for r in [s.wait() for s in runs]:
        case.ends_well(r, repo)
    size = os.path.getsize(os.path.join(b.template, MODEL))
    sent = sum(r["sent"] for r in b.records(repo, "cdn"))
    assert sent <= 1.25 * size, f"{sent} bytes sent for a file of {size}"


@scenario
def two_at_once_and_one_is_killed(case):
    b = case.bench
    repo = b.repository(case.name)
    # So slow that the first is in the middle of it, however late it is killed.
    b.hub.rules.add([{"fault": "slow", "rate": 1 << 19, "repo": repo}])
    first = case.start(repo)
    while not b.hub.sent(repo, "cdn"):
        time.sleep(0.01)
    second = case.start(repo)
    time.sleep(0.3)
    first.kill()
    assert first.wait().status == -9
    case.ends_well(second.wait(), repo)


@scenario
def local_dir(case):
    repo = case.bench.repository(case.name)
    to = os.path.join(case.home, "here")
    r = case.pull(repo, "--local-dir", to)
    assert r.status == 0, r
    before = len(case.bench.records(repo, "cdn"))
    r = case.pull(repo, "--local-dir", to)
    assert r.status == 0 and len(case.bench.records(repo, "cdn")) == before, r
    own = os.path.join(to, ".cache")
    assert os.path.isdir(own), "no metadata"
    left = [os.path.join(at, f) for at, _, files in os.walk(own) for f in files
            if ".int8part" in f or "incomplete" in f]
    assert not left, left
    shutil.rmtree(own)
    bad = pulled.snapshot_faults(to, case.bench.template, list(case.bench.files))
    assert not bad, bad


@scenario
def json_answer(case):
    repo = case.bench.repository(case.name)
    r = case.pull("--json", repo)
    d = json.loads(r.stdout)
    assert r.status == 0, r
    assert set(d) >= {"path", "commit", "files", "downloaded_bytes", "seconds"}, d
    assert all(f["from"] == "network" for f in d["files"] if f["bytes"]), d
    for f in d["files"]:
        assert pulled.digest(os.path.join(d["path"], f["name"])) == f["sha256"], f
    assert d["downloaded_bytes"] == sum(f["bytes"] for f in d["files"]), d
    d = json.loads(case.pull("--json", repo).stdout)
    assert all(f["from"] == "cache" for f in d["files"]) and d["downloaded_bytes"] == 0, d


@scenario
def through_a_proxy(case):
    repo = case.bench.repository(case.name)
    with Proxy() as proxy:
        r = case.pull(repo, http_proxy=proxy.url)
        case.ends_well(r, repo)
        assert any("/resolve/" in u for u in proxy.seen), proxy.seen
        assert any(u.startswith(case.bench.hub.cdn_url) for u in proxy.seen), proxy.seen
    case.no_leak()


@scenario
def https_with_an_own_ca(case):
    """An unknown authority is refused; CURL_CA_BUNDLE or SSL_CERT_FILE make it known."""
    if not shutil.which("openssl"):
        raise Skip("needs openssl to make a certificate")
    repo = case.bench.repository(case.name)
    key, cert = (os.path.join(case.home, n) for n in ("key.pem", "cert.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", key, "-out", cert, "-addext",
                    "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with type(case.bench.hub)(case.bench.root, tls=context) as hub:
        case.fails(case.pull(repo, HF_ENDPOINT=hub.hub_url), "*certificate*", repo)
        for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            shutil.rmtree(case.cache, ignore_errors=True)
            case.ends_well(case.pull(repo, HF_ENDPOINT=hub.hub_url, **{name: cert}), repo)


def in_own_mounts(case, script, **env):
    """Runs a shell script that may mount things; skips where that is not allowed."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        raise Skip("needs unshare -rm to mount a small disk")
    return pulled.run(["unshare", "-rm", "sh", "-euc", script, "sh", case.bench.tool,
                       case.home], case.env(**env))


@scenario
def disk_too_small(case):
    """Refused before the first byte; with room it goes on."""
    b = case.bench
    repo = b.repository(case.name)
    r = in_own_mounts(case, f"""mount -t tmpfs -o size=12m tmpfs "$2"
        "$1" pull {repo} >"$2/out" 2>"$2/err" && exit 9
        test ! -s "$2/out"
        cat "$2/err" >&2
        mount -o remount,size=100m "$2"
        snapshot=$("$1" pull {repo})
        cmp "$snapshot/{MODEL}" {b.template}/{MODEL}""")
    assert r.status == 0, r
    assert "error: " in r.stderr and "12.0 MiB are free" in r.stderr, r
    first = [x for x in b.records(repo, "cdn")]
    assert sum(x["sent"] for x in first) < 1.3 * os.path.getsize(
        os.path.join(b.template, MODEL)), "bytes were fetched for a full disk"


@scenario
def cache_is_read_only(case):
    b = case.bench
    repo = b.repository(case.name)
    case.ends_well(case.pull(repo), repo)
    r = in_own_mounts(case, f"""mount --bind "$2" "$2"
        mount -o remount,ro,bind "$2"
        "$1" pull {repo}
        "$1" pull --offline {repo}""")
    assert r.status == 0 and len(set(r.stdout.split())) == 1, r


@scenario
def without_symlinks(case):
    b = case.bench
    repo = b.repository(case.name)
    for _ in range(2):
        r = case.pull(repo, HF_HUB_DISABLE_SYMLINKS="1")
        assert r.status == 0, r
        bad = pulled.snapshot_faults(r.stdout.strip(), b.template, list(b.files))
        assert not bad, bad
        assert not any(os.path.islink(os.path.join(at, f))
                       for at, _, files in os.walk(r.stdout.strip()) for f in files)
    assert len([x for x in b.records(repo, "cdn") if x["sent"]]) > 0
