/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics where the answer is known in closed form, and where there is none: NaN and
 * Inf must come out as what no limit lets pass. And the draws of sampling.
 */
#include "config.h"

#include "verify/metrics.h"

#include "verify/sampler.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define TIGHT 1e-12 /* double arithmetic on a handful of terms */

#define ck_near(x, y) ck_assert_double_eq_tol(x, y, TIGHT)

/* ---- one position ---- */

START_TEST(known_divergence)
{
    /* p = (1/4, 3/4), q = (1/2, 1/2); a common shift changes nothing */
    const float shift = (float)_i * 1000.0f;
    const float p[2] = {shift, shift + (float)log(3)}, q[2] = {7, 7};
    const double share = exp((double)p[1] - (double)p[0]);
    const double p1 = share / (1 + share), p0 = 1 / (1 + share);
    struct i8i_position_score s;
    i8i_score_position(&s, p, q, 2, 0);
    ck_near(s.nll[0], -log(p0));
    ck_near(s.nll[1], log(2));
    ck_near(s.kl, p0 * log(2 * p0) + p1 * log(2 * p1));
    ck_assert(!s.correct[0] && s.correct[1]); /* of equal logits the first counts */
    ck_assert(!s.agree);
    double d0 = 7 - (double)p[0], d1 = 7 - (double)p[1];
    ck_assert_double_eq(s.difference2, d0 * d0 + d1 * d1);
    ck_assert_double_eq(s.reference2, (double)p[0] * p[0] + (double)p[1] * p[1]);
    ck_assert_double_eq(s.max_abs, fmax(fabs(d0), fabs(d1)));
    ck_assert_uint_eq(s.nonfinite, 0);
}
END_TEST

START_TEST(equal_logits)
{
    float x[1000];
    struct i8i_position_score s;
    for (int i = 0; i < 1000; i++)
        x[i] = (float)sin(i) * 40;
    i8i_score_position(&s, x, x, 1000, 33);
    ck_assert(s.kl == 0 && s.difference2 == 0 && s.max_abs == 0 && s.agree);
    ck_assert(s.nll[0] == s.nll[1]);
}
END_TEST

START_TEST(impossible_ids)
{
    /* What the reference holds for impossible adds nothing; what only the converted
     * model does costs infinitely much. Either is counted. */
    const float certain[2] = {0, -INFINITY}, even[2] = {0, 0};
    struct i8i_position_score s;
    i8i_score_position(&s, certain, even, 2, 0);
    ck_near(s.kl, log(2));
    ck_near(s.nll[0], 0);
    ck_assert_uint_eq(s.nonfinite, 1);
    i8i_score_position(&s, even, certain, 2, 1);
    ck_assert(isinf(s.kl) && s.kl > 0);
    ck_assert(isinf(s.nll[1]));
    ck_assert_uint_eq(s.nonfinite, 1);
}
END_TEST

static const float poison[] = {NAN, INFINITY};

START_TEST(poisoned)
{
    float good[4] = {1, 2, 3, 0}, bad[4] = {1, 2, 3, 0};
    struct i8i_position_score s;
    for (size_t at = 0; at < 4; at++) {
        for (int k = 0; k < 4; k++)
            bad[k] = good[k];
        bad[at] = poison[_i];
        i8i_score_position(&s, good, bad, 4, 2);
        ck_assert(!(s.kl <= 1e300));
        ck_assert(!(s.difference2 <= 1e300));
        ck_assert(!(s.max_abs <= 1e300));
        ck_assert_uint_eq(s.nonfinite, 1);
        ck_assert(!s.agree || at == 2); /* an Inf is the largest, a NaN is nothing */
        ck_assert(!(isnan(poison[_i]) && (s.agree || s.correct[1])));
        i8i_score_position(&s, bad, good, 4, 2);
        ck_assert(!(s.kl <= 1e300));
        ck_assert(!(s.difference2 <= 1e300));
        ck_assert_uint_eq(s.nonfinite, 1);
    }
}
END_TEST

/* ---- sums ---- */

#define ROWS  37
#define VOCAB 53

static float reference[ROWS * VOCAB], converted[ROWS * VOCAB];
static int32_t labels[ROWS];

static void fill(void)
{
    for (size_t i = 0; i < ROWS * VOCAB; i++) {
        reference[i] = (float)(sin((double)i) * 9);
        converted[i] = reference[i] + (float)(cos((double)i * 3) * 0.3);
    }
    for (int i = 0; i < ROWS; i++)
        labels[i] = i % 5 == 4 ? -1 : i % VOCAB;
}

START_TEST(sums_do_not_depend_on_threads)
{
    struct i8i_metrics m[2] = {{0}};
    struct i8i_difference d[2] = {{0}};
    struct i8i_pool *pool = NULL;
    fill();
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(
            i8i_metrics_add(&m[k], pool, reference, converted, ROWS, VOCAB, labels, NULL),
            I8_OK);
        ck_assert_int_eq(
            i8i_difference_add_rows(&d[k], pool, reference, converted, ROWS, VOCAB, NULL),
            I8_OK);
        if (k == 0)
            ck_assert_int_eq(i8i_pool_new(&pool, 3, NULL), I8_OK);
    }
    i8i_pool_free(pool);
    ck_assert_uint_eq(m[0].scored, ROWS - ROWS / 5);
    ck_assert_uint_eq(m[0].scored, m[1].scored);
    ck_assert(m[0].nll[0] == m[1].nll[0] && m[0].nll[1] == m[1].nll[1]);
    ck_assert(m[0].difference2 == m[1].difference2 && m[0].max_abs == m[1].max_abs);
    for (size_t i = 0; i < m[0].scored; i++)
        ck_assert(m[0].kl[i] == m[1].kl[i] && m[0].kl[i] >= 0);
    ck_assert(d[0].dd == d[1].dd && d[0].xy == d[1].xy);
    i8i_metrics_free(&m[0]);
    i8i_metrics_free(&m[1]);
}
END_TEST

/* A NaN in a row without a label is counted, though nothing else sees that row. */
START_TEST(unscored_rows_are_still_checked)
{
    struct i8i_metrics m = {0};
    fill();
    converted[4 * VOCAB + 1] = NAN;
    ck_assert_int_eq(
        i8i_metrics_add(&m, NULL, reference, converted, ROWS, VOCAB, labels, NULL),
        I8_OK);
    ck_assert_uint_eq(m.nonfinite, 1);
    ck_assert(isfinite(m.difference2) && isfinite(m.max_abs));
    i8i_metrics_free(&m);
}
END_TEST

START_TEST(a_nan_stays_the_largest)
{
    struct i8i_metrics m = {0};
    fill();
    converted[VOCAB] = NAN; /* rows with larger differences follow */
    converted[5 * VOCAB] += 1000;
    ck_assert_int_eq(
        i8i_metrics_add(&m, NULL, reference, converted, ROWS, VOCAB, labels, NULL),
        I8_OK);
    ck_assert(isnan(m.max_abs) && isnan(m.difference2) && isnan(m.nll[1]));
    ck_assert(isfinite(m.nll[0]));
    i8i_metrics_free(&m);
}
END_TEST

static const struct {
    size_t n;
    double p99;
} ranks[] = {{1, 1},     {2, 2},     {99, 99},   {100, 99},
             {101, 100}, {199, 198}, {200, 198}, {201, 199}};

START_TEST(percentiles)
{
    double kl[256], mean, p99, max;
    size_t n = ranks[_i].n;
    for (size_t i = 0; i < n; i++)
        kl[i] = (double)((i * 7919) % n + 1); /* 1 … n, shuffled: 7919 is prime */
    i8i_kl_summary(&mean, &p99, &max, kl, n);
    ck_near(mean, (double)(n + 1) / 2);
    ck_assert_double_eq(p99, ranks[_i].p99);
    ck_assert_double_eq(max, (double)n);
}
END_TEST

START_TEST(percentiles_of_nothing)
{
    double kl[3] = {1, NAN, 0}, mean, p99, max;
    i8i_kl_summary(&mean, &p99, &max, kl, 3);
    ck_assert(isnan(mean) && isnan(p99) && isnan(max));
    i8i_kl_summary(&mean, &p99, &max, kl, 0);
    ck_assert(isnan(mean) && isnan(p99) && isnan(max));
    kl[1] = INFINITY;
    i8i_kl_summary(&mean, &p99, &max, kl, 3);
    ck_assert(isinf(mean) && isinf(max));
}
END_TEST

START_TEST(differences)
{
    const float x[3] = {3, 0, 4}, y[3] = {3, 12, 4}, zero[3] = {0};
    struct i8i_difference d = {0}, e = {0}, none = {0};
    i8i_difference_add(&d, x, y, 3);
    ck_assert_double_eq(i8i_relative_l2(d.dd, d.xx), 12.0 / 5);
    ck_near(i8i_difference_cosine(&d), 5.0 / 13);
    i8i_difference_add(&e, zero, y, 3);
    ck_assert(isinf(i8i_relative_l2(e.dd, e.xx)));
    ck_assert_double_eq(i8i_difference_cosine(&e), 0);
    i8i_difference_add(&none, zero, zero, 3);
    ck_assert_double_eq(i8i_relative_l2(none.dd, none.xx), 0);
    ck_assert_double_eq(i8i_difference_cosine(&none), 1);
    const float bad[3] = {1, NAN, -INFINITY};
    i8i_difference_add(&d, x, bad, 3);
    ck_assert_uint_eq(d.nonfinite, 2);
    ck_assert(!(i8i_relative_l2(d.dd, d.xx) <= 1e300));
    ck_assert(!(i8i_difference_cosine(&d) >= -1));
}
END_TEST

/* ---- sampling ---- */

START_TEST(generator)
{
    /* splitmix64 from state 0 begins with e220a8397b1dcdaf, 6e789e6aa1b965f4 */
    uint64_t state = 0;
    ck_assert(i8i_random_unit(&state) == (double)(0xe220a8397b1dcdafu >> 11) * 0x1p-53);
    ck_assert(i8i_random_unit(&state) == (double)(0x6e789e6aa1b965f4u >> 11) * 0x1p-53);
}
END_TEST

static int32_t next(struct i8i_sampler *s, const float *logits, size_t n)
{
    int32_t id = -1;
    ck_assert_int_eq(i8i_sampler_next(s, &id, logits, n, NULL), I8_OK);
    return id;
}

START_TEST(greedy)
{
    const float logits[5] = {1, 3, -INFINITY, 3, 2};
    static const struct {
        double temperature;
        size_t top_k;
        double top_p;
    } all[] = {{0, 0, 0}, {1, 1, 0}, {5, 1, 1}, {1, 0, 1e-9}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct i8i_sampler s;
        i8i_sampler_init(&s, all[i].temperature, all[i].top_k, all[i].top_p, 99);
        for (int k = 0; k < 20; k++)
            ck_assert_int_eq(next(&s, logits, 5), 1); /* of equals the lower id */
        i8i_sampler_free(&s);
    }
}
END_TEST

START_TEST(draws)
{
    enum { N = 20000 };
    const float log2 = 0.69314718f;
    const float logits[4] = {-4 * log2, 0, -6 * log2, -6 * log2};
    static const struct {
        size_t top_k;
        double top_p;
    } all[] = {{0, 0}, {2, 0}, {0, 0.75}, {3, 1}};
    const double whole[4] = {0.25, 1, 0.125, 0.125}; /* exp(logit / 2), up to a factor */
    const int kept[4][4] = {{1, 1, 1, 1}, {1, 1, 0, 0}, {1, 1, 0, 0}, {1, 1, 1, 0}};
    int count[4] = {0};
    double sum = 0;
    struct i8i_sampler s;
    i8i_sampler_init(&s, 2, all[_i].top_k, all[_i].top_p, 1234);
    for (int k = 0; k < N; k++)
        count[next(&s, logits, 4)]++;
    i8i_sampler_free(&s);
    for (int k = 0; k < 4; k++)
        sum += kept[_i][k] * whole[k];
    for (int k = 0; k < 4; k++) {
        double p = kept[_i][k] * whole[k] / sum;
        /* five standard deviations; the seed is fixed, so this holds always or never */
        ck_assert_double_eq_tol(count[k], N * p, 5 * sqrt(N * p * (1 - p)) + 1e-9);
    }
}
END_TEST

START_TEST(refuses_nan)
{
    struct i8_error err;
    float logits[3] = {0, 1, poison[_i]};
    int32_t id;
    struct i8i_sampler s;
    i8i_sampler_init(&s, 0, 0, 0, 0);
    ck_assert_int_eq(i8i_sampler_next(&s, &id, logits, 3, &err), I8_ERR_DATA);
    i8i_sampler_free(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, known_divergence, 0, 3);
    tcase_add_test(t, equal_logits);
    tcase_add_test(t, impossible_ids);
    tcase_add_loop_test(t, poisoned, 0, 2);
    tcase_add_test(t, sums_do_not_depend_on_threads);
    tcase_add_test(t, unscored_rows_are_still_checked);
    tcase_add_test(t, a_nan_stays_the_largest);
    tcase_add_loop_test(t, percentiles, 0, sizeof ranks / sizeof *ranks);
    tcase_add_test(t, percentiles_of_nothing);
    tcase_add_test(t, differences);
    tcase_add_test(t, generator);
    tcase_add_test(t, greedy);
    tcase_add_loop_test(t, draws, 0, 4);
    tcase_add_loop_test(t, refuses_nan, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
