/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left to convert of a run's part of the plan, handed out range by range: each
 * input file's from its beginning to its end, the files in any order.
 */
#ifndef I8I_CONVERT_WORKLIST_H
#define I8I_CONVERT_WORKLIST_H

#include "convert/division.h"
#include "convert/staging.h"

struct i8i_cursor;
struct i8i_worklist { /* not thread-safe */
    const struct i8i_convert_plan *plan;
    struct i8i_division part;
    struct i8i_cursor *cursors; /* by input: how far it is handed out */
    size_t first;               /* of inputs before it nothing is left */
    struct i8i_range *done;     /* by earlier runs and other ranks: in order, disjoint */
    size_t n_done;
};

/* All of the part but what the record says is done, and lies in files that are still
 * there. */
enum i8_status i8i_worklist_init(struct i8i_worklist *w,
                                 const struct i8i_staging *staging,
                                 const struct i8i_division *part,
                                 struct i8_error *err) I8I_MUST_CHECK;
void i8i_worklist_free(struct i8i_worklist *w);
/* Where the next range of an input begins; false if none is left of it. */
bool i8i_worklist_place(struct i8i_worklist *w, size_t input, struct i8i_place *place);
/* The first input of which something is left; the number of inputs if nothing is. */
size_t i8i_worklist_first(struct i8i_worklist *w);
/* Hands out the next range of an input, of about `bytes` of source at most; false if none
 * is left of it. */
bool i8i_worklist_next(struct i8i_worklist *w, size_t input, struct i8i_range *range,
                       uint64_t bytes);
/* How many of the range's units lie in the part. */
uint64_t i8i_worklist_units_of_part(const struct i8i_worklist *w,
                                    const struct i8i_range *r);

#endif
