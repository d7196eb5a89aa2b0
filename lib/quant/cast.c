/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole-array conversions between the float dtypes, by the processor's best kernels.
 */
#include "config.h"

#include "quant/kernels.h"

#include <assert.h>
#include <string.h>

void i8i_to_f32(float *dst, const void *src, enum i8_dtype dtype, size_t n,
                enum i8i_isa isa)
{
    const struct i8i_kernels *k = i8i_kernels_for(isa);
    switch (dtype) {
    case I8_DTYPE_F16:
        k->f16_to_f32(dst, src, n);
        return;
    case I8_DTYPE_BF16:
        k->bf16_to_f32(dst, src, n);
        return;
    case I8_DTYPE_F64:
        k->f64_to_f32(dst, src, n);
        return;
    default:
        assert(dtype == I8_DTYPE_F32);
        if (n > 0)
            memcpy(dst, src, n * sizeof *dst);
    }
}

void i8i_from_f32(void *dst, const float *src, enum i8_dtype dtype, size_t n,
                  enum i8i_isa isa)
{
    const struct i8i_kernels *k = i8i_kernels_for(isa);
    switch (dtype) {
    case I8_DTYPE_F16:
        k->f32_to_f16(dst, src, n);
        return;
    case I8_DTYPE_BF16:
        k->f32_to_bf16(dst, src, n);
        return;
    default:
        assert(dtype == I8_DTYPE_F32);
        if (n > 0)
            memcpy(dst, src, n * sizeof *src);
    }
}

void i8i_round_to_f16(float *x, size_t n, enum i8i_isa isa)
{
    i8i_kernels_for(isa)->round_to_f16(x, n);
}
