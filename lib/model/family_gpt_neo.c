/* SPDX-License-Identifier: Apache-2.0
 *
 * GPT-Neo: GPT-2 with plain Linears, unscaled attention, and every other block local.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)config;
    (void)err;
    if (hp->dim[I8I_DIM_FFN] == 0)
        hp->dim[I8I_DIM_FFN] = 4 * hp->dim[I8I_DIM_HIDDEN];
    hp->window_rule = I8I_WINDOW_ODD;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "num_layers|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "num_heads|num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "intermediate_size", I8I_OPTIONAL},
    {I8I_DIM_POSITIONS, "max_position_embeddings", I8I_REQUIRED},
    {I8I_DIM_WINDOW, "window_size", 256},
    I8I_KEYS_END,
};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "transformer", "GPTNeoModel"),
    I8I_EMBEDDING(1, "wte", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_EMBEDDING(1, "wpe", "Embedding", POSITION_EMBED, POSITIONS, HIDDEN),
    I8I_MODULE(1, "drop", "Dropout"),
    I8I_MODULE(1, "h", "ModuleList"),
    I8I_BLOCKS(2, "GPTNeoBlock", LAYERS, 0),
    I8I_NORM(3, "ln_1", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "attn", "GPTNeoAttention"),
    I8I_MODULE(4, "attention", "GPTNeoSelfAttention"),
    I8I_BUFFER(5, "bias", .rows = I8I_DIM_ONE, .cols = I8I_DIM_ONE,
               .extra = {I8I_DIM_POSITIONS, I8I_DIM_POSITIONS}, .dtype = I8_DTYPE_BOOL),
    I8I_MODULE(5, "attn_dropout", "Dropout"),
    I8I_MODULE(5, "resid_dropout", "Dropout"),
    I8I_LINEAR(5, "k_proj", K, HIDDEN, HIDDEN),
    I8I_LINEAR(5, "v_proj", V, HIDDEN, HIDDEN),
    I8I_LINEAR(5, "q_proj", Q, HIDDEN, HIDDEN),
    I8I_LINEAR(5, "out_proj", O, HIDDEN, HIDDEN, .bias = i8i_always),
    I8I_NORM(3, "ln_2", "LayerNorm", MLP_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "mlp", "GPTNeoMLP"),
    I8I_LINEAR(4, "c_fc", UP, FFN, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "c_proj", DOWN, HIDDEN, FFN, .bias = i8i_always),
    I8I_MODULE(4, "act", "Activation"),
    I8I_MODULE(4, "dropout", "Dropout"),
    I8I_NORM(1, "ln_f", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_gpt_neo = {
    .model_type = "gpt_neo",
    .architecture = "GPTNeoForCausalLM",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_LEARNED,
            .activation = I8I_ACT_GELU_TANH,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
            .attention_scale = 1.0,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = I8I_NAMES("GPTNeoBlock"),
    .ties = I8I_TIES("lm_head.weight", "transformer.wte.weight"),
    .stale = I8I_NAMES(".attn.attention.masked_bias"),
    .output_embedding = "lm_head",
    .eager_only = true,
    .holds = I8I_HOLD_INPUTS | I8I_HOLD_ATTENTION | I8I_HOLD_WEIGHTS | I8I_SCORES_WIDE,
};
