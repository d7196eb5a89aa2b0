/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend's operations against float64 written down plainly, for every
 * instruction set that the processor has and for several thread counts.
 */
#include "config.h"

#include "ops_fixture.h"

#include <dlfcn.h>
#include <dnnl.h>
#include <math.h>
#include <string.h>

static float *host(struct fixture *f, struct i8i_view v)
{
    return f->b->ops->mem_host(f->b, v.mem) + v.offset;
}

static void fill(struct fixture *f, struct i8i_view v, size_t rows, float size,
                 uint32_t seed)
{
    float *p = host(f, v);

    for (size_t i = 0; i < rows * v.stride; i++)
        p[i] = size * fixture_uniform(&seed);
}

/* |got − want| ≤ limit · (|want| + floor), so that NaN fails. */
static void close_to(const char *what, double got, double want, double limit,
                     double floor)
{
    ck_assert_msg(fabs(got - want) <= limit * (fabs(want) + floor), "%s: %.9g, not %.9g",
                  what, got, want);
}

/* ---- products ---- */

/* Integers small enough for every order of summation to be exact. */
static float *integer_product(unsigned threads, enum i8i_isa isa, size_t n, size_t rows,
                              size_t cols)
{
    struct fixture f = fixture_open(threads, isa);
    struct i8i_matrix *m = fixture_matrix(&f, I8I_MATRIX_F32, rows, cols, true);
    struct i8i_view x = fixture_mem(&f, n, cols + 2), y = fixture_mem(&f, n, rows + 1);
    float *w = malloc(rows * cols * sizeof(float)), *bias = malloc(rows * sizeof(float));
    float *result = malloc(n * rows * sizeof(float));
    uint32_t seed = (uint32_t)(n + rows + cols);

    for (size_t i = 0; i < n * x.stride; i++)
        host(&f, x)[i] = (float)(int)(fixture_random(&seed) % 31) - 15.0f;
    for (size_t i = 0; i < rows * cols; i++)
        w[i] = (float)(int)(fixture_random(&seed) % 31) - 15.0f;
    for (size_t i = 0; i < rows; i++)
        bias[i] = (float)i;
    f.b->ops->matrix_put(f.b, m, 0, rows, I8_DTYPE_F32, w, NULL);
    f.b->ops->matrix_put_bias(f.b, m, 0, rows, bias);
    f.b->ops->linear(f.b, y, x, n, m, 0.0f);
    for (size_t r = 0; r < n; r++)
        for (size_t o = 0; o < rows; o++) {
            double want = (double)o;

            for (size_t k = 0; k < cols; k++)
                want += (double)host(&f, x)[r * x.stride + k] * (double)w[o * cols + k];
            ck_assert(host(&f, y)[r * y.stride + o] == (float)want);
            result[r * rows + o] = host(&f, y)[r * y.stride + o];
        }
    ck_assert_uint_eq(f.b->ops->matrix_outliers(m), 0);
    free(w);
    free(bias);
    f.b->ops->matrix_free(f.b, m);
    fixture_drop(&f, x);
    fixture_drop(&f, y);
    fixture_close(&f);
    return result;
}

static void check_fp32_products(void)
{
    static const size_t shapes[][3] = {{1, 1, 1},  {1, 130, 67},  {2, 5, 64},
                                       {3, 7, 3},  {4, 256, 33},  {5, 129, 100},
                                       {70, 1, 9}, {300, 200, 65}};

    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        FOR_EACH_ISA(isa)
    for (unsigned threads = 1; threads <= 3; threads++)
        free(integer_product(threads, isa, shapes[i][0], shapes[i][1], shapes[i][2]));
}

START_TEST(fp32_products_are_exact)
{
    check_fp32_products();
}
END_TEST

/* The limit must be set ahead of a process's first product: where tests share one (under
 * valgrind), it is too late. */
START_TEST(fp32_products_without_avx512)
{
    if (dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2) == dnnl_success)
        check_fp32_products();
}
END_TEST

/* A NaN in a weight or an input spoils its own column or row of the result, no other. */
START_TEST(nan_stays_where_it_is)
{
    enum { N = 7, ROWS = 200, COLS = 90 };
    struct fixture f = fixture_open(2, i8i_isa_best());
    struct i8i_matrix *m = fixture_matrix(&f, I8I_MATRIX_F32, ROWS, COLS, false);
    struct i8i_view x = fixture_mem(&f, N, COLS), y = fixture_mem(&f, N, ROWS);
    float *w = calloc(ROWS * COLS, sizeof(float));

    w[150 * COLS + 89] = NAN;
    host(&f, x)[3 * COLS + 5] = NAN;
    f.b->ops->matrix_put(f.b, m, 0, ROWS, I8_DTYPE_F32, w, NULL);
    f.b->ops->linear(f.b, y, x, N, m, 0.0f);
    for (size_t r = 0; r < N; r++)
        for (size_t o = 0; o < ROWS; o++)
            ck_assert(!isfinite(host(&f, y)[r * ROWS + o]) == (r == 3 || o == 150));
    free(w);
    f.b->ops->matrix_free(f.b, m);
    fixture_drop(&f, x);
    fixture_drop(&f, y);
    fixture_close(&f);
}
END_TEST

START_TEST(openmp_setting_is_put_back)
{
    int (*get)(void) = NULL;
    void (*set)(int) = NULL;
    float a[4] = {1, 2, 3, 4}, c[4];

    *(void **)&get = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    *(void **)&set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (!get || !set)
        return;
    set(5);
    i8i_cpu_sgemm(true, 2, 2, 2, a, 2, a, 2, c, 2);
    ck_assert_int_eq(get(), 5);
    ck_assert(c[0] == 5 && c[1] == 11 && c[2] == 11 && c[3] == 25);
}
END_TEST

/* ---- rows ---- */

static double activation(enum i8i_activation act, double x)
{
    switch (act) {
    case I8I_ACT_RELU:
        return x > 0 ? x : 0;
    case I8I_ACT_SILU:
        return x / (1 + exp(-x));
    case I8I_ACT_GELU:
        return 0.5 * x * erfc(-x / sqrt(2));
    case I8I_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case I8I_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    }
    return NAN;
}

START_TEST(activations)
{
    enum { N = 4001 };

    FOR_EACH_ISA(isa)
    {
        struct fixture f = fixture_open(2, isa);
        struct i8i_view x = fixture_mem(&f, 3, N), y = fixture_mem(&f, 3, N),
                        g = fixture_mem(&f, 1, 2 * N);

        for (int act = I8I_ACT_RELU; act <= I8I_ACT_QUICK_GELU; act++) {
            for (size_t i = 0; i < 3 * N; i++)
                host(&f, x)[i] = (float)((double)i - 1.5 * N) / 300.0f;
            f.b->ops->activate(f.b, y, x, 3, N, (enum i8i_activation)act);
            for (size_t i = 0; i < 3 * N; i++)
                close_to("activation", (double)host(&f, y)[i],
                         activation((enum i8i_activation)act, (double)host(&f, x)[i]),
                         2e-6, 1e-2);
            for (size_t i = 0; i < N; i++) {
                host(&f, g)[i] = host(&f, x)[i];
                host(&f, g)[N + i] = (float)i;
            }
            f.b->ops->gate(f.b, g, g, 1, N, (enum i8i_activation)act);
            for (size_t i = 0; i < N; i++)
                ck_assert(host(&f, g)[i] == host(&f, y)[i] * (float)i);

            host(&f, x)[0] = NAN;
            host(&f, x)[1] = INFINITY;
            host(&f, x)[2] = -1000.0f;
            f.b->ops->activate(f.b, y, x, 1, 5, (enum i8i_activation)act);
            ck_assert(isnan(host(&f, y)[0]));
            ck_assert(host(&f, y)[1] == INFINITY);
            ck_assert(host(&f, y)[2] == 0.0f);
        }
        fixture_drop(&f, x);
        fixture_drop(&f, y);
        fixture_drop(&f, g);
        fixture_close(&f);
    }
}
END_TEST

static void plain_norm(double *out, const float *x, size_t n, enum i8i_norm_kind kind,
                       const float *gain, const float *bias, double epsilon)
{
    double mean = 0, square = 0;

    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    if (kind != I8I_NORM_LAYER)
        mean = 0;
    for (size_t i = 0; i < n; i++)
        square += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        out[i] = ((double)x[i] - mean) / sqrt(square + epsilon) *
                     ((gain ? (double)gain[i] : 1) + (kind == I8I_NORM_RMS_PLUS_ONE)) +
                 (bias ? (double)bias[i] : 0);
}

START_TEST(norms)
{
    static const size_t widths[] = {1, 5, 16, 67, 1030};
    static const float epsilons[] = {1e-5f, 1e-12f, 0.5f};

    FOR_EACH_ISA(isa)
    for (size_t w = 0; w < sizeof(widths) / sizeof(*widths); w++)
        for (int kind = I8I_NORM_LAYER; kind <= I8I_NORM_RMS_PLUS_ONE; kind++)
            for (int e = 0; e < 3; e++) {
                struct fixture f = fixture_open(2, isa);
                size_t n = widths[w];
                struct i8i_view x = fixture_mem(&f, 3, 2 * n + 1),
                                y = fixture_mem(&f, 3, 2 * n), g = fixture_mem(&f, 1, n),
                                b = fixture_mem(&f, 1, n);
                struct i8i_norm_spec spec = {(enum i8i_norm_kind)kind, epsilons[e], g.mem,
                                             e ? b.mem : NULL};
                double *want = malloc(n * sizeof(double));

                fill(&f, x, 3, 3.0f, 1);
                fill(&f, g, 1, 1.0f, 2);
                fill(&f, b, 1, 1.0f, 3);
                f.b->ops->norm(f.b, y, x, 3, 2, n, &spec);
                for (size_t r = 0; r < 6; r++) {
                    plain_norm(want, host(&f, x) + r / 2 * x.stride + r % 2 * n, n,
                               spec.kind, host(&f, g), e ? host(&f, b) : NULL,
                               (double)epsilons[e]);
                    for (size_t i = 0; i < n; i++)
                        close_to("norm", (double)host(&f, y)[r * n + i], want[i], 1e-6,
                                 3.0);
                }
                host(&f, x)[n / 2] = NAN;
                f.b->ops->norm(f.b, y, x, 1, 1, n, &spec);
                for (size_t i = 0; i < n; i++)
                    ck_assert(isnan(host(&f, y)[i]));
                free(want);
                fixture_drop(&f, x);
                fixture_drop(&f, y);
                fixture_drop(&f, g);
                fixture_drop(&f, b);
                fixture_close(&f);
            }
}
END_TEST

START_TEST(softmax_rows)
{
    enum { N = 1003 };
    const struct i8i_simd *tables[3] = {&i8i_simd_base};
    int n_tables = 1;

#if I8I_X86
    for (int isa = I8I_ISA_AVX2; isa <= (int)i8i_isa_best(); isa++)
        tables[n_tables++] = isa == I8I_ISA_AVX2 ? &i8i_simd_avx2 : &i8i_simd_avx512;
#endif
    for (int t = 0; t < n_tables; t++)
        for (size_t n = 1; n <= N; n = n < 40 ? n + 1 : n * 5) {
            float x[N], y[N];
            double sum = 0, top = -INFINITY;
            uint32_t seed = (uint32_t)n;

            for (size_t i = 0; i < n; i++) {
                x[i] = y[i] = 40.0f * fixture_uniform(&seed) + 1000.0f;
                top = (double)x[i] > top ? (double)x[i] : top;
            }
            for (size_t i = 0; i < n; i++)
                sum += exp((double)x[i] - top);
            tables[t]->softmax(y, n);
            for (size_t i = 0; i < n; i++)
                close_to(tables[t]->name, (double)y[i], exp((double)x[i] - top) / sum,
                         2e-6, 1e-37);
            x[n / 3] = NAN;
            tables[t]->softmax(x, n);
            for (size_t i = 0; i < n; i++)
                ck_assert(isnan(x[i]));
            for (size_t i = 0; i < n; i++) /* far apart: all weight on one */
                x[i] = i == n / 2 ? 3e38f : -3e38f;
            tables[t]->softmax(x, n);
            for (size_t i = 0; i < n; i++)
                ck_assert(x[i] == (i == n / 2 ? 1.0f : 0.0f));
        }
}
END_TEST

START_TEST(rotation)
{
    enum { HEADS = 3, DIM = 10, ROTATED = 6, N = 4, START = 2 };

    for (int pairs = 0; pairs < 2; pairs++) {
        struct fixture f = fixture_open(1, i8i_isa_best());
        struct i8i_view x = fixture_mem(&f, N, HEADS * DIM + 2),
                        table = fixture_mem(&f, START + N, ROTATED);
        struct i8i_rotary_spec spec = {HEADS, DIM, ROTATED, pairs != 0, table.mem, START};
        float before[N * (HEADS * DIM + 2)];

        for (size_t p = 0; p < START + N; p++)
            for (size_t i = 0; i < ROTATED / 2; i++) {
                host(&f, table)[p * ROTATED + i] = (float)cos((double)(p * (i + 1)));
                host(&f, table)[p * ROTATED + ROTATED / 2 + i] =
                    (float)sin((double)(p * (i + 1)));
            }
        fill(&f, x, N, 1.0f, 5);
        memcpy(before, host(&f, x), sizeof(before));
        f.b->ops->rotary(f.b, x, N, &spec);
        for (size_t r = 0; r < N; r++)
            for (size_t h = 0; h < HEADS; h++)
                for (size_t d = 0; d < DIM; d++) {
                    const float *u = before + r * x.stride + h * DIM;
                    size_t i = pairs ? d / 2 : d % (ROTATED / 2);
                    bool second = pairs ? d % 2 : d >= ROTATED / 2;
                    size_t mate = pairs ? (second ? d - 1 : d + 1)
                                        : (second ? d - ROTATED / 2 : d + ROTATED / 2);
                    double angle = (double)((START + r) * (i + 1)), want = (double)u[d];

                    if (d < ROTATED)
                        want = (double)u[d] * cos(angle) +
                               (second ? 1 : -1) * (double)u[mate] * sin(angle);
                    close_to("rotary", (double)host(&f, x)[r * x.stride + h * DIM + d],
                             want, 1e-6, 1.0);
                }
        fixture_drop(&f, x);
        fixture_drop(&f, table);
        fixture_close(&f);
    }
}
END_TEST

/* ---- attention ---- */

struct attention_case {
    size_t q_rows, kv_rows, heads, kv_heads, head_dim, v_head_dim, q_start, window;
    bool causal, bias;
    float softcap;
};

static double plain_score(const struct attention_case *c, const float *q, const float *k,
                          const float *bias, size_t width, size_t h, size_t i, size_t j)
{
    double score = 0;

    for (size_t d = 0; d < c->head_dim; d++)
        score += (double)q[d] * (double)k[d];
    score *= (double)0.3f;
    if (c->softcap > 0)
        score = (double)c->softcap * tanh(score / (double)c->softcap);
    if (bias)
        score += (double)bias[h * width + j + (width / 2) - (c->q_start + i)];
    return score;
}

static bool sees(const struct attention_case *c, size_t i, size_t j)
{
    if (!c->causal)
        return true;
    return j <= c->q_start + i && (!c->window || c->q_start + i - j < c->window);
}

static float *check_attention(const struct attention_case *c, unsigned threads,
                              enum i8i_isa isa)
{
    struct fixture f = fixture_open(threads, isa);
    size_t group = c->heads / c->kv_heads, longest = c->q_start + c->q_rows + c->kv_rows;
    size_t width = 2 * longest + 1, n_out = c->heads * c->v_head_dim;
    struct i8i_view q = fixture_mem(&f, c->q_rows, c->heads * c->head_dim + 1),
                    k = fixture_mem(&f, c->kv_rows, c->kv_heads * c->head_dim + 2),
                    v = fixture_mem(&f, c->kv_rows, c->kv_heads * c->v_head_dim),
                    out = fixture_mem(&f, c->q_rows, n_out + 3),
                    bias = fixture_mem(&f, c->heads, width);
    struct i8i_attention_spec spec = {
        .q = q,
        .k = k,
        .v = v,
        .out = out,
        .q_rows = c->q_rows,
        .kv_rows = c->kv_rows,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .v_head_dim = c->v_head_dim,
        .q_start = c->q_start,
        .causal = c->causal,
        .window = c->window,
        .scale = 0.3f,
        .softcap = c->softcap,
        .bias = c->bias ? bias.mem : NULL,
        .bias_width = width,
        .bias_zero = width / 2,
    };
    double *weights = malloc(c->kv_rows * sizeof(double));
    float *result = malloc(c->q_rows * n_out * sizeof(float));

    fill(&f, q, c->q_rows, 2.0f, 1);
    fill(&f, k, c->kv_rows, 2.0f, 2);
    fill(&f, v, c->kv_rows, 1.0f, 3);
    fill(&f, bias, c->heads, 3.0f, 4);
    f.b->ops->attention(f.b, &spec);
    for (size_t i = 0; i < c->q_rows; i++)
        for (size_t h = 0; h < c->heads; h++) {
            double sum = 0;

            for (size_t j = 0; j < c->kv_rows; j++) {
                weights[j] = 0;
                if (sees(c, i, j))
                    weights[j] = exp(
                        plain_score(c, host(&f, q) + i * q.stride + h * c->head_dim,
                                    host(&f, k) + j * k.stride + h / group * c->head_dim,
                                    c->bias ? host(&f, bias) : NULL, width, h, i, j));
                sum += weights[j];
            }
            for (size_t d = 0; d < c->v_head_dim; d++) {
                size_t at = h * c->v_head_dim + d;
                double want = 0;

                for (size_t j = 0; j < c->kv_rows; j++)
                    want +=
                        weights[j] / sum *
                        (double)host(&f, v)[j * v.stride + h / group * c->v_head_dim + d];
                result[i * n_out + at] = host(&f, out)[i * out.stride + at];
                close_to("attention", (double)result[i * n_out + at], want, 3e-6, 1.0);
            }
        }
    free(weights);
    fixture_drop(&f, q);
    fixture_drop(&f, k);
    fixture_drop(&f, v);
    fixture_drop(&f, out);
    fixture_drop(&f, bias);
    fixture_close(&f);
    return result;
}

START_TEST(attention)
{
    static const struct attention_case cases[] = {
        {1, 1, 1, 1, 1, 1, 0, 0, true, false, 0},
        {1, 70, 4, 2, 16, 16, 69, 0, true, true, 0},
        {3, 9, 2, 1, 7, 5, 6, 0, true, false, 0},
        {5, 9, 2, 2, 8, 8, 4, 0, true, true, 0},
        {130, 130, 4, 2, 24, 24, 0, 0, true, true, 0},
        {130, 130, 2, 2, 16, 16, 0, 8, true, false, 0},
        {66, 100, 2, 1, 16, 16, 34, 20, true, false, 5},
        {2, 100, 2, 1, 16, 16, 98, 20, true, false, 5},
        {70, 33, 3, 3, 16, 16, 0, 0, false, false, 0},
        {33, 33, 3, 3, 16, 16, 0, 0, false, true, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        FOR_EACH_ISA(isa)
        {
            const struct attention_case *c = &cases[i];
            float *one = check_attention(c, 1, isa), *three = check_attention(c, 3, isa);

            ck_assert_mem_eq(one, three,
                             c->q_rows * c->heads * c->v_head_dim * sizeof(float));
            free(one);
            free(three);
        }
}
END_TEST

START_TEST(small_operations)
{
    enum { N = 5, COLS = 37 };
    static const int32_t ids[N] = {2, 0, 2, 3, 1};

    FOR_EACH_ISA(isa)
    {
        struct fixture f = fixture_open(2, isa);
        struct i8i_matrix *m = fixture_matrix(&f, I8I_MATRIX_F32, 4, COLS, false);
        struct i8i_view x = fixture_mem(&f, N, COLS), y = fixture_mem(&f, N, COLS + 4),
                        z = fixture_mem(&f, N, COLS);
        float table[4 * COLS];

        y.offset = 3;
        for (size_t i = 0; i < 4 * COLS; i++)
            table[i] = (float)i;
        f.b->ops->matrix_put(f.b, m, 0, 4, I8_DTYPE_F32, table, NULL);
        f.b->ops->embed(f.b, x, m, ids, N, 0.5f);
        fill(&f, z, N, 1.0f, 1);
        f.b->ops->add(f.b, y, x, z, N, COLS);
        for (size_t r = 0; r < N; r++)
            for (size_t i = 0; i < COLS; i++) {
                float e = 0.5f * table[(size_t)ids[r] * COLS + i];

                ck_assert(host(&f, x)[r * COLS + i] == e);
                ck_assert(host(&f, y)[r * y.stride + i] == e + host(&f, z)[r * COLS + i]);
            }
        f.b->ops->copy(f.b, z, y, N, COLS);
        f.b->ops->scale(f.b, z, N, COLS, -0.25f);
        f.b->ops->softcap(f.b, y, N, COLS, 3.0f);
        for (size_t r = 0; r < N; r++)
            for (size_t i = 0; i < COLS; i++)
                close_to("softcap", (double)host(&f, y)[r * y.stride + i],
                         3 * tanh((double)host(&f, z)[r * COLS + i] * -4 / 3), 1e-6, 1.0);
        f.b->ops->matrix_free(f.b, m);
        fixture_drop(&f, x);
        fixture_drop(&f, y);
        fixture_drop(&f, z);
        fixture_close(&f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *tc = tcase_create("ops");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, fp32_products_are_exact);
    tcase_add_test(tc, fp32_products_without_avx512);
    tcase_add_test(tc, nan_stays_where_it_is);
    tcase_add_test(tc, openmp_setting_is_put_back);
    tcase_add_test(tc, activations);
    tcase_add_test(tc, norms);
    tcase_add_test(tc, softmax_rows);
    tcase_add_test(tc, rotation);
    tcase_add_test(tc, attention);
    tcase_add_test(tc, small_operations);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
