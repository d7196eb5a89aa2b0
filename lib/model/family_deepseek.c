/* SPDX-License-Identifier: Apache-2.0
 *
 * DeepSeek V2 and V3: multi-head latent attention (queries and key-values through low-
 * rank pairs, a rotated part beside), leading dense blocks, then experts with shared
 * ones beside them.
 */
#include "config.h"

#include "model/nodes.h"

static bool is_dense(const struct i8i_hparams *hp, int64_t block)
{
    return block < hp->dim[I8I_DIM_DENSE_LAYERS];
}

static bool is_sparse(const struct i8i_hparams *hp, int64_t block)
{
    return !is_dense(hp, block);
}

static bool has_q_rank(const struct i8i_hparams *hp, int64_t block)
{
    (void)block;
    return hp->dim[I8I_DIM_Q_RANK] != 0;
}

static bool has_no_q_rank(const struct i8i_hparams *hp, int64_t block)
{
    return !has_q_rank(hp, block);
}

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    int64_t *d = hp->dim, shared;
    enum i8_status st = i8i_config_dim(&shared, config, "n_shared_experts", 1, err);
    if (st)
        return st;
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    d[I8I_DIM_SHARED_EXPERT_FFN] = shared * d[I8I_DIM_EXPERT_FFN];
    d[I8I_DIM_HEAD_DIM] = d[I8I_DIM_NOPE] + d[I8I_DIM_ROPE];
    d[I8I_DIM_ROTARY] = d[I8I_DIM_ROPE];
    d[I8I_DIM_KV_HEADS] = d[I8I_DIM_HEADS];
    d[I8I_DIM_X0] = d[I8I_DIM_KV_RANK] + d[I8I_DIM_ROPE];
    d[I8I_DIM_X1] = d[I8I_DIM_HEADS] * (d[I8I_DIM_NOPE] + d[I8I_DIM_V_HEAD_DIM]);
    d[I8I_DIM_X2] = d[I8I_DIM_HEADS] * d[I8I_DIM_V_HEAD_DIM];
    hp->arch.router_normalized = i8i_config_bool(config, "norm_topk_prob", true);
    hp->arch.router_scale = i8i_config_double(config, "routed_scaling_factor", 1.0);
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS,
    {I8I_DIM_EXPERTS, "n_routed_experts|num_local_experts|num_experts", I8I_REQUIRED},
    {I8I_DIM_EXPERTS_PER_TOKEN, "num_experts_per_tok", I8I_REQUIRED},
    {I8I_DIM_EXPERT_FFN, "moe_intermediate_size", I8I_REQUIRED},
    {I8I_DIM_DENSE_LAYERS, "first_k_dense_replace", 0},
    {I8I_DIM_MTP_LAYERS, "num_nextn_predict_layers", I8I_OPTIONAL},
    {I8I_DIM_Q_RANK, "q_lora_rank", I8I_OPTIONAL},
    {I8I_DIM_KV_RANK, "kv_lora_rank", I8I_REQUIRED},
    {I8I_DIM_NOPE, "qk_nope_head_dim", I8I_REQUIRED},
    {I8I_DIM_ROPE, "qk_rope_head_dim", I8I_REQUIRED},
    {I8I_DIM_V_HEAD_DIM, "v_head_dim", I8I_REQUIRED},
    I8I_KEYS_END,
};

/* clang-format off */
#define LATENT_ATTENTION(P) \
    I8I_MODULE(3, "self_attn", P "Attention"), \
    I8I_LINEAR(4, "q_proj", Q, Q, HIDDEN, .when = has_no_q_rank), \
    I8I_LINEAR(4, "q_a_proj", Q_A, Q_RANK, HIDDEN, .when = has_q_rank, \
               .bias = i8i_when_attention_bias), \
    I8I_NORM(4, "q_a_layernorm", P "RMSNorm", Q_A_NORM, Q_RANK, .when = has_q_rank), \
    I8I_LINEAR(4, "q_b_proj", Q_B, Q, Q_RANK, .when = has_q_rank), \
    I8I_LINEAR(4, "kv_a_proj_with_mqa", KV_A, X0, HIDDEN, .bias = i8i_when_attention_bias), \
    I8I_NORM(4, "kv_a_layernorm", P "RMSNorm", KV_A_NORM, KV_RANK), \
    I8I_LINEAR(4, "kv_b_proj", KV_B, X1, KV_RANK), \
    I8I_LINEAR(4, "o_proj", O, HIDDEN, X2, .bias = i8i_when_attention_bias)
/* The router was a parameter of its own class before transformers 5, too. */
#define EXPERTS(P, moe, ...) \
    I8I_MODULE(3, "mlp", moe, .when = is_sparse), \
    I8I_EXPERTS(4, P, "gate_proj", "up_proj", "down_proj"), \
    I8I_MODULE(4, "gate", P "TopkRouter"), \
    I8I_PARAM(5, "weight", ROUTER, .rows = I8I_DIM_EXPERTS, .cols = I8I_DIM_HIDDEN), \
    __VA_ARGS__ \
    I8I_MODULE(4, "shared_experts", P "MLP"), \
    I8I_LINEAR(5, "gate_proj", SHARED_GATE, SHARED_EXPERT_FFN, HIDDEN), \
    I8I_LINEAR(5, "up_proj", SHARED_UP, SHARED_EXPERT_FFN, HIDDEN), \
    I8I_LINEAR(5, "down_proj", SHARED_DOWN, HIDDEN, SHARED_EXPERT_FFN), \
    I8I_MODULE(5, "act_fn", "Activation")
/* clang-format on */

static const struct i8i_node v2_nodes[] = {
    I8I_LLAMA_TOP("DeepseekV2", "Embedding"),
    I8I_LLAMA_BLOCKS("DeepseekV2"),
    LATENT_ATTENTION("DeepseekV2"),
    EXPERTS("DeepseekV2", "DeepseekV2Moe", ),
    I8I_LLAMA_MLP("DeepseekV2", NULL, .when = is_dense),
    I8I_LLAMA_NORMS("DeepseekV2"),
    I8I_LLAMA_END("DeepseekV2"),
};

static const struct i8i_node v3_nodes[] = {
    I8I_LLAMA_TOP("DeepseekV3", "Embedding"),
    I8I_LLAMA_BLOCKS("DeepseekV3"),
    LATENT_ATTENTION("DeepseekV3"),
    EXPERTS("DeepseekV3", "DeepseekV3MoE",
            I8I_BUFFER(5, "e_score_correction_bias", .rows = I8I_DIM_EXPERTS,
                       .persistent = true), ),
    I8I_LLAMA_MLP("DeepseekV3", NULL, .when = is_dense),
    I8I_LLAMA_NORMS("DeepseekV3"),
    I8I_LLAMA_END("DeepseekV3"),
};

const struct i8i_family i8i_family_deepseek_v2 = {
    I8I_LLAMA_FAMILY("deepseek_v2", "DeepseekV2"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(RMS, PRE, ROTARY_PAIRS, SILU, true, 1e-6, 1e4)},
    .nodes = v2_nodes,
    .fused_experts = "experts.gate_up_proj",
    .holds = I8I_HOLD_WIDE_WEIGHTS,
};

const struct i8i_family i8i_family_deepseek_v3 = {
    I8I_LLAMA_FAMILY("deepseek_v3", "DeepseekV3"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(RMS, PRE, ROTARY_PAIRS, SILU, true, 1e-6, 1e4),
             .router_sigmoid = true},
    .nodes = v3_nodes,
    .keep_fp32 = I8I_NAMES("e_score_correction_bias"),
    .fused_experts = "experts.gate_up_proj",
    .holds = I8I_HOLD_WIDE_WEIGHTS,
};
