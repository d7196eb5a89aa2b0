/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-softmax in double: the reference's and the converted model's probabilities come
 * from the same few lines, so that equal logits give exactly 0.
 */
#include "config.h"

#include "verify/metrics.h"

#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one position ---- */

struct softmax {
    double log_sum; /* ln Σ exp(x − most) */
    double most;
    int64_t best; /* first index of the largest; −1 if there is a NaN */
    uint64_t nonfinite;
};

static struct softmax softmax_of(const float *x, size_t n)
{
    struct softmax s = {.most = -INFINITY};
    for (size_t i = 0; i < n; i++) {
        s.nonfinite += !isfinite(x[i]);
        if (isnan(x[i]))
            s.best = -1;
        if ((double)x[i] > s.most) {
            s.most = x[i];
            s.best = s.best < 0 ? -1 : (int64_t)i;
        }
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - s.most);
    s.log_sum = log(sum);
    return s;
}

static double log_probability(const struct softmax *s, float x)
{
    return (double)x - s->most - s->log_sum;
}

/* Σ p (ln p − ln q). Rounding can leave it a hair below 0, which it never is. */
static double divergence(const struct softmax *p, const float *x, const struct softmax *q,
                         const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double log_p = log_probability(p, x[i]), weight = exp(log_p);
        if (weight != 0) /* the limit of p ln p is 0 */
            sum += weight * (log_p - log_probability(q, y[i]));
    }
    return sum < 0 ? 0 : sum;
}

/* The larger, or NaN if one is. */
static double max_or_nan(double a, double b)
{
    if (isnan(a))
        return a;
    return b <= a ? a : b;
}

void i8i_score_position(struct i8i_position_score *out, const float *reference,
                        const float *converted, size_t vocab, int32_t label)
{
    const float *logits[2] = {reference, converted};
    struct softmax s[2] = {{0}};
    *out = (struct i8i_position_score){0};
    for (int k = 0; k < 2 && logits[k] != NULL; k++) {
        s[k] = softmax_of(logits[k], vocab);
        out->nonfinite += s[k].nonfinite;
        if (label >= 0) {
            out->nll[k] = -log_probability(&s[k], logits[k][label]);
            out->correct[k] = s[k].best == label;
        }
    }
    if (converted == NULL)
        return;
    out->agree = s[0].best >= 0 && s[0].best == s[1].best;
    out->kl = divergence(&s[0], reference, &s[1], converted, vocab);
    for (size_t i = 0; i < vocab; i++) {
        double x = reference[i], d = (double)converted[i] - x;
        out->difference2 += d * d;
        out->reference2 += x * x;
        out->max_abs = max_or_nan(out->max_abs, fabs(d));
    }
}

/* ---- many positions ---- */

struct batch {
    struct i8i_position_score *scores;
    const float *reference, *converted;
    const int32_t *labels;
    size_t vocab;
};

static void score_row(void *ctx, size_t row, unsigned thread)
{
    const struct batch *b = ctx;
    (void)thread;
    i8i_score_position(&b->scores[row], b->reference + row * b->vocab,
                       b->converted != NULL ? b->converted + row * b->vocab : NULL,
                       b->vocab, b->labels[row]);
}

static void add_score(struct i8i_metrics *m, const struct i8i_position_score *s,
                      bool has_label)
{
    m->nonfinite += s->nonfinite;
    if (!has_label)
        return;
    m->kl[m->scored++] = s->kl;
    for (int k = 0; k < 2; k++) {
        m->nll[k] += s->nll[k];
        m->correct[k] += s->correct[k];
    }
    m->agree += s->agree;
    m->difference2 += s->difference2;
    m->reference2 += s->reference2;
    m->max_abs = max_or_nan(m->max_abs, s->max_abs);
}

enum i8_status i8i_metrics_add(struct i8i_metrics *m, struct i8i_pool *pool,
                               const float *reference, const float *converted,
                               size_t rows, size_t vocab, const int32_t *labels,
                               struct i8_error *err)
{
    struct batch b = {
        .scores = i8i_calloc(rows, sizeof *b.scores),
        .reference = reference,
        .converted = converted,
        .labels = labels,
        .vocab = vocab,
    };
    if (b.scores == NULL ||
        !i8i_grow(&m->kl, &m->kl_capacity, (size_t)m->scored + rows, sizeof *m->kl)) {
        free(b.scores);
        return i8i_nomem(err);
    }
    i8i_pool_run(pool, rows, score_row, &b);
    for (size_t i = 0; i < rows; i++)
        add_score(m, &b.scores[i], labels[i] >= 0);
    free(b.scores);
    return I8_OK;
}

void i8i_metrics_free(struct i8i_metrics *m)
{
    free(m->kl);
    *m = (struct i8i_metrics){0};
}

/* ---- KL ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void i8i_kl_summary(double *mean, double *p99, double *max, double *kl, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += kl[i];
    *mean = *p99 = *max = NAN;
    if (n == 0 || isnan(sum)) /* none of them is negative, so Inf − Inf does not occur */
        return;
    qsort(kl, n, sizeof *kl, compare_doubles);
    *mean = sum / (double)n;
    *p99 = kl[n - n / 100 - 1]; /* ⌈0.99 n⌉ = n − ⌊n / 100⌋ */
    *max = kl[n - 1];
}

/* ---- hidden states ---- */

void i8i_difference_add(struct i8i_difference *d, const float *reference,
                        const float *converted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = reference[i], y = converted[i];
        d->xx += x * x;
        d->yy += y * y;
        d->xy += x * y;
        d->dd += (y - x) * (y - x);
        d->nonfinite += !isfinite(x) + !isfinite(y);
    }
}

struct row_differences {
    struct i8i_difference *rows;
    const float *reference, *converted;
    size_t cols;
};

static void difference_of_row(void *ctx, size_t row, unsigned thread)
{
    const struct row_differences *r = ctx;
    (void)thread;
    i8i_difference_add(&r->rows[row], r->reference + row * r->cols,
                       r->converted + row * r->cols, r->cols);
}

enum i8_status i8i_difference_add_rows(struct i8i_difference *d, struct i8i_pool *pool,
                                       const float *reference, const float *converted,
                                       size_t rows, size_t cols, struct i8_error *err)
{
    struct row_differences r = {
        .rows = i8i_calloc(rows, sizeof *r.rows),
        .reference = reference,
        .converted = converted,
        .cols = cols,
    };
    if (r.rows == NULL)
        return i8i_nomem(err);
    i8i_pool_run(pool, rows, difference_of_row, &r);
    for (size_t i = 0; i < rows; i++) {
        d->xx += r.rows[i].xx;
        d->yy += r.rows[i].yy;
        d->xy += r.rows[i].xy;
        d->dd += r.rows[i].dd;
        d->nonfinite += r.rows[i].nonfinite;
    }
    free(r.rows);
    return I8_OK;
}

double i8i_relative_l2(double difference2, double reference2)
{
    if (difference2 == 0 && reference2 == 0)
        return 0;
    return sqrt(difference2 / reference2);
}

double i8i_difference_cosine(const struct i8i_difference *d)
{
    if (d->xx == 0 && d->yy == 0)
        return 1;
    if (d->xx == 0 || d->yy == 0)
        return 0;
    double cosine = d->xy / (sqrt(d->xx) * sqrt(d->yy));
    return cosine > 1 ? 1 : cosine; /* rounding can leave it a hair above */
}
