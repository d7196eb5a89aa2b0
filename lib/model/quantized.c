/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling that a checkpoint is already quantized, and how: by config.json's word, else
 * by the companions that each scheme stores beside its weights. Only bitsandbytes'
 * int8 rows can be read here; all others are known by name, so that they are refused
 * by name.
 */
#include "config.h"

#include "model/build.h"

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
        size_t n = strlen(t->name);
        for (size_t k = 0; k < best; k++) {
            size_t e = strlen(marks[k].end);
            if (n > e && strcmp(t->name + n - e, marks[k].end) == 0)
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
