/* SPDX-License-Identifier: Apache-2.0
 *
 * Qwen 2 and Qwen 3 with experts: every block but the ones that config.json lists has
 * a router and experts; Qwen 2 adds a shared expert behind a gate.
 */
#include "config.h"

#include "model/nodes.h"

/* The blocks that mlp_only_layers lists, one bit each: they are among the first, where
 * they are any. */
enum { DENSE_MAX = 48 };
#define DENSE_MASK ((UINT64_C(1) << DENSE_MAX) - 1)

static bool is_sparse(const struct i8i_hparams *hp, int64_t block)
{
    if (block < DENSE_MAX && hp->flags >> block & 1)
        return false;
    int64_t step = hp->dim[I8I_DIM_X0]; /* decoder_sparse_step */
    return step > 0 && (block + 1) % step == 0;
}

static bool is_dense(const struct i8i_hparams *hp, int64_t block)
{
    return !is_sparse(hp, block);
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    const i8i_json *dense = i8i_config_get(config, "mlp_only_layers");
    for (const i8i_json *n = i8i_json_first(dense); n; n = i8i_json_next(n)) {
        uint64_t block;
        if (!i8i_json_u64(&block, n) || block >= DENSE_MAX)
            return i8i_fail(err, I8_ERR_UNSUPPORTED,
                            "config.json: mlp_only_layers beyond block %d",
                            DENSE_MAX - 1);
        hp->flags |= UINT64_C(1) << block;
    }
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    if (i8i_config_bool(config, "qkv_bias", true))
        hp->flags |= I8I_FLAG_MLP_BIAS; /* Qwen 2: of queries, keys and values */
    hp->arch.router_normalized = i8i_config_bool(config, "norm_topk_prob", false);
    if (!i8i_config_bool(config, "use_sliding_window", false))
        hp->dim[I8I_DIM_WINDOW] = 0;
    return I8_OK;
}

#define MOE_KEYS                                                          \
    I8I_LLAMA_KEYS, {I8I_DIM_WINDOW, "sliding_window", I8I_OPTIONAL},     \
        {I8I_DIM_EXPERTS, "num_experts|num_local_experts", I8I_REQUIRED}, \
        {I8I_DIM_EXPERTS_PER_TOKEN, "num_experts_per_tok", I8I_REQUIRED}, \
        {I8I_DIM_EXPERT_FFN, "moe_intermediate_size", I8I_REQUIRED},      \
    {                                                                     \
        I8I_DIM_X0, "decoder_sparse_step", 1                              \
    }
static const struct i8i_config_key qwen2_keys[] = {
    MOE_KEYS,
    {I8I_DIM_SHARED_EXPERT_FFN, "shared_expert_intermediate_size", I8I_REQUIRED},
    I8I_KEYS_END,
};
static const struct i8i_config_key qwen3_keys[] = {MOE_KEYS, I8I_KEYS_END};

static const struct i8i_node qwen2_nodes[] = {
    I8I_LLAMA_TOP("Qwen2Moe", "Embedding"),
    I8I_LLAMA_BLOCKS("Qwen2Moe"),
    I8I_LLAMA_ATTENTION("Qwen2Moe", i8i_when_mlp_bias, NULL),
    I8I_MODULE(3, "mlp", "Qwen2MoeSparseMoeBlock", .when = is_sparse),
    I8I_ROUTER(4, "gate", "Qwen2MoeTopKRouter"),
    I8I_EXPERTS(4, "Qwen2Moe", "gate_proj", "up_proj", "down_proj"),
    I8I_MODULE(4, "shared_expert", "Qwen2MoeMLP"),
    I8I_LINEAR(5, "gate_proj", SHARED_GATE, SHARED_EXPERT_FFN, HIDDEN),
    I8I_LINEAR(5, "up_proj", SHARED_UP, SHARED_EXPERT_FFN, HIDDEN),
    I8I_LINEAR(5, "down_proj", SHARED_DOWN, HIDDEN, SHARED_EXPERT_FFN),
    I8I_MODULE(5, "act_fn", "Activation"),
    I8I_LINEAR(4, "shared_expert_gate", SHARED_EXPERT_GATE, ONE, HIDDEN),
    I8I_LLAMA_MLP("Qwen2Moe", NULL, .when = is_dense),
    I8I_LLAMA_NORMS("Qwen2Moe"),
    I8I_LLAMA_END("Qwen2Moe"),
};

static const struct i8i_node qwen3_nodes[] = {
    I8I_LLAMA_TOP("Qwen3Moe", "Embedding"),
    I8I_LLAMA_BLOCKS("Qwen3Moe"),
    I8I_LLAMA_ATTENTION("Qwen3Moe", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_NORM(4, "q_norm", "Qwen3MoeRMSNorm", Q_NORM, HEAD_DIM),
    I8I_NORM(4, "k_norm", "Qwen3MoeRMSNorm", K_NORM, HEAD_DIM),
    I8I_MODULE(3, "mlp", "Qwen3MoeSparseMoeBlock", .when = is_sparse),
    I8I_EXPERTS(4, "Qwen3Moe", "gate_proj", "up_proj", "down_proj"),
    I8I_ROUTER(4, "gate", "Qwen3MoeTopKRouter"),
    I8I_LLAMA_MLP("Qwen3Moe", NULL, .when = is_dense),
    I8I_LLAMA_NORMS("Qwen3Moe"),
    I8I_LLAMA_END("Qwen3Moe"),
};

const struct i8i_family i8i_family_qwen2_moe = {
    I8I_LLAMA_FAMILY("qwen2_moe", "Qwen2Moe"),
    .keys = qwen2_keys,
    .derive = derive,
    .arch = {I8I_LLAMA_ARCH},
    .nodes = qwen2_nodes,
    .fused_experts = "experts.gate_up_proj",
    .holds = I8I_HOLD_SHARED,
};

const struct i8i_family i8i_family_qwen3_moe = {
    I8I_LLAMA_FAMILY("qwen3_moe", "Qwen3Moe"),
    .keys = qwen3_keys,
    .derive = derive,
    .arch = {I8I_LLAMA_ARCH},
    .nodes = qwen3_nodes,
    .fused_experts = "experts.gate_up_proj",
};
