# SPDX-License-Identifier: Apache-2.0
"""transformers and bitsandbytes, on the CPU, read what convert wrote with a GPU's rounding and in
shards. (test_load.py has every family with a CPU's, byte for byte and bit for bit.)
"""
import logging
import os

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import (AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM,
                          BitsAndBytesConfig)

import oracle
from conftest import TINY, TRAINED, run

MODELS = TRAINED + TINY
torch.manual_seed(0)


class Caught(logging.Handler):
    """Keeps what is logged at warning or above."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def load(folder, **options):
    """The model, its loading report, and the warnings that loading it gave."""
    config = AutoConfig.from_pretrained(folder)
    cls = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    caught = Caught()
    logger = transformers.utils.logging.get_logger("transformers")
    logger.addHandler(caught)
    try:
        model, report = cls.from_pretrained(folder, output_loading_info=True, **options)
    finally:
        logger.removeHandler(caught)
    return model.eval(), report, caught.lines


def int8_modules(model):
    return {n: m for n, m in model.named_modules() if type(m).__name__ == "Linear8bitLt"}


def logits(model, rows=2, length=48):
    ids = torch.randint(0, model.config.vocab_size, (rows, length),
                        generator=torch.Generator().manual_seed(1))
    more = {"decoder_input_ids": ids[:, :16]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, **more).logits


def load_in_8bit(source):
    return load(source, quantization_config=BitsAndBytesConfig(load_in_8bit=True),
                device_map="cpu")[0]


@pytest.mark.parametrize("name", MODELS)
def test_loads_clean(converted, name):
    _, out, _ = converted(name, "cuda")
    model, report, warnings = load(out, device_map="cpu")
    assert not any(report.values()), report
    assert not warnings, warnings
    assert int8_modules(model)


@pytest.mark.parametrize("name", TRAINED)
def test_cuda_rounding_is_near(converted, name):
    """The GPU's bytes differ in ties only: the logits on a CPU stay near."""
    source, out, _ = converted(name, "cuda")
    a, b = (logits(m).float() for m in (load(out, device_map="cpu")[0], load_in_8bit(source)))
    assert ((a - b).norm() / b.norm()).item() < 0.05


@pytest.mark.parametrize("name", ["tiny-llama", "tiny/t5"])
def test_shards_load(tmp_path, converted, name):
    source, one, _ = converted(name, "cpu")
    run("convert", source, "-o", tmp_path / "many", "--rounding", "cpu", "--max-shard-size",
        "300KB")
    assert os.path.exists(tmp_path / "many" / "model.safetensors.index.json")
    model, report, warnings = load(str(tmp_path / "many"), device_map="cpu")
    assert not any(report.values()) and not warnings, (report, warnings)
    assert torch.equal(logits(model), logits(load(one, device_map="cpu")[0]))


@pytest.mark.parametrize("name", MODELS)
def test_safetensors_package(converted, name):
    """The reference reader accepts each file and sees what our own reading saw."""
    _, out, _ = converted(name, "cpu")
    seen = {}
    for file in sorted(os.listdir(out)):
        if file.startswith("model") and file.endswith(".safetensors"):
            seen |= load_file(os.path.join(out, file))
    expected = oracle.read_checkpoint(out)
    assert set(seen) == set(expected)
    for key, tensor in seen.items():
        assert tuple(tensor.shape) == expected[key].shape, key
        raw = tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
        assert raw == expected[key].data, key
