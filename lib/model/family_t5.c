/* SPDX-License-Identifier: Apache-2.0
 *
 * T5 (v1.0, v1.1, FLAN) and mT5: encoder and decoder with relative attention buckets
 * that the first block of each stack holds, no scaling of q·k, RMSNorm, and an MLP whose
 * second matrix readers keep in 32 bit.
 */
#include "config.h"

#include "model/nodes.h"

#include <stddef.h>
#include <string.h>

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    if (hp->dim[I8I_DIM_LAYERS] == 0)
        hp->dim[I8I_DIM_LAYERS] = hp->dim[I8I_DIM_ENC_LAYERS];
    const char *act =
        i8i_json_string(i8i_config_get(config, "feed_forward_proj|dense_act_fn"));
    if (act) {
        hp->arch.gated = strncmp(act, "gated-", 6) == 0;
        act += hp->arch.gated ? 6 : 0;
        enum i8_status st = i8i_activation_parse(&hp->arch.activation, act, err);
        if (st)
            return st;
        /* "gated-gelu" has always meant the tanh form. */
        if (hp->arch.gated && hp->arch.activation == I8I_ACT_GELU)
            hp->arch.activation = I8I_ACT_GELU_TANH;
    }
    /* v1.0 scales the decoder's output ahead of the tied head. Newer configurations say
     * so by a key of their own and always have the head tied, unless it is stored. */
    const i8i_json *scales = i8i_config_get(config, "scale_decoder_outputs");
    bool scaled = scales ? i8i_json_bool(scales, true) : hp->tied;
    if (scaled) {
        double width = (double)hp->dim[I8I_DIM_HIDDEN];
        hp->arch.head_scale = 1 / __builtin_sqrt(width);
    }
    if (!hp->tied)
        hp->tied_stated = false;
    if (hp->arch.decoder_start_id < 0)
        hp->arch.decoder_start_id = hp->arch.pad_id;
    return I8_OK;
}

/* mT5 never scales, tied or not. */
static enum i8_status derive_mt5(struct i8i_hparams *hp, const i8i_json *config,
                                 struct i8_error *err)
{
    enum i8_status st = derive(hp, config, err);
    hp->arch.head_scale = 0;
    return st;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", I8I_REQUIRED},
    {I8I_DIM_HIDDEN, "d_model", I8I_REQUIRED},
    {I8I_DIM_ENC_LAYERS, "num_layers", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "num_decoder_layers", I8I_OPTIONAL},
    {I8I_DIM_HEADS, "num_heads", I8I_REQUIRED},
    {I8I_DIM_HEAD_DIM, "d_kv", I8I_REQUIRED},
    {I8I_DIM_FFN, "d_ff", I8I_REQUIRED},
    {I8I_DIM_BUCKETS, "relative_attention_num_buckets", 32},
    {I8I_DIM_BUCKET_DISTANCE, "relative_attention_max_distance", 128},
    {.keys = NULL},
};

/* Both classes have the same tree but for the class names' first letters. */
/* clang-format off */
#define FEED_FORWARD(P, at) \
    I8I_MODULE(4, at, P "LayerFF"), \
    I8I_MODULE(5, "DenseReluDense", P "DenseActDense", .when = i8i_when_not_gated), \
    I8I_LINEAR(6, "wi", UP, FFN, HIDDEN), \
    I8I_LINEAR(6, "wo", DOWN, HIDDEN, FFN), \
    I8I_MODULE(6, "dropout", "Dropout"), \
    I8I_MODULE(6, "act", "Activation"), \
    I8I_MODULE(5, "DenseReluDense", P "DenseGatedActDense", .when = i8i_when_gated), \
    I8I_LINEAR(6, "wi_0", GATE, FFN, HIDDEN), \
    I8I_LINEAR(6, "wi_1", UP, FFN, HIDDEN), \
    I8I_LINEAR(6, "wo", DOWN, HIDDEN, FFN), \
    I8I_MODULE(6, "dropout", "Dropout"), \
    I8I_MODULE(6, "act", "Activation"), \
    I8I_NORM(5, "layer_norm", P "LayerNorm", MLP_NORM, HIDDEN), \
    I8I_MODULE(5, "dropout", "Dropout")
#define SELF_ATTENTION(P) \
    I8I_MODULE(4, "0", P "LayerSelfAttention"), \
    I8I_MODULE(5, "SelfAttention", P "Attention"), \
    I8I_LINEAR(6, "q", Q, Q, HIDDEN), \
    I8I_LINEAR(6, "k", K, Q, HIDDEN), \
    I8I_LINEAR(6, "v", V, Q, HIDDEN), \
    I8I_LINEAR(6, "o", O, HIDDEN, Q), \
    I8I_EMBEDDING(6, "relative_attention_bias", "Embedding", RELATIVE_BIAS, BUCKETS, HEADS, \
                  .when = i8i_when_first), \
    I8I_NORM(5, "layer_norm", P "LayerNorm", ATTN_NORM, HIDDEN), \
    I8I_MODULE(5, "dropout", "Dropout")
#define CROSS_ATTENTION(P) \
    I8I_MODULE(4, "1", P "LayerCrossAttention"), \
    I8I_MODULE(5, "EncDecAttention", P "Attention"), \
    I8I_LINEAR(6, "q", CROSS_Q, Q, HIDDEN), \
    I8I_LINEAR(6, "k", CROSS_K, Q, HIDDEN), \
    I8I_LINEAR(6, "v", CROSS_V, Q, HIDDEN), \
    I8I_LINEAR(6, "o", CROSS_O, HIDDEN, Q), \
    I8I_NORM(5, "layer_norm", P "LayerNorm", CROSS_NORM, HIDDEN), \
    I8I_MODULE(5, "dropout", "Dropout")
#define ENCODER(P) \
    I8I_EMBEDDING(0, "shared", "Embedding", EMBED, VOCAB, HIDDEN), \
    I8I_MODULE(0, "encoder", P "Stack", .stack = 1), \
    I8I_EMBEDDING(1, "embed_tokens", "Embedding", NONE, VOCAB, HIDDEN), \
    I8I_MODULE(1, "block", "ModuleList"), \
    I8I_BLOCKS(2, P "Block", ENC_LAYERS, 1), \
    I8I_MODULE(3, "layer", "ModuleList"), \
    SELF_ATTENTION(P), \
    FEED_FORWARD(P, "1"), \
    I8I_NORM(1, "final_layer_norm", P "LayerNorm", FINAL_NORM, HIDDEN), \
    I8I_MODULE(1, "dropout", "Dropout")
#define DECODER(P) \
    I8I_MODULE(0, "decoder", P "Stack"), \
    I8I_EMBEDDING(1, "embed_tokens", "Embedding", NONE, VOCAB, HIDDEN), \
    I8I_MODULE(1, "block", "ModuleList"), \
    I8I_BLOCKS(2, P "Block", LAYERS, 0), \
    I8I_MODULE(3, "layer", "ModuleList"), \
    SELF_ATTENTION(P), \
    CROSS_ATTENTION(P), \
    FEED_FORWARD(P, "2"), \
    I8I_NORM(1, "final_layer_norm", P "LayerNorm", FINAL_NORM, HIDDEN), \
    I8I_MODULE(1, "dropout", "Dropout")
#define HEAD I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN)
/* clang-format on */

static const struct i8i_node t5_nodes[] = {ENCODER("T5"), DECODER("T5"), HEAD,
                                           I8I_NODE_END};
static const struct i8i_node t5_base_nodes[] = {ENCODER("T5"), DECODER("T5"),
                                                I8I_NODE_END};
static const struct i8i_node t5_encoder_nodes[] = {ENCODER("T5"), I8I_NODE_END};
static const struct i8i_node mt5_nodes[] = {ENCODER("MT5"), DECODER("MT5"), HEAD,
                                            I8I_NODE_END};

static const struct i8i_tie ties[] = {
    {"encoder.embed_tokens.weight", "shared.weight", i8i_always},
    {"decoder.embed_tokens.weight", "shared.weight", i8i_always},
    {"lm_head.weight", "shared.weight", NULL},
    {NULL, NULL, NULL},
};

static const char *const keep_fp32[] = {"wo", NULL};
/* Checkpoints of the first years have a bias table here that nothing reads. */
static const char *const stale[] = {"EncDecAttention.relative_attention_bias.weight",
                                    NULL};

/* clang-format off */
#define FAMILY(type, class, P, rows, derives) \
    .model_type = type, .architecture = class, .keys = keys, .derive = derives, \
    .arch = { .shape = I8I_SHAPE_ENCODER_DECODER, .norm = I8I_NORM_RMS, \
              .norm_place = I8I_NORM_PRE, .position = I8I_POS_BUCKETS, \
              .activation = I8I_ACT_RELU, .causal = true, .final_norm = true, \
              .norm_epsilon = 1e-6, .attention_scale = 1.0 }, \
    .tied_by_default = true, .nodes = rows, .no_split = I8I_NAMES(P "Block"), \
    .ties = ties, .keep_fp32 = keep_fp32, .stale = stale
/* clang-format on */

const struct i8i_family i8i_family_t5 = {
    FAMILY("t5", "T5ForConditionalGeneration", "T5", t5_nodes, derive),
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_GATED | I8I_SCORES_PLAIN,
};

const struct i8i_family i8i_family_mt5 = {
    FAMILY("mt5", "MT5ForConditionalGeneration", "MT5", mt5_nodes, derive_mt5),
    .output_embedding = "lm_head",
    .holds = I8I_HOLD_GATED | I8I_SCORES_PLAIN,
};

/* Without the head, which would go by the base prefix if T5 had one; and the encoder
 * alone, as text-to-image models use it. */
const struct i8i_family i8i_family_t5_base = {
    FAMILY("t5", "T5Model", "T5", t5_base_nodes, derive),
    .holds = I8I_HOLD_GATED | I8I_SCORES_PLAIN,
};

const struct i8i_family i8i_family_t5_encoder = {
    FAMILY("t5", "T5EncoderModel", "T5", t5_encoder_nodes, derive),
    .holds = I8I_HOLD_GATED | I8I_SCORES_PLAIN,
};
