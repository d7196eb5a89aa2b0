/* SPDX-License-Identifier: Apache-2.0
 *
 * The scalar kernels: plain, and what the others must equal.
 */
#include "config.h"

#include "quant/kernels.h"

#include <math.h>

static uint16_t max_bits16(const void *src, size_t n)
{
    uint16_t max = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = i8i_load16(src, i) & 0x7fff;
        if (bits > max)
            max = bits;
    }
    return max;
}

static uint32_t max_bits32(const void *src, size_t n)
{
    uint32_t max = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = i8i_load32(src, i) & 0x7fffffff;
        if (bits > max)
            max = bits;
    }
    return max;
}

static void quantize_f16(int8_t *q, const void *src, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)rintf(i8i_f16_to_f32(i8i_load16(src, i)) * scale);
}

static float cast_f16(float f)
{
    return i8i_f16_to_f32(i8i_f32_to_f16(f));
}

static void quantize_bf16(int8_t *q, const void *src, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)rintf(cast_f16(i8i_bf16_to_f32(i8i_load16(src, i))) * scale);
}

static void quantize_bf16_nocast(int8_t *q, const void *src, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)rintf(i8i_bf16_to_f32(i8i_load16(src, i)) * scale);
}

static void quantize_f32(int8_t *q, const void *src, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)rintf(cast_f16(i8i_bits_f32(i8i_load32(src, i))) * scale);
}

static void f16_to_f32(float *dst, const void *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = i8i_f16_to_f32(i8i_load16(src, i));
}

static void bf16_to_f32(float *dst, const void *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = i8i_bf16_to_f32(i8i_load16(src, i));
}

static void f64_to_f32(float *dst, const void *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)i8i_load_f64(src, i);
}

static void f32_to_f16(void *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        i8i_store16(dst, i, i8i_f32_to_f16(src[i]));
}

static void f32_to_bf16(void *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        i8i_store16(dst, i, i8i_f32_to_bf16(src[i]));
}

static void round_to_f16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = cast_f16(x[i]);
}

static void mark_outliers(uint8_t *mark, const float *x, size_t n, float threshold)
{
    for (size_t i = 0; i < n; i++)
        mark[i] |= fabsf(x[i]) >= threshold;
}

static float absmax_within(const float *x, size_t n, float bound)
{
    float max = 0;
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(x[i]);
        if (magnitude <= bound && magnitude > max)
            max = magnitude;
    }
    return max;
}

static void quantize_within(int8_t *q, const float *x, const uint8_t *mark, size_t n,
                            float bound, float scale)
{
    for (size_t i = 0; i < n; i++) {
        bool keep = fabsf(x[i]) <= bound && !(mark && mark[i]);
        q[i] = keep ? (int8_t)rintf(x[i] * scale) : 0;
    }
}

const struct i8i_kernels i8i_kernels_scalar = {
    .max_bits16 = max_bits16,
    .max_bits32 = max_bits32,
    .quantize_f16 = quantize_f16,
    .quantize_bf16 = quantize_bf16,
    .quantize_bf16_nocast = quantize_bf16_nocast,
    .quantize_f32 = quantize_f32,
    .f16_to_f32 = f16_to_f32,
    .bf16_to_f32 = bf16_to_f32,
    .f64_to_f32 = f64_to_f32,
    .f32_to_f16 = f32_to_f16,
    .f32_to_bf16 = f32_to_bf16,
    .round_to_f16 = round_to_f16,
    .mark_outliers = mark_outliers,
    .absmax_within = absmax_within,
    .quantize_within = quantize_within,
};
