/* SPDX-License-Identifier: Apache-2.0
 *
 * How far each output file is complete: work is done in the order of the source, and a
 * file can be hashed up to the first piece that is not all there.
 */
#ifndef I8I_CONVERT_COMPLETION_H
#define I8I_CONVERT_COMPLETION_H

#include "convert/convert_plan.h"

struct i8i_written_extent;
struct i8i_completion { /* not thread-safe */
    const struct i8i_convert_plan *plan;
    uint64_t *piece_left;               /* by piece: units not yet done */
    uint64_t *output_left;              /* by output: the same over its pieces */
    struct i8i_written_extent *extents; /* by output and offset: where pieces write */
    size_t n_extents;
    size_t *next; /* by output: its first extent that may not be complete */
};

/* Nothing is done yet. */
enum i8_status i8i_completion_init(struct i8i_completion *c,
                                   const struct i8i_convert_plan *plan,
                                   struct i8_error *err) I8I_MUST_CHECK;
void i8i_completion_free(struct i8i_completion *c);
/* `units` more of the piece are done; never more than it has. */
void i8i_completion_add(struct i8i_completion *c, size_t piece, uint64_t units);
void i8i_completion_add_all(struct i8i_completion *c);
/* Bytes of the output, from its first, that are final. */
uint64_t i8i_completion_up_to(struct i8i_completion *c, size_t output);
bool i8i_completion_is_full(const struct i8i_completion *c);

#endif
