/* SPDX-License-Identifier: Apache-2.0
 *
 * An int8 Linear as LLM.int8() has it (Dettmers et al. 2022) and bitsandbytes
 * computes it on a GPU: activations rounded to fp16; columns that reach the threshold
 * anywhere in the batch set apart; the rest quantized row by row and multiplied
 * exactly; outlier columns multiplied in 16-bit values with dequantized weights and
 * fp32 sums. The result stays fp32, where bitsandbytes rounds it to fp16.
 */
#include "config.h"

#include "engine/cpu/cpu.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

#define BLOCK_ROWS 16  /* quantized as one item */
#define TILE_ROWS  48  /* 8 × 6 rows: the tile of sums stays in the first-level cache */
#define TILE_DEPTH 512 /* columns at a time: 32 KiB of a slab */
#define CHUNK_COLS 64  /* outlier columns dequantized at a time */

struct int8_job {
    const struct i8i_cpu *cpu;
    struct i8i_view out, x;
    size_t n, cols;
    struct i8i_matrix *m;
    float threshold;
    float *rounded; /* (n, cols) */
    int8_t *q;      /* (n, q_stride), zero behind cols */
    size_t q_stride;
    float *absmax;       /* (n); NaN where a row holds a NaN */
    int32_t *correction; /* (n): what the kernels' sums are too large by */
    uint8_t *flags;      /* (blocks, cols): outliers met in each block of rows */
    uint8_t *is_outlier; /* (cols) */
    uint32_t *columns;   /* (n_columns), ascending */
    size_t n_columns;
    float *picked; /* (n, n_columns): the outlier columns of `rounded` */
    size_t row_tiles;
};

static void round_block(void *ctx, size_t item, unsigned thread)
{
    struct int8_job *j = ctx;
    size_t row = item * BLOCK_ROWS;
    size_t rows = j->n - row < BLOCK_ROWS ? j->n - row : BLOCK_ROWS;
    float *rounded = j->rounded + row * j->cols;

    (void)thread;
    for (size_t r = 0; r < rows; r++) {
        bool nan = j->cpu->simd->round_f16(rounded + r * j->cols, i8i_at(j->x, row + r),
                                           j->cols);

        j->absmax[row + r] = nan ? NAN : 0.0f;
    }
    i8i_find_outliers(j->flags + item * j->cols, rounded, rows, j->cols, j->threshold,
                      j->cpu->isa);
}

/* int8 has no NaN: a row that holds one gets NaN as its scale, so that it shows. */
static void quantize_block(void *ctx, size_t item, unsigned thread)
{
    struct int8_job *j = ctx;
    size_t row = item * BLOCK_ROWS;
    size_t end = j->n - row < BLOCK_ROWS ? j->n : row + BLOCK_ROWS;

    (void)thread;
    for (; row < end; row++) {
        const float *x = j->rounded + row * j->cols;
        int8_t *q = j->q + row * j->q_stride;
        float absmax;

        i8i_quantize_activation_row(q, &absmax, x, j->is_outlier, j->cols, j->threshold,
                                    j->cpu->isa);
        memset(q + j->cols, 0, j->q_stride - j->cols);
        if (!isnan(j->absmax[row]))
            j->absmax[row] = absmax;
        j->correction[row] = 128 * j->cpu->simd->sum_int8(q, j->cols);
        for (size_t k = 0; k < j->n_columns; k++)
            j->picked[row * j->n_columns + k] = x[j->columns[k]];
    }
}

/* w (count, 64): `count` outlier columns of a slab, dequantized and rounded to fp16. */
static void dequantize_columns(const struct int8_job *j, float *w, size_t slab,
                               const uint32_t *columns, size_t count)
{
    for (size_t k = 0; k < count; k++)
        j->cpu->simd->dequantize_column(
            w + k * I8I_SLAB_ROWS,
            j->m->slabs + i8i_slab_index(slab * I8I_SLAB_ROWS, columns[k], j->cols),
            j->m->absmax + slab * I8I_SLAB_ROWS);
}

static void int8_tile(void *ctx, size_t item, unsigned thread)
{
    const struct int8_job *j = ctx;
    const struct i8i_simd *simd = j->cpu->simd;
    size_t slab = item / j->row_tiles, row = item % j->row_tiles * TILE_ROWS;
    size_t rows = j->n - row < TILE_ROWS ? j->n - row : TILE_ROWS;
    size_t first = slab * I8I_SLAB_ROWS;
    size_t width =
        j->m->rows - first < I8I_SLAB_ROWS ? j->m->rows - first : I8I_SLAB_ROWS;
    const uint8_t *bytes = j->m->slabs + i8i_slab_index(first, 0, j->cols);
    const float *bias = j->m->bias ? j->m->bias + first : NULL;
    alignas(64) int32_t acc[TILE_ROWS * I8I_SLAB_ROWS];
    alignas(64) float y[TILE_ROWS * I8I_SLAB_ROWS], w[CHUNK_COLS * I8I_SLAB_ROWS];

    (void)thread;
    for (size_t k = 0; k < j->q_stride; k += TILE_DEPTH) {
        size_t depth = j->q_stride - k < TILE_DEPTH ? j->q_stride - k : TILE_DEPTH;

        j->cpu->int8->product(acc, j->q + row * j->q_stride + k, j->q_stride, rows,
                              bytes + k * I8I_SLAB_ROWS, depth / I8I_GROUP_COLS, k == 0);
    }
    for (size_t r = 0; r < rows; r++)
        simd->dequantize(y + r * I8I_SLAB_ROWS, acc + r * I8I_SLAB_ROWS,
                         j->correction[row + r], j->absmax[row + r], j->m->absmax + first,
                         bias, I8I_SLAB_ROWS);
    for (size_t k = 0; k < j->n_columns; k += CHUNK_COLS) {
        size_t count = j->n_columns - k < CHUNK_COLS ? j->n_columns - k : CHUNK_COLS;

        dequantize_columns(j, w, slab, j->columns + k, count);
        for (size_t r = 0; r < rows; r++)
            simd->add_columns(y + r * I8I_SLAB_ROWS,
                              j->picked + (row + r) * j->n_columns + k, w, count);
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(i8i_at(j->out, row + r) + first, y + r * I8I_SLAB_ROWS,
               width * sizeof(float));
}

/* Joins the blocks' flags; returns how many columns are outliers. */
static size_t join_flags(struct int8_job *j, size_t blocks)
{
    size_t count = 0;

    memcpy(j->is_outlier, j->flags, j->cols);
    for (size_t b = 1; b < blocks; b++)
        for (size_t k = 0; k < j->cols; k++)
            j->is_outlier[k] |= j->flags[b * j->cols + k];
    for (size_t k = 0; k < j->cols; k++)
        count += j->is_outlier[k];
    return count;
}

void i8i_cpu_linear_int8(struct i8i_cpu *c, struct i8i_view out, struct i8i_view x,
                         size_t n, struct i8i_matrix *m, float threshold)
{
    struct int8_job j = {.cpu = c, .out = out, .x = x, .n = n, .cols = m->cols, .m = m};
    size_t blocks = (n + BLOCK_ROWS - 1) / BLOCK_ROWS, seen = 0;
    size_t slabs = (m->rows + I8I_SLAB_ROWS - 1) / I8I_SLAB_ROWS;

    if (n == 0)
        return;
    j.threshold = threshold;
    j.q_stride = (m->cols + I8I_GROUP_COLS - 1) / I8I_GROUP_COLS * I8I_GROUP_COLS;
    j.row_tiles = (n + TILE_ROWS - 1) / TILE_ROWS;
    j.rounded = i8i_cpu_scratch(c, I8I_SCRATCH_ROUNDED, n, m->cols * sizeof(float));
    j.q = i8i_cpu_scratch(c, I8I_SCRATCH_INT8, n, j.q_stride);
    j.absmax = i8i_cpu_scratch(c, I8I_SCRATCH_ROWS, n, sizeof(float) + sizeof(int32_t));
    j.flags = i8i_cpu_scratch(c, I8I_SCRATCH_FLAGS, blocks + 1, m->cols);
    if (i8i_cpu_failed(c))
        return;
    j.correction = (int32_t *)(j.absmax + n);
    j.is_outlier = j.flags + blocks * m->cols;

    i8i_cpu_run(c, blocks, n * m->cols / 2, round_block, &j);
    j.n_columns = join_flags(&j, blocks);
    j.picked =
        i8i_cpu_scratch(c, I8I_SCRATCH_COLUMNS, n + 1, j.n_columns * sizeof(float));
    if (i8i_cpu_failed(c))
        return;
    j.columns = (uint32_t *)(j.picked + n * j.n_columns);
    for (size_t k = 0; k < m->cols; k++)
        if (j.is_outlier[k])
            j.columns[seen++] = (uint32_t)k;
    if (j.n_columns > m->outliers)
        m->outliers = j.n_columns;

    i8i_cpu_run(c, blocks, n * m->cols, quantize_block, &j);
    /* 250 products a nanosecond, or 16 weights from memory; 30 in 16 bit */
    i8i_cpu_run(c, slabs * j.row_tiles,
                ((n + 15) * m->cols / 250 + n * j.n_columns / 30) * m->rows, int8_tile,
                &j);
}
