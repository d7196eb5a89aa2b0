/* SPDX-License-Identifier: Apache-2.0
 *
 * Module trees made by hand.
 */
#include "config.h"

#include "plan_tree.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static char *new_name(struct tree *t, const char *above, const char *name)
{
    char *full = t->names[t->n_names++];
    ck_assert_int_lt(t->n_names, TREE_MODULES + TREE_PARAMS);
    (void)snprintf(full, sizeof t->names[0], "%s%s%s", above, *above ? "." : "", name);
    return full;
}

void tree_init(struct tree *t)
{
    memset(t, 0, sizeof *t);
    t->model = (struct i8i_model){
        .model_type = "",
        .architecture = "",
        .name = "tree",
        .modules = t->modules,
        .params = t->params,
        .n_modules = 1,
    };
    t->modules[0] = (struct i8i_module){
        .path = "",
        .name = "",
        .class_name = "Root",
        .parent = -1,
        .first_child = -1,
        .next_sibling = -1,
        .stack = -1,
        .block = -1,
    };
}

int tree_module(struct tree *t, int parent, const char *name, const char *class_name)
{
    int index = t->model.n_modules++;
    struct i8i_module *up = &t->modules[parent], *mod = &t->modules[index];

    ck_assert_int_lt(index, TREE_MODULES);
    *mod = (struct i8i_module){
        .path = new_name(t, up->path, name),
        .class_name = class_name,
        .parent = parent,
        .first_child = -1,
        .next_sibling = -1,
        .stack = -1,
        .block = -1,
        .first_param = t->model.n_params,
    };
    const char *dot = strrchr(mod->path, '.');
    mod->name = dot != NULL ? dot + 1 : mod->path;
    int *link = &up->first_child;
    while (*link >= 0)
        link = &t->modules[*link].next_sibling;
    *link = index;
    up->n_children++;
    return index;
}

int tree_param(struct tree *t, const char *leaf, uint64_t bytes)
{
    int module = t->model.n_modules - 1, index = t->model.n_params++;
    struct i8i_param *p = &t->params[index];

    ck_assert_int_lt(index, TREE_PARAMS);
    *p = (struct i8i_param){
        .name = new_name(t, t->modules[module].path, leaf),
        .leaf = leaf,
        .module = module,
        .persistent = true,
        .tied_to = -1,
        .rank = 1,
        .elements = bytes,
        .dtype = I8_DTYPE_U8, /* one byte each, whatever is asked for */
    };
    p->shape = &p->elements;
    t->modules[module].n_params++;
    return index;
}

int tree_buffer(struct tree *t, const char *leaf, uint64_t bytes)
{
    int index = tree_param(t, leaf, bytes);
    t->params[index].buffer = true;
    return index;
}

void tree_no_split(struct tree *t, const char *class_name)
{
    for (int i = 0; i < t->model.n_modules; i++)
        if (strcmp(t->modules[i].class_name, class_name) == 0)
            t->modules[i].no_split = true;
}

int tree_find(const struct tree *t, const char *param)
{
    for (int i = 0; i < t->model.n_params; i++)
        if (strcmp(t->params[i].name, param) == 0)
            return i;
    ck_abort_msg("no parameter %s", param);
    return -1;
}

void tree_tie(struct tree *t, const char *target, const char *source)
{
    t->params[tree_find(t, target)].tied_to = tree_find(t, source);
}
