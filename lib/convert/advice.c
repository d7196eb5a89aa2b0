/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user should know before the bytes are spent: modules that a reader keeps in 16
 * or 32 bit, and what another choice would save.
 */
#include "config.h"

#include "base/size.h"
#include "convert/convert_plan.h"

#include <string.h>

/* What is below a hundredth of the output is not worth a line. */
#define WORTH_SAYING 100

static void warn_likely_embeddings(const struct i8i_convert_plan *p)
{
    const struct i8i_model *m = p->model;
    const char *first = NULL;
    size_t count = 0;
    for (int i = 0; i < m->n_modules; i++) {
        const struct i8i_module *module = &m->modules[i];
        if (!module->likely_embedding ||
            i8i_convert_decide(p, i, p->options->skip_modules) != I8I_CONVERT)
            continue;
        first = first ? first : module->stored_path;
        count++;
    }
    if (count > 0)
        i8i_log(p->options->log, I8_LOG_WARNING,
                "'%s'%s converted by its shape, but looks like an embedding by name; "
                "--skip-modules keeps it",
                first, count > 1 ? " and others are" : " is");
}

static uint64_t kept_bytes(const struct i8i_kept_tensor *k)
{
    return k->tensor->elements * i8_dtype_bits(k->to) / 8;
}

/* Linears that the reader will not have in int8. */
static void warn_kept_linears(const struct i8i_convert_plan *p,
                              enum i8i_decision decision, const char *what)
{
    const char *why = i8i_decision_text(decision);
    uint64_t bytes = 0, as_int8 = 0;
    size_t count = 0;
    for (size_t i = 0; i < p->n_kept; i++) {
        const struct i8i_kept_tensor *k = &p->kept[i];
        if (strcmp(k->why, why) != 0 || k->tensor->rank != 2)
            continue;
        bytes += kept_bytes(k);
        as_int8 += k->tensor->elements + 4 * k->tensor->shape[0] + 1;
        count++;
    }
    if (count == 0 || bytes <= as_int8)
        return;
    char held[I8I_SIZE_TEXT], saved[I8I_SIZE_TEXT];
    i8i_log(p->options->log, I8_LOG_WARNING,
            "%zu %s stay as they are (%s: %s); int8 would save %s (--for int8tool)",
            count, what, why, i8i_size_text(held, bytes),
            i8i_size_text(saved, bytes - as_int8));
}

/* ---- vLLM and bitsandbytes' layout ---- */

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

/* The first expert that becomes int8, or NULL. */
static const struct i8i_module *int8_expert(const struct i8i_convert_plan *p)
{
    const struct i8i_model *m = p->model;
    for (int i = 0; i < m->n_modules; i++) {
        if (i8i_role_is_expert(m->modules[i].role) &&
            i8i_convert_decide(p, i, p->options->skip_modules) == I8I_CONVERT)
            return &m->modules[i];
    }
    return NULL;
}

/* vLLM brings the rows of these families' query_key_value into an order of its own. */
static bool vllm_reorders_rows(const struct i8i_model *m)
{
    static const char *const families[] = {"bloom", "falcon", NULL};
    return is_one_of(m->model_type, families) &&
           (m->hp.arch.qkv == I8I_QKV_HEADS ||
            (m->hp.arch.qkv == I8I_QKV_GROUPS && m->hp.dim[I8I_DIM_KV_HEADS] > 1));
}

/* What vLLM 0.26 was seen to do on a GPU with every family that it has; 0.27 has the same
 * loader, 0.28 and later have none (docs/measurements.md). */
static void warn_vllm_bnb(const struct i8i_convert_plan *p)
{
    static const char *const refused[] = {"gpt2", "gpt_neox", "gptj",
                                          "mpt",  "stablelm", NULL};
    static const char other[] = "--layout compressed-tensors";
    const struct i8_log *log = p->options->log;
    if (p->options->reader != I8_READER_VLLM || p->options->layout != I8_LAYOUT_BNB)
        return;
    const struct i8i_module *expert = int8_expert(p);
    if (expert)
        i8i_log(log, I8_LOG_WARNING,
                "experts ('%s' …) become int8, which vLLM loads with %s only",
                expert->stored_path, other);
    else if (is_one_of(p->model->model_type, refused))
        i8i_log(log, I8_LOG_WARNING, "vLLM has no bitsandbytes loader for %s; %s loads",
                p->model->model_type, other);
    else if (vllm_reorders_rows(p->model))
        i8i_log(log, I8_LOG_WARNING,
                "vLLM reorders the rows of query_key_value but not bitsandbytes' scales "
                "of them: its answers will be wrong; with %s they are right",
                other);
    else
        i8i_log(log, I8_LOG_WARNING,
                "vLLM reads bitsandbytes' layout up to version 0.27 only; %s loads in "
                "later ones, too",
                other);
}

/* Neither 5.17 nor 5.23 puts fused experts together under compressed-tensors. */
static void warn_ct_experts(const struct i8i_convert_plan *p)
{
    if (p->options->layout != I8_LAYOUT_COMPRESSED_TENSORS ||
        p->options->reader != I8_READER_TRANSFORMERS5)
        return;
    for (size_t i = 0; i < p->n_kept; i++) {
        if (strcmp(p->kept[i].why, i8i_decision_text(I8I_KEEP_FUSED_EXPERT)) != 0)
            continue;
        i8i_log(p->options->log, I8_LOG_WARNING,
                "transformers 5 does not load experts ('%s' …) stored one by one in the "
                "layout compressed-tensors; the bnb layout loads",
                p->kept[i].tensor->name);
        return;
    }
}

static void note_fp32_rest(const struct i8i_convert_plan *p)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->n_kept; i++) {
        if (p->kept[i].to == I8_DTYPE_F32 && p->kept[i].castable)
            bytes += kept_bytes(&p->kept[i]);
    }
    char held[I8I_SIZE_TEXT], saved[I8I_SIZE_TEXT];
    if (bytes > p->tensor_bytes / WORTH_SAYING)
        i8i_log(p->options->log, I8_LOG_NOTE,
                "%s stay in fp32; --rest-dtype bf16 would save %s",
                i8i_size_text(held, bytes), i8i_size_text(saved, bytes / 2));
}

static void note_dropped(const struct i8i_convert_plan *p)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->model->n_ignored; i++)
        bytes += p->model->ignored[i]->bytes;
    char text[I8I_SIZE_TEXT];
    if (p->model->n_ignored > 0)
        i8i_log(p->options->log, I8_LOG_NOTE,
                "%zu tensors that readers do not use (stale buffers, copies of tied "
                "parameters; '%s' …) are left out: %s",
                p->model->n_ignored, p->model->ignored[0]->name,
                i8i_size_text(text, bytes));
}

void i8i_convert_advise(const struct i8i_convert_plan *p)
{
    for (size_t i = 0; i < p->model->n_notes; i++)
        i8i_log(p->options->log, I8_LOG_WARNING, "%s", p->model->notes[i]);
    if (p->n_converted == 0)
        i8i_log(p->options->log, I8_LOG_WARNING, "%s: no module is converted to int8",
                p->options->model);
    warn_likely_embeddings(p);
    warn_kept_linears(p, I8I_KEEP_FP32_MODULE, "matrices");
    warn_kept_linears(p, I8I_KEEP_SUBCLASS, "matrices");
    warn_kept_linears(p, I8I_KEEP_FUSED_EXPERT, "experts' matrices");
    warn_kept_linears(p, I8I_KEEP_CONV1D, "matrices");
    warn_vllm_bnb(p);
    warn_ct_experts(p);
    note_fp32_rest(p);
    note_dropped(p);
}
