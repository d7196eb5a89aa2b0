/* SPDX-License-Identifier: Apache-2.0
 *
 * Falcon in its three forms: 7B (one key-value head for all, attention and MLP side by
 * side behind one norm), 40B and later (a group of queries to a key-value head, a norm
 * each), and RW (ALiBi, one after the other). Its Linear is a class of its own, which
 * transformers 5 does not make int8.
 */
#include "config.h"

#include "model/nodes.h"

enum { FLAG_SEQUENTIAL = 1, FLAG_TWO_NORMS = 2 };

static bool is_sequential(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_SEQUENTIAL;
}

static bool has_two_norms(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_TWO_NORMS;
}

static bool has_one_norm(const struct i8i_hparams *hp, int64_t block)
{
    return !has_two_norms(hp, block);
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    int64_t *d = hp->dim, norms;
    bool grouped = i8i_config_bool(config, "new_decoder_architecture", false);
    bool multi_query = i8i_config_bool(config, "multi_query", true);
    enum i8_status st = i8i_config_dim(&norms, config, "num_ln_in_parallel_attn", 2, err);
    if (st)
        return st;
    if (!grouped)
        d[I8I_DIM_KV_HEADS] = multi_query ? 1 : d[I8I_DIM_HEADS];
    hp->arch.qkv = grouped       ? I8I_QKV_GROUPS
                   : multi_query ? I8I_QKV_BLOCKS
                                 : I8I_QKV_HEADS;
    if (d[I8I_DIM_FFN] == 0)
        d[I8I_DIM_FFN] = 4 * d[I8I_DIM_HIDDEN];
    if (i8i_config_bool(config, "bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS | I8I_FLAG_MLP_BIAS;
    hp->arch.parallel = grouped || i8i_config_bool(config, "parallel_attn", true);
    if (grouped && norms == 2)
        hp->flags |= FLAG_TWO_NORMS;
    else if (!hp->arch.parallel)
        hp->flags |= FLAG_SEQUENTIAL;
    if (i8i_config_bool(config, "alibi", false)) {
        hp->arch.position = I8I_POS_ALIBI;
        hp->arch.alibi_scale = 1 / __builtin_sqrt((double)d[I8I_DIM_HEAD_DIM]);
        d[I8I_DIM_ROTARY] = d[I8I_DIM_HEAD_DIM]; /* the module is there all the same */
    }
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "num_hidden_layers|n_layer", I8I_REQUIRED},
    {I8I_DIM_HEADS, "num_attention_heads|n_head", I8I_REQUIRED},
    {I8I_DIM_KV_HEADS, "num_kv_heads|n_head_kv", I8I_OPTIONAL},
    {I8I_DIM_FFN, "ffn_hidden_size", I8I_OPTIONAL},
    {I8I_DIM_POSITIONS, "max_position_embeddings", 2048},
    I8I_KEYS_END,
};

/* clang-format off */
#define FALCON_LINEAR(d, n, r, out, in) \
    { .depth = d, .kind = I8I_NODE_LINEAR_SUBCLASS, .name = n, .class_name = "FalconLinear", \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##out, .cols = I8I_DIM_##in, \
      .bias = i8i_when_attention_bias }
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "transformer", "FalconModel"),
    I8I_EMBEDDING(1, "word_embeddings", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_MODULE(1, "h", "ModuleList"),
    I8I_BLOCKS(2, "FalconDecoderLayer", LAYERS, 0),
    I8I_MODULE(3, "self_attention", "FalconAttention"),
    FALCON_LINEAR(4, "query_key_value", QKV, QKV, HIDDEN),
    FALCON_LINEAR(4, "dense", O, HIDDEN, HIDDEN),
    I8I_MODULE(4, "attention_dropout", "Dropout"),
    I8I_MODULE(3, "mlp", "FalconMLP"),
    FALCON_LINEAR(4, "dense_h_to_4h", UP, FFN, HIDDEN),
    I8I_MODULE(4, "act", "Activation"),
    FALCON_LINEAR(4, "dense_4h_to_h", DOWN, HIDDEN, FFN),
    I8I_NORM(3, "ln_attn", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always,
             .when = has_two_norms),
    I8I_NORM(3, "ln_mlp", "LayerNorm", MLP_NORM, HIDDEN, .bias = i8i_always,
             .when = has_two_norms),
    I8I_NORM(3, "post_attention_layernorm", "LayerNorm", MLP_NORM, HIDDEN,
             .bias = i8i_always, .when = is_sequential),
    I8I_NORM(3, "input_layernorm", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always,
             .when = has_one_norm),
    I8I_NORM(1, "ln_f", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_ROTARY(1, "rotary_emb", "FalconRotaryEmbedding"),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_falcon = {
    .model_type = "falcon",
    .architecture = "FalconForCausalLM",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_ROTARY,
            .activation = I8I_ACT_GELU,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
            .rope_theta = 10000.0,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = I8I_NAMES("FalconDecoderLayer"),
    .ties = I8I_TIES("lm_head.weight", "transformer.word_embeddings.weight"),
    .stale = I8I_NAMES("rotary_emb.inv_freq"),
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_NORMED | I8I_HOLD_ATTENTION | I8I_HOLD_WEIGHTS | I8I_HOLD_COPIES |
             I8I_HOLD_ALL_HEADS | I8I_HOLD_MASK | I8I_HOLD_NO_REPEAT | I8I_SCORES_FALCON,
};
