/* SPDX-License-Identifier: Apache-2.0
 *
 * FP8 E4M3 (finite and NaN, no Inf; bias 7) times a block's scale to bf16.
 */
#include "config.h"

#include "base/arch.h"
#include "checkpoint/stored.h"

#if I8I_X86
#include <immintrin.h>
#elif I8I_NEON
#include <arm_neon.h>
#endif
#include <string.h>

#define E4M3_NAN 0x7f
#define F32_INF  0x7f800000u
#define F32_NAN  0x7fc00000u
#define BF16_NAN 0x7fc0 /* every NaN: which one a product is depends on the processor */
/* E4M3's exponent and mantissa, put where fp32 has its own, and the difference of the
 * biases added make a normal number. A subnormal one is put behind a leading 1, which is
 * then subtracted: fp32's own subnormals would be right, too, but take the processor a
 * hundred times as long. */
#define NORMAL_BIAS    (120u << 23)
#define SUBNORMAL_BIAS (121u << 23)
#define SUBNORMAL_LESS 0x1p-6f
#define LEAST_NORMAL   8

static float decode_one(unsigned char e4m3, float scale)
{
    const uint32_t magnitude = e4m3 & 0x7fu;
    const int subnormal = magnitude < LEAST_NORMAL;
    uint32_t bits = (magnitude << 20) + (subnormal ? SUBNORMAL_BIAS : NORMAL_BIAS);
    if (magnitude == E4M3_NAN)
        bits = F32_NAN;
    float value;
    memcpy(&value, &bits, sizeof value);
    value -= subnormal ? SUBNORMAL_LESS : 0; /* exact */
    return (e4m3 & 0x80 ? -value : value) * scale;
}

static uint16_t to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > F32_INF)
        return BF16_NAN;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void i8i_fp8_decode_scalar(void *dst, const void *src, size_t n, float scale)
{
    /* Forwards: what is overwritten has been read when src ends where dst does. */
    for (size_t i = 0; i < n; i++) {
        const uint16_t b = to_bf16(decode_one(((const unsigned char *)src)[i], scale));
        memcpy((char *)dst + 2 * i, &b, sizeof b);
    }
}

#if I8I_X86
/* Eight at a time; the bf16 in the lower half of each lane. */
__attribute__((target("avx2"))) static inline __m256i decode8(__m128i bytes, __m256 scale)
{
    const __m256i wide = _mm256_cvtepu8_epi32(bytes);
    const __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi32(0x7f));
    const __m256i sign =
        _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x80)), 24);
    const __m256i is_nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(E4M3_NAN));
    const __m256i subnormal =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(LEAST_NORMAL), magnitude);
    const __m256i bias = _mm256_blendv_epi8(_mm256_set1_epi32(NORMAL_BIAS),
                                            _mm256_set1_epi32(SUBNORMAL_BIAS), subnormal);
    const __m256i bits =
        _mm256_blendv_epi8(_mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), bias),
                           _mm256_set1_epi32(F32_NAN), is_nan);
    const __m256 less =
        _mm256_and_ps(_mm256_castsi256_ps(subnormal), _mm256_set1_ps(SUBNORMAL_LESS));
    const __m256 value = _mm256_sub_ps(_mm256_castsi256_ps(bits), less);
    const __m256 y =
        _mm256_mul_ps(_mm256_xor_ps(value, _mm256_castsi256_ps(sign)), scale);
    const __m256i b = _mm256_castps_si256(y);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(
        _mm256_add_epi32(_mm256_add_epi32(b, _mm256_set1_epi32(0x7fff)), odd), 16);
    const __m256 unordered = _mm256_cmp_ps(y, y, _CMP_UNORD_Q);
    return _mm256_blendv_epi8(rounded, _mm256_set1_epi32(BF16_NAN),
                              _mm256_castps_si256(unordered));
}

__attribute__((target("avx2"))) static void decode_avx2(char *dst, const char *src,
                                                        size_t n, float scale)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m128i bytes = _mm_loadu_si128((const void *)(src + i));
        const __m256i low = decode8(bytes, s),
                      high = decode8(_mm_srli_si128(bytes, 8), s);
        /* packus works within 128-bit halves: bring them into order. */
        const __m256i both =
            _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
        _mm256_storeu_si256((void *)(dst + 2 * i), both);
    }
    i8i_fp8_decode_scalar(dst + 2 * i, src + i, n - i, scale);
}
#elif I8I_NEON
/* bf16 in the upper half of each lane. */
static inline uint16x8_t bf16_above(float32x4_t y)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(y);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint32x4_t nan = vdupq_n_u32((uint32_t)BF16_NAN << 16);
    return vreinterpretq_u16_u32(vbslq_u32(vceqq_f32(y, y), rounded, nan));
}

/* E4M3's bits, put where fp16 has its own, are its value over 2^8, subnormals included:
 * fp16's bias is greater by 8. Only NaN is a number there. */
static inline uint16x8_t decode8(uint8x8_t bytes, float32x4_t scale)
{
    const uint16x8_t wide = vmovl_u8(bytes);
    const uint16x8_t magnitude = vandq_u16(wide, vdupq_n_u16(0x7f));
    const uint16x8_t sign = vandq_u16(vshlq_n_u16(wide, 8), vdupq_n_u16(0x8000));
    const float16x8_t half =
        vreinterpretq_f16_u16(vorrq_u16(sign, vshlq_n_u16(magnitude, 7)));
    const float32x4_t low = vmulq_n_f32(vcvt_f32_f16(vget_low_f16(half)), 0x1p8f),
                      high = vmulq_n_f32(vcvt_high_f32_f16(half), 0x1p8f);
    const uint16x8_t b =
        vuzp2q_u16(bf16_above(vmulq_f32(low, scale)), bf16_above(vmulq_f32(high, scale)));
    const uint16x8_t is_nan = vceqq_u16(magnitude, vdupq_n_u16(E4M3_NAN));
    return vbslq_u16(is_nan, vdupq_n_u16(BF16_NAN), b);
}

static void decode_neon(unsigned char *dst, const unsigned char *src, size_t n,
                        float scale)
{
    const float32x4_t s = vdupq_n_f32(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const uint8x16_t bytes = vld1q_u8(src + i);
        const uint16x8_t low = decode8(vget_low_u8(bytes), s),
                         high = decode8(vget_high_u8(bytes), s);
        vst1q_u8(dst + 2 * i, vreinterpretq_u8_u16(low));
        vst1q_u8(dst + 2 * i + 16, vreinterpretq_u8_u16(high));
    }
    i8i_fp8_decode_scalar(dst + 2 * i, src + i, n - i, scale);
}
#endif

void i8i_fp8_decode(void *dst, const void *src, size_t n, float scale)
{
#if I8I_X86
    if (__builtin_cpu_supports("avx2"))
        decode_avx2(dst, src, n, scale);
    else
        i8i_fp8_decode_scalar(dst, src, n, scale);
#elif I8I_NEON
    decode_neon(dst, src, n, scale);
#else
    i8i_fp8_decode_scalar(dst, src, n, scale);
#endif
}
