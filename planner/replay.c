/* SPDX-License-Identifier: Apache-2.0
 *
 * infer_auto_device_map: modules are taken from the front of a list; what does not fit
 * is split into its children, or the next device's turn comes and the last one is
 * never looked at again.
 */
#include "config.h"

#include "planner/replay.h"

#include "base/memory.h"
#include "planner/replay_list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parameters that share storage, sorted by name as Python sorts them. */
struct tie {
    int *params;
    size_t n;
};

struct loop {
    struct i8i_replay *r;
    struct i8i_replay_list list;
    struct tie *ties;
    size_t n_ties;
    int *tie_params;  /* backs all groups */
    char *scratch[2]; /* names with a dot behind, for the substring test */
    size_t scratch_size;
    /* what is tied to the current item, and the items above that: */
    int *tied, *tied_item;
    size_t n_tied;
    size_t spills_capacity;
};

static int compare_names(const void *a, const void *b, void *model)
{
    const struct i8i_model *m = model;
    return strcmp(m->params[*(const int *)a].name, m->params[*(const int *)b].name);
}

static int storage_of(const struct i8i_model *m, int param)
{
    return m->params[param].tied_to >= 0 ? m->params[param].tied_to : param;
}

/* The groups of parameters with one storage, in the order of the storages. */
static bool find_ties(struct loop *l)
{
    const struct i8i_model *m = l->r->model;
    size_t n = 0;
    /* number of the group + 1, by the parameter that is its storage */
    size_t *group = i8i_calloc((size_t)m->n_params, sizeof *group);

    l->tie_params = i8i_calloc((size_t)m->n_params, sizeof *l->tie_params);
    l->ties = i8i_calloc((size_t)m->n_params, sizeof *l->ties);
    l->tied = i8i_calloc((size_t)m->n_params, sizeof *l->tied);
    l->tied_item = i8i_calloc((size_t)m->n_params, sizeof *l->tied_item);
    if (group == NULL || l->tie_params == NULL || l->ties == NULL || l->tied == NULL ||
        l->tied_item == NULL) {
        free(group);
        return false;
    }
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].tied_to >= 0)
            group[m->params[i].tied_to] = SIZE_MAX;
    for (int i = 0; i < m->n_params; i++)
        if (group[i] == SIZE_MAX)
            group[i] = ++l->n_ties;
    for (int i = 0; i < m->n_params; i++)
        if (group[storage_of(m, i)] > 0)
            l->ties[group[storage_of(m, i)] - 1].n++;
    for (size_t g = 0; g < l->n_ties; g++) {
        l->ties[g].params = l->tie_params + n;
        n += l->ties[g].n;
        l->ties[g].n = 0;
    }
    for (int i = 0; i < m->n_params; i++) {
        if (group[storage_of(m, i)] > 0) {
            struct tie *t = &l->ties[group[storage_of(m, i)] - 1];
            t->params[t->n++] = i;
        }
    }
    for (size_t g = 0; g < l->n_ties; g++)
        qsort_r(l->ties[g].params, l->ties[g].n, sizeof(int), compare_names, (void *)m);
    free(group);
    return true;
}

/* Python's test: name + "." occurs anywhere in parameter + ".", not only in front. */
static bool occurs_in(struct loop *l, const char *name, int param)
{
    snprintf(l->scratch[0], l->scratch_size, "%s.", name);
    snprintf(l->scratch[1], l->scratch_size, "%s.", l->r->model->params[param].name);
    return strstr(l->scratch[1], l->scratch[0]) != NULL;
}

/* Collects the parameters tied to something in `item` that lie outside of it, and for
 * each the item of `list` that holds it. */
static enum i8_status find_tied(struct loop *l, const struct i8i_replay_list *list,
                                int item, struct i8_error *err)
{
    const struct i8i_model *m = l->r->model;
    const char *name = i8i_item_name(m, item);

    l->n_tied = 0;
    for (size_t g = 0; g < l->n_ties; g++) {
        const struct tie *t = &l->ties[g];
        size_t inside = 0, before = l->n_tied;
        for (size_t i = 0; i < t->n; i++) {
            if (occurs_in(l, name, t->params[i]))
                inside++;
            else
                l->tied[l->n_tied++] = t->params[i];
        }
        if (inside == 0 || inside == t->n)
            l->n_tied = before;
    }
    for (size_t i = 0; i < l->n_tied; i++) {
        int above = m->params[l->tied[i]].module;
        while (above > 0 && !list->listed[above])
            above = m->modules[above].parent;
        if (above <= 0)
            return i8i_fail(err, I8_ERR_UNSUPPORTED,
                            "%s is tied to %s, which these budgets have placed or split "
                            "already: the Python code fails here with an IndexError",
                            name, m->params[l->tied[i]].name);
        l->tied_item[i] = above;
    }
    return I8_OK;
}

/* accelerate adds the module above each tied parameter, less the parameter, as often
 * as it comes; transformers adds each such module once. */
static double size_with_ties(const struct loop *l, double size)
{
    const struct i8i_bytes *b = l->r->bytes;

    for (size_t i = 0; i < l->n_tied; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || l->tied_item[k] == l->tied_item[i];
        if (l->r->rules == I8I_REPLAY_ACCELERATE)
            size += (double)b->module[l->tied_item[i]] - (double)b->param[l->tied[i]];
        else if (!again)
            size += (double)b->module[l->tied_item[i]];
    }
    return size;
}

static void place(struct loop *l, int item, int device)
{
    struct i8i_placement *p = &l->r->placement;

    if (i8i_item_is_module(item))
        p->module[item] = device;
    else
        p->param[~item] = device;
    for (size_t i = 0; i < l->n_tied; i++) {
        i8i_replay_list_remove(&l->list, l->tied_item[i]);
        p->module[l->tied_item[i]] = device;
    }
}

static bool can_split(const struct loop *l, int item)
{
    if (!i8i_item_is_module(item))
        return false;
    const struct i8i_module *mod = &l->r->model->modules[item];
    return mod->n_children > 0 && !mod->no_split;
}

/* Splits the first tied item that can be split and puts `item` back. */
static bool split_tied(struct loop *l, int item, bool *split)
{
    *split = false;
    for (size_t i = 0; i < l->n_tied; i++) {
        if (!can_split(l, l->tied_item[i]))
            continue;
        *split = true;
        int at = i8i_replay_list_find(&l->list, l->tied_item[i]);
        if (!i8i_replay_list_expand(&l->list, l->tied_item[i], at) ||
            !i8i_replay_list_push(&l->list, item))
            return false;
        i8i_replay_find_largest(&l->list, false);
        return true;
    }
    return true;
}

static bool record(struct loop *l, const struct i8i_spill *spill)
{
    struct i8i_replay *r = l->r;
    if (!i8i_grow(&r->spills, &l->spills_capacity, r->n_spills + 1, sizeof *r->spills))
        return false;
    r->spills[r->n_spills++] = *spill;
    return true;
}

/* ---- fallback_allocation ---- */

/* The first item of at most `limit` bytes, looked for from the front of the list and,
 * where one is too large, among its parts. */
static enum i8_status search(bool *found, int *item, struct loop *l, double limit,
                             struct i8_error *err)
{
    struct i8i_replay_list rest;
    enum i8_status status = I8_OK;

    *found = false;
    if (limit < 0) /* which Python takes for no size, and does not look at ties */
        return I8_OK;
    if (!i8i_replay_list_init(&rest, l->r->model, l->r->bytes) ||
        !i8i_replay_list_copy(&rest, &l->list))
        status = i8i_nomem(err);
    while (status == I8_OK && !*found && rest.head != I8I_LIST_END) {
        *item = i8i_replay_list_pop(&rest);
        status = find_tied(l, &rest, *item, err);
        if (status != I8_OK)
            break;
        *found = size_with_ties(l, i8i_item_size(l->r->bytes, *item)) <= limit;
        if (!*found && can_split(l, *item) &&
            !i8i_replay_list_expand(&rest, *item, I8I_LIST_END))
            status = i8i_nomem(err);
    }
    i8i_replay_list_free(&rest);
    return status;
}

/* Takes what was found out of the list, where it may be a part of a part of an item. */
static bool take_out(struct loop *l, int item)
{
    const struct i8i_model *m = l->r->model;

    while (i8i_replay_list_find(&l->list, item) == I8I_LIST_END) {
        int above =
            i8i_item_is_module(item) ? m->modules[item].parent : m->params[~item].module;
        while (!l->list.listed[above])
            above = m->modules[above].parent;
        int at = i8i_replay_list_find(&l->list, above);
        if (!i8i_replay_list_expand(&l->list, above, at))
            return false;
    }
    i8i_replay_list_remove(&l->list, item);
    return true;
}

/* Nothing is on the device yet and `item` does not fit: something that does is put in
 * front of it. */
static enum i8_status fall_back(bool *found, struct loop *l, int item, double limit,
                                struct i8_error *err)
{
    int other = 0;
    enum i8_status status = search(found, &other, l, limit, err);

    if (status != I8_OK || !*found)
        return status;
    if (!take_out(l, other) || !i8i_replay_list_push(&l->list, item) ||
        !i8i_replay_list_push(&l->list, other))
        return i8i_nomem(err);
    return I8_OK;
}

static enum i8_status run(struct loop *l, const struct i8i_limit *limits, size_t n,
                          struct i8_error *err)
{
    struct i8i_replay_list *list = &l->list;
    bool accelerate = l->r->rules == I8I_REPLAY_ACCELERATE;
    int main_gpu = n > 0 && limits[0].device >= 0 ? limits[0].device : I8_PLAN_CPU;
    size_t current = 0;
    double used = 0;

    const struct i8i_module *root = &l->r->model->modules[0];
    for (int k = root->first_param + root->n_params; --k >= root->first_param;)
        if (l->r->model->params[k].buffer && !i8i_replay_list_push(list, ~k))
            return i8i_nomem(err);
    if (!i8i_replay_list_expand(list, 0, I8I_LIST_END)) /* in front of its buffers */
        return i8i_nomem(err);
    i8i_replay_find_largest(list, true);

    while (list->head != I8I_LIST_END) {
        int item = i8i_replay_list_pop(list);
        i8i_replay_forget(list, item);
        if (list->n_largest == 0)
            i8i_replay_find_largest(list, false);
        enum i8_status status = find_tied(l, list, item, err);
        if (status != I8_OK)
            return status;

        bool disk = current == n;
        int device = disk ? I8_PLAN_DISK : limits[current].device;
        bool reserves = !disk && (device == main_gpu || device == I8_PLAN_CPU);
        double reserve = reserves ? list->largest_size : 0;
        double cap = disk ? INFINITY : limits[current].bytes - reserve;
        double size = i8i_item_size(l->r->bytes, item);
        double with_ties = size_with_ties(l, size);

        if (used + with_ties <= cap) {
            used += with_ties;
            place(l, item, device);
            continue;
        }
        bool split = false;
        if (l->n_tied > 0 && used + size <= cap && !split_tied(l, item, &split))
            return i8i_nomem(err);
        if (split)
            continue;
        /* Where the module alone would fit, accelerate does not split it. */
        if (can_split(l, item) && (!accelerate || used + size >= cap)) {
            if (!i8i_replay_list_expand(list, item, I8I_LIST_END))
                return i8i_nomem(err);
            i8i_replay_find_largest(list, false);
            continue;
        }
        bool other = false;
        if (l->r->fallback && !disk && used == 0 &&
            (status =
                 fall_back(&other, l, item,
                           limits[current].bytes - fmax(list->largest_size, with_ties),
                           err)) != I8_OK)
            return status;
        if (other)
            continue;
        struct i8i_spill spill = {
            .item = item,
            .device = device,
            .needed = with_ties,
            .left = cap - used,
            .reserve = reserve,
            .reserve_for = list->largest_item,
        };
        if (!record(l, &spill) || !i8i_replay_list_push(list, item))
            return i8i_nomem(err);
        current++;
        used = 0;
    }
    return I8_OK;
}

enum i8_status i8i_replay_run(struct i8i_replay *r, const struct i8i_limit *limits,
                              size_t n, struct i8_error *err)
{
    const struct i8i_model *m = r->model;
    struct loop l = {.r = r};
    enum i8_status status = i8i_placement_init(&r->placement, m, err);

    if (status != I8_OK)
        return status;
    r->spills = NULL;
    r->n_spills = 0;
    for (int i = 0; i < m->n_params; i++)
        if (l.scratch_size < strlen(m->params[i].name) + 2)
            l.scratch_size = strlen(m->params[i].name) + 2;
    for (int i = 0; i < m->n_modules; i++)
        if (l.scratch_size < strlen(m->modules[i].path) + 2)
            l.scratch_size = strlen(m->modules[i].path) + 2;
    l.scratch[0] = i8i_calloc(l.scratch_size, 1);
    l.scratch[1] = i8i_calloc(l.scratch_size, 1);
    if (!i8i_replay_list_init(&l.list, m, r->bytes) || l.scratch[0] == NULL ||
        l.scratch[1] == NULL || !find_ties(&l))
        status = i8i_nomem(err);
    else
        status = run(&l, limits, n, err);
    i8i_replay_list_free(&l.list);
    free(l.ties);
    free(l.tie_params);
    free(l.tied);
    free(l.tied_item);
    free(l.scratch[0]);
    free(l.scratch[1]);
    return status;
}

void i8i_replay_free(struct i8i_replay *r)
{
    i8i_placement_free(&r->placement);
    free(r->spills);
    r->spills = NULL;
    r->n_spills = 0;
}
