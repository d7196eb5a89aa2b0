/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions: rotary angles with their scalings, ALiBi's slopes and T5's buckets. The
 * steps that transformers takes in fp32 are taken in fp32 here, as at thousands of
 * positions their rounding is larger than that of the rest of the pass.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/engine_state.h"

#include <math.h>
#include <stdlib.h>

/* Llama 3.1: wavelengths beyond the trained context are stretched by `factor`, short
 * ones left alone, those between blended. */
static float scale_llama3(float frequency, const struct i8i_arch *a)
{
    float context = (float)a->rope_original_positions;
    float low = (float)a->rope_low_freq, high = (float)a->rope_high_freq;
    float factor = (float)a->rope_factor;
    float wavelength = (float)(2 * M_PI) / frequency, smooth;

    if (wavelength > context / low)
        return frequency / factor;
    if (wavelength < context / high)
        return frequency;
    smooth = (context / wavelength - low) / (high - low);
    return (1.0f - smooth) * (frequency / factor) + smooth * frequency;
}

void i8i_rotary_table(float *out, size_t positions, size_t rotated,
                      const struct i8i_arch *arch)
{
    size_t half = rotated / 2;

    for (size_t i = 0; i < half; i++) {
        float exponent = (float)(2 * i) / (float)rotated;
        float frequency = 1.0f / powf((float)arch->rope_theta, exponent);

        if (arch->rope_scaling == I8I_ROPE_LINEAR)
            frequency /= (float)arch->rope_factor;
        else if (arch->rope_scaling == I8I_ROPE_LLAMA3)
            frequency = scale_llama3(frequency, arch);
        for (size_t p = 0; p < positions; p++) {
            float angle = (float)p * frequency;

            out[p * rotated + i] = cosf(angle);
            out[p * rotated + half + i] = sinf(angle);
        }
    }
}

/* Powers of 2^(−8/n) for the largest power of two n; the heads left over take every
 * second power of the next finer series. */
void i8i_alibi_slopes(float *out, size_t heads)
{
    size_t n = 1;

    while (2 * n <= heads)
        n *= 2;
    for (size_t h = 0; h < n; h++)
        out[h] = (float)exp2(-8.0 / (double)n * (double)(h + 1));
    for (size_t h = n; h < heads; h++)
        out[h] = (float)exp2(-4.0 / (double)n * (double)(2 * (h - n) + 1));
}

/* Half of the buckets (of a sign) are exact distances, the rest grow as a logarithm. */
size_t i8i_relative_bucket(int64_t distance, bool bidirectional, size_t buckets,
                           size_t max_distance)
{
    size_t base = 0, exact, n, far;
    float grown;

    if (bidirectional) {
        buckets /= 2;
        base = distance > 0 ? buckets : 0;
        n = (size_t)(distance < 0 ? -distance : distance);
    } else {
        n = distance < 0 ? (size_t)-distance : 0;
    }
    exact = buckets / 2;
    if (n < exact)
        return base + n;
    grown = logf((float)n / (float)exact) /
            (float)log((double)max_distance / (double)exact) * (float)(buckets - exact);
    far = exact + (size_t)grown;
    return base + (far < buckets - 1 ? far : buckets - 1);
}

enum i8_status i8i_rotary_reserve(struct i8i_engine *e, size_t positions,
                                  struct i8_error *err)
{
    size_t rotated = i8i_or(i8i_dim(e, I8I_DIM_ROTARY), i8i_dim(e, I8I_DIM_HEAD_DIM));
    enum i8_status status;
    float *table;

    if (e->hp->arch.position != I8I_POS_ROTARY &&
        e->hp->arch.position != I8I_POS_ROTARY_PAIRS)
        return I8_OK;
    if (positions * rotated <= e->rotary.count)
        return I8_OK;
    positions = positions < 128 ? 128 : positions;
    table = i8i_calloc(positions, rotated * sizeof(float));
    if (!table)
        return i8i_nomem(err);
    status = i8i_buffer_mem_reserve(e, &e->rotary, positions * rotated, err);
    if (status == I8_OK) {
        i8i_rotary_table(table, positions, rotated, &e->hp->arch);
        e->b->ops->mem_put(e->b, e->rotary.mem, 0, table, positions * rotated);
    }
    free(table);
    return status;
}

static void fill_bias(float *out, const struct i8i_engine *e, int stack, size_t heads,
                      size_t width, size_t zero)
{
    bool bidirectional = stack == 1 || !e->hp->arch.causal;
    size_t buckets = i8i_dim(e, I8I_DIM_BUCKETS);

    if (e->hp->arch.position == I8I_POS_ALIBI) {
        float *slopes = out + heads * width;

        i8i_alibi_slopes(slopes, heads);
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < width; i++)
                out[h * width + i] = slopes[h] * ((float)i - (float)zero);
        return;
    }
    for (size_t i = 0; i < width; i++) {
        size_t bucket = i8i_relative_bucket((int64_t)i - (int64_t)zero, bidirectional,
                                            buckets, i8i_dim(e, I8I_DIM_BUCKET_DISTANCE));

        for (size_t h = 0; h < heads; h++)
            out[h * width + i] = e->buckets[stack][bucket * heads + h];
    }
}

enum i8_status i8i_bias_reserve(struct i8i_run *r, int stack, struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    const struct i8i_arch *arch = &e->hp->arch;
    size_t n = stack == 1 ? r->n_encoder_ids : r->positions, heads = i8i_heads(e, stack);
    bool both_ways = stack == 1 || !arch->causal;
    enum i8_status status;
    uint64_t count;
    float *table;

    if (r->bias[stack] ||
        (arch->position != I8I_POS_ALIBI && arch->position != I8I_POS_BUCKETS))
        return I8_OK;
    r->bias_zero[stack] = n - 1;
    r->bias_width[stack] = both_ways ? 2 * n - 1 : n;
    /* One more of each head: ALiBi's slopes. */
    if (!i8i_mul_u64(&count, heads, r->bias_width[stack] + 1))
        return i8i_nomem(err);
    table = i8i_calloc(count, sizeof(*table));
    if (!table)
        return i8i_nomem(err);
    status = e->b->ops->mem_new(e->b, &r->bias[stack], count, err);
    if (status == I8_OK) {
        fill_bias(table, e, stack, heads, r->bias_width[stack], r->bias_zero[stack]);
        e->b->ops->mem_put(e->b, r->bias[stack], 0, table, count);
    }
    free(table);
    return status;
}
