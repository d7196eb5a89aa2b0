/* SPDX-License-Identifier: Apache-2.0
 *
 * OLMo 2: LLaMA with its norms behind the sublayers and over all queries and keys.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {I8I_LLAMA_KEYS, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Olmo2", "Embedding"),
    I8I_LLAMA_BLOCKS("Olmo2"),
    I8I_LLAMA_ATTENTION("Olmo2", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_NORM(4, "q_norm", "Olmo2RMSNorm", Q_NORM, Q),
    I8I_NORM(4, "k_norm", "Olmo2RMSNorm", K_NORM, KV),
    I8I_LLAMA_MLP("Olmo2", NULL),
    I8I_NORM(3, "post_attention_layernorm", "Olmo2RMSNorm", ATTN_POST_NORM, HIDDEN),
    I8I_NORM(3, "post_feedforward_layernorm", "Olmo2RMSNorm", MLP_POST_NORM, HIDDEN),
    I8I_LLAMA_END("Olmo2"),
};

const struct i8i_family i8i_family_olmo2 = {
    I8I_LLAMA_FAMILY("olmo2", "Olmo2"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(RMS, POST_SUB, ROTARY, SILU, true, 1e-5, 5e5)},
    .nodes = nodes,
};
