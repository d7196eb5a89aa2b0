/* SPDX-License-Identifier: Apache-2.0
 *
 * The list that infer_auto_device_map works off: modules by index, parameters as
 * ~index, disjoint subtrees, taken from the front. With it go the marks of the largest
 * layers still to come, for which room is kept.
 */
#ifndef I8I_PLANNER_REPLAY_LIST_H
#define I8I_PLANNER_REPLAY_LIST_H

#include "planner/bytes.h"

#define I8I_LIST_END (-1)

struct i8i_replay_cell {
    int item;
    int next;
};
struct i8i_replay_list {
    const struct i8i_model *model;
    const struct i8i_bytes *bytes;
    struct i8i_replay_cell *cells; /* only ever added to */
    size_t n_cells, capacity;
    int head;
    bool *listed; /* [n_modules], is an item now */
    /* the largest layers: marked with the current generation */
    unsigned *mark_module, *mark_param, generation;
    size_t n_largest;
    double largest_size;
    int largest_item;
};

static inline bool i8i_item_is_module(int item)
{
    return item >= 0;
}
const char *i8i_item_name(const struct i8i_model *m, int item);
double i8i_item_size(const struct i8i_bytes *b, int item);

/* Empty; false without memory (free it all the same). */
bool i8i_replay_list_init(struct i8i_replay_list *l, const struct i8i_model *m,
                          const struct i8i_bytes *b);
void i8i_replay_list_free(struct i8i_replay_list *l);
bool i8i_replay_list_push(struct i8i_replay_list *l, int item);
/* Fills an empty list with the items of another. */
bool i8i_replay_list_copy(struct i8i_replay_list *l, const struct i8i_replay_list *from);
int i8i_replay_list_pop(struct i8i_replay_list *l); /* not when empty */
/* The cell that holds an item, I8I_LIST_END if none does. */
int i8i_replay_list_find(const struct i8i_replay_list *l, int item);
void i8i_replay_list_remove(struct i8i_replay_list *l, int item);
/* Puts a module's own parameters and then its children where cell `at` is (the module
 * itself), or to the front with I8I_LIST_END. Its own buffers are dropped, as the
 * Python code drops them. */
bool i8i_replay_list_expand(struct i8i_replay_list *l, int module, int at);

/* Marks the largest layers of the list: modules without children or not to be split,
 * and the list's bare parameters if asked. */
void i8i_replay_find_largest(struct i8i_replay_list *l, bool with_params);
/* An item is being placed: neither it nor what is in it is still to come. */
void i8i_replay_forget(struct i8i_replay_list *l, int item);

#endif
