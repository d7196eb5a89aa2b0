/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic on rows of fp32. One text (cpu_simd_body.h, in the compiler's vector
 * types) is compiled three times, for 4, 8 and 16 lanes; a table of functions is
 * chosen at run time. No fast-math: NaN and Inf go through as IEEE 754 has them.
 */
#ifndef I8I_ENGINE_CPU_CPU_SIMD_H
#define I8I_ENGINE_CPU_CPU_SIMD_H

#include "base/arch.h"
#include "engine/backend.h"

struct i8i_simd {
    const char *name;
    /* x = softmax(x), shifted by the largest. NaN anywhere makes the whole row NaN. */
    void (*softmax)(float *x, size_t n);
    /* x = scale · x (+ bias, if not NULL) */
    void (*scores)(float *x, size_t n, float scale, const float *bias);
    void (*norm)(float *out, const float *x, size_t n, enum i8i_norm_kind kind,
                 const float *gain, const float *bias, float epsilon);
    void (*activate)(float *out, const float *x, size_t n, enum i8i_activation act);
    void (*multiply)(float *out, const float *x, const float *y, size_t n);
    void (*add)(float *out, const float *x, const float *y, size_t n);
    /* out = x rounded to the nearest fp16, ties to even; Inf beyond 65504. True if
     * there is a NaN. */
    bool (*round_f16)(float *out, const float *x, size_t n);
    int32_t (*sum_int8)(const int8_t *q, size_t n);
    /* y[i] = ((float)(acc[i] − correction) · row) · col[i] · 1/127² (+ bias[i]) */
    void (*dequantize)(float *y, const int32_t *acc, int32_t correction, float row,
                       const float *col, const float *bias, size_t n);
    /* One column of a slab in fp16 values: w[i] = round((byte − 128) · absmax[i] ·
     * 1/127), the byte being `bytes`[4 · i]; i < 64. */
    void (*dequantize_column)(float *w, const uint8_t *bytes, const float *absmax);
    /* y (64) += x (count) · w (count, 64) */
    void (*add_columns)(float *y, const float *x, const float *w, size_t count);
};

extern const struct i8i_simd i8i_simd_base;
#if I8I_X86
extern const struct i8i_simd i8i_simd_avx2, i8i_simd_avx512;
#endif

#endif
