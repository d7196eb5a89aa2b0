/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass, stage by stage. What a family does differently is a switch of
 * struct i8i_arch or a slot that is empty; there are no family names here.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/engine_state.h"

#include <math.h>
#include <stdlib.h>

/* ---- views and small steps ---- */

static struct i8i_view view(struct i8i_mem *mem, size_t stride)
{
    return (struct i8i_view){.mem = mem, .stride = stride};
}

static struct i8i_view columns(struct i8i_view v, size_t first)
{
    v.offset += first;
    return v;
}

static struct i8i_view rows_from(struct i8i_view v, size_t first)
{
    v.offset += first * v.stride;
    return v;
}

static struct i8i_view work(struct i8i_engine *e, enum i8i_work which, size_t stride)
{
    return view(e->work[which].mem, stride);
}

static void linear(struct i8i_engine *e, struct i8i_view out, struct i8i_view x, size_t n,
                   const struct i8i_linear *l)
{
    for (int i = 0; i < l->n_parts; i++)
        e->b->ops->linear(e->b, columns(out, l->part[i].first_row), x, n,
                          l->part[i].matrix, e->threshold);
}

/* out = norm(x) if the slot is filled; returns where the result is: out or x. */
static struct i8i_view norm(struct i8i_engine *e, struct i8i_view out, struct i8i_view x,
                            size_t n, const struct i8i_norm *w)
{
    if (!w->present)
        return x;
    e->b->ops->norm(e->b, out, x, n, 1, w->cols, &w->spec);
    return out;
}

/* ---- attention ---- */

/* Queries and keys are normed either head by head or as wholes: the gain's length says.
 */
static void norm_heads(struct i8i_engine *e, struct i8i_view x, size_t n, size_t width,
                       const struct i8i_norm *w)
{
    if (w->present)
        e->b->ops->norm(e->b, x, x, n, width / w->cols, w->cols, &w->spec);
}

static void rotate(struct i8i_run *r, struct i8i_view x, size_t heads)
{
    struct i8i_engine *e = r->e;
    enum i8i_position_kind kind = e->hp->arch.position;
    struct i8i_rotary_spec spec = {
        .heads = heads,
        .head_dim = i8i_dim(e, I8I_DIM_HEAD_DIM),
        .rotated = i8i_or(i8i_dim(e, I8I_DIM_ROTARY), i8i_dim(e, I8I_DIM_HEAD_DIM)),
        .pairs = kind == I8I_POS_ROTARY_PAIRS,
        .table = e->rotary.mem,
        .position = r->past,
    };

    if (kind == I8I_POS_ROTARY || kind == I8I_POS_ROTARY_PAIRS)
        e->b->ops->rotary(e->b, x, r->n_new, &spec);
}

static struct i8i_attention_spec attention_shape(const struct i8i_engine *e,
                                                 const struct i8i_stage *s)
{
    const struct i8i_arch *arch = &e->hp->arch;
    struct i8i_attention_spec spec = {
        .heads = i8i_heads(e, s->stack),
        .kv_heads = i8i_kv_heads(e, s->stack),
        .head_dim = i8i_dim(e, I8I_DIM_HEAD_DIM),
        .v_head_dim = i8i_v_head_dim(e),
        .softcap = (float)arch->attention_softcap,
    };
    double scale = arch->attention_scale;

    if (!(scale > 0.0))
        scale = 1.0 / sqrt((double)spec.head_dim);
    if (arch->attention_scale_by_block)
        scale /= s->block + 1;
    spec.scale = (float)scale;
    return spec;
}

static void self_attention(struct i8i_run *r, const struct i8i_stage *s,
                           struct i8i_view out, struct i8i_view x, size_t n)
{
    struct i8i_engine *e = r->e;
    const struct i8i_backend_ops *ops = e->b->ops;
    struct i8i_attention_spec spec = attention_shape(e, s);
    size_t q_width = spec.heads * spec.head_dim, k_width = spec.kv_heads * spec.head_dim;
    size_t v_width = spec.kv_heads * spec.v_head_dim;
    struct i8i_view qkv = work(e, I8I_WORK_QKV, s->linear[I8I_LINEAR_QKV].rows);

    linear(e, qkv, x, n, &s->linear[I8I_LINEAR_QKV]);
    spec.q = qkv;
    spec.k = columns(qkv, q_width);
    spec.v = columns(qkv, q_width + k_width);
    norm_heads(e, spec.q, n, q_width, &s->norm[I8I_NORM_Q]);
    norm_heads(e, spec.k, n, k_width, &s->norm[I8I_NORM_K]);
    spec.q_rows = spec.kv_rows = n;
    if (s->stack == 0) {
        rotate(r, spec.q, spec.heads);
        rotate(r, spec.k, spec.kv_heads);
        spec.causal = e->hp->arch.causal;
        spec.window = (size_t)i8i_block_window(e->hp, s->block);
        spec.q_start = r->past;
        spec.kv_rows = r->past + n;
        if (r->cache) {
            struct i8i_mem **cached = r->cached + 3 * (size_t)s->block;
            struct i8i_view keys = view(cached[0], k_width);
            struct i8i_view values = view(cached[1], v_width);

            ops->copy(e->b, rows_from(keys, r->past), spec.k, n, k_width);
            ops->copy(e->b, rows_from(values, r->past), spec.v, n, v_width);
            spec.k = keys;
            spec.v = values;
        }
    }
    spec.bias = r->bias[s->stack];
    spec.bias_width = r->bias_width[s->stack];
    spec.bias_zero = r->bias_zero[s->stack];
    spec.out = work(e, I8I_WORK_HEADS, spec.heads * spec.v_head_dim);
    ops->attention(e->b, &spec);
    linear(e, out, spec.out, n, &s->linear[I8I_LINEAR_O]);
}

static void cross_attention(struct i8i_run *r, const struct i8i_stage *s,
                            struct i8i_view out, struct i8i_view x, size_t n)
{
    struct i8i_engine *e = r->e;
    struct i8i_attention_spec spec = attention_shape(e, s);
    const struct i8i_linear *kv = &s->linear[I8I_LINEAR_CROSS_KV];

    spec.q = work(e, I8I_WORK_QKV, s->linear[I8I_LINEAR_CROSS_Q].rows);
    linear(e, spec.q, x, n, &s->linear[I8I_LINEAR_CROSS_Q]);
    spec.k =
        view(r->cache ? r->cached[3 * (size_t)s->block + 2] : e->work[I8I_WORK_CROSS].mem,
             kv->rows);
    spec.v = columns(spec.k, spec.kv_heads * spec.head_dim);
    if (r->past == 0)
        linear(e, spec.k, view(r->encoder_out.mem, kv->cols), r->n_encoder_ids, kv);
    spec.q_rows = n;
    spec.kv_rows = r->n_encoder_ids;
    spec.out = work(e, I8I_WORK_HEADS, spec.heads * spec.v_head_dim);
    e->b->ops->attention(e->b, &spec);
    linear(e, out, spec.out, n, &s->linear[I8I_LINEAR_CROSS_O]);
}

/* ---- blocks ---- */

static void mlp(struct i8i_engine *e, const struct i8i_stage *s, struct i8i_view out,
                struct i8i_view x, size_t n)
{
    const struct i8i_arch *arch = &e->hp->arch;
    size_t width = s->linear[I8I_LINEAR_UP].rows;
    struct i8i_view inner = work(e, I8I_WORK_FFN, width);

    linear(e, inner, x, n, &s->linear[I8I_LINEAR_UP]);
    if (arch->gated)
        e->b->ops->gate(e->b, inner, inner, n, width / 2, arch->activation);
    else
        e->b->ops->activate(e->b, inner, inner, n, width, arch->activation);
    linear(e, out, inner, n, &s->linear[I8I_LINEAR_DOWN]);
}

/* Norms stand ahead of a sublayer, or behind its sum with the residual. */
static struct i8i_view norm_ahead(struct i8i_engine *e, const struct i8i_stage *s,
                                  enum i8i_norm_slot slot, struct i8i_view x, size_t n)
{
    if (e->hp->arch.norm_place == I8I_NORM_POST)
        return x;
    return norm(e, work(e, I8I_WORK_NORMED, x.stride), x, n, &s->norm[slot]);
}

static void norm_behind(struct i8i_engine *e, const struct i8i_stage *s,
                        enum i8i_norm_slot slot, struct i8i_view x, size_t n)
{
    if (e->hp->arch.norm_place == I8I_NORM_POST)
        norm(e, x, x, n, &s->norm[slot]);
}

static void block(struct i8i_run *r, const struct i8i_stage *s, struct i8i_view x,
                  size_t n)
{
    struct i8i_engine *e = r->e;
    const struct i8i_backend_ops *ops = e->b->ops;
    const struct i8i_arch *arch = &e->hp->arch;
    size_t width = x.stride;
    struct i8i_view sub = work(e, I8I_WORK_SUB, width), in;

    in = norm_ahead(e, s, I8I_NORM_ATTN, x, n);
    self_attention(r, s, sub, in, n);
    norm(e, sub, sub, n, &s->norm[I8I_NORM_ATTN_POST]);
    if (arch->parallel) { /* both read the block's input */
        struct i8i_view sub2 = work(e, I8I_WORK_SUB2, width);

        if (s->norm[I8I_NORM_MLP].present)
            in = norm_ahead(e, s, I8I_NORM_MLP, x, n);
        mlp(e, s, sub2, in, n);
        norm(e, sub2, sub2, n, &s->norm[I8I_NORM_MLP_POST]);
        ops->add(e->b, sub, sub, sub2, n, width);
        ops->add(e->b, x, x, sub, n, width);
        return;
    }
    ops->add(e->b, x, arch->residual_post_norm ? in : x, sub, n, width);
    norm_behind(e, s, I8I_NORM_ATTN, x, n);
    if (s->linear[I8I_LINEAR_CROSS_Q].rows) {
        in = norm_ahead(e, s, I8I_NORM_CROSS, x, n);
        cross_attention(r, s, sub, in, n);
        ops->add(e->b, x, x, sub, n, width);
        norm_behind(e, s, I8I_NORM_CROSS, x, n);
    }
    in = norm_ahead(e, s, I8I_NORM_MLP, x, n);
    mlp(e, s, sub, in, n);
    norm(e, sub, sub, n, &s->norm[I8I_NORM_MLP_POST]);
    ops->add(e->b, x, arch->residual_post_norm ? in : x, sub, n, width);
    norm_behind(e, s, I8I_NORM_MLP, x, n);
}

/* ---- both ends ---- */

static enum i8_status add_positions(struct i8i_run *r, const struct i8i_stage *s,
                                    struct i8i_view x, size_t n, struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    struct i8i_view sub = work(e, I8I_WORK_SUB, x.stride);
    int32_t *rows = i8i_calloc(n, sizeof(*rows));

    if (!rows)
        return i8i_nomem(err);
    for (size_t i = 0; i < n; i++)
        rows[i] = (int32_t)(r->past + i) + e->hp->arch.position_offset;
    e->b->ops->embed(e->b, sub, s->positions, rows, n, 1.0f);
    e->b->ops->add(e->b, x, x, sub, n, x.stride);
    free(rows);
    return I8_OK;
}

static enum i8_status embed(struct i8i_run *r, const struct i8i_stage *s,
                            struct i8i_view x, const int32_t *ids, size_t n,
                            struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    const struct i8i_arch *arch = &e->hp->arch;
    const struct i8i_linear *in = &s->linear[I8I_LINEAR_IN];
    struct i8i_view narrow = in->rows ? work(e, I8I_WORK_SUB, in->cols) : x;
    enum i8_status status = I8_OK;

    e->b->ops->embed(e->b, narrow, s->embed, ids, n,
                     arch->embed_scale > 0.0 ? (float)arch->embed_scale : 1.0f);
    linear(e, x, narrow, n, in);
    if (s->positions)
        status = add_positions(r, s, x, n, err);
    norm(e, x, x, n, &s->norm[I8I_NORM_EMBED]);
    return status;
}

/* The final norm, the way out of the residual width, and the logits. What the logits
 * are made of stays behind as the run's hidden states. */
static void head(struct i8i_run *r, const struct i8i_stage *s, struct i8i_view x,
                 size_t n)
{
    struct i8i_engine *e = r->e;
    const struct i8i_backend_ops *ops = e->b->ops;
    const struct i8i_arch *arch = &e->hp->arch;
    const struct i8i_linear *out = &s->linear[I8I_LINEAR_OUT];
    size_t vocab = s->linear[I8I_LINEAR_HEAD].rows;
    struct i8i_view logits = view(r->logits.mem, vocab), in;

    if (r->last_logits_only && n > 1) {
        ops->copy(e->b, x, rows_from(x, n - 1), 1, x.stride);
        n = 1;
    }
    norm(e, x, x, n, &s->norm[I8I_NORM_FINAL]);
    if (out->rows) {
        struct i8i_view narrow = work(e, I8I_WORK_SUB, out->rows);

        linear(e, narrow, x, n, out);
        x.stride = out->rows;
        ops->copy(e->b, x, narrow, n, out->rows);
    }
    in = x;
    if (arch->head_scale > 0.0) {
        in = work(e, I8I_WORK_NORMED, x.stride);
        ops->copy(e->b, in, x, n, x.stride);
        ops->scale(e->b, in, n, x.stride, (float)arch->head_scale);
    }
    linear(e, logits, in, n, &s->linear[I8I_LINEAR_HEAD]);
    if (arch->logit_scale > 0.0)
        ops->scale(e->b, logits, n, vocab, (float)arch->logit_scale);
    if (arch->logit_softcap > 0.0)
        ops->softcap(e->b, logits, n, vocab, (float)arch->logit_softcap);
    r->hidden_rows = r->logits_rows = n;
    r->hidden_cols = x.stride;
}

/* ---- a stage ---- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Work buffers for n rows of stage s. */
static enum i8_status reserve(struct i8i_run *r, const struct i8i_stage *s, size_t n,
                              struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    const struct i8i_linear *l = s->linear;
    size_t width = i8i_dim(e, I8I_DIM_HIDDEN);
    size_t wide = larger(width, larger(l[I8I_LINEAR_IN].cols, l[I8I_LINEAR_OUT].rows));
    size_t rows[I8I_WORK_COUNT] = {
        [I8I_WORK_NORMED] = wide,
        [I8I_WORK_SUB] = wide,
        [I8I_WORK_SUB2] = e->hp->arch.parallel ? width : 0,
        [I8I_WORK_QKV] = larger(l[I8I_LINEAR_QKV].rows, l[I8I_LINEAR_CROSS_Q].rows),
        [I8I_WORK_HEADS] = larger(l[I8I_LINEAR_O].cols, l[I8I_LINEAR_CROSS_O].cols),
        [I8I_WORK_FFN] = l[I8I_LINEAR_UP].rows,
        [I8I_WORK_CROSS] = r->cache ? 0 : l[I8I_LINEAR_CROSS_KV].rows,
    };

    for (int w = 0; w < I8I_WORK_COUNT; w++) {
        uint64_t count;
        enum i8_status status;

        if (!i8i_mul_u64(&count, rows[w], w == I8I_WORK_CROSS ? r->n_encoder_ids : n))
            return i8i_nomem(err);
        status = i8i_buffer_mem_reserve(e, &e->work[w], count, err);
        if (status != I8_OK)
            return status;
    }
    if (s->kind ==
        I8I_STAGE_HEAD) { /* not before: many runs may be waiting to get here */
        uint64_t logits;

        if (!i8i_mul_u64(&logits, r->last_logits_only ? 1 : n, l[I8I_LINEAR_HEAD].rows))
            return i8i_nomem(err);
        return i8i_buffer_mem_reserve(e, &r->logits, logits, err);
    }
    return I8_OK;
}

enum i8_status i8i_forward(struct i8i_run *r, struct i8i_stage *s, struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    size_t n = s->stack == 1 ? r->n_encoder_ids : r->n_new;
    size_t width = i8i_dim(e, I8I_DIM_HIDDEN);
    struct i8i_view x = view(r->hidden.mem, width);
    enum i8_status status = reserve(r, s, n, err), finished;

    if (status == I8_OK && s->kind == I8I_STAGE_BLOCK)
        status = i8i_bias_reserve(r, s->stack, err);
    if (status != I8_OK)
        return status;
    r->hidden_rows = n;
    r->hidden_cols = width;
    switch (s->kind) {
    case I8I_STAGE_EMBED:
        status =
            embed(r, s, x, s->stack == 1 ? r->encoder_ids : r->ids + r->past, n, err);
        break;
    case I8I_STAGE_BLOCK:
        block(r, s, x, n);
        break;
    case I8I_STAGE_NORM:
        norm(e, x, x, n, &s->norm[I8I_NORM_FINAL]);
        e->b->ops->copy(e->b, view(r->encoder_out.mem, width), x, n, width);
        r->encoder_done = true;
        break;
    case I8I_STAGE_HEAD:
        head(r, s, x, n);
        break;
    }
    finished = e->b->ops->finish(e->b, err);
    return status != I8_OK ? status : finished;
}
