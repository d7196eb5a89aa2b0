/* SPDX-License-Identifier: Apache-2.0
 *
 * Phi-3: LLaMA with queries, keys and values in one projection, gate and up in
 * another.
 */
#include "config.h"

#include "model/nodes.h"

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS, {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL}, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Phi3", "Embedding"),
    I8I_LLAMA_BLOCKS("Phi3"),
    I8I_MODULE(3, "self_attn", "Phi3Attention"),
    I8I_LINEAR(4, "o_proj", O, HIDDEN, Q),
    I8I_LINEAR(4, "qkv_proj", QKV, QKV, HIDDEN),
    I8I_MODULE(3, "mlp", "Phi3MLP"),
    I8I_LINEAR(4, "gate_up_proj", GATE_UP, FFN2, HIDDEN),
    I8I_LINEAR(4, "down_proj", DOWN, HIDDEN, FFN),
    I8I_MODULE(4, "activation_fn", "Activation"),
    I8I_LLAMA_NORMS("Phi3"),
    I8I_MODULE(3, "resid_attn_dropout", "Dropout"),
    I8I_MODULE(3, "resid_mlp_dropout", "Dropout"),
    I8I_LLAMA_END("Phi3"),
};

const struct i8i_family i8i_family_phi3 = {
    I8I_LLAMA_FAMILY("phi3", "Phi3"),
    .keys = keys,
    .arch = {I8I_ROTARY_DECODER(RMS, PRE, ROTARY, SILU, true, 1e-5, 1e4),
             .qkv = I8I_QKV_BLOCKS},
    .nodes = nodes,
};
