/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tensors become what. The model's table and the reader decide module by module;
 * here that becomes pieces of work and output tensors.
 */
#include "config.h"

#include "convert/convert_plan.h"

#include <stdlib.h>
#include <string.h>

struct policy {
    struct i8i_convert_plan *plan;
    enum i8i_decision *decisions; /* by module */
    bool *seen;                   /* by tensor of the checkpoint */
    struct i8i_output_tensor *tensors;
    size_t count, capacity;
};

static enum i8_status add_tensor(struct policy *s, const struct i8i_output_tensor *t,
                                 struct i8_error *err)
{
    if (!i8i_grow(&s->tensors, &s->capacity, s->count + 1, sizeof *s->tensors))
        return i8i_nomem(err);
    s->tensors[s->count] = *t;
    uint64_t elements;
    struct i8i_output_tensor *added = &s->tensors[s->count++];
    return i8i_tensor_size(&elements, &added->bytes, t->dtype, t->shape, t->rank,
                           "output", t->name, err);
}

/* The input file of a tensor has the index of its checkpoint file. */
static struct i8i_piece *add_tensor_piece(struct policy *s, const struct i8i_tensor *t,
                                          struct i8_error *err)
{
    struct i8i_piece *piece = i8i_plan_add_piece(s->plan, err);
    if (piece == NULL)
        return NULL;
    piece->name = t->name;
    piece->tensor = t;
    piece->input = t->file;
    piece->source_offset = t->offset;
    piece->from = piece->to = t->dtype;
    return piece;
}

/* "model.layers.0.mlp.up_proj" of the tensor's name, with another leaf behind it. */
static char *sibling(struct policy *s, const struct i8i_tensor *t, const char *leaf)
{
    const char *dot = strrchr(t->name, '.');
    size_t stem = dot ? (size_t)(dot - t->name) + 1 : 0;
    char *name = i8i_arena_alloc(&s->plan->arena, stem + strlen(leaf) + 1);
    if (name) {
        memcpy(name, t->name, stem);
        memcpy(name + stem, leaf, strlen(leaf) + 1);
    }
    return name;
}

static enum i8_status convert_weight(struct policy *s, const struct i8i_module *module,
                                     const struct i8i_tensor *t, struct i8_error *err)
{
    struct i8i_convert_plan *p = s->plan;
    bool bnb = p->options->layout == I8_LAYOUT_BNB;
    bool transposed = module->kind == I8I_NODE_CONV1D;
    uint64_t rows = t->shape[transposed ? 1 : 0], cols = t->shape[transposed ? 0 : 1];
    const char *scale = sibling(s, t, bnb ? "SCB" : "weight_scale");
    const char *format = sibling(s, t, "weight_format");
    if (scale == NULL || format == NULL)
        return i8i_nomem(err);

    struct i8i_piece *piece = add_tensor_piece(s, t, err);
    if (piece == NULL)
        return I8_ERR_NOMEM;
    piece->kind = transposed ? I8I_PIECE_QUANTIZE_TRANSPOSED : I8I_PIECE_QUANTIZE;
    piece->units = rows;
    piece->cols = cols;
    piece->unit_in = cols * (i8_dtype_bits(t->dtype) / 8);
    piece->unit_out = cols;
    piece->to = I8_DTYPE_I8;
    piece->check_finite = true;
    p->converted[p->n_converted++] = module->stored_path;

    size_t index = p->n_pieces - 1;
    struct i8i_output_tensor weight = {.name = t->name,
                                       .dtype = I8_DTYPE_I8,
                                       .rank = 2,
                                       .shape = {rows, cols},
                                       .piece = index};
    struct i8i_output_tensor scales = {.name = scale,
                                       .dtype = I8_DTYPE_F32,
                                       .rank = bnb ? 1 : 2,
                                       .shape = {rows, bnb ? 0 : 1},
                                       .piece = index,
                                       .scale = true,
                                       .with_previous = true};
    /* 0, "row", the only format that bitsandbytes still reads: a file's hole says it. */
    struct i8i_output_tensor row_format = {.name = format,
                                           .dtype = I8_DTYPE_U8,
                                           .rank = 0,
                                           .piece = I8I_NO_PIECE,
                                           .with_previous = true};
    enum i8_status st = add_tensor(s, &weight, err);
    if (st == I8_OK)
        st = add_tensor(s, &scales, err);
    if (st == I8_OK && bnb)
        st = add_tensor(s, &row_format, err);
    return st;
}

/* module: index, -1 for what is no parameter of the model and is never cast. */
static enum i8_status keep_tensor(struct policy *s, const struct i8i_tensor *t,
                                  int module, const char *why, struct i8_error *err)
{
    struct i8i_convert_plan *p = s->plan;
    const bool by_element = i8i_dtype_is_quantizable(t->dtype) && module >= 0;
    const enum i8_dtype to =
        by_element
            ? i8i_model_rest_dtype(p->model, module, (enum i8i_reader)p->options->reader,
                                   t->dtype, p->options->rest_dtype)
            : t->dtype;
    struct i8i_piece *piece = add_tensor_piece(s, t, err);
    if (piece == NULL)
        return I8_ERR_NOMEM;
    piece->kind = to == t->dtype ? I8I_PIECE_COPY : I8I_PIECE_CAST;
    piece->to = to;
    piece->units = by_element ? t->elements : t->bytes;
    piece->unit_in = by_element ? i8_dtype_bits(t->dtype) / 8 : 1;
    piece->unit_out = by_element ? i8_dtype_bits(to) / 8 : 1;
    piece->check_finite = by_element;

    if (!i8i_grow(&p->kept, &p->kept_capacity, p->n_kept + 1, sizeof *p->kept))
        return i8i_nomem(err);
    p->kept[p->n_kept++] = (struct i8i_kept_tensor){
        .tensor = t, .to = to, .castable = by_element, .why = why};
    struct i8i_output_tensor out = {
        .name = t->name, .dtype = to, .rank = t->rank, .piece = p->n_pieces - 1};
    memcpy(out.shape, t->shape, sizeof out.shape);
    return add_tensor(s, &out, err);
}

static enum i8_status take_param(struct policy *s, const struct i8i_param *param,
                                 struct i8_error *err)
{
    const struct i8i_model *m = s->plan->model;
    const struct i8i_tensor *t = param->tensor;
    const struct i8i_module *module = &m->modules[param->module];
    enum i8i_decision decision = s->decisions[param->module];
    if (t == NULL || s->seen[t - m->checkpoint->tensors])
        return I8_OK;
    s->seen[t - m->checkpoint->tensors] = true;
    const int castable = param->buffer ? -1 : param->module;
    if (decision != I8I_CONVERT)
        return keep_tensor(s, t, castable, i8i_decision_text(decision), err);
    if (strcmp(param->leaf, "weight") == 0)
        return convert_weight(s, module, t, err);
    return keep_tensor(s, t, castable,
                       param->buffer ? "buffer" : "bias of a converted module", err);
}

static int by_name(const void *a, const void *b)
{
    const struct i8i_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* What the checkpoint holds beyond the model's parameters is copied as it is, but for
 * what every reader skips: stale buffers and stored copies of tied parameters. */
static enum i8_status take_rest(struct policy *s, struct i8_error *err)
{
    const struct i8i_model *m = s->plan->model;
    const struct i8i_checkpoint *c = m->checkpoint;
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < m->n_ignored; i++)
        s->seen[m->ignored[i] - c->tensors] = true;
    const struct i8i_tensor **rest = i8i_calloc(c->n_tensors, sizeof(*rest));
    size_t count = 0;
    if (rest == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < c->n_tensors; i++) {
        if (!s->seen[i] && !c->tensors[i].companion)
            rest[count++] = &c->tensors[i];
    }
    qsort(rest, count, sizeof *rest, by_name);
    for (size_t i = 0; i < count && st == I8_OK; i++)
        st = keep_tensor(s, rest[i], -1, "not a parameter of the model", err);
    free(rest);
    return st;
}

/* compressed-tensors names its targets by class, Linear; other readers than our own would
 * find an int8 matrix, turned, where a Conv1D is. */
enum i8i_decision i8i_convert_decide(const struct i8i_convert_plan *p, int module,
                                     const char *const *skip)
{
    const struct i8_convert_options *o = p->options;
    enum i8i_decision d =
        i8i_model_decide(p->model, module, (enum i8i_reader)o->reader, skip);
    if (d == I8I_CONVERT && o->layout == I8_LAYOUT_COMPRESSED_TENSORS &&
        o->reader != I8_READER_INT8TOOL &&
        p->model->modules[module].kind == I8I_NODE_CONV1D)
        return I8I_KEEP_CONV1D;
    return d;
}

enum i8_status i8i_convert_policy(struct i8i_convert_plan *p,
                                  struct i8i_output_tensor **tensors, size_t *count,
                                  struct i8_error *err)
{
    const struct i8i_model *m = p->model;
    enum i8_status st = I8_OK;
    struct policy s = {.plan = p};
    s.decisions = i8i_calloc((size_t)m->n_modules, sizeof *s.decisions);
    s.seen = i8i_calloc(m->checkpoint->n_tensors, sizeof *s.seen);
    p->converted = i8i_calloc((size_t)m->n_modules, sizeof(*p->converted));
    if (s.decisions == NULL || s.seen == NULL || p->converted == NULL) {
        st = i8i_nomem(err);
        goto out;
    }
    for (int i = 0; i < m->n_modules; i++)
        s.decisions[i] = i8i_convert_decide(p, i, p->options->skip_modules);
    for (int i = 0; i < m->n_params && st == I8_OK; i++)
        st = take_param(&s, &m->params[i], err);
    if (st == I8_OK)
        st = take_rest(&s, err);
    for (size_t i = 0; i < m->checkpoint->n_tensors; i++)
        p->source_bytes += i8i_tensor_stored(&m->checkpoint->tensors[i],
                                             m->checkpoint->tensors[i].bytes);
    *tensors = s.tensors;
    *count = s.count;
    s.tensors = NULL;
out:
    free(s.tensors);
    free(s.decisions);
    free(s.seen);
    return st;
}
