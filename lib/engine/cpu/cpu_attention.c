/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention: one item is a head and a block of queries, so that its scores stay in
 * the cache. Rows go through the whole softmax at once; keys that no query of the
 * block may see are not touched.
 */
#include "config.h"

#include "engine/cpu/cpu.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS 64

struct attention_job {
    const struct i8i_cpu *cpu;
    const struct i8i_attention_spec *s;
    size_t blocks;
    char *scratch;
    size_t stride;
};

/* The keys [*first, *end) that query row i may see. */
static void visible(const struct i8i_attention_spec *s, size_t i, size_t *first,
                    size_t *end)
{
    size_t behind = s->q_start + i + 1;

    *first = 0;
    *end = s->kv_rows;
    if (!s->causal)
        return;
    if (*end > behind)
        *end = behind;
    if (s->window && behind > s->window)
        *first = behind - s->window;
}

/* One row of raw q·k products over keys [first, end) becomes probabilities. */
static void weigh(const struct attention_job *j, float *scores, size_t head, size_t i,
                  size_t first, size_t end)
{
    const struct i8i_attention_spec *s = j->s;
    const struct i8i_simd *simd = j->cpu->simd;
    const float *bias = NULL;

    if (s->bias)
        bias = s->bias->data +
               (head * s->bias_width + s->bias_zero + first - (s->q_start + i));
    if (s->softcap > 0.0f) {
        for (size_t k = 0; k < end - first; k++)
            scores[k] = s->softcap * tanhf(scores[k] * s->scale / s->softcap);
        simd->scores(scores, end - first, 1.0f, bias);
    } else {
        simd->scores(scores, end - first, s->scale, bias);
    }
    simd->softmax(scores, end - first);
}

static void attend(void *ctx, size_t item, unsigned thread)
{
    const struct attention_job *j = ctx;
    const struct i8i_attention_spec *s = j->s;
    size_t head = item / j->blocks, row = item % j->blocks * BLOCK_ROWS;
    size_t rows = s->q_rows - row < BLOCK_ROWS ? s->q_rows - row : BLOCK_ROWS;
    size_t kv_head = head / (s->heads / s->kv_heads);
    float *scores = (float *)(j->scratch + thread * j->stride);
    const float *q = i8i_at(s->q, row) + head * s->head_dim, *k, *v;
    float *out = i8i_at(s->out, row) + head * s->v_head_dim;
    size_t begin, end, unused, width;

    visible(s, row, &begin, &unused);
    visible(s, row + rows - 1, &unused, &end);
    width = end - begin;
    k = i8i_at(s->k, begin) + kv_head * s->head_dim;
    v = i8i_at(s->v, begin) + kv_head * s->v_head_dim;

    i8i_cpu_sgemm(true, rows, width, s->head_dim, q, s->q.stride, k, s->k.stride, scores,
                  width);
    for (size_t i = 0; i < rows; i++) {
        float *x = scores + i * width;
        size_t from, to;

        visible(s, row + i, &from, &to);
        memset(x, 0, (from - begin) * sizeof(*x));
        memset(x + (to - begin), 0, (end - to) * sizeof(*x));
        weigh(j, x + (from - begin), head, row + i, from, to);
    }
    i8i_cpu_sgemm(false, rows, s->v_head_dim, width, scores, width, v, s->v.stride, out,
                  s->out.stride);
}

void i8i_cpu_attention(struct i8i_backend *b, const struct i8i_attention_spec *spec)
{
    struct i8i_cpu *c = (struct i8i_cpu *)b;
    struct attention_job j = {.cpu = c, .s = spec};
    size_t rows = spec->q_rows < BLOCK_ROWS ? spec->q_rows : BLOCK_ROWS;

    if (spec->q_rows == 0 || spec->kv_rows == 0)
        return;
    j.scratch =
        i8i_cpu_thread_scratch(c, &j.stride, spec->kv_rows * rows * sizeof(float));
    if (i8i_cpu_failed(c))
        return;
    j.blocks = (spec->q_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    i8i_cpu_run(c, spec->heads * j.blocks,
                spec->heads * spec->q_rows * spec->kv_rows *
                    (spec->head_dim + spec->v_head_dim + 60) / 60,
                attend, &j);
}
