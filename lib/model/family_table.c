/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry of model families: one line each.
 */
#include "config.h"

#include "model/hparams.h"

#include <string.h>

extern const struct i8i_family i8i_family_bart, i8i_family_bert, i8i_family_bloom,
    i8i_family_clip, i8i_family_cohere, i8i_family_deepseek_v2, i8i_family_deepseek_v3,
    i8i_family_distilbert, i8i_family_falcon, i8i_family_gemma, i8i_family_gemma2,
    i8i_family_gemma3, i8i_family_gemma3_vision, i8i_family_gpt2, i8i_family_gpt_bigcode,
    i8i_family_gpt_neo, i8i_family_gpt_neox, i8i_family_gpt_oss, i8i_family_gptj,
    i8i_family_llama, i8i_family_mistral, i8i_family_mixtral, i8i_family_mpt,
    i8i_family_mt5, i8i_family_olmo2, i8i_family_opt, i8i_family_phi, i8i_family_phi3,
    i8i_family_qwen2, i8i_family_qwen2_moe, i8i_family_qwen3, i8i_family_qwen3_moe,
    i8i_family_roberta, i8i_family_stablelm, i8i_family_starcoder2, i8i_family_t5,
    i8i_family_t5_base, i8i_family_t5_encoder, i8i_family_vit, i8i_family_whisper;

/* clang-format off */
const struct i8i_family *const i8i_families[] = {
    &i8i_family_bart,
    &i8i_family_bert,
    &i8i_family_bloom,
    &i8i_family_clip,
    &i8i_family_cohere,
    &i8i_family_deepseek_v2,
    &i8i_family_deepseek_v3,
    &i8i_family_distilbert,
    &i8i_family_falcon,
    &i8i_family_gemma,
    &i8i_family_gemma2,
    &i8i_family_gemma3,
    &i8i_family_gemma3_vision,
    &i8i_family_gpt2,
    &i8i_family_gpt_bigcode,
    &i8i_family_gpt_neo,
    &i8i_family_gpt_neox,
    &i8i_family_gpt_oss,
    &i8i_family_gptj,
    &i8i_family_llama,
    &i8i_family_mistral,
    &i8i_family_mixtral,
    &i8i_family_mpt,
    &i8i_family_mt5,
    &i8i_family_olmo2,
    &i8i_family_opt,
    &i8i_family_phi,
    &i8i_family_phi3,
    &i8i_family_qwen2,
    &i8i_family_qwen2_moe,
    &i8i_family_qwen3,
    &i8i_family_qwen3_moe,
    &i8i_family_roberta,
    &i8i_family_stablelm,
    &i8i_family_starcoder2,
    &i8i_family_t5,
    &i8i_family_t5_base,
    &i8i_family_t5_encoder,
    &i8i_family_vit,
    &i8i_family_whisper,
    NULL,
};
/* clang-format on */

bool i8i_family_is_base(const struct i8i_family *family, const char *architecture)
{
    if (!family->base_prefix || !architecture)
        return false;
    for (const struct i8i_node *row = family->nodes; row->depth >= 0; row++) {
        if (row->depth == 0 && strcmp(row->name, family->base_prefix) == 0)
            return strcmp(row->class_name, architecture) == 0;
    }
    return false;
}

/* A class that only adds a method of generation to the one in the table. */
static bool is_language_model(const char *architecture)
{
    static const char *const ends[] = {"ForCausalLM", "LMHeadModel",
                                       "ForConditionalGeneration"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (i8i_ends_with(architecture, ends[i]))
            return true;
    }
    return false;
}

const struct i8i_family *i8i_family_find(const char *architecture, const char *model_type)
{
    for (const struct i8i_family *const *f = i8i_families; architecture && *f; f++) {
        if (strcmp((*f)->architecture, architecture) == 0 ||
            i8i_family_is_base(*f, architecture))
            return *f;
    }
    if (!model_type || (architecture && !is_language_model(architecture)))
        return NULL;
    for (const struct i8i_family *const *f = i8i_families; *f; f++) {
        if (strcmp((*f)->model_type, model_type) == 0)
            return *f;
    }
    return NULL;
}
