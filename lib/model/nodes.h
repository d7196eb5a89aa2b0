/* SPDX-License-Identifier: Apache-2.0
 *
 * Shorthand for the families' node tables: one line a module. Each takes the depth
 * first; further designated initialisers (.bias, .when, .alias, .stack …) may follow.
 */
#ifndef I8I_MODEL_NODES_H
#define I8I_MODEL_NODES_H

#include "model/family.h"
#include <stddef.h>

/* clang-format off */
#define I8I_MODULE(d, n, cls, ...) \
    { .depth = (d), .kind = I8I_NODE_MODULE, .name = (n), .class_name = (cls), __VA_ARGS__ }
#define I8I_LINEAR(d, n, r, out, in, ...) \
    { .depth = (d), .kind = I8I_NODE_LINEAR, .name = (n), .class_name = "Linear", \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##out, .cols = I8I_DIM_##in, __VA_ARGS__ }
#define I8I_EMBEDDING(d, n, cls, r, n_rows, width, ...) \
    { .depth = (d), .kind = I8I_NODE_EMBEDDING, .name = (n), .class_name = (cls), \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##n_rows, .cols = I8I_DIM_##width, __VA_ARGS__ }
#define I8I_NORM(d, n, cls, r, width, ...) \
    { .depth = (d), .kind = I8I_NODE_NORM, .name = (n), .class_name = (cls), \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##width, __VA_ARGS__ }
/* The numbered blocks of the list above it. */
#define I8I_BLOCKS(d, cls, number, which_stack, ...) \
    { .depth = (d), .kind = I8I_NODE_MODULE, .name = "#", .class_name = (cls), \
      .role = I8I_ROLE_BLOCK, .count = I8I_DIM_##number, .stack = (which_stack), __VA_ARGS__ }
/* transformers 5 keeps both the scaled and the original frequencies. */
#define I8I_ROTARY(d, n, cls, ...) \
    I8I_MODULE(d, n, cls, __VA_ARGS__), \
    { .depth = (d) + 1, .kind = I8I_NODE_BUFFER, .name = "inv_freq", \
      .rows = I8I_DIM_ROTARY_HALF, __VA_ARGS__ }, \
    { .depth = (d) + 1, .kind = I8I_NODE_BUFFER, .name = "original_inv_freq", \
      .rows = I8I_DIM_ROTARY_HALF, __VA_ARGS__ }
#define I8I_PARAM(d, n, r, ...) \
    { .depth = (d), .kind = I8I_NODE_PARAM, .name = (n), .role = I8I_ROLE_##r, __VA_ARGS__ }
#define I8I_BUFFER(d, n, ...) \
    { .depth = (d), .kind = I8I_NODE_BUFFER, .name = (n), __VA_ARGS__ }

/* ---- what the descendants of LLaMA share; P is the class names' first part ---- */

#define I8I_LLAMA_TOP(P, embedding_class) \
    I8I_MODULE(0, "model", P "Model"), \
    I8I_EMBEDDING(1, "embed_tokens", embedding_class, EMBED, VOCAB, HIDDEN)
#define I8I_LLAMA_BLOCKS(P) \
    I8I_MODULE(1, "layers", "ModuleList"), \
    I8I_BLOCKS(2, P "DecoderLayer", LAYERS, 0)
#define I8I_LLAMA_ATTENTION(P, qkv_bias, o_bias) \
    I8I_MODULE(3, "self_attn", P "Attention"), \
    I8I_LINEAR(4, "q_proj", Q, Q, HIDDEN, .bias = qkv_bias), \
    I8I_LINEAR(4, "k_proj", K, KV, HIDDEN, .bias = qkv_bias), \
    I8I_LINEAR(4, "v_proj", V, KV, HIDDEN, .bias = qkv_bias), \
    I8I_LINEAR(4, "o_proj", O, HIDDEN, Q, .bias = o_bias)
#define I8I_LLAMA_MLP(P, has_bias, ...) \
    I8I_MODULE(3, "mlp", P "MLP", __VA_ARGS__), \
    I8I_LINEAR(4, "gate_proj", GATE, FFN, HIDDEN, .bias = has_bias), \
    I8I_LINEAR(4, "up_proj", UP, FFN, HIDDEN, .bias = has_bias), \
    I8I_LINEAR(4, "down_proj", DOWN, HIDDEN, FFN, .bias = has_bias), \
    I8I_MODULE(4, "act_fn", "Activation")
#define I8I_LLAMA_NORMS(P) \
    I8I_NORM(3, "input_layernorm", P "RMSNorm", ATTN_NORM, HIDDEN), \
    I8I_NORM(3, "post_attention_layernorm", P "RMSNorm", MLP_NORM, HIDDEN)
#define I8I_LLAMA_END(P) \
    I8I_NORM(1, "norm", P "RMSNorm", FINAL_NORM, HIDDEN), \
    I8I_ROTARY(1, "rotary_emb", P "RotaryEmbedding"), \
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN), \
    I8I_NODE_END

/* The experts of a block: one module each with three Linears, or three-dimensional
 * parameters that hold all of them (transformers 5). */
#define I8I_EXPERTS(d, P, gate, up, down) \
    I8I_MODULE(d, "experts", P "Experts", .when = i8i_when_fused), \
    I8I_PARAM((d) + 1, "gate_up_proj", EXPERTS_GATE_UP, .rows = I8I_DIM_EXPERTS, \
              .cols = I8I_DIM_EXPERT_FFN2, .extra = { I8I_DIM_HIDDEN }), \
    I8I_PARAM((d) + 1, "down_proj", EXPERTS_DOWN, .rows = I8I_DIM_EXPERTS, \
              .cols = I8I_DIM_HIDDEN, .extra = { I8I_DIM_EXPERT_FFN }), \
    I8I_MODULE((d) + 1, "act_fn", "Activation"), \
    I8I_MODULE(d, "experts", "ModuleList", .when = i8i_when_not_fused), \
    { .depth = (d) + 1, .kind = I8I_NODE_MODULE, .name = "#", .class_name = P "Expert", \
      .count = I8I_DIM_EXPERTS }, \
    I8I_LINEAR((d) + 2, gate, EXPERT_GATE, EXPERT_FFN, HIDDEN), \
    I8I_LINEAR((d) + 2, up, EXPERT_UP, EXPERT_FFN, HIDDEN), \
    I8I_LINEAR((d) + 2, down, EXPERT_DOWN, HIDDEN, EXPERT_FFN), \
    I8I_MODULE((d) + 2, "act_fn", "Activation")
/* A Linear in transformers 4, a bare parameter of its own class in 5. */
#define I8I_ROUTER(d, n, cls, ...) \
    { .depth = (d), .kind = I8I_NODE_LINEAR, .name = (n), .class_name = (cls), \
      .role = I8I_ROLE_ROUTER, .rows = I8I_DIM_EXPERTS, .cols = I8I_DIM_HIDDEN, __VA_ARGS__ }

#define I8I_LLAMA_KEYS \
    { I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED }, \
    { I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED }, \
    { I8I_DIM_LAYERS, "num_hidden_layers", I8I_REQUIRED }, \
    { I8I_DIM_HEADS, "num_attention_heads", I8I_REQUIRED }, \
    { I8I_DIM_KV_HEADS, "num_key_value_heads", I8I_OPTIONAL }, \
    { I8I_DIM_HEAD_DIM, "head_dim", I8I_OPTIONAL }, \
    { I8I_DIM_FFN, "intermediate_size", I8I_REQUIRED }, \
    { I8I_DIM_POSITIONS, "max_position_embeddings", 2048 }
#define I8I_KEYS_END { .keys = NULL }

/* The constant part of such a decoder's forward pass; further fields may follow. */
#define I8I_ROTARY_DECODER(norm_kind, place, positions, act, is_gated, epsilon, theta) \
    .shape = I8I_SHAPE_DECODER, .norm = I8I_NORM_##norm_kind, .norm_place = I8I_NORM_##place, \
    .position = I8I_POS_##positions, .activation = I8I_ACT_##act, .gated = (is_gated), \
    .causal = true, .final_norm = true, .norm_epsilon = (epsilon), .rope_theta = (theta)
#define I8I_LLAMA_ARCH I8I_ROTARY_DECODER(RMS, PRE, ROTARY, SILU, true, 1e-6, 1e4)

#define I8I_TIES(target, source) \
    (const struct i8i_tie[]) { { target, source, NULL }, { NULL, NULL, NULL } }
#define I8I_NAMES(...) (const char *const[]) { __VA_ARGS__, NULL }
/* What all decoders of the LLaMA kind say of themselves beside their tables. */
#define I8I_LLAMA_FAMILY(type, P) \
    .model_type = type, .architecture = P "ForCausalLM", .base_prefix = "model", \
    .no_split = I8I_NAMES(P "DecoderLayer"), \
    .ties = I8I_TIES("lm_head.weight", "model.embed_tokens.weight"), \
    .stale = I8I_NAMES("rotary_emb.inv_freq"), .output_embedding = "lm_head"
/* clang-format on */

#endif
