# SPDX-License-Identifier: Apache-2.0
"""Full-size checkpoints whose weights are a hole in the file: real headers, shards and
config of a shape, kilobytes of disk.
"""
import json
import os
import struct

WIDTH = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}


def tensor_bytes(dtype, shape):
    n = WIDTH[dtype]
    for d in shape:
        n *= d
    return n


def shards_of(tensors, limit):
    out, size = [[]], 0
    for name, (dtype, shape) in tensors.items():
        n = tensor_bytes(dtype, shape)
        if out[-1] and size + n > limit:
            out.append([])
            size = 0
        out[-1].append((name, dtype, shape, n))
        size += n
    return out


def write_shard(path, tensors):
    """In the reference writer's order: widest dtype first, then by name."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, n in sorted(tensors, key=lambda t: (-WIDTH[t[1]], t[0])):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(raw)) + raw)
        f.truncate(8 + len(raw) + at)
    return at


def write_checkpoint(model, folder, strip_prefix=False, max_shard_size=5 * 10**9):
    """Writes one entry of a models.json.gz; strip_prefix drops the base model's prefix
    from tensor names, as many published checkpoints lack it."""
    prefix = model["base_model_prefix"] + "."
    names = {n: n[len(prefix):] if strip_prefix and n.startswith(prefix) else n
             for n in model["tensors"]}
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(dict(model["config"], architectures=[model["arch"]]), f)
    parts = shards_of({names[n]: t for n, t in model["tensors"].items()}, max_shard_size)
    weight_map, total = {}, 0
    for i, part in enumerate(parts):
        file = ("model.safetensors" if len(parts) == 1
                else f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors")
        total += write_shard(os.path.join(folder, file), part)
        weight_map.update((name, file) for name, *_ in part)
    if len(parts) > 1:
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, f)
    return str(folder)
