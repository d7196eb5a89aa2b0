# SPDX-License-Identifier: Apache-2.0
"""One Linear, the same int8 weight and the same fp16 input, through bitsandbytes and through the
engine: relative L2 of at most 1e-3. (Whole models cannot be held so: a last bit that differs
flips roundings in the next quantization.)
"""
import os
import subprocess

import bitsandbytes
import numpy as np
import pytest
import torch

import oracle

PROGRAM = os.environ["I8_ONE_LINEAR"]


@pytest.mark.parametrize("threshold", [6.0, 0.0])
@pytest.mark.parametrize("outliers", [0, 3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("out_features, in_features, rows",
                         [(192, 256, 40), (64, 1021, 7), (33, 5, 3), (256, 2048, 1)])
def test_as_bitsandbytes(tmp_path, out_features, in_features, rows, bias, outliers, threshold):
    torch.manual_seed(in_features + rows)
    x = torch.randn(rows, in_features).half()
    for column in range(outliers):
        x[:, (column * 37 + 1) % in_features] *= 20
    linear = torch.nn.Linear(in_features, out_features, bias=bias).half()
    theirs = bitsandbytes.nn.Linear8bitLt(in_features, out_features, bias=bias,
                                          has_fp16_weights=False, threshold=threshold)
    theirs.load_state_dict(linear.state_dict())
    theirs = theirs.to("cpu").eval()  # in training its activations stay 16-bit on a CPU
    tensors = {"weight": theirs.weight.data.numpy().copy(),
               "SCB": theirs.weight.SCB.numpy().copy(), "x": x.numpy()}
    with torch.no_grad():
        expected = theirs(x).float().numpy()
    if bias:
        tensors["bias"] = linear.bias.detach().float().numpy()
    oracle.write_safetensors(tmp_path / "in.safetensors", tensors)
    subprocess.run([PROGRAM, str(tmp_path / "in.safetensors"), str(threshold),
                    str(tmp_path / "out")], check=True)
    found = np.fromfile(tmp_path / "out", "<f4").reshape(rows, out_features)
    distance = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    print(distance)
    assert distance <= 1e-3
