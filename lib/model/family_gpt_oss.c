/* SPDX-License-Identifier: Apache-2.0
 *
 * GPT-OSS: experts with biases in one parameter a block (in 16 bit; the published
 * weights are MXFP4, which is told apart by name), attention sinks, every other block
 * through a window.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", true))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    hp->dim[I8I_DIM_EXPERT_FFN] = hp->dim[I8I_DIM_FFN];
    hp->window_rule = I8I_WINDOW_EVEN;
    return I8_OK;
}

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS,
    {I8I_DIM_HEAD_DIM, "head_dim", 64},
    {I8I_DIM_WINDOW, "sliding_window", 128},
    {I8I_DIM_EXPERTS, "num_local_experts|num_experts", I8I_REQUIRED},
    {I8I_DIM_EXPERTS_PER_TOKEN, "num_experts_per_tok|experts_per_token", I8I_REQUIRED},
    I8I_KEYS_END,
};

static const struct i8i_node nodes[] = {
    I8I_LLAMA_TOP("GptOss", "Embedding"),
    I8I_LLAMA_BLOCKS("GptOss"),
    I8I_LLAMA_ATTENTION("GptOss", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_PARAM(4, "sinks", NONE, .rows = I8I_DIM_HEADS),
    I8I_MODULE(3, "mlp", "GptOssMLP"),
    /* Parameters of its own class in transformers 4, too. */
    I8I_MODULE(4, "router", "GptOssTopKRouter"),
    I8I_PARAM(5, "weight", ROUTER, .rows = I8I_DIM_EXPERTS, .cols = I8I_DIM_HIDDEN),
    I8I_PARAM(5, "bias", NONE, .rows = I8I_DIM_EXPERTS),
    I8I_MODULE(4, "experts", "GptOssExperts"),
    I8I_PARAM(5, "gate_up_proj", EXPERTS_GATE_UP, .rows = I8I_DIM_EXPERTS,
              .cols = I8I_DIM_HIDDEN, .extra = {I8I_DIM_EXPERT_FFN2}),
    I8I_PARAM(5, "gate_up_proj_bias", NONE, .rows = I8I_DIM_EXPERTS,
              .cols = I8I_DIM_EXPERT_FFN2),
    I8I_PARAM(5, "down_proj", EXPERTS_DOWN, .rows = I8I_DIM_EXPERTS,
              .cols = I8I_DIM_EXPERT_FFN, .extra = {I8I_DIM_HIDDEN}),
    I8I_PARAM(5, "down_proj_bias", NONE, .rows = I8I_DIM_EXPERTS, .cols = I8I_DIM_HIDDEN),
    I8I_LLAMA_NORMS("GptOss"),
    I8I_LLAMA_END("GptOss"),
};

const struct i8i_family i8i_family_gpt_oss = {
    I8I_LLAMA_FAMILY("gpt_oss", "GptOss"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(RMS, PRE, ROTARY, SILU, true, 1e-5, 150000.0),
             .router_normalized = true},
    .nodes = nodes,
    .keep_fp32 = I8I_NAMES("post_attention_layernorm", "input_layernorm", "norm"),
    .fused_experts = "experts.gate_up_proj",
    .holds = I8I_SCORES_SINKS,
};
