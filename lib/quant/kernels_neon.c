/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for NEON as every 64-bit ARM has it: the conversions from and to fp16
 * belong to ARMv8.0, only arithmetic in fp16 came later. What a void pointer points to
 * may lie anywhere, so it is loaded and stored as bytes. Tails are left to the scalar
 * table.
 */
#include "config.h"

#include "quant/kernels.h"

#if I8I_NEON
#include <arm_neon.h>

#define TAIL (&i8i_kernels_scalar)

static inline const uint8_t *at(const void *p, size_t byte)
{
    return (const uint8_t *)p + byte;
}

/* Two maxima, because the next instruction on one would wait for the last. */
static uint16_t max_bits16(const void *src, size_t n)
{
    const uint16x8_t magnitude = vdupq_n_u16(0x7fff);
    uint16x8_t a = vdupq_n_u16(0), b = a;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint16x8_t low = vreinterpretq_u16_u8(vld1q_u8(at(src, 2 * i)));
        uint16x8_t high = vreinterpretq_u16_u8(vld1q_u8(at(src, 2 * i + 16)));
        a = vmaxq_u16(a, vandq_u16(low, magnitude));
        b = vmaxq_u16(b, vandq_u16(high, magnitude));
    }
    uint16_t most = vmaxvq_u16(vmaxq_u16(a, b));
    uint16_t tail = TAIL->max_bits16(at(src, 2 * i), n - i);
    return most > tail ? most : tail;
}

static uint32_t max_bits32(const void *src, size_t n)
{
    const uint32x4_t magnitude = vdupq_n_u32(0x7fffffff);
    uint32x4_t a = vdupq_n_u32(0), b = a;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint32x4_t low = vreinterpretq_u32_u8(vld1q_u8(at(src, 4 * i)));
        uint32x4_t high = vreinterpretq_u32_u8(vld1q_u8(at(src, 4 * i + 16)));
        a = vmaxq_u32(a, vandq_u32(low, magnitude));
        b = vmaxq_u32(b, vandq_u32(high, magnitude));
    }
    uint32_t most = vmaxvq_u32(vmaxq_u32(a, b));
    uint32_t tail = TAIL->max_bits32(at(src, 4 * i), n - i);
    return most > tail ? most : tail;
}

/* Eight elements in order. */
struct eight {
    float32x4_t low, high;
};

static inline struct eight load_f16(const void *src, size_t i)
{
    float16x8_t v = vreinterpretq_f16_u8(vld1q_u8(at(src, 2 * i)));
    return (struct eight){vcvt_f32_f16(vget_low_f16(v)), vcvt_high_f32_f16(v)};
}

/* Zeros below each element make it fp32. */
static inline struct eight load_bf16(const void *src, size_t i)
{
    const uint16x8_t zero = vdupq_n_u16(0);
    uint16x8_t v = vreinterpretq_u16_u8(vld1q_u8(at(src, 2 * i)));
    return (struct eight){vreinterpretq_f32_u16(vzip1q_u16(zero, v)),
                          vreinterpretq_f32_u16(vzip2q_u16(zero, v))};
}

static inline struct eight load_f32(const void *src, size_t i)
{
    return (struct eight){vreinterpretq_f32_u8(vld1q_u8(at(src, 4 * i))),
                          vreinterpretq_f32_u8(vld1q_u8(at(src, 4 * i + 16)))};
}

static inline float32x4_t cast_f16(float32x4_t v)
{
    return vcvt_f32_f16(vcvt_f16_f32(v));
}

static inline struct eight cast_8(struct eight v)
{
    return (struct eight){cast_f16(v.low), cast_f16(v.high)};
}

/* The lower halves of each element, which hold all of an int8 and of a mask. */
static inline int8x16_t narrow(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d)
{
    int16x8_t ab = vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
    int16x8_t cd = vuzp1q_s16(vreinterpretq_s16_s32(c), vreinterpretq_s16_s32(d));
    return vuzp1q_s8(vreinterpretq_s8_s16(ab), vreinterpretq_s8_s16(cd));
}

/* vcvtn: to the nearest integer, ties to even, whatever the rounding mode. */
static inline int32x4_t scaled(float32x4_t v, float32x4_t scale)
{
    return vcvtnq_s32_f32(vmulq_f32(v, scale));
}

static inline int8x16_t scaled_16(struct eight a, struct eight b, float32x4_t scale)
{
    return narrow(scaled(a.low, scale), scaled(a.high, scale), scaled(b.low, scale),
                  scaled(b.high, scale));
}

static void quantize_f16(int8_t *q, const void *src, size_t n, float scale)
{
    const float32x4_t s = vdupq_n_f32(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        vst1q_s8(q + i, scaled_16(load_f16(src, i), load_f16(src, i + 8), s));
    TAIL->quantize_f16(q + i, at(src, 2 * i), n - i, scale);
}

static void quantize_bf16(int8_t *q, const void *src, size_t n, float scale)
{
    const float32x4_t s = vdupq_n_f32(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        vst1q_s8(q + i,
                 scaled_16(cast_8(load_bf16(src, i)), cast_8(load_bf16(src, i + 8)), s));
    TAIL->quantize_bf16(q + i, at(src, 2 * i), n - i, scale);
}

static void quantize_bf16_nocast(int8_t *q, const void *src, size_t n, float scale)
{
    const float32x4_t s = vdupq_n_f32(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        vst1q_s8(q + i, scaled_16(load_bf16(src, i), load_bf16(src, i + 8), s));
    TAIL->quantize_bf16_nocast(q + i, at(src, 2 * i), n - i, scale);
}

static void quantize_f32(int8_t *q, const void *src, size_t n, float scale)
{
    const float32x4_t s = vdupq_n_f32(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        vst1q_s8(q + i,
                 scaled_16(cast_8(load_f32(src, i)), cast_8(load_f32(src, i + 8)), s));
    TAIL->quantize_f32(q + i, at(src, 4 * i), n - i, scale);
}

static inline void store_f32(float *dst, struct eight v)
{
    vst1q_f32(dst, v.low);
    vst1q_f32(dst + 4, v.high);
}

static void f16_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        store_f32(dst + i, load_f16(src, i));
    TAIL->f16_to_f32(dst + i, at(src, 2 * i), n - i);
}

static void bf16_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        store_f32(dst + i, load_bf16(src, i));
    TAIL->bf16_to_f32(dst + i, at(src, 2 * i), n - i);
}

static void f64_to_f32(float *dst, const void *src, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float64x2_t low = vreinterpretq_f64_u8(vld1q_u8(at(src, 8 * i)));
        float64x2_t high = vreinterpretq_f64_u8(vld1q_u8(at(src, 8 * i + 16)));
        vst1q_f32(dst + i, vcvt_high_f32_f64(vcvt_f32_f64(low), high));
    }
    TAIL->f64_to_f32(dst + i, at(src, 8 * i), n - i);
}

static void f32_to_f16(void *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        struct eight v = load_f32(src, i);
        float16x8_t h = vcvt_high_f16_f32(vcvt_f16_f32(v.low), v.high);
        vst1q_u8((uint8_t *)dst + 2 * i, vreinterpretq_u8_f16(h));
    }
    TAIL->f32_to_f16((char *)dst + 2 * i, src + i, n - i);
}

/* bf16 in the upper half of each element: round to nearest even, NaN quieted. */
static inline uint16x8_t bf16_above(float32x4_t v)
{
    uint32x4_t bits = vreinterpretq_u32_f32(v);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    return vreinterpretq_u16_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet));
}

static void f32_to_bf16(void *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        struct eight v = load_f32(src, i);
        uint16x8_t b = vuzp2q_u16(bf16_above(v.low), bf16_above(v.high));
        vst1q_u8((uint8_t *)dst + 2 * i, vreinterpretq_u8_u16(b));
    }
    TAIL->f32_to_bf16((char *)dst + 2 * i, src + i, n - i);
}

static void round_to_f16(float *x, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        store_f32(x + i, cast_8(load_f32(x, i)));
    TAIL->round_to_f16(x + i, n - i);
}

static inline int32x4_t reaches(const float *x, float32x4_t threshold)
{
    return vreinterpretq_s32_u32(vcgeq_f32(vabsq_f32(vld1q_f32(x)), threshold));
}

static void mark_outliers(uint8_t *mark, const float *x, size_t n, float threshold)
{
    const float32x4_t t = vdupq_n_f32(threshold);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        int8x16_t mask = narrow(reaches(x + i, t), reaches(x + i + 4, t),
                                reaches(x + i + 8, t), reaches(x + i + 12, t));
        uint8x16_t one = vandq_u8(vreinterpretq_u8_s8(mask), vdupq_n_u8(1));
        vst1q_u8(mark + i, vorrq_u8(vld1q_u8(mark + i), one));
    }
    TAIL->mark_outliers(mark + i, x + i, n - i, threshold);
}

/* v where the mask is set, else 0. */
static inline float32x4_t where(uint32x4_t mask, float32x4_t v)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), mask));
}

static float absmax_within(const float *x, size_t n, float bound)
{
    const float32x4_t b = vdupq_n_f32(bound);
    float32x4_t max = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t v = vabsq_f32(vld1q_f32(x + i));
        max = vmaxq_f32(max, where(vcleq_f32(v, b), v)); /* no NaN gets here */
    }
    float most = vmaxvq_f32(max);
    float tail = TAIL->absmax_within(x + i, n - i, bound);
    return most > tail ? most : tail;
}

static inline struct eight within(const float *x, float32x4_t bound)
{
    float32x4_t low = vld1q_f32(x), high = vld1q_f32(x + 4);
    return (struct eight){where(vcleq_f32(vabsq_f32(low), bound), low),
                          where(vcleq_f32(vabsq_f32(high), bound), high)};
}

static void quantize_within(int8_t *q, const float *x, const uint8_t *mark, size_t n,
                            float bound, float scale)
{
    const float32x4_t b = vdupq_n_f32(bound), s = vdupq_n_f32(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        int8x16_t bytes = scaled_16(within(x + i, b), within(x + i + 8, b), s);
        if (mark) {
            uint8x16_t keep = vceqzq_u8(vld1q_u8(mark + i));
            bytes = vandq_s8(bytes, vreinterpretq_s8_u8(keep));
        }
        vst1q_s8(q + i, bytes);
    }
    TAIL->quantize_within(q + i, x + i, mark ? mark + i : NULL, n - i, bound, scale);
}

const struct i8i_kernels i8i_kernels_neon = {
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
