/* SPDX-License-Identifier: Apache-2.0
 *
 * BLOOM: ALiBi, a norm behind the embedding, queries, keys and values interleaved by
 * head in one projection.
 */
#include "config.h"

#include "model/nodes.h"

#include <stddef.h>

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    hp->dim[I8I_DIM_FFN] = 4 * hp->dim[I8I_DIM_HIDDEN];
    hp->arch.residual_post_norm =
        i8i_config_bool(config, "apply_residual_connection_post_layernorm", false);
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "hidden_size|n_embed|n_embd", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "n_layer|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "n_head|num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "seq_length", I8I_OPTIONAL},
    {.keys = NULL},
};

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "transformer", "BloomModel"),
    I8I_EMBEDDING(1, "word_embeddings", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_NORM(1, "word_embeddings_layernorm", "LayerNorm", EMBED_NORM, HIDDEN,
             .bias = i8i_always),
    I8I_MODULE(1, "h", "ModuleList"),
    I8I_BLOCKS(2, "BloomBlock", LAYERS, 0),
    I8I_NORM(3, "input_layernorm", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "self_attention", "BloomAttention"),
    I8I_LINEAR(4, "query_key_value", QKV, QKV, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "dense", O, HIDDEN, HIDDEN, .bias = i8i_always),
    I8I_MODULE(4, "attention_dropout", "Dropout"),
    I8I_NORM(3, "post_attention_layernorm", "LayerNorm", MLP_NORM, HIDDEN,
             .bias = i8i_always),
    I8I_MODULE(3, "mlp", "BloomMLP"),
    I8I_LINEAR(4, "dense_h_to_4h", UP, FFN, HIDDEN, .bias = i8i_always),
    I8I_MODULE(4, "gelu_impl", "BloomGelu"),
    I8I_LINEAR(4, "dense_4h_to_h", DOWN, HIDDEN, FFN, .bias = i8i_always),
    I8I_NORM(1, "ln_f", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_bloom = {
    .model_type = "bloom",
    .architecture = "BloomForCausalLM",
    .base_prefix = "transformer",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_ALIBI,
            .qkv = I8I_QKV_HEADS,
            .activation = I8I_ACT_GELU_TANH,
            .causal = true,
            .embed_norm = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = (const char *const[]){"BloomBlock", NULL},
    .ties = (const struct i8i_tie[]){{"lm_head.weight",
                                      "transformer.word_embeddings.weight", NULL},
                                     {NULL, NULL, NULL}},
    .output_embedding = "lm_head",
    .eager_only = true,
    .holds = I8I_HOLD_WEIGHTS | I8I_SCORES_BLOOM,
};
