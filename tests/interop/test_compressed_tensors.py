# SPDX-License-Identifier: Apache-2.0
"""--layout compressed-tensors: the int8 bytes of the other layout, which transformers with
compressed-tensors loads clean and takes for the weights that they stand for.
"""
import json
import os

import numpy as np
import pytest
import torch
from transformers import CompressedTensorsConfig

import load_worker
import oracle
from conftest import TRAINED, model_folder, run, run_json

# GPT-2's Conv1D is no target of compressed-tensors; experts do not load (convert says so).
MODELS = TRAINED + [f"tiny/{n}" for n in (
    "llama", "llama3", "bloom", "opt", "t5", "gemma2", "phi3", "qwen3", "mpt", "gptj", "falcon")]
# The source is cast to fp16 before it is quantized: half a unit in the last of 11 bits, 2^-11 of a
# value of up to 127 steps.
FP16_OF_A_STEP = 127 * 2**-11


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """name -> (folder in the bnb layout, folder in the other), made once."""
    made = {}

    def make(name):
        if name not in made:
            source, scratch = model_folder(name), tmp_path_factory.mktemp("layouts")
            made[name] = [str(scratch / layout) for layout in ("bnb", "compressed-tensors")]
            for out in made[name]:
                run("convert", source, "-o", out, "--layout", os.path.basename(out), "--no-hash")
        return made[name]

    return make


@pytest.mark.parametrize("name", MODELS)
def test_same_bytes(both, name):
    """weight as in the bnb layout; weight_scale = SCB / 127, a positive number for a row of
    zeros; no weight_format; all else unchanged; ignored is exactly what is not int8."""
    bnb, ct = (oracle.read_checkpoint(folder) for folder in both(name))
    block = json.load(open(os.path.join(both(name)[1], "config.json")))["quantization_config"]
    assert block["format"] == "int-quantized" and block["quant_method"] == "compressed-tensors"
    scales = {n for n in ct if n.endswith(".weight_scale")}
    assert set(ct) == scales | {n for n in bnb if not n.endswith((".SCB", ".weight_format"))}
    for n in ct:
        if n not in scales:
            assert ct[n] == bnb[n], n
            continue
        scb = bnb[n.removesuffix("weight_scale") + "SCB"].numpy()
        assert ct[n].dtype == "F32" and ct[n].shape == (len(scb), 1)
        expected = np.where(scb > 0, scb / np.float32(127), np.float32(1))
        assert ct[n].data == expected.astype("<f4").tobytes(), n
        assert n.removesuffix(".weight_scale") not in block["ignore"]


@pytest.mark.parametrize("name", MODELS)
def test_loads(both, name):
    """Clean, in the checkpoint's own dtype, with the int8 bytes as they are."""
    folder = both(name)[1]
    file = oracle.read_checkpoint(folder)
    modules = {n.removesuffix(".weight_scale") for n in file if n.endswith(".weight_scale")}
    model, report, warnings = load_worker.load(folder)
    assert not any(report.values()), report
    assert not warnings, warnings
    assert {n for n, m in model.named_modules() if hasattr(m, "weight_scale")} == modules
    for n in modules:
        weight = model.get_submodule(n).weight
        assert weight.dtype == torch.int8
        assert weight.numpy().tobytes() == file[f"{n}.weight"].data, n


@pytest.mark.parametrize("name", MODELS)
def test_decompressed(both, name):
    """Decompressed in fp32 (a 16-bit dtype would round twice more), every weight is q times
    the step, and so the original one to within half a step."""
    folder = both(name)[1]
    file, source = oracle.read_checkpoint(folder), oracle.read_checkpoint(model_folder(name))
    dense, report, _ = load_worker.load(
        folder, dtype=torch.float32,
        quantization_config=CompressedTensorsConfig(run_compressed=False))
    assert not any(report.values()), report
    for n in file:
        if not n.endswith(".weight_scale"):
            continue
        n = n.removesuffix(".weight_scale")
        q, step = (file[f"{n}.{leaf}"].numpy().astype("f4") for leaf in ("weight", "weight_scale"))
        weight = dense.get_submodule(n).weight.detach().numpy()
        assert weight.dtype == np.float32
        assert np.abs(weight - q * step).max() <= 1e-6 * np.abs(weight).max(), n
        original = source[f"{n}.weight"].numpy().astype("f4")
        assert (np.abs(weight - original) <= step * (0.5 + FP16_OF_A_STEP)).all(), n


def test_conv1d_stays(tmp_path):
    """compressed-tensors' target is Linear: GPT-2's Conv1D would not be found. Ours reads it."""
    source = model_folder("tiny/gpt2")
    answer = run_json("convert", source, "-o", tmp_path / "a", "--layout", "compressed-tensors")
    assert answer["converted"] == 0
    answer = run_json("convert", source, "-o", tmp_path / "b", "--layout", "compressed-tensors",
                      "--for", "int8tool")
    assert answer["converted"] == 12
    run_json("verify", tmp_path / "b", "--golden",
             os.path.join(source, "expected.safetensors"), "--max-rel-l2", 0.5)
