# SPDX-License-Identifier: Apache-2.0
"""Configurations of every family that plan knows, drawn at random: real class names and
rules, sizes of which nobody has a table.
"""
import copy
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import torch
import transformers
from transformers.initialization import no_tie_weights


def heads(r, width=None):
    """(hidden size, heads, key and value heads)."""
    width = width or r.choice([8, 16, 24, 32, 64, 80, 128])
    kv = r.choice([1, 2, 3, 4])
    n = kv * r.choice([1, 1, 2, 3, 4])
    return n * width, n, kv


def common(r, **more):
    hidden, n, kv = heads(r)
    return dict(vocab_size=r.choice([100, 1000, 5003, 32000, 151936]), hidden_size=hidden,
                intermediate_size=hidden * r.choice([1, 2, 4, 11]) // 2 + r.choice([0, 8]),
                num_hidden_layers=r.randint(1, 14), num_attention_heads=n,
                max_position_embeddings=r.choice([64, 513, 2048]), **more)


def grouped(r, **more):
    hidden, n, kv = heads(r)
    return dict(common(r), hidden_size=hidden, num_attention_heads=n, num_key_value_heads=kv,
                tie_word_embeddings=r.random() < 0.4, **more)


def gpt(r, layers="n_layer", n_heads="n_head", width="n_embd", **more):
    hidden, n, _ = heads(r)
    return {"vocab_size": r.choice([100, 5003, 50257]), width: hidden,
            layers: r.randint(1, 14), n_heads: n, **more}


def moe(r, **more):
    return grouped(r, num_experts_per_tok=2, moe_intermediate_size=r.choice([24, 64, 200]), **more)


def latent(r, v3):
    rank = r.choice([None, 24, 48])
    return dict(moe(r), num_key_value_heads=4, num_attention_heads=4, hidden_size=128,
                n_routed_experts=r.choice([4, 8]), n_shared_experts=r.choice([1, 2]),
                kv_lora_rank=32, q_lora_rank=rank, qk_nope_head_dim=16, qk_rope_head_dim=8,
                v_head_dim=16, first_k_dense_replace=r.randint(0, 2), n_group=2, topk_group=1,
                **({} if v3 else dict(topk_method="greedy")))


def t5(r, vocab=None):
    hidden = r.choice([64, 128, 512])
    return dict(vocab_size=vocab or r.choice([500, 32128]), d_model=hidden, d_kv=r.choice([8, 64]),
                d_ff=hidden * r.randint(1, 4), num_layers=r.randint(1, 8),
                num_decoder_layers=r.randint(1, 8), num_heads=r.choice([2, 4, 12]),
                feed_forward_proj=r.choice(["relu", "gated-gelu"]),
                tie_word_embeddings=r.random() < 0.6)


def pair(r, **more):
    hidden, n, _ = heads(r)
    return dict(vocab_size=r.choice([500, 50265]), d_model=hidden, encoder_layers=r.randint(1, 8),
                decoder_layers=r.randint(1, 8), encoder_attention_heads=n,
                decoder_attention_heads=n, encoder_ffn_dim=hidden * r.randint(1, 4),
                decoder_ffn_dim=hidden * r.randint(1, 4), pad_token_id=0, **more)


def opt(r):
    hidden, n, _ = heads(r)
    narrow = r.random() < 0.4
    return dict(vocab_size=r.choice([500, 50272]), hidden_size=hidden, ffn_dim=hidden * 4,
                num_hidden_layers=r.randint(1, 14), num_attention_heads=n,
                max_position_embeddings=r.choice([64, 2048]),
                word_embed_proj_dim=hidden // 2 if narrow else hidden,
                do_layer_norm_before=r.random() < 0.7,
                tie_word_embeddings=r.random() < 0.8)


def falcon(r):
    hidden, n, kv = heads(r)
    new = r.random() < 0.4
    return dict(vocab_size=r.choice([500, 65024]), hidden_size=hidden, num_attention_heads=n,
                num_hidden_layers=r.randint(1, 12), new_decoder_architecture=new,
                num_kv_heads=kv if new else None, multi_query=r.random() < 0.7,
                parallel_attn=new or r.random() < 0.7, bias=r.random() < 0.5,
                alibi=not new and r.random() < 0.4, tie_word_embeddings=r.random() < 0.7)


def images(r):
    hidden, n, _ = heads(r)
    return dict(hidden_size=hidden, intermediate_size=hidden * r.randint(1, 4),
                num_hidden_layers=r.randint(1, 10), num_attention_heads=n, image_size=64,
                patch_size=r.choice([8, 16]))


def clip(r):
    hidden, n, _ = heads(r)
    text = dict(vocab_size=r.choice([100, 49408]), hidden_size=hidden, num_attention_heads=n,
                intermediate_size=hidden * 4, num_hidden_layers=r.randint(1, 8), projection_dim=48)
    return dict(text_config=text, vision_config=dict(images(r), projection_dim=48),
                projection_dim=48)


def gemma3_vision(r):
    return dict(text_config=dict(grouped(r), head_dim=24, tie_word_embeddings=True),
                vision_config=dict(images(r), patch_size=8), mm_tokens_per_image=16)


FAMILIES = {
    "BloomForCausalLM": lambda r: gpt(r, width="hidden_size"),
    "GPT2LMHeadModel": lambda r: gpt(r, n_positions=r.choice([64, 1024])),
    "GPTNeoForCausalLM": lambda r: dict(
        gpt(r, "num_layers", "num_heads", "hidden_size"), num_layers=4,
        attention_types=[[["global", "local"], 2]], max_position_embeddings=128),
    "GPTJForCausalLM": lambda r: gpt(r, rotary_dim=8, n_positions=128,
                                     tie_word_embeddings=r.random() < 0.3),
    "GPTBigCodeForCausalLM": lambda r: gpt(r, n_positions=128, multi_query=r.random() < 0.6),
    "GPTNeoXForCausalLM": lambda r: common(
        r, use_parallel_residual=r.random() < 0.7, tie_word_embeddings=r.random() < 0.3),
    "OPTForCausalLM": opt,
    "LlamaForCausalLM": lambda r: grouped(r, mlp_bias=r.random() < 0.2,
                                          attention_bias=r.random() < 0.2),
    "MistralForCausalLM": lambda r: grouped(r, head_dim=r.choice([None, 40]), sliding_window=64),
    "Qwen2ForCausalLM": grouped,
    "Qwen3ForCausalLM": lambda r: grouped(r, head_dim=r.choice([16, 128])),
    "GemmaForCausalLM": lambda r: dict(grouped(r, head_dim=48), tie_word_embeddings=True),
    "Gemma2ForCausalLM": lambda r: dict(grouped(r, head_dim=48), tie_word_embeddings=True),
    "Gemma3ForCausalLM": lambda r: dict(grouped(r, head_dim=48), tie_word_embeddings=True),
    "Gemma3ForConditionalGeneration": gemma3_vision,
    "PhiForCausalLM": lambda r: grouped(r, qk_layernorm=r.random() < 0.2),
    "Phi3ForCausalLM": lambda r: grouped(r, pad_token_id=0),
    "StableLmForCausalLM": lambda r: grouped(
        r, use_qkv_bias=r.random() < 0.5, qk_layernorm=r.random() < 0.2,
        use_parallel_residual=r.random() < 0.3),
    "Starcoder2ForCausalLM": lambda r: grouped(r, use_bias=r.random() < 0.7),
    "Olmo2ForCausalLM": grouped,
    "CohereForCausalLM": lambda r: dict(grouped(r), tie_word_embeddings=True),
    "FalconForCausalLM": falcon,
    "MptForCausalLM": lambda r: dict(
        vocab_size=r.choice([500, 50432]), d_model=256, n_heads=4, n_layers=r.randint(1, 12),
        expansion_ratio=r.choice([2, 4]), max_seq_len=128),
    "MixtralForCausalLM": lambda r: grouped(r, num_local_experts=r.choice([2, 4, 8])),
    "Qwen2MoeForCausalLM": lambda r: moe(r, num_experts=r.choice([4, 8]),
                                         shared_expert_intermediate_size=96),
    "Qwen3MoeForCausalLM": lambda r: moe(r, num_experts=r.choice([4, 8]), head_dim=32,
                                         decoder_sparse_step=r.choice([1, 2])),
    "DeepseekV2ForCausalLM": lambda r: latent(r, False),
    "DeepseekV3ForCausalLM": lambda r: latent(r, True),
    "GptOssForCausalLM": lambda r: grouped(r, head_dim=16, num_local_experts=4),
    "T5ForConditionalGeneration": t5,
    "T5EncoderModel": t5,
    "MT5ForConditionalGeneration": lambda r: t5(r, 250112),
    "BartForConditionalGeneration": pair,
    "WhisperForConditionalGeneration": lambda r: pair(r, num_mel_bins=80),
    "BertForMaskedLM": common,
    "BertModel": common,
    "RobertaForMaskedLM": common,
    "DistilBertForMaskedLM": lambda r: dict(
        vocab_size=r.choice([500, 30522]), dim=64, hidden_dim=256, n_layers=r.randint(1, 8),
        n_heads=4, max_position_embeddings=128),
    "ViTModel": images,
    "ViTForImageClassification": images,
    "CLIPModel": clip,
    "LlamaModel": grouped,
    "GPT2Model": lambda r: gpt(r, n_positions=64),
}
WIDTHS = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


class Drawn:
    """A model on the meta device, and what write_checkpoint of sparse.py takes."""

    def __init__(self, arch, rng):
        self.cls, self.kwargs = getattr(transformers, arch), FAMILIES[arch](rng)
        dtype = rng.choice([torch.float16, torch.bfloat16, torch.float32])
        model = self.make(dtype)
        tensors = {n: (WIDTHS[t.dtype], list(t.shape)) for n, t in model.state_dict().items()
                   if n not in model.all_tied_weights_keys}
        self.entry = dict(
            arch=arch, base_model_prefix=model.base_model_prefix, tensors=tensors,
            config=dict(model.config.to_dict(), dtype=str(dtype).removeprefix("torch.")))

    def make(self, dtype, tie=True):
        """The model with parameters of `dtype`, as from_pretrained makes it ahead of loading."""
        config = self.cls.config_class(**copy.deepcopy(self.kwargs))
        with torch.device("meta"), no_tie_weights():
            model = self.cls._from_config(config, dtype=dtype)
        if tie:
            model.tie_weights()
        return model
