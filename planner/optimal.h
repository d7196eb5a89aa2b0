/* SPDX-License-Identifier: Apache-2.0
 *
 * The best placement of a chain of atoms on GPUs, and what is left on the CPU and the
 * disk: exact over contiguous cuts and over the places where tied atoms may stand.
 */
#ifndef I8I_PLANNER_OPTIMAL_H
#define I8I_PLANNER_OPTIMAL_H

#include "planner/atoms.h"

struct i8i_optimal_problem {
    const struct i8i_chain *chain;
    const int *gpu;           /* ids, ascending */
    const uint64_t *capacity; /* of each, what is reserved taken off */
    size_t gpus;
    bool offload;
    uint64_t cpu; /* capacity, with offload */
};
struct i8i_optimal {
    int *device;                    /* [chain->n]; I8_PLAN_NONE: no place */
    bool fits;                      /* everything has a place */
    uint64_t off_bytes;             /* weights on cpu and disk, or without a place */
    uint64_t short_bytes;           /* all that has no place: weights and cache */
    uint64_t least_free, most_free; /* over the GPUs */
    struct i8i_run_cost streamed;   /* what the first GPU bears for layers off the GPUs */
};

/* Aims, one after the other: everything has a place; fewest bytes off the GPUs; the most
 * even free memory. Free by i8i_optimal_free. */
enum i8_status i8i_optimal_solve(struct i8i_optimal *out,
                                 const struct i8i_optimal_problem *p,
                                 struct i8_error *err) I8I_MUST_CHECK;
void i8i_optimal_free(struct i8i_optimal *o);

/* The smallest capacity that, given to each of n GPUs, holds the whole chain. */
enum i8_status i8i_optimal_equal_budget(uint64_t *bytes, const struct i8i_chain *chain,
                                        size_t gpus, struct i8_error *err) I8I_MUST_CHECK;

#endif
