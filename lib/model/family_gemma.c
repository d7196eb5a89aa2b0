/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemma 1 and 2: embeddings scaled by the square root of their width, norms that add one
 * to their weights; 2 has norms on both sides of a sublayer, every other block sees a
 * window, and logits are capped.
 */
#include "config.h"

#include "model/nodes.h"

static enum i8_status derive(struct i8i_hparams *hp, const i8i_json *config,
                             struct i8_error *err)
{
    (void)err;
    if (i8i_config_bool(config, "attention_bias", false))
        hp->flags |= I8I_FLAG_ATTENTION_BIAS;
    hp->arch.embed_scale = __builtin_sqrt((double)hp->dim[I8I_DIM_HIDDEN]);
    /* The first configurations say "gelu" and have always been run with the tanh form. */
    if (hp->arch.activation == I8I_ACT_GELU)
        hp->arch.activation = I8I_ACT_GELU_TANH;
    return I8_OK;
}

static enum i8_status derive2(struct i8i_hparams *hp, const i8i_json *config,
                              struct i8_error *err)
{
    double scalar = i8i_config_double(config, "query_pre_attn_scalar", 256);
    if (!(scalar > 0))
        return i8i_fail(err, I8_ERR_DATA, "config.json: query_pre_attn_scalar is %g",
                        scalar);
    hp->arch.attention_scale = 1 / __builtin_sqrt(scalar);
    hp->arch.attention_softcap = i8i_config_double(config, "attn_logit_softcapping", 0);
    hp->arch.logit_softcap = i8i_config_double(config, "final_logit_softcapping", 0);
    hp->window_rule = I8I_WINDOW_EVEN;
    return derive(hp, config, err);
}

static const struct i8i_config_key keys[] = {
    I8I_LLAMA_KEYS, {I8I_DIM_HEAD_DIM, "head_dim", 256}, I8I_KEYS_END};
static const struct i8i_config_key keys2[] = {I8I_LLAMA_KEYS,
                                              {I8I_DIM_HEAD_DIM, "head_dim", 256},
                                              {I8I_DIM_WINDOW, "sliding_window", 4096},
                                              I8I_KEYS_END};

/* clang-format off */
#define NORMS(P) \
    I8I_NORM(3, "input_layernorm", P "RMSNorm", ATTN_NORM, HIDDEN), \
    I8I_NORM(3, "post_attention_layernorm", P "RMSNorm", ATTN_POST_NORM, HIDDEN), \
    I8I_NORM(3, "pre_feedforward_layernorm", P "RMSNorm", MLP_NORM, HIDDEN), \
    I8I_NORM(3, "post_feedforward_layernorm", P "RMSNorm", MLP_POST_NORM, HIDDEN)
/* clang-format on */

static const struct i8i_node nodes[] = {
    I8I_MODULE(0, "model", "GemmaModel"),
    I8I_EMBEDDING(1, "embed_tokens", "GemmaTextScaledWordEmbedding", EMBED, VOCAB,
                  HIDDEN),
    I8I_BUFFER(2, "embed_scale"),
    I8I_LLAMA_BLOCKS("Gemma"),
    I8I_LLAMA_ATTENTION("Gemma", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_LLAMA_MLP("Gemma", NULL),
    I8I_LLAMA_NORMS("Gemma"),
    I8I_LLAMA_END("Gemma"),
};

static const struct i8i_node nodes2[] = {
    I8I_MODULE(0, "model", "Gemma2Model"),
    I8I_EMBEDDING(1, "embed_tokens", "Gemma2TextScaledWordEmbedding", EMBED, VOCAB,
                  HIDDEN),
    I8I_BUFFER(2, "embed_scale"),
    I8I_LLAMA_BLOCKS("Gemma2"),
    I8I_LLAMA_ATTENTION("Gemma2", i8i_when_attention_bias, i8i_when_attention_bias),
    I8I_LLAMA_MLP("Gemma2", NULL),
    NORMS("Gemma2"),
    I8I_LLAMA_END("Gemma2"),
};

const struct i8i_family i8i_family_gemma = {
    I8I_LLAMA_FAMILY("gemma", "Gemma"),
    .keys = keys,
    .derive = derive,
    .arch = {I8I_ROTARY_DECODER(RMS_PLUS_ONE, PRE, ROTARY, GELU_TANH, true, 1e-6, 1e4)},
    .tied_by_default = true,
    .nodes = nodes,
};

const struct i8i_family i8i_family_gemma2 = {
    I8I_LLAMA_FAMILY("gemma2", "Gemma2"),
    .keys = keys2,
    .derive = derive2,
    .arch = {I8I_ROTARY_DECODER(RMS_PLUS_ONE, SANDWICH, ROTARY, GELU_TANH, true, 1e-6,
                                1e4)},
    .tied_by_default = true,
    .nodes = nodes2,
};
