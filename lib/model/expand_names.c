/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tensors' names tell: whether a prefix or an older spelling is in use, what
 * config.json leaves open, and what is in the checkpoint that the table has no place for.
 */
#include "config.h"

#include "model/expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

static enum i8_status choose_aliases(struct i8i_walk *w)
{
    size_t n = 0;
    while (w->family->nodes[n].depth >= 0)
        n++;
    w->aliased = i8i_calloc(n, sizeof *w->aliased);
    if (!w->aliased)
        return i8i_nomem(w->err);
    for (size_t i = 0; i < n; i++) {
        const struct i8i_node *row = &w->family->nodes[i];
        if (row->alias) /* "": the checkpoint has no such level */
            w->aliased[i] = *row->alias ? any_has_part(w->m->checkpoint, row->alias)
                                        : !any_has_part(w->m->checkpoint, row->name);
        /* A tied head that is stored under neither name: older readers have the alias. */
        if (row->alias && row->role == I8I_ROLE_HEAD)
            w->aliased[i] |= !any_has_part(w->m->checkpoint, row->name);
    }
    return I8_OK;
}

bool i8i_expand_has_prefix(const struct i8i_checkpoint *c, const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t i = 0; i < c->n_tensors; i++) {
        const char *name = c->tensors[i].name;
        if (strncmp(name, prefix, n) == 0 && name[n] == '.')
            return true;
    }
    return false;
}

static bool is_stale(const struct i8i_family *f, const char *name)
{
    for (const char *const *s = f->stale; s && *s; s++) {
        if (i8i_ends_with(name, *s))
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

enum i8_status i8i_expand_leftovers(struct i8i_walk *w)
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
static void look_at_headers(struct i8i_walk *w)
{
    const struct i8i_checkpoint *c = w->m->checkpoint;
    struct i8i_hparams *hp = &w->m->hp;
    const struct i8i_family *f = w->family;
    for (size_t i = 0; f->fused_experts && i < c->n_tensors; i++) {
        if (i8i_ends_with(c->tensors[i].name, f->fused_experts))
            hp->flags |= I8I_FLAG_FUSED_EXPERTS;
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

enum i8_status i8i_expand_headers(struct i8i_walk *w)
{
    look_at_headers(w);
    return choose_aliases(w);
}
