/* SPDX-License-Identifier: Apache-2.0
 *
 * LLaMA 1 to 3: pre-norm with RMSNorm, rotary positions, grouped queries, gated MLP.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    if (i8i_config_bool(config, "mlp_bias", false))
        hp->flags |= I8I_FLAG_MLP_BIAS;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {I8I_LLAMA_KEYS, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Llama", "Embedding"),
    I8I_LLAMA_BLOCKS("Llama"),
    I8I_LLAMA_ATTENTION("Llama", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_LLAMA_MLP("Llama", i8i_when_mlp_bias),
    I8I_LLAMA_NORMS("Llama"),
    I8I_LLAMA_END("Llama"),
};

const struct i8i_family i8i_family_llama = {
    I8I_LLAMA_FAMILY("llama", "Llama"), .keys = keys,   .derive = derive,
    .arch = {I8I_LLAMA_ARCH},           .nodes = nodes,
};
