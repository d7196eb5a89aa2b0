/* SPDX-License-Identifier: Apache-2.0
 *
 * The best way to cut a chain of atoms into runs, one run a device in order: exact,
 * by feasibility tests, because what a run takes grows with the run.
 */
#ifndef I8I_PLANNER_PARTITION_H
#define I8I_PLANNER_PARTITION_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is alive at once differs between these; a device must bear the worst. */
enum i8i_phase { I8I_PHASE_ENCODE, I8I_PHASE_PREFILL, I8I_PHASE_DECODE, I8I_PHASES };

struct i8i_atom {
    uint64_t weight;         /* stays: weights and buffers */
    uint64_t kv[I8I_PHASES]; /* cache held in that phase; adds up */
    uint64_t
        active[I8I_PHASES]; /* transient peak while it computes; the largest counts */
};

/* What atoms [first, last) take together, saturating. */
struct i8i_run_cost {
    uint64_t weight;
    uint64_t kv[I8I_PHASES];
    uint64_t active[I8I_PHASES];
};
void i8i_run_add(struct i8i_run_cost *c, const struct i8i_atom *a);
uint64_t i8i_run_total(const struct i8i_run_cost *c);

struct i8i_partition_problem {
    const struct i8i_atom *atoms;
    size_t n;
    const uint64_t *capacity; /* of each GPU, in order; UINT64_MAX: no limit */
    size_t gpus;
    struct i8i_run_cost first; /* what the first GPU bears besides: layers streamed in */
};
struct i8i_partition {
    size_t placed;       /* atoms [0, placed) are on GPUs */
    uint64_t least_free; /* over the GPUs */
    uint64_t most_free;
};

/* Whether all atoms find a place, in order, with nothing to spare. */
bool i8i_partition_fits(const struct i8i_partition_problem *problem);

/* Finds cut[0 … gpus]: GPU g has atoms [cut[g], cut[g+1]). First as many atoms as
 * possible from the front (all, if that can be); of those cuts one with the largest
 * least free memory over the GPUs, and of those one with the smallest most free. */
enum i8_status i8i_partition_solve(struct i8i_partition *out, size_t *cut,
                                   const struct i8i_partition_problem *problem,
                                   struct i8_error *err) I8I_MUST_CHECK;

/* The smallest capacity that, given to each of n GPUs, places all atoms. */
uint64_t i8i_partition_equal_budget(const struct i8i_atom *atoms, size_t n, size_t gpus);

#endif
