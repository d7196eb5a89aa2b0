/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of the checkpoint, read in pieces and put into a backend's matrices: int8
 * rows with their absmax, floating-point rows as they are stored, Conv1D turned around,
 * fused projections brought into the order queries, keys, values.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/engine_state.h"
#include "quant/quant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STAGING_BYTES ((size_t)16 << 20)

/* ---- tensors ---- */

const struct i8i_param *i8i_stored(const struct i8i_model *m, int module,
                                   const char *leaf)
{
    int p = module < 0 ? -1 : i8i_module_param(m, module, leaf);

    return p < 0 ? NULL : &m->params[p];
}

static enum i8_status check_tensor(const struct i8i_param *p, uint64_t elements,
                                   struct i8_error *err)
{
    if (!p->tensor)
        return i8i_fail(err, I8_ERR_DATA, "%s: not in the checkpoint", p->name);
    if (p->tensor->elements != elements)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: expected %" PRIu64 " elements, found %" PRIu64, p->name,
                        elements, p->tensor->elements);
    switch (p->tensor->dtype) {
    case I8_DTYPE_F16:
    case I8_DTYPE_BF16:
    case I8_DTYPE_F32:
    case I8_DTYPE_F64:
        return I8_OK;
    default:
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: %s, where a floating-point type is expected", p->name,
                        i8_dtype_name(p->tensor->dtype));
    }
}

/* `count` elements from element `first` on, as they are stored. Caller frees. */
static enum i8_status read_elements(const struct i8i_engine *e,
                                    const struct i8i_tensor *t, void **out,
                                    uint64_t first, size_t count, struct i8_error *err)
{
    size_t size = i8_dtype_bits(t->dtype) / 8;
    enum i8_status status;

    *out = i8i_calloc(count, size);
    if (!*out)
        return i8i_nomem(err);
    status =
        i8i_tensor_read(e->model->checkpoint, t, *out, first * size, count * size, err);
    if (status != I8_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* A whole small tensor in fp32. Caller frees. */
enum i8_status i8i_read_f32(const struct i8i_engine *e, const struct i8i_param *p,
                            float **out, size_t count, struct i8_error *err)
{
    void *raw = NULL;
    enum i8_status status;

    *out = NULL;
    status = check_tensor(p, count, err);
    if (status == I8_OK)
        status = read_elements(e, p->tensor, &raw, 0, count, err);
    if (status != I8_OK)
        return status;
    *out = i8i_calloc(count, sizeof(float));
    if (*out)
        i8i_to_f32(*out, raw, p->tensor->dtype, count, I8I_ISA_SCALAR);
    free(raw);
    return *out ? I8_OK : i8i_nomem(err);
}

/* ---- matrices ---- */

/* Where row `row` of a fused projection goes when heads' queries, keys and values come
 * together: for each kv head `group` queries, a key and a value. */
static size_t fused_row(const struct i8i_engine *e, int stack, size_t row)
{
    size_t heads = i8i_heads(e, stack), kv_heads = i8i_kv_heads(e, stack);
    size_t dim = i8i_dim(e, I8I_DIM_HEAD_DIM), v_dim = i8i_v_head_dim(e);
    size_t queries = heads / kv_heads * dim, one = queries + dim + v_dim;
    size_t kv_head = row / one, at = row % one;

    if (at < queries)
        return kv_head * queries + at;
    if (at < queries + dim)
        return heads * dim + kv_head * dim + (at - queries);
    return (heads + kv_heads) * dim + kv_head * v_dim + (at - queries - dim);
}

static void put_rows(const struct i8i_filling *f, size_t row, size_t n,
                     enum i8_dtype dtype, const char *src, const float *absmax)
{
    const struct i8i_backend_ops *ops = f->e->b->ops;
    size_t bytes = f->module->cols * (i8_dtype_bits(dtype) / 8);

    if (!f->fused) {
        ops->matrix_put(f->e->b, f->matrix, f->first + row, n, dtype, src, absmax);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ops->matrix_put(f->e->b, f->matrix, f->first + fused_row(f->e, f->stack, row + i),
                        1, dtype, src + i * bytes, absmax ? absmax + i : NULL);
}

/* Conv1D stores (in, out): turned around here, element by element. */
static enum i8_status fill_transposed(const struct i8i_filling *f,
                                      const struct i8i_tensor *t, struct i8_error *err)
{
    size_t rows = f->module->rows, cols = f->module->cols;
    size_t size = i8_dtype_bits(t->dtype) / 8;
    void *raw = NULL;
    char *row = i8i_calloc(cols, size);
    enum i8_status status;

    if (!row)
        return i8i_nomem(err);
    status = read_elements(f->e, t, &raw, 0, rows * cols, err);
    for (size_t r = 0; status == I8_OK && r < rows; r++) {
        for (size_t c = 0; c < cols; c++)
            memcpy(row + c * size, (char *)raw + (c * rows + r) * size, size);
        put_rows(f, r, 1, t->dtype, row, NULL);
    }
    free(row);
    free(raw);
    return status;
}

static enum i8_status fill_rows(const struct i8i_filling *f, const struct i8i_tensor *t,
                                const float *absmax, struct i8_error *err)
{
    size_t rows = f->module->rows, cols = f->module->cols;
    size_t row_bytes = cols * (i8_dtype_bits(t->dtype) / 8);
    size_t step = row_bytes < STAGING_BYTES ? STAGING_BYTES / i8i_or(row_bytes, 1) : 1;

    for (size_t row = 0; row < rows; row += step) {
        size_t n = rows - row < step ? rows - row : step;
        void *raw = NULL;
        enum i8_status status =
            read_elements(f->e, t, &raw, (uint64_t)row * cols, n * cols, err);

        if (status != I8_OK)
            return status;
        put_rows(f, row, n, t->dtype, raw, absmax ? absmax + row : NULL);
        free(raw);
    }
    return I8_OK;
}

/* Each row's absmax. Caller frees. compressed-tensors stores the step between two int8
 * values instead, 127 of which make the absmax. */
static enum i8_status read_absmax(const struct i8i_filling *f, float **absmax,
                                  struct i8_error *err)
{
    const struct i8i_tensor *scb = f->module->scb;
    const size_t rows = f->module->rows;
    void *raw = NULL;

    *absmax = NULL;
    if (scb->elements != rows)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: expected %zu row scales, found %" PRIu64 " elements",
                        scb->name, rows, scb->elements);
    enum i8_status status = read_elements(f->e, scb, &raw, 0, rows, err);
    if (status != I8_OK)
        return status;
    *absmax = i8i_calloc(rows, sizeof **absmax);
    if (*absmax)
        i8i_to_f32(*absmax, raw, scb->dtype, rows, I8I_ISA_SCALAR);
    free(raw);
    if (!*absmax)
        return i8i_nomem(err);
    for (size_t i = 0; f->e->model->quantization == I8I_QUANT_CT_INT8 && i < rows; i++)
        (*absmax)[i] *= 127.0f;
    return I8_OK;
}

static enum i8_status fill_int8(const struct i8i_filling *f,
                                const struct i8i_param *weight, struct i8_error *err)
{
    float *absmax = NULL;
    enum i8_status status;

    if (weight->tensor->elements != f->module->rows * f->module->cols)
        return i8i_fail(err, I8_ERR_DATA, "%s: expected [%" PRIu64 ", %" PRIu64 "]",
                        weight->name, f->module->rows, f->module->cols);
    status = read_absmax(f, &absmax, err);
    if (status == I8_OK)
        status = fill_rows(f, weight->tensor, absmax, err);
    free(absmax);
    return status;
}

static enum i8_status fill_bias(const struct i8i_filling *f, const struct i8i_param *bias,
                                struct i8_error *err)
{
    const struct i8i_backend_ops *ops = f->e->b->ops;
    float *values = NULL;
    enum i8_status status = i8i_read_f32(f->e, bias, &values, f->module->rows, err);

    if (status != I8_OK)
        return status;
    if (f->fused)
        for (size_t i = 0; i < f->module->rows; i++)
            ops->matrix_put_bias(f->e->b, f->matrix,
                                 f->first + fused_row(f->e, f->stack, i), 1, values + i);
    else
        ops->matrix_put_bias(f->e->b, f->matrix, f->first, f->module->rows, values);
    free(values);
    return I8_OK;
}

enum i8_status i8i_fill(const struct i8i_filling *f, struct i8_error *err)
{
    int module = (int)(f->module - f->e->model->modules);
    const struct i8i_param *weight = i8i_stored(f->e->model, module, "weight");
    const struct i8i_param *bias = i8i_stored(f->e->model, module, "bias");
    uint64_t elements;
    enum i8_status status;

    if (!weight || !i8i_mul_u64(&elements, f->module->rows, f->module->cols))
        return i8i_fail(err, I8_ERR_DATA, "%s: no weight", f->module->path);
    if (f->module->scb && weight->tensor && weight->tensor->dtype == I8_DTYPE_I8) {
        status = fill_int8(f, weight, err);
    } else {
        status = check_tensor(weight, elements, err);
        if (status == I8_OK)
            status = f->module->kind == I8I_NODE_CONV1D
                         ? fill_transposed(f, weight->tensor, err)
                         : fill_rows(f, weight->tensor, NULL, err);
    }
    if (status == I8_OK && bias)
        status = fill_bias(f, bias, err);
    return status;
}
