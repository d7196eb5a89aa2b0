# SPDX-License-Identifier: Apache-2.0
"""The engine's LLM.int8() against the same arithmetic in numpy: far tighter than any comparison
with another framework's kernels, which differ among themselves by 1 to 2 %.

Both round activations to fp16 and to int8. Where a value lies on the edge the two may fall
apart by one step, and all that follows moves a little: no short input does that often, so most
must agree to float32's last bits, and none may differ by more than int8 itself costs.
"""
import os

import numpy as np
import pytest

import forward
import oracle
from conftest import DATA, config_of, model_folder, run_json

MODELS = ["tiny-llama", "small-bloom", "small-t5", "tiny/llama", "tiny/bloom", "tiny/opt",
          "tiny/t5", "tiny/t5-v1_1"]


def rel_l2(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def some_inputs(config, seed, tokens=6):
    r = np.random.RandomState(seed)

    def draw():
        return r.randint(0, config["vocab_size"], (1, tokens)).astype("<i4")

    inputs = {"input_ids": draw()}
    if config.get("is_encoder_decoder"):
        inputs["decoder_input_ids"] = draw()
    return inputs


@pytest.mark.parametrize("name", ["llama", "bloom", "opt", "t5", "t5-v1_1"])
def test_numpy_itself(name):
    """The forward passes written here give what transformers gave in float64, but for its
    RMS norms, which take the mean square in float32 all the same."""
    folder = os.path.join(DATA, "tiny", name)
    expected, _ = oracle.read_safetensors(os.path.join(folder, "expected.safetensors"))
    weights = oracle.read_checkpoint(folder)
    inputs = {k: v.numpy() for k, v in expected.items() if k.endswith("input_ids")}
    found = forward.logits(config_of(folder), weights, inputs, forward.exact(weights))
    assert rel_l2(found, expected["logits"].numpy()) < 1e-5


@pytest.mark.parametrize("outliers, threshold", [("dynamic", 6.0), ("none", 0.0)])
@pytest.mark.parametrize("name", MODELS)
def test_int8(tmp_path, converted, name, outliers, threshold):
    source, out, _ = converted(name, "cuda")
    config, original, weights = (config_of(source), oracle.read_checkpoint(source),
                                 oracle.read_checkpoint(out))
    golden = tmp_path / "golden.safetensors"
    differences, costs = [], []
    for seed in range(8):
        inputs = some_inputs(config, seed)
        expected = forward.logits(config, weights, inputs,
                                  forward.llm_int8(weights, threshold))
        exact = forward.logits(config, original, inputs, forward.exact(original))
        oracle.write_safetensors(golden, {**inputs, "logits": expected.astype("<f4")})
        answer = run_json("verify", out, "--golden", golden, "--outliers", outliers,
                          "--max-rel-l2", 1)
        differences.append(answer["logits_rel_l2"])
        costs.append(rel_l2(expected, exact))
    print(sorted(differences), np.mean(costs))
    assert np.median(differences) < 1e-6
    assert max(differences) < np.mean(costs)


@pytest.mark.parametrize("name", ["tiny-llama", "tiny/llama", "tiny/bloom", "tiny/opt"])
def test_outliers_matter(converted, name):
    """The two modes above are two results in these models, or nothing was shown."""
    source, out, _ = converted(name, "cuda")
    config, weights = config_of(source), oracle.read_checkpoint(out)
    inputs = some_inputs(config, 0)
    dynamic, none = (forward.logits(config, weights, inputs, forward.llm_int8(weights, t))
                     for t in (6.0, 0.0))
    assert rel_l2(dynamic, none) > 1e-3
