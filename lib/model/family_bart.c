/* SPDX-License-Identifier: Apache-2.0
 *
 * BART: encoder and decoder with norms behind the sublayers, learned positions from
 * row 2 on, and one embedding for both stacks and the head.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    int64_t *d = hp->dim;
    d[I8I_DIM_POSITION_ROWS] = d[I8I_DIM_POSITIONS] + 2;
    if (i8i_config_bool(config, "scale_embedding", false))
        hp->arch.embed_scale = __builtin_sqrt((double)d[I8I_DIM_HIDDEN]);
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "d_model|hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "decoder_layers", I8I_REQUIRED},
    {I8I_DIM_ENC_LAYERS, "encoder_layers|num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "decoder_attention_heads", I8I_REQUIRED},
    {I8I_DIM_ENC_HEADS, "encoder_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "decoder_ffn_dim", I8I_REQUIRED},
    {I8I_DIM_ENC_FFN, "encoder_ffn_dim", I8I_REQUIRED},
    {I8I_DIM_POSITIONS, "max_position_embeddings", I8I_REQUIRED},
    I8I_KEYS_END,
};

/* clang-format off */
#define BIASED(d, n, r, out, in) I8I_LINEAR(d, n, r, out, in, .bias = i8i_always)
#define LAYER_NORM(d, n, r) I8I_NORM(d, n, "LayerNorm", r, HIDDEN, .bias = i8i_always)
#define EMBEDDINGS \
    I8I_EMBEDDING(2, "embed_tokens", "BartScaledWordEmbedding", NONE, VOCAB, HIDDEN), \
    I8I_EMBEDDING(2, "embed_positions", "BartLearnedPositionalEmbedding", POSITION_EMBED, \
                  POSITION_ROWS, HIDDEN), \
    I8I_MODULE(2, "layers", "ModuleList")
#define SELF_ATTENTION \
    I8I_MODULE(4, "self_attn", "BartAttention"), \
    BIASED(5, "k_proj", K, HIDDEN, HIDDEN), \
    BIASED(5, "v_proj", V, HIDDEN, HIDDEN), \
    BIASED(5, "q_proj", Q, HIDDEN, HIDDEN), \
    BIASED(5, "out_proj", O, HIDDEN, HIDDEN)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_BUFFER(0, "final_logits_bias", .rows = I8I_DIM_ONE, .cols = I8I_DIM_VOCAB,
               .persistent = true),
    I8I_MODULE(0, "model", "BartModel"),
    I8I_EMBEDDING(1, "shared", "BartScaledWordEmbedding", EMBED, VOCAB, HIDDEN),
    I8I_MODULE(1, "encoder", "BartEncoder", .stack = 1),
    EMBEDDINGS,
    I8I_BLOCKS(3, "BartEncoderLayer", ENC_LAYERS, 1),
    SELF_ATTENTION,
    LAYER_NORM(4, "self_attn_layer_norm", ATTN_NORM),
    I8I_MODULE(4, "activation_fn", "Activation"),
    BIASED(4, "fc1", UP, ENC_FFN, HIDDEN),
    BIASED(4, "fc2", DOWN, HIDDEN, ENC_FFN),
    LAYER_NORM(4, "final_layer_norm", MLP_NORM),
    LAYER_NORM(2, "layernorm_embedding", EMBED_NORM),
    I8I_MODULE(1, "decoder", "BartDecoder"),
    EMBEDDINGS,
    I8I_BLOCKS(3, "BartDecoderLayer", LAYERS, 0),
    SELF_ATTENTION,
    I8I_MODULE(4, "activation_fn", "Activation"),
    LAYER_NORM(4, "self_attn_layer_norm", ATTN_NORM),
    I8I_MODULE(4, "encoder_attn", "BartAttention"),
    BIASED(5, "k_proj", CROSS_K, HIDDEN, HIDDEN),
    BIASED(5, "v_proj", CROSS_V, HIDDEN, HIDDEN),
    BIASED(5, "q_proj", CROSS_Q, HIDDEN, HIDDEN),
    BIASED(5, "out_proj", CROSS_O, HIDDEN, HIDDEN),
    LAYER_NORM(4, "encoder_attn_layer_norm", CROSS_NORM),
    BIASED(4, "fc1", UP, FFN, HIDDEN),
    BIASED(4, "fc2", DOWN, HIDDEN, FFN),
    LAYER_NORM(4, "final_layer_norm", MLP_NORM),
    LAYER_NORM(2, "layernorm_embedding", EMBED_NORM),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_bart = {
    .model_type = "bart",
    .architecture = "BartForConditionalGeneration",
    .base_prefix = "model",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_ENCODER_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_POST,
            .position = I8I_POS_LEARNED,
            .activation = I8I_ACT_GELU,
            .causal = true,
            .embed_norm = true,
            .position_offset = 2,
            .norm_epsilon = 1e-5,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = I8I_NAMES("BartEncoderLayer", "BartDecoderLayer"),
    .ties =
        (const struct i8i_tie[]){
            {"model.encoder.embed_tokens.weight", "model.shared.weight", i8i_always},
            {"model.decoder.embed_tokens.weight", "model.shared.weight", i8i_always},
            {"lm_head.weight", "model.shared.weight", NULL},
            {NULL, NULL, NULL},
        },
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_INPUTS | I8I_SCORES_PLAIN,
};
