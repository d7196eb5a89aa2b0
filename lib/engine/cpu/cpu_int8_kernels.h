/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact int8 products. Every kernel reads the same layout, made for VNNI and good
 * enough for the others: weights (rows, cols) are cut into slabs of 64 rows; a slab
 * holds for each group of four columns 64 × 4 bytes, row by row. A byte is weight + 128,
 * because VNNI multiplies unsigned by signed; the kernels' sums are therefore
 * too large by 128 × the sum of the activations' row, which the epilogue takes off.
 * Rows and columns beyond the matrix hold weight 0.
 */
#ifndef I8I_ENGINE_CPU_CPU_INT8_KERNELS_H
#define I8I_ENGINE_CPU_CPU_INT8_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define I8I_SLAB_ROWS   64
#define I8I_GROUP_COLS  4
#define I8I_GROUP_BYTES (I8I_SLAB_ROWS * I8I_GROUP_COLS)
/* Σ |a · w| ≤ cols × 127 × 128 stays within int32 up to here. */
#define I8I_INT8_MAX_COLS 132104

/* acc (rows, 64) = or += a (rows, 4 × groups) · slabᵀ modulo 2³²; `fresh` says which.
 * Activations are within ±127. */
typedef void (*i8i_int8_product)(int32_t *acc, const int8_t *a, size_t a_stride,
                                 size_t rows, const uint8_t *slab, size_t groups,
                                 bool fresh);

struct i8i_int8_kernel {
    const char *name;
    bool (*available)(void);
    i8i_int8_product product;
};
/* Best first; the last one is scalar and always available. Ends with name NULL. */
extern const struct i8i_int8_kernel i8i_int8_kernels[];

/* Byte of weight (row, col) in slabs of a matrix of `cols` columns. */
static inline size_t i8i_slab_index(size_t row, size_t col, size_t cols)
{
    size_t groups = (cols + I8I_GROUP_COLS - 1) / I8I_GROUP_COLS;

    return (row / I8I_SLAB_ROWS * groups + col / I8I_GROUP_COLS) * I8I_GROUP_BYTES +
           row % I8I_SLAB_ROWS * I8I_GROUP_COLS + col % I8I_GROUP_COLS;
}

#endif
