/* SPDX-License-Identifier: Apache-2.0
 *
 * A stage's slots: which roles fill them, and that their shapes fit the pass. Linears
 * that read the same input (queries, keys and values; gate and up) become one matrix
 * where they are stored alike, so that their input is quantized once.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/engine_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Roles that fill a slot, in the order of their rows; those that are absent are left
 * out. */
static const struct {
    enum i8i_linear_slot slot;
    enum i8i_stage_kind stage;
    enum i8i_role roles[4];
} linear_sources[] = {
    {I8I_LINEAR_IN, I8I_STAGE_EMBED, {I8I_ROLE_PROJECT_IN}},
    {I8I_LINEAR_QKV, I8I_STAGE_BLOCK, {I8I_ROLE_Q, I8I_ROLE_K, I8I_ROLE_V, I8I_ROLE_QKV}},
    {I8I_LINEAR_O, I8I_STAGE_BLOCK, {I8I_ROLE_O}},
    {I8I_LINEAR_CROSS_Q, I8I_STAGE_BLOCK, {I8I_ROLE_CROSS_Q}},
    {I8I_LINEAR_CROSS_KV, I8I_STAGE_BLOCK, {I8I_ROLE_CROSS_K, I8I_ROLE_CROSS_V}},
    {I8I_LINEAR_CROSS_O, I8I_STAGE_BLOCK, {I8I_ROLE_CROSS_O}},
    {I8I_LINEAR_UP, I8I_STAGE_BLOCK, {I8I_ROLE_GATE, I8I_ROLE_UP, I8I_ROLE_GATE_UP}},
    {I8I_LINEAR_DOWN, I8I_STAGE_BLOCK, {I8I_ROLE_DOWN}},
    {I8I_LINEAR_OUT, I8I_STAGE_HEAD, {I8I_ROLE_PROJECT_OUT}},
    {I8I_LINEAR_HEAD, I8I_STAGE_HEAD, {I8I_ROLE_HEAD}},
};

static const struct {
    enum i8i_norm_slot slot;
    enum i8i_stage_kind stage;
    enum i8i_role role;
} norm_sources[] = {
    {I8I_NORM_EMBED, I8I_STAGE_EMBED, I8I_ROLE_EMBED_NORM},
    {I8I_NORM_ATTN, I8I_STAGE_BLOCK, I8I_ROLE_ATTN_NORM},
    {I8I_NORM_Q, I8I_STAGE_BLOCK, I8I_ROLE_Q_NORM},
    {I8I_NORM_K, I8I_STAGE_BLOCK, I8I_ROLE_K_NORM},
    {I8I_NORM_ATTN_POST, I8I_STAGE_BLOCK, I8I_ROLE_ATTN_POST_NORM},
    {I8I_NORM_CROSS, I8I_STAGE_BLOCK, I8I_ROLE_CROSS_NORM},
    {I8I_NORM_MLP, I8I_STAGE_BLOCK, I8I_ROLE_MLP_NORM},
    {I8I_NORM_MLP_POST, I8I_STAGE_BLOCK, I8I_ROLE_MLP_POST_NORM},
    {I8I_NORM_FINAL, I8I_STAGE_NORM, I8I_ROLE_FINAL_NORM},
    {I8I_NORM_FINAL, I8I_STAGE_HEAD, I8I_ROLE_FINAL_NORM},
};

/* ---- the token embedding, shared ---- */

static enum i8_status use_embedding(struct i8i_engine *e, int module,
                                    struct i8_error *err)
{
    const struct i8i_module *mod = &e->model->modules[module];
    struct i8i_filling f = {.e = e, .module = mod};
    enum i8_status status;

    if (e->embed) {
        e->embed_users++;
        return I8_OK;
    }
    status = e->b->ops->matrix_new(e->b, &f.matrix, I8I_MATRIX_F32, mod->rows, mod->cols,
                                   false, err);
    if (status == I8_OK)
        status = i8i_fill(&f, err);
    if (status != I8_OK) {
        e->b->ops->matrix_free(e->b, f.matrix);
        return status;
    }
    e->embed = f.matrix;
    e->embed_users = 1;
    return I8_OK;
}

static void drop_embedding(struct i8i_engine *e)
{
    if (--e->embed_users > 0)
        return;
    e->b->ops->matrix_free(e->b, e->embed);
    e->embed = NULL;
}

/* ---- slots ---- */

static bool is_int8(const struct i8i_model *m, int module)
{
    const struct i8i_param *w = i8i_stored(m, module, "weight");

    return m->modules[module].scb && w && w->tensor && w->tensor->dtype == I8_DTYPE_I8;
}

/* Modules [from, to) of a slot, stored alike, as its next matrix. */
static enum i8_status load_part(struct i8i_engine *e, struct i8i_stage *s,
                                struct i8i_linear *l, const int *modules, int count,
                                struct i8_error *err)
{
    const struct i8i_model *m = e->model;
    int part = l->n_parts;
    size_t rows = 0, cols = m->modules[modules[0]].cols;
    bool bias = false;
    enum i8_status status;

    for (int i = 0; i < count; i++) {
        rows += m->modules[modules[i]].rows;
        bias |= i8i_stored(m, modules[i], "bias") != NULL;
        if (m->modules[modules[i]].cols != cols || (l->n_parts > 0 && cols != l->cols))
            return i8i_fail(err, I8_ERR_DATA, "%s: expected %zu columns, found %" PRIu64,
                            m->modules[modules[i]].path, cols,
                            m->modules[modules[i]].cols);
    }
    status = e->b->ops->matrix_new(
        e->b, &l->part[part].matrix,
        is_int8(m, modules[0]) ? I8I_MATRIX_INT8 : I8I_MATRIX_F32, rows, cols, bias, err);
    if (status != I8_OK)
        return status;
    l->part[part].first_row = l->rows;
    l->part[part].rows = rows;
    l->part[part].modules = count;
    l->n_parts++;
    l->rows += rows;
    l->cols = cols;
    rows = 0;
    for (int i = 0; i < count && status == I8_OK; i++) {
        const struct i8i_module *mod = &m->modules[modules[i]];
        enum i8i_qkv_kind order = e->hp->arch.qkv;
        struct i8i_filling f = {
            .e = e,
            .matrix = l->part[part].matrix,
            .module = mod,
            .first = rows,
            .fused = mod->role == I8I_ROLE_QKV &&
                     (order == I8I_QKV_HEADS || order == I8I_QKV_GROUPS),
            .stack = s->stack,
        };

        status = i8i_fill(&f, err);
        rows += mod->rows;
    }
    return status;
}

static enum i8_status load_linear(struct i8i_engine *e, struct i8i_stage *s,
                                  size_t source, struct i8_error *err)
{
    struct i8i_linear *l = &s->linear[linear_sources[source].slot];
    int modules[4], n = 0;
    enum i8_status status = I8_OK;

    for (int i = 0; i < 4 && linear_sources[source].roles[i]; i++) {
        int module =
            i8i_model_role(e->model, linear_sources[source].roles[i], s->stack, s->block);

        if (module >= 0)
            modules[n++] = module;
    }
    for (int from = 0, to; from < n && status == I8_OK; from = to) {
        for (to = from + 1; to < n && is_int8(e->model, modules[to]) ==
                                          is_int8(e->model, modules[from]);)
            to++;
        status = load_part(e, s, l, modules + from, to - from, err);
    }
    return status;
}

/* A head that shares the embedding's storage is the embedding. */
static enum i8_status load_head(struct i8i_engine *e, struct i8i_stage *s, size_t source,
                                struct i8_error *err)
{
    int head = i8i_model_role(e->model, I8I_ROLE_HEAD, s->stack, -1);
    struct i8i_linear *l = &s->linear[I8I_LINEAR_HEAD];
    enum i8_status status;

    if (head < 0 || i8i_module_param(e->model, head, "weight") != e->embed_param)
        return load_linear(e, s, source, err);
    if (i8i_stored(e->model, head, "bias"))
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: a tied head with a bias",
                        e->model->modules[head].path);
    status = use_embedding(e, e->model->params[e->embed_param].module, err);
    if (status != I8_OK)
        return status;
    l->n_parts = 1;
    l->rows = e->model->modules[head].rows;
    l->cols = e->model->modules[head].cols;
    l->part[0].matrix = e->embed;
    l->part[0].rows = l->rows;
    l->part[0].borrowed = true;
    return I8_OK;
}

static enum i8_status load_vector(struct i8i_engine *e, struct i8i_mem **out,
                                  const struct i8i_param *p, size_t count,
                                  struct i8_error *err)
{
    float *values = NULL;
    enum i8_status status = i8i_read_f32(e, p, &values, count, err);

    if (status == I8_OK)
        status = e->b->ops->mem_new(e->b, out, count, err);
    if (status == I8_OK)
        e->b->ops->mem_put(e->b, *out, 0, values, count);
    free(values);
    return status;
}

static enum i8_status load_norm(struct i8i_engine *e, struct i8i_stage *s, size_t source,
                                struct i8_error *err)
{
    struct i8i_norm *w = &s->norm[norm_sources[source].slot];
    int module = i8i_model_role(e->model, norm_sources[source].role, s->stack, s->block);
    const struct i8i_param *gain = i8i_stored(e->model, module, "weight");
    const struct i8i_param *bias = i8i_stored(e->model, module, "bias");
    enum i8_status status = I8_OK;

    if (module < 0)
        return I8_OK;
    w->present = true;
    w->cols = (size_t)(gain ? gain->elements : i8i_dim(e, I8I_DIM_HIDDEN));
    if (gain)
        status = load_vector(e, &w->gain, gain, w->cols, err);
    if (bias && status == I8_OK)
        status = load_vector(e, &w->bias, bias, w->cols, err);
    w->spec = (struct i8i_norm_spec){e->hp->arch.norm, (float)e->hp->arch.norm_epsilon,
                                     w->gain, w->bias};
    return status;
}

/* T5's table of distances stays in host memory for as long as the engine lives: later
 * blocks use it when the first one is unloaded. */
static enum i8_status load_buckets(struct i8i_engine *e, int stack, struct i8_error *err)
{
    int module = i8i_model_role(e->model, I8I_ROLE_RELATIVE_BIAS, stack, 0);
    const struct i8i_param *p = i8i_stored(e->model, module, "weight");

    if (!p || e->buckets[stack])
        return I8_OK;
    return i8i_read_f32(e, p, &e->buckets[stack],
                        i8i_dim(e, I8I_DIM_BUCKETS) * i8i_heads(e, stack), err);
}

static enum i8_status load_embeddings(struct i8i_engine *e, struct i8i_stage *s,
                                      struct i8_error *err)
{
    int positions = i8i_model_role(e->model, I8I_ROLE_POSITION_EMBED, s->stack, -1);
    struct i8i_filling f = {.e = e, .stack = s->stack};
    const struct i8i_module *tokens =
        &e->model->modules[e->model->params[e->embed_param].module];
    size_t width = i8i_dim(e, I8I_DIM_HIDDEN);
    bool narrow = i8i_model_role(e->model, I8I_ROLE_PROJECT_IN, s->stack, -1) >= 0;
    enum i8_status status =
        use_embedding(e, e->model->params[e->embed_param].module, err);

    if (status != I8_OK)
        return status;
    s->embed = e->embed;
    if (tokens->rows != i8i_dim(e, I8I_DIM_VOCAB) || (!narrow && tokens->cols != width))
        return i8i_fail(
            err, I8_ERR_DATA, "%s: expected %zu by %zu, found %" PRIu64 " by %" PRIu64,
            tokens->path, i8i_dim(e, I8I_DIM_VOCAB), width, tokens->rows, tokens->cols);
    if (positions < 0)
        return I8_OK;
    f.module = &e->model->modules[positions];
    if (f.module->rows != i8i_dim(e, I8I_DIM_POSITION_ROWS) || f.module->cols != width)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: expected %zu by %zu, found %" PRIu64 " by %" PRIu64,
                        f.module->path, i8i_dim(e, I8I_DIM_POSITION_ROWS), width,
                        f.module->rows, f.module->cols);
    status = e->b->ops->matrix_new(e->b, &s->positions, I8I_MATRIX_F32, f.module->rows,
                                   f.module->cols, false, err);
    f.matrix = s->positions;
    return status == I8_OK ? i8i_fill(&f, err) : status;
}

/* The model's headers agree with its configuration, but the pass must not read or write
 * beyond a buffer even where a family's table is wrong. */
static enum i8_status check_shapes(const struct i8i_engine *e, const struct i8i_stage *s,
                                   struct i8_error *err)
{
    size_t width = i8i_dim(e, I8I_DIM_HIDDEN), head_dim = i8i_dim(e, I8I_DIM_HEAD_DIM);
    size_t q = i8i_heads(e, s->stack) * head_dim, kv_heads = i8i_kv_heads(e, s->stack);
    size_t kv = kv_heads * (head_dim + i8i_v_head_dim(e));
    size_t values = i8i_heads(e, s->stack) * i8i_v_head_dim(e);
    size_t up = s->linear[I8I_LINEAR_UP].rows, narrow = s->linear[I8I_LINEAR_OUT].rows;
    size_t embed = i8i_or(i8i_dim(e, I8I_DIM_EMBED), width);
    const size_t expected[I8I_LINEAR_SLOTS][2] = {
        [I8I_LINEAR_IN] = {width, embed},
        [I8I_LINEAR_QKV] = {q + kv, width},
        [I8I_LINEAR_O] = {width, values},
        [I8I_LINEAR_CROSS_Q] = {q, width},
        [I8I_LINEAR_CROSS_KV] = {kv, width},
        [I8I_LINEAR_CROSS_O] = {width, values},
        [I8I_LINEAR_UP] = {up, width},
        [I8I_LINEAR_DOWN] = {width, e->hp->arch.gated ? up / 2 : up},
        [I8I_LINEAR_OUT] = {embed, width},
        [I8I_LINEAR_HEAD] = {i8i_dim(e, I8I_DIM_VOCAB), i8i_or(narrow, width)},
    };

    for (int i = 0; i < I8I_LINEAR_SLOTS; i++) {
        const struct i8i_linear *l = &s->linear[i];

        if (l->rows && (l->rows != expected[i][0] || l->cols != expected[i][1]))
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: expected Linears of %zu by %zu in all, found %zu by %zu",
                            s->name, expected[i][0], expected[i][1], l->rows, l->cols);
    }
    for (int i = 0; i < I8I_NORM_SLOTS; i++) {
        bool heads = i == I8I_NORM_Q || i == I8I_NORM_K;
        size_t cols = s->norm[i].cols;
        size_t whole = i == I8I_NORM_Q ? q : kv_heads * head_dim;

        if (s->norm[i].present &&
            (heads ? cols != head_dim && cols != whole : cols != width))
            return i8i_fail(err, I8_ERR_DATA, "%s: a norm of %zu elements, expected %zu",
                            s->name, cols, heads ? head_dim : width);
    }
    return I8_OK;
}

enum i8_status i8i_stage_load(struct i8i_engine *e, struct i8i_stage *s,
                              struct i8_error *err)
{
    enum i8_status status = I8_OK;

    if (s->loaded)
        return I8_OK;
    if (s->kind == I8I_STAGE_EMBED)
        status = load_embeddings(e, s, err);
    if (s->kind == I8I_STAGE_BLOCK && s->block == 0)
        status = load_buckets(e, s->stack, err);
    for (size_t i = 0; i < sizeof(linear_sources) / sizeof(*linear_sources); i++)
        if (status == I8_OK && linear_sources[i].stage == s->kind)
            status = linear_sources[i].slot == I8I_LINEAR_HEAD
                         ? load_head(e, s, i, err)
                         : load_linear(e, s, i, err);
    for (size_t i = 0; i < sizeof(norm_sources) / sizeof(*norm_sources); i++)
        if (status == I8_OK && norm_sources[i].stage == s->kind)
            status = load_norm(e, s, i, err);
    if (status == I8_OK)
        status = check_shapes(e, s, err);
    if (status == I8_OK)
        status = e->b->ops->finish(e->b, err);
    if (status != I8_OK)
        i8i_stage_unload(e, s);
    else
        s->loaded = true;
    return status;
}

size_t i8i_stage_outliers(const struct i8i_engine *e, struct i8i_stage *s)
{
    size_t sum = 0;

    for (int i = 0; i < I8I_LINEAR_SLOTS; i++)
        for (int p = 0; p < I8I_LINEAR_PARTS; p++) {
            struct i8i_matrix *m = s->linear[i].part[p].matrix;
            size_t now = 0;

            if (m && !s->linear[i].part[p].borrowed)
                now =
                    e->b->ops->matrix_outliers(m) * (size_t)s->linear[i].part[p].modules;
            if (now > s->outliers[i][p])
                s->outliers[i][p] = now;
            sum += s->outliers[i][p];
        }
    return sum;
}

void i8i_stage_unload(struct i8i_engine *e, struct i8i_stage *s)
{
    const struct i8i_backend_ops *ops = e->b->ops;

    (void)i8i_stage_outliers(e, s);
    for (int i = 0; i < I8I_LINEAR_SLOTS; i++) {
        struct i8i_linear *l = &s->linear[i];

        for (int p = 0; p < I8I_LINEAR_PARTS; p++)
            if (l->part[p].borrowed)
                drop_embedding(e);
            else
                ops->matrix_free(e->b, l->part[p].matrix);
        memset(l, 0, sizeof(*l));
    }
    for (int i = 0; i < I8I_NORM_SLOTS; i++) {
        ops->mem_free(e->b, s->norm[i].gain);
        ops->mem_free(e->b, s->norm[i].bias);
        memset(&s->norm[i], 0, sizeof(s->norm[i]));
    }
    if (s->embed)
        drop_embedding(e);
    ops->matrix_free(e->b, s->positions);
    s->embed = s->positions = NULL;
    s->loaded = false;
}
