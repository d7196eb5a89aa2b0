/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that take rows one by one: the pool gets blocks of them.
 */
#include "config.h"

#include "engine/cpu/cpu.h"

#include <math.h>
#include <string.h>

/* Elements of an item: enough to be worth handing out. */
#define ITEM_ELEMENTS 16384

struct row_job {
    const struct i8i_cpu *cpu;
    void (*row)(const struct row_job *j, size_t row);
    size_t n, rows_per_item;
    struct i8i_view out, x, y;
    size_t cols, groups;
    union {
        enum i8i_activation activation;
        const struct i8i_norm_spec *norm;
        const struct i8i_rotary_spec *rotary;
        struct {
            const struct i8i_matrix *matrix;
            const int32_t *ids;
            float scale;
        } embed;
        float factor;
    };
};

static void run_rows(void *ctx, size_t item, unsigned thread)
{
    const struct row_job *j = ctx;
    size_t row = item * j->rows_per_item;
    size_t end = j->n - row < j->rows_per_item ? j->n : row + j->rows_per_item;

    (void)thread;
    for (; row < end; row++)
        j->row(j, row);
}

static void for_rows(struct row_job *j, struct i8i_backend *b, size_t n, size_t elements)
{
    const struct i8i_cpu *c = (const struct i8i_cpu *)b;

    if (i8i_cpu_failed(c) || n == 0)
        return;
    j->cpu = c;
    j->n = n;
    j->rows_per_item = elements < ITEM_ELEMENTS ? ITEM_ELEMENTS / (elements + 1) + 1 : 1;
    i8i_cpu_run(c, (n + j->rows_per_item - 1) / j->rows_per_item, n * elements, run_rows,
                j);
}

static void embed_row(const struct row_job *j, size_t row)
{
    const float *src = j->embed.matrix->f32 + (size_t)j->embed.ids[row] * j->cols;

    memcpy(i8i_at(j->out, row), src, j->cols * sizeof(float));
    if (j->embed.scale != 1.0f)
        j->cpu->simd->scores(i8i_at(j->out, row), j->cols, j->embed.scale, NULL);
}

void i8i_cpu_embed(struct i8i_backend *b, struct i8i_view out, const struct i8i_matrix *m,
                   const int32_t *ids, size_t n, float scale)
{
    struct row_job j = {.row = embed_row, .out = out, .cols = m->cols};

    j.embed.matrix = m;
    j.embed.ids = ids;
    j.embed.scale = scale;
    for_rows(&j, b, n, m->cols);
}

static void norm_row(const struct row_job *j, size_t row)
{
    const float *gain = j->norm->gain ? j->norm->gain->data : NULL;
    const float *bias = j->norm->bias ? j->norm->bias->data : NULL;

    for (size_t g = 0; g < j->groups; g++)
        j->cpu->simd->norm(i8i_at(j->out, row) + g * j->cols,
                           i8i_at(j->x, row) + g * j->cols, j->cols, j->norm->kind, gain,
                           bias, j->norm->epsilon);
}

void i8i_cpu_norm(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                  size_t groups, size_t cols, const struct i8i_norm_spec *spec)
{
    struct row_job j = {.row = norm_row, .out = out, .x = x, .cols = cols};

    j.groups = groups;
    j.norm = spec;
    for_rows(&j, b, n, groups * cols);
}

static void rotate_row(const struct row_job *j, size_t row)
{
    const struct i8i_rotary_spec *s = j->rotary;
    size_t half = s->rotated / 2;
    size_t step = s->pairs ? 2 : 1, apart = s->pairs ? 1 : half;
    const float *cosines = s->table->data + (s->position + row) * s->rotated;
    const float *sines = cosines + half;

    for (size_t h = 0; h < s->heads; h++) {
        float *x = i8i_at(j->x, row) + h * s->head_dim;

        for (size_t i = 0; i < half; i++) {
            float *a = x + i * step, *b = a + apart;
            float u = *a, v = *b;

            *a = u * cosines[i] - v * sines[i];
            *b = v * cosines[i] + u * sines[i];
        }
    }
}

void i8i_cpu_rotary(struct i8i_backend *b, struct i8i_view x, size_t n,
                    const struct i8i_rotary_spec *spec)
{
    struct row_job j = {.row = rotate_row, .x = x};

    j.rotary = spec;
    for_rows(&j, b, n, spec->heads * spec->rotated);
}

static void activate_row(const struct row_job *j, size_t row)
{
    j->cpu->simd->activate(i8i_at(j->out, row), i8i_at(j->x, row), j->cols,
                           j->activation);
}

void i8i_cpu_activate(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                      size_t n, size_t cols, enum i8i_activation act)
{
    struct row_job j = {.row = activate_row, .out = out, .x = x, .cols = cols};

    j.activation = act;
    for_rows(&j, b, n, cols);
}

static void gate_row(const struct row_job *j, size_t row)
{
    float *out = i8i_at(j->out, row), *x = i8i_at(j->x, row);

    j->cpu->simd->activate(x, x, j->cols, j->activation);
    j->cpu->simd->multiply(out, x, x + j->cols, j->cols);
}

void i8i_cpu_gate(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                  size_t cols, enum i8i_activation act)
{
    struct row_job j = {.row = gate_row, .out = out, .x = x, .cols = cols};

    j.activation = act;
    for_rows(&j, b, n, 2 * cols);
}

static void add_row(const struct row_job *j, size_t row)
{
    j->cpu->simd->add(i8i_at(j->out, row), i8i_at(j->x, row), i8i_at(j->y, row), j->cols);
}

void i8i_cpu_add(struct i8i_backend *b, struct i8i_view out, struct i8i_view x,
                 struct i8i_view y, size_t n, size_t cols)
{
    struct row_job j = {.row = add_row, .out = out, .x = x, .y = y, .cols = cols};

    for_rows(&j, b, n, cols);
}

static void copy_row(const struct row_job *j, size_t row)
{
    memmove(i8i_at(j->out, row), i8i_at(j->x, row), j->cols * sizeof(float));
}

void i8i_cpu_copy(struct i8i_backend *b, struct i8i_view out, struct i8i_view x, size_t n,
                  size_t cols)
{
    struct row_job j = {.row = copy_row, .out = out, .x = x, .cols = cols};

    for_rows(&j, b, n, cols);
}

static void scale_row(const struct row_job *j, size_t row)
{
    j->cpu->simd->scores(i8i_at(j->x, row), j->cols, j->factor, NULL);
}

void i8i_cpu_scale(struct i8i_backend *b, struct i8i_view x, size_t n, size_t cols,
                   float factor)
{
    struct row_job j = {.row = scale_row, .x = x, .cols = cols};

    j.factor = factor;
    for_rows(&j, b, n, cols);
}

static void softcap_row(const struct row_job *j, size_t row)
{
    float *x = i8i_at(j->x, row);

    for (size_t i = 0; i < j->cols; i++)
        x[i] = j->factor * tanhf(x[i] / j->factor);
}

void i8i_cpu_softcap(struct i8i_backend *b, struct i8i_view x, size_t n, size_t cols,
                     float cap)
{
    struct row_job j = {.row = softcap_row, .x = x, .cols = cols};

    j.factor = cap;
    for_rows(&j, b, n, cols);
}
