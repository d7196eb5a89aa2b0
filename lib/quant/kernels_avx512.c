/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for AVX-512 (F, BW, VL, DQ). Tails are left to the AVX2 table, whose
 * instructions every such processor has.
 */
#include "config.h"

#include "quant/kernels.h"

#if I8I_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,f16c")))

#define TAIL (&i8i_kernels_avx2)
#define RNE  (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

static inline const char *at(const void *p, size_t byte)
{
    return (const char *)p + byte;
}

TARGET static uint16_t max_bits16(const void *src, size_t n)
{
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i max = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m512i v = _mm512_loadu_si512(at(src, 2 * i));
        max = _mm512_max_epu16(max, _mm512_and_si512(v, magnitude));
    }
    uint16_t lanes[32];
    _mm512_storeu_si512(lanes, max);
    uint16_t most = TAIL->max_bits16(lanes, 32);
    uint16_t tail = TAIL->max_bits16(at(src, 2 * i), n - i);
    return most > tail ? most : tail;
}

TARGET static uint32_t max_bits32(const void *src, size_t n)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i max = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i v = _mm512_loadu_si512(at(src, 4 * i));
        max = _mm512_max_epu32(max, _mm512_and_si512(v, magnitude));
    }
    uint32_t most = _mm512_reduce_max_epu32(max);
    uint32_t tail = TAIL->max_bits32(at(src, 4 * i), n - i);
    return most > tail ? most : tail;
}

/* 64 int32, each within a byte, in order. The packs leave groups of four bytes in
 * 128-bit lanes; one permutation puts them back. */
TARGET static inline void store_64(int8_t *q, __m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i bytes =
        _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(q, _mm512_permutexvar_epi32(order, bytes));
}

TARGET static inline __m512i scaled(__m512 v, __m512 scale)
{
    return _mm512_cvtps_epi32(_mm512_mul_ps(v, scale));
}

TARGET static inline __m512 load_f16(const void *src, size_t i)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at(src, 2 * i)));
}

TARGET static inline __m512 load_bf16(const void *src, size_t i)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)at(src, 2 * i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

TARGET static inline __m512 load_f32(const void *src, size_t i)
{
    return _mm512_loadu_ps(at(src, 4 * i));
}

TARGET static inline __m512 cast_f16(__m512 v)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(v, RNE));
}

TARGET static void quantize_f16(int8_t *q, const void *src, size_t n, float scale)
{
    const __m512 s = _mm512_set1_ps(scale);
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        store_64(q + i, scaled(load_f16(src, i), s), scaled(load_f16(src, i + 16), s),
                 scaled(load_f16(src, i + 32), s), scaled(load_f16(src, i + 48), s));
    TAIL->quantize_f16(q + i, at(src, 2 * i), n - i, scale);
}

TARGET static void quantize_bf16(int8_t *q, const void *src, size_t n, float scale)
{
    const __m512 s = _mm512_set1_ps(scale);
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        store_64(q + i, scaled(cast_f16(load_bf16(src, i)), s),
                 scaled(cast_f16(load_bf16(src, i + 16)), s),
                 scaled(cast_f16(load_bf16(src, i + 32)), s),
                 scaled(cast_f16(load_bf16(src, i + 48)), s));
    TAIL->quantize_bf16(q + i, at(src, 2 * i), n - i, scale);
}

/* 32 bf16 to 32 int16. Even elements are shifted up, odd ones masked out: the results
 * then lie so that one shift and one blend make them 16-bit and put them in order,
 * which keeps the one port that permutes free. */
TARGET static inline __m512i scaled_32(const void *src, size_t i, __m512 s)
{
    __m512i v = _mm512_loadu_si512(at(src, 2 * i));
    __m512i odd = _mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000));
    __m512i q_even = scaled(_mm512_castsi512_ps(_mm512_slli_epi32(v, 16)), s);
    __m512i q_odd = scaled(_mm512_castsi512_ps(odd), s);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, q_even, _mm512_slli_epi32(q_odd, 16));
}

TARGET static void quantize_bf16_nocast(int8_t *q, const void *src, size_t n, float scale)
{
    const __m512 s = _mm512_set1_ps(scale);
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        __m512i bytes =
            _mm512_packs_epi16(scaled_32(src, i, s), scaled_32(src, i + 32, s));
        _mm512_storeu_si512(q + i, _mm512_permutexvar_epi64(order, bytes));
    }
    TAIL->quantize_bf16_nocast(q + i, at(src, 2 * i), n - i, scale);
}

TARGET static void quantize_f32(int8_t *q, const void *src, size_t n, float scale)
{
    const __m512 s = _mm512_set1_ps(scale);
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        store_64(q + i, scaled(cast_f16(load_f32(src, i)), s),
                 scaled(cast_f16(load_f32(src, i + 16)), s),
                 scaled(cast_f16(load_f32(src, i + 32)), s),
                 scaled(cast_f16(load_f32(src, i + 48)), s));
    TAIL->quantize_f32(q + i, at(src, 4 * i), n - i, scale);
}

TARGET static void f16_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(dst + i, load_f16(src, i));
    TAIL->f16_to_f32(dst + i, at(src, 2 * i), n - i);
}

TARGET static void bf16_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(dst + i, load_bf16(src, i));
    TAIL->bf16_to_f32(dst + i, at(src, 2 * i), n - i);
}

TARGET static void f64_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm512_cvtpd_ps(_mm512_loadu_pd(at(src, 8 * i))));
    TAIL->f64_to_f32(dst + i, at(src, 8 * i), n - i);
}

TARGET static void f32_to_f16(void *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)((char *)dst + 2 * i),
                            _mm512_cvtps_ph(_mm512_loadu_ps(src + i), RNE));
    TAIL->f32_to_f16((char *)dst + 2 * i, src + i, n - i);
}

TARGET static void f32_to_bf16(void *dst, const float *src, size_t n)
{
    const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(src + i);
        __m512i bits = _mm512_castps_si512(v);
        __m512i top = _mm512_srli_epi32(bits, 16);
        __m512i bias = _mm512_add_epi32(half, _mm512_and_si512(top, one));
        __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
        __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        rounded = _mm512_mask_or_epi32(rounded, nan, top, _mm512_set1_epi32(0x40));
        _mm256_storeu_si256((__m256i *)((char *)dst + 2 * i),
                            _mm512_cvtepi32_epi16(rounded));
    }
    TAIL->f32_to_bf16((char *)dst + 2 * i, src + i, n - i);
}

TARGET static void round_to_f16(float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(x + i, cast_f16(_mm512_loadu_ps(x + i)));
    TAIL->round_to_f16(x + i, n - i);
}

TARGET static void mark_outliers(uint8_t *mark, const float *x, size_t n, float threshold)
{
    const __m512 t = _mm512_set1_ps(threshold);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_abs_ps(_mm512_loadu_ps(x + i));
        __mmask16 m = _mm512_cmp_ps_mask(v, t, _CMP_GE_OQ);
        _mm_mask_storeu_epi8(mark + i, m, _mm_set1_epi8(1));
    }
    TAIL->mark_outliers(mark + i, x + i, n - i, threshold);
}

TARGET static float absmax_within(const float *x, size_t n, float bound)
{
    const __m512 b = _mm512_set1_ps(bound);
    __m512 max = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_abs_ps(_mm512_loadu_ps(x + i));
        max = _mm512_mask_max_ps(max, _mm512_cmp_ps_mask(v, b, _CMP_LE_OQ), max, v);
    }
    float most = _mm512_reduce_max_ps(max);
    float tail = TAIL->absmax_within(x + i, n - i, bound);
    return most > tail ? most : tail;
}

TARGET static void quantize_within(int8_t *q, const float *x, const uint8_t *mark,
                                   size_t n, float bound, float scale)
{
    const __m512 b = _mm512_set1_ps(bound), s = _mm512_set1_ps(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        __mmask16 keep = _mm512_cmp_ps_mask(_mm512_abs_ps(v), b, _CMP_LE_OQ);
        if (mark)
            keep &= _mm_testn_epi8_mask(_mm_loadu_si128((const __m128i *)(mark + i)),
                                        _mm_set1_epi8(-1));
        __m512i r = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(v, s));
        _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtepi32_epi8(r));
    }
    TAIL->quantize_within(q + i, x + i, mark ? mark + i : NULL, n - i, bound, scale);
}

const struct i8i_kernels i8i_kernels_avx512 = {
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
