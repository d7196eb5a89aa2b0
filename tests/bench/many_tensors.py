#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sparse LLaMA checkpoint of about N tensors: many small blocks, weights a hole.

    many_tensors.py N OUTDIR
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


def main():
    count, out = int(sys.argv[1]), sys.argv[2]
    layers = max(1, (count - 3) // 9)
    tensors = {"model.embed_tokens.weight": [VOCAB, HIDDEN], "model.norm.weight": [HIDDEN],
               "lm_head.weight": [VOCAB, HIDDEN]}
    for i in range(layers):
        tensors.update(block(i))
    header, at = {}, 0
    for name in sorted(tensors):
        size = 2
        for d in tensors[name]:
            size *= d
        header[name] = {"dtype": "BF16", "shape": tensors[name],
                        "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(raw)) + raw)
        f.truncate(8 + len(raw) + at)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
              "hidden_size": HIDDEN, "intermediate_size": FFN, "vocab_size": VOCAB,
              "num_hidden_layers": layers, "num_attention_heads": 4,
              "num_key_value_heads": 4, "max_position_embeddings": 2048,
              "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump(config, f)
    print(f"{len(tensors)} tensors, {len(raw)} bytes of header")


main()
