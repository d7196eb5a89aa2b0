/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights in memory: fp32 rows as they come, int8 rows in the kernels' slabs.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

enum i8_status i8i_cpu_matrix_new(struct i8i_backend *b, struct i8i_matrix **out,
                                  enum i8i_matrix_kind kind, size_t rows, size_t cols,
                                  bool bias, struct i8_error *err)
{
    struct i8i_cpu *c = (struct i8i_cpu *)b;
    struct i8i_matrix *m = NULL;
    uint64_t padded, bytes, depth;

    *out = NULL;
    if (kind == I8I_MATRIX_INT8 && cols > I8I_INT8_MAX_COLS)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "int8 products are exact up to %d columns, not %zu",
                        I8I_INT8_MAX_COLS, cols);
    /* Absmax and bias are read by whole slabs. */
    if (!i8i_add_u64(&padded, rows, I8I_SLAB_ROWS - 1) ||
        !i8i_mul_u64(&bytes, padded / I8I_SLAB_ROWS, I8I_SLAB_ROWS * sizeof(float)) ||
        !i8i_add_u64(&depth, cols, I8I_GROUP_COLS - 1))
        return i8i_nomem(err);
    padded = padded / I8I_SLAB_ROWS * I8I_SLAB_ROWS;
    m = i8i_calloc(1, sizeof(*m));
    if (!m)
        return i8i_nomem(err);
    m->kind = kind;
    m->rows = rows;
    m->cols = cols;
    if (bias) {
        m->bias = i8i_aligned_alloc(bytes);
        m->bytes += bytes;
        if (!m->bias)
            goto nomem;
        memset(m->bias, 0, bytes);
    }
    if (kind == I8I_MATRIX_INT8) {
        m->absmax = i8i_aligned_alloc(bytes);
        m->bytes += bytes;
        if (!m->absmax ||
            !i8i_mul_u64(&bytes, padded, depth / I8I_GROUP_COLS * I8I_GROUP_COLS))
            goto nomem;
        memset(m->absmax, 0, padded * sizeof(float));
        m->slabs = i8i_aligned_alloc(bytes);
        if (!m->slabs)
            goto nomem;
        memset(m->slabs, 128, bytes); /* weight 0 */
    } else {
        if (!i8i_mul_u64(&bytes, rows, cols) ||
            !i8i_mul_u64(&bytes, bytes, sizeof(float)))
            goto nomem;
        m->f32 = i8i_aligned_alloc(bytes);
        if (!m->f32)
            goto nomem;
    }
    m->bytes += bytes;
    i8i_cpu_account(c, m->bytes, 0);
    *out = m;
    return I8_OK;
nomem:
    m->bytes = 0;
    i8i_cpu_matrix_free(b, m);
    return i8i_nomem(err);
}

void i8i_cpu_matrix_free(struct i8i_backend *b, struct i8i_matrix *m)
{
    if (!m)
        return;
    i8i_cpu_account((struct i8i_cpu *)b, 0, m->bytes);
    free(m->f32);
    free(m->slabs);
    free(m->absmax);
    free(m->bias);
    free(m);
}

void i8i_cpu_matrix_put(struct i8i_backend *b, struct i8i_matrix *m, size_t row, size_t n,
                        enum i8_dtype dtype, const void *src, const float *absmax)
{
    const struct i8i_cpu *c = (const struct i8i_cpu *)b;
    const int8_t *q = src;

    if (m->kind == I8I_MATRIX_F32) {
        i8i_to_f32(m->f32 + row * m->cols, src, dtype, n * m->cols, c->isa);
        return;
    }
    memcpy(m->absmax + row, absmax, n * sizeof(*absmax));
    for (size_t end = row + n; row < end; row++, q += m->cols) {
        uint8_t *bytes = m->slabs + i8i_slab_index(row, 0, m->cols);

        for (size_t k = 0; k < m->cols; k++)
            bytes[k / I8I_GROUP_COLS * I8I_GROUP_BYTES + k % I8I_GROUP_COLS] =
                (uint8_t)(q[k] + 128);
    }
}

void i8i_cpu_matrix_put_bias(struct i8i_backend *b, struct i8i_matrix *m, size_t row,
                             size_t n, const float *src)
{
    (void)b;
    memcpy(m->bias + row, src, n * sizeof(*src));
}

size_t i8i_cpu_matrix_outliers(const struct i8i_matrix *m)
{
    return m->outliers;
}
