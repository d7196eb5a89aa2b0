/* SPDX-License-Identifier: Apache-2.0
 *
 * MPT: ALiBi, norms and Linears without biases, one fused projection, the head tied.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    const i8i_json *attention = i8i_json_get(config, "attn_config");
    hp->dim[I8I_DIM_FFN] =
        4 * hp->dim[I8I_DIM_HIDDEN]; /* whatever expansion_ratio says */
    hp->arch.attention_scale =
        i8i_json_double(i8i_json_get(attention, "softmax_scale"), 0);
    hp->arch.alibi_max = i8i_json_double(i8i_json_get(attention, "alibi_bias_max"), 8);
    hp->arch.qkv_clip = i8i_json_double(i8i_json_get(attention, "clip_qkv"), 0);
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "d_model|hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "n_layers|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "n_heads|num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "max_seq_len", 2048},
    I8I_KEYS_END,
};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "transformer", "MptModel"),
    I8I_EMBEDDING(1, "wte", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_MODULE(1, "blocks", "ModuleList"),
    I8I_BLOCKS(2, "MptBlock", LAYERS, 0),
    I8I_NORM(3, "norm_1", "LayerNorm", ATTN_NORM, HIDDEN),
    I8I_MODULE(3, "attn", "MptAttention"),
    I8I_LINEAR(4, "Wqkv", QKV, QKV, HIDDEN),
    I8I_LINEAR(4, "out_proj", O, HIDDEN, HIDDEN),
    I8I_NORM(3, "norm_2", "LayerNorm", MLP_NORM, HIDDEN),
    I8I_MODULE(3, "ffn", "MptMLP"),
    I8I_LINEAR(4, "up_proj", UP, FFN, HIDDEN),
    I8I_MODULE(4, "act", "Activation"),
    I8I_LINEAR(4, "down_proj", DOWN, HIDDEN, FFN),
    I8I_MODULE(3, "resid_attn_dropout", "Dropout"),
    I8I_NORM(1, "norm_f", "LayerNorm", FINAL_NORM, HIDDEN),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_mpt = {
    .model_type = "mpt",
    .architecture = "MptForCausalLM",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_ALIBI,
            .qkv = I8I_QKV_BLOCKS,
            .activation = I8I_ACT_GELU,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = I8I_NAMES("MptBlock"),
    .ties = I8I_TIES("lm_head.weight", "transformer.wte.weight"),
    .output_embedding = "lm_head",
    .eager_only = true,
    .holds = I8I_HOLD_ATTENTION | I8I_HOLD_WEIGHTS | I8I_SCORES_MPT,
};
