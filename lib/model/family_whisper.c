/* SPDX-License-Identifier: Apache-2.0
 *
 * Whisper: two convolutions over mel bins and a fixed position table feed the encoder;
 * the decoder is GPT-2-like with cross-attention and a tied head. Keys have no bias.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    hp->dim[I8I_DIM_X0] = 3; /* the convolutions' kernel */
    if (i8i_config_bool(config, "scale_embedding", false))
        hp->arch.embed_scale = __builtin_sqrt((double)hp->dim[I8I_DIM_HIDDEN]);
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
    {I8I_DIM_POSITIONS, "max_target_positions", 448},
    {I8I_DIM_ENC_POSITIONS, "max_source_positions", 1500},
    {I8I_DIM_CHANNELS, "num_mel_bins", 80},
    I8I_KEYS_END,
};

/* clang-format off */
#define BIASED(d, n, r, out, in) I8I_LINEAR(d, n, r, out, in, .bias = i8i_always)
#define LAYER_NORM(d, n, r, ...) \
    I8I_NORM(d, n, "LayerNorm", r, HIDDEN, .bias = i8i_always, __VA_ARGS__)
#define CONVOLUTION(n, r, in) \
    { .depth = 2, .kind = I8I_NODE_CONV, .name = n, .class_name = "Conv1d", \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_HIDDEN, .cols = I8I_DIM_##in, \
      .extra = { I8I_DIM_X0 }, .bias = i8i_always }
#define SELF_ATTENTION \
    I8I_MODULE(4, "self_attn", "WhisperAttention"), \
    I8I_LINEAR(5, "k_proj", K, HIDDEN, HIDDEN), \
    BIASED(5, "v_proj", V, HIDDEN, HIDDEN), \
    BIASED(5, "q_proj", Q, HIDDEN, HIDDEN), \
    BIASED(5, "out_proj", O, HIDDEN, HIDDEN)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "model", "WhisperModel"),
    I8I_MODULE(1, "encoder", "WhisperEncoder", .stack = 1),
    CONVOLUTION("conv1", CONV1, CHANNELS),
    CONVOLUTION("conv2", CONV2, HIDDEN),
    I8I_EMBEDDING(2, "embed_positions", "Embedding", POSITION_EMBED, ENC_POSITIONS,
                  HIDDEN),
    I8I_MODULE(2, "layers", "ModuleList"),
    I8I_BLOCKS(3, "WhisperEncoderLayer", ENC_LAYERS, 1),
    SELF_ATTENTION,
    LAYER_NORM(4, "self_attn_layer_norm", ATTN_NORM),
    I8I_MODULE(4, "activation_fn", "Activation"),
    BIASED(4, "fc1", UP, ENC_FFN, HIDDEN),
    BIASED(4, "fc2", DOWN, HIDDEN, ENC_FFN),
    LAYER_NORM(4, "final_layer_norm", MLP_NORM),
    LAYER_NORM(2, "layer_norm", FINAL_NORM),
    I8I_MODULE(1, "decoder", "WhisperDecoder"),
    I8I_EMBEDDING(2, "embed_tokens", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_EMBEDDING(2, "embed_positions", "WhisperPositionalEmbedding", POSITION_EMBED,
                  POSITIONS, HIDDEN),
    I8I_MODULE(2, "layers", "ModuleList"),
    I8I_BLOCKS(3, "WhisperDecoderLayer", LAYERS, 0),
    SELF_ATTENTION,
    I8I_MODULE(4, "activation_fn", "Activation"),
    LAYER_NORM(4, "self_attn_layer_norm", ATTN_NORM),
    I8I_MODULE(4, "encoder_attn", "WhisperAttention"),
    I8I_LINEAR(5, "k_proj", CROSS_K, HIDDEN, HIDDEN),
    BIASED(5, "v_proj", CROSS_V, HIDDEN, HIDDEN),
    BIASED(5, "q_proj", CROSS_Q, HIDDEN, HIDDEN),
    BIASED(5, "out_proj", CROSS_O, HIDDEN, HIDDEN),
    LAYER_NORM(4, "encoder_attn_layer_norm", CROSS_NORM),
    BIASED(4, "fc1", UP, FFN, HIDDEN),
    BIASED(4, "fc2", DOWN, HIDDEN, FFN),
    LAYER_NORM(4, "final_layer_norm", MLP_NORM),
    LAYER_NORM(2, "layer_norm", FINAL_NORM),
    I8I_LINEAR(0, "proj_out", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_whisper = {
    .model_type = "whisper",
    .architecture = "WhisperForConditionalGeneration",
    .base_prefix = "model",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_ENCODER_DECODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_LEARNED, /* the encoder's are sinusoids, stored alike */
            .activation = I8I_ACT_GELU,
            .causal = true,
            .final_norm = true,
            .norm_epsilon = 1e-5,
        },
    .tied_by_default = true,
    .nodes = nodes,
    .no_split = I8I_NAMES("WhisperEncoderLayer", "WhisperDecoderLayer"),
    .ties = I8I_TIES("proj_out.weight", "model.decoder.embed_tokens.weight"),
    .output_embedding = "proj_out",
    .holds = I8I_SCORES_PLAIN,
};
