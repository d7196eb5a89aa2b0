/* SPDX-License-Identifier: Apache-2.0
 *
 * GPT-2: learned positions, transposed Conv1D matrices, the head tied. GPTBigCode
 * (StarCoder 1) is the same with plain Linears and one key-value head for all.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    int64_t *d = hp->dim;
    if (d[I8I_DIM_FFN] == 0)
        d[I8I_DIM_FFN] = 4 * d[I8I_DIM_HIDDEN];
    if (!i8i_config_bool(config, "scale_attn_weights", true))
        hp->arch.attention_scale = 1.0;
    hp->arch.attention_scale_by_block =
        i8i_config_bool(config, "scale_attn_by_inverse_layer_idx", false);
    return I8_OK;
}

static enum i8_status derive_bigcode(struct i8i_hparams *hp, const i8i_json *config,
                                     struct i8_error *err)
{
    bool multi_query = i8i_config_bool(config, "multi_query", true);
    hp->dim[I8I_DIM_KV_HEADS] = multi_query ? 1 : hp->dim[I8I_DIM_HEADS];
    hp->arch.qkv = multi_query ? I8I_QKV_BLOCKS : I8I_QKV_HEADS;
    return derive(hp, config, err);
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "n_embd|hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "n_layer|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "n_head|num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "n_inner", I8I_OPTIONAL},
    {I8I_DIM_POSITIONS, "n_positions|max_position_embeddings|n_ctx", I8I_REQUIRED},
    I8I_KEYS_END,
};

/* clang-format off */
#define TOP(P, ...) \
    I8I_MODULE(0, "transformer", P "Model"), \
    __VA_ARGS__ \
    I8I_EMBEDDING(1, "wte", "Embedding", EMBED, VOCAB, HIDDEN), \
    I8I_EMBEDDING(1, "wpe", "Embedding", POSITION_EMBED, POSITIONS, HIDDEN), \
    I8I_MODULE(1, "drop", "Dropout"), \
    I8I_MODULE(1, "h", "ModuleList"), \
    I8I_BLOCKS(2, P "Block", LAYERS, 0), \
    I8I_NORM(3, "ln_1", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always), \
    I8I_MODULE(3, "attn", P "Attention")
#define MATRIX(d, n, r, out, in) \
    { .depth = d, .kind = I8I_NODE_CONV1D, .name = n, .class_name = "Conv1D", \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##out, .cols = I8I_DIM_##in, .bias = i8i_always }
#define END \
    I8I_NORM(1, "ln_f", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always), \
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN), \
    I8I_NODE_END
/* clang-format on */

static const struct i8i_node gpt2_nodes[] = {
    TOP("GPT2", ),
    MATRIX(4, "c_attn", QKV, QKV, HIDDEN),
    MATRIX(4, "c_proj", O, HIDDEN, HIDDEN),
    I8I_MODULE(4, "attn_dropout", "Dropout"),
    I8I_MODULE(4, "resid_dropout", "Dropout"),
    I8I_NORM(3, "ln_2", "LayerNorm", MLP_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "mlp", "GPT2MLP"),
    MATRIX(4, "c_fc", UP, FFN, HIDDEN),
    MATRIX(4, "c_proj", DOWN, HIDDEN, FFN),
    I8I_MODULE(4, "act", "Activation"),
    I8I_MODULE(4, "dropout", "Dropout"),
    END,
};

static const struct i8i_node bigcode_nodes[] = {
    TOP("GPTBigCode",
        I8I_BUFFER(1, "bias", .rows = I8I_DIM_POSITIONS, .cols = I8I_DIM_POSITIONS,
                   .dtype = I8_DTYPE_BOOL), ),
    I8I_LINEAR(4, "c_attn", QKV, QKV, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "c_proj", O, HIDDEN, HIDDEN, .bias = i8i_always),
    I8I_MODULE(4, "resid_dropout", "Dropout"),
    I8I_NORM(3, "ln_2", "LayerNorm", MLP_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "mlp", "GPTBigCodeMLP"),
    I8I_LINEAR(4, "c_fc", UP, FFN, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "c_proj", DOWN, HIDDEN, FFN, .bias = i8i_always),
    I8I_MODULE(4, "act", "Activation"),
    I8I_MODULE(4, "dropout", "Dropout"),
    END,
};

#define ARCH                                                                            \
    {                                                                                   \
        .shape = I8I_SHAPE_DECODER, .norm = I8I_NORM_LAYER, .norm_place = I8I_NORM_PRE, \
        .position = I8I_POS_LEARNED, .qkv = I8I_QKV_BLOCKS,                             \
        .activation = I8I_ACT_GELU_TANH, .causal = true, .final_norm = true,            \
        .norm_epsilon = 1e-5,                                                           \
    }

const struct i8i_family i8i_family_gpt2 = {
    .model_type = "gpt2",
    .architecture = "GPT2LMHeadModel",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive,
    .arch = ARCH,
    .tied_by_default = true,
    .nodes = gpt2_nodes,
    .no_split = I8I_NAMES("GPT2Block"),
    .ties = I8I_TIES("lm_head.weight", "transformer.wte.weight"),
    .stale = I8I_NAMES(".attn.bias", ".attn.masked_bias"), /* causal masks */
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_INPUTS | I8I_HOLD_ATTENTION | I8I_SCORES_PLAIN,
};

const struct i8i_family i8i_family_gpt_bigcode = {
    .model_type = "gpt_bigcode",
    .architecture = "GPTBigCodeForCausalLM",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive_bigcode,
    .arch = ARCH,
    .tied_by_default = true,
    .nodes = bigcode_nodes,
    .no_split = I8I_NAMES("GPTBigCodeBlock"),
    .ties = I8I_TIES("lm_head.weight", "transformer.wte.weight"),
    .stale = I8I_NAMES(".attn.bias", ".attn.masked_bias"),
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_INPUTS | I8I_HOLD_ATTENTION | I8I_HOLD_NO_REPEAT,
};
