/* SPDX-License-Identifier: Apache-2.0
 *
 * GPT-NeoX and Pythia: attention and MLP side by side with a norm each, the first part
 * of each head rotated, queries, keys and values interleaved by head. Checkpoints call
 * the head embed_out.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", true))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    hp->arch.parallel = i8i_config_bool(config, "use_parallel_residual", true);
    if (!i8i_config_get(config, "rotary_pct|partial_rotary_factor|rope_parameters"))
        hp->dim[I8I_DIM_ROTARY] = hp->dim[I8I_DIM_HEAD_DIM] / 4;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {I8I_LLAMA_KEYS, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "gpt_neox", "GPTNeoXModel"),
    I8I_EMBEDDING(1, "embed_in", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_MODULE(1, "emb_dropout", "Dropout"),
    I8I_MODULE(1, "layers", "ModuleList"),
    I8I_BLOCKS(2, "GPTNeoXLayer", LAYERS, 0),
    I8I_NORM(3, "input_layernorm", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_NORM(3, "post_attention_layernorm", "LayerNorm", MLP_NORM, HIDDEN,
             .bias = i8i_always),
    I8I_MODULE(3, "post_attention_dropout", "Dropout"),
    I8I_MODULE(3, "post_mlp_dropout", "Dropout"),
    I8I_MODULE(3, "attention", "GPTNeoXAttention"),
    I8I_LINEAR(4, "query_key_value", QKV, QKV, HIDDEN, .bias = i8i_when_attention_bias),
    I8I_LINEAR(4, "dense", O, HIDDEN, HIDDEN, .bias = i8i_when_attention_bias),
    I8I_MODULE(3, "mlp", "GPTNeoXMLP"),
    I8I_LINEAR(4, "dense_h_to_4h", UP, FFN, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "dense_4h_to_h", DOWN, HIDDEN, FFN, .bias = i8i_always),
    I8I_MODULE(4, "act", "Activation"),
    I8I_NORM(1, "final_layer_norm", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_ROTARY(1, "rotary_emb", "GPTNeoXRotaryEmbedding"),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN, .alias = "embed_out"),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_gpt_neox = {
    .model_type = "gpt_neox",
    .architecture = "GPTNeoXForCausalLM",
    .base_prefix = "gpt_neox",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_ROTARY,
            .qkv = I8I_QKV_HEADS,
            .activation = I8I_ACT_GELU,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
            .rope_theta = 10000.0,
        },
    .nodes = nodes,
    .no_split = I8I_NAMES("GPTNeoXLayer"),
    .ties = I8I_TIES("lm_head.weight", "gpt_neox.embed_in.weight"),
    .stale = I8I_NAMES(".attention.bias", ".attention.masked_bias",
                       ".attention.rotary_emb.inv_freq"),
    .output_embedding = "lm_head",
};
