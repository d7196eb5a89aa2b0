/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations of LLM.int8(): which columns are outliers, and one row to int8 without
 * them, as bitsandbytes' CUDA kernel does it: the row's absmax leaves out the outlier
 * elements only, not the rest of their columns; the columns become 0 afterwards.
 */
#include "config.h"

#include "quant/kernels.h"

#include <math.h>
#include <string.h>

/* bitsandbytes compares in fp16: the threshold is rounded to it first. */
static float fp16_threshold(float threshold)
{
    return i8i_f16_to_f32(i8i_f32_to_f16(threshold));
}

size_t i8i_find_outliers(uint8_t *is_outlier, const float *x, size_t rows, size_t cols,
                         float threshold, enum i8i_isa isa)
{
    if (cols == 0)
        return 0;
    memset(is_outlier, 0, cols);
    if (!(threshold > 0))
        return 0;
    const struct i8i_kernels *k = i8i_kernels_for(isa);
    float t = fp16_threshold(threshold);
    for (size_t r = 0; r < rows; r++)
        k->mark_outliers(is_outlier, x + r * cols, cols, t);
    size_t count = 0;
    for (size_t c = 0; c < cols; c++)
        count += is_outlier[c];
    return count;
}

void i8i_quantize_activation_row(int8_t *q, float *row_absmax, const float *x,
                                 const uint8_t *is_outlier, size_t cols, float threshold,
                                 enum i8i_isa isa)
{
    const struct i8i_kernels *k = i8i_kernels_for(isa);
    /* What is below the threshold; without one everything but NaN. */
    float bound = threshold > 0 ? nextafterf(fp16_threshold(threshold), 0) : INFINITY;
    float absmax = k->absmax_within(x, cols, bound);
    *row_absmax = absmax;
    if (!(absmax > 0 && isfinite(absmax))) {
        if (cols > 0)
            memset(q, 0, cols);
        return;
    }
    float scale = i8i_scale_127_over(absmax, I8I_ROUNDING_CUDA);
    k->quantize_within(q, x, is_outlier, cols, bound, scale);
}
