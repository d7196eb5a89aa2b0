/* SPDX-License-Identifier: Apache-2.0
 *
 * Which part of the work is whose: the plan's pieces in their order, as one long line of
 * source bytes, cut at units into as many even parts as there are ranks. Every rank
 * computes the same cuts from the plan alone.
 */
#ifndef I8I_CONVERT_DIVISION_H
#define I8I_CONVERT_DIVISION_H

#include "convert/convert_plan.h"

struct i8i_place {
    size_t piece;
    uint64_t unit;
};
struct i8i_division { /* [begin, end) in the order of pieces and units */
    struct i8i_place begin, end;
};

/* Part `rank` of `count`; 0 of 1 is everything. */
struct i8i_division i8i_division_of(const struct i8i_convert_plan *plan, unsigned rank,
                                    unsigned count);
struct i8i_division i8i_division_none(const struct i8i_convert_plan *plan);
/* The units [*first, *end) of a piece that are in it; none: *first == *end. */
void i8i_division_units(uint64_t *first, uint64_t *end, const struct i8i_division *d,
                        const struct i8i_convert_plan *plan, size_t piece);
/* Is any unit of the output file in it, or does it have none and rank is the first? */
bool i8i_division_writes(const struct i8i_division *d,
                         const struct i8i_convert_plan *plan, size_t output);
/* Source files are hashed whole: each by the rank that has its middle byte. */
bool i8i_division_owns_input(const struct i8i_convert_plan *plan, size_t input,
                             unsigned rank, unsigned count);

#endif
