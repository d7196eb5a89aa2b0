/* SPDX-License-Identifier: Apache-2.0
 *
 * OPT: learned positions from row 2 on; norms ahead of the sublayers, or behind them
 * (OPT-350m, which also narrows its embeddings by project_in and project_out).
 */
#include "config.h"

#include "model/nodes.h"

#include <stddef.h>

enum { FLAG_BIAS = 1, FLAG_AFFINE = 2, FLAG_FINAL_NORM = 4 };

static bool has_bias(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_BIAS;
}

static bool has_final_norm(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_FINAL_NORM;
}

static bool is_narrow(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->dim[I8I_DIM_EMBED] != hp->dim[I8I_DIM_HIDDEN];
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    hp->dim[I8I_DIM_POSITION_ROWS] = hp->dim[I8I_DIM_POSITIONS] + 2;
    bool before = i8i_config_bool(config, "do_layer_norm_before", true);
    hp->arch.norm_place = before ? I8I_NORM_PRE : I8I_NORM_POST;
    hp->arch.final_norm =
        before && !i8i_config_bool(config, "_remove_final_layer_norm", false);
    if (hp->arch.final_norm)
        hp->flags |= FLAG_FINAL_NORM;
    if (i8i_config_bool(config, "enable_bias", true))
        hp->flags |= FLAG_BIAS;
    if (!i8i_config_bool(config, "layer_norm_elementwise_affine", true))
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "config.json: OPT without layer_norm_elementwise_affine");
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED},
    {I8I_DIM_EMBED, "word_embed_proj_dim", I8I_OPTIONAL},
    {I8I_DIM_LAYERS, "num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "ffn_dim", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "max_position_embeddings", I8I_REQUIRED},
    {.keys = NULL},
};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "model", "OPTModel"),
    I8I_MODULE(1, "decoder", "OPTDecoder"),
    I8I_EMBEDDING(2, "embed_tokens", "Embedding", EMBED, VOCAB, EMBED),
    I8I_EMBEDDING(2, "embed_positions", "OPTLearnedPositionalEmbedding", POSITION_EMBED,
                  POSITION_ROWS, HIDDEN),
    I8I_LINEAR(2, "project_out", PROJECT_OUT, EMBED, HIDDEN, .when = is_narrow),
    I8I_LINEAR(2, "project_in", PROJECT_IN, HIDDEN, EMBED, .when = is_narrow),
    I8I_NORM(2, "final_layer_norm", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always,
             .when = has_final_norm),
    I8I_MODULE(2, "layers", "ModuleList"),
    I8I_BLOCKS(3, "OPTDecoderLayer", LAYERS, 0),
    I8I_MODULE(4, "self_attn", "OPTAttention"),
    I8I_LINEAR(5, "k_proj", K, HIDDEN, HIDDEN, .bias = has_bias),
    I8I_LINEAR(5, "v_proj", V, HIDDEN, HIDDEN, .bias = has_bias),
    I8I_LINEAR(5, "q_proj", Q, HIDDEN, HIDDEN, .bias = has_bias),
    I8I_LINEAR(5, "out_proj", O, HIDDEN, HIDDEN, .bias = has_bias),
    I8I_MODULE(4, "activation_fn", "ReLU"),
    I8I_NORM(4, "self_attn_layer_norm", "LayerNorm", ATTN_NORM, HIDDEN,
             .bias = i8i_always),
    I8I_LINEAR(4, "fc1", UP, FFN, HIDDEN, .bias = has_bias),
    I8I_LINEAR(4, "fc2", DOWN, HIDDEN, FFN, .bias = has_bias),
    I8I_NORM(4, "final_layer_norm", "LayerNorm", MLP_NORM, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, EMBED),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_opt = {
    .model_type = "opt",
    .architecture = "OPTForCausalLM",
    .base_prefix = "model",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .position = I8I_POS_LEARNED,
            .activation = I8I_ACT_RELU,
            .causal = true,
            .position_offset = 2,
            .norm_epsilon = 1e-5,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = (const char *const[]){"OPTDecoderLayer", NULL},
    .ties = (const struct i8i_tie[]){{"lm_head.weight",
                                      "model.decoder.embed_tokens.weight", NULL},
                                     {NULL, NULL, NULL}},
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_INPUTS | I8I_DROP_NORMED,
};
