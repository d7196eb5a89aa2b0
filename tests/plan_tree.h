/* SPDX-License-Identifier: Apache-2.0
 *
 * Module trees made by hand, for tests of the planner's pure functions. Modules are
 * added in pre-order, each one's parameters before its children.
 */
#ifndef I8_TESTS_PLAN_TREE_H
#define I8_TESTS_PLAN_TREE_H

#include "model/model.h"

#define TREE_MODULES 512
#define TREE_PARAMS  1024

struct tree {
    struct i8i_model model;
    struct i8i_module modules[TREE_MODULES];
    struct i8i_param params[TREE_PARAMS];
    char names[TREE_MODULES + TREE_PARAMS][96];
    int n_names;
};

void tree_init(struct tree *t); /* with a root */
/* Returns the module's index. */
int tree_module(struct tree *t, int parent, const char *name, const char *class_name);
/* Adds a parameter of `bytes` bytes to the module added last; returns its index. */
int tree_param(struct tree *t, const char *leaf, uint64_t bytes);
int tree_buffer(struct tree *t, const char *leaf, uint64_t bytes);
void tree_no_split(struct tree *t, const char *class_name);
int tree_find(const struct tree *t, const char *param); /* by full name */
void tree_tie(struct tree *t, const char *target, const char *source);

#endif
