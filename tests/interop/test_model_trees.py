# SPDX-License-Identifier: Apache-2.0
"""The committed module trees are what the installed transformers makes of their configurations."""
import os
import subprocess
import sys

from conftest import DATA, HERE


def test_trees_are_current():
    p = subprocess.run(
        [sys.executable, os.path.join(HERE, "model_trees.py"), os.path.join(DATA, "trees"),
         "--check", "--models", os.path.join(DATA, "placement", "models.json.gz"),
         "--tiny", os.path.join(DATA, "tiny")], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr
