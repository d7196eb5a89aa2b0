/* SPDX-License-Identifier: Apache-2.0
 *
 * From the module tree to the chain of atoms. Registration order is not running order
 * (OPT registers its last norm first, T5 its head behind both stacks), so that atoms
 * are sorted by what they do.
 */
#include "config.h"

#include "planner/atoms.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Where in a stack an atom runs. */
enum place { PLACE_FRONT, PLACE_BLOCK, PLACE_BEHIND, PLACE_HEAD };

struct key {
    int item;
    int stack; /* 0: encoder, 1: decoder or the only one */
    enum place place;
    int order; /* of registration */
};

static enum place place_of_role(enum i8i_role role, enum place otherwise)
{
    switch (role) {
    case I8I_ROLE_EMBED:
    case I8I_ROLE_POSITION_EMBED:
    case I8I_ROLE_TYPE_EMBED:
    case I8I_ROLE_EMBED_NORM:
    case I8I_ROLE_PROJECT_IN:
    case I8I_ROLE_CONV1:
    case I8I_ROLE_CONV2:
    case I8I_ROLE_CLASS_TOKEN:
        return PLACE_FRONT;
    case I8I_ROLE_FINAL_NORM:
    case I8I_ROLE_PROJECT_OUT:
        return PLACE_BEHIND;
    case I8I_ROLE_HEAD:
    case I8I_ROLE_POOLER:
        return PLACE_HEAD;
    default:
        return otherwise;
    }
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int kx = x->place == PLACE_HEAD ? 9 : x->stack * 3 + (int)x->place;
    int ky = y->place == PLACE_HEAD ? 9 : y->stack * 3 + (int)y->place;
    if (kx != ky)
        return kx < ky ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

struct builder {
    const struct i8i_model *m;
    const struct i8i_bytes *bytes;
    struct key *keys;
    size_t n, capacity;
    bool pair; /* an encoder and a decoder */
    bool seen_block[2];
};

static bool add_key(struct builder *b, int item, int module)
{
    const struct i8i_module *mod = &b->m->modules[module];
    int stack = b->pair && mod->stack == 1 ? 0 : 1;
    enum i8i_role role = i8i_item_is_param(item) ? b->m->params[~item].role : mod->role;
    enum place place = b->seen_block[stack] ? PLACE_BEHIND : PLACE_FRONT;

    if (!i8i_grow(&b->keys, &b->capacity, b->n + 1, sizeof *b->keys))
        return false;
    if (mod->block >= 0) {
        place = PLACE_BLOCK;
        b->seen_block[stack] = true;
    } else if (!i8i_item_is_param(item) && b->bytes->module[module] == 0) {
        place = PLACE_FRONT; /* positions, dropout: nothing to carry far */
    }
    b->keys[b->n] = (struct key){
        .item = item,
        .stack = stack,
        .place = mod->block >= 0 ? PLACE_BLOCK : place_of_role(role, place),
        .order = (int)b->n,
    };
    if (b->pair && b->keys[b->n].place == PLACE_FRONT && mod->parent == 0 && stack == 1 &&
        !b->seen_block[0])
        b->keys[b->n].stack = 0; /* what both stacks share comes before the first */
    b->n++;
    return true;
}

/* Atoms in registration order: blocks, modules without children, and the bare
 * parameters and buffers of modules in between. */
static bool collect(struct builder *b)
{
    const struct i8i_model *m = b->m;

    for (int i = 0; i < m->n_modules;) {
        const struct i8i_module *mod = &m->modules[i];
        if (i > 0 && (mod->n_children == 0 || mod->no_split)) {
            if (!add_key(b, i, i))
                return false;
            i = b->bytes->end[i];
            continue;
        }
        for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++)
            if (!add_key(b, ~k, i))
                return false;
        i++;
    }
    return true;
}

uint64_t i8i_item_buffers(const struct i8i_model *m, const struct i8i_bytes *b, int item)
{
    if (!i8i_item_is_param(item))
        return b->buffer[item];
    const struct i8i_param *p = &m->params[~item];
    return p->buffer && !p->persistent ? p->elements * i8_dtype_bits(p->dtype) / 8 : 0;
}

static void price(struct i8i_atom *a, const struct builder *b,
                  const struct i8i_workload *w, int item)
{
    a->weight = i8i_item_buffers(b->m, b->bytes, item);
    if (i8i_item_is_param(item)) {
        a->weight += b->bytes->param[~item];
        return;
    }
    const struct i8i_module *mod = &b->m->modules[item];
    a->weight += b->bytes->module[item];
    if (w == NULL)
        return;
    if (mod->block >= 0 && mod->role == I8I_ROLE_BLOCK) {
        i8i_workload_cache(a->kv, w, b->m, mod->stack, mod->block);
        i8i_workload_block(a->active, w, b->m, mod->stack, mod->block);
    } else if (mod->role == I8I_ROLE_HEAD) {
        i8i_workload_head(a->active, w, b->m);
    }
}

static int storage_of(const struct i8i_model *m, int param)
{
    return m->params[param].tied_to >= 0 ? m->params[param].tied_to : param;
}

/* Joins atoms that share storage. owner[p] is the atom of storage p met first. */
static bool find_groups(struct i8i_chain *c, const struct i8i_model *m,
                        const struct i8i_bytes *bytes)
{
    int *owner = i8i_calloc((size_t)m->n_params, sizeof *owner);

    if (owner == NULL)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        int item = c->item[i];
        int first = i8i_item_is_param(item) ? ~item : m->modules[item].first_param;
        int last = i8i_item_is_param(item) ? first + 1 : 0;
        if (!i8i_item_is_param(item)) {
            int end = bytes->end[item];
            last = end < m->n_modules ? m->modules[end].first_param : m->n_params;
        }
        for (int k = first; k < last; k++) {
            int *o = &owner[storage_of(m, k)];
            if (*o == 0) {
                *o = (int)i + 1;
            } else if (*o != (int)i + 1) {
                size_t other = (size_t)*o - 1;
                if (c->group[other] < 0)
                    c->group[other] = c->n_groups++;
                if (c->group[i] < 0)
                    c->group[i] = c->group[other];
            }
        }
    }
    free(owner);
    return true;
}

enum i8_status i8i_chain_build(struct i8i_chain *out, const struct i8i_model *m,
                               const struct i8i_bytes *bytes,
                               const struct i8i_workload *w, struct i8_error *err)
{
    struct builder b = {.m = m, .bytes = bytes};
    bool ok;

    *out = (struct i8i_chain){0};
    b.pair = m->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    ok = collect(&b);
    if (ok) {
        if (b.n > 0)
            qsort(b.keys, b.n, sizeof *b.keys, compare_keys);
        out->n = b.n;
        out->atoms = i8i_calloc(b.n, sizeof *out->atoms);
        out->item = i8i_calloc(b.n, sizeof *out->item);
        out->group = i8i_calloc(b.n, sizeof *out->group);
        ok = out->atoms != NULL && out->item != NULL && out->group != NULL;
    }
    for (size_t i = 0; ok && i < b.n; i++) {
        out->item[i] = b.keys[i].item;
        out->group[i] = -1;
        price(&out->atoms[i], &b, w, b.keys[i].item);
    }
    ok = ok && find_groups(out, m, bytes);
    free(b.keys);
    if (!ok) {
        i8i_chain_free(out);
        return i8i_nomem(err);
    }
    return I8_OK;
}

void i8i_chain_free(struct i8i_chain *c)
{
    free(c->atoms);
    free(c->item);
    free(c->group);
    *c = (struct i8i_chain){0};
}

int i8i_chain_members(const struct i8i_chain *c, int g)
{
    int n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += c->group[i] == g;
    return n;
}

enum i8_status i8i_chain_merge(struct i8i_merged *out, const struct i8i_chain *c,
                               const int *member, struct i8_error *err)
{
    int *met = i8i_calloc((size_t)c->n_groups, sizeof *met);

    *out = (struct i8i_merged){
        .atoms = i8i_calloc(c->n, sizeof *out->atoms),
        .order = i8i_calloc(c->n, sizeof *out->order),
    };
    if (met == NULL || out->atoms == NULL || out->order == NULL) {
        free(met);
        i8i_merged_free(out);
        return i8i_nomem(err);
    }
    for (size_t i = 0; i < c->n; i++) {
        int g = c->group[i];
        if (g >= 0 && met[g]++ != member[g])
            continue;
        struct i8i_run_cost all = {0};
        if (g < 0)
            i8i_run_add(&all, &c->atoms[i]);
        for (size_t k = 0; g >= 0 && k < c->n; k++)
            if (c->group[k] == g)
                i8i_run_add(&all, &c->atoms[k]);
        struct i8i_atom *a = &out->atoms[out->n];
        a->weight = all.weight;
        memcpy(a->kv, all.kv, sizeof a->kv);
        memcpy(a->active, all.active, sizeof a->active);
        out->order[out->n++] = i;
    }
    free(met);
    return I8_OK;
}

void i8i_merged_free(struct i8i_merged *m)
{
    free(m->atoms);
    free(m->order);
    *m = (struct i8i_merged){0};
}
