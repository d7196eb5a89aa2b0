/* SPDX-License-Identifier: Apache-2.0
 *
 * StarCoder 2: LLaMA's attention with LayerNorm, a plain MLP, and biases (if so
 * stated).
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "use_bias", true))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS | I8I_FLAG_MLP_BIAS;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS, {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL}, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Starcoder2", "Embedding"),
    I8I_LLAMA_BLOCKS("Starcoder2"),
    I8I_LLAMA_ATTENTION("Starcoder2", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_MODULE(3, "mlp", "Starcoder2MLP"),
    I8I_LINEAR(4, "c_fc", UP, FFN, HIDDEN, .bias = i8i_when_mlp_bias),
    I8I_LINEAR(4, "c_proj", DOWN, HIDDEN, FFN, .bias = i8i_when_mlp_bias),
    I8I_MODULE(4, "act", "Activation"),
    I8I_NORM(3, "input_layernorm", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_NORM(3, "post_attention_layernorm", "LayerNorm", MLP_NORM, HIDDEN,
             .bias = i8i_always),
    I8I_NORM(1, "norm", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_ROTARY(1, "rotary_emb", "Starcoder2RotaryEmbedding"),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_starcoder2 = {
    I8I_LLAMA_FAMILY("starcoder2", "Starcoder2"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(LAYER, PRE, ROTARY, GELU_TANH, false, 1e-5, 1e4)},
    .tied_by_default = true,
    .nodes = nodes,
};
