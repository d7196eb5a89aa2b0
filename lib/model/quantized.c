/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling that a checkpoint is already quantized, and how: by config.json's word, else
 * by the companions that each scheme stores beside its weights. What can be read here is
 * int8 rows (bitsandbytes', compressed-tensors') and FP8 in blocks; all else is known by
 * name, so that it is refused by name.
 */
#include "config.h"

#include "model/build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The end of a tensor's name gives a scheme away. Order matters: the first that any
 * tensor shows wins, so the specific stand ahead of the general. */
static const struct {
    const char *end;
    const char *scheme;
} marks[] = {
    {".SCB", "bitsandbytes int8"},
    {".quant_state.bitsandbytes__nf4", "bitsandbytes 4-bit (nf4)"},
    {".quant_state.bitsandbytes__fp4", "bitsandbytes 4-bit (fp4)"},
    {".weight.quant_map", "bitsandbytes 4-bit"},
    {".weight.absmax", "bitsandbytes 4-bit"},
    {".g_idx", "gptq"},
    {".qweight", "gptq or awq"},
    {".qzeros", "gptq or awq"},
    {".weight_packed", "compressed-tensors"},
    {".codebooks", "aqlm"},
    {".W_q", "hqq"},
    {".Qidxs", "quip#"},
    {".trellis", "exl3"},
    {".q_weight", "exl2"},
    {".weight_scale_inv", "fp8 (block scales)"},
    {"_proj_blocks", "mxfp4"},
    {".weight_scale", "compressed-tensors or modelopt"},
    {".weight_zero_point", "compressed-tensors"},
};
enum { N_MARKS = sizeof marks / sizeof *marks };

static const char *by_tensors(const struct i8i_checkpoint *c)
{
    size_t best = N_MARKS;
    const char *by_dtype = NULL;
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        for (size_t k = 0; k < best; k++) {
            if (i8i_length_before(t->name, marks[k].end) > 0)
                best = k;
        }
        switch (t->dtype) {
        case I8_DTYPE_F8_E4M3:
        case I8_DTYPE_F8_E5M2:
        case I8_DTYPE_F8_E4M3FNUZ:
        case I8_DTYPE_F8_E5M2FNUZ:
        case I8_DTYPE_F8_E8M0:
            by_dtype = "fp8";
            break;
        case I8_DTYPE_F4:
            by_dtype = "fp4";
            break;
        case I8_DTYPE_F6_E2M3:
        case I8_DTYPE_F6_E3M2:
            by_dtype = "fp6";
            break;
        default:
            break;
        }
    }
    return best < N_MARKS ? marks[best].scheme : by_dtype;
}

/* ---- FP8 with block scales, as DeepSeek-V3 has it ---- */

static bool block_side(uint64_t *side, const i8i_json *n)
{
    return n && i8i_json_u64(side, n) && *side > 0;
}

/* NULL if it can be read, and the block's rows and columns; else the scheme's name. */
static const char *unreadable_fp8(uint64_t block[2], const i8i_json *q)
{
    const i8i_json *size = i8i_json_get(q, "weight_block_size");
    const char *fmt = i8i_json_string(i8i_json_get(q, "fmt"));
    const char *activations = i8i_json_string(i8i_json_get(q, "activation_scheme"));
    if (!i8i_json_is_array(size))
        return "fp8 without weight_block_size";
    if (i8i_json_count(size) != 2 || !block_side(&block[0], i8i_json_first(size)) ||
        !block_side(&block[1], i8i_json_next(i8i_json_first(size))))
        return "fp8 with a weight_block_size other than two numbers";
    if (fmt && strcmp(fmt, "e4m3") != 0)
        return "fp8 of another format than e4m3";
    if (activations && strcmp(activations, "dynamic") != 0)
        return "fp8 with static activation scales";
    return NULL;
}

static enum i8_status take_fp8(struct i8i_model *m, const i8i_json *q,
                               struct i8_error *err)
{
    uint64_t block[2];
    const char *unreadable = unreadable_fp8(block, q);
    if (unreadable) {
        m->quantization = I8I_QUANT_OTHER;
        m->quantization_name = unreadable;
        return I8_OK;
    }
    char *name =
        i8i_format("fp8 (blocks of %" PRIu64 " x %" PRIu64 ")", block[0], block[1]);
    if (name == NULL)
        return i8i_nomem(err);
    m->quantization = I8I_QUANT_FP8_BLOCKS;
    m->quantization_name = i8i_arena_strdup(&m->arena, name);
    free(name);
    if (m->quantization_name == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_checkpoint_join_fp8(m->checkpoint, block, err);
    return st == I8_OK
               ? i8i_model_note(m, err, "the weights are %s; they are read as bf16",
                                m->quantization_name)
               : st;
}

/* ---- compressed-tensors ---- */

static bool says(const i8i_json *object, const char *key, const char *value)
{
    const char *s = i8i_json_string(i8i_json_get(object, key));
    return s && strcmp(s, value) == 0;
}

/* int8 rows with a scale each, activations quantized row by row on the way: what
 * --layout compressed-tensors writes, and llm-compressor's W8A8. */
static bool is_int8_rows(const i8i_json *q)
{
    const i8i_json *groups = i8i_json_get(q, "config_groups");
    const i8i_json *group = i8i_json_first(groups);
    const i8i_json *targets = i8i_json_get(group, "targets");
    const i8i_json *arguments[] = {i8i_json_get(group, "weights"),
                                   i8i_json_get(group, "input_activations")};
    if (!says(q, "format", "int-quantized") || i8i_json_count(groups) != 1 ||
        i8i_json_count(targets) != 1)
        return false;
    const char *target = i8i_json_string(i8i_json_first(targets));
    for (int i = 0; i < 2; i++) {
        const i8i_json *a = arguments[i];
        uint64_t bits = 0;
        if (!i8i_json_is_object(a) || !i8i_json_u64(&bits, i8i_json_get(a, "num_bits")) ||
            bits != 8 || !says(a, "type", "int") ||
            !says(a, "strategy", i == 0 ? "channel" : "token") ||
            !i8i_json_bool(i8i_json_get(a, "symmetric"), true) ||
            i8i_json_bool(i8i_json_get(a, "dynamic"), false) != (i == 1))
            return false;
    }
    return target && strcmp(target, "Linear") == 0;
}

/* ---- all ---- */

enum i8_status i8i_detect_quantization(struct i8i_model *m, struct i8_error *err)
{
    const char *scheme = by_tensors(m->checkpoint);
    const i8i_json *q =
        i8i_config_get(m->config, "quantization_config|compression_config");
    const char *method = i8i_json_string(i8i_json_get(q, "quant_method"));
    bool eight = i8i_json_bool(i8i_json_get(q, "load_in_8bit"), false);
    bool four = i8i_json_bool(i8i_json_get(q, "load_in_4bit"), false);

    if (i8i_json_is_object(q) && (eight || (scheme == marks[0].scheme && !four))) {
        m->quantization = I8I_QUANT_BNB_INT8;
        m->quantization_name = marks[0].scheme;
        const i8i_json *t = i8i_json_get(q, "llm_int8_threshold");
        m->int8_threshold = i8i_json_double(t, 6.0);
        if ((t && !i8i_json_is_number(t)) || !(m->int8_threshold >= 0))
            return i8i_fail(err, I8_ERR_DATA,
                            "config.json: llm_int8_threshold is no number from 0 on");
        return I8_OK;
    }
    if (method && strcmp(method, "fp8") == 0)
        return take_fp8(m, q, err);
    if (method && strcmp(method, "compressed-tensors") == 0 && is_int8_rows(q)) {
        m->quantization = I8I_QUANT_CT_INT8;
        m->quantization_name = "compressed-tensors int8";
        return I8_OK;
    }
    if (i8i_json_is_object(q)) {
        m->quantization = I8I_QUANT_OTHER;
        m->quantization_name = four     ? "bitsandbytes 4-bit"
                               : method ? method
                               : scheme ? scheme
                                        : "unnamed";
        return I8_OK;
    }
    if (scheme) {
        m->quantization =
            scheme == marks[0].scheme ? I8I_QUANT_BNB_INT8 : I8I_QUANT_OTHER;
        m->quantization_name = scheme;
    }
    return I8_OK;
}
