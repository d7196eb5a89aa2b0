/* SPDX-License-Identifier: Apache-2.0
 *
 * The int8 Linear: exact products of every kernel against 64-bit sums, and the whole
 * of it against LLM.int8() written down plainly in float64.
 */
#include "config.h"

#include "ops_fixture.h"

#include <math.h>
#include <string.h>

/* ---- the products ---- */

static int64_t exact_dot(const int8_t *a, const int8_t *w, size_t cols)
{
    int64_t sum = 0;

    for (size_t k = 0; k < cols; k++)
        sum += (int64_t)a[k] * w[k];
    return sum;
}

static void check_product(const struct i8i_int8_kernel *kernel, size_t rows, size_t n,
                          size_t cols, bool extreme, size_t split)
{
    size_t groups = (cols + 3) / 4, slabs = (n + 63) / 64, stride = 4 * groups;
    int8_t *a = calloc(rows, stride), *w = calloc(n, cols);
    uint8_t *bytes = malloc(slabs * groups * I8I_GROUP_BYTES);
    int32_t *acc = malloc(rows * 64 * sizeof(*acc));
    uint32_t seed = (uint32_t)(rows * 31 + n * 7 + cols);

    memset(bytes, 128, slabs * groups * I8I_GROUP_BYTES);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < cols; k++)
            a[r * stride + k] = extreme ? (r % 2 ? -127 : 127)
                                        : (int8_t)(fixture_random(&seed) % 255 - 127);
    for (size_t r = 0; r < n; r++)
        for (size_t k = 0; k < cols; k++) {
            int8_t v =
                extreme ? (r % 2 ? -128 : 127) : (int8_t)(fixture_random(&seed) % 256);

            w[r * cols + k] = v;
            bytes[i8i_slab_index(r, k, cols)] = (uint8_t)(v + 128);
        }
    for (size_t s = 0; s < slabs; s++) {
        for (size_t g = 0; g < groups; g += split) {
            size_t depth = groups - g < split ? groups - g : split;

            kernel->product(acc, a + 4 * g, stride, rows,
                            bytes + (s * groups + g) * I8I_GROUP_BYTES, depth, g == 0);
        }
        for (size_t r = 0; r < rows; r++) {
            uint32_t correction = 0;

            for (size_t k = 0; k < cols; k++)
                correction += 128u * (uint32_t)a[r * stride + k];
            for (size_t i = 0; i < 64 && 64 * s + i < n; i++) {
                int64_t want = exact_dot(a + r * stride, w + (64 * s + i) * cols, cols);
                int32_t got = (int32_t)((uint32_t)acc[r * 64 + i] - correction);

                ck_assert_msg(got == want, "%s, %zu x %zu x %zu: %d, not %lld",
                              kernel->name, rows, n, cols, got, (long long)want);
            }
        }
    }
    free(a);
    free(w);
    free(bytes);
    free(acc);
}

START_TEST(products_are_exact)
{
    static const size_t cols[] = {1, 3, 4, 5, 63, 64, 65, 250, 1041, 2052};

    for (const struct i8i_int8_kernel *k = i8i_int8_kernels; k->name; k++) {
        if (!k->available())
            continue;
        for (size_t i = 0; i < sizeof(cols) / sizeof(*cols); i++)
            for (size_t rows = 1; rows <= 13; rows += rows < 7 ? 1 : 6) {
                check_product(k, rows, 65, cols[i], false, 16);
                check_product(k, rows, 1, cols[i], true, 1000);
            }
        /* sums far beyond 2^24, and the longest that is still within int32 */
        check_product(k, 2, 3, 20000, true, 128);
        check_product(k, 2, 2, I8I_INT8_MAX_COLS, true, 128);
    }
}
END_TEST

START_TEST(too_many_columns_are_refused)
{
    struct fixture f = fixture_open(1, i8i_isa_best());
    struct i8_error err = {0};
    struct i8i_matrix *m;

    ck_assert_int_eq(f.b->ops->matrix_new(f.b, &m, I8I_MATRIX_INT8, 1,
                                          I8I_INT8_MAX_COLS + 1, false, &err),
                     I8_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "132105"));
    fixture_close(&f);
}
END_TEST

/* ---- LLM.int8(), plainly ---- */

struct linear {
    size_t n, out, in;
    bool bias;
    float threshold;
    float *x, *b, *absmax;
    int8_t *w;
};

static float f16(float v)
{
    return i8i_f16_to_f32(i8i_f32_to_f16(v));
}

static void linear_new(struct linear *l, uint32_t seed)
{
    l->x = malloc(l->n * l->in * sizeof(float));
    l->b = malloc(l->out * sizeof(float));
    l->absmax = malloc(l->out * sizeof(float));
    l->w = malloc(l->out * l->in);
    for (size_t i = 0; i < l->n * l->in; i++)
        l->x[i] = 2.0f * fixture_uniform(&seed);
    for (size_t k = 3; k < l->in; k += 17) /* columns with now and then a large value */
        for (size_t r = k % 5; r < l->n; r += 3)
            l->x[r * l->in + k] *= 20.0f;
    for (size_t i = 0; i < l->out * l->in; i++)
        l->w[i] = (int8_t)(fixture_random(&seed) % 255 - 127);
    for (size_t i = 0; i < l->out; i++) {
        l->absmax[i] = 0.1f + fabsf(fixture_uniform(&seed));
        l->b[i] = fixture_uniform(&seed);
    }
}

static void linear_free(struct linear *l)
{
    free(l->x);
    free(l->b);
    free(l->absmax);
    free(l->w);
}

/* y (n, out) in float64; size: Σ |terms|, the measure of rounding. Returns the number of
 * outlier columns. */
static size_t plain_int8(const struct linear *l, double *y, double *size)
{
    bool *outlier = calloc(l->in, sizeof(bool));
    int *q = calloc(l->in, sizeof(int));
    size_t count = 0;

    for (size_t r = 0; r < l->n; r++)
        for (size_t k = 0; k < l->in; k++)
            if (l->threshold > 0 && fabsf(f16(l->x[r * l->in + k])) >= l->threshold)
                outlier[k] = true;
    for (size_t k = 0; k < l->in; k++)
        count += outlier[k];
    for (size_t r = 0; r < l->n; r++) {
        const float *x = l->x + r * l->in;
        float top = 0, scale;

        for (size_t k = 0; k < l->in; k++) {
            float v = fabsf(f16(x[k]));

            if (v > top && !(l->threshold > 0 && v >= l->threshold))
                top = v;
        }
        scale = top > 0 ? i8i_scale_127_over(top, I8I_ROUNDING_CUDA) : 0;
        for (size_t k = 0; k < l->in; k++)
            q[k] = outlier[k] ? 0 : (int)rintf(f16(x[k]) * scale);
        for (size_t o = 0; o < l->out; o++) {
            const int8_t *w = l->w + o * l->in;
            int64_t acc = 0;
            double exact = 0, terms = 0;

            for (size_t k = 0; k < l->in; k++) {
                acc += q[k] * w[k];
                if (outlier[k]) {
                    float v = f16((float)w[k] * l->absmax[o] * 0x1.020408p-7f);
                    double t = (double)f16(x[k]) * (double)v;

                    exact += t;
                    terms += fabs(t);
                }
            }
            y[r * l->out + o] = (double)acc * (double)top * (double)l->absmax[o] / 16129 +
                                (l->bias ? (double)l->b[o] : 0) + exact;
            size[r * l->out + o] = fabs(y[r * l->out + o]) + terms + 1;
        }
    }
    free(outlier);
    free(q);
    return count;
}

static float *run_int8(const struct linear *l, unsigned threads, enum i8i_isa isa,
                       size_t *outliers)
{
    struct fixture f = fixture_open(threads, isa);
    struct i8i_matrix *m = fixture_matrix(&f, I8I_MATRIX_INT8, l->out, l->in, l->bias);
    struct i8i_view x = fixture_mem(&f, l->n, l->in + 3),
                    y = fixture_mem(&f, l->n, l->out + 5);
    float *result = malloc(l->n * l->out * sizeof(float));
    size_t half = l->out / 2;

    f.b->ops->matrix_put(f.b, m, 0, half, I8_DTYPE_I8, l->w, l->absmax);
    f.b->ops->matrix_put(f.b, m, half, l->out - half, I8_DTYPE_I8, l->w + half * l->in,
                         l->absmax + half);
    if (l->bias)
        f.b->ops->matrix_put_bias(f.b, m, 0, l->out, l->b);
    for (size_t r = 0; r < l->n; r++)
        f.b->ops->mem_put(f.b, x.mem, r * x.stride, l->x + r * l->in, l->in);
    f.b->ops->linear(f.b, y, x, l->n, m, l->threshold);
    for (size_t r = 0; r < l->n; r++)
        memcpy(result + r * l->out, f.b->ops->mem_host(f.b, y.mem) + r * y.stride,
               l->out * sizeof(float));
    *outliers = f.b->ops->matrix_outliers(m);
    f.b->ops->matrix_free(f.b, m);
    fixture_drop(&f, x);
    fixture_drop(&f, y);
    fixture_close(&f);
    return result;
}

START_TEST(linear_follows_the_formula)
{
    static const struct linear cases[] = {
        {.n = 1, .out = 1, .in = 1},
        {.n = 1, .out = 70, .in = 67, .threshold = 6.0f, .bias = true},
        {.n = 4, .out = 129, .in = 64, .threshold = 6.0f},
        {.n = 37, .out = 64, .in = 130, .threshold = 6.0f, .bias = true},
        {.n = 37, .out = 65, .in = 130, .threshold = 0.0f, .bias = true},
        {.n = 101, .out = 33, .in = 1201, .threshold = 6.0f},
        {.n = 5, .out = 20, .in = 300, .threshold = 0.01f}, /* nearly all outliers */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct linear l = cases[i];
        double *want = malloc(l.n * l.out * sizeof(double));
        double *size = malloc(l.n * l.out * sizeof(double));
        size_t columns, met;

        linear_new(&l, (uint32_t)(i + 1));
        columns = plain_int8(&l, want, size);
        FOR_EACH_ISA(isa)
        {
            float *one = run_int8(&l, 1, isa, &met), *three = run_int8(&l, 3, isa, &met);

            ck_assert_uint_eq(met, columns);
            ck_assert_mem_eq(one, three, l.n * l.out * sizeof(float));
            for (size_t k = 0; k < l.n * l.out; k++) {
                double off = fabs((double)one[k] - want[k]);

                ck_assert_msg(off <= 1e-6 * size[k],
                              "case %zu, %s, element %zu: %g, not %g", i,
                              i8i_isa_name(isa), k, (double)one[k], want[k]);
            }
            free(one);
            free(three);
        }
        linear_free(&l);
        free(want);
        free(size);
    }
}
END_TEST

/* What int8 cannot say must not vanish: NaN and Inf reach the output's row, and no
 * other row. */
START_TEST(nonfinite_inputs_show)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 70000.0f};
    struct linear l = {.n = 3, .out = 40, .in = 50};
    size_t met;

    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
            float *y;

            l.threshold = t ? 6.0f : 0.0f;
            linear_new(&l, 9);
            l.x[l.in + 7] = bad[i];
            FOR_EACH_ISA(isa)
            {
                y = run_int8(&l, 2, isa, &met);
                for (size_t o = 0; o < l.out; o++) {
                    ck_assert(isfinite(y[o]));
                    ck_assert_msg(!isfinite(y[l.out + o]),
                                  "%s, threshold %g, input %g: %g", i8i_isa_name(isa),
                                  (double)l.threshold, (double)bad[i],
                                  (double)y[l.out + o]);
                    ck_assert(isfinite(y[2 * l.out + o]));
                }
                free(y);
            }
            linear_free(&l);
        }
}
END_TEST

START_TEST(rounding_to_fp16)
{
    static const struct {
        const char *name;
        const struct i8i_simd *simd;
        enum i8i_isa isa;
    } tables[] = {
        {"base", &i8i_simd_base, I8I_ISA_SCALAR},
#if I8I_X86
        {"avx2", &i8i_simd_avx2, I8I_ISA_AVX2},
        {"avx512", &i8i_simd_avx512, I8I_ISA_AVX512},
#endif
    };

    for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
        if (tables[t].isa > i8i_isa_best())
            continue;
        /* every fp16 number, the middle between it and the next, and their neighbours */
        for (uint32_t h = 0; h < 65536; h++) {
            float v = i8i_f16_to_f32((uint16_t)h), x[7], y[7];
            float next = (h & 0x7fff) == 0x7bff ? copysignf(65536.0f, v)
                                                : i8i_f16_to_f32((uint16_t)(h + 1));
            float middle = isinf(v) ? v : v + (next - v) / 2;

            x[0] = v;
            x[1] = nextafterf(v, INFINITY);
            x[2] = nextafterf(v, -INFINITY);
            x[3] = middle;
            x[4] = nextafterf(middle, INFINITY);
            x[5] = nextafterf(middle, -INFINITY);
            x[6] = -0.0f;
            ck_assert(tables[t].simd->round_f16(y, x, 7) == (v != v));
            for (int i = 0; i < 7; i++) {
                float want = f16(x[i]);

                ck_assert_msg(memcmp(&y[i], &want, 4) == 0 ||
                                  (y[i] != y[i] && want != want),
                              "%s: %a gives %a, not %a", tables[t].name, (double)x[i],
                              (double)y[i], (double)want);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("int8_linear");
    TCase *tc = tcase_create("int8_linear");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, products_are_exact);
    tcase_add_test(tc, too_many_columns_are_refused);
    tcase_add_test(tc, linear_follows_the_formula);
    tcase_add_test(tc, nonfinite_inputs_show);
    tcase_add_test(tc, rounding_to_fp16);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
