/* SPDX-License-Identifier: Apache-2.0
 *
 * Joining a table's parameters with the checkpoint: the expected shape by config.json
 * against the header's, ties, and the companions of int8 weights.
 */
#include "config.h"

#include "model/expand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The config.json key (of `n` characters) behind a dimension; "" if it is derived. */
static const char *key_of(const struct i8i_family *family, enum i8i_dim dim, int *n)
{
    for (const struct i8i_config_key *k = family->keys; k->keys; k++) {
        if (k->dim == dim) {
            *n = (int)strcspn(k->keys, "|");
            return k->keys;
        }
    }
    *n = 0;
    return "";
}

/* "[vocab_size 320, hidden_size 64]": what config.json asks for, by its own keys. */
static void describe_shape(char *buf, size_t size, const struct i8i_family *family,
                           uint32_t rank, const uint64_t *shape, const enum i8i_dim *dims)
{
    size_t at = (size_t)snprintf(buf, size, "[");
    for (uint32_t i = 0; i < rank; i++) {
        int n;
        const char *key = key_of(family, dims[i], &n);
        at += (size_t)snprintf(buf + at, size - at, "%s%.*s%s%" PRIu64, i ? ", " : "", n,
                               key, n ? " " : "", shape[i]);
    }
    snprintf(buf + at, size - at, "]");
}

/* A name in a table, as it is in this tree: the base class has no prefix. */
static const char *in_tree(const struct i8i_walk *w, const char *name)
{
    size_t n = w->base_class ? strlen(w->family->base_prefix) : 0;
    return n && strncmp(name, w->family->base_prefix, n) == 0 && name[n] == '.'
               ? name + n + 1
               : name;
}

static const struct i8i_tie *tie_of_target(const struct i8i_walk *w, const char *name)
{
    for (const struct i8i_tie *t = w->family->ties; t && t->target; t++) {
        if (strcmp(in_tree(w, t->target), name) == 0 &&
            i8i_holds(t->when, &w->m->hp, -1, w->m->hp.tied))
            return t;
    }
    return NULL;
}

/* The storage of a parameter that others are tied to may stand under their names. */
static enum i8_status find_under_target(struct i8i_walk *w, const char *source,
                                        const struct i8i_tensor **tensor)
{
    for (const struct i8i_tie *t = w->family->ties; t && t->target && !*tensor; t++) {
        if (strcmp(in_tree(w, t->source), source) == 0 &&
            i8i_holds(t->when, &w->m->hp, -1, w->m->hp.tied))
            *tensor = i8i_checkpoint_find(w->m->checkpoint, t->target);
    }
    return I8_OK;
}

static enum i8_status missing(struct i8i_walk *w, const struct i8i_param *p,
                              const struct i8i_module *mod)
{
    const struct i8i_hparams *hp = &w->m->hp;
    const char *dot = *mod->stored_path ? "." : "";
    if (mod->block >= 0) {
        bool encoder = mod->stack && hp->dim[I8I_DIM_ENC_LAYERS];
        enum i8i_dim dim = encoder ? I8I_DIM_ENC_LAYERS : I8I_DIM_LAYERS;
        int n;
        const char *key = key_of(w->family, dim, &n);
        return i8i_fail(w->err, I8_ERR_DATA,
                        "config.json says %.*s %lld, but the checkpoint lacks tensor "
                        "'%s%s%s'",
                        n, key, (long long)hp->dim[dim], mod->stored_path, dot, p->leaf);
    }
    return i8i_fail(
        w->err, I8_ERR_DATA,
        "config.json describes %s, but the checkpoint lacks its tensor '%s%s%s'",
        w->m->architecture, mod->stored_path, dot, p->leaf);
}

/* Of what has no tensor of its own. */
static enum i8_status keep_shape(struct i8i_walk *w, struct i8i_param *p,
                                 const uint64_t *shape)
{
    uint64_t *own = i8i_arena_alloc(&w->m->arena, p->rank * sizeof *own);
    if (!own)
        return i8i_nomem(w->err);
    memcpy(own, shape, p->rank * sizeof *own);
    p->shape = own;
    return I8_OK;
}

/* Gives the parameter its tensor, which must have the shape that is expected. */
static enum i8_status join(struct i8i_walk *w, struct i8i_place at, struct i8i_param *p,
                           const struct i8i_tensor *tensor, uint64_t *shape,
                           const enum i8i_dim *dims)
{
    const struct i8i_module *mod = &w->m->modules[at.module];
    const uint32_t rank = p->rank;
    /* A converted Conv1D is stored the way of a Linear. */
    enum i8i_dim turned[] = {dims[1], dims[0], I8I_DIM_NONE};
    if (mod->kind == I8I_NODE_CONV1D && tensor->dtype == I8_DTYPE_I8 && rank == 2) {
        uint64_t rows = shape[1];
        shape[1] = shape[0];
        shape[0] = rows;
        dims = turned;
    }
    if (tensor->rank != rank || memcmp(tensor->shape, shape, rank * sizeof *shape) != 0) {
        char found[I8I_SHAPE_TEXT], wanted[I8I_SHAPE_TEXT * 2];
        describe_shape(wanted, sizeof wanted, w->family, rank, shape, dims);
        return i8i_fail(w->err, I8_ERR_DATA, "tensor '%s' is %s, but config.json says %s",
                        tensor->name, i8i_shape_text(found, tensor->rank, tensor->shape),
                        wanted);
    }
    i8i_build_attach(w->b, p, tensor);
    bool linear = mod->kind == I8I_NODE_LINEAR || mod->kind == I8I_NODE_CONV1D ||
                  mod->kind == I8I_NODE_LINEAR_SUBCLASS;
    if (linear && rank == 2 && tensor->dtype == I8_DTYPE_I8)
        return i8i_build_int8(w->b, at.module, tensor, w->options, w->err);
    return I8_OK;
}

/* One parameter or buffer with its expected dimensions, `dims` ending with NONE. */
static enum i8_status add_param(struct i8i_walk *w, struct i8i_place at, const char *leaf,
                                const struct i8i_param *like, const enum i8i_dim *dims)
{
    struct i8i_param p = *like;
    uint64_t shape[I8I_MAX_RANK];
    p.leaf = leaf;
    p.tied_to = -1;
    p.elements = 1;
    for (p.rank = 0; dims[p.rank] != I8I_DIM_NONE; p.rank++) {
        int64_t n = w->m->hp.dim[dims[p.rank]];
        shape[p.rank] = (uint64_t)n;
        if (!i8i_mul_u64(&p.elements, p.elements, (uint64_t)n))
            return i8i_fail(w->err, I8_ERR_DATA, "config.json: '%s.%s' is too large",
                            w->m->modules[at.module].path, leaf);
    }
    const struct i8i_module *mod = &w->m->modules[at.module];
    const struct i8i_tensor *tensor;
    enum i8_status st = i8i_build_find(w->b, &tensor, at.module, leaf, w->err);
    if (st)
        return st;
    if (tensor && mod->stored_path == mod->path)
        p.name = tensor->name;
    int index;
    if ((st = i8i_build_param(w->b, &index, &p, w->err)))
        return st;
    struct i8i_param *param = &w->m->params[index];
    if (!p.buffer && tie_of_target(w, param->name)) {
        param->tied_to = -2; /* found by i8i_expand_ties once the source exists */
        if (tensor)
            i8i_build_use(w->b, tensor, true);
        return keep_shape(w, param, shape);
    }
    /* The first checkpoints of BERT's time call a norm's parameters so. */
    if (!tensor && mod->kind == I8I_NODE_NORM &&
        (st = i8i_build_find(w->b, &tensor, at.module,
                             strcmp(leaf, "weight") == 0 ? "gamma" : "beta", w->err)))
        return st;
    if (p.buffer && !tensor) /* persistent ones may be absent, too: zeros, then */
        return keep_shape(w, param, shape);
    if (p.buffer && !p.persistent) { /* computed by readers, whatever is stored */
        i8i_build_use(w->b, tensor, true);
        return keep_shape(w, param, shape);
    }
    if (!tensor && (st = find_under_target(w, param->name, &tensor)))
        return st;
    return tensor ? join(w, at, param, tensor, shape, dims) : missing(w, param, mod);
}

enum i8_status i8i_expand_weights(struct i8i_walk *w, const struct i8i_node *row,
                                  struct i8i_place at)
{
    enum i8i_dim weight[5] = {I8I_DIM_NONE}, bias[2] = {I8I_DIM_NONE};
    const struct i8i_param like = {.persistent = true, .dtype = w->m->config_dtype};
    switch (row->kind) {
    case I8I_NODE_LINEAR:
    case I8I_NODE_LINEAR_SUBCLASS:
    case I8I_NODE_EMBEDDING:
    case I8I_NODE_CONV:
        weight[0] = row->rows;
        weight[1] = row->cols;
        weight[2] = row->extra[0];
        weight[3] = row->extra[1];
        bias[0] = row->rows;
        break;
    case I8I_NODE_CONV1D: /* stored the other way round */
        weight[0] = row->cols;
        weight[1] = row->rows;
        bias[0] = row->rows;
        break;
    case I8I_NODE_NORM:
        weight[0] = bias[0] = row->rows;
        weight[1] = row->cols; /* Cohere's, one row a head */
        break;
    default:
        return I8_OK;
    }
    enum i8_status st = add_param(w, at, "weight", &like, weight);
    if (!st && i8i_holds(row->bias, &w->m->hp, at.block, false))
        st = add_param(w, at, "bias", &like, bias);
    return st;
}

enum i8_status i8i_expand_param(struct i8i_walk *w, const struct i8i_node *row,
                                struct i8i_place at)
{
    const enum i8i_dim dims[] = {row->rows, row->cols, row->extra[0], row->extra[1],
                                 I8I_DIM_NONE};
    struct i8i_param like = {
        .role = row->role,
        .buffer = row->kind == I8I_NODE_BUFFER,
        .persistent = row->kind == I8I_NODE_PARAM || row->persistent,
        .dtype = row->dtype,
    };
    if (like.dtype == I8_DTYPE_INVALID)
        like.dtype = like.buffer ? I8_DTYPE_F32 : w->m->config_dtype;
    return add_param(w, at, row->name, &like, dims);
}

static int find_param(const struct i8i_model *m, const char *name)
{
    for (int i = 0; i < m->n_params; i++) {
        if (strcmp(m->params[i].name, name) == 0)
            return i;
    }
    return -1;
}

enum i8_status i8i_expand_ties(struct i8i_walk *w)
{
    for (const struct i8i_tie *t = w->family->ties; t && t->target; t++) {
        int target = find_param(w->m, in_tree(w, t->target));
        int source = find_param(w->m, in_tree(w, t->source));
        if (target < 0 || w->m->params[target].tied_to != -2)
            continue;
        struct i8i_param *p = &w->m->params[target];
        if (source < 0)
            return i8i_fail(w->err, I8_ERR_DATA, "'%s' is tied to '%s', which is absent",
                            t->target, t->source);
        const struct i8i_param *s = &w->m->params[source];
        if (p->rank != s->rank ||
            memcmp(p->shape, s->shape, p->rank * sizeof *p->shape) != 0) {
            char a[I8I_SHAPE_TEXT], b[I8I_SHAPE_TEXT];
            return i8i_fail(w->err, I8_ERR_DATA, "'%s' is %s, but tied to '%s' of %s",
                            t->target, i8i_shape_text(a, p->rank, p->shape), t->source,
                            i8i_shape_text(b, s->rank, s->shape));
        }
        p->tied_to = source;
        p->dtype = s->dtype;
    }
    return I8_OK;
}
