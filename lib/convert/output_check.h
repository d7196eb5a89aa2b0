/* SPDX-License-Identifier: Apache-2.0
 *
 * May we write into this directory, and what of an earlier conversion is there?
 */
#ifndef I8I_CONVERT_OUTPUT_CHECK_H
#define I8I_CONVERT_OUTPUT_CHECK_H

#include "convert/convert_plan.h"

struct i8i_output_state {
    bool exists;     /* the directory does */
    bool journal;    /* a journal of an unfinished conversion is there */
    char *found;     /* a file under a final name of ours, or NULL */
    char **obsolete; /* with --force: what will be removed in the end */
    size_t n_obsolete, obsolete_capacity;
};
void i8i_output_state_free(struct i8i_output_state *state);

/* Refuses a directory that is or contains the model, and one that holds anything beyond
 * our unfinished work, unless --force is given and a manifest explains the rest. */
enum i8_status i8i_output_check(struct i8i_output_state *state,
                                const struct i8i_convert_plan *plan,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Does the directory hold this very conversion, finished? Then the plan gets the digests
 * that its manifest gives. */
enum i8_status i8i_output_is_complete(bool *complete, struct i8i_convert_plan *plan,
                                      struct i8_error *err) I8I_MUST_CHECK;
/* Final names may stand beside a journal only while it is publishing (or with --force).
 */
enum i8_status i8i_output_check_finals(const struct i8i_output_state *state,
                                       bool publishing,
                                       const struct i8i_convert_plan *plan,
                                       struct i8_error *err) I8I_MUST_CHECK;
#endif
