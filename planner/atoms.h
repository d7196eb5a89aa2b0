/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as a chain of atoms: what is placed whole, in the order in which it runs.
 */
#ifndef I8I_PLANNER_ATOMS_H
#define I8I_PLANNER_ATOMS_H

#include "planner/bytes.h"
#include "planner/device_map.h"
#include "planner/partition.h"
#include "planner/workload.h"

/* Items: a module by its index, a bare parameter by ~index. */
static inline bool i8i_item_is_param(int item)
{
    return item < 0;
}

/* Bytes of the buffers in an item that no checkpoint holds. */
uint64_t i8i_item_buffers(const struct i8i_model *m, const struct i8i_bytes *b, int item);

/* Atoms that share storage move together: they form one group, which may stand where
 * any of its members runs. */
struct i8i_chain {
    struct i8i_atom *atoms; /* [n] in running order, each priced by itself */
    int *item;              /* [n] module, or ~parameter */
    int *group;             /* [n] -1, or the group of tied atoms */
    size_t n;
    int n_groups;
};

enum i8_status i8i_chain_build(struct i8i_chain *out, const struct i8i_model *m,
                               const struct i8i_bytes *bytes,
                               const struct i8i_workload *w,
                               struct i8_error *err) I8I_MUST_CHECK;
void i8i_chain_free(struct i8i_chain *c);

/* The same chain with each group merged into one atom at the place of one of its
 * members: member[g] says which, counted in running order. order[i] is the first atom of
 * merged atom i; a merged group is found by its group number. */
struct i8i_merged {
    struct i8i_atom *atoms;
    size_t *order;
    size_t n;
};
enum i8_status i8i_chain_merge(struct i8i_merged *out, const struct i8i_chain *c,
                               const int *member, struct i8_error *err) I8I_MUST_CHECK;
void i8i_merged_free(struct i8i_merged *m);
/* How many atoms group g has. */
int i8i_chain_members(const struct i8i_chain *c, int g);

#endif
