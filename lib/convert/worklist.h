/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left to convert of a run's part of the plan, handed out range by range in the
 * order of the source.
 */
#ifndef I8I_CONVERT_WORKLIST_H
#define I8I_CONVERT_WORKLIST_H

#include "convert/division.h"
#include "convert/staging.h"

struct i8i_worklist { /* not thread-safe */
    const struct i8i_convert_plan *plan;
    struct i8i_division part;
    size_t piece; /* the next unit to hand out */
    uint64_t unit;
    struct i8i_range *done; /* by earlier runs and other ranks: in order, disjoint */
    size_t n_done, next;    /* from next on they lie ahead */
};

/* All of the part but what the record says is done, and lies in files that are still
 * there. */
enum i8_status i8i_worklist_init(struct i8i_worklist *w,
                                 const struct i8i_staging *staging,
                                 const struct i8i_division *part,
                                 struct i8_error *err) I8I_MUST_CHECK;
void i8i_worklist_free(struct i8i_worklist *w);
bool i8i_worklist_is_empty(const struct i8i_worklist *w);
/* Hands out the next range, of about `bytes` of source at most; false if none is left. */
bool i8i_worklist_next(struct i8i_worklist *w, struct i8i_range *range, uint64_t bytes);
/* How many of the range's units lie in the part. */
uint64_t i8i_worklist_units_of_part(const struct i8i_worklist *w,
                                    const struct i8i_range *r);

#endif
