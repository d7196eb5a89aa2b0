#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One transformers release against what convert writes for it, model after model.

    load_worker.py JOBS.json      run by test_load.py in the environment of that release

JOBS: {"scratch": folder, "reader": "transformers5", "jobs": [{"name", "folder" | "config"}]}.
A job with a folder converts that checkpoint; one with a configuration first saves a model of it
with random weights, as this release saves it. One JSON line a job goes to stdout: {"name",
"failures": [text], "int8": modules, "said": what convert wrote to stderr, …}.

What is checked: the class that config.json names loads the converted folder without a key missing
or too many and without a warning; its int8 modules are those that load_in_8bit makes of the
original, their bytes and SCB equal, in memory and in the file; all outputs are bit for bit the same;
and plan and --dry-run had foretold its bytes.
"""
import json
import logging
import os
import shutil
import subprocess
import sys
import traceback

import torch
import transformers
from transformers import BitsAndBytesConfig

import oracle

DTYPES = [torch.bfloat16, torch.float16, torch.float32]


class Caught(logging.Handler):
    """Keeps what is logged at warning or above."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def class_of(folder):
    config = json.load(open(os.path.join(folder, "config.json")))
    return getattr(transformers, config["architectures"][0])


def load(folder, **options):
    """The model, its loading report, and the warnings that loading it gave."""
    caught = Caught()
    logger = transformers.utils.logging.get_logger("transformers")
    logger.addHandler(caught)
    try:
        model, report = class_of(folder).from_pretrained(
            folder, output_loading_info=True, device_map="cpu", **options)
    finally:
        logger.removeHandler(caught)
    return model.eval(), report, caught.lines


def random_model(job, index, folder):
    """A model with activations that reach the outlier threshold here and there."""
    config = dict(job["config"])
    cls = getattr(transformers, config["architectures"][0])
    torch.manual_seed(index)
    model = cls(cls.config_class.from_dict(config))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1 and name.endswith("weight"):
                p.mul_(1 + 7 * torch.rand(p.shape))
            elif p.ndim >= 2 and torch.all(p == 0):
                p.normal_(0, 0.02)
    model.to(DTYPES[index % 3]).save_pretrained(folder)


def inputs(model):
    """Something for every input that the model may have."""
    config = model.config
    text = getattr(config, "text_config", config)
    generator = torch.Generator().manual_seed(1)

    def ids(length):
        return torch.randint(0, text.vocab_size, (2, length), generator=generator)

    def noise(*shape):
        return torch.randn(shape, generator=generator).to(model.dtype)

    if model.main_input_name == "input_features":
        length = 2 * config.max_source_positions
        return {"input_features": noise(2, config.num_mel_bins, length),
                "decoder_input_ids": ids(8)}
    if model.main_input_name == "pixel_values" and not hasattr(text, "vocab_size"):
        return {"pixel_values": noise(2, config.num_channels, config.image_size,
                                      config.image_size)}
    given = {"input_ids": ids(12)}
    if config.is_encoder_decoder:
        given["decoder_input_ids"] = ids(8)
    if config.model_type == "clip":
        vision = config.vision_config
        given["pixel_values"] = noise(2, 3, vision.image_size, vision.image_size)
    return given


def outputs(model):
    """Every tensor of the answer, in order."""
    def walk(value):
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict):
            for v in value.values():
                yield from walk(v)
        elif isinstance(value, (tuple, list)):
            for v in value:
                yield from walk(v)
    with torch.no_grad():
        return list(walk(model(**inputs(model), use_cache=False)
                         if "use_cache" in model.forward.__code__.co_varnames
                         else model(**inputs(model))))


def int8_modules(model):
    return {n: m for n, m in model.named_modules() if type(m).__name__ == "Linear8bitLt"}


def run_both(ours, theirs):
    """The outputs of both. What bitsandbytes itself cannot run must fail alike: its outlier
    search wants contiguous activations, which DeepSeek's attention does not give it."""
    try:
        b = outputs(theirs)
    except RuntimeError as error:
        try:
            outputs(ours)
        except RuntimeError as same:
            if str(same) == str(error):
                return None, None
        raise
    return outputs(ours), b


def compare(ours, theirs, file, answer):
    mine, other = int8_modules(ours), int8_modules(theirs)
    if set(mine) != set(other):
        yield f"int8 here only: {sorted(set(mine) - set(other))[:3]}, there only: " \
              f"{sorted(set(other) - set(mine))[:3]}"
        return
    stored = {t.data for name, t in file.items()}
    for path, module in other.items():
        weight, scb = module.weight, module.weight.SCB
        if not (torch.equal(mine[path].weight, weight)
                and torch.equal(mine[path].weight.SCB, scb)):
            yield f"{path}: other bytes in memory"
        elif not {weight.contiguous().numpy().tobytes(), scb.numpy().tobytes()} <= stored:
            yield f"{path}: other bytes in the file"  # where it may be under an older name
    a, b = run_both(ours, theirs)
    if a is None:
        answer["cannot_run"] = True
        return
    if len(a) != len(b) or not a:
        yield f"{len(a)} outputs, not {len(b)}"
    for i, (x, y) in enumerate(zip(a, b)):
        if x.dtype != y.dtype or not torch.equal(x, y):
            yield f"output {i} differs by up to {(x.float() - y.float()).abs().max().item()}"
        elif not torch.isfinite(x[x > torch.finfo(x.dtype).min]
                                if x.is_floating_point() else x.float()).all():
            yield f"output {i} is not finite"


def tool(*args):
    """int8tool's JSON answer and what it wrote to stderr."""
    p = subprocess.run([os.environ["I8_TOOL"], *args, "--json"], capture_output=True, text=True)
    if p.returncode not in (0, 3):
        raise RuntimeError(f"int8tool {' '.join(args)}: {p.stderr.strip()}")
    return json.loads(p.stdout), p.stderr


def run(job, index, scratch, reader, answer):
    source = job.get("folder") or os.path.join(scratch, "source")
    out = os.path.join(scratch, "out")
    if "config" in job:
        random_model(job, index, source)
    command = ["convert", source, "-o", out, "--rounding", "cpu", "--for", reader, "--no-hash"]
    foretold = tool(*command, "--dry-run")[0]
    planned = tool("plan", source, "--runtime", reader)[0]
    made, answer["said"] = tool(*command)
    answer["int8"] = made["converted"]
    file = oracle.read_checkpoint(out)
    if [(f["name"], f["bytes"]) for f in foretold["files"]] != \
            [(n, os.path.getsize(os.path.join(out, n))) for n in
             (f["name"] for f in made["files"])]:
        yield "--dry-run foretold other files or sizes"
    if planned["weights_bytes"] != sum(len(t.data) for t in file.values()):
        yield f"plan says {planned['weights_bytes']} bytes, the tensors have " \
              f"{sum(len(t.data) for t in file.values())}"
    theirs, report, _ = load(source, quantization_config=BitsAndBytesConfig(load_in_8bit=True))
    if report["missing_keys"] or report["mismatched_keys"]:
        answer["unreadable"] = sorted(map(str, report["missing_keys"]))[:2]
        return  # a configuration or names of another release
    ours, report, warnings = load(out)
    for kind, keys in report.items():
        if keys:
            yield f"{kind}: {sorted(map(str, keys))[:4]}"
    for line in warnings:
        if answer["int8"] > 0 or "no linear modules were found" not in line:
            yield f"warning: {line}"
    if len(int8_modules(theirs)) != answer["int8"]:
        yield f"{answer['int8']} modules converted, {len(int8_modules(theirs))} by load_in_8bit"
    yield from compare(ours, theirs, file, answer)


def main():
    jobs = json.load(open(sys.argv[1]))
    for index, job in enumerate(jobs["jobs"]):
        answer = {"name": job["name"]}
        scratch = os.path.join(jobs["scratch"], "job")
        os.makedirs(scratch)
        try:
            answer["failures"] = list(run(job, index, scratch, jobs["reader"], answer))
        except Exception:
            answer["failures"] = [traceback.format_exc()]
        shutil.rmtree(scratch)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
