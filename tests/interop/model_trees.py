#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/trees/*.tree: the module trees that transformers makes of configurations.

    model_trees.py OUTDIR [--check] [--tiny DIR] [--models models.json.gz]

Each model is instantiated on the meta device. --tiny adds the config.json of each folder of DIR,
--models the configurations of a placement fixture, which is checked against what is written.
--check compares with OUTDIR instead of writing.

A .tree file has one item a line:
    config JSON                     with "architectures"
    m PATH CLASS FLAGS              a module: s never split, i made int8 by load_in_8bit, - none
    p NAME SHAPE                    a parameter of the module above, tied ones included
    b NAME SHAPE DTYPE persistent|computed
    r FIRST LAST ... e              the lines between, for each index in place of '#'
    t TARGET SOURCE                 a tie
"""
import argparse, copy, gzip, json, os, re, sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import torch
import transformers
from torch import nn
from transformers.initialization import no_tie_weights
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import get_keys_to_not_convert
from transformers.quantizers.quantizers_utils import should_convert_module

HERE = os.path.dirname(os.path.abspath(__file__))
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
          torch.int32: "I32", torch.bool: "BOOL"}

SMALL = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
             num_attention_heads=4, max_position_embeddings=64)
GQA = dict(SMALL, num_key_value_heads=2)
MOE = dict(GQA, moe_intermediate_size=24, num_experts_per_tok=2)
MLA = dict(MOE, num_key_value_heads=4, n_routed_experts=4, kv_lora_rank=16, qk_nope_head_dim=8,
           qk_rope_head_dim=4, v_head_dim=8, first_k_dense_replace=1, n_group=2, topk_group=1)
# Name → (class, keyword arguments of its configuration)
CONFIGS = {
    "bart": ("BartForConditionalGeneration", dict(
        vocab_size=96, d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=40,
        max_position_embeddings=64)),
    "bert-base-class": ("BertModel", SMALL),
    "bert-masked-lm": ("BertForMaskedLM", SMALL),
    "bloom-base-class": ("BloomModel", dict(vocab_size=96, hidden_size=32, n_layer=2, n_head=4)),
    "clip": ("CLIPModel", dict(
        text_config=dict(SMALL, projection_dim=16), projection_dim=16,
        vision_config=dict(hidden_size=48, intermediate_size=64, num_hidden_layers=3,
                           num_attention_heads=4, image_size=32, patch_size=8,
                           projection_dim=16))),
    "cohere": ("CohereForCausalLM", GQA),
    "cohere-qk-norm": ("CohereForCausalLM", dict(GQA, use_qk_norm=True)),
    "deepseek_v2": ("DeepseekV2ForCausalLM", dict(
        MLA, q_lora_rank=None, n_shared_experts=2, topk_method="greedy")),
    "deepseek_v3": ("DeepseekV3ForCausalLM", dict(MLA, q_lora_rank=12, n_shared_experts=1)),
    "distilbert": ("DistilBertForMaskedLM", dict(
        vocab_size=96, dim=32, hidden_dim=48, n_layers=2, n_heads=4, max_position_embeddings=64)),
    "falcon-new": ("FalconForCausalLM", dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_kv_heads=2, new_decoder_architecture=True)),
    "falcon-alibi": ("FalconForCausalLM", dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True,
        bias=True, parallel_attn=False, multi_query=False)),
    "gemma3-vision": ("Gemma3ForConditionalGeneration", dict(
        text_config=dict(GQA, head_dim=12, num_hidden_layers=7), mm_tokens_per_image=4,
        vision_config=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3,
                           num_attention_heads=2, image_size=32, patch_size=8))),
    "gemma3_text": ("Gemma3ForCausalLM", dict(GQA, head_dim=12, num_hidden_layers=7)),
    "gpt_bigcode": ("GPTBigCodeForCausalLM", dict(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64)),
    "gpt_neox-sequential": ("GPTNeoXForCausalLM", dict(
        SMALL, attention_bias=False, use_parallel_residual=False)),
    "gpt_oss": ("GptOssForCausalLM", dict(GQA, head_dim=8, num_local_experts=4)),
    "gptj-tied": ("GPTJForCausalLM", dict(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4,
        tie_word_embeddings=True)),
    "llama-bias": ("LlamaForCausalLM", dict(
        GQA, attention_bias=True, mlp_bias=True, tie_word_embeddings=True)),
    "llama-base-class": ("LlamaModel", GQA),
    "mt5": ("MT5ForConditionalGeneration", dict(
        vocab_size=96, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)),
    "phi-qk-norm": ("PhiForCausalLM", dict(SMALL, qk_layernorm=True)),
    "qwen2_moe": ("Qwen2MoeForCausalLM", dict(
        MOE, num_experts=4, shared_expert_intermediate_size=40, mlp_only_layers=[0])),
    "qwen3_moe-mixed": ("Qwen3MoeForCausalLM", dict(
        MOE, num_experts=4, num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3])),
    "roberta": ("RobertaForMaskedLM", SMALL),
    "stablelm-parallel": ("StableLmForCausalLM", dict(
        GQA, use_parallel_residual=True, use_qkv_bias=True, qk_layernorm=True)),
    "starcoder2-no-bias": ("Starcoder2ForCausalLM", dict(
        GQA, use_bias=False, tie_word_embeddings=False)),
    "t5-encoder": ("T5EncoderModel", dict(
        vocab_size=96, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)),
    "bart-base-class": ("BartModel", dict(
        vocab_size=96, d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=40,
        max_position_embeddings=64, scale_embedding=True)),
    "deepseek_v2-q-rank": ("DeepseekV2ForCausalLM", dict(
        MLA, q_lora_rank=12, n_shared_experts=1, topk_method="greedy", num_hidden_layers=3,
        first_k_dense_replace=0)),
    "deepseek_v3-bias": ("DeepseekV3ForCausalLM", dict(
        MLA, q_lora_rank=None, attention_bias=True, tie_word_embeddings=True)),
    "distilbert-base-class": ("DistilBertModel", dict(
        vocab_size=96, dim=32, hidden_dim=48, n_layers=3, n_heads=2, max_position_embeddings=64)),
    "falcon-base-class": ("FalconModel", dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_kv_heads=2, new_decoder_architecture=True, num_ln_in_parallel_attn=1)),
    "falcon-sequential": ("FalconForCausalLM", dict(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        parallel_attn=False, tie_word_embeddings=False)),
    "gemma-bias": ("GemmaForCausalLM", dict(
        GQA, head_dim=12, attention_bias=True, tie_word_embeddings=False)),
    "gemma2-base-class": ("Gemma2Model", dict(GQA, head_dim=12)),
    "gpt2-base-class": ("GPT2Model", dict(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=80)),
    "gpt_bigcode-heads": ("GPTBigCodeForCausalLM", dict(
        vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, multi_query=False)),
    "gpt_neo-base-class": ("GPTNeoModel", dict(
        vocab_size=96, hidden_size=32, num_layers=2, num_heads=4, max_position_embeddings=64,
        intermediate_size=40, attention_types=[[["global", "local"], 1]])),
    "gpt_neox-tied": ("GPTNeoXForCausalLM", dict(SMALL, tie_word_embeddings=True)),
    "mistral-head-dim": ("MistralForCausalLM", dict(GQA, head_dim=12, sliding_window=None)),
    "mixtral-base-class": ("MixtralModel", dict(GQA, num_local_experts=3)),
    "olmo2-bias": ("Olmo2ForCausalLM", dict(GQA, attention_bias=True)),
    "opt-no-bias": ("OPTForCausalLM", dict(
        vocab_size=96, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, enable_bias=False, tie_word_embeddings=False)),
    "opt-base-class": ("OPTModel", dict(
        vocab_size=96, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, word_embed_proj_dim=16)),
    "phi3-partial": ("Phi3ForCausalLM", dict(
        GQA, partial_rotary_factor=0.5, pad_token_id=0, tie_word_embeddings=True)),
    "qwen3-bias": ("Qwen3ForCausalLM", dict(GQA, attention_bias=True)),
    "roberta-base-class": ("RobertaModel", dict(SMALL, type_vocab_size=1)),
    "t5-base-class": ("T5Model", dict(
        vocab_size=96, d_model=32, d_kv=4, d_ff=48, num_layers=2, num_decoder_layers=3,
        num_heads=4, feed_forward_proj="gated-silu")),
    "vit-no-bias": ("ViTModel", dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        image_size=30, patch_size=10, num_channels=1, qkv_bias=False)),
    "whisper-base-class": ("WhisperModel", dict(
        vocab_size=96, d_model=32, encoder_layers=3, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=2, encoder_ffn_dim=48,
        decoder_ffn_dim=40, num_mel_bins=20, max_source_positions=30,
        max_target_positions=24, pad_token_id=0)),
    "vit-classifier": ("ViTForImageClassification", dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        image_size=32, patch_size=8, num_labels=5)),
}


def build(arch, config):
    """The model, and what load_in_8bit would leave alone: asked, as there, ahead of the tying."""
    with torch.device("meta"), no_tie_weights():
        model = getattr(transformers, arch)(config)
    kept = get_keys_to_not_convert(model) + list(model._keep_in_fp32_modules or [])
    model.tie_weights()
    return model, kept


def tree_lines(model, kept):
    """Lines of every module in registration order, as (path, line)."""
    no_split = set(model._no_split_modules or [])
    lines = []
    for path, module in model.named_modules(remove_duplicate=False):
        flags = "s" if type(module).__name__ in no_split else ""
        if (isinstance(module, Conv1D) or type(module) is nn.Linear) and \
                should_convert_module(path, kept):
            flags += "i"
        lines.append((path, f"m {path or '.'} {type(module).__name__} {flags or '-'}"))
        at = path + "." if path else ""
        shape = lambda t: ",".join(map(str, t.shape)) or "scalar"
        for name, p in module._parameters.items():
            if p is not None:
                lines.append((path, f"p {at}{name} {shape(p)}"))
        for name, b in module._buffers.items():
            if b is not None:
                kind = "computed" if name in module._non_persistent_buffers_set else "persistent"
                lines.append((path, f"b {at}{name} {shape(b)} {DTYPES[b.dtype]} {kind}"))
    return lines


def compress(lines):
    """Runs of equal blocks of the outermost numbered lists are written once."""
    out, i = [], 0
    while i < len(lines):
        found = re.match(r"(.*?\.?)0$", lines[i][0]) if lines[i][1].startswith("m") else None
        if not found or (found[1] and not found[1].endswith(".")):
            out.append(lines[i][1])
            i += 1
            continue
        head, blocks, at = found[1], [], i
        while at < len(lines):
            path = f"{head}{len(blocks)}"
            inside = lambda p: p == path or p.startswith(path + ".")
            end = at
            while end < len(lines) and inside(lines[end][0]):
                end += 1
            if end == at:
                break
            mark = lambda s: re.sub(r" " + re.escape(path) + r"(?=[. ])", f" {head}#", s)
            blocks.append([mark(s) for _, s in lines[at:end]])
            at = end
        first = 0
        for k in range(1, len(blocks) + 1):
            if k == len(blocks) or blocks[k] != blocks[first]:
                out += [f"r {first} {k - 1}", *blocks[first], "e"]
                first = k
        i = at
    return out


def describe(model, kept, config):
    """`config` is what config.json would hold."""
    text = json.dumps(config, separators=(",", ":"), sort_keys=True)
    ties = [f"t {a} {b}" for a, b in sorted(model.all_tied_weights_keys.items())]
    return "\n".join([f"config {text}", *compress(tree_lines(model, kept)), *ties]) + "\n"


def config_dict(config, arch):
    d = config.to_dict()
    d["architectures"] = [arch]
    for key in ("label2id", "transformers_version", "_name_or_path"):
        d.pop(key, None)
    if len(d.get("id2label", {})) == 2:  # the default
        d.pop("id2label")
    return d


def check_against(fixture, model, kept):
    """The fixture's facts must be the instantiated model's."""
    params = [n for n, _ in model.named_parameters()]
    assert params == [n for n in fixture["tensors"] if n in set(params)], "parameter order"
    linears = [n for n, m in model.named_modules() if isinstance(m, Conv1D) or type(m) is nn.Linear]
    assert sorted(set(kept)) == sorted(fixture["transformers_int8"]["not_converted"]), kept
    n = sum(should_convert_module(x, kept) for x in linears)
    assert n == fixture["transformers_int8"]["converted"], (n, fixture["transformers_int8"])
    buffers = {n: list(b.shape) for n, b in model.named_buffers()}
    assert buffers == fixture["buffers"], "buffers"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("outdir")
    p.add_argument("--check", action="store_true")
    p.add_argument("--tiny")
    p.add_argument("--models")
    a = p.parse_args()
    todo = {}
    for name, (arch, kwargs) in CONFIGS.items():
        config = getattr(transformers, arch).config_class(**copy.deepcopy(kwargs))
        todo[name] = (arch, config_dict(config, arch), None)
    for name in sorted(os.listdir(a.tiny)) if a.tiny else []:
        d = json.load(open(os.path.join(a.tiny, name, "config.json")))
        if not name.endswith("-bin"):
            d.pop("transformers_version", None)
            todo["tiny-" + name] = (d["architectures"][0], d, None)
    models = json.loads(gzip.open(a.models, "rt").read()) if a.models else {}
    for name, m in models.items():
        d = dict(m["config"], architectures=[m["arch"]])
        for key in ("id2label", "label2id", "transformers_version", "_name_or_path"):
            d.pop(key, None)
        todo["full-" + name] = (m["arch"], d, m)

    wrong = []
    for name, (arch, d, fixture) in todo.items():
        config = getattr(transformers, arch).config_class.from_dict(copy.deepcopy(d))
        model, kept = build(arch, config)
        if fixture:
            check_against(fixture, model, kept)
        text = describe(model, kept, d)
        path = os.path.join(a.outdir, name + ".tree")
        if not a.check:
            open(path, "w").write(text)
        elif open(path).read() != text:
            wrong.append(name)
    print(f"{len(todo)} trees, {len(wrong)} differ", *wrong)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
