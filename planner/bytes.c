/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes per parameter, summed up the module tree.
 */
#include "config.h"

#include "planner/bytes.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum i8i_reader i8i_plan_reader(enum i8_plan_runtime runtime)
{
    switch (runtime) {
    case I8_PLAN_TRANSFORMERS4:
        return I8I_READER_TRANSFORMERS4;
    case I8_PLAN_INT8TOOL:
        return I8I_READER_INT8TOOL;
    case I8_PLAN_VLLM:
        return I8I_READER_VLLM;
    default:
        return I8I_READER_TRANSFORMERS5;
    }
}

static bool is_float(enum i8_dtype dtype)
{
    switch (dtype) {
    case I8_DTYPE_F16:
    case I8_DTYPE_BF16:
    case I8_DTYPE_F32:
    case I8_DTYPE_F64:
        return true;
    default:
        return false;
    }
}

static bool is_linear(const struct i8i_module *mod)
{
    return mod->kind == I8I_NODE_LINEAR || mod->kind == I8I_NODE_LINEAR_SUBCLASS ||
           mod->kind == I8I_NODE_CONV1D;
}

static bool is_weight(const struct i8i_param *p)
{
    return !p->buffer && strcmp(p->leaf, "weight") == 0;
}

/* Bits of an element when floats are stored as `dtype`. */
static unsigned bits_as(const struct i8i_param *p, enum i8_plan_dtype dtype)
{
    if (dtype == I8_PLAN_STORED || !is_float(p->dtype))
        return i8_dtype_bits(p->dtype);
    return dtype == I8_PLAN_FP32 ? 32 : 16;
}

static bool add(uint64_t *sum, uint64_t term)
{
    return i8i_add_u64(sum, *sum, term);
}

static bool price(uint64_t *bytes, uint64_t elements, unsigned bits)
{
    uint64_t total;
    if (!i8i_mul_u64(&total, elements, bits) || !i8i_add_u64(&total, total, 7))
        return false;
    *bytes = total / 8;
    return true;
}

enum i8_dtype i8i_plan_dtype(enum i8_plan_dtype dtype)
{
    switch (dtype) {
    case I8_PLAN_FP16:
        return I8_DTYPE_F16;
    case I8_PLAN_BF16:
        return I8_DTYPE_BF16;
    case I8_PLAN_FP32:
        return I8_DTYPE_F32;
    default:
        return I8_DTYPE_INVALID;
    }
}

/* What the files hold that convert writes, and memory once they are loaded: an int8
 * weight has its absmax (4 bytes a row) and a format byte; what readers keep in fp32 is
 * not cast to fp16. */
static bool true_bytes(uint64_t *bytes, const struct i8i_model *m,
                       const struct i8i_param *p, enum i8i_decision decision,
                       const struct i8_plan_request *r)
{
    const struct i8i_module *mod = &m->modules[p->module];
    bool int8 = r->dtype == I8_PLAN_INT8;
    enum i8_plan_dtype dtype = int8 ? r->rest : r->dtype;

    if (is_weight(p) && mod->scb != NULL)
        return i8i_add_u64(bytes, p->elements,
                           mod->scb->bytes + (mod->weight_format ? 1 : 0));
    if (is_weight(p) && int8 && decision == I8I_CONVERT) {
        uint64_t scales;
        return i8i_mul_u64(&scales, mod->rows, 4) && i8i_add_u64(&scales, scales, 1) &&
               i8i_add_u64(bytes, p->elements, scales);
    }
    if (p->buffer)
        return price(bytes, p->elements, i8_dtype_bits(p->dtype));
    if (int8 && is_float(p->dtype))
        return price(
            bytes, p->elements,
            i8_dtype_bits(i8i_model_rest_dtype(m, p->module, i8i_plan_reader(r->runtime),
                                               p->dtype, i8i_plan_dtype(dtype))));
    if (dtype == I8_PLAN_FP16 && decision == I8I_KEEP_FP32_MODULE)
        dtype = I8_PLAN_FP32; /* transformers casts it on loading */
    return price(bytes, p->elements, bits_as(p, dtype));
}

/* accelerate: the model is fp32; floats take the smaller of that and the dtype asked
 * for; with int8 the parameters that stay take 2 bytes, buffers the dtype's 1. */
static unsigned accelerate_bits(const struct i8i_param *p, bool converted,
                                enum i8_plan_dtype dtype)
{
    bool floating = p->buffer ? is_float(p->dtype) : true;
    if (p->dtype == I8_DTYPE_BOOL) /* of which it takes eight for a byte */
        return 1;
    if (!floating || dtype == I8_PLAN_STORED)
        return i8_dtype_bits(p->dtype);
    if (dtype == I8_PLAN_INT8)
        return p->buffer || (converted && is_weight(p)) ? 8 : 16;
    return dtype == I8_PLAN_FP32 ? 32 : 16;
}

static unsigned transformers_bits(const struct i8i_param *p, bool converted,
                                  enum i8_plan_dtype dtype)
{
    if (p->buffer) /* a scalar made from a Python number has the default dtype, bfloat16
                    */
        return p->rank == 0 && is_float(p->dtype) ? 16 : i8_dtype_bits(p->dtype);
    if (dtype == I8_PLAN_INT8)
        return converted && is_weight(p) ? 8 : 16;
    return bits_as(p, dtype);
}

static bool is_tied(const struct i8i_model *m, int param, const bool *shared)
{
    return m->params[param].tied_to >= 0 || shared[param];
}

/* Which modules are int8 under the rules. accelerate's int8 is: every Linear that is
 * not the output embedding and not tied. */
static bool converts(const struct i8i_model *m, int index, enum i8i_byte_rules rules,
                     enum i8i_reader reader, const bool *shared)
{
    const struct i8i_module *mod = &m->modules[index];
    if (rules != I8I_BYTES_ACCELERATE)
        return i8i_model_decide(m, index, reader, NULL) == I8I_CONVERT;
    if (!is_linear(mod) || mod->role == I8I_ROLE_HEAD)
        return false;
    /* What transformers 5 has as bare parameters is no Linear to accelerate either. */
    enum i8i_decision decision =
        i8i_model_decide(m, index, I8I_READER_TRANSFORMERS5, NULL);
    if (decision == I8I_KEEP_ROUTER || decision == I8I_KEEP_FUSED_EXPERT)
        return false;
    for (int i = mod->first_param; i < mod->first_param + mod->n_params; i++)
        if (is_weight(&m->params[i]) && is_tied(m, i, shared))
            return false;
    return true;
}

static enum i8_status compute(struct i8i_bytes *b, const struct i8i_model *m,
                              const struct i8_plan_request *r, enum i8i_byte_rules rules,
                              const bool *shared, struct i8_error *err)
{
    enum i8i_reader reader = rules == I8I_BYTES_TRANSFORMERS
                                 ? I8I_READER_TRANSFORMERS5
                                 : i8i_plan_reader(r->runtime);
    for (int i = 0; i < m->n_modules && r->dtype == I8_PLAN_INT8; i++)
        if (m->modules[i].n_params > 0)
            b->converted[i] = converts(m, i, rules, reader, shared);
    int decided = -1; /* the module that `decision` is about */
    enum i8i_decision decision = I8I_KEEP_NOT_LINEAR;

    for (int i = 0; i < m->n_params; i++) {
        const struct i8i_param *p = &m->params[i];
        bool converted = b->converted[p->module], ok = true;
        uint64_t bytes = 0;
        if (p->tied_to >= 0)
            continue;
        if (rules == I8I_BYTES_TRUE && decided != p->module) {
            decided = p->module;
            decision = i8i_model_decide(m, decided, reader, NULL);
        }
        if (i8i_plan_size_of(&bytes, r->sizes, p->name))
            ok = true;
        else if (rules == I8I_BYTES_TRUE)
            ok = true_bytes(&bytes, m, p, decision, r);
        else if (rules == I8I_BYTES_ACCELERATE)
            ok = price(&bytes, p->elements, accelerate_bits(p, converted, r->dtype));
        else
            ok = price(&bytes, p->elements, transformers_bits(p, converted, r->dtype));
        bool apart = p->buffer && !p->persistent;
        if (apart)
            ok = ok && add(&b->buffer[p->module], bytes);
        if (!apart || rules != I8I_BYTES_TRUE) {
            b->param[i] = bytes;
            ok = ok && add(&b->module[p->module], bytes);
        }
        if (!ok)
            return i8i_fail(err, I8_ERR_DATA, "%s: %s: its size overflows 64 bits",
                            m->name, p->name);
    }
    for (int i = m->n_modules - 1; i > 0; i--) {
        int parent = m->modules[i].parent;
        if (b->end[i] == 0)
            b->end[i] = i + 1;
        if (b->end[parent] < b->end[i])
            b->end[parent] = b->end[i];
        if (!add(&b->module[parent], b->module[i]) ||
            !add(&b->buffer[parent], b->buffer[i]))
            return i8i_fail(err, I8_ERR_DATA, "%s: its size overflows 64 bits", m->name);
    }
    if (b->end[0] == 0)
        b->end[0] = 1;
    return I8_OK;
}

enum i8_status i8i_bytes_compute(struct i8i_bytes *out, const struct i8i_model *m,
                                 const struct i8_plan_request *request,
                                 enum i8i_byte_rules rules, struct i8_error *err)
{
    size_t modules = (size_t)m->n_modules, params = (size_t)m->n_params;
    bool *shared = i8i_calloc(params, sizeof *shared); /* others share its storage */
    enum i8_status status;

    *out = (struct i8i_bytes){
        .param = i8i_calloc(params, sizeof *out->param),
        .module = i8i_calloc(modules, sizeof *out->module),
        .buffer = i8i_calloc(modules, sizeof *out->buffer),
        .end = i8i_calloc(modules, sizeof *out->end),
        .converted = i8i_calloc(modules, sizeof *out->converted),
    };
    if (shared == NULL || out->param == NULL || out->module == NULL ||
        out->buffer == NULL || out->end == NULL || out->converted == NULL) {
        status = i8i_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < params; i++)
        if (m->params[i].tied_to >= 0)
            shared[m->params[i].tied_to] = true;
    status = compute(out, m, request, rules, shared, err);
out:
    free(shared);
    if (status != I8_OK)
        i8i_bytes_free(out);
    return status;
}

void i8i_bytes_free(struct i8i_bytes *b)
{
    free(b->param);
    free(b->module);
    free(b->buffer);
    free(b->end);
    free(b->converted);
    *b = (struct i8i_bytes){0};
}
