# SPDX-License-Identifier: Apache-2.0
"""FP8 with block scales: the bytes of the bf16 checkpoint that torch makes of it by the arithmetic
of DeepSeek's fp8_cast_bf16.py (float8_e4m3fn to fp32, times the block's scale, to bf16).
"""
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import oracle
from conftest import model_folder, run


def dequantized(weight, scale, block):
    y = weight.float()
    s = scale.float().repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    return (y * s[:y.shape[0], :y.shape[1]]).to(torch.bfloat16)


@pytest.mark.parametrize("block", [(128, 128), (48, 40)])
@pytest.mark.parametrize("scales", [torch.float32, torch.bfloat16])
def test_bytes_of_the_cast(tmp_path, block, scales):
    source = model_folder("tiny-llama")
    config = json.load(open(os.path.join(source, "config.json")))
    fp8, bf16 = {}, {}
    for name, w in load_file(os.path.join(source, "model.safetensors")).items():
        if not name.endswith("_proj.weight"):
            fp8[name] = bf16[name] = w
            continue
        rows, cols = w.shape
        grid = [-(-rows // block[0]), -(-cols // block[1])]
        scale = torch.empty(grid)
        for i in range(grid[0]):
            for j in range(grid[1]):
                part = w[i * block[0]:(i + 1) * block[0], j * block[1]:(j + 1) * block[1]]
                scale[i, j] = part.float().abs().max() / 448
        scale = scale.to(scales)
        wide = scale.float().repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
        q = (w.float() / wide[:rows, :cols]).clamp(-448, 448).to(torch.float8_e4m3fn)
        fp8[name], fp8[name + "_scale_inv"] = q, scale
        bf16[name] = dequantized(q, scale, block)
    for folder, tensors in (("fp8", fp8), ("bf16", bf16)):
        (tmp_path / folder).mkdir()
        save_file({n: t.contiguous() for n, t in tensors.items()},
                  tmp_path / folder / "model.safetensors", {"format": "pt"})
    (tmp_path / "bf16/config.json").write_text(json.dumps(config))
    config["quantization_config"] = {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
        "weight_block_size": block}
    (tmp_path / "fp8/config.json").write_text(json.dumps(config))
    for rounding in ("cpu", "cuda"):
        found = []
        for folder in ("fp8", "bf16"):
            out = tmp_path / f"{folder}-{rounding}"
            run("convert", tmp_path / folder, "-o", out, "--rounding", rounding,
                "--skip-modules", "down_proj", "--no-hash")
            found.append(out)
        a, b = (oracle.read_checkpoint(out) for out in found)
        assert a == b and any(t.dtype == "I8" for t in a.values())
        name = "model.layers.0.mlp.down_proj.weight"  # kept: bf16, not FP8
        assert a[name].dtype == "BF16"
        assert a[name].data == bf16[name].view(torch.uint8).numpy().tobytes()
        q, absmax = oracle.quantize(bf16["model.layers.0.mlp.up_proj.weight"].float().numpy(),
                                    rounding)
        assert a["model.layers.0.mlp.up_proj.weight"].data == q.tobytes()
        assert a["model.layers.0.mlp.up_proj.SCB"].data == absmax.astype("<f4").tobytes()
