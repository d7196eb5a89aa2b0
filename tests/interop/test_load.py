# SPDX-License-Identifier: Apache-2.0
"""Every family, in three releases of transformers: what convert writes loads clean with the class
that config.json names, holds in int8 exactly what load_in_8bit makes of the original, byte for byte,
and gives its outputs bit for bit. load_worker.py does it, in the environment of each release.

The models: those with weights in the data folder, and one with random weights for each small
configuration of data/trees, as that release saves it.
"""
import glob
import json
import os
import subprocess

import pytest

import oracle
from conftest import DATA, HERE, MORE, TRAINED

RELEASES = dict(pair.split("=", 1) for pair in os.environ["I8_RELEASES"].split())
LIMIT_S = 1800  # only ends what hangs


def folders():
    for name in TRAINED + [f"tiny/{n}" for n in sorted(os.listdir(os.path.join(DATA, "tiny")))]:
        for base in (DATA, MORE):
            path = base and os.path.join(base, name)
            if path and os.path.exists(os.path.join(path, "config.json")):
                yield {"name": name, "folder": os.path.realpath(path)}
                break


def configurations():
    for tree in sorted(glob.glob(os.path.join(DATA, "trees", "*.tree"))):
        name = os.path.basename(tree).removesuffix(".tree")
        if not name.startswith("full-"):
            with open(tree) as f:
                yield {"name": name, "config": json.loads(f.readline().removeprefix("config "))}


JOBS = [*folders(), *configurations()]
# What a release itself cannot do with the original; anything else must work.
IMPOSSIBLE = {
    ("4.57.6", "stablelm-parallel"): "cannot make it (its norms have no bias)",
}


@pytest.fixture(scope="session")
def answers(tmp_path_factory):
    """release -> {job: answer}; all releases at once, as there is more than one processor."""
    started = {}
    for release, python in RELEASES.items():
        scratch = tmp_path_factory.mktemp(f"release-{release}")
        reader = "transformers" + release[0]
        jobs = [j for j in JOBS if (release, j["name"]) not in IMPOSSIBLE]
        (scratch / "jobs.json").write_text(json.dumps(
            {"scratch": str(scratch), "reader": reader, "jobs": jobs}))
        log = open(scratch / "log", "w+")
        started[release] = log, subprocess.Popen(
            [python, os.path.join(HERE, "load_worker.py"), str(scratch / "jobs.json")],
            stdout=subprocess.PIPE, stderr=log, text=True,
            env=dict(os.environ, OMP_NUM_THREADS="1"))
    found = {}
    for release, (log, process) in started.items():
        out, _ = process.communicate(timeout=LIMIT_S)
        log.seek(0)
        assert process.returncode == 0, log.read()[-4000:]
        found[release] = {a["name"]: a for a in map(json.loads, out.splitlines())}
    return found


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", [j["name"] for j in JOBS])
def test_loads_as_its_own(answers, release, name):
    if (release, name) in IMPOSSIBLE:
        pytest.skip(f"transformers {release} {IMPOSSIBLE[release, name]}")
    answer = answers[release][name]
    assert not answer["failures"], "\n".join(answer["failures"])
    if answer.get("unreadable"):
        pytest.skip(f"transformers {release} cannot read the original: {answer['unreadable']}")


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_empty(answers, release):
    """Most models have int8 modules and run; what is left 16-bit is said, with its bytes."""
    found = answers[release].values()
    assert sum(a.get("int8", 0) > 0 for a in found) >= 0.9 * len(found)
    assert sum(a.get("cannot_run", False) for a in found) <= 8
    assert sum("unreadable" in a for a in found) <= 4
    for answer in found:
        if answer.get("int8") == 0:
            assert "int8 would save" in answer["said"], answer["name"]


def test_falcon(answers):
    """All of Falcon is int8 in transformers 4 and nothing in 5, which convert warns of."""
    for release, found in answers.items():
        answer = found["tiny/falcon"]
        assert (answer["int8"] == 12) == (release[0] == "4")
        assert ("subclass of Linear" in answer["said"]) == (release[0] == "5")


def test_experts(answers):
    """Experts are int8 in transformers 4, 16-bit in 5, and the warning names their bytes."""
    for release, found in answers.items():
        for name in ("tiny-mixtral", "tiny-qwen3_moe"):
            assert ("fused by the reader" in found[name]["said"]) == (release[0] == "5")
