/* SPDX-License-Identifier: Apache-2.0
 *
 * A family's node table, unrolled over the blocks and joined with the checkpoint. Each
 * parameter is looked up as it is made, so the first thing that config.json promises
 * and the checkpoint lacks ends the walk: a config that claims 10^9 blocks costs no
 * more memory than the tensors that are there.
 */
#include "config.h"

#include "model/build.h"
#include "model/hparams.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct i8i_builder *b;
    struct i8i_model *m;
    const struct i8i_family *family;
    const struct i8i_model_options *options;
    bool *aliased;   /* one a table row: the checkpoint uses the alias */
    bool base_class; /* the prefix's children stand at the root */
    struct i8_error *err;
};

/* Where in the tree the walk is. */
struct place {
    int module;
    int stack;
    int block; /* -1 outside */
};

static enum i8_status walk_children(struct walk *w, const struct i8i_node *rows,
                                    int depth, struct place at);

static bool holds(i8i_predicate p, const struct i8i_hparams *hp, int block, bool fallback)
{
    return p ? p(hp, block < 0 ? 0 : block) : fallback;
}

/* ---- how the checkpoint spells things ---- */

/* Whether "part." begins a component of `name`, as the start of a dotted run. */
static bool has_part(const char *name, const char *part)
{
    size_t n = strlen(part);
    for (const char *p = name; (p = strstr(p, part)); p++) {
        if ((p == name || p[-1] == '.') && p[n] == '.')
            return true;
    }
    return false;
}

static bool any_has_part(const struct i8i_checkpoint *c, const char *part)
{
    for (size_t i = 0; i < c->n_tensors; i++) {
        if (has_part(c->tensors[i].name, part))
            return true;
    }
    return false;
}

static enum i8_status choose_aliases(struct walk *w)
{
    size_t n = 0;
    while (w->family->nodes[n].depth >= 0)
        n++;
    w->aliased = i8i_calloc(n, sizeof *w->aliased);
    if (!w->aliased)
        return i8i_nomem(w->err);
    for (size_t i = 0; i < n; i++) {
        const struct i8i_node *row = &w->family->nodes[i];
        if (row->alias)
            w->aliased[i] =
                !any_has_part(w->m->checkpoint, row->name) &&
                (*row->alias == '\0' || any_has_part(w->m->checkpoint, row->alias));
    }
    return I8_OK;
}

static bool has_prefix(const struct i8i_checkpoint *c, const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t i = 0; i < c->n_tensors; i++) {
        const char *name = c->tensors[i].name;
        if (strncmp(name, prefix, n) == 0 && name[n] == '.')
            return true;
    }
    return false;
}

/* ---- parameters ---- */

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
static const char *in_tree(const struct walk *w, const char *name)
{
    size_t n = w->base_class ? strlen(w->family->base_prefix) : 0;
    return n && strncmp(name, w->family->base_prefix, n) == 0 && name[n] == '.'
               ? name + n + 1
               : name;
}

static const struct i8i_tie *tie_of_target(const struct walk *w, const char *name)
{
    for (const struct i8i_tie *t = w->family->ties; t && t->target; t++) {
        if (strcmp(in_tree(w, t->target), name) == 0 &&
            holds(t->when, &w->m->hp, -1, w->m->hp.tied))
            return t;
    }
    return NULL;
}

/* The storage of a parameter that others are tied to may stand under their names. */
static enum i8_status find_under_target(struct walk *w, const char *source,
                                        const struct i8i_tensor **tensor)
{
    for (const struct i8i_tie *t = w->family->ties; t && t->target && !*tensor; t++) {
        if (strcmp(in_tree(w, t->source), source) == 0 &&
            holds(t->when, &w->m->hp, -1, w->m->hp.tied))
            *tensor = i8i_checkpoint_find(w->m->checkpoint, t->target);
    }
    return I8_OK;
}

static enum i8_status missing(struct walk *w, const struct i8i_param *p,
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

/* One parameter or buffer with its expected dimensions, `dims` ending with NONE. */
static enum i8_status add_param(struct walk *w, struct place at, const char *leaf,
                                const struct i8i_param *like, const enum i8i_dim *dims)
{
    struct i8i_param p = *like;
    p.leaf = leaf;
    p.tied_to = -1;
    p.elements = 1;
    for (p.rank = 0; dims[p.rank] != I8I_DIM_NONE; p.rank++) {
        int64_t n = w->m->hp.dim[dims[p.rank]];
        p.shape[p.rank] = (uint64_t)n;
        if (!i8i_mul_u64(&p.elements, p.elements, (uint64_t)n))
            return i8i_fail(w->err, I8_ERR_DATA, "config.json: '%s.%s' is too large",
                            w->m->modules[at.module].path, leaf);
    }
    int index;
    enum i8_status st = i8i_build_param(w->b, &index, &p, w->err);
    if (st)
        return st;
    struct i8i_param *param = &w->m->params[index];
    const struct i8i_module *mod = &w->m->modules[at.module];

    const struct i8i_tensor *tensor;
    if ((st = i8i_build_find(w->b, &tensor, at.module, leaf, w->err)))
        return st;
    if (!p.buffer && tie_of_target(w, param->name)) {
        param->tied_to = -2; /* found by resolve_ties once the source exists */
        if (tensor)
            i8i_build_use(w->b, tensor, true);
        return I8_OK;
    }
    /* The first checkpoints of BERT's time call a norm's parameters so. */
    if (!tensor && mod->kind == I8I_NODE_NORM &&
        (st = i8i_build_find(w->b, &tensor, at.module,
                             strcmp(leaf, "weight") == 0 ? "gamma" : "beta", w->err)))
        return st;
    if (p.buffer && !tensor) /* persistent ones may be absent, too: zeros, then */
        return I8_OK;
    if (p.buffer && !p.persistent) { /* computed by readers, whatever is stored */
        i8i_build_use(w->b, tensor, true);
        return I8_OK;
    }
    if (!tensor && (st = find_under_target(w, param->name, &tensor)))
        return st;
    if (!tensor)
        return missing(w, param, mod);

    /* A converted Conv1D is stored the way of a Linear. */
    enum i8i_dim turned[] = {dims[1], dims[0], I8I_DIM_NONE};
    if (mod->kind == I8I_NODE_CONV1D && tensor->dtype == I8_DTYPE_I8 && p.rank == 2) {
        uint64_t rows = p.shape[1];
        p.shape[1] = p.shape[0];
        p.shape[0] = rows;
        dims = turned;
    }
    if (tensor->rank != p.rank ||
        memcmp(tensor->shape, p.shape, p.rank * sizeof *p.shape) != 0) {
        char found[I8I_SHAPE_TEXT], wanted[I8I_SHAPE_TEXT * 2];
        describe_shape(wanted, sizeof wanted, w->family, p.rank, p.shape, dims);
        return i8i_fail(w->err, I8_ERR_DATA, "tensor '%s' is %s, but config.json says %s",
                        tensor->name, i8i_shape_text(found, tensor->rank, tensor->shape),
                        wanted);
    }
    i8i_build_attach(w->b, param, tensor);
    bool linear = mod->kind == I8I_NODE_LINEAR || mod->kind == I8I_NODE_CONV1D ||
                  mod->kind == I8I_NODE_LINEAR_SUBCLASS;
    if (linear && tensor->dtype == I8_DTYPE_I8)
        return i8i_build_int8(w->b, at.module, tensor, w->options, w->err);
    return I8_OK;
}

static enum i8_status add_weights(struct walk *w, const struct i8i_node *row,
                                  struct place at)
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
    if (!st && holds(row->bias, &w->m->hp, at.block, false))
        st = add_param(w, at, "bias", &like, bias);
    return st;
}

/* ---- modules ---- */

static enum i8_status walk_module(struct walk *w, const struct i8i_node *row,
                                  const char *name, struct place parent, int block)
{
    const struct i8i_hparams *hp = &w->m->hp;
    bool is_block = row->role == I8I_ROLE_BLOCK;
    struct i8i_module mod = {
        .name = name,
        .class_name = row->class_name,
        .kind = row->kind,
        .role = row->role,
        .parent = parent.module,
        .stack = row->stack ? row->stack : parent.stack,
        .block = is_block ? block : parent.block,
    };
    for (const char *const *c = w->family->no_split; c && *c; c++)
        mod.no_split |= strcmp(*c, row->class_name) == 0;
    if (row->kind != I8I_NODE_MODULE) {
        mod.rows = (uint64_t)hp->dim[row->rows];
        mod.cols = (uint64_t)hp->dim[row->cols];
    }
    const char *stored = NULL;
    if (w->aliased[row - w->family->nodes])
        stored = row->alias;
    else if (row->depth == 0 && w->m->prefix_added &&
             strcmp(row->name, w->family->base_prefix) == 0)
        stored = "";
    struct place at = {.stack = mod.stack, .block = mod.block};
    enum i8_status st = i8i_build_module(w->b, &at.module, &mod, stored, w->err);
    if (!st)
        st = add_weights(w, row, at);
    return st ? st : walk_children(w, row + 1, row->depth + 1, at);
}

/* The bare parameters and buffers of a module stand ahead of its children. */
static enum i8_status walk_own_params(struct walk *w, const struct i8i_node *rows,
                                      int depth, struct place at)
{
    for (const struct i8i_node *row = rows; row->depth >= depth; row++) {
        if (row->depth != depth ||
            (row->kind != I8I_NODE_PARAM && row->kind != I8I_NODE_BUFFER) ||
            !holds(row->when, &w->m->hp, at.block, true))
            continue;
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
        enum i8_status st = add_param(w, at, row->name, &like, dims);
        if (st)
            return st;
    }
    return I8_OK;
}

static enum i8_status walk_numbered(struct walk *w, const struct i8i_node *row,
                                    struct place at)
{
    for (int64_t i = 0; i < w->m->hp.dim[row->count]; i++) {
        char number[24];
        int block = row->role == I8I_ROLE_BLOCK ? (int)i : at.block;
        if (!holds(row->when, &w->m->hp, block, true))
            continue;
        snprintf(number, sizeof number, "%lld", (long long)i);
        char *name = i8i_arena_strdup(&w->m->arena, number);
        if (!name)
            return i8i_nomem(w->err);
        enum i8_status st = walk_module(w, row, name, at, block);
        if (st)
            return st;
    }
    return I8_OK;
}

static enum i8_status walk_children(struct walk *w, const struct i8i_node *rows,
                                    int depth, struct place at)
{
    enum i8_status st = walk_own_params(w, rows, depth, at);
    for (const struct i8i_node *row = rows; !st && row->depth >= depth; row++) {
        if (row->depth != depth || row->kind == I8I_NODE_PARAM ||
            row->kind == I8I_NODE_BUFFER)
            continue;
        if (row->name[0] == '#')
            st = walk_numbered(w, row, at);
        else if (holds(row->when, &w->m->hp, at.block, true))
            st = walk_module(w, row, row->name, at, -1);
    }
    return st;
}

static enum i8_status walk_root(struct walk *w)
{
    const struct i8i_family *f = w->family;
    const struct i8i_module root = {
        .name = "", .class_name = w->m->architecture, .parent = -1, .block = -1};
    struct place at = {.block = -1};
    const char *stored = NULL;
    const struct i8i_node *rows = f->nodes;
    int depth = 0;
    if (w->base_class) {
        while (strcmp(rows->name, f->base_prefix) != 0)
            rows++;
        rows++;
        depth = 1;
        if (has_prefix(w->m->checkpoint, f->base_prefix))
            stored = f->base_prefix;
    } else {
        w->m->prefix_added =
            f->base_prefix && !has_prefix(w->m->checkpoint, f->base_prefix);
    }
    enum i8_status st = i8i_build_module(w->b, &at.module, &root, stored, w->err);
    return st ? st : walk_children(w, rows, depth, at);
}

/* ---- after the walk ---- */

static int find_param(const struct i8i_model *m, const char *name)
{
    for (int i = 0; i < m->n_params; i++) {
        if (strcmp(m->params[i].name, name) == 0)
            return i;
    }
    return -1;
}

static enum i8_status resolve_ties(struct walk *w)
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

static bool is_stale(const struct i8i_family *f, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *s = f->stale; s && *s; s++) {
        size_t k = strlen(*s);
        if (n >= k && strcmp(name + n - k, *s) == 0)
            return true;
    }
    return false;
}

/* The block number behind the stored path of a block list, or -1. */
static int64_t block_number(const char *name, const char *list)
{
    size_t n = strlen(list);
    if (strncmp(name, list, n) != 0 || (n && name[n] != '.'))
        return -1;
    const char *digits = name + n + (n > 0);
    if (!isdigit((unsigned char)*digits))
        return -1;
    char *end;
    long long number = strtoll(digits, &end, 10);
    return *end == '.' ? number : -1;
}

/* Tensors without a place: stale ones, blocks that training alone uses, and blocks that
 * config.json does not know of, which is an error. */
static enum i8_status judge_leftovers(struct walk *w)
{
    const struct i8i_model *m = w->m;
    const char *lists[2] = {NULL, NULL};
    int64_t counts[2] = {0, 0};
    for (int i = 0; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        if (mod->role == I8I_ROLE_BLOCK) {
            lists[mod->stack] = m->modules[mod->parent].stored_path;
            counts[mod->stack]++;
        }
    }
    for (size_t i = 0; i < m->checkpoint->n_tensors; i++) {
        const struct i8i_tensor *t = &m->checkpoint->tensors[i];
        if (w->b->used[i])
            continue;
        if (is_stale(w->family, t->name)) {
            i8i_build_use(w->b, t, true);
            continue;
        }
        for (int k = 0; k < 2; k++) {
            int64_t number = lists[k] ? block_number(t->name, lists[k]) : -1;
            if (number < counts[k])
                continue;
            if (number >= counts[k] + m->hp.dim[I8I_DIM_MTP_LAYERS])
                return i8i_fail(
                    w->err, I8_ERR_DATA,
                    "config.json says %lld blocks in '%s', but the checkpoint "
                    "has tensor '%s'",
                    (long long)counts[k], lists[k], t->name);
            i8i_build_use(w->b, t, true);
        }
    }
    return I8_OK;
}

/* What the headers tell about what config.json leaves open. */
static void look_at_headers(struct walk *w)
{
    const struct i8i_checkpoint *c = w->m->checkpoint;
    struct i8i_hparams *hp = &w->m->hp;
    const struct i8i_family *f = w->family;
    if (f->fused_experts) {
        size_t k = strlen(f->fused_experts);
        for (size_t i = 0; i < c->n_tensors; i++) {
            size_t n = strlen(c->tensors[i].name);
            if (n >= k && strcmp(c->tensors[i].name + n - k, f->fused_experts) == 0)
                hp->flags |= I8I_FLAG_FUSED_EXPERTS;
        }
    }
    if (hp->tied_stated || w->base_class || !f->output_embedding)
        return;
    bool stored = any_has_part(c, f->output_embedding);
    for (const struct i8i_node *row = f->nodes; row->depth >= 0; row++) {
        if (row->role == I8I_ROLE_HEAD && row->alias)
            stored |= any_has_part(c, row->alias);
    }
    if (!stored)
        hp->tied = true;
}

enum i8_status i8i_build_family(struct i8i_builder *b,
                                const struct i8i_model_options *options,
                                struct i8_error *err)
{
    struct walk w = {
        .b = b, .m = b->m, .family = b->m->family, .options = options, .err = err};
    w.base_class = i8i_family_is_base(w.family, b->m->architecture);
    if (w.base_class)
        b->m->hp.flags |= I8I_FLAG_BASE_CLASS;
    look_at_headers(&w);
    enum i8_status st;
    if (!(st = choose_aliases(&w)) && !(st = walk_root(&w)) && !(st = resolve_ties(&w)))
        st = judge_leftovers(&w);
    free(w.aliased);
    return st;
}
