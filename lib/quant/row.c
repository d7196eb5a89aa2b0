/* SPDX-License-Identifier: Apache-2.0
 *
 * One weight row to int8. Two sweeps: the first is an integer maximum that gives the
 * absmax and says whether anything is NaN or Inf; the second, over a row that is by
 * then in cache, quantizes. Rows with NaN or Inf take a plain loop of their own.
 */
#include "config.h"

#include "quant/kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define F64_CHUNK 512 /* doubles go through fp32 in pieces that stay in L1 */
/* bf16 values of 2^-17 and more are exact in fp16. With a row absmax of 2^-9 or more
 * the smaller ones quantize to 0 with or without the cast: 127 · 2^-17 / 2^-9 < 0.5. */
#define BF16_NOCAST_ABSMAX 0x1p-9f

/* The largest |element| after the cast to fp16 (Inf from 65520 on), or NaN. */
static float part_absmax(const struct i8i_kernels *k, const void *src,
                         enum i8_dtype dtype, size_t n)
{
    uint32_t bits = 0;
    switch (dtype) {
    case I8_DTYPE_F16:
        return i8i_f16_to_f32(k->max_bits16(src, n));
    case I8_DTYPE_BF16:
        bits = (uint32_t)k->max_bits16(src, n) << 16;
        break;
    case I8_DTYPE_F64:
        for (size_t i = 0; i < n; i += F64_CHUNK) {
            float chunk[F64_CHUNK];
            size_t count = n - i < F64_CHUNK ? n - i : F64_CHUNK;
            k->f64_to_f32(chunk, (const char *)src + 8 * i, count);
            uint32_t max = k->max_bits32(chunk, count);
            if (max > bits)
                bits = max;
        }
        break;
    default:
        bits = k->max_bits32(src, n);
        break;
    }
    return i8i_f16_to_f32(i8i_f32_to_f16(i8i_bits_f32(bits)));
}

static float element(const void *src, enum i8_dtype dtype, size_t i)
{
    switch (dtype) {
    case I8_DTYPE_F16:
        return i8i_f16_to_f32(i8i_load16(src, i));
    case I8_DTYPE_BF16:
        return i8i_bf16_to_f32(i8i_load16(src, i));
    case I8_DTYPE_F64:
        return (float)i8i_load_f64(src, i);
    default:
        return i8i_bits_f32(i8i_load32(src, i));
    }
}

static float half_element(const void *src, enum i8_dtype dtype, size_t i)
{
    return i8i_f16_to_f32(i8i_f32_to_f16(element(src, dtype, i)));
}

static void count_bad(struct i8i_row_report *report, float value, size_t index)
{
    if (isfinite(value))
        return;
    if (report->nan_count + report->inf_count == 0)
        report->first_bad = index;
    if (isnan(value))
        report->nan_count++;
    else
        report->inf_count++;
}

void i8i_row_scan(struct i8i_row_scan *scan, const void *src, enum i8_dtype dtype,
                  size_t n, enum i8i_isa isa)
{
    assert(dtype == I8_DTYPE_F32 || dtype == I8_DTYPE_F16 || dtype == I8_DTYPE_BF16 ||
           dtype == I8_DTYPE_F64);
    float absmax = part_absmax(i8i_kernels_for(isa), src, dtype, n);
    if (!isfinite(absmax)) {
        absmax = 0;
        for (size_t i = 0; i < n; i++) {
            float value = half_element(src, dtype, i);
            count_bad(&scan->report, value, scan->n + i);
            absmax = fmaxf(absmax, fabsf(value)); /* drops NaN, as the CUDA kernel does */
        }
    }
    scan->absmax = fmaxf(scan->absmax, absmax);
    scan->n += n;
}

void i8i_row_quantize(int8_t *q, const struct i8i_row_scan *scan, const void *src,
                      enum i8_dtype dtype, size_t n, enum i8i_rounding rounding,
                      enum i8i_isa isa)
{
    const struct i8i_kernels *k = i8i_kernels_for(isa);
    if (n == 0)
        return;
    if (scan->absmax == 0 || isinf(scan->absmax)) {
        memset(q, 0, n); /* scale 0 makes finite elements 0, and Inf × 0 becomes 0 too */
        return;
    }
    float scale = i8i_scale_127_over(scan->absmax, rounding);
    if (scan->report.nan_count > 0) {
        for (size_t i = 0; i < n; i++) {
            float value = half_element(src, dtype, i);
            q[i] = isnan(value) ? 0 : (int8_t)rintf(value * scale);
        }
        return;
    }
    switch (dtype) {
    case I8_DTYPE_F16:
        k->quantize_f16(q, src, n, scale);
        break;
    case I8_DTYPE_BF16:
        if (scan->absmax >= BF16_NOCAST_ABSMAX)
            k->quantize_bf16_nocast(q, src, n, scale);
        else
            k->quantize_bf16(q, src, n, scale);
        break;
    case I8_DTYPE_F64:
        for (size_t i = 0; i < n; i += F64_CHUNK) {
            float chunk[F64_CHUNK];
            size_t count = n - i < F64_CHUNK ? n - i : F64_CHUNK;
            k->f64_to_f32(chunk, (const char *)src + 8 * i, count);
            k->quantize_f32(q + i, chunk, count, scale);
        }
        break;
    default:
        k->quantize_f32(q, src, n, scale);
        break;
    }
}

void i8i_quantize_row(int8_t *q, float *scb, const void *src, enum i8_dtype dtype,
                      size_t n, enum i8i_rounding rounding, enum i8i_isa isa,
                      struct i8i_row_report *report)
{
    struct i8i_row_scan scan = {0};
    i8i_row_scan(&scan, src, dtype, n, isa);
    i8i_row_quantize(q, &scan, src, dtype, n, rounding, isa);
    *scb = scan.absmax;
    *report = scan.report;
}

float i8i_scale_127_over(float absmax, enum i8i_rounding rounding)
{
    if (rounding == I8I_ROUNDING_CPU)
        return (1.0f / absmax) * 127.0f; /* two roundings, in this order */
    /* The table holds the scale for the mantissa; the exponent is subtracted. An fp16
     * value has 10 mantissa bits, and all of its range is normal in fp32. */
    uint32_t bits = i8i_f32_bits(absmax);
    uint32_t exponent = bits & 0x7f800000;
    return i8i_bits_f32(i8i_scale_table[bits >> 13 & 0x3ff] - (exponent - (127u << 23)));
}

void i8i_count_nonfinite(struct i8i_row_report *report, const void *src,
                         enum i8_dtype dtype, size_t n, size_t first, enum i8i_isa isa)
{
    const struct i8i_kernels *k = i8i_kernels_for(isa);
    bool clean = false;
    if (dtype == I8_DTYPE_F16)
        clean = k->max_bits16(src, n) < 0x7c00;
    else if (dtype == I8_DTYPE_BF16)
        clean = k->max_bits16(src, n) < 0x7f80;
    else if (dtype == I8_DTYPE_F32)
        clean = k->max_bits32(src, n) < 0x7f800000;
    for (size_t i = 0; !clean && i < n; i++) {
        if (dtype != I8_DTYPE_F64)
            count_bad(report, element(src, dtype, i), first + i);
        else if (!isfinite(i8i_load_f64(src, i))) /* beyond fp32 is finite here */
            count_bad(report, (float)i8i_load_f64(src, i), first + i);
    }
}
