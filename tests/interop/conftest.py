# SPDX-License-Identifier: Apache-2.0
"""What every interop check shares: the program under test, the models, conversions made once."""
import json
import os
import subprocess

import pytest

import oracle

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.environ.get("I8_TOOL") or pytest.exit("I8_TOOL must name the int8tool program", 2)
DATA = oracle.DATA
# A folder with further trained models (small-bloom, small-t5), too large for the repository.
MORE = os.environ.get("I8_FIXTURES")

TRAINED = ["tiny-llama", "small-bloom", "small-t5"]
TINY = ["tiny/llama", "tiny/llama3", "tiny/bloom", "tiny/opt", "tiny/opt-postnorm", "tiny/t5",
        "tiny/t5-v1_1"]


def model_folder(name):
    """Where a model lies; skips the check, saying why, when it is not there."""
    for base in (DATA, MORE):
        if base and os.path.exists(os.path.join(base, name, "config.json")):
            return os.path.realpath(os.path.join(base, name))
    pytest.skip(f"{name} is not bundled; set I8_FIXTURES to a folder that holds it")


def config_of(folder):
    return json.load(open(os.path.join(folder, "config.json")))


def run(*args, status=0):
    """Runs int8tool; returns stdout. stderr must stay empty unless it fails or warns."""
    p = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True)
    assert p.returncode == status, (
        f"int8tool {' '.join(map(str, args))}: exit {p.returncode}, not {status}\n{p.stderr}")
    return p.stdout


def run_json(*args, status=0):
    return json.loads(run(*args, "--json", status=status))


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """converted(name, rounding) -> (source folder, output folder, convert's JSON)."""
    made = {}

    def make(name, rounding="cuda"):
        if (name, rounding) not in made:
            source = model_folder(name)
            out = tmp_path_factory.mktemp("converted") / f"{name.replace('/', '-')}-{rounding}"
            made[name, rounding] = source, str(out), run_json(
                "convert", source, "-o", out, "--rounding", rounding)
        return made[name, rounding]

    return make
