/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemma 3, the language model alone and with its image tower: Gemma 2 with norms on
 * queries and keys instead of caps, five blocks in six behind a window, and a rotary
 * base for either kind of block.
 */
#include "config.h"

#include "model/nodes.h"

/* The rotary module holds frequencies for the kinds of blocks that there are. */
static bool any_block(const struct i8i_hparams *hp, bool sliding)
{
    for (int64_t i = 0; i < hp->dim[I8I_DIM_LAYERS]; i++) {
        if ((i8i_block_window(hp, i) != 0) == sliding)
            return true;
    }
    return false;
}

static bool has_sliding(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return any_block(hp, true);
}

static bool has_full(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return any_block(hp, false);
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    double scalar = i8i_config_double(config, "query_pre_attn_scalar", 256);
    if (!(scalar > 0))
        return i8i_fail(err, I8_ERR_DATA, "config.json: query_pre_attn_scalar is %g",
                        scalar);
    hp->arch.attention_scale = 1 / __builtin_sqrt(scalar);
    hp->arch.attention_softcap = i8i_config_double(config, "attn_logit_softcapping", 0);
    hp->arch.logit_softcap = i8i_config_double(config, "final_logit_softcapping", 0);
    hp->arch.embed_scale = __builtin_sqrt((double)hp->dim[I8I_DIM_HIDDEN]);
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    hp->window_rule = I8I_WINDOW_PERIOD;
    return i8i_config_dim(&hp->window_arg, config,
                          "sliding_window_pattern|_sliding_window_pattern", 6, err);
}

/* The image tower (SigLIP) is the second stack; X0 is its width, X1 its patches, X2 three
 * widths. */
enum { FLAG_VISION_HEAD = 1 };

static bool has_vision_head(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->flags & FLAG_VISION_HEAD;
}

static const struct i8i_config_key vision_keys[] = {
    {I8I_DIM_X0, "hidden_size", 768},
    {I8I_DIM_ENC_LAYERS, "num_hidden_layers", 12},
    {I8I_DIM_ENC_HEADS, "num_attention_heads", 12},
    {I8I_DIM_ENC_FFN, "intermediate_size", 3072},
    {I8I_DIM_IMAGE, "image_size", 224},
    {I8I_DIM_PATCH, "patch_size", 16},
    {I8I_DIM_CHANNELS, "num_channels", 3},
    I8I_KEYS_END,
};

static enum i8_status derive_vision(struct i8i_hparams *hp, const i8i_json *config,
                                    struct i8_error *err)
{
    int64_t *d = hp->dim;
    const i8i_json *vision = i8i_json_get(config, "vision_config");
    enum i8_status st = i8i_config_keys(d, vision_keys, vision, err);
    if (st)
        return st;
    if (d[I8I_DIM_PATCH] == 0)
        return i8i_fail(err, I8_ERR_DATA, "config.json: vision_config.patch_size is 0");
    int64_t side = d[I8I_DIM_IMAGE] / d[I8I_DIM_PATCH];
    d[I8I_DIM_X1] = side * side;
    d[I8I_DIM_X2] = 3 * d[I8I_DIM_X0];
    if (i8i_config_bool(vision, "vision_use_head", true))
        hp->flags |= FLAG_VISION_HEAD;
    return derive(hp, config, err);
}

/* What the image model's configuration leaves out of text_config has these defaults. */
static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", 262208},
    {I8I_DIM_HIDDEN, "hidden_size", 2304},
    {I8I_DIM_LAYERS, "num_hidden_layers", 26},
    {I8I_DIM_HEADS, "num_attention_heads", 8},
    {I8I_DIM_KV_HEADS, "num_key_value_heads", 4},
    {I8I_DIM_HEAD_DIM, "head_dim", 256},
    {I8I_DIM_FFN, "intermediate_size", 9216},
    {I8I_DIM_POSITIONS, "max_position_embeddings", 131072},
    {I8I_DIM_WINDOW, "sliding_window", 4096},
    I8I_KEYS_END,
};

/* clang-format off */
#define FREQUENCIES(d, n, condition) \
    I8I_BUFFER(d, n, .rows = I8I_DIM_ROTARY_HALF, .when = condition)
/* The language model, its children at depth d. */
#define TEXT(d) \
    I8I_EMBEDDING(d, "embed_tokens", "Gemma3TextScaledWordEmbedding", EMBED, VOCAB, HIDDEN), \
    I8I_BUFFER((d) + 1, "embed_scale"), \
    I8I_MODULE(d, "layers", "ModuleList"), \
    I8I_BLOCKS((d) + 1, "Gemma3DecoderLayer", LAYERS, 0), \
    I8I_MODULE((d) + 2, "self_attn", "Gemma3Attention"), \
    I8I_LINEAR((d) + 3, "q_proj", Q, Q, HIDDEN, .bias = i8i_when_attention_bias), \
    I8I_LINEAR((d) + 3, "k_proj", K, KV, HIDDEN, .bias = i8i_when_attention_bias), \
    I8I_LINEAR((d) + 3, "v_proj", V, KV, HIDDEN, .bias = i8i_when_attention_bias), \
    I8I_LINEAR((d) + 3, "o_proj", O, HIDDEN, Q, .bias = i8i_when_attention_bias), \
    I8I_NORM((d) + 3, "q_norm", "Gemma3RMSNorm", Q_NORM, HEAD_DIM), \
    I8I_NORM((d) + 3, "k_norm", "Gemma3RMSNorm", K_NORM, HEAD_DIM), \
    I8I_MODULE((d) + 2, "mlp", "Gemma3MLP"), \
    I8I_LINEAR((d) + 3, "gate_proj", GATE, FFN, HIDDEN), \
    I8I_LINEAR((d) + 3, "up_proj", UP, FFN, HIDDEN), \
    I8I_LINEAR((d) + 3, "down_proj", DOWN, HIDDEN, FFN), \
    I8I_MODULE((d) + 3, "act_fn", "Activation"), \
    I8I_NORM((d) + 2, "input_layernorm", "Gemma3RMSNorm", ATTN_NORM, HIDDEN), \
    I8I_NORM((d) + 2, "post_attention_layernorm", "Gemma3RMSNorm", ATTN_POST_NORM, HIDDEN), \
    I8I_NORM((d) + 2, "pre_feedforward_layernorm", "Gemma3RMSNorm", MLP_NORM, HIDDEN), \
    I8I_NORM((d) + 2, "post_feedforward_layernorm", "Gemma3RMSNorm", MLP_POST_NORM, HIDDEN), \
    I8I_NORM(d, "norm", "Gemma3RMSNorm", FINAL_NORM, HIDDEN), \
    I8I_MODULE(d, "rotary_emb", "Gemma3RotaryEmbedding"), \
    FREQUENCIES((d) + 1, "full_attention_inv_freq", has_full), \
    FREQUENCIES((d) + 1, "full_attention_original_inv_freq", has_full), \
    FREQUENCIES((d) + 1, "sliding_attention_inv_freq", has_sliding), \
    FREQUENCIES((d) + 1, "sliding_attention_original_inv_freq", has_sliding), \
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN), \
    I8I_NODE_END
#define BIASED(d, n, r, out, in) I8I_LINEAR(d, n, r, out, in, .bias = i8i_always)
#define LAYER_NORM(d, n, r) I8I_NORM(d, n, "LayerNorm", r, X0, .bias = i8i_always)
#define VISION_MLP(d) \
    I8I_MODULE(d, "mlp", "SiglipMLP"), \
    I8I_MODULE((d) + 1, "activation_fn", "Activation"), \
    BIASED((d) + 1, "fc1", UP, ENC_FFN, X0), \
    BIASED((d) + 1, "fc2", DOWN, X0, ENC_FFN)
#define VISION_TOWER \
    I8I_MODULE(1, "vision_tower", "SiglipVisionModel", .stack = 1, \
               .alias = "vision_tower.vision_model"), \
    I8I_MODULE(2, "embeddings", "SiglipVisionEmbeddings"), \
    I8I_BUFFER(3, "position_ids", .rows = I8I_DIM_ONE, .cols = I8I_DIM_X1, \
               .dtype = I8_DTYPE_I64), \
    { .depth = 3, .kind = I8I_NODE_CONV, .name = "patch_embedding", .class_name = "Conv2d", \
      .role = I8I_ROLE_CONV1, .rows = I8I_DIM_X0, .cols = I8I_DIM_CHANNELS, \
      .extra = { I8I_DIM_PATCH, I8I_DIM_PATCH }, .bias = i8i_always }, \
    I8I_EMBEDDING(3, "position_embedding", "Embedding", POSITION_EMBED, X1, X0), \
    I8I_MODULE(2, "encoder", "SiglipEncoder"), \
    I8I_MODULE(3, "layers", "ModuleList"), \
    I8I_BLOCKS(4, "SiglipEncoderLayer", ENC_LAYERS, 1), \
    LAYER_NORM(5, "layer_norm1", ATTN_NORM), \
    I8I_MODULE(5, "self_attn", "SiglipAttention"), \
    BIASED(6, "k_proj", K, X0, X0), \
    BIASED(6, "v_proj", V, X0, X0), \
    BIASED(6, "q_proj", Q, X0, X0), \
    BIASED(6, "out_proj", O, X0, X0), \
    LAYER_NORM(5, "layer_norm2", MLP_NORM), \
    VISION_MLP(5), \
    LAYER_NORM(2, "post_layernorm", FINAL_NORM), \
    I8I_MODULE(2, "head", "SiglipMultiheadAttentionPoolingHead", .when = has_vision_head), \
    I8I_PARAM(3, "probe", NONE, .rows = I8I_DIM_ONE, .cols = I8I_DIM_ONE, \
              .extra = { I8I_DIM_X0 }), \
    I8I_MODULE(3, "attention", "MultiheadAttention"), \
    I8I_PARAM(4, "in_proj_weight", NONE, .rows = I8I_DIM_X2, .cols = I8I_DIM_X0), \
    I8I_PARAM(4, "in_proj_bias", NONE, .rows = I8I_DIM_X2), \
    { .depth = 4, .kind = I8I_NODE_LINEAR_SUBCLASS, .name = "out_proj", \
      .class_name = "NonDynamicallyQuantizableLinear", .rows = I8I_DIM_X0, \
      .cols = I8I_DIM_X0, .bias = i8i_always }, \
    LAYER_NORM(3, "layernorm", NONE), \
    VISION_MLP(3), \
    I8I_MODULE(1, "multi_modal_projector", "Gemma3MultiModalProjector"), \
    I8I_PARAM(2, "mm_input_projection_weight", NONE, .rows = I8I_DIM_X0, \
              .cols = I8I_DIM_HIDDEN), \
    I8I_NORM(2, "mm_soft_emb_norm", "Gemma3RMSNorm", NONE, X0), \
    I8I_MODULE(2, "avg_pool", "AvgPool2d")
#define ARCH \
    { I8I_ROTARY_DECODER(RMS_PLUS_ONE, SANDWICH, ROTARY, GELU_TANH, true, 1e-6, 1e6), \
      .rope_local_theta = 1e4 }
/* clang-format on */

static const struct i8i_node text_nodes[] = {I8I_MODULE(0, "model", "Gemma3TextModel"),
                                             TEXT(1)};
static const struct i8i_node vision_nodes[] = {
    I8I_MODULE(0, "model", "Gemma3Model"), VISION_TOWER,
    I8I_MODULE(1, "language_model", "Gemma3TextModel", .alias = "language_model.model"),
    TEXT(2)};

const struct i8i_family i8i_family_gemma3 = {
    I8I_LLAMA_FAMILY("gemma3_text", "Gemma3"),
    .keys = keys,
    .derive = derive,
    .arch = ARCH,
    .tied_by_default = true,
    .nodes = text_nodes,
};

const struct i8i_family i8i_family_gemma3_vision = {
    .model_type = "gemma3",
    .architecture = "Gemma3ForConditionalGeneration",
    .base_prefix = "model",
    .keys = keys,
    .derive = derive_vision,
    .arch = ARCH,
    .tied_by_default = true,
    .nodes = vision_nodes,
    .no_split = I8I_NAMES("Gemma3DecoderLayer", "SiglipVisionEmbeddings",
                          "SiglipEncoderLayer", "SiglipMultiheadAttentionPoolingHead"),
    .ties = I8I_TIES("lm_head.weight", "model.language_model.embed_tokens.weight"),
    .output_embedding = "lm_head",
};
