/* SPDX-License-Identifier: Apache-2.0
 *
 * The replay's work list and its largest layers to come.
 */
#include "config.h"

#include "planner/replay_list.h"

#include "base/memory.h"

#include <stdlib.h>

const char *i8i_item_name(const struct i8i_model *m, int item)
{
    return i8i_item_is_module(item) ? m->modules[item].path : m->params[~item].name;
}

double i8i_item_size(const struct i8i_bytes *b, int item)
{
    return (double)(i8i_item_is_module(item) ? b->module[item] : b->param[~item]);
}

bool i8i_replay_list_init(struct i8i_replay_list *l, const struct i8i_model *m,
                          const struct i8i_bytes *b)
{
    *l = (struct i8i_replay_list){
        .model = m,
        .bytes = b,
        .head = I8I_LIST_END,
        .listed = i8i_calloc((size_t)m->n_modules, sizeof *l->listed),
        .mark_module = i8i_calloc((size_t)m->n_modules, sizeof *l->mark_module),
        .mark_param = i8i_calloc((size_t)m->n_params, sizeof *l->mark_param),
        .generation = 1,
    };
    return l->listed != NULL && l->mark_module != NULL && l->mark_param != NULL;
}

void i8i_replay_list_free(struct i8i_replay_list *l)
{
    free(l->cells);
    free(l->listed);
    free(l->mark_module);
    free(l->mark_param);
    *l = (struct i8i_replay_list){0};
}

static void set_listed(struct i8i_replay_list *l, int item, bool on)
{
    if (i8i_item_is_module(item))
        l->listed[item] = on;
}

bool i8i_replay_list_push(struct i8i_replay_list *l, int item)
{
    if (!i8i_grow(&l->cells, &l->capacity, l->n_cells + 1, sizeof *l->cells))
        return false;
    l->cells[l->n_cells] = (struct i8i_replay_cell){item, l->head};
    l->head = (int)l->n_cells++;
    set_listed(l, item, true);
    return true;
}

bool i8i_replay_list_copy(struct i8i_replay_list *l, const struct i8i_replay_list *from)
{
    if (!i8i_grow(&l->cells, &l->capacity, from->n_cells, sizeof *l->cells))
        return false;
    for (int at = from->head; at != I8I_LIST_END; at = from->cells[at].next) {
        l->cells[l->n_cells] =
            (struct i8i_replay_cell){from->cells[at].item, I8I_LIST_END};
        if (l->n_cells > 0)
            l->cells[l->n_cells - 1].next = (int)l->n_cells;
        else
            l->head = 0;
        set_listed(l, from->cells[at].item, true);
        l->n_cells++;
    }
    return true;
}

int i8i_replay_list_pop(struct i8i_replay_list *l)
{
    int item = l->cells[l->head].item;
    l->head = l->cells[l->head].next;
    set_listed(l, item, false);
    return item;
}

int i8i_replay_list_find(const struct i8i_replay_list *l, int item)
{
    int at = l->head;
    while (at != I8I_LIST_END && l->cells[at].item != item)
        at = l->cells[at].next;
    return at;
}

void i8i_replay_list_remove(struct i8i_replay_list *l, int item)
{
    int *link = &l->head;
    while (*link != I8I_LIST_END && l->cells[*link].item != item)
        link = &l->cells[*link].next;
    if (*link == I8I_LIST_END)
        return;
    *link = l->cells[*link].next;
    set_listed(l, item, false);
}

bool i8i_replay_list_expand(struct i8i_replay_list *l, int module, int at)
{
    const struct i8i_module *mod = &l->model->modules[module];
    size_t first = l->n_cells;
    size_t most = first + (size_t)mod->n_params + (size_t)mod->n_children;

    if (!i8i_grow(&l->cells, &l->capacity, most, sizeof *l->cells))
        return false;
    for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++)
        if (!l->model->params[k].buffer)
            l->cells[l->n_cells++].item = ~k;
    for (int c = mod->first_child; c >= 0; c = l->model->modules[c].next_sibling) {
        l->cells[l->n_cells++].item = c;
        l->listed[c] = true;
    }
    if (l->n_cells == first)
        return true;
    for (size_t i = first; i + 1 < l->n_cells; i++)
        l->cells[i].next = (int)i + 1;
    struct i8i_replay_cell *last = &l->cells[l->n_cells - 1];
    if (at == I8I_LIST_END) {
        last->next = l->head;
        l->head = (int)first;
    } else { /* the module's cell becomes that of the first part */
        l->listed[module] = false;
        last->next = l->cells[at].next;
        l->cells[at] = l->cells[first];
    }
    return true;
}

static void consider(struct i8i_replay_list *l, int item)
{
    double size = i8i_item_size(l->bytes, item);

    if (size < l->largest_size)
        return;
    if (size > l->largest_size) {
        l->generation++; /* unmarks the smaller ones */
        l->n_largest = 0;
        l->largest_size = size;
        l->largest_item = item;
    }
    if (i8i_item_is_module(item))
        l->mark_module[item] = l->generation;
    else
        l->mark_param[~item] = l->generation;
    l->n_largest++;
}

void i8i_replay_find_largest(struct i8i_replay_list *l, bool with_params)
{
    l->generation++;
    l->n_largest = 0;
    l->largest_size = 0;
    l->largest_item = 0;
    for (int at = l->head; at != I8I_LIST_END; at = l->cells[at].next) {
        int item = l->cells[at].item;
        if (!i8i_item_is_module(item)) {
            if (with_params)
                consider(l, item);
            continue;
        }
        for (int i = item, end = l->bytes->end[item]; i < end;) {
            const struct i8i_module *mod = &l->model->modules[i];
            bool atom = mod->n_children == 0 || mod->no_split;
            if (atom)
                consider(l, i);
            i = atom ? l->bytes->end[i] : i + 1;
        }
    }
}

static void unmark(struct i8i_replay_list *l, unsigned *mark)
{
    if (*mark == l->generation) {
        *mark = 0;
        l->n_largest--;
    }
}

void i8i_replay_forget(struct i8i_replay_list *l, int item)
{
    if (!i8i_item_is_module(item)) {
        unmark(l, &l->mark_param[~item]);
        return;
    }
    for (int i = item; i < l->bytes->end[item]; i++) {
        const struct i8i_module *mod = &l->model->modules[i];
        unmark(l, &l->mark_module[i]);
        for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++)
            unmark(l, &l->mark_param[k]);
    }
}
