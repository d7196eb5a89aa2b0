#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sparse LLaMA checkpoint of about N tensors: many small blocks, weights a hole.

    many_tensors.py N OUTDIR [FILES]

In FILES files of about as many tensors each, with an index (4; a header holds at most
100 MB), or in a single one without.
"""
import json
import os
import struct
import sys

HIDDEN, FFN, VOCAB = 64, 128, 256


def block(i):
    p = f"model.layers.{i}."
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield p + f"self_attn.{name}.weight", [HIDDEN, HIDDEN]
    yield p + "mlp.gate_proj.weight", [FFN, HIDDEN]
    yield p + "mlp.up_proj.weight", [FFN, HIDDEN]
    yield p + "mlp.down_proj.weight", [HIDDEN, FFN]
    yield p + "input_layernorm.weight", [HIDDEN]
    yield p + "post_attention_layernorm.weight", [HIDDEN]


def write_shard(path, tensors):
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2
        for d in shape:
            size *= d
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(raw)) + raw)
        f.truncate(8 + len(raw) + at)


def main():
    count, out = int(sys.argv[1]), sys.argv[2]
    files = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    layers = max(1, (count - 3) // 9)
    tensors = {"model.embed_tokens.weight": [VOCAB, HIDDEN], "model.norm.weight": [HIDDEN],
               "lm_head.weight": [VOCAB, HIDDEN]}
    for i in range(layers):
        tensors.update(block(i))
    os.makedirs(out, exist_ok=True)
    names = sorted(tensors)
    each = -(-len(names) // files)
    parts = [names[i:i + each] for i in range(0, len(names), each)]
    weight_map = {}
    for i, part in enumerate(parts):
        file = ("model.safetensors" if len(parts) == 1
                else f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors")
        write_shard(os.path.join(out, file), {n: tensors[n] for n in part})
        weight_map.update(dict.fromkeys(part, file))
    if len(parts) > 1:
        with open(os.path.join(out, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {}, "weight_map": weight_map}, f)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
              "hidden_size": HIDDEN, "intermediate_size": FFN, "vocab_size": VOCAB,
              "num_hidden_layers": layers, "num_attention_heads": 4,
              "num_key_value_heads": 4, "max_position_embeddings": 2048,
              "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump(config, f)
    print(f"{len(tensors)} tensors in {len(parts)} file(s)")


main()
