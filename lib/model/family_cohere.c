/* SPDX-License-Identifier: Apache-2.0
 *
 * Cohere (Command R): attention and MLP side by side behind one LayerNorm without
 * bias, neighbours rotated, logits scaled, the head tied.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    if (i8i_config_bool(config, "use_qk_norm", false))
        hp->flags |= I8I_FLAG_QK_NORM;
    hp->arch.logit_scale = i8i_config_double(config, "logit_scale", 0.0625);
    return I8_OK;
}

static const struct i8i_config_key keys[] = {I8I_LLAMA_KEYS, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Cohere", "Embedding"),
    I8I_LLAMA_BLOCKS("Cohere"),
    I8I_LLAMA_ATTENTION("Cohere", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_NORM(4, "q_norm", "CohereLayerNorm", Q_HEAD_NORM, HEADS, .cols = I8I_DIM_HEAD_DIM,
             .when = i8i_when_qk_norm),
    I8I_NORM(4, "k_norm", "CohereLayerNorm", K_HEAD_NORM, KV_HEADS,
             .cols = I8I_DIM_HEAD_DIM, .when = i8i_when_qk_norm),
    I8I_LLAMA_MLP("Cohere", NULL),
    I8I_NORM(3, "input_layernorm", "CohereLayerNorm", ATTN_NORM, HIDDEN),
    I8I_NORM(1, "norm", "CohereLayerNorm", FINAL_NORM, HIDDEN),
    I8I_ROTARY(1, "rotary_emb", "CohereRotaryEmbedding"),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_cohere = {
    I8I_LLAMA_FAMILY("cohere", "Cohere"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(LAYER, PRE, ROTARY_PAIRS, SILU, true, 1e-5, 5e5),
             .parallel = true},
    .tied_by_default = true,
    .nodes = nodes,
};
