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

MODELS = ["tiny-llama", "small-bloom", "small-t5", "tiny/llama", "tiny/bloom", "tiny/opt",
          "tiny/t5", "tiny/t5-v1_1"]


def rel_l2(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def some_inputs(config, rows=2, tokens=40):
    r = np.random.RandomState(5)

    def draw(n):
        return r.randint(0, config["vocab_size"], (rows, n)).astype("<i4")

    inputs = {"input_ids": draw(tokens)}
    if config.get("is_encoder_decoder"):
        inputs["decoder_input_ids"] = draw(tokens // 2)
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
    """With outlier columns and without; and the two differ, or nothing was shown."""
    source, out, _ = converted(name, "cuda")
    config, weights = config_of(source), oracle.read_checkpoint(out)
    inputs = some_inputs(config)
    expected = forward.logits(config, weights, inputs, forward.llm_int8(weights, threshold))
    golden = tmp_path / "golden.safetensors"
    oracle.write_safetensors(golden, {**inputs, "logits": expected.astype("<f4")})
    answer = run_json("verify", out, "--golden", golden, "--outliers", outliers,
                      "--max-rel-l2", 1)
    original = oracle.read_checkpoint(source)
    exact = forward.logits(config, original, inputs, forward.exact(original))
    print(f"engine {answer['logits_rel_l2']:.2e}, int8 itself {rel_l2(expected, exact):.2e}")
    assert answer["logits_rel_l2"] < 0.1 * rel_l2(expected, exact)
