/* SPDX-License-Identifier: Apache-2.0
 *
 * Phi-1 and Phi-2: attention and MLP side by side behind one LayerNorm, half of each
 * head rotated, biases everywhere, the head included.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "qk_layernorm", false))
        hp->flags |= I8I_FLAG_QK_NORM;
    if (!i8i_config_get(config, "partial_rotary_factor|rope_parameters"))
        hp->dim[I8I_DIM_ROTARY] = hp->dim[I8I_DIM_HEAD_DIM] / 2;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {I8I_LLAMA_KEYS, I8I_KEYS_END};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Phi", "Embedding"),
    I8I_LLAMA_BLOCKS("Phi"),
    I8I_MODULE(3, "self_attn", "PhiAttention"),
    I8I_LINEAR(4, "q_proj", Q, Q, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "k_proj", K, KV, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "v_proj", V, KV, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "dense", O, HIDDEN, Q, .bias = i8i_always),
    I8I_NORM(4, "q_layernorm", "LayerNorm", Q_NORM, HEAD_DIM, .bias = i8i_always,
             .when = i8i_when_qk_norm),
    I8I_NORM(4, "k_layernorm", "LayerNorm", K_NORM, HEAD_DIM, .bias = i8i_always,
             .when = i8i_when_qk_norm),
    I8I_MODULE(3, "mlp", "PhiMLP"),
    I8I_MODULE(4, "activation_fn", "Activation"),
    I8I_LINEAR(4, "fc1", UP, FFN, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(4, "fc2", DOWN, HIDDEN, FFN, .bias = i8i_always),
    I8I_NORM(3, "input_layernorm", "LayerNorm", ATTN_NORM, HIDDEN, .bias = i8i_always),
    I8I_MODULE(3, "resid_dropout", "Dropout"),
    I8I_ROTARY(1, "rotary_emb", "PhiRotaryEmbedding"),
    I8I_MODULE(1, "embed_dropout", "Dropout"),
    I8I_NORM(1, "final_layernorm", "LayerNorm", FINAL_NORM, HIDDEN, .bias = i8i_always),
    I8I_LINEAR(0, "lm_head", HEAD, VOCAB, HIDDEN, .bias = i8i_always),
    I8I_NODE_END,
};

const struct i8i_family i8i_family_phi = {
    I8I_LLAMA_FAMILY("phi", "Phi"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(LAYER, PRE, ROTARY, GELU_TANH, false, 1e-5, 1e4),
             .parallel = true},
    .nodes = nodes,
    .holds = I8I_HOLD_UNROTATED,
};
