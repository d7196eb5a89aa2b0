/* SPDX-License-Identifier: Apache-2.0
 *
 * StableLM: LLaMA with LayerNorm and a quarter of each head rotated; some have
 * attention and MLP side by side, or a norm for each head's queries and keys.
 */
#include "config.h"

#include "model/nodes.h"

static bool is_sequential(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return !hp->arch.parallel;
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "use_qkv_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    if (i8i_config_bool(config, "qk_layernorm", false))
        hp->flags |= I8I_FLAG_QK_NORM;
    hp->arch.parallel = i8i_config_bool(config, "use_parallel_residual", false);
    if (!i8i_config_get(config, "partial_rotary_factor|rope_pct|rope_parameters"))
        hp->dim[I8I_DIM_ROTARY] = hp->dim[I8I_DIM_HEAD_DIM] / 4;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {I8I_LLAMA_KEYS, I8I_KEYS_END};

/* clang-format off */
#define HEAD_NORMS(n, r, number) \
    I8I_MODULE(4, n, "StableLmLayerNormPerHead", .when = i8i_when_qk_norm), \
    I8I_MODULE(5, "norms", "ModuleList"), \
    I8I_NORM(6, "#", "LayerNorm", r, HEAD_DIM, .count = I8I_DIM_##number)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("StableLm", "Embedding"),
    I8I_LLAMA_BLOCKS("StableLm"),
    I8I_LLAMA_ATTENTION("StableLm", i8i_when_attention_bias, NULL),
    HEAD_NORMS("q_layernorm", Q_HEAD_NORM, HEADS),
    HEAD_NORMS("k_layernorm", K_HEAD_NORM, KV_HEADS),
    I8I_LLAMA_MLP("StableLm", NULL),
    I8I_NORM(3, "input_layernorm", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_NORM(3, "post_attention_layernorm", "LayerNorm", MLP_NORM, HIDDEN,
             .bias = i8i_always, .when = is_sequential),
    I8I_MODULE(3, "dropout", "Dropout"),
    I8I_NORM(1, "norm", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_ROTARY(1, "rotary_emb", "StableLmRotaryEmbedding"),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_stablelm = {
    I8I_LLAMA_FAMILY("stablelm", "StableLm"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(LAYER, PRE, ROTARY, SILU, true, 1e-5, 1e4)},
    .nodes = nodes,
    .holds = I8I_HOLD_NORMED | I8I_HOLD_ATTENTION | I8I_HOLD_UNROTATED,
};
