/* SPDX-License-Identifier: Apache-2.0
 *
 * ViT, as an image classifier or bare. transformers 5 renamed its blocks; checkpoints
 * have the old names.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    int64_t *d = hp->dim;
    if (i8i_config_bool(config, "qkv_bias", true))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    size_t labels = i8i_json_count(i8i_config_get(config, "id2label"));
    d[I8I_DIM_LABELS] = labels ? (int64_t)labels : 2;
    if (d[I8I_DIM_IMAGE] % d[I8I_DIM_PATCH])
        return i8i_fail(err, I8_ERR_DATA,
                        "config.json: image_size %lld is no multiple of patch_size %lld",
                        (long long)d[I8I_DIM_IMAGE], (long long)d[I8I_DIM_PATCH]);
    int64_t side = d[I8I_DIM_IMAGE] / d[I8I_DIM_PATCH];
    d[I8I_DIM_POSITIONS] = d[I8I_DIM_POSITION_ROWS] = side * side + 1;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    {I8I_DIM_HIDDEN, "hidden_size", I8I_REQUIRED},
    {I8I_DIM_LAYERS, "num_hidden_layers", I8I_REQUIRED},
    {I8I_DIM_HEADS, "num_attention_heads", I8I_REQUIRED},
    {I8I_DIM_FFN, "intermediate_size", I8I_REQUIRED},
    {I8I_DIM_IMAGE, "image_size", I8I_REQUIRED},
    {I8I_DIM_PATCH, "patch_size", I8I_REQUIRED},
    {I8I_DIM_CHANNELS, "num_channels", 3},
    {I8I_DIM_X0, "pooler_output_size|hidden_size", I8I_REQUIRED},
    I8I_KEYS_END,
};

/* clang-format off */
#define BIASED(d, n, r, out, in, ...) \
    I8I_LINEAR(d, n, r, out, in, .bias = i8i_always, __VA_ARGS__)
#define PROJECTION(n, r, old) \
    I8I_LINEAR(4, n, r, HIDDEN, HIDDEN, .bias = i8i_when_attention_bias, .alias = old)
#define LAYER_NORM(d, n, r) I8I_NORM(d, n, "LayerNorm", r, HIDDEN, .bias = i8i_always)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "vit", "ViTModel"),
    I8I_MODULE(1, "embeddings", "ViTEmbeddings"),
    I8I_PARAM(2, "cls_token", CLASS_TOKEN, .rows = I8I_DIM_ONE, .cols = I8I_DIM_ONE,
              .extra = {I8I_DIM_HIDDEN}),
    I8I_PARAM(2, "position_embeddings", POSITION_EMBED, .rows = I8I_DIM_ONE,
              .cols = I8I_DIM_POSITION_ROWS, .extra = {I8I_DIM_HIDDEN}),
    I8I_MODULE(2, "patch_embeddings", "ViTPatchEmbeddings"),
    {.depth = 3,
     .kind = I8I_NODE_CONV,
     .name = "projection",
     .class_name = "Conv2d",
     .role = I8I_ROLE_CONV1,
     .rows = I8I_DIM_HIDDEN,
     .cols = I8I_DIM_CHANNELS,
     .extra = {I8I_DIM_PATCH, I8I_DIM_PATCH},
     .bias = i8i_always},
    I8I_MODULE(2, "dropout", "Dropout"),
    I8I_MODULE(1, "layers", "ModuleList", .alias = "encoder.layer"),
    I8I_BLOCKS(2, "ViTLayer", LAYERS, 0),
    I8I_MODULE(3, "attention", "ViTAttention"),
    PROJECTION("q_proj", Q, "attention.query"),
    PROJECTION("k_proj", K, "attention.key"),
    PROJECTION("v_proj", V, "attention.value"),
    BIASED(4, "o_proj", O, HIDDEN, HIDDEN, .alias = "output.dense"),
    LAYER_NORM(3, "layernorm_before", ATTN_NORM),
    LAYER_NORM(3, "layernorm_after", MLP_NORM),
    I8I_MODULE(3, "mlp", "ViTMLP", .alias = ""),
    I8I_MODULE(4, "activation_fn", "Activation"),
    BIASED(4, "fc1", UP, FFN, HIDDEN, .alias = "intermediate.dense"),
    BIASED(4, "fc2", DOWN, HIDDEN, FFN, .alias = "output.dense"),
    I8I_MODULE(3, "dropout", "Dropout"),
    LAYER_NORM(1, "layernorm", FINAL_NORM),
    I8I_MODULE(1, "pooler", "ViTPooler", .when = i8i_when_base_class),
    BIASED(2, "dense", POOLER, X0, HIDDEN),
    I8I_MODULE(2, "activation", "Activation"),
    BIASED(0, "classifier", NONE, LABELS, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_vit = {
    .model_type = "vit",
    .architecture = "ViTForImageClassification",
    .base_prefix = "vit",
    .keys = keys,
    .derive = derive,
    .arch =
        {
            .shape = I8I_SHAPE_ENCODER,
            .norm = I8I_NORM_LAYER,
            .norm_place = I8I_NORM_PRE,
            .position = I8I_POS_LEARNED,
            .activation = I8I_ACT_GELU,
            .final_norm = true,
            .norm_epsilon = 1e-12,
        },
    .nodes = nodes,
    .no_split = I8I_NAMES("ViTEmbeddings", "ViTLayer"),
};
