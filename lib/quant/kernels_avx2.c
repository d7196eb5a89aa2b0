/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for AVX2 with F16C. Tails are left to the scalar table.
 */
#include "config.h"

#include "quant/kernels.h"

#if I8I_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,f16c")))

#define TAIL (&i8i_kernels_scalar)
#define RNE  (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

static inline const char *at(const void *p, size_t byte)
{
    return (const char *)p + byte;
}

TARGET static uint16_t max_bits16(const void *src, size_t n)
{
    const __m256i magnitude = _mm256_set1_epi16(0x7fff);
    __m256i max = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i v = _mm256_loadu_si256((const __m256i *)at(src, 2 * i));
        max = _mm256_max_epu16(max, _mm256_and_si256(v, magnitude));
    }
    uint16_t lanes[16];
    _mm256_storeu_si256((__m256i *)lanes, max);
    uint16_t most = TAIL->max_bits16(lanes, 16);
    uint16_t tail = TAIL->max_bits16(at(src, 2 * i), n - i);
    return most > tail ? most : tail;
}

TARGET static uint32_t max_bits32(const void *src, size_t n)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i max = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)at(src, 4 * i));
        max = _mm256_max_epu32(max, _mm256_and_si256(v, magnitude));
    }
    uint32_t lanes[8];
    _mm256_storeu_si256((__m256i *)lanes, max);
    uint32_t most = TAIL->max_bits32(lanes, 8);
    uint32_t tail = TAIL->max_bits32(at(src, 4 * i), n - i);
    return most > tail ? most : tail;
}

/* Four times eight int32, each within a byte, in order. */
TARGET static inline void store_32(int8_t *q, __m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    /* The packs interleave 128-bit halves; put the 32-bit groups back in order. */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)q, _mm256_permutevar8x32_epi32(bytes, order));
}

TARGET static inline __m256i scaled(__m256 v, __m256 scale)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(v, scale));
}

TARGET static inline __m256 load_f16(const void *src, size_t i)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at(src, 2 * i)));
}

TARGET static inline __m256 load_bf16(const void *src, size_t i)
{
    __m128i v = _mm_loadu_si128((const __m128i *)at(src, 2 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
}

TARGET static inline __m256 load_f32(const void *src, size_t i)
{
    return _mm256_loadu_ps((const float *)(const void *)at(src, 4 * i));
}

TARGET static inline __m256 cast_f16(__m256 v)
{
    return _mm256_cvtph_ps(_mm256_cvtps_ph(v, RNE));
}

TARGET static void quantize_f16(int8_t *q, const void *src, size_t n, float scale)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        store_32(q + i, scaled(load_f16(src, i), s), scaled(load_f16(src, i + 8), s),
                 scaled(load_f16(src, i + 16), s), scaled(load_f16(src, i + 24), s));
    TAIL->quantize_f16(q + i, at(src, 2 * i), n - i, scale);
}

TARGET static void quantize_bf16(int8_t *q, const void *src, size_t n, float scale)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        store_32(q + i, scaled(cast_f16(load_bf16(src, i)), s),
                 scaled(cast_f16(load_bf16(src, i + 8)), s),
                 scaled(cast_f16(load_bf16(src, i + 16)), s),
                 scaled(cast_f16(load_bf16(src, i + 24)), s));
    TAIL->quantize_bf16(q + i, at(src, 2 * i), n - i, scale);
}

TARGET static void quantize_bf16_nocast(int8_t *q, const void *src, size_t n, float scale)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        store_32(q + i, scaled(load_bf16(src, i), s), scaled(load_bf16(src, i + 8), s),
                 scaled(load_bf16(src, i + 16), s), scaled(load_bf16(src, i + 24), s));
    TAIL->quantize_bf16_nocast(q + i, at(src, 2 * i), n - i, scale);
}

TARGET static void quantize_f32(int8_t *q, const void *src, size_t n, float scale)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        store_32(q + i, scaled(cast_f16(load_f32(src, i)), s),
                 scaled(cast_f16(load_f32(src, i + 8)), s),
                 scaled(cast_f16(load_f32(src, i + 16)), s),
                 scaled(cast_f16(load_f32(src, i + 24)), s));
    TAIL->quantize_f32(q + i, at(src, 4 * i), n - i, scale);
}

TARGET static void f16_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, load_f16(src, i));
    TAIL->f16_to_f32(dst + i, at(src, 2 * i), n - i);
}

TARGET static void bf16_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, load_bf16(src, i));
    TAIL->bf16_to_f32(dst + i, at(src, 2 * i), n - i);
}

TARGET static void f64_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256d v = _mm256_loadu_pd((const double *)(const void *)at(src, 8 * i));
        _mm_storeu_ps(dst + i, _mm256_cvtpd_ps(v));
    }
    TAIL->f64_to_f32(dst + i, at(src, 8 * i), n - i);
}

TARGET static void f32_to_f16(void *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)((char *)dst + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(src + i), RNE));
    TAIL->f32_to_f16((char *)dst + 2 * i, src + i, n - i);
}

/* bf16 in the low half of each int32: round to nearest even, NaN quieted. */
TARGET static inline __m256i bf16_bits(__m256 v)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i top = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    __m256i bias = _mm256_add_epi32(_mm256_set1_epi32(0x7fff), odd);
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    __m256i quiet = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(rounded, quiet, nan);
}

TARGET static void f32_to_bf16(void *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i v = _mm256_packus_epi32(bf16_bits(_mm256_loadu_ps(src + i)),
                                        bf16_bits(_mm256_loadu_ps(src + i + 8)));
        _mm256_storeu_si256((__m256i *)((char *)dst + 2 * i),
                            _mm256_permute4x64_epi64(v, 0xd8));
    }
    TAIL->f32_to_bf16((char *)dst + 2 * i, src + i, n - i);
}

TARGET static void round_to_f16(float *x, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(x + i, cast_f16(_mm256_loadu_ps(x + i)));
    TAIL->round_to_f16(x + i, n - i);
}

TARGET static inline __m256 magnitude_of(__m256 v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/* 32 comparisons as 32 bytes of 0 or −1. */
TARGET static inline __m256i mask_32(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256i ab = _mm256_packs_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b));
    __m256i cd = _mm256_packs_epi32(_mm256_castps_si256(c), _mm256_castps_si256(d));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
}

TARGET static inline __m256 reaches(const float *x, __m256 threshold)
{
    return _mm256_cmp_ps(magnitude_of(_mm256_loadu_ps(x)), threshold, _CMP_GE_OQ);
}

TARGET static void mark_outliers(uint8_t *mark, const float *x, size_t n, float threshold)
{
    const __m256 t = _mm256_set1_ps(threshold);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i m = mask_32(reaches(x + i, t), reaches(x + i + 8, t),
                            reaches(x + i + 16, t), reaches(x + i + 24, t));
        __m256i old = _mm256_loadu_si256((const __m256i *)(mark + i));
        m = _mm256_or_si256(old, _mm256_and_si256(m, _mm256_set1_epi8(1)));
        _mm256_storeu_si256((__m256i *)(mark + i), m);
    }
    TAIL->mark_outliers(mark + i, x + i, n - i, threshold);
}

TARGET static float absmax_within(const float *x, size_t n, float bound)
{
    const __m256 b = _mm256_set1_ps(bound);
    __m256 max = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = magnitude_of(_mm256_loadu_ps(x + i));
        max = _mm256_max_ps(max, _mm256_and_ps(v, _mm256_cmp_ps(v, b, _CMP_LE_OQ)));
    }
    float lanes[8];
    _mm256_storeu_ps(lanes, max);
    float most = TAIL->absmax_within(lanes, 8, bound);
    float tail = TAIL->absmax_within(x + i, n - i, bound);
    return most > tail ? most : tail;
}

TARGET static inline __m256i scaled_within(const float *x, __m256 bound, __m256 scale)
{
    __m256 v = _mm256_loadu_ps(x);
    __m256 keep = _mm256_cmp_ps(magnitude_of(v), bound, _CMP_LE_OQ);
    return scaled(_mm256_and_ps(v, keep), scale);
}

TARGET static void quantize_within(int8_t *q, const float *x, const uint8_t *mark,
                                   size_t n, float bound, float scale)
{
    const __m256 b = _mm256_set1_ps(bound), s = _mm256_set1_ps(scale);
    const __m256i zero = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        store_32(q + i, scaled_within(x + i, b, s), scaled_within(x + i + 8, b, s),
                 scaled_within(x + i + 16, b, s), scaled_within(x + i + 24, b, s));
        if (!mark)
            continue;
        __m256i m = _mm256_loadu_si256((const __m256i *)(mark + i));
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(q + i));
        bytes = _mm256_and_si256(bytes, _mm256_cmpeq_epi8(m, zero));
        _mm256_storeu_si256((__m256i *)(q + i), bytes);
    }
    TAIL->quantize_within(q + i, x + i, mark ? mark + i : NULL, n - i, bound, scale);
}

const struct i8i_kernels i8i_kernels_avx2 = {
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
#endif
