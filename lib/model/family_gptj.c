/* SPDX-License-Identifier: Apache-2.0
 *
 * GPT-J: attention and MLP side by side behind one norm, neighbours rotated in the
 * first part of each head, a head with bias.
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
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "n_embd|hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "n_layer|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "n_head|num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "n_inner", I8I_OPTIONAL},
    {I8I_DIM_ROTARY, "rotary_dim", 64},
    {I8I_DIM_POSITIONS, "n_positions|max_position_embeddings", I8I_REQUIRED},
    I8I_KEYS_END,
};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "transformer", "GPTJModel"),
    I8I_EMBEDDING(1, "wte", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_MODULE(1, "drop", "Dropout"),
    I8I_MODULE(1, "h", "ModuleList"),
    I8I_BLOCKS(2, "GPTJBlock", LAYERS, 0),
    I8I_NORM(3, "ln_1", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "attn", "GPTJAttention"),
    I8I_BUFFER(4, "embed_positions", .rows = I8I_DIM_POSITIONS, .cols = I8I_DIM_ROTARY),
    I8I_MODULE(4, "attn_dropout", "Dropout"),
    I8I_MODULE(4, "resid_dropout", "Dropout"),
    I8I_LINEAR(4, "k_proj", K, HIDDEN, HIDDEN),
    I8I_LINEAR(4, "v_proj", V, HIDDEN, HIDDEN),
    I8I_LINEAR(4, "q_proj", Q, HIDDEN, HIDDEN),
    I8I_LINEAR(4, "out_proj", O, HIDDEN, HIDDEN),
    I8I_MODULE(3, "mlp", "GPTJMLP"),
    I8I_LINEAR(4, "fc_in", UP, FFN, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "fc_out", DOWN, HIDDEN, FFN, .bias = i8i_always),
    I8I_MODULE(4, "act", "Activation"),
    I8I_MODULE(4, "dropout", "Dropout"),
    I8I_NORM(1, "ln_f", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN, .bias = i8i_always),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_gptj = {
    .model_type = "gptj",
    .architecture = "GPTJForCausalLM",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_ROTARY_PAIRS,
            .activation = I8I_ACT_GELU_TANH,
            .parallel = true,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
            .rope_theta = 10000.0,
        },
    .nodes = nodes,
    .no_split = I8I_NAMES("GPTJBlock"),
    .ties = I8I_TIES("lm_head.weight", "transformer.wte.weight"),
    .stale = I8I_NAMES(".attn.bias", ".attn.masked_bias"),
    .output_embedding = "lm_head",
    .eager_only = true,
    .holds = I8I_HOLD_ATTENTION | I8I_HOLD_WEIGHTS | I8I_HOLD_UNROTATED | I8I_SCORES_WIDE,
};
