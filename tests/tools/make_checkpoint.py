#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes test checkpoints.

    make_checkpoint.py DIR KIND...          each KIND as DIR/KIND (without KIND: all)
    make_checkpoint.py --list               the kinds
    make_checkpoint.py --big BYTES DIR      a sound BF16 LLaMA of about BYTES, 4 shards
"""
import os
import random
import struct
import sys

import sound_models
from defects import DEFECTS


def big(folder, size):
    """Shards written as they are made, from one block of noise, so that memory stays small."""
    shards = 4
    hidden, ffn, vocab = (2048, 5504, 32000) if size >= 10**9 else (512, 1376, 4000)
    block = sound_models.noise(random.Random(3), "BF16", 1 << 22)

    def shape_of(layers):
        config, _ = sound_models.llama("BF16", 8, 8, 0, 8)
        config |= {"hidden_size": hidden, "intermediate_size": ffn, "vocab_size": vocab,
                   "num_hidden_layers": layers, "num_attention_heads": 16,
                   "num_key_value_heads": 16, "head_dim": hidden // 16}
        tensors = [("model.embed_tokens.weight", [vocab, hidden])]
        for i in range(layers):
            p = f"model.layers.{i}."
            tensors += [(f"{p}self_attn.{x}_proj.weight", [hidden, hidden]) for x in "qkvo"]
            tensors += [(p + "mlp.gate_proj.weight", [ffn, hidden]),
                        (p + "mlp.up_proj.weight", [ffn, hidden]),
                        (p + "mlp.down_proj.weight", [hidden, ffn]),
                        (p + "input_layernorm.weight", [hidden]),
                        (p + "post_attention_layernorm.weight", [hidden])]
        tensors += [("model.norm.weight", [hidden]), ("lm_head.weight", [vocab, hidden])]
        return config, [(n, s, 2 * s[0] * (s[1] if len(s) > 1 else 1)) for n, s in tensors]

    fixed = sum(n for _, _, n in shape_of(0)[1])
    layer = sum(n for _, _, n in shape_of(1)[1]) - fixed
    config, tensors = shape_of(max(1, round((size - fixed) / layer)))
    os.makedirs(folder, exist_ok=True)
    sound_models.write_json(folder, "config.json", config)
    weight_map, per_shard = {}, -(-len(tensors) // shards)
    for i in range(shards):
        part = tensors[i * per_shard:(i + 1) * per_shard]
        name = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        pairs, at = [], 0
        for tensor, shape, n in part:
            pairs.append((tensor, {"dtype": "BF16", "shape": shape,
                                   "data_offsets": [at, at + n]}))
            at += n
            weight_map[tensor] = name
        text = sound_models.header_text(pairs)
        with open(os.path.join(folder, name), "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            while at > 0:
                at -= f.write(block[:at])
    sound_models.write_json(folder, "model.safetensors.index.json", {
        "metadata": {"total_size": sum(n for _, _, n in tensors)}, "weight_map": weight_map})


def main(args):
    if args == ["--list"]:
        print("\n".join(DEFECTS))
    elif len(args) == 3 and args[0] == "--big":
        big(args[2], int(args[1]))
    elif args and not args[0].startswith("-") and all(k in DEFECTS for k in args[1:]):
        for kind in args[1:] or DEFECTS:
            DEFECTS[kind](os.path.join(args[0], kind))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
