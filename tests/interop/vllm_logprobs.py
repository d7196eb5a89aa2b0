#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether vLLM answers from a conversion as it does from the original.

    vllm_logprobs.py [--tokens IDS.json] [--windows 24] [--length 512]
                     [--attention BACKEND] ORIGINAL DIR...

Needs vLLM and a GPU, so `make interop` leaves it out. Each model runs in a process of its own
(float and int8 engines do not share one well) over the same windows of token ids (a JSON list;
without --tokens, ids spread over the vocabulary). Printed for each: the perplexity, the
correlation of its log-probabilities with the original's, and by which method its modules
are computed. A conversion that cannot be loaded, or whose correlation is below 0.99, is an error.
That wants trained weights: rows with each other's scales leave 0.973 of small-bloom, where int8
leaves 0.999, but up to 0.997 of a random model, whose rows are all alike.
"""
import argparse
import collections
import json
import math
import os
import subprocess
import sys

LEAST = 0.99


def prompts(args, model):
    if args.tokens:
        with open(args.tokens, encoding="utf-8") as f:
            ids = json.load(f)
    else:
        with open(os.path.join(model, "config.json"), encoding="utf-8") as f:
            vocabulary = json.load(f)["vocab_size"]
        ids = [(i * 7919 + 13) % (vocabulary - 3) + 3 for i in range(args.windows * args.length)]
    return [ids[i * args.length:(i + 1) * args.length] for i in range(args.windows)]


def methods(llm):
    engine = llm.llm_engine.engine_core.engine_core
    model = engine.model_executor.driver_worker.worker.model_runner.model
    count = collections.Counter()
    for _, module in model.named_modules():
        method = getattr(module, "scheme", None) or getattr(module, "quant_method", None)
        if method is not None and "Linear" in type(module).__name__:
            count[type(method).__name__] += 1
    return dict(count)


def score(args, model):
    """In the child: one JSON line on the last line of stdout."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # methods() looks into the engine
    from vllm import LLM, SamplingParams
    windows = prompts(args, model)
    attention = {"attention_config": {"backend": args.attention}} if args.attention else {}
    llm = LLM(model=model, skip_tokenizer_init=True, enforce_eager=True, dtype=args.dtype,
              max_model_len=args.length + 1, kv_cache_memory_bytes=1 << 27, max_logprobs=1,
              enable_prefix_caching=False, **attention)
    outputs = llm.generate([{"prompt_token_ids": w} for w in windows],
                           SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0,
                                          detokenize=False), use_tqdm=False)
    logprobs = [d[t].logprob for w, o in zip(windows, outputs)
                for t, d in zip(w, o.prompt_logprobs) if d is not None]
    print(json.dumps({"logprobs": logprobs, "methods": methods(llm)}))


def correlation(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    return both / math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens")
    parser.add_argument("--windows", type=int, default=24)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--attention", metavar="BACKEND", help="vLLM's name: TRITON_ATTN")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("models", nargs="+", metavar="DIR")
    args = parser.parse_args()
    if args.child:
        return score(args, args.models[0])
    original, bad = None, False
    options = sys.argv[1:len(sys.argv) - len(args.models)]
    for model in args.models:
        run = subprocess.run([sys.executable, __file__, "--child", *options, model],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode != 0:
            errors = [line for line in run.stderr.splitlines() if "Error" in line]
            print(f"{model}: FAILED: {(errors or ['?'])[-1]}")
            bad = True
            continue
        result = json.loads(run.stdout.splitlines()[-1])
        logprobs = result["logprobs"]
        original = original or logprobs
        agreement = correlation(original, logprobs)
        bad |= not agreement >= LEAST
        print(f"{model}: perplexity {math.exp(-sum(logprobs) / len(logprobs)):.4f}, "
              f"correlation {agreement:.5f}, {result['methods']}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
