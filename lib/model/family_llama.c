/* SPDX-License-Identifier: Apache-2.0
 *
 * LLaMA 1 to 3: pre-norm with RMSNorm, rotary positions, grouped queries, gated MLP.
 */
#include "config.h"

#include "model/nodes.h"

#include <stddef.h>

enum { FLAG_ATTENTION_BIAS = 1, FLAG_MLP_BIAS = 2 };

static bool attention_bias(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_ATTENTION_BIAS;
}

static bool mlp_bias(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_MLP_BIAS;
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= FLAG_ATTENTION_BIAS;
    if (i8i_config_bool(config, "mlp_bias", false))
        hp->flags |= FLAG_MLP_BIAS;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_KV_HEADS, "num_key_value_heads", I8I_OPTIONAL},
    {I8I_DIM_HEAD_DIM, "head_dim", I8I_OPTIONAL},
    {I8I_DIM_FFN, "intermediate_size", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "max_position_embeddings", 2048},
    {.keys = NULL},
};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "model", "LlamaModel"),
    I8I_EMBEDDING(1, "embed_tokens", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_MODULE(1, "layers", "ModuleList"),
    I8I_BLOCKS(2, "LlamaDecoderLayer", LAYERS, 0),
    I8I_MODULE(3, "self_attn", "LlamaAttention"),
    I8I_LINEAR(4, "q_proj", Q, Q, HIDDEN, .bias = attention_bias),
    I8I_LINEAR(4, "k_proj", K, KV, HIDDEN, .bias = attention_bias),
    I8I_LINEAR(4, "v_proj", V, KV, HIDDEN, .bias = attention_bias),
    I8I_LINEAR(4, "o_proj", O, HIDDEN, Q, .bias = attention_bias),
    I8I_MODULE(3, "mlp", "LlamaMLP"),
    I8I_LINEAR(4, "gate_proj", GATE, FFN, HIDDEN, .bias = mlp_bias),
    I8I_LINEAR(4, "up_proj", UP, FFN, HIDDEN, .bias = mlp_bias),
    I8I_LINEAR(4, "down_proj", DOWN, HIDDEN, FFN, .bias = mlp_bias),
    I8I_MODULE(4, "act_fn", "SiLUActivation"),
    I8I_NORM(3, "input_layernorm", "LlamaRMSNorm", ATTN_NORM, HIDDEN),
    I8I_NORM(3, "post_attention_layernorm", "LlamaRMSNorm", MLP_NORM, HIDDEN),
    I8I_NORM(1, "norm", "LlamaRMSNorm", FINAL_NORM, HIDDEN),
    I8I_ROTARY(1, "rotary_emb", "LlamaRotaryEmbedding"),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_llama = {
    .model_type = "llama",
    .architecture = "LlamaForCausalLM",
    .base_prefix = "model",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_RMS,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_ROTARY,
            .activation = I8I_ACT_SILU,
            .gated = true,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-6,
            .rope_theta = 10000.0,
        },
    .nodes = nodes,
    .no_split = (const char *const[]){"LlamaDecoderLayer", NULL},
    .ties =
        (const struct i8i_tie[]){{"lm_head.weight", "model.embed_tokens.weight", NULL},
                                 {NULL, NULL, NULL}},
    .stale = (const char *const[]){"rotary_emb.inv_freq", NULL},
    .output_embedding = "lm_head",
};
