# SPDX-License-Identifier: Apache-2.0
"""Small sound checkpoints to start from, in the standard library alone.

A checkpoint is a config and a list of shards, a shard a list of Tensor. Weights are seeded
noise: finite, spread over a few powers of two.
"""
import json
import os
import random
import struct

WIDTH = {"F16": 2, "BF16": 2, "F32": 4, "I8": 1, "U8": 1, "I32": 4, "F8_E4M3": 1}
# The last byte of a little-endian number holds its sign and most of its exponent.
TOP = {"F16": (0x20, 0x24, 0x28, 0x2A), "BF16": (0x3A, 0x3B, 0x3C, 0x3D),
       "F32": (0x3A, 0x3B, 0x3C, 0x3D)}


class Tensor:
    def __init__(self, name, dtype, shape, data):
        self.name, self.dtype, self.shape, self.data = name, dtype, list(shape), data


def noise(rng, dtype, count):
    width = WIDTH[dtype]
    data = bytearray(rng.randbytes(count * width))
    if dtype in TOP:
        table = bytes(TOP[dtype][b & 3] | (b & 0x80) for b in range(256))
        data[width - 1::width] = bytes(data[width - 1::width]).translate(table)
    return bytes(data)


def ones(dtype, count):
    one = {"F16": b"\0\x3c", "BF16": b"\x80\x3f", "F32": b"\0\0\x80\x3f"}[dtype]
    return one * count


def tensor(rng, name, dtype, *shape):
    count = 1
    for d in shape:
        count *= d
    data = ones(dtype, count) if "norm" in name else noise(rng, dtype, count)
    return Tensor(name, dtype, shape, data)


NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}


def llama(dtype="F16", hidden=32, ffn=48, layers=2, vocab=64, seed=1):
    """config, tensors of an untied LLaMA with grouped-query attention."""
    heads, kv = 4, 2
    head = hidden // heads
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv, "head_dim": head, "vocab_size": vocab,
        "max_position_embeddings": 32, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": False, "attention_bias": False,
        "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 1, "dtype": NAMES[dtype]}
    rng = random.Random(seed)
    tensors = [tensor(rng, "model.embed_tokens.weight", dtype, vocab, hidden)]
    for i in range(layers):
        p = f"model.layers.{i}."
        tensors += [
            tensor(rng, p + "self_attn.q_proj.weight", dtype, heads * head, hidden),
            tensor(rng, p + "self_attn.k_proj.weight", dtype, kv * head, hidden),
            tensor(rng, p + "self_attn.v_proj.weight", dtype, kv * head, hidden),
            tensor(rng, p + "self_attn.o_proj.weight", dtype, hidden, heads * head),
            tensor(rng, p + "mlp.gate_proj.weight", dtype, ffn, hidden),
            tensor(rng, p + "mlp.up_proj.weight", dtype, ffn, hidden),
            tensor(rng, p + "mlp.down_proj.weight", dtype, hidden, ffn),
            tensor(rng, p + "input_layernorm.weight", dtype, hidden),
            tensor(rng, p + "post_attention_layernorm.weight", dtype, hidden)]
    tensors += [tensor(rng, "model.norm.weight", dtype, hidden),
                tensor(rng, "lm_head.weight", dtype, vocab, hidden)]
    return config, tensors


def opt(dtype="F16", hidden=32, ffn=64, layers=1, vocab=64, positions=16, seed=2):
    """config, tensors of a tied OPT; its position table has `positions` + 2 rows."""
    config = {
        "architectures": ["OPTForCausalLM"], "model_type": "opt", "hidden_size": hidden,
        "ffn_dim": ffn, "num_hidden_layers": layers, "num_attention_heads": 4,
        "vocab_size": vocab, "max_position_embeddings": positions,
        "word_embed_proj_dim": hidden, "do_layer_norm_before": True,
        "activation_function": "relu", "tie_word_embeddings": True, "bos_token_id": 2,
        "eos_token_id": 2, "pad_token_id": 1, "enable_bias": True, "dtype": NAMES[dtype],
        "layer_norm_elementwise_affine": True}
    rng = random.Random(seed)
    d = "model.decoder."
    tensors = [tensor(rng, d + "embed_tokens.weight", dtype, vocab, hidden),
               tensor(rng, d + "embed_positions.weight", dtype, positions + 2, hidden)]
    for i in range(layers):
        p = f"{d}layers.{i}."
        for name, rows, cols in (("self_attn.k_proj", hidden, hidden),
                                 ("self_attn.v_proj", hidden, hidden),
                                 ("self_attn.q_proj", hidden, hidden),
                                 ("self_attn.out_proj", hidden, hidden),
                                 ("fc1", ffn, hidden), ("fc2", hidden, ffn)):
            tensors += [tensor(rng, f"{p}{name}.weight", dtype, rows, cols),
                        tensor(rng, f"{p}{name}.bias", dtype, rows)]
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            tensors += [tensor(rng, f"{p}{name}.weight", dtype, hidden),
                        tensor(rng, f"{p}{name}.bias", dtype, hidden)]
    tensors += [tensor(rng, d + "final_layer_norm.weight", dtype, hidden),
                tensor(rng, d + "final_layer_norm.bias", dtype, hidden)]
    return config, tensors


# ---- writing ----

def header_of(tensors, at=0):
    """[(name, entry)] and the data, laid out without holes."""
    pairs = []
    for t in tensors:
        pairs.append((t.name, {"dtype": t.dtype, "shape": t.shape,
                               "data_offsets": [at, at + len(t.data)]}))
        at += len(t.data)
    return pairs, b"".join(t.data for t in tensors)


def header_text(pairs):
    """JSON of the pairs as they stand: a key may occur twice."""
    text = ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs)
    text = ("{" + text + "}").encode()
    return text + b" " * (-len(text) % 8)


def write_file(path, tensors):
    pairs, data = header_of(tensors)
    text = header_text([("__metadata__", {"format": "pt"})] + pairs)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=1)


def write_model(folder, config, tensors, shards=1):
    """One file, or `shards` files and their index."""
    os.makedirs(folder, exist_ok=True)
    if config is not None:
        write_json(folder, "config.json", config)
    if shards == 1:
        write_file(os.path.join(folder, "model.safetensors"), tensors)
        return
    size = -(-len(tensors) // shards)
    weight_map = {}
    for i in range(shards):
        part = tensors[i * size:(i + 1) * size]
        name = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        write_file(os.path.join(folder, name), part)
        weight_map |= {t.name: name for t in part}
    total = sum(len(t.data) for t in tensors)
    write_json(folder, "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": weight_map})
