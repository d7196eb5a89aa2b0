# SPDX-License-Identifier: Apache-2.0
"""convert's output, byte by byte, against numpy and against what a GPU made."""
import filecmp
import hashlib
import json
import os

import numpy as np
import pytest

import oracle
from conftest import TINY, TRAINED, config_of, model_folder, run, run_json

MODELS = TRAINED + TINY


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def folder_bytes(folder):
    return {name: open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)}


@pytest.mark.parametrize("rounding", ["cpu", "cuda"])
@pytest.mark.parametrize("name", MODELS)
def test_every_tensor(converted, name, rounding):
    """int8 and SCB as computed here, all else as it was, and no key beyond."""
    source, out, _ = converted(name, rounding)
    before, after = oracle.read_checkpoint(source), oracle.read_checkpoint(out)
    modules = oracle.converted_modules(config_of(source)["model_type"], before)
    assert modules
    expected = set(before) | {f"{m}.SCB" for m in modules}
    expected |= {f"{m}.weight_format" for m in modules}
    assert set(after) == expected

    for name_, tensor in before.items():
        module = name_.removesuffix(".weight")
        if module not in modules or module == name_:
            assert after[name_] == tensor, f"{name_} changed"
            continue
        q, absmax = oracle.quantize(tensor.numpy(), rounding)
        weight, scb, fmt = (after[f"{module}.{leaf}"]
                            for leaf in ("weight", "SCB", "weight_format"))
        assert (weight.dtype, weight.shape) == ("I8", tensor.shape)
        assert (scb.dtype, scb.shape) == ("F32", (tensor.shape[0],))
        assert (fmt.dtype, fmt.shape, fmt.data) == ("U8", (), b"\0")
        assert weight.data == q.tobytes(), f"{module}: int8 bytes differ"
        assert scb.data == absmax.tobytes(), f"{module}: SCB differs"
        assert weight.file == scb.file == fmt.file, f"{module} is spread over shards"


@pytest.mark.parametrize("name", MODELS)
def test_sizes(converted, name):
    """The tensors are what plan says; the converted part is a half or a quarter."""
    source, out, answer = converted(name)
    before, after = oracle.read_checkpoint(source), oracle.read_checkpoint(out)
    modules = oracle.converted_modules(config_of(source)["model_type"], before)
    total = sum(len(t.data) for t in after.values())
    assert run_json("plan", source)["weights_bytes"] == total

    factor = {2: 2, 4: 4}[oracle.WIDTH[before[min(modules) + ".weight"].dtype]]
    old = sum(len(before[f"{m}.weight"].data) for m in modules)
    assert sum(len(after[f"{m}.weight"].data) for m in modules) * factor == old
    assert answer["converted"] == len(modules)
    assert answer["kept"] == len(before) - len(modules)
    assert answer["output_bytes"] == sum(f["bytes"] for f in answer["files"])


@pytest.mark.parametrize("name", MODELS)
def test_files(converted, tmp_path, name):
    """The listed files are those in the folder, hash by hash, and --dry-run foretold them."""
    source, out, answer = converted(name)
    listed = {f["name"]: f for f in answer["files"]}
    assert set(listed) == set(os.listdir(out))
    for file, data in folder_bytes(out).items():
        assert listed[file]["bytes"] == len(data), file
        assert listed[file]["sha256"] == sha256(data), file

    foretold = run_json("convert", source, "-o", tmp_path / "out", "--dry-run")
    assert not (tmp_path / "out").exists()
    assert ({f["name"]: f["bytes"] for f in foretold["files"]}
            == {f["name"]: f["bytes"] for f in answer["files"]})

    weights = (".safetensors", ".safetensors.index.json")
    for file in os.listdir(source):
        if file != "config.json" and not file.endswith(weights):
            assert filecmp.cmp(f"{source}/{file}", f"{out}/{file}", shallow=False), file


@pytest.mark.parametrize("name", MODELS)
def test_config(converted, name):
    """config.json gains the quantization_config that transformers writes, with an explicit
    list of what stays; nothing else in it changes. The manifest agrees with the folder."""
    source, out, _ = converted(name)
    before, after = config_of(source), config_of(out)
    block = after.pop("quantization_config")
    assert after == before
    skip = block.pop("llm_int8_skip_modules")
    assert block == {
        "_load_in_4bit": False, "_load_in_8bit": True,
        "bnb_4bit_compute_dtype": "float32", "bnb_4bit_quant_storage": "uint8",
        "bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False,
        "llm_int8_enable_fp32_cpu_offload": False, "llm_int8_has_fp16_weight": False,
        "llm_int8_threshold": 6.0, "load_in_4bit": False, "load_in_8bit": True,
        "quant_method": "bitsandbytes"}
    assert isinstance(block["llm_int8_threshold"], float)
    assert isinstance(skip, list) and all(isinstance(s, str) for s in skip)
    tensors = oracle.read_checkpoint(source)
    for module in oracle.converted_modules(before["model_type"], tensors):
        assert not any(module.startswith(s) or module.endswith(s) for s in skip), module

    manifest = json.load(open(os.path.join(out, "int8tool.json")))
    text = json.dumps(manifest)
    for file, data in folder_bytes(out).items():
        if file != "int8tool.json":
            assert sha256(data) in text, f"int8tool.json does not know {file}"


def test_shards(tmp_path):
    """--max-shard-size is kept (a module's three tensors together), the index is right, and
    the tensors are the same as in one file."""
    source = model_folder("tiny-llama")
    run("convert", source, "-o", tmp_path / "one")
    answer = run_json("convert", source, "-o", tmp_path / "many", "--max-shard-size", "500KB")
    shards = [f for f in answer["files"] if f["name"].endswith(".safetensors")]
    assert len(shards) > 4
    one, many = (oracle.read_checkpoint(tmp_path / d) for d in ("one", "many"))
    assert one == many
    index = json.load(open(tmp_path / "many" / "model.safetensors.index.json"))
    assert index["metadata"]["total_size"] == sum(len(t.data) for t in many.values())
    for shard in shards:
        tensors, metadata = oracle.read_safetensors(tmp_path / "many" / shard["name"])
        assert metadata["format"] == "pt"
        # One module alone may be larger than the limit.
        assert sum(len(t.data) for t in tensors.values()) <= 500_000 or len(tensors) <= 3
    for name, t in many.items():
        if name.endswith(".SCB"):
            assert t.file == many[name.replace("SCB", "weight")].file


@pytest.mark.parametrize("rounding", ["cuda", "cpu"])
def test_tie_matrices(tmp_path, rounding):
    """All 100 matrices rich in ties, as one bare file, to the hashes that a GPU gave. The CPU
    recipe is held against numpy: it must differ from the GPU's on some of them."""
    rows = json.load(open(os.path.join(oracle.DATA, "quant", "cuda_bytes.h200.json")))
    assert len(rows) == 100
    matrices = {}
    for row in rows:
        x = oracle.tie_matrix(row["seed"])
        assert sha256(x.tobytes()) == row["sha256_in"], "this numpy draws another matrix"
        matrices[f"m{row['seed']:03}.weight"] = x
    oracle.write_safetensors(tmp_path / "ties.safetensors", matrices)
    run("convert", tmp_path / "ties.safetensors", "-o", tmp_path / "out", "--rounding",
        rounding)
    after = oracle.read_checkpoint(tmp_path / "out")
    as_gpu = 0
    for row in rows:
        module = f"m{row['seed']:03}"
        q, scb = after[f"{module}.weight"], after[f"{module}.SCB"]
        assert q.shape == tuple(row["shape"])
        assert sha256(scb.data) == row["sha256_scb"], module
        as_gpu += sha256(q.data) == row["sha256_q"]
        expected, _ = oracle.quantize(matrices[f"{module}.weight"], rounding)
        assert q.data == expected.tobytes(), module
    assert as_gpu == 100 if rounding == "cuda" else 50 < as_gpu < 100


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_source_dtypes(tmp_path, dtype):
    """Each source dtype is cast to fp16 first, subnormals kept; odd shapes; rows of zeros."""
    r = np.random.RandomState(7)
    shapes = [(1, 1), (1, 4), (3, 5), (7, 31), (17, 64), (2, 1000), (65, 33), (5, 4099)]
    matrices = {}
    for i, shape in enumerate(shapes):
        x = r.standard_normal(shape) * 10.0 ** r.randint(-7, 3, (shape[0], 1))
        x[r.randint(0, shape[0])] = 0 if i % 2 else x[0]
        matrices[f"layer.{i}.weight"] = x.astype("<" + dtype)
    matrices["layer.0.bias"] = np.ones(1, "<" + dtype)
    matrices["scalar.weight"] = np.float32(3).reshape(())
    matrices["cube.weight"] = np.ones((2, 2, 2), "<f4")
    matrices["count.weight"] = np.ones((2, 2), "<i8")
    oracle.write_safetensors(tmp_path / "x.safetensors", matrices)
    for rounding in ("cuda", "cpu"):
        run("convert", tmp_path / "x.safetensors", "-o", tmp_path / rounding, "--rounding",
            rounding)
        after = oracle.read_checkpoint(tmp_path / rounding)
        for name, x in matrices.items():
            if name.startswith("layer.") and name.endswith(".weight"):
                q, absmax = oracle.quantize(x, rounding)
                assert after[name].data == q.tobytes(), name
                assert after[name[:-6] + "SCB"].data == absmax.tobytes(), name
            else:
                assert after[name].data == x.tobytes(), f"{name} changed"
                assert name[:-6] + "SCB" not in after


@pytest.mark.parametrize("name", ["tiny-llama", "tiny/t5"])
def test_same_bytes(tmp_path, name):
    """The same files from 1, 2 and 7 jobs, from two runs, and with little memory. (The
    manifest too: it holds no time and no path of the output.)"""
    source = model_folder(name)
    variants = {"one": ["--jobs", 1], "two": ["--jobs", 2], "seven": ["--jobs", 7],
                "again": ["--jobs", 7], "small": ["--ram", "64MiB"]}
    for variant, options in variants.items():
        run("convert", source, "-o", tmp_path / variant, "--max-shard-size", "400KB", *options)
    first = folder_bytes(tmp_path / "one")
    for variant in variants:
        assert folder_bytes(tmp_path / variant) == first, variant
