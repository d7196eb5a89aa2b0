/* SPDX-License-Identifier: Apache-2.0
 *
 * Which token comes next.
 */
#ifndef I8I_VERIFY_SAMPLER_H
#define I8I_VERIFY_SAMPLER_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_sampler {
    bool greedy;
    double temperature;               /* > 0 */
    size_t top_k;                     /* 0: all */
    double top_p;                     /* 0 or 1: all */
    uint64_t state;                   /* of the generator */
    struct i8i_candidate *candidates; /* room for one a token of the vocabulary */
    size_t capacity;
};
void i8i_sampler_init(struct i8i_sampler *s, double temperature, size_t top_k,
                      double top_p, uint64_t seed);
void i8i_sampler_free(struct i8i_sampler *s);

/* The next id by one row of logits. A NaN among them is I8_ERR_DATA. */
enum i8_status i8i_sampler_next(struct i8i_sampler *s, int32_t *id, const float *logits,
                                size_t vocab, struct i8_error *err) I8I_MUST_CHECK;

/* Uniform in [0, 1), 53 bits: the top of splitmix64 (Steele, Lea and Flood 2014). */
double i8i_random_unit(uint64_t *state);

#endif
