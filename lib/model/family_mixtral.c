/* SPDX-License-Identifier: Apache-2.0
 *
 * Mixtral: Mistral with eight experts a block. Checkpoints call the expert block
 * block_sparse_moe and its Linears w1, w2, w3; transformers 5 calls it mlp and fuses
 * them.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)config;
    (void)err;
    hp->dim[I8I_DIM_EXPERT_FFN] = hp->dim[I8I_DIM_FFN];
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS,
    {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL},
    {I8I_DIM_EXPERTS, "num_local_experts|num_experts", I8I_REQUIRED},
    {I8I_DIM_EXPERTS_PER_TOKEN, "num_experts_per_tok", I8I_REQUIRED},
    I8I_KEYS_END,
};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("Mixtral", "Embedding"),
    I8I_LLAMA_BLOCKS("Mixtral"),
    I8I_LLAMA_ATTENTION("Mixtral", NULL, NULL),
    I8I_MODULE(3, "mlp", "MixtralSparseMoeBlock", .alias = "block_sparse_moe"),
    I8I_ROUTER(4, "gate", "MixtralTopKRouter"),
    I8I_EXPERTS(4, "Mixtral", "w1", "w3", "w2"),
    I8I_LLAMA_NORMS("Mixtral"),
    I8I_LLAMA_END("Mixtral"),
};

const struct i8i_family i8i_family_mixtral = {
    I8I_LLAMA_FAMILY("mixtral", "Mixtral"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(RMS, PRE, ROTARY, SILU, true, 1e-5, 1e6),
             .router_normalized = true},
    .nodes = nodes,
    .fused_experts = "experts.gate_up_proj",
    .holds = I8I_HOLD_WIDE_WEIGHTS,
};
