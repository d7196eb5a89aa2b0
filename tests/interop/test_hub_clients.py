# SPDX-License-Identifier: Apache-2.0
"""pull against the real clients of the Hub: huggingface_hub 1.33 and 2.4, each with hf-xet
and without, over the stand-in Hub of tests/hub. Whether the stand-in is a Hub is for them
to say, and so is whether a cache of ours is one; what they leave, pull must use."""
import json
import os
import shutil
import sys

import pytest

import conftest

sys.path.insert(0, os.path.join(conftest.HERE, "..", "hub"))
import pulled  # noqa: E402
from standin import Standin  # noqa: E402

VENV = os.environ.get("I8_VENV") or os.path.dirname(os.path.dirname(sys.executable))
CLIENTS = {"1.33-xet": VENV, **{n: f"{VENV}-hub/{n}" for n in ("1.33", "2.4-xet", "2.4")}}
# Those that see torch: with them a cache is opened as a model.
WITH_MODELS = {"1.33-xet": ["5.17.0", "1.33.0"], "2.4-xet": ["5.23.0", "2.4.0"]}
REPO = "org/llama"


@pytest.fixture(scope="module", params=list(CLIENTS))
def client(request):
    return Client(request.param)


@pytest.fixture(params=list(WITH_MODELS))
def client_with_models(request):
    return Client(request.param)


class Client:
    def __init__(self, name):
        self.name, self.bin = name, os.path.join(CLIENTS[name], "bin")
        if not os.path.exists(os.path.join(self.bin, "hf")):
            pytest.fail(f"no client {name} in {self.bin}: run tests/interop/hub_clients.sh")

    def ask(self, world, *args, **env):
        """hub_client.py's answer."""
        r = pulled.run([os.path.join(self.bin, "python"),
                        os.path.join(conftest.HERE, "hub_client.py"), *args],
                       world.env(**env))
        assert r.status == 0, r
        return json.loads(r.stdout.splitlines()[-1])

    def hf(self, world, *args, status=0, **env):
        r = pulled.run([os.path.join(self.bin, "hf"), *args], world.env(**env))
        assert r.status == status, r
        return r


class World:
    """A Hub with repositories, and a cache of one test's own."""

    def __init__(self, hub, root, home):
        self.hub, self.root, self.home = hub, root, str(home)
        self.cache = os.path.join(self.home, "hub")

    def env(self, **more):
        return pulled.environment(self.hub.hub_url, self.home,
                                  **{"HF_HUB_DISABLE_TELEMETRY": "1", "NO_COLOR": "1",
                                     "HF_HUB_DISABLE_UPDATE_CHECK": "1", **more})

    def pull(self, *args, **env):
        r = pulled.run([conftest.TOOL, "pull", *args], self.env(**env))
        assert r.status == 0, r
        return r.stdout.strip()

    def folder(self, repo=REPO):
        return os.path.join(self.root, *repo.split("/"))

    def names(self, repo=REPO):
        top = self.folder(repo)
        return [os.path.relpath(os.path.join(at, f), top)
                for at, _, files in os.walk(top) for f in files]

    def sound(self, snapshot, repo=REPO, names=None):
        bad = pulled.cache_faults(self.cache, repo.partition("@")[0], True)
        bad += pulled.snapshot_faults(snapshot, self.folder(repo), names or self.names(repo))
        assert not bad, "\n".join(bad)

    def moved(self):
        """Requests that brought bytes of files, since the last call."""
        records, self.hub.log.records = self.hub.log.records, []
        return [r for r in records if r["method"] == "GET" and r["sent"] and
                r["on"] in ("cdn", "cache", "inline") and r["status"] < 300]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    source = conftest.model_folder("tiny/llama")
    for name, seed in (("llama", 1), ("llama@v1", 2), ("llama@refs%2Fpr%2F1", 3)):
        at = root / "org" / name
        shutil.copytree(source, at, ignore=shutil.ignore_patterns("expected*"))
        pulled.make_files(at, {"empty.txt": b"", "sub/two words.txt": b"words\n",
                               ".gitattributes": b"*.safetensors filter=lfs\n",
                               "tokenizer.json": 70_000}, seed)
    # Long enough that two clients meet; pages so small that there are several.
    pulled.make_files(root / "org" / "large", {"model.safetensors": 40_000_000,
                                               "config.json": b"{}"})
    (root / "org" / "llama.json").write_text('{"page": 3}')
    with Standin(str(root)) as hub:
        yield hub, str(root)


@pytest.fixture
def world(served, tmp_path):
    hub, root = served
    hub.rules.set([])
    hub.log.records = []
    return World(hub, root, tmp_path)


def test_standin_serves_the_client(world, client):
    """hf download, snapshot_download and get_safetensors_metadata find a Hub."""
    client.hf(world, "download", REPO)
    folder = pulled.repository_folder(world.cache, REPO)
    with open(os.path.join(folder, "refs", "main")) as f:
        world.sound(os.path.join(folder, "snapshots", f.read()))
    client.hf(world, "cache", "verify", REPO)
    for revision in ("v1", "refs/pr/1"):
        at = client.ask(world, "snapshot", REPO, revision)
        assert not pulled.snapshot_faults(at, world.folder(
            f"{REPO}@{revision.replace('/', '%2F')}"), world.names())
    with open(os.path.join(world.folder(), "model.safetensors.index.json")) as f:
        weight_map = json.load(f)["weight_map"]
    found = client.ask(world, "metadata", REPO)
    assert found["sharded"] and found["weight_map"] == weight_map
    assert not [r for r in world.hub.log.records if r["on"] == "cdn" and r["authorization"]]


def test_client_accepts_our_cache(world, client):
    at = world.pull(REPO)
    world.sound(at)
    v1 = world.pull(REPO + "@v1")
    seen = client.ask(world, "scan")
    assert seen["warnings"] == [] and list(seen["repos"]) == [REPO]
    revisions = seen["repos"][REPO]["revisions"]
    assert {c: r["refs"] for c, r in revisions.items()} == {
        os.path.basename(at): ["main"], os.path.basename(v1): ["v1"]}
    client.hf(world, "cache", "verify", REPO)
    assert client.ask(world, "snapshot", REPO, "-", "local", HF_HUB_OFFLINE="1") == at
    assert client.ask(world, "snapshot", REPO, "v1", "local", HF_HUB_OFFLINE="1") == v1


def test_client_downloads_nothing_again(world, client):
    at = world.pull(REPO)
    world.moved()
    client.hf(world, "download", REPO)
    assert client.ask(world, "snapshot", REPO) == at
    assert world.moved() == []


def test_we_download_nothing_again(world, client):
    at = client.ask(world, "snapshot", REPO)
    world.moved()
    assert world.pull(REPO) == at
    assert world.moved() == []
    assert world.pull("--offline", REPO) == at
    assert world.pull("--verify", REPO) == at
    assert world.moved() == []
    world.sound(at)


def listing(folder):
    """Every file below, with its bytes' hash, links with where they lead."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            key = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[key] = "-> " + os.readlink(path)
            elif "/trees/" in path:  # blanks differ
                with open(path) as f:
                    found[key] = json.load(f)
            else:
                found[key] = pulled.digest(path)
    return found


def test_caches_are_the_same_file_by_file(world, client, tmp_path):
    for revision in ("main", "v1", "refs/pr/1"):
        world.pull(f"{REPO}@{revision}")
    ours = listing(world.cache)
    theirs = World(world.hub, world.root, tmp_path / "theirs")
    for revision in ("main", "v1", "refs/pr/1"):
        client.ask(theirs, "snapshot", REPO, revision)
    assert ours == listing(theirs.cache)


def test_model_opens_offline(world, client_with_models):
    world.pull(REPO)
    before = len(world.hub.log.records)
    found = client_with_models.ask(world, "models", REPO, world.folder(),
                                   HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    assert found["versions"] == WITH_MODELS[client_with_models.name]
    assert found["states"][0] == found["states"][1]
    assert len(world.hub.log.records) == before


def test_part_of_a_repository(world, client):
    """What was left out by a pattern is known to be missing: offline says so, and a
    client fetches that and no more."""
    world.pull(REPO, "--include", "*.json")
    seen = client.ask(world, "scan")
    assert seen["warnings"] == []
    r = pulled.run([os.path.join(client.bin, "python"),
                    os.path.join(conftest.HERE, "hub_client.py"), "snapshot", REPO, "-", "local"],
                   world.env(HF_HUB_OFFLINE="1"))
    assert r.status != 0 and "IncompleteSnapshot" in r.stderr, r
    world.moved()
    at = client.ask(world, "snapshot", REPO)
    assert not [r for r in world.moved() if r["file"].endswith(".json")]
    world.sound(at)


def test_local_dir_from_us_to_the_client(world, client, tmp_path):
    to = str(tmp_path / "here")
    assert world.pull(REPO, "--local-dir", to) == to
    world.moved()
    client.hf(world, "download", REPO, "--local-dir", to)
    client.hf(world, "cache", "verify", REPO, "--local-dir", to)
    assert world.moved() == []


def test_local_dir_from_the_client_to_us(world, client, tmp_path):
    to = str(tmp_path / "here")
    client.hf(world, "download", REPO, "--local-dir", to)
    world.moved()
    assert world.pull(REPO, "--local-dir", to) == to
    assert world.moved() == []


@pytest.mark.parametrize("we_begin", [True, False])
def test_both_at_once(world, client, we_begin):
    """Under way at the same time, in one cache: they share its locks, and each ends well."""
    world.hub.rules.set([{"fault": "slow", "rate": 4 << 20, "repo": "org/large"}])
    ours = [conftest.TOOL, "pull", "org/large"]
    theirs = [os.path.join(client.bin, "hf"), "download", "org/large"]
    pair = [ours, theirs] if we_begin else [theirs, ours]
    first = pulled.start(pair[0], world.env(HF_HUB_DOWNLOAD_TIMEOUT="10"))
    while not world.hub.sent("org/large", "cdn"):
        assert first.running(), first.wait()
    second = pulled.start(pair[1], world.env(HF_HUB_DOWNLOAD_TIMEOUT="10"))
    for r in (first.wait(), second.wait()):
        assert r.status == 0, r
    folder = pulled.repository_folder(world.cache, "org/large")
    with open(os.path.join(folder, "refs", "main")) as f:
        world.sound(os.path.join(folder, "snapshots", f.read()), "org/large")
    sent = sum(r["sent"] for r in world.moved() if r["on"] == "cdn")
    assert sent < 1.3 * 40_000_000, f"{sent} bytes for a file of 40 MB"


def test_client_leaves_our_partial_files_alone(world, client):
    """Killed on its way; scan has nothing to say of it, prune keeps it, and the next pull
    goes on from it. (The first pull of a revision gives it its ref when all is there, so a
    prune before that takes the revision as it takes any without a ref.)"""
    world.pull("org/large", "--include", "config.json")
    world.hub.rules.set([{"fault": "stall", "repo": "org/large", "file": "model.safetensors",
                          "at": 39_000_000}])
    started = pulled.start([conftest.TOOL, "pull", "org/large"],
                           world.env(HF_HUB_DOWNLOAD_TIMEOUT="60"))
    blobs = os.path.join(pulled.repository_folder(world.cache, "org/large"), "blobs")

    def partial():
        names = os.listdir(blobs) if os.path.isdir(blobs) else []
        return sorted(n for n in names if ".int8part" in n)

    while not world.hub.sent("org/large", "cdn") > 30_000_000:
        assert started.running(), started.wait()
    started.kill()
    started.wait()
    left = partial()
    assert left
    assert client.ask(world, "scan")["warnings"] == []
    client.hf(world, "cache", "prune", "--yes")
    assert partial() == left
    world.hub.rules.set([])
    world.moved()
    at = world.pull("org/large")
    world.sound(at, "org/large")
    sent = sum(r["sent"] for r in world.moved() if r["on"] == "cdn")
    assert sent < 30_000_000, "it began anew"
