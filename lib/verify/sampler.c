/* SPDX-License-Identifier: Apache-2.0
 *
 * Greedy choice, or a draw from the most likely ids. Equal logits are ordered by id and
 * the generator is integer arithmetic, so the same logits and seed give the same ids on
 * every machine (short of a draw that falls within exp()'s last bit of a boundary).
 */
#include "config.h"

#include "verify/sampler.h"

#include "base/memory.h"
#include <math.h>
#include <stdlib.h>

struct i8i_candidate {
    double weight; /* the logit, then its share */
    int32_t id;
};

void i8i_sampler_init(struct i8i_sampler *s, double temperature, size_t top_k,
                      double top_p, uint64_t seed)
{
    *s = (struct i8i_sampler){
        .greedy = temperature == 0 && top_k == 0 && top_p == 0,
        .temperature = temperature > 0 ? temperature : 1,
        .top_k = top_k,
        .top_p = top_p,
        .state = seed,
    };
}

void i8i_sampler_free(struct i8i_sampler *s)
{
    free(s->candidates);
    *s = (struct i8i_sampler){0};
}

double i8i_random_unit(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

static int by_weight(const void *a, const void *b)
{
    const struct i8i_candidate *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Turns the first n logits, in descending order, into shares; returns how many of them
 * hold top_p. */
static size_t make_shares(const struct i8i_sampler *s, size_t n, double *sum)
{
    struct i8i_candidate *c = s->candidates;
    double most = c[0].weight, total = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        c[i].weight = exp((c[i].weight - most) / s->temperature);
        total += c[i].weight;
    }
    size_t k = 0;
    do
        kept += c[k++].weight;
    while (k < n && (s->top_p <= 0 || kept < s->top_p * total));
    *sum = kept;
    return k;
}

static int32_t draw(struct i8i_sampler *s, size_t vocab)
{
    double sum;
    size_t n = s->top_k > 0 && s->top_k < vocab ? s->top_k : vocab, i = 0;
    qsort(s->candidates, vocab, sizeof *s->candidates, by_weight);
    n = make_shares(s, n, &sum);
    double left = i8i_random_unit(&s->state) * sum;
    while (i + 1 < n && left >= s->candidates[i].weight)
        left -= s->candidates[i++].weight;
    return s->candidates[i].id;
}

enum i8_status i8i_sampler_next(struct i8i_sampler *s, int32_t *id, const float *logits,
                                size_t vocab, struct i8_error *err)
{
    size_t best = 0;
    for (size_t i = 0; i < vocab; i++) {
        if (!(logits[i] < INFINITY)) /* NaN, too */
            return i8i_fail(err, I8_ERR_DATA, "the logit of token %zu is %s", i,
                            isnan(logits[i]) ? "NaN" : "infinite");
        if (logits[i] > logits[best])
            best = i;
    }
    *id = (int32_t)best;
    if (s->greedy)
        return I8_OK;
    if (!i8i_grow(&s->candidates, &s->capacity, vocab, sizeof *s->candidates))
        return i8i_nomem(err);
    for (size_t i = 0; i < vocab; i++)
        s->candidates[i] = (struct i8i_candidate){logits[i], (int32_t)i};
    *id = draw(s, vocab);
    return I8_OK;
}
