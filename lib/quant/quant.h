/* SPDX-License-Identifier: Apache-2.0
 *
 * Row-wise absmax int8, bit for bit as bitsandbytes makes it, and the row-wise
 * quantization of activations with outlier columns set apart (LLM.int8(), Dettmers
 * et al. 2022, arXiv 2208.07339). Each operation has a scalar reference and SIMD
 * variants chosen at run time that give the same bytes.
 */
#ifndef I8I_QUANT_QUANT_H
#define I8I_QUANT_QUANT_H

#include "base/arch.h"

#include <int8tool/dtype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which device's bytes: the scale 127/absmax rounds differently on a GPU. */
enum i8i_rounding {
    I8I_ROUNDING_CUDA, /* __fdividef(127, absmax): the 1,024-entry table */
    I8I_ROUNDING_CPU,  /* (1/absmax) × 127, two roundings */
};

/* The instruction sets of this architecture; each has all of those before it. */
enum i8i_isa {
    I8I_ISA_SCALAR,
#if I8I_X86
    I8I_ISA_AVX2, /* with F16C */
    I8I_ISA_AVX512,
#elif I8I_NEON
    I8I_ISA_NEON,
#endif
    I8I_ISA_COUNT
};
/* The best that this processor has; lowered (never raised) by i8i_isa_limit. */
enum i8i_isa i8i_isa_best(void);
/* For tests and --cpu choices: no call uses more than `isa` from here on. */
void i8i_isa_limit(enum i8i_isa isa);
const char *i8i_isa_name(enum i8i_isa isa); /* "avx512"; static */

/* What a row held that int8 cannot say; counts over the fp16-cast source. */
struct i8i_row_report {
    size_t nan_count;
    size_t inf_count; /* Inf in the source, or beyond fp16's range (|w| ≥ 65520) */
    size_t first_bad; /* index of the first such element; valid if a count is non-zero */
};

/* Quantizes one row of n elements of F32, F16, BF16 or F64 (little-endian, any
 * alignment): cast to fp16 (round to nearest even; F64 by way of fp32, as torch does),
 * absmax, scale, round half to even. q: n bytes in [-127, 127]; *scb: the absmax as
 * fp32. A row of zeros gives zeros and 0. Non-finite elements are counted in *report
 * and give q = 0; they do not enter absmax, except Inf: then, as bitsandbytes does, the
 * whole row is 0 and scb is Inf. The same bytes for every isa; one that the processor
 * lacks is lowered. Thread-safe. */
void i8i_quantize_row(int8_t *q, float *scb, const void *src, enum i8_dtype dtype,
                      size_t n, enum i8i_rounding rounding, enum i8i_isa isa,
                      struct i8i_row_report *report);

/* The same for a row that comes in parts, from left to right: scan all parts (start with
 * a zeroed scan), then quantize each; scan.absmax is the row's SCB. */
struct i8i_row_scan {
    float absmax;
    struct i8i_row_report report;
    size_t n; /* elements so far */
};
void i8i_row_scan(struct i8i_row_scan *scan, const void *src, enum i8_dtype dtype,
                  size_t n, enum i8i_isa isa);
void i8i_row_quantize(int8_t *q, const struct i8i_row_scan *scan, const void *src,
                      enum i8_dtype dtype, size_t n, enum i8i_rounding rounding,
                      enum i8i_isa isa);

/* The fp32 scale of either recipe for a positive finite fp16 absmax. */
float i8i_scale_127_over(float absmax, enum i8i_rounding rounding);

/* Conversions, exact or round-to-nearest-even, subnormals kept. */
float i8i_f16_to_f32(uint16_t h);
uint16_t i8i_f32_to_f16(float f);
float i8i_bf16_to_f32(uint16_t b);
uint16_t i8i_f32_to_bf16(float f);
/* NaN stays NaN: quieted, its payload cut. */
/* n elements of F32/F16/BF16/F64 at src (any alignment) to fp32. */
void i8i_to_f32(float *dst, const void *src, enum i8_dtype dtype, size_t n,
                enum i8i_isa isa);
/* n fp32 elements to F32, F16 or BF16 at dst (any alignment). */
void i8i_from_f32(void *dst, const float *src, enum i8_dtype dtype, size_t n,
                  enum i8i_isa isa);
/* Rounds n values to what fp16 can hold, in place. */
void i8i_round_to_f16(float *x, size_t n, enum i8i_isa isa);
/* Adds to *report the NaN and Inf among n elements of F32, F16, BF16 or F64, as they are
 * stored (no cast). `first` is added to the index; start with a zeroed report. */
void i8i_count_nonfinite(struct i8i_row_report *report, const void *src,
                         enum i8_dtype dtype, size_t n, size_t first, enum i8i_isa isa);

/* Activations: x (rows, cols) fp32, values already rounded to fp16. Sets
 * is_outlier[c] = 1 for each column with any |x| ≥ threshold (fp16 compare), else 0;
 * returns how many. NaN is never an outlier. threshold 0: none. */
size_t i8i_find_outliers(uint8_t *is_outlier, const float *x, size_t rows, size_t cols,
                         float threshold, enum i8i_isa isa);
/* One activation row as bitsandbytes' CUDA kernel does it: row absmax over elements
 * below the threshold (0: over all), int8 by __fdividef's table; outlier elements and
 * outlier columns become 0. */
void i8i_quantize_activation_row(int8_t *q, float *row_absmax, const float *x,
                                 const uint8_t *is_outlier, size_t cols, float threshold,
                                 enum i8i_isa isa);

#endif
