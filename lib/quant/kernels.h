/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of lib/quant, one table an instruction set. All work on unaligned
 * little-endian data and give the same bytes as the scalar table, which is the
 * definition; the tests compare them. Private to lib/quant.
 */
#ifndef I8I_QUANT_KERNELS_H
#define I8I_QUANT_KERNELS_H

#include "quant/quant.h"

struct i8i_kernels {
    /* Largest bit pattern without the sign. Rounding is monotonic, so a row's fp16
     * absmax is the fp16 of its largest pattern, and one integer maximum finds both it
     * and any Inf or NaN. 0 for n = 0. */
    uint16_t (*max_bits16)(const void *src, size_t n);
    uint32_t (*max_bits32)(const void *src, size_t n);

    /* q = rint(fp16(src) × scale); every product is within ±127. */
    void (*quantize_f16)(int8_t *q, const void *src, size_t n, float scale);
    void (*quantize_bf16)(int8_t *q, const void *src, size_t n, float scale);
    void (*quantize_f32)(int8_t *q, const void *src, size_t n, float scale);
    /* The same without the cast, for rows where it cannot matter. */
    void (*quantize_bf16_nocast)(int8_t *q, const void *src, size_t n, float scale);

    void (*f16_to_f32)(float *dst, const void *src, size_t n);
    void (*bf16_to_f32)(float *dst, const void *src, size_t n);
    void (*f64_to_f32)(float *dst, const void *src, size_t n);
    void (*f32_to_f16)(void *dst, const float *src, size_t n);
    void (*f32_to_bf16)(void *dst, const float *src, size_t n);
    void (*round_to_f16)(float *x, size_t n);

    /* mark[i] |= |x[i]| ≥ threshold. */
    void (*mark_outliers)(uint8_t *mark, const float *x, size_t n, float threshold);
    /* Largest |x| that is ≤ bound; 0 if there is none. */
    float (*absmax_within)(const float *x, size_t n, float bound);
    /* q = rint(x × scale) where |x| ≤ bound and mark is 0 (or NULL), else 0. */
    void (*quantize_within)(int8_t *q, const float *x, const uint8_t *mark, size_t n,
                            float bound, float scale);
};

extern const struct i8i_kernels i8i_kernels_scalar;
#if I8I_X86
extern const struct i8i_kernels i8i_kernels_avx2, i8i_kernels_avx512;
#elif I8I_NEON
extern const struct i8i_kernels i8i_kernels_neon;
#endif
/* The table for isa, or for the best below it that may be used here. */
const struct i8i_kernels *i8i_kernels_for(enum i8i_isa isa);

extern const uint32_t i8i_scale_table[1024];

/* Unaligned loads and stores for scalar code. */
static inline uint16_t i8i_load16(const void *p, size_t i)
{
    uint16_t v;
    __builtin_memcpy(&v, (const char *)p + 2 * i, sizeof v);
    return v;
}
static inline uint32_t i8i_load32(const void *p, size_t i)
{
    uint32_t v;
    __builtin_memcpy(&v, (const char *)p + 4 * i, sizeof v);
    return v;
}
static inline double i8i_load_f64(const void *p, size_t i)
{
    double v;
    __builtin_memcpy(&v, (const char *)p + 8 * i, sizeof v);
    return v;
}
static inline void i8i_store16(void *p, size_t i, uint16_t v)
{
    __builtin_memcpy((char *)p + 2 * i, &v, sizeof v);
}
static inline float i8i_bits_f32(uint32_t bits)
{
    float f;
    __builtin_memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint32_t i8i_f32_bits(float f)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &f, sizeof bits);
    return bits;
}

#endif
