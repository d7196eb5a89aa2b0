# SPDX-License-Identifier: Apache-2.0
"""plan against accelerate and transformers: the device maps that they made of real shapes,
the sizes that they counted, the memory that they took on an H200, and whether the maps
that plan writes are accepted.
"""
import gzip
import json
import os

import accelerate
import pytest
import torch
import transformers
from accelerate.utils import check_device_map

from conftest import DATA, MORE, model_folder, run, run_json
from sparse import write_checkpoint

PLACEMENT = os.path.join(DATA, "placement")
MEMORY = os.path.join(DATA, "memory")
DTYPE = {"float16": "fp16", "float32": "fp32", "bfloat16": "bf16", "int8": "int8"}


def models_of(folder):
    with gzip.open(os.path.join(folder, "models.json.gz"), "rt") as f:
        return json.load(f)


MODELS = models_of(PLACEMENT)


def cases_of(api, model):
    with gzip.open(os.path.join(PLACEMENT, f"{api}-maps.jsonl.gz"), "rt") as f:
        return [c for c in map(json.loads, f) if c["model"] == model]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    made = {}

    def make(name, strip=False):
        if (name, strip) not in made:
            folder = tmp_path_factory.mktemp("sparse") / name
            made[name, strip] = write_checkpoint(MODELS[name], folder, strip)
        return made[name, strip]

    return make


@pytest.mark.parametrize("strip", [False, True], ids=["as-saved", "without-prefix"])
@pytest.mark.parametrize("api", ["accelerate", "transformers"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_maps(name, api, strip, checkpoint, tmp_path):
    out = tmp_path / "map.json"
    wrong = []
    for case in cases_of(api, name):
        budgets = ",".join(f"{k}={v}" for k, v in case["max_memory"].items())
        run("plan", checkpoint(name, strip), "--dtype", DTYPE[case["dtype"]],
            "--max-memory", budgets, "--strategy", f"{api}-{case['mode']}",
            "--device-map", out)
        if json.load(open(out)) != case["device_map"]:
            wrong.append((case["dtype"], case["case"], case["mode"]))
    assert not wrong


@pytest.mark.parametrize("name", sorted(MODELS))
def test_sizes(name, checkpoint):
    for dtype, sizes in MODELS[name]["sizes"].items():
        plan = run_json("plan", checkpoint(name), "--dtype", DTYPE[dtype],
                        "--strategy", "accelerate-auto")
        assert plan["weights_bytes"] == sizes["total"]
        assert {k: plan["module_bytes"].get(k) for k in sizes["modules"]} == sizes["modules"]
    for dtype, key in (("int8", "total"), ("bf16", "total_bf16")):
        plan = run_json("plan", checkpoint(name), "--dtype", dtype,
                        "--strategy", "transformers-auto")
        assert plan["weights_bytes"] == MODELS[name]["transformers_int8"][key]


def memory_rows():
    with open(os.path.join(MEMORY, "transformers.h200.jsonl")) as f:
        return [json.loads(line) for line in f]


@pytest.fixture(scope="module")
def memory_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    return {n: write_checkpoint(m, folder / n) for n, m in models_of(MEMORY).items()}


@pytest.mark.parametrize(
    "row", memory_rows(),
    ids=lambda r: f"{r['model']}-{r['dtype']}-b{r['batch']}-p{r['prompt']}")
def test_memory(row, memory_models):
    """Within 2 % of what generate took in all, and 10 % of what it took over the weights."""
    if row["model"] == "llama-3-8b" and row["dtype"] == "int8":
        pytest.skip("random weights make most inputs of down_proj outliers, which "
                    "bitsandbytes then multiplies in 16 bit")
    plan = run_json("plan", memory_models[row["model"]], "--attention", row["attention"],
                    "--dtype", row["dtype"], "--rest-dtype", row["rest_dtype"],
                    "--batch", row["batch"], "--context", row["prompt"] + 16,
                    "--new-tokens", 16)
    over = plan["kv_cache_bytes"] + plan["activation_bytes"]
    measured = row["generate16_peak_bytes"]
    total = row["weights_allocated_bytes"] + measured
    assert abs(over - measured) <= 0.10 * measured
    assert abs(plan["weights_bytes"] + over - total) <= 0.02 * total


def h100_shapes():
    with gzip.open(os.path.join(MEMORY, "transformers.h100.jsonl.gz"), "rt") as f:
        return [json.loads(line) for line in f]


@pytest.mark.parametrize("shape", h100_shapes(), ids=lambda s: s["model"])
def test_memory_of_many_shapes(shape, tmp_path):
    """51 shapes of 25 families, most of them few layers deep. What was asked of the allocator
    at the peak is predicted to 6 %; what it handed out to 10 %, unless the difference between
    the two is larger: a block that would leave less than 1 MiB over is given away whole."""
    config = getattr(transformers, shape["config_class"])(**shape["config"])
    with torch.device("meta"):
        model = getattr(transformers, shape["class"])._from_config(config, dtype=torch.float16)
    model.tie_weights()
    tensors = {n: ("F16", list(t.shape)) for n, t in model.state_dict().items()
               if n not in model.all_tied_weights_keys}
    folder = write_checkpoint(dict(
        arch=shape["class"], base_model_prefix=model.base_model_prefix, tensors=tensors,
        config=dict(config.to_dict(), dtype="float16")), tmp_path / "model")
    wrong = []
    for dtype, rest, attention, batch, prompt, weights, peak, asked in shape["rows"]:
        plan = run_json("plan", folder, "--attention", attention, "--dtype", dtype,
                        "--rest-dtype", rest, "--batch", batch, "--context", prompt + 16,
                        "--new-tokens", 16)
        over = plan["kv_cache_bytes"] + plan["activation_bytes"]
        given = abs(peak - asked) if asked else 0
        if abs(over - peak) > max(0.10 * peak, given + 0.06 * peak):
            wrong.append((dtype, rest, attention, batch, prompt, over, peak))
        if asked and abs(over - asked) > 0.06 * asked:
            wrong.append((dtype, rest, attention, batch, prompt, over, peak, asked))
        held = plan["weights_bytes"] + plan["devices"][0]["overhead_bytes"]  # and buffers
        if dtype != "int8" and abs(held - weights) > 0.001 * weights:
            wrong.append((dtype, "weights", held, weights))
    assert not wrong


def meta_model(config, arch):
    with accelerate.init_empty_weights():
        return getattr(transformers, arch)(transformers.AutoConfig.from_pretrained(config))


def check_map(model, device_map):
    """accelerate takes it, no key is unknown, and every tensor and buffer is said once."""
    check_device_map(model, device_map)
    modules = dict(model.named_modules())
    tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    for key in device_map:
        assert key in modules or key in tensors
    for name in tensors:
        above = [k for k in device_map if k in ("", name) or name.startswith(k + ".")]
        assert len(above) == 1, name


@pytest.mark.parametrize("strategy", ["optimal", "accelerate-auto", "transformers-sequential"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_accelerate_accepts(name, strategy, checkpoint, tmp_path):
    folder = checkpoint(name)
    sizes = run_json("plan", folder)
    each = sizes["weights_bytes"] + 8 * 10**9
    out = tmp_path / "map.json"
    for n in (1, 2, 3):
        budget = each if n == 1 else int(each / n * 1.3)
        run("plan", folder, "--strategy", strategy, "--device-map", out, "--offload",
            "--max-memory", ",".join(f"{i}={budget}" for i in range(n)))
        model = meta_model(folder, MODELS[name]["arch"])
        model.tie_weights()
        check_map(model, json.load(open(out)))


def tiny_names():
    """Every bundled family, and what further ones I8_FIXTURES holds."""
    found = {f for base in (DATA, MORE) if base and os.path.isdir(os.path.join(base, "tiny"))
             for f in os.listdir(os.path.join(base, "tiny"))}
    return [f"tiny/{f}" for f in sorted(found) if not f.endswith("-bin")]


@pytest.mark.parametrize("name", tiny_names())
def test_transformers_loads_by_map(name, converted):
    """The map of a converted checkpoint for two GPUs is complete, and loads it: by the real
    from_pretrained, with the CPU in place of each GPU."""
    model_folder(name)
    _, folder, _ = converted(name)
    args = ["plan", folder, "--context", 64, "--json"]
    total = run_json(*args[:-1])
    need = total["weights_bytes"] + total["kv_cache_bytes"] + total["activation_bytes"]
    plan = run_json(*args[:-1], "--max-memory", f"0={need},1={need}")
    config = transformers.AutoConfig.from_pretrained(folder)
    cls = getattr(transformers, config.architectures[0])
    model = cls.from_pretrained(folder, device_map={k: "cpu" for k in plan["device_map"]})
    assert all(p.device == torch.device("cpu") for p in model.parameters())
    check_map(model, plan["device_map"])


@pytest.mark.parametrize("name", ["bloom", "gemma2", "gpt2", "llama3", "opt", "t5"])
def test_dispatch(name, tmp_path):
    """accelerate hooks a model up by the map of two GPUs, with the CPU for the first and
    the disk for the second, and it computes what it computed in one piece."""
    folder = model_folder("tiny/" + name)
    total = run_json("plan", folder, "--dtype", "fp32", "--context", 64)
    need = total["weights_bytes"] // 2 + total["kv_cache_bytes"] + total["activation_bytes"]
    plan = run_json("plan", folder, "--dtype", "fp32", "--context", 64,
                    "--max-memory", f"0={int(1.3 * need)},1={int(1.3 * need)}")
    assert set(plan["device_map"].values()) == {0, 1}
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(
        folder, dtype=torch.float32).eval()
    ids = {"input_ids": torch.arange(5, 29)[None]}
    if config.is_encoder_decoder:
        ids["decoder_input_ids"] = ids["input_ids"]
    with torch.no_grad():
        whole = model(**ids).logits
        accelerate.dispatch_model(
            model, {k: ("cpu", "disk")[v] for k, v in plan["device_map"].items()},
            main_device="cpu", offload_dir=str(tmp_path))
        parts = model(**ids).logits
    assert torch.equal(whole, parts)
