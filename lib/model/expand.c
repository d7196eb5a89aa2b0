/* SPDX-License-Identifier: Apache-2.0
 *
 * A family's node table, unrolled over the blocks and joined with the checkpoint. Each
 * parameter is looked up as it is made, so the first thing that config.json promises
 * and the checkpoint lacks ends the walk: a config that claims 10^9 blocks costs no
 * more memory than the tensors that are there.
 */
#include "config.h"

#include "model/expand.h"
#include "model/hparams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum i8_status walk_children(struct i8i_walk *w, const struct i8i_node *rows,
                                    int depth, struct i8i_place at);

static enum i8_status walk_module(struct i8i_walk *w, const struct i8i_node *row,
                                  const char *name, struct i8i_place parent, int block)
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
    struct i8i_place at = {.stack = mod.stack, .block = mod.block};
    enum i8_status st = i8i_build_module(w->b, &at.module, &mod, stored, w->err);
    if (!st)
        st = i8i_expand_weights(w, row, at);
    return st ? st : walk_children(w, row + 1, row->depth + 1, at);
}

/* The bare parameters and buffers of a module stand ahead of its children. */
static enum i8_status walk_own_params(struct i8i_walk *w, const struct i8i_node *rows,
                                      int depth, struct i8i_place at)
{
    for (const struct i8i_node *row = rows; row->depth >= depth; row++) {
        if (row->depth != depth ||
            (row->kind != I8I_NODE_PARAM && row->kind != I8I_NODE_BUFFER) ||
            !i8i_holds(row->when, &w->m->hp, at.block, true))
            continue;
        enum i8_status st = i8i_expand_param(w, row, at);
        if (st)
            return st;
    }
    return I8_OK;
}

static enum i8_status walk_numbered(struct i8i_walk *w, const struct i8i_node *row,
                                    struct i8i_place at)
{
    for (int64_t i = 0; i < w->m->hp.dim[row->count]; i++) {
        char number[24];
        int block = row->role == I8I_ROLE_BLOCK ? (int)i : at.block;
        if (!i8i_holds(row->when, &w->m->hp, block, true))
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

static enum i8_status walk_children(struct i8i_walk *w, const struct i8i_node *rows,
                                    int depth, struct i8i_place at)
{
    enum i8_status st = walk_own_params(w, rows, depth, at);
    for (const struct i8i_node *row = rows; !st && row->depth >= depth; row++) {
        if (row->depth != depth || row->kind == I8I_NODE_PARAM ||
            row->kind == I8I_NODE_BUFFER)
            continue;
        if (row->name[0] == '#')
            st = walk_numbered(w, row, at);
        else if (i8i_holds(row->when, &w->m->hp, at.block, true))
            st = walk_module(w, row, row->name, at, -1);
    }
    return st;
}

static enum i8_status walk_root(struct i8i_walk *w)
{
    const struct i8i_family *f = w->family;
    const struct i8i_module root = {
        .name = "", .class_name = w->m->architecture, .parent = -1, .block = -1};
    struct i8i_place at = {.block = -1};
    const char *stored = NULL;
    const struct i8i_node *rows = f->nodes;
    int depth = 0;
    if (w->base_class) {
        while (strcmp(rows->name, f->base_prefix) != 0)
            rows++;
        rows++;
        depth = 1;
        if (i8i_expand_has_prefix(w->m->checkpoint, f->base_prefix))
            stored = f->base_prefix;
    } else {
        w->m->prefix_added =
            f->base_prefix && !i8i_expand_has_prefix(w->m->checkpoint, f->base_prefix);
    }
    enum i8_status st = i8i_build_module(w->b, &at.module, &root, stored, w->err);
    return st ? st : walk_children(w, rows, depth, at);
}

enum i8_status i8i_build_family(struct i8i_builder *b,
                                const struct i8i_model_options *options,
                                struct i8_error *err)
{
    struct i8i_walk w = {
        .b = b, .m = b->m, .family = b->m->family, .options = options, .err = err};
    w.base_class = i8i_family_is_base(w.family, b->m->architecture);
    if (w.base_class)
        b->m->hp.flags |= I8I_FLAG_BASE_CLASS;
    enum i8_status st;
    if (!(st = i8i_expand_headers(&w)) && !(st = walk_root(&w)) &&
        !(st = i8i_expand_ties(&w)))
        st = i8i_expand_leftovers(&w);
    free(w.aliased);
    return st;
}
