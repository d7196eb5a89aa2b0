# SPDX-License-Identifier: Apache-2.0
"""Checkpoints with one fault each. DEFECTS: name -> function(folder) that writes it."""
import json
import os
import struct

from sound_models import (Tensor, header_of, header_text, llama, opt, write_file, write_json,
                          write_model)

DEFECTS = {}
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def defect(function):
    DEFECTS[function.__name__.replace("_", "-")] = function
    return function


def sound(folder, **options):
    config, tensors = llama(**options)
    write_model(folder, config, tensors)
    return config, tensors


def raw(folder, content):
    """A sound model whose weights file is these bytes instead."""
    sound(folder)
    with open(os.path.join(folder, WEIGHTS), "wb") as f:
        f.write(content)


def edited(folder, edit, tail=b""):
    """A sound model whose header pairs went through edit(pairs)."""
    config, tensors = llama()
    pairs, data = header_of(tensors)
    text = header_text(edit(pairs) or pairs)
    raw(folder, struct.pack("<Q", len(text)) + text + data + tail)


# ---- the sound ones ----

@defect
def sound_llama(folder):
    sound(folder)


@defect
def sound_llama_bf16(folder):
    sound(folder, dtype="BF16")


@defect
def sound_shards(folder):
    write_model(folder, *llama(), shards=3)


@defect
def sound_opt(folder):
    write_model(folder, *opt())


@defect
def bare_file(folder):
    """No config.json, one weights file with another name, an embedding among the matrices."""
    os.makedirs(folder)
    write_file(os.path.join(folder, "weights.safetensors"), llama()[1])


# ---- the header ----

@defect
def header_longer_than_file(folder):
    raw(folder, struct.pack("<Q", 4096) + b'{"a":1}')


@defect
def header_over_100MB(folder):
    raw(folder, struct.pack("<Q", 100_000_001) + b"{")
    os.truncate(os.path.join(folder, WEIGHTS), 100_000_100)


@defect
def header_length_overflows(folder):
    raw(folder, struct.pack("<Q", 2**64 - 1) + b"{}")


@defect
def header_empty(folder):
    raw(folder, struct.pack("<Q", 0))


@defect
def file_empty(folder):
    raw(folder, b"")


@defect
def file_of_five_bytes(folder):
    raw(folder, b"\1\0\0\0\0")


@defect
def header_not_json(folder):
    text = b'{"model.norm.weight": {dtype: F16}}     '
    raw(folder, struct.pack("<Q", len(text)) + text)


@defect
def header_not_utf8(folder):
    text = b'{"model.\xff\xfe.weight":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    raw(folder, struct.pack("<Q", len(text)) + text)


@defect
def header_is_a_list(folder):
    raw(folder, struct.pack("<Q", 8) + b"[1,2,3] ")


@defect
def header_with_text_behind(folder):
    raw(folder, struct.pack("<Q", 8) + b"{}  {}  ")


@defect
def header_nested_deeply(folder):
    text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    raw(folder, struct.pack("<Q", len(text)) + text)


@defect
def offsets_overlap(folder):
    def edit(pairs):
        pairs[2][1]["data_offsets"] = list(pairs[1][1]["data_offsets"])
        pairs[2][1]["shape"] = list(pairs[1][1]["shape"])
    edited(folder, edit)


@defect
def offsets_leave_a_hole(folder):
    edited(folder, lambda pairs: pairs[:2] + pairs[3:])


@defect
def bytes_behind_the_data(folder):
    edited(folder, lambda pairs: pairs, tail=b"\0" * 8)


@defect
def data_too_short(folder):
    sound(folder)
    path = os.path.join(folder, WEIGHTS)
    os.truncate(path, os.path.getsize(path) - 1)


@defect
def offsets_reversed(folder):
    edited(folder, lambda pairs: pairs[0][1]["data_offsets"].reverse())


@defect
def offset_negative(folder):
    edited(folder, lambda pairs: pairs[0][1].update(data_offsets=[-64, 4032]))


@defect
def offset_fraction(folder):
    edited(folder, lambda pairs: pairs[0][1].update(data_offsets=[0, 4096.5]))


@defect
def shape_disagrees(folder):
    edited(folder, lambda pairs: pairs[1][1].update(shape=[32, 33]))


@defect
def shape_overflows(folder):
    edited(folder, lambda pairs: pairs[1][1].update(shape=[2**33, 2**33]))


@defect
def shape_is_text(folder):
    edited(folder, lambda pairs: pairs[1][1].update(shape="32x32"))


@defect
def dtype_unknown(folder):
    edited(folder, lambda pairs: pairs[1][1].update(dtype="F12"))


@defect
def dtype_missing(folder):
    edited(folder, lambda pairs: pairs[1][1].pop("dtype") and None)


@defect
def tensor_twice(folder):
    def edit(pairs):
        pairs[2] = (pairs[1][0], pairs[2][1])
    edited(folder, edit)


@defect
def tensor_twice_escaped(folder):
    """The same name, once with a letter written as an escape."""
    _, tensors = llama()
    pairs, data = header_of(tensors)
    pairs[2] = ("@@", pairs[2][1])
    escaped = pairs[1][0].replace("q_proj", r"\u0071_proj").encode()
    text = header_text(pairs).replace(b'"@@"', b'"' + escaped + b'"')
    text += b" " * (-len(text) % 8)
    raw(folder, struct.pack("<Q", len(text)) + text + data)


@defect
def metadata_is_a_number(folder):
    edited(folder, lambda pairs: [("__metadata__", {"format": 3})] + pairs)


# ---- the index ----

def index(folder, edit):
    """A sound sharded model whose index went through edit(document)."""
    write_model(folder, *llama(), shards=3)
    path = os.path.join(folder, INDEX)
    document = json.load(open(path))
    document = edit(document) or document
    write_json(folder, INDEX, document)


Q = "model.layers.0.self_attn.q_proj.weight"


@defect
def index_names_missing_file(folder):
    index(folder, lambda d: d["weight_map"].update({Q: "model-00009-of-00003.safetensors"}))


@defect
def index_escapes(folder):
    index(folder, lambda d: d["weight_map"].update({Q: "../elsewhere.safetensors"}))


@defect
def index_absolute(folder):
    index(folder, lambda d: d["weight_map"].update({Q: "/etc/passwd"}))


@defect
def index_tensor_not_in_shard(folder):
    index(folder, lambda d: d["weight_map"].update(
        {Q: "model-00003-of-00003.safetensors"}))


@defect
def index_forgets_tensor(folder):
    index(folder, lambda d: d["weight_map"].pop(Q) and None)


@defect
def index_without_map(folder):
    index(folder, lambda d: {"metadata": {}})


@defect
def index_not_json(folder):
    write_model(folder, *llama(), shards=3)
    with open(os.path.join(folder, INDEX), "w") as f:
        f.write("{'weight_map': {}}")


@defect
def shard_missing(folder):
    write_model(folder, *llama(), shards=3)
    os.unlink(os.path.join(folder, "model-00002-of-00003.safetensors"))


@defect
def no_weights(folder):
    sound(folder)
    os.unlink(os.path.join(folder, WEIGHTS))


@defect
def weights_are_a_folder(folder):
    no_weights(folder)
    os.mkdir(os.path.join(folder, WEIGHTS))


# ---- config.json ----

def config(folder, **changes):
    """A sound model with keys of its config changed; None takes a key away."""
    document, tensors = llama()
    document = {k: v for k, v in {**document, **changes}.items() if v is not None}
    write_model(folder, document, tensors)


@defect
def no_config(folder):
    sound(folder)
    os.unlink(os.path.join(folder, "config.json"))


@defect
def config_not_json(folder):
    sound(folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        f.write('{"model_type": "llama",}')


@defect
def config_without_width(folder):
    config(folder, hidden_size=None)


@defect
def config_other_width(folder):
    config(folder, hidden_size=64, head_dim=16)


@defect
def config_more_layers(folder):
    config(folder, num_hidden_layers=3)


@defect
def config_negative_layers(folder):
    config(folder, num_hidden_layers=-1)


@defect
def config_absurd_layers(folder):
    config(folder, num_hidden_layers=2**52)


@defect
def config_text_width(folder):
    config(folder, hidden_size="32")


@defect
def unknown_family(folder):
    config(folder, model_type="quagga", architectures=["QuaggaForCausalLM"])


# ---- sources that are quantized already ----

def quantized(folder, **block):
    config(folder, quantization_config=block)


@defect
def quantized_gptq(folder):
    quantized(folder, quant_method="gptq", bits=4, group_size=128)


@defect
def quantized_awq(folder):
    quantized(folder, quant_method="awq", bits=4, version="gemm")


@defect
def quantized_fp8(folder):
    quantized(folder, quant_method="fp8", activation_scheme="dynamic")


def fp8_blocks(folder, scale_name=None, scale_dtype="F32", more_rows=0, **block):
    """Linears in FP8 with a scale for each block of 48 x 40, as DeepSeek-V3 has them."""
    document, tensors = llama(dtype="BF16")
    document["quantization_config"] = {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
        "weight_block_size": [48, 40]} | block
    out = []
    for t in tensors:
        if not t.name.endswith("_proj.weight"):
            out.append(t)
            continue
        rows, cols = t.shape
        grid = [-(-rows // 48) + more_rows, -(-cols // 40)]
        one = {"F32": struct.pack("<f", 0.00035), "BF16": b"\xb8\x39", "F16": b"\0\x10"}
        out.append(Tensor(t.name, "F8_E4M3", t.shape,
                          bytes((7 * i) % 120 | (i % 3 << 7 & 128) for i in range(rows * cols))))
        name = scale_name or t.name + "_scale_inv"
        if name not in [o.name for o in out]:
            out.append(Tensor(name, scale_dtype, grid,
                              one[scale_dtype] * (grid[0] * grid[1])))
    write_model(folder, document, out)


@defect
def sound_fp8(folder):
    fp8_blocks(folder)


@defect
def sound_fp8_bf16_scales(folder):
    fp8_blocks(folder, scale_dtype="BF16")


@defect
def fp8_without_scales(folder):
    fp8_blocks(folder, scale_name="model.norm.scales")


@defect
def fp8_scales_of_another_shape(folder):
    fp8_blocks(folder, more_rows=1)


@defect
def fp8_scales_in_fp16(folder):
    fp8_blocks(folder, scale_dtype="F16")


@defect
def fp8_static_activations(folder):
    fp8_blocks(folder, activation_scheme="static")


@defect
def quantized_compressed_tensors(folder):
    quantized(folder, quant_method="compressed-tensors", format="int-quantized",
              config_groups={})


@defect
def quantized_bnb_4bit(folder):
    quantized(folder, quant_method="bitsandbytes", load_in_4bit=True, load_in_8bit=False)


def replaced(folder, leaf, change):
    """A sound model without a word in its config; each tensor *.`leaf` becomes change(t)."""
    document, tensors = llama()
    out = []
    for t in tensors:
        out += change(t) if t.name.endswith(leaf) else [t]
    write_model(folder, document, out)


@defect
def quantized_by_tensors_only(folder):
    """GPTQ's names, and nothing in config.json."""
    def change(t):
        base = t.name[:-len("weight")]
        rows, cols = t.shape
        return [Tensor(base + "qweight", "I32", [cols // 8, rows], bytes(cols // 8 * rows * 4)),
                Tensor(base + "scales", "F16", [1, rows], bytes(rows * 2))]
    replaced(folder, "_proj.weight", change)


@defect
def quantized_fp8_by_dtype_only(folder):
    replaced(folder, "_proj.weight", lambda t: [
        Tensor(t.name, "F8_E4M3", t.shape, bytes(t.shape[0] * t.shape[1]))])


# ---- numbers that int8 cannot hold ----

DOWN = "model.layers.1.mlp.down_proj.weight"


def one_value(folder, dtype, value):
    """Element [3, 5] of one converted matrix, as raw little-endian bytes."""
    document, tensors = llama(dtype=dtype)
    for t in tensors:
        if t.name == DOWN:
            at = (3 * t.shape[1] + 5) * len(value)
            t.data = t.data[:at] + value + t.data[at + len(value):]
    write_model(folder, document, tensors)


@defect
def weight_nan(folder):
    one_value(folder, "F16", b"\1\x7e")


@defect
def weight_inf(folder):
    one_value(folder, "BF16", b"\x80\xff")


@defect
def weight_beyond_fp16(folder):
    one_value(folder, "F32", struct.pack("<f", 70000.0))


# ---- int8 checkpoints that do not hold what they should ----

def int8(folder, change=lambda tensors: None):
    """A LLaMA whose projections are int8 as bitsandbytes stores them; change(tensors) takes
    the dictionary of its tensors."""
    document, tensors = llama()
    document["quantization_config"] = {
        "quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False,
        "llm_int8_threshold": 6.0, "llm_int8_skip_modules": ["lm_head"]}
    out = {}
    for t in tensors:
        out[t.name] = t
        if t.name.endswith("_proj.weight"):
            rows, cols = t.shape
            base = t.name[:-len("weight")]
            out[t.name] = Tensor(t.name, "I8", t.shape, bytes(range(1, 65)) * (rows * cols // 64))
            out[base + "SCB"] = Tensor(base + "SCB", "F32", [rows],
                                       struct.pack("<f", 0.25) * rows)
            out[base + "weight_format"] = Tensor(base + "weight_format", "U8", [], b"\0")
    change(out)
    write_model(folder, document, list(out.values()))


K = "model.layers.1.self_attn.k_proj."


@defect
def int8_sound(folder):
    int8(folder)


@defect
def int8_without_scb(folder):
    int8(folder, lambda t: t.pop(K + "SCB"))


@defect
def int8_scb_too_short(folder):
    int8(folder, lambda t: t.update({K + "SCB": Tensor(K + "SCB", "F32", [15], bytes(60))}))


@defect
def int8_scb_in_fp16(folder):
    int8(folder, lambda t: t.update({K + "SCB": Tensor(K + "SCB", "F16", [16], bytes(32))}))


@defect
def int8_scb_nan(folder):
    def change(t):
        scb = t[K + "SCB"]
        scb.data = struct.pack("<f", float("nan")) + scb.data[4:]
    int8(folder, change)


@defect
def int8_tiled(folder):
    """weight_format 3 is col_ampere, which bitsandbytes wrote before 0.45."""
    int8(folder, lambda t: t.update(
        {K + "weight_format": Tensor(K + "weight_format", "U8", [], b"\3")}))


@defect
def int8_unannounced(folder):
    """Sound tensors, but config.json says nothing of int8."""
    int8(folder)
    path = os.path.join(folder, "config.json")
    document = json.load(open(path))
    del document["quantization_config"]
    write_json(folder, "config.json", document)
