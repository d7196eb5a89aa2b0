#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_json.py SCHEMA FILE: does the document have the fields and types that the command
line promises? One document, no NaN, no key twice; further keys are allowed.

A type is a Python type, a list [type] of any length, a dict of fields, {str: type} for any
keys, or Either(...). float takes whole numbers, too; a bool is no number.
"""
import json
import sys


class Either:
    def __init__(self, *types):
        self.types = types


NULL = type(None)
NUMBER = Either(float, NULL)

METRICS = {"perplexity": NUMBER, "nll_per_token": NUMBER, "top1_accuracy": float}

SCHEMAS = {
    "plan": {
        "model": str, "architecture": str, "model_type": str, "dtype": str, "runtime": str,
        "strategy": str, "batch": int, "context": int, "parameters": int,
        "weights_bytes": int, "stored_bytes": int, "kv_cache_bytes": int,
        "activation_bytes": int, "module_bytes": {str: int}, "fits": bool,
        "devices": [{"id": Either(int, str), "capacity_bytes": Either(int, NULL),
                     "weights_bytes": int, "kv_cache_bytes": int, "activation_bytes": int,
                     "overhead_bytes": int, "total_bytes": int,
                     "free_bytes": Either(int, NULL)}],
        "device_map": {str: Either(int, str)}, "notes": [str]},
    "convert": {
        "output": str, "layout": str, "rounding": str, "tensors": int, "converted": int,
        "kept": int, "source_bytes": int, "output_bytes": int, "seconds": float,
        "peak_rss_bytes": int,
        "files": [{"name": str, "bytes": int, "sha256": Either(str, NULL)}]},
    "unpack": {
        "output": str, "source_bytes": int, "output_bytes": int, "seconds": float,
        "peak_rss_bytes": int,
        "files": [{"name": str, "bytes": int, "sha256": Either(str, NULL)}]},
    "verify": {
        "reference": METRICS, "converted": METRICS, "ppl_ratio": NUMBER, "mean_kl": NUMBER,
        "p99_kl": NUMBER, "max_kl": NUMBER, "top1_agreement": float,
        "logits_rel_l2": NUMBER, "logits_max_abs": NUMBER, "nonfinite": int,
        "tokens_scored": int,
        "layers": [{"name": str, "rel_l2": NUMBER, "cosine": NUMBER, "outlier_columns": int}],
        "device": str, "seconds": float, "peak_device_bytes": int,
        "predicted_device_bytes": Either(int, NULL), "pass": bool},
    "verify-generate": {
        "generate": [{"prompt": Either(str, NULL), "reference_ids": [int],
                      "converted_ids": [int], "first_difference": Either(int, NULL)}],
        "pass": bool},
    "reference": {"reference": METRICS},
    "golden": {"logits_rel_l2": NUMBER, "logits_max_abs": NUMBER, "top1_agreement": float,
               "pass": bool},
    "generate": [{"prompt": Either(str, NULL), "ids": [int], "text": Either(str, NULL),
                  "tokens_per_s": float}],
    "inspect": {"tensors": [{"name": str, "dtype": str, "shape": [int], "bytes": int,
                             "file": str}]},
    "pull": {"path": str, "commit": str, "downloaded_bytes": int, "seconds": float,
             "files": [{"name": str, "bytes": int, "sha256": str, "from": str}]},
    "devices": Either([dict], dict),
}


def check(where, value, kind):
    """Complaints about value, each with its place."""
    if isinstance(kind, Either):
        tries = [check(where, value, k) for k in kind.types]
        return [] if not all(tries) else tries[0]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [c for i, v in enumerate(value) for c in check(f"{where}[{i}]", v, kind[0])]
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        if list(kind) == [str]:
            return [c for k, v in value.items() for c in check(f"{where}.{k}", v, kind[str])]
        return [c for k, t in kind.items()
                for c in (check(f"{where}.{k}", value[k], t) if k in value
                          else [f"{where}.{k} is missing"])]
    if kind is float:
        kind = (int, float)
    good = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    return [] if good else [f"{where} is {value!r}, expected {kind}"]


def unique(pairs):
    keys = [k for k, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key stands twice among {keys}")
    return dict(pairs)


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def negative_sizes(where, value):
    """Sizes are bytes and never negative."""
    if isinstance(value, dict):
        return [c for k, v in value.items() for c in
                ([f"{where}.{k} is {v}"] if k.endswith("bytes") and isinstance(v, (int, float))
                 and v < 0 else negative_sizes(f"{where}.{k}", v))]
    if isinstance(value, list):
        return [c for i, v in enumerate(value) for c in negative_sizes(f"{where}[{i}]", v)]
    return []


def main(schema, path):
    with open(path, encoding="utf-8") as f:
        document = json.load(f, object_pairs_hook=unique, parse_constant=refuse)
    complaints = check("$", document, SCHEMAS[schema]) + negative_sizes("$", document)
    for complaint in complaints:
        print(f"{path}: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
