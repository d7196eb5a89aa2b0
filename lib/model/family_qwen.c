/* SPDX-License-Identifier: Apache-2.0
 *
 * Qwen 2 (and 2.5), with biases on queries, keys and values, and Qwen 3, with norms on
 * each head's queries and keys instead. A sliding window, if used at all, starts at a
 * stated block.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    if (!i8i_config_bool(config, "use_sliding_window", false))
        hp->dim[I8I_DIM_WINDOW] = 0;
    hp->window_rule = I8I_WINDOW_FROM;
    return i8i_config_dim(&hp->window_arg, config, "max_window_layers", 28, err);
}

static const struct i8i_config_key qwen2_keys[] = {
    I8I_LLAMA_KEYS, {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL}, I8I_KEYS_END};

/* A head's width stands apart from hidden size / heads, and has a default of its own. */
static const struct i8i_config_key qwen3_keys[] = {
    I8I_LLAMA_KEYS,
    {I8I_DIM_HEAD_DIM, "head_dim", 128},
    {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL},
    I8I_KEYS_END,
};

static const struct i8i_node qwen2_nodes[] = {
    I8I_LLAMA_TOP("Qwen2", "Embedding"),
    I8I_LLAMA_BLOCKS("Qwen2"),
    I8I_LLAMA_ATTENTION("Qwen2", i8i_always, NULL),
    I8I_LLAMA_MLP("Qwen2", NULL),
    I8I_LLAMA_NORMS("Qwen2"),
    I8I_LLAMA_END("Qwen2"),
};

static const struct i8i_node qwen3_nodes[] = {
    I8I_LLAMA_TOP("Qwen3", "Embedding"),
    I8I_LLAMA_BLOCKS("Qwen3"),
    I8I_LLAMA_ATTENTION("Qwen3", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_NORM(4, "q_norm", "Qwen3RMSNorm", Q_NORM, HEAD_DIM),
    I8I_NORM(4, "k_norm", "Qwen3RMSNorm", K_NORM, HEAD_DIM),
    I8I_LLAMA_MLP("Qwen3", NULL),
    I8I_LLAMA_NORMS("Qwen3"),
    I8I_LLAMA_END("Qwen3"),
};

const struct i8i_family i8i_family_qwen2 = {
    I8I_LLAMA_FAMILY("qwen2", "Qwen2"), .keys = qwen2_keys,   .derive = derive,
    .arch = {I8I_LLAMA_ARCH},           .nodes = qwen2_nodes,
};

const struct i8i_family i8i_family_qwen3 = {
    I8I_LLAMA_FAMILY("qwen3", "Qwen3"), .keys = qwen3_keys,   .derive = derive,
    .arch = {I8I_LLAMA_ARCH},           .nodes = qwen3_nodes,
};
