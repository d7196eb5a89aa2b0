# SPDX-License-Identifier: Apache-2.0
"""The engine's LLM.int8() against the same arithmetic in numpy: tighter than any comparison
with another framework's kernels, which differ among themselves by 1 to 2 %.
"""
import os

import numpy as np
import pytest

import forward
import oracle
from conftest import DATA, config_of, model_folder, run_json

MODELS = ["tiny-llama", "small-bloom", "tiny/llama", "tiny/bloom", "tiny/opt"]


def rel_l2(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def some_ids(config, rows=2, tokens=40):
    return np.random.RandomState(5).randint(0, config["vocab_size"], (rows, tokens))


@pytest.mark.parametrize("name", ["llama", "bloom", "opt"])
def test_numpy_itself(name):
    """The forward passes written here give what transformers gave in float64."""
    folder = os.path.join(DATA, "tiny", name)
    expected, _ = oracle.read_safetensors(os.path.join(folder, "expected.safetensors"))
    weights = oracle.read_checkpoint(folder)
    found = forward.logits(config_of(folder), weights, expected["input_ids"].numpy(),
                           forward.exact(weights))
    assert rel_l2(found, expected["logits"].numpy()) < 2e-6


@pytest.mark.parametrize("outliers, threshold", [("dynamic", 6.0), ("none", 0.0)])
@pytest.mark.parametrize("name", MODELS)
def test_int8(tmp_path, converted, name, outliers, threshold):
    """With outlier columns and without; and the two differ, or nothing was shown."""
    source, out, _ = converted(name, "cuda")
    config, weights = config_of(source), oracle.read_checkpoint(out)
    ids = some_ids(config)
    expected = forward.logits(config, weights, ids, forward.llm_int8(weights, threshold))
    golden = tmp_path / "golden.safetensors"
    oracle.write_safetensors(golden, {"input_ids": ids.astype("<i4"),
                                      "logits": expected.astype("<f4")})
    answer = run_json("verify", out, "--golden", golden, "--outliers", outliers,
                      "--max-rel-l2", 1)
    original = oracle.read_checkpoint(source)
    exact = forward.logits(config, original, ids, forward.exact(original))
    print(f"engine {answer['logits_rel_l2']:.2e}, int8 itself {rel_l2(expected, exact):.2e}")
    assert answer["logits_rel_l2"] < 0.1 * rel_l2(expected, exact)
