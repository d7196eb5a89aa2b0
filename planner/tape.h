/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape of allocations: tensors come and go in the order of the program that is
 * followed, and the highest sum is what it needs. Sizes are rounded as PyTorch's
 * caching allocator rounds them, and saturate instead of wrapping.
 */
#ifndef I8I_PLANNER_TAPE_H
#define I8I_PLANNER_TAPE_H

#include <stdint.h>

struct i8i_tape {
    uint64_t live;
    uint64_t peak;
};

/* The allocator hands out multiples of this. */
#define I8I_TAPE_ROUND 512u

static inline uint64_t i8i_tape_rounded(uint64_t bytes)
{
    return bytes > UINT64_MAX - I8I_TAPE_ROUND
               ? UINT64_MAX
               : (bytes + I8I_TAPE_ROUND - 1) / I8I_TAPE_ROUND * I8I_TAPE_ROUND;
}

/* A tensor is made. */
static inline void i8i_tape_make(struct i8i_tape *t, uint64_t bytes)
{
    uint64_t sum;
    if (__builtin_add_overflow(t->live, i8i_tape_rounded(bytes), &sum))
        sum = UINT64_MAX;
    t->live = sum;
    if (t->peak < sum)
        t->peak = sum;
}

/* A tensor made before is let go. */
static inline void i8i_tape_drop(struct i8i_tape *t, uint64_t bytes)
{
    uint64_t rounded = i8i_tape_rounded(bytes);
    if (t->live != UINT64_MAX)
        t->live -= rounded;
}

/* Made and let go at once: it only counts for the peak. */
static inline void i8i_tape_touch(struct i8i_tape *t, uint64_t bytes)
{
    i8i_tape_make(t, bytes);
    i8i_tape_drop(t, bytes);
}

#endif
