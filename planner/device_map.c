/* SPDX-License-Identifier: Apache-2.0
 *
 * From a placement of modules to the keys of a device map.
 */
#include "config.h"

#include "planner/device_map.h"

#include "base/memory.h"

#include <stdlib.h>

#define MIXED (-4) /* more than one device below */

enum i8_status i8i_placement_init(struct i8i_placement *p, const struct i8i_model *m,
                                  struct i8_error *err)
{
    p->module = i8i_calloc((size_t)m->n_modules, sizeof *p->module);
    p->param = i8i_calloc((size_t)m->n_params, sizeof *p->param);
    if (p->module == NULL || p->param == NULL) {
        i8i_placement_free(p);
        return i8i_nomem(err);
    }
    for (int i = 0; i < m->n_modules; i++)
        p->module[i] = I8_PLAN_NONE;
    for (int i = 0; i < m->n_params; i++)
        p->param[i] = I8_PLAN_NONE;
    return I8_OK;
}

void i8i_placement_free(struct i8i_placement *p)
{
    free(p->module);
    free(p->param);
    *p = (struct i8i_placement){0};
}

int i8i_placement_of_module(const struct i8i_model *m, const struct i8i_placement *p,
                            int module)
{
    while (module >= 0 && p->module[module] == I8_PLAN_NONE)
        module = m->modules[module].parent;
    return module >= 0 ? p->module[module] : I8_PLAN_NONE;
}

int i8i_placement_of_param(const struct i8i_model *m, const struct i8i_placement *p,
                           int param)
{
    if (p->param[param] != I8_PLAN_NONE)
        return p->param[param];
    return i8i_placement_of_module(m, p, m->params[param].module);
}

/* What lies strictly below a module: how many keys, and on which device. */
struct below {
    int keys;
    int device; /* I8_PLAN_NONE without keys */
};

static void join(struct below *b, int keys, int device)
{
    if (keys == 0)
        return;
    if (b->keys == 0)
        b->device = device;
    else if (b->device != device)
        b->device = MIXED;
    b->keys += keys;
}

struct emitter {
    const struct i8i_model *m;
    const struct i8i_placement *p;
    const struct below *below;
    struct i8_plan_entry *map;
    size_t n, capacity;
};

static bool emit(struct emitter *e, const char *name, int device)
{
    if (!i8i_grow(&e->map, &e->capacity, e->n + 1, sizeof *e->map))
        return false;
    e->map[e->n++] = (struct i8_plan_entry){name, device};
    return true;
}

/* Walks the tree in pre-order; a module that is said as a whole hides its subtree. */
static bool emit_all(struct emitter *e)
{
    const struct i8i_model *m = e->m;
    int hidden_above = -1; /* the emitted module whose subtree is being passed */

    for (int i = 0; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        if (hidden_above >= 0) {
            int up = mod->parent;
            while (up > hidden_above)
                up = m->modules[up].parent;
            if (up == hidden_above)
                continue;
            hidden_above = -1;
        }
        int device = e->p->module[i];
        if (device == I8_PLAN_NONE && e->below[i].keys > 1 && e->below[i].device != MIXED)
            device = e->below[i].device;
        if (device != I8_PLAN_NONE) {
            hidden_above = i;
            if (!emit(e, mod->path, device))
                return false;
            continue;
        }
        for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++)
            if (e->p->param[k] != I8_PLAN_NONE &&
                !emit(e, m->params[k].name, e->p->param[k]))
                return false;
    }
    return true;
}

enum i8_status i8i_device_map(struct i8_plan_entry **out, size_t *n,
                              const struct i8i_model *m, const struct i8i_placement *p,
                              struct i8_error *err)
{
    struct below *below = i8i_calloc((size_t)m->n_modules, sizeof *below);
    struct emitter e = {.m = m, .p = p, .below = below};

    *out = NULL;
    *n = 0;
    if (below == NULL)
        return i8i_nomem(err);
    for (int i = 0; i < m->n_params; i++)
        if (p->param[i] != I8_PLAN_NONE)
            join(&below[m->params[i].module], 1, p->param[i]);
    for (int i = m->n_modules - 1; i > 0; i--) {
        struct below *up = &below[m->modules[i].parent];
        if (p->module[i] != I8_PLAN_NONE)
            join(up, 1, p->module[i]);
        else
            join(up, below[i].keys, below[i].device);
    }
    bool ok = emit_all(&e);
    free(below);
    if (!ok) {
        free(e.map);
        return i8i_nomem(err);
    }
    *out = e.map;
    *n = e.n;
    return I8_OK;
}
