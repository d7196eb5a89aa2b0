/* SPDX-License-Identifier: Apache-2.0
 *
 * What two models' logits and hidden states say about each other, in doubles. Every
 * formula stands in docs/parity.md. Sums are made in the order of rows, so results do
 * not depend on threads; a NaN anywhere makes the metric that it enters NaN, which no
 * limit lets pass.
 */
#ifndef I8I_VERIFY_METRICS_H
#define I8I_VERIFY_METRICS_H

#include "base/pool.h"
#include <stdbool.h>
#include <stdint.h>

/* One position: `vocab` logits of the reference, and of the converted model or NULL. */
struct i8i_position_score {
    double nll[2];   /* −ln p(label): reference, converted */
    bool correct[2]; /* the most likely id is the label */
    bool agree;      /* … is the same in both */
    double kl;       /* KL(reference ‖ converted), nats */
    double difference2,
        reference2;     /* sums of squares: converted − reference; reference */
    double max_abs;     /* largest |converted − reference| */
    uint64_t nonfinite; /* NaN and Inf in either row */
};
/* label −1: none is scored, nll is 0 and correct false. */
void i8i_score_position(struct i8i_position_score *out, const float *reference,
                        const float *converted, size_t vocab, int32_t label);

/* Sums over scored positions, those with a label. Zeroed at first; freed by
 * i8i_metrics_free. */
struct i8i_metrics {
    uint64_t scored;
    uint64_t nonfinite; /* of all positions */
    double nll[2];
    uint64_t correct[2];
    uint64_t agree;
    double difference2, reference2, max_abs;
    double *kl; /* of each scored position */
    size_t kl_capacity;
};
/* Adds (rows, vocab) logits; labels[i] belongs to row i, −1: none. pool may be NULL. */
enum i8_status i8i_metrics_add(struct i8i_metrics *m, struct i8i_pool *pool,
                               const float *reference, const float *converted,
                               size_t rows, size_t vocab, const int32_t *labels,
                               struct i8_error *err) I8I_MUST_CHECK;
void i8i_metrics_free(struct i8i_metrics *m);

/* Mean, 99th percentile and maximum of n KLs (sorts them): NaN if one of them is, or if
 * there are none. The percentile is the value of rank ⌈0.99 n⌉ in ascending order. */
void i8i_kl_summary(double *mean, double *p99, double *max, double *kl, size_t n);

/* Sums over hidden states: converted (y) against reference (x). */
struct i8i_difference {
    double xx, yy, xy, dd; /* Σ x², Σ y², Σ x·y, Σ (y − x)² */
    uint64_t nonfinite;
};
void i8i_difference_add(struct i8i_difference *d, const float *reference,
                        const float *converted, size_t n);
/* The same for (rows, cols), row by row in the pool, summed in order. */
enum i8_status i8i_difference_add_rows(struct i8i_difference *d, struct i8i_pool *pool,
                                       const float *reference, const float *converted,
                                       size_t rows, size_t cols,
                                       struct i8_error *err) I8I_MUST_CHECK;
/* √(Σ (y − x)² / Σ x²); 0 when both sums are 0, Inf when only the lower one is. */
double i8i_relative_l2(double difference2, double reference2);
/* Σ x·y / √(Σ x² Σ y²); 1 when both are all zero, 0 when one is. */
double i8i_difference_cosine(const struct i8i_difference *d);

#endif
