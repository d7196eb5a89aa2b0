/* SPDX-License-Identifier: Apache-2.0
 *
 * CLIP: a causal text tower and an image tower (the second stack) with a projection
 * each.
 */
#include "config.h"

#include "model/nodes.h"

static const struct i8i_config_key vision_keys[] = {
    {I8I_DIM_X0, "hidden_size", 768},
    {I8I_DIM_ENC_LAYERS, "num_hidden_layers", 12},
    {I8I_DIM_ENC_HEADS, "num_attention_heads", 12},
    {I8I_DIM_ENC_FFN, "intermediate_size", 3072},
    {I8I_DIM_IMAGE, "image_size", 224},
    {I8I_DIM_PATCH, "patch_size", 32},
    {I8I_DIM_CHANNELS, "num_channels", 3},
    I8I_KEYS_END,
};

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    int64_t *d = hp->dim;
    enum i8_status st =
        i8i_config_keys(d, vision_keys, i8i_json_get(config, "vision_config"), err);
    if (st)
        return st;
    /* Not the towers' own projection_dim, which i8i_config_dim would find first. */
    uint64_t width;
    if (!i8i_json_u64(&width, i8i_json_get(config, "projection_dim")) || width >> 30)
        width = 512;
    d[I8I_DIM_X2] = (int64_t)width;
    if (d[I8I_DIM_PATCH] == 0)
        return i8i_fail(err, I8_ERR_DATA, "config.json: vision_config.patch_size is 0");
    int64_t side = d[I8I_DIM_IMAGE] / d[I8I_DIM_PATCH];
    d[I8I_DIM_X1] = side * side + 1;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_VOCAB, "vocab_size", 49408},
    {I8I_DIM_HIDDEN, "hidden_size", 512},
    {I8I_DIM_LAYERS, "num_hidden_layers", 12},
    {I8I_DIM_HEADS, "num_attention_heads", 8},
    {I8I_DIM_FFN, "intermediate_size", 2048},
    {I8I_DIM_POSITIONS, "max_position_embeddings", 77},
    I8I_KEYS_END,
};

/* clang-format off */
#define BIASED(d, n, r, out, in) I8I_LINEAR(d, n, r, out, in, .bias = i8i_always)
#define LAYER_NORM(d, n, r, width) I8I_NORM(d, n, "LayerNorm", r, width, .bias = i8i_always)
#define BLOCKS(number, which, width, inner) \
    I8I_MODULE(1, "encoder", "CLIPEncoder"), \
    I8I_MODULE(2, "layers", "ModuleList"), \
    I8I_BLOCKS(3, "CLIPEncoderLayer", number, which), \
    I8I_MODULE(4, "self_attn", "CLIPAttention"), \
    BIASED(5, "k_proj", K, width, width), \
    BIASED(5, "v_proj", V, width, width), \
    BIASED(5, "q_proj", Q, width, width), \
    BIASED(5, "out_proj", O, width, width), \
    LAYER_NORM(4, "layer_norm1", ATTN_NORM, width), \
    I8I_MODULE(4, "mlp", "CLIPMLP"), \
    I8I_MODULE(5, "activation_fn", "Activation"), \
    BIASED(5, "fc1", UP, inner, width), \
    BIASED(5, "fc2", DOWN, width, inner), \
    LAYER_NORM(4, "layer_norm2", MLP_NORM, width)
#define POSITION_IDS(number) \
    I8I_BUFFER(2, "position_ids", .rows = I8I_DIM_ONE, .cols = I8I_DIM_##number, \
               .dtype = I8_DTYPE_I64)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_PARAM(0, "logit_scale", NONE),
    I8I_MODULE(0, "text_model", "CLIPTextModel"),
    I8I_MODULE(1, "embeddings", "CLIPTextEmbeddings"),
    POSITION_IDS(POSITIONS),
    I8I_EMBEDDING(2, "token_embedding", "Embedding", EMBED, VOCAB, HIDDEN),
    I8I_EMBEDDING(2, "position_embedding", "Embedding", POSITION_EMBED, POSITIONS,
                  HIDDEN),
    BLOCKS(LAYERS, 0, HIDDEN, FFN),
    LAYER_NORM(1, "final_layer_norm", FINAL_NORM, HIDDEN),
    I8I_MODULE(0, "vision_model", "CLIPVisionModel", .stack = 1),
    I8I_MODULE(1, "embeddings", "CLIPVisionEmbeddings"),
    I8I_PARAM(2, "class_embedding", CLASS_TOKEN, .rows = I8I_DIM_X0),
    POSITION_IDS(X1),
    {.depth = 2,
     .kind = I8I_NODE_CONV,
     .name = "patch_embedding",
     .class_name = "Conv2d",
     .role = I8I_ROLE_CONV1,
     .rows = I8I_DIM_X0,
     .cols = I8I_DIM_CHANNELS,
     .extra = {I8I_DIM_PATCH, I8I_DIM_PATCH}},
    I8I_EMBEDDING(2, "position_embedding", "Embedding", POSITION_EMBED, X1, X0),
    LAYER_NORM(1, "pre_layrnorm", EMBED_NORM, X0), /* so spelt */
    BLOCKS(ENC_LAYERS, 1, X0, ENC_FFN),
    LAYER_NORM(1, "post_layernorm", FINAL_NORM, X0),
    I8I_LINEAR(0, "visual_projection", NONE, X2, X0),
    I8I_LINEAR(0, "text_projection", NONE, X2, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_clip = {
    .model_type = "clip",
    .architecture = "CLIPModel",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_ENCODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_LEARNED,
            .activation = I8I_ACT_QUICK_GELU,
            .final_norm = true,
            .norm_epsilon = 1e-5,
        },
    .nodes = nodes,
    .no_split =
        I8I_NAMES("CLIPTextEmbeddings", "CLIPEncoderLayer", "CLIPVisionEmbeddings"),
};
