/* SPDX-License-Identifier: Apache-2.0
 *
 * The int8 kernels. On a 4th-generation Xeon core the VNNI one makes 580-620 GOP/s at
 * 512 rows with its epilogue, 590 at 4 rows and 230 at one row; oneDNN's s8s8s32
 * makes 510 with a vectorized pass behind it, 150 and 165, and without VNNI it
 * saturates. Hence an own kernel everywhere, and oneDNN for fp32 alone.
 */
#include "config.h"

#include "base/arch.h"
#include "engine/cpu/cpu_int8_kernels.h"

#include <string.h>

/* Unsigned arithmetic, as it wraps: only the corrected sum is within int32. */
static void product_scalar(int32_t *acc, const int8_t *a, size_t a_stride, size_t rows,
                           const uint8_t *slab, size_t groups, bool fresh)
{
    for (size_t r = 0; r < rows; r++) {
        const int8_t *x = a + r * a_stride;
        int32_t *out = acc + r * I8I_SLAB_ROWS;

        if (fresh)
            memset(out, 0, I8I_SLAB_ROWS * sizeof(*out));
        for (size_t g = 0; g < groups; g++)
            for (size_t i = 0; i < I8I_GROUP_BYTES; i++) {
                uint32_t sum = (uint32_t)out[i / 4];

                sum += (uint32_t)(x[4 * g + i % 4] * (int)slab[g * I8I_GROUP_BYTES + i]);
                out[i / 4] = (int32_t)sum;
            }
    }
}

static bool always(void)
{
    return true;
}

#if I8I_X86
#include <immintrin.h>

/* ---- AVX2: widened to 16 bits, vpmaddwd, which cannot saturate ---- */

#define TARGET_AVX2 __attribute__((target("avx2")))

static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* 16 of the slab's 64 rows against one row of activations. */
TARGET_AVX2 static void product_16_avx2(int32_t *acc, const int8_t *x,
                                        const uint8_t *slab, size_t groups, bool fresh)
{
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256(), _mm256_setzero_si256()};

    for (size_t g = 0; g < groups; g++) {
        const uint8_t *w = slab + g * I8I_GROUP_BYTES;
        int32_t four;
        __m256i a;

        memcpy(&four, x + 4 * g, sizeof(four));
        a = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
        for (int i = 0; i < 4; i++) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(w + 16 * i));

            sum[i] = _mm256_add_epi32(sum[i],
                                      _mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), a));
        }
    }
    for (int i = 0; i < 4; i += 2) {
        /* hadd leaves each half's pairs side by side: 0 1 4 5 | 2 3 6 7 */
        __m256i pairs = _mm256_hadd_epi32(sum[i], sum[i + 1]);
        __m256i *out = (__m256i *)(acc + 8 * (i / 2));

        pairs = _mm256_permute4x64_epi64(pairs, 0xd8);
        if (!fresh)
            pairs = _mm256_add_epi32(pairs, _mm256_loadu_si256(out));
        _mm256_storeu_si256(out, pairs);
    }
}

static void product_avx2(int32_t *acc, const int8_t *a, size_t a_stride, size_t rows,
                         const uint8_t *slab, size_t groups, bool fresh)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t part = 0; part < 4; part++)
            product_16_avx2(acc + r * I8I_SLAB_ROWS + 16 * part, a + r * a_stride,
                            slab + 64 * part, groups, fresh);
}

/* ---- AVX-512 VNNI: six rows by 64 columns in 24 registers ---- */

#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

static bool have_vnni(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

/* `rows` is a constant wherever this is inlined, so that the sums stay in registers. */
TARGET_VNNI static inline __attribute__((always_inline)) void block_vnni(
    int32_t *acc, const int8_t *a, size_t a_stride, const int rows, const uint8_t *slab,
    size_t groups, bool fresh)
{
    __m512i sum[6][4];

#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            sum[r][i] = fresh ? _mm512_setzero_si512()
                              : _mm512_loadu_si512(acc + r * I8I_SLAB_ROWS + 16 * i);
    for (size_t g = 0; g < groups; g++) {
        __m512i w[4];

#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            w[i] = _mm512_loadu_si512(slab + g * I8I_GROUP_BYTES + 64 * i);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            int32_t four;
            __m512i x;

            memcpy(&four, a + (size_t)r * a_stride + 4 * g, sizeof(four));
            x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                sum[r][i] = _mm512_dpbusd_epi32(sum[r][i], w[i], x);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            _mm512_storeu_si512(acc + r * I8I_SLAB_ROWS + 16 * i, sum[r][i]);
}

TARGET_VNNI static void product_vnni(int32_t *acc, const int8_t *a, size_t a_stride,
                                     size_t rows, const uint8_t *slab, size_t groups,
                                     bool fresh)
{
    for (; rows >= 6; rows -= 6) {
        block_vnni(acc, a, a_stride, 6, slab, groups, fresh);
        acc += 6 * I8I_SLAB_ROWS;
        a += 6 * a_stride;
    }
    switch (rows) {
    case 5:
        block_vnni(acc, a, a_stride, 5, slab, groups, fresh);
        break;
    case 4:
        block_vnni(acc, a, a_stride, 4, slab, groups, fresh);
        break;
    case 3:
        block_vnni(acc, a, a_stride, 3, slab, groups, fresh);
        break;
    case 2:
        block_vnni(acc, a, a_stride, 2, slab, groups, fresh);
        break;
    case 1:
        block_vnni(acc, a, a_stride, 1, slab, groups, fresh);
        break;
    default:
        break;
    }
}
#elif I8I_NEON
#include <arm_neon.h>

/* ---- NEON: signed bytes, multiplied to 16 bits and added in pairs to 32 ---- */

static uint32_t sum_neon(const int8_t *x, size_t n)
{
    int32x4_t sums = vdupq_n_s32(0);
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        sums = vpadalq_s16(sums, vpaddlq_s8(vld1q_s8(x + i)));
    int32_t sum = vaddvq_s32(sums);
    for (; i < n; i++)
        sum += x[i];
    return (uint32_t)sum;
}

static inline int8x16_t four_neon(const int8_t *x)
{
    int32_t four;

    memcpy(&four, x, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* Weight from weight + 128: the top bit turned over. */
static inline int8x16_t weights_neon(const uint8_t *slab)
{
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(slab), vdupq_n_u8(0x80)));
}

/* 16 of the slab's 64 rows against one row of activations. These are within ±127, so that
 * the sum of two products fits 16 bits: two groups go into each addition. `more` is what
 * the products of weights + 128 would have above these. */
static void product_16_neon(int32_t *acc, const int8_t *x, const uint8_t *slab,
                            size_t groups, bool fresh, uint32_t more)
{
    int32x4_t sum[8]; /* two rows of weights each, in halves */
    size_t g = 0;

    for (int i = 0; i < 8; i++)
        sum[i] = vdupq_n_s32(0);
    for (; g + 2 <= groups; g += 2) {
        const int8x16_t a = four_neon(x + 4 * g), b = four_neon(x + 4 * g + 4);

        for (int i = 0; i < 4; i++) {
            const uint8_t *w = slab + g * I8I_GROUP_BYTES + 16 * i;
            const int8x16_t v = weights_neon(w), u = weights_neon(w + I8I_GROUP_BYTES);
            int16x8_t low = vmull_s8(vget_low_s8(v), vget_low_s8(a));
            int16x8_t high = vmull_high_s8(v, a);

            low = vmlal_s8(low, vget_low_s8(u), vget_low_s8(b));
            high = vmlal_high_s8(high, u, b);
            sum[2 * i] = vpadalq_s16(sum[2 * i], low);
            sum[2 * i + 1] = vpadalq_s16(sum[2 * i + 1], high);
        }
    }
    if (g < groups) {
        const int8x16_t a = four_neon(x + 4 * g);

        for (int i = 0; i < 4; i++) {
            const int8x16_t v = weights_neon(slab + g * I8I_GROUP_BYTES + 16 * i);

            sum[2 * i] =
                vpadalq_s16(sum[2 * i], vmull_s8(vget_low_s8(v), vget_low_s8(a)));
            sum[2 * i + 1] = vpadalq_s16(sum[2 * i + 1], vmull_high_s8(v, a));
        }
    }
    for (int i = 0; i < 4; i++) {
        int32x4_t four = vpaddq_s32(sum[2 * i], sum[2 * i + 1]);

        four = vaddq_s32(four, vreinterpretq_s32_u32(vdupq_n_u32(more)));
        if (!fresh)
            four = vaddq_s32(four, vld1q_s32(acc + 4 * i));
        vst1q_s32(acc + 4 * i, four);
    }
}

static void product_neon(int32_t *acc, const int8_t *a, size_t a_stride, size_t rows,
                         const uint8_t *slab, size_t groups, bool fresh)
{
    for (size_t r = 0; r < rows; r++) {
        const int8_t *x = a + r * a_stride;
        const uint32_t more = 128 * sum_neon(x, 4 * groups);

        for (size_t part = 0; part < 4; part++)
            product_16_neon(acc + r * I8I_SLAB_ROWS + 16 * part, x, slab + 64 * part,
                            groups, fresh, more);
    }
}
#endif

const struct i8i_int8_kernel i8i_int8_kernels[] = {
#if I8I_X86
    {"avx512-vnni", have_vnni, product_vnni},
    {"avx2", have_avx2, product_avx2},
#elif I8I_NEON
    {"neon", always, product_neon},
#endif
    {"scalar", always, product_scalar},
    {NULL, NULL, NULL},
};
