# SPDX-License-Identifier: Apache-2.0
"""What the converted bytes must be, computed apart from int8tool: numpy and the format's own
documents only. Nothing here imports torch, so that these checks start at once.
"""
import json
import os
import struct

import numpy as np

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")

WIDTH = {"BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "F32": 4,
         "I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8}
NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "i1", "U8": "u1", "I32": "<i4",
         "I64": "<i8"}


class Tensor:
    """One tensor as the file has it: dtype name, shape, raw bytes, file name."""

    def __init__(self, dtype, shape, data, file):
        self.dtype, self.shape, self.data, self.file = dtype, tuple(shape), data, file

    def numpy(self):
        if self.dtype == "BF16":
            bits = np.frombuffer(self.data, "<u2").astype("<u4") << 16
            return bits.view("<f4").reshape(self.shape)
        return np.frombuffer(self.data, NUMPY[self.dtype]).reshape(self.shape)

    def __eq__(self, other):
        return (self.dtype, self.shape, self.data) == (other.dtype, other.shape, other.data)


def read_safetensors(path):
    """name -> Tensor, and the __metadata__; every rule of the format asserted."""
    raw = open(path, "rb").read()
    (n,) = struct.unpack_from("<Q", raw)
    assert 8 + n <= len(raw) and raw[8:9] == b"{", path
    pairs = json.loads(raw[8:8 + n], object_pairs_hook=list)
    names = [k for k, _ in pairs]
    assert len(names) == len(set(names)), f"{path}: a name stands twice"
    header = {k: dict(v) for k, v in pairs}
    metadata = header.pop("__metadata__", {})
    at, tensors = 0, {}
    for name, t in sorted(header.items(), key=lambda kv: kv[1]["data_offsets"]):
        begin, end = t["data_offsets"]
        assert begin == at, f"{path}: {name} begins at {begin}, not {at}"
        elements = int(np.prod(t["shape"], dtype=object))
        assert end - begin == elements * WIDTH[t["dtype"]], f"{path}: {name}"
        tensors[name] = Tensor(t["dtype"], t["shape"], raw[8 + n + begin:8 + n + end],
                               os.path.basename(path))
        at = end
    assert 8 + n + at == len(raw), f"{path}: bytes behind the last tensor"
    return tensors, metadata


def read_checkpoint(folder):
    """All tensors of a folder; the index, where there is one, must name each exactly."""
    single = os.path.join(folder, "model.safetensors")
    if os.path.exists(single):
        return read_safetensors(single)[0]
    index = json.load(open(os.path.join(folder, "model.safetensors.index.json")))
    tensors = {}
    for file in sorted(set(index["weight_map"].values())):
        for name, t in read_safetensors(os.path.join(folder, file))[0].items():
            assert index["weight_map"].get(name) == file, f"{name} is in {file}"
            tensors[name] = t
    assert set(tensors) == set(index["weight_map"])
    return tensors


# ---- the two rounding recipes ----

def _table():
    lines = open(os.path.join(DATA, "quant", "scale_127_over_absmax.h200.txt"))
    bits = [int(line.split()[1], 16) for line in lines if not line.startswith("#")]
    return np.array(bits, dtype="<u4").view("<f4")


TABLE = _table()


def scale(absmax, rounding):
    """The fp32 factor of a positive absmax. On a CPU 127/a is made as (1/a) x 127; on a GPU
    by an approximate division, read off an H200 for each mantissa."""
    if rounding == "cpu":
        return (np.float32(1) / absmax) * np.float32(127)
    mantissa, exponent = np.frexp(absmax)
    return np.ldexp(TABLE[np.rint(mantissa * 2048).astype(int) - 1024],
                    1 - exponent).astype(np.float32)


def quantize(weight, rounding):
    """Any float matrix -> int8 [out, in], fp32 absmax [out]."""
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16).astype(np.float32)
    absmax = np.abs(half).max(axis=1)
    live = absmax > 0
    factor = scale(np.where(live, absmax, np.float32(1)), rounding)
    return np.where(live[:, None], np.rint(half * factor[:, None]), 0).astype(np.int8), absmax


def tie_matrix(seed):
    """The fp16 matrix that stands behind a hash of quant/cuda_bytes.h200.json."""
    r = np.random.RandomState(seed)
    n, k = r.randint(1, 65), 4 * r.randint(1, 257)
    kind = seed % 4
    if kind == 0:
        x = r.standard_normal((n, k)).astype(np.float32) * 0.02
    elif kind == 1:
        x = r.randint(-256, 257, (n, k)).astype(np.float32) * np.float32(2.0 ** -r.randint(4, 14))
    elif kind == 2:
        a = (r.randint(1024, 2048, (n, 1)) * 2.0**-14).astype(np.float32)
        x = np.clip(a * (r.randint(-254, 255, (n, k)) / 254.0).astype(np.float32), -a, a)
        x[:, 0:1] = a
    else:
        x = (r.standard_normal((n, k)) * 10.0 ** r.randint(-6, 4)).astype(np.float32)
        x[r.randint(0, n)] = 0
    return x.astype(np.float16)


# ---- which modules become int8 ----

# Leaf names of the Linears that transformers 5 replaces, family by family. T5's "wo" is kept
# (_keep_in_fp32_modules), and so is every output embedding.
CONVERTED = {
    "llama": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "bloom": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    "opt": {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "project_in",
            "project_out"},
    "t5": {"q", "k", "v", "o", "wi", "wi_0", "wi_1"},
}


def converted_modules(model_type, names):
    leaves = CONVERTED[model_type]
    modules = [n[:-len(".weight")] for n in names if n.endswith(".weight")]
    return {m for m in modules if m.rsplit(".", 1)[-1] in leaves}


def write_safetensors(path, tensors):
    """name -> numpy array, laid out in the order given."""
    header, data, at = {}, [], 0
    dtype_name = {v: k for k, v in NUMPY.items()}
    for name, a in tensors.items():
        raw = np.ascontiguousarray(a).tobytes()
        dtype = dtype_name[a.dtype.str.replace("|", "")]
        header[name] = {"dtype": dtype, "shape": list(a.shape),
                        "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        data.append(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))
