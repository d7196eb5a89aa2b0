#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Digest of device maps made by accelerate and transformers, for tests/test_plan_maps.c.

    placement_digest.py DIR

DIR holds models.json.gz, accelerate-maps.jsonl.gz and transformers-maps.jsonl.gz (and is
tests/data/placement); models.txt and cases.txt are written there. A map is digested as
64-bit FNV-1a over its entries "module\\tdevice\\n", sorted.
"""
import gzip
import json
import os
import sys

DTYPE = {"float16": "fp16", "float32": "fp32", "bfloat16": "bf16", "int8": "int8"}


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def digest(device_map):
    entries = (f"{module}\t{device}\n" for module, device in device_map.items())
    return fnv1a("".join(sorted(entries)))


def write_models(models, path):
    with open(path, "w") as f:
        for name in sorted(models):
            m = models[name]
            config = dict(m["config"], architectures=[m["arch"]])
            f.write(f"model {name} {m['base_model_prefix']}\n")
            f.write("config " + json.dumps(config, separators=(",", ":")) + "\n")
            for tensor, (dtype, shape) in m["tensors"].items():
                f.write(f"{tensor} {dtype} {' '.join(map(str, shape))}\n")


def write_sizes(models, f):
    """The totals that the two libraries count, by dtype."""
    for name in sorted(models):
        m = models[name]
        for dtype, sizes in m["sizes"].items():
            modules = "".join(sorted(f"{k}\t{v}\n" for k, v in sizes["modules"].items()))
            keys = len(sizes["modules"])
            f.write(f"{name} accelerate {DTYPE[dtype]} size {sizes['total']} "
                    f"{keys} {fnv1a(modules):016x}\n")
        rules = m["transformers_int8"]
        f.write(f"{name} transformers int8 size {rules['total']} 0 0\n")
        f.write(f"{name} transformers bf16 size {rules['total_bf16']} 0 0\n")


def main():
    folder = sys.argv[1]
    models = json.load(gzip.open(os.path.join(folder, "models.json.gz")))
    write_models(models, os.path.join(folder, "models.txt"))
    with open(os.path.join(folder, "cases.txt"), "w") as f:
        write_sizes(models, f)
        for api in ("accelerate", "transformers"):
            for line in gzip.open(os.path.join(folder, f"{api}-maps.jsonl.gz"), "rt"):
                case = json.loads(line)
                budgets = ",".join(f"{k}={v}" for k, v in case["max_memory"].items())
                f.write(f"{case['model']} {api} {DTYPE[case['dtype']]} {case['mode']} "
                        f"{budgets} {len(case['device_map'])} "
                        f"{digest(case['device_map']):016x}\n")


main()
