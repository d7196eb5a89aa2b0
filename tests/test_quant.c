/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/quant against outside truth: hashes of what bitsandbytes' CUDA kernel made of 100
 * matrices (remade here from their seeds), IEEE arithmetic for the conversions, and the
 * scalar kernels for each SIMD one.
 */
#include "config.h"

#include "base/hash.h"
#include "base/json.h"
#include "quant/quant.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *data_folder(void)
{
    const char *data = getenv("I8_TEST_DATA");
    return data ? data : "tests/data";
}

static float bits_f32(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* ---- numpy's RandomState(seed), as far as the fixture's recipe needs it ---- */

struct mt19937 {
    uint32_t state[624];
    int next;
    bool has_gauss;
    double gauss;
};

static void mt_seed(struct mt19937 *r, uint32_t seed)
{
    for (int i = 0; i < 624; i++) {
        r->state[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + (uint32_t)i + 1;
    }
    r->next = 624;
    r->has_gauss = false;
}

static uint32_t mt_u32(struct mt19937 *r)
{
    if (r->next == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y =
                (r->state[i] & 0x80000000u) | (r->state[(i + 1) % 624] & 0x7fffffffu);
            r->state[i] = r->state[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        r->next = 0;
    }
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* randint(low, high): masked rejection. */
static int mt_int(struct mt19937 *r, int low, int high)
{
    uint32_t range = (uint32_t)(high - 1 - low), mask = range, v;
    if (range == 0)
        return low;
    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        v = mt_u32(r) & mask;
    while (v > range);
    return low + (int)v;
}

static double mt_double(struct mt19937 *r)
{
    uint32_t a = mt_u32(r) >> 5, b = mt_u32(r) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

/* standard_normal: the polar method, the second value kept for the next call. */
static double mt_normal(struct mt19937 *r)
{
    double x, y, square;
    if (r->has_gauss) {
        r->has_gauss = false;
        return r->gauss;
    }
    do {
        x = 2 * mt_double(r) - 1;
        y = 2 * mt_double(r) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    double f = sqrt(-2 * log(square) / square);
    r->gauss = f * x;
    r->has_gauss = true;
    return f * y;
}

/* The recipe of the fixture: *out is (n, k) fp16, to be freed. */
static void make_matrix(uint16_t **out, size_t *rows, size_t *cols, uint32_t seed)
{
    struct mt19937 r;
    mt_seed(&r, seed);
    size_t n = (size_t)mt_int(&r, 1, 65), k = 4 * (size_t)mt_int(&r, 1, 257);
    double *x = calloc(n * k, sizeof *x);
    uint16_t *half = calloc(n * k, sizeof *half);
    ck_assert(x && half);
    switch (seed % 4) {
    case 0:
        for (size_t i = 0; i < n * k; i++)
            x[i] = (float)mt_normal(&r) * 0.02f;
        break;
    case 1:
        for (size_t i = 0; i < n * k; i++)
            x[i] = mt_int(&r, -256, 257);
        double unit = ldexp(1, -mt_int(&r, 4, 14));
        for (size_t i = 0; i < n * k; i++)
            x[i] *= unit;
        break;
    case 2: {
        float *a = calloc(n, sizeof *a);
        ck_assert(a != NULL);
        for (size_t i = 0; i < n; i++)
            a[i] = (float)ldexp(mt_int(&r, 1024, 2048), -14);
        for (size_t i = 0; i < n * k; i++)
            x[i] = a[i / k] * (float)(mt_int(&r, -254, 255) / 254.0);
        for (size_t i = 0; i < n; i++)
            x[i * k] = a[i];
        free(a);
        break;
    }
    default: {
        for (size_t i = 0; i < n * k; i++)
            x[i] = mt_normal(&r);
        double factor = pow(10, mt_int(&r, -6, 4));
        for (size_t i = 0; i < n * k; i++)
            x[i] = (float)(x[i] * factor);
        memset(x + (size_t)mt_int(&r, 0, (int)n) * k, 0, k * sizeof *x);
    }
    }
    for (size_t i = 0; i < n * k; i++)
        half[i] = i8i_f32_to_f16((float)x[i]);
    free(x);
    *out = half;
    *rows = n;
    *cols = k;
}

static void assert_sha256(const void *bytes, size_t n, const i8i_json *row,
                          const char *key)
{
    struct i8i_hash *h;
    char hex[I8I_HASH_HEX];
    ck_assert(i8i_hash_new(&h, I8I_SHA256, NULL) == I8_OK);
    i8i_hash_update(h, bytes, n);
    ck_assert(i8i_hash_final(h, hex, NULL) == I8_OK);
    i8i_hash_free(h);
    const char *expected = i8i_json_string(i8i_json_get(row, key));
    uint64_t seed = 0;
    i8i_json_u64(&seed, i8i_json_get(row, "seed"));
    ck_assert_msg(expected && strcmp(hex, expected) == 0, "seed %" PRIu64 ": %s is %s",
                  seed, key, hex);
}

START_TEST(cuda_hashes)
{
    char path[4096];
    struct i8_error err;
    i8i_json *doc;
    snprintf(path, sizeof path, "%s/quant/cuda_bytes.h200.json", data_folder());
    ck_assert_msg(i8i_json_read_file(&doc, path, 1 << 20, &err) == I8_OK, "%s",
                  err.message);
    size_t checked = 0;
    for (const i8i_json *row = i8i_json_first(doc); row; row = i8i_json_next(row)) {
        uint64_t seed;
        uint16_t *x;
        size_t n, k;
        ck_assert(i8i_json_u64(&seed, i8i_json_get(row, "seed")));
        make_matrix(&x, &n, &k, (uint32_t)seed);
        assert_sha256(x, n * k * 2, row, "sha256_in");
        int8_t *q = malloc(n * k);
        float *scb = malloc(n * sizeof *scb);
        ck_assert(q && scb);
        for (int isa = I8I_ISA_SCALAR; isa <= (int)i8i_isa_best(); isa++) {
            struct i8i_row_report report;
            for (size_t i = 0; i < n; i++)
                i8i_quantize_row(q + i * k, scb + i, x + i * k, I8_DTYPE_F16, k,
                                 I8I_ROUNDING_CUDA, isa, &report);
            assert_sha256(q, n * k, row, "sha256_q");
            assert_sha256(scb, n * sizeof *scb, row, "sha256_scb");
        }
        free(q);
        free(scb);
        free(x);
        checked++;
    }
    ck_assert_uint_eq(checked, 100);
    i8i_json_free(doc);
}
END_TEST

/* ---- scales ---- */

START_TEST(scales)
{
    int unlike_division = 0, unlike_reciprocal = 0;
    for (uint32_t h = 1; h < 0x7c00; h++) {
        float a = i8i_f16_to_f32((uint16_t)h);
        float reciprocal = 1.0f / a;
        float cpu = reciprocal * 127.0f;
        ck_assert(i8i_scale_127_over(a, I8I_ROUNDING_CPU) == cpu);
        /* The table is for [1, 2); every other absmax is that times a power of two. */
        int exponent;
        float mantissa = 2 * frexpf(a, &exponent);
        float cuda = i8i_scale_127_over(a, I8I_ROUNDING_CUDA);
        float base = i8i_scale_127_over(mantissa, I8I_ROUNDING_CUDA);
        ck_assert(cuda == ldexpf(base, 1 - exponent));
        ck_assert(fabs(cuda * (double)a / 127 - 1) <= 0x1p-22);
        if (a >= 1 && a < 2) {
            unlike_division += cuda != 127.0f / a;
            unlike_reciprocal += cuda != cpu;
        }
    }
    ck_assert_int_eq(unlike_division, 296); /* as the table's file says of itself */
    ck_assert_int_eq(unlike_reciprocal, 129);
}
END_TEST

/* The generated table is the file's text. */
START_TEST(scale_table)
{
    char path[4096], line[256];
    snprintf(path, sizeof path, "%s/quant/scale_127_over_absmax.h200.txt", data_folder());
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    unsigned m, bits, rows = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#')
            continue;
        ck_assert_int_eq(sscanf(line, "%u %x", &m, &bits), 2);
        float absmax = 1 + (float)m / 1024;
        ck_assert_uint_eq(f32_bits(i8i_scale_127_over(absmax, I8I_ROUNDING_CUDA)), bits);
        rows++;
    }
    fclose(f);
    ck_assert_uint_eq(rows, 1024);
}
END_TEST

/* ---- conversions ---- */

/* The value of fp16 bits, by its definition. */
static double f16_value(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -v : v;
}

START_TEST(fp16_exhaustive)
{
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint16_t h = (uint16_t)i, magnitude = h & 0x7fff;
        float f = i8i_f16_to_f32(h);
        if (magnitude > 0x7c00) {
            ck_assert(isnan(f));
            ck_assert_uint_eq(i8i_f32_to_f16(f), h | 0x200);
            continue;
        }
        ck_assert(magnitude == 0x7c00 ? isinf(f) : f == f16_value(h));
        ck_assert(!!signbit(f) == (h >> 15));
        ck_assert_uint_eq(i8i_f32_to_f16(f), h);
        if (magnitude >= 0x7c00)
            continue;
        /* Half way to the next value: to even; a hair off it: to the nearer one. */
        double next = magnitude == 0x7bff ? 65536 : fabs(f16_value(h + 1));
        float middle = (float)((fabs(f) + next) / 2);
        ck_assert(middle == (fabs(f) + next) / 2);
        uint16_t even = magnitude & 1 ? magnitude + 1 : magnitude;
        ck_assert_uint_eq(i8i_f32_to_f16(middle), even);
        ck_assert_uint_eq(i8i_f32_to_f16(nextafterf(middle, 0)), magnitude);
        ck_assert_uint_eq(i8i_f32_to_f16(nextafterf(middle, INFINITY)), magnitude + 1);
        ck_assert_uint_eq(i8i_f32_to_f16(-middle), even | 0x8000);
    }
}
END_TEST

START_TEST(bf16_exhaustive)
{
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint16_t b = (uint16_t)i, magnitude = b & 0x7fff;
        float f = i8i_bf16_to_f32(b);
        ck_assert_uint_eq(f32_bits(f), i << 16);
        if (magnitude > 0x7f80) {
            ck_assert_uint_eq(i8i_f32_to_bf16(f), b | 0x40);
            continue;
        }
        ck_assert_uint_eq(i8i_f32_to_bf16(f), b);
        if (magnitude == 0x7f80)
            continue;
        uint32_t middle = i << 16 | 0x8000;
        ck_assert_uint_eq(i8i_f32_to_bf16(bits_f32(middle)), b & 1 ? b + 1 : b);
        ck_assert_uint_eq(i8i_f32_to_bf16(bits_f32(middle - 1)), b);
        ck_assert_uint_eq(i8i_f32_to_bf16(bits_f32(middle + 1)), b + 1);
    }
}
END_TEST

/* Every isa's array conversions against the single-value ones, over a spread of all
 * 2^32 patterns and at every alignment. */
START_TEST(array_conversions)
{
    enum { N = 1037 };
    static float f[N], back[N];
    static char packed[N * 8 + 8];
    static uint16_t half[N];
    uint32_t pattern = 0x12345678;
    size_t wrong = 0; /* a ck_assert an element would take most of the time */
    for (int isa = I8I_ISA_SCALAR; isa <= (int)i8i_isa_best(); isa++) {
        for (int round = 0; round < 400; round++) {
            size_t shift = (size_t)round % 8;
            for (size_t i = 0; i < N; i++) {
                pattern += 2654435769u;
                f[i] = bits_f32(round % 2 ? pattern : 0x33000000 + pattern % 0x16000000);
            }
            i8i_from_f32(packed + shift, f, I8_DTYPE_F16, N, isa);
            memcpy(half, packed + shift, sizeof half);
            for (size_t i = 0; i < N; i++)
                wrong += half[i] != i8i_f32_to_f16(f[i]);
            i8i_to_f32(back, packed + shift, I8_DTYPE_F16, N, isa);
            for (size_t i = 0; i < N; i++)
                wrong += f32_bits(back[i]) != f32_bits(i8i_f16_to_f32(half[i]));
            i8i_from_f32(packed + shift, f, I8_DTYPE_BF16, N, isa);
            memcpy(half, packed + shift, sizeof half);
            for (size_t i = 0; i < N; i++)
                wrong += half[i] != i8i_f32_to_bf16(f[i]);
            i8i_to_f32(back, packed + shift, I8_DTYPE_BF16, N, isa);
            for (size_t i = 0; i < N; i++)
                wrong += f32_bits(back[i]) != ((uint32_t)half[i] << 16);
            memcpy(back, f, sizeof f);
            i8i_round_to_f16(back, N, isa);
            for (size_t i = 0; i < N; i++)
                wrong +=
                    f32_bits(back[i]) != f32_bits(i8i_f16_to_f32(i8i_f32_to_f16(f[i])));
            ck_assert_msg(wrong == 0, "round %d, %s", round, i8i_isa_name(isa));
        }
        for (size_t i = 0; i < N; i++) {
            double d = ldexp(1 + (double)i / 7, (int)i - 500);
            memcpy(packed + 3 + 8 * i, &d, sizeof d);
        }
        i8i_to_f32(back, packed + 3, I8_DTYPE_F64, N, isa);
        for (size_t i = 0; i < N; i++)
            ck_assert(back[i] == (float)ldexp(1 + (double)i / 7, (int)i - 500));
        i8i_to_f32(back, f, I8_DTYPE_F32, N, isa);
        ck_assert_mem_eq(back, f, sizeof f);
    }
}
END_TEST

/* ---- rows ---- */

static const enum i8_dtype float_dtypes[] = {I8_DTYPE_F32, I8_DTYPE_F16, I8_DTYPE_BF16,
                                             I8_DTYPE_F64};

static size_t float_bytes(enum i8_dtype dtype)
{
    return dtype == I8_DTYPE_F64 ? 8 : dtype == I8_DTYPE_F32 ? 4 : 2;
}

static double stored(const char *src, enum i8_dtype dtype, size_t i)
{
    uint16_t h;
    float f;
    double d;
    switch (dtype) {
    case I8_DTYPE_F16:
        memcpy(&h, src + 2 * i, 2);
        return i8i_f16_to_f32(h);
    case I8_DTYPE_BF16:
        memcpy(&h, src + 2 * i, 2);
        return i8i_bf16_to_f32(h);
    case I8_DTYPE_F64:
        memcpy(&d, src + 8 * i, 8);
        return d;
    default:
        memcpy(&f, src + 4 * i, 4);
        return f;
    }
}

/* What the header says, word by word. */
static void reference_row(int8_t *q, float *scb, const char *src, enum i8_dtype dtype,
                          size_t n, enum i8i_rounding rounding,
                          struct i8i_row_report *report)
{
    *report = (struct i8i_row_report){0};
    float absmax = 0;
    for (size_t i = 0; i < n; i++) {
        float w = i8i_f16_to_f32(i8i_f32_to_f16((float)stored(src, dtype, i)));
        if (!isfinite(w) && report->nan_count + report->inf_count == 0)
            report->first_bad = i;
        report->nan_count += isnan(w);
        report->inf_count += isinf(w) != 0;
        if (fabsf(w) > absmax)
            absmax = fabsf(w);
    }
    *scb = absmax;
    for (size_t i = 0; i < n; i++) {
        float w = i8i_f16_to_f32(i8i_f32_to_f16((float)stored(src, dtype, i)));
        bool zero = absmax == 0 || isinf(absmax) || isnan(w);
        q[i] = zero ? 0 : (int8_t)rintf(w * i8i_scale_127_over(absmax, rounding));
    }
}

enum row_kind {
    ROW_WEIGHTS,
    ROW_TINY,
    ROW_TIES,
    ROW_ANY_BITS,
    ROW_BAD,
    ROW_ZERO,
    ROW_KINDS
};

static void fill_row(char *src, enum i8_dtype dtype, size_t n, enum row_kind kind,
                     struct mt19937 *r)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY, 65519.9, 65520, -1e6};
    size_t width = float_bytes(dtype);
    for (size_t i = 0; i < n; i++) {
        double v = 0;
        if (kind == ROW_WEIGHTS || kind == ROW_BAD)
            v = mt_normal(r) * 0.03;
        else if (kind == ROW_TINY)
            v = mt_normal(r) * ldexp(1, -mt_int(r, 9, 27));
        else if (kind == ROW_TIES)
            v = mt_int(r, -254, 255) / 254.0;
        if (kind == ROW_BAD && mt_int(r, 0, 20) == 0)
            v = bad[mt_int(r, 0, 6)];
        float f = (float)v;
        if (dtype == I8_DTYPE_F32)
            memcpy(src + i * width, &f, 4);
        else if (dtype == I8_DTYPE_F64)
            memcpy(src + i * width, &v, 8);
        else
            i8i_from_f32(src + i * width, &f, dtype, 1, I8I_ISA_SCALAR);
    }
    for (size_t i = 0; kind == ROW_ANY_BITS && i < n * width; i++)
        src[i] = (char)mt_u32(r);
}

START_TEST(rows)
{
    enum { MOST = 1100, GUARD = 64 };
    static char buffer[MOST * 8 + 8];
    static int8_t expected[MOST], q[MOST + GUARD], guard[GUARD];
    struct mt19937 r;
    mt_seed(&r, 7);
    memset(guard, 0x5a, sizeof guard);
    for (int trial = 0; trial < 6000; trial++) {
        enum i8_dtype dtype = float_dtypes[trial % 4];
        enum row_kind kind = (enum row_kind)(trial / 4 % ROW_KINDS);
        enum i8i_rounding rounding =
            trial / 24 % 2 ? I8I_ROUNDING_CPU : I8I_ROUNDING_CUDA;
        size_t n = trial < 4800 ? (size_t)(trial / 24) : (size_t)mt_int(&r, 200, MOST);
        char *src = buffer + mt_int(&r, 0, 8);
        fill_row(src, dtype, n, kind, &r);
        struct i8i_row_report want, got;
        float want_scb, scb;
        reference_row(expected, &want_scb, src, dtype, n, rounding, &want);
        for (int isa = I8I_ISA_SCALAR; isa <= (int)i8i_isa_best(); isa++) {
            memset(q, 0x5a, sizeof q);
            i8i_quantize_row(q, &scb, src, dtype, n, rounding, isa, &got);
            ck_assert_msg(memcmp(q, expected, n) == 0, "trial %d, %s", trial,
                          i8i_isa_name(isa));
            ck_assert_mem_eq(q + n, guard, sizeof guard);
            ck_assert_uint_eq(f32_bits(scb), f32_bits(want_scb));
            ck_assert_uint_eq(got.nan_count, want.nan_count);
            ck_assert_uint_eq(got.inf_count, want.inf_count);

            /* The same row in two parts. */
            size_t cut = n / 3;
            char *rest = src + cut * float_bytes(dtype);
            struct i8i_row_scan scan = {0};
            i8i_row_scan(&scan, src, dtype, cut, isa);
            i8i_row_scan(&scan, rest, dtype, n - cut, isa);
            i8i_row_quantize(q, &scan, src, dtype, cut, rounding, isa);
            i8i_row_quantize(q + cut, &scan, rest, dtype, n - cut, rounding, isa);
            ck_assert_msg(memcmp(q, expected, n) == 0, "trial %d, %s, in parts", trial,
                          i8i_isa_name(isa));
            ck_assert_uint_eq(f32_bits(scan.absmax), f32_bits(want_scb));
            ck_assert_uint_eq(scan.report.first_bad, want.first_bad);
            if (want.nan_count + want.inf_count > 0)
                ck_assert_uint_eq(got.first_bad, want.first_bad);
        }
    }
}
END_TEST

/* bf16 rows whose absmax is 2^-9 or more skip the cast to fp16. That is only right if no
 * smaller value can round to 1 either way: all such absmax, the values next to where
 * bf16 stops being exact in fp16. */
START_TEST(bf16_without_cast)
{
    uint16_t row[2];
    int8_t q[2];
    float scb;
    size_t wrong = 0;
    struct i8i_row_report report;
    for (uint32_t b = 0x3b00; b < 0x4780; b++) {                  /* 2^-9 … 65280 */
        for (uint32_t small = 0x36e0; small <= 0x3780; small++) { /* up to 2^-16 */
            row[0] = (uint16_t)b;
            row[1] = (uint16_t)small;
            i8i_quantize_row(q, &scb, row, I8_DTYPE_BF16, 2, I8I_ROUNDING_CUDA,
                             I8I_ISA_SCALAR, &report);
            float cast = i8i_f16_to_f32(i8i_f32_to_f16(i8i_bf16_to_f32(row[1])));
            float scale = i8i_scale_127_over(scb, I8I_ROUNDING_CUDA);
            wrong += q[1] != (int)rintf(cast * scale) || q[0] != 127;
        }
        ck_assert_msg(wrong == 0, "absmax %x", b);
    }
}
END_TEST

START_TEST(nonfinite_as_stored)
{
    struct i8i_row_report report = {0};
    float row[40] = {[3] = 1e30f, [17] = NAN, [30] = -INFINITY};
    i8i_count_nonfinite(&report, row, I8_DTYPE_F32, 40, 100, i8i_isa_best());
    ck_assert_uint_eq(report.nan_count, 1);
    ck_assert_uint_eq(report.inf_count, 1);
    ck_assert_uint_eq(report.first_bad, 117);
    i8i_count_nonfinite(&report, row, I8_DTYPE_F32, 40, 140, i8i_isa_best());
    ck_assert_uint_eq(report.nan_count, 2);
    ck_assert_uint_eq(report.first_bad, 117);
    const double large[2] = {1e300, INFINITY};
    report = (struct i8i_row_report){0};
    i8i_count_nonfinite(&report, large, I8_DTYPE_F64, 2, 0, i8i_isa_best());
    ck_assert_uint_eq(report.inf_count, 1);
    ck_assert_uint_eq(report.first_bad, 1);
    const uint16_t half[2] = {0x7bff, 0xfc00}, brain[2] = {0x7f7f, 0x7fc0};
    report = (struct i8i_row_report){0};
    i8i_count_nonfinite(&report, half, I8_DTYPE_F16, 2, 0, i8i_isa_best());
    i8i_count_nonfinite(&report, brain, I8_DTYPE_BF16, 2, 0, i8i_isa_best());
    ck_assert_uint_eq(report.inf_count, 1);
    ck_assert_uint_eq(report.nan_count, 1);
}
END_TEST

/* ---- activations ---- */

START_TEST(activations)
{
    enum { MOST = 400, ROWS = 3 };
    static float x[ROWS * MOST];
    static uint8_t mark[MOST], expected_mark[MOST];
    static int8_t q[MOST], expected[MOST];
    static const float thresholds[] = {6.0f, 0.0f, 2.0f, 6.001f};
    struct mt19937 r;
    mt_seed(&r, 11);
    for (int trial = 0; trial < 1600; trial++) {
        size_t cols = (size_t)trial / 4;
        float threshold = thresholds[trial % 4];
        float t = i8i_f16_to_f32(i8i_f32_to_f16(threshold));
        for (size_t i = 0; i < ROWS * cols; i++) {
            x[i] = (float)mt_normal(&r) * (mt_int(&r, 0, 30) == 0 ? 8 : 1);
            if (trial % 7 == 0 && mt_int(&r, 0, 50) == 0)
                x[i] = mt_int(&r, 0, 2) ? NAN : INFINITY;
            if (mt_int(&r, 0, 40) == 0)
                x[i] = -6.0f;
            x[i] = i8i_f16_to_f32(i8i_f32_to_f16(x[i]));
        }
        memset(expected_mark, 0, sizeof expected_mark);
        size_t want = 0;
        for (size_t c = 0; c < cols; c++) {
            for (size_t row = 0; row < ROWS && threshold > 0; row++)
                expected_mark[c] |= fabsf(x[row * cols + c]) >= t;
            want += expected_mark[c];
        }
        float absmax = 0;
        for (size_t c = 0; c < cols; c++)
            if (!(threshold > 0 && fabsf(x[c]) >= t))
                absmax = fmaxf(absmax, fabsf(x[c]));
        bool usable = absmax > 0 && isfinite(absmax);
        float scale = usable ? i8i_scale_127_over(absmax, I8I_ROUNDING_CUDA) : 0;
        for (size_t c = 0; c < cols; c++) {
            bool zero = !usable || isnan(x[c]) || expected_mark[c];
            expected[c] = zero ? 0 : (int8_t)rintf(x[c] * scale);
        }
        for (int isa = I8I_ISA_SCALAR; isa <= (int)i8i_isa_best(); isa++) {
            float row_absmax;
            ck_assert_uint_eq(i8i_find_outliers(mark, x, ROWS, cols, threshold, isa),
                              want);
            ck_assert_int_eq(memcmp(mark, expected_mark, cols), 0);
            i8i_quantize_activation_row(q, &row_absmax, x, mark, cols, threshold, isa);
            ck_assert_msg(row_absmax == absmax, "trial %d %s", trial, i8i_isa_name(isa));
            ck_assert_msg(memcmp(q, expected, cols) == 0, "trial %d %s", trial,
                          i8i_isa_name(isa));
        }
    }
}
END_TEST

START_TEST(isa_limit)
{
    enum i8i_isa best = i8i_isa_best();
    i8i_isa_limit(I8I_ISA_SCALAR);
    ck_assert_int_eq(i8i_isa_best(), I8I_ISA_SCALAR);
    i8i_isa_limit(I8I_ISA_COUNT - 1);
    ck_assert_int_eq(i8i_isa_best(), best);
    ck_assert_str_eq(i8i_isa_name(I8I_ISA_SCALAR), "scalar");
    ck_assert_str_eq(i8i_isa_name(I8I_ISA_COUNT), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quant");
    TCase *c = tcase_create("quant");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, cuda_hashes);
    tcase_add_test(c, scales);
    tcase_add_test(c, scale_table);
    tcase_add_test(c, fp16_exhaustive);
    tcase_add_test(c, bf16_exhaustive);
    tcase_add_test(c, array_conversions);
    tcase_add_test(c, rows);
    tcase_add_test(c, bf16_without_cast);
    tcase_add_test(c, nonfinite_as_stored);
    tcase_add_test(c, activations);
    tcase_add_test(c, isa_limit);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
