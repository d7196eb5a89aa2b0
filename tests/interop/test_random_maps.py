# SPDX-License-Identifier: Apache-2.0
"""plan's replay of accelerate and transformers against the two themselves, on models of
every family with sizes drawn at random, and on budgets that are tight, uneven, zero, or
have gaps in their ids.

I8_MAP_MODELS: how many models (default 43, one of each class), I8_MAP_SEED: where the drawing starts.
"""
import json
import os
import random

import pytest
import torch
from accelerate.utils import get_balanced_memory, infer_auto_device_map
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.integrations import accelerate as hf
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import AutoHfQuantizer

from conftest import run, run_json
from random_models import FAMILIES, Drawn
from sparse import write_checkpoint

SEED = int(os.environ.get("I8_MAP_SEED", "1"))
MODELS = int(os.environ.get("I8_MAP_MODELS", "43"))
MODES = ["balanced", "balanced_low_0", "sequential"]
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16,
          "int8": torch.int8}


def special_dtypes(model):
    """int8 by accelerate: one byte for the weight of each Linear that is neither tied nor the
    head, two for every other parameter."""
    head = model.get_output_embeddings()
    tied = set(model.all_tied_weights_keys) | set(model.all_tied_weights_keys.values())
    special = {n: torch.float16 for n, _ in model.named_parameters(remove_duplicate=False)}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, Conv1D)) and module is not head:
            if f"{name}.weight" not in tied:
                special[f"{name}.weight"] = torch.int8
    return special


def draw_budgets(r, total):
    """Budgets around what the model takes."""
    n = r.choice([1, 1, 2, 2, 3, 4, 8])
    ids = list(range(n))
    if r.random() < 0.25:
        ids = sorted(r.sample(range(12), n))
    each = total / n * r.choice([0.3, 0.7, 0.95, 1.0, 1.05, 1.15, 1.3, 1.6, 2.5])
    budgets = {i: int(each * (1 if r.random() < 0.5 else r.uniform(0.2, 2))) for i in ids}
    if r.random() < 0.15:
        budgets[r.choice(ids)] = 0
    if r.random() < 0.5:
        budgets["cpu"] = int(total * r.choice([0, 0.05, 0.3, 1, 4]))
    return budgets


def accelerate_map(model, mode, dtype, budgets):
    special, size = None, dtype
    if dtype == "int8":
        special, size = special_dtypes(model), "int8"
    budgets = dict(budgets)
    classes = list(model._no_split_modules or [])
    if mode != "sequential":
        budgets = get_balanced_memory(
            model, max_memory=budgets, no_split_module_classes=classes, dtype=DTYPES[size],
            special_dtypes=special, low_zero=mode == "balanced_low_0")
    return infer_auto_device_map(model, max_memory=budgets, no_split_module_classes=classes,
                                 dtype=DTYPES[size], special_dtypes=special)


def transformers_map(model, quantizer, mode, budgets):
    return hf._get_device_map(model, mode, dict(budgets), quantizer)


def transformers_model(drawn, int8):
    """As from_pretrained has it when it asks for the map."""
    model, quantizer = drawn.make(torch.bfloat16, tie=False), None
    if int8:
        quantizer = AutoHfQuantizer.from_config(BitsAndBytesConfig(load_in_8bit=True))
        quantizer.validate_environment = lambda *args, **kwargs: None
        torch.set_default_dtype(torch.bfloat16)
        try:
            quantizer._process_model_before_weight_loading(model, None)
        finally:
            torch.set_default_dtype(torch.float32)
    return model, quantizer


def plan_map(folder, out, strategy, dtype, budgets):
    """The map, or None where plan says that the Python code raises."""
    text = ",".join(f"{k}={v}" for k, v in budgets.items())
    args = ["plan", folder, "--dtype", dtype, "--max-memory", text, "--strategy", strategy,
            "--device-map", out]
    try:
        run(*args)
    except AssertionError as e:
        return str(e)
    return json.load(open(out))


def python_map(make, *args):
    try:
        return {k: v for k, v in make(*args).items()}
    except (KeyError, IndexError) as e:
        return repr(e)


def difference(ours, theirs):
    """None if the two agree: the same map, or neither gives one."""
    if isinstance(ours, str) or isinstance(theirs, str):
        refused = isinstance(ours, str) and "exit 1" in ours
        return None if refused and isinstance(theirs, str) else (str(ours), str(theirs))
    if ours == theirs:
        return None
    return {k: (ours.get(k), theirs.get(k)) for k in sorted(set(ours) | set(theirs))
            if ours.get(k) != theirs.get(k)}


@pytest.mark.parametrize("number", range(MODELS))
def test_random_maps(number, tmp_path):
    r = random.Random(SEED * 100003 + number)
    arch = sorted(FAMILIES)[number % len(FAMILIES)]
    drawn = Drawn(arch, r)
    folder = write_checkpoint(drawn.entry, tmp_path / "model", r.random() < 0.3)
    out = tmp_path / "map.json"
    wrong = []

    model = drawn.make(torch.float32)
    for _ in range(8):
        dtype, mode = r.choice(["fp32", "fp16", "bf16", "int8"]), r.choice(MODES)
        sizes = run_json("plan", folder, "--dtype", dtype, "--strategy", "accelerate-auto")
        budgets = draw_budgets(r, sizes["weights_bytes"])
        theirs = python_map(accelerate_map, model, mode, dtype, budgets)
        ours = plan_map(folder, out, f"accelerate-{mode}", dtype, budgets)
        if difference(ours, theirs):
            wrong.append(("accelerate", mode, dtype, budgets, difference(ours, theirs)))
    for int8 in (False, True):
        model, quantizer = transformers_model(drawn, int8)
        dtype = "int8" if int8 else "bf16"
        for _ in range(4):
            mode = r.choice(MODES)
            sizes = run_json("plan", folder, "--dtype", dtype, "--strategy", "transformers-auto")
            budgets = draw_budgets(r, sizes["weights_bytes"])
            theirs = python_map(transformers_map, model, quantizer, mode, budgets)
            ours = plan_map(folder, out, f"transformers-{mode}", dtype, budgets)
            if difference(ours, theirs):
                wrong.append(("transformers", mode, dtype, budgets, difference(ours, theirs)))
    if wrong:
        pytest.fail(f"{arch} {drawn.kwargs}\n" + "\n".join(map(str, wrong)), pytrace=False)
