/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the plan: threads that take ranges of pieces in the order of their files, and
 * along with them or between them hash what is read and what is complete.
 */
#ifndef I8I_CONVERT_PIPELINE_H
#define I8I_CONVERT_PIPELINE_H

#include "convert/convert_plan.h"
#include "convert/division.h"
#include "convert/sizing.h"
#include "convert/staging.h"

/* What one run of the pipeline does. */
struct i8i_pipeline_task {
    struct i8i_division part; /* what is converted, unless the record has it */
    bool *hash_inputs;        /* by file: which to hash; NULL: all */
    bool *hash_outputs;       /* by file: which to hash once complete; NULL: all */
};

struct i8i_pipeline_report {
    uint64_t resumed_bytes; /* of the task's source bytes, done before */
    uint64_t nonfinite;     /* elements converted under allow_nonfinite */
    uint64_t part_bytes;    /* of source, in the task's part */
    uint64_t left_bytes;    /* of source, in the whole plan, not done by anybody */
    uint64_t passing_bytes; /* of source, hashed as they were read to be converted */
    bool complete;          /* nothing is left to convert */
};

/* Fills its part of the .part files, and the digests of inputs and outputs: those asked
 * for, where they are complete, and those that the record knows. */
enum i8_status i8i_pipeline_run(struct i8i_pipeline_report *report,
                                struct i8i_convert_plan *plan,
                                struct i8i_staging *staging,
                                const struct i8i_pipeline_task *task,
                                const struct i8i_convert_tuning *tuning,
                                struct i8_error *err) I8I_MUST_CHECK;

/* i8_convert with the work cut as the tests want it. */
enum i8_status i8i_convert_tuned(struct i8_convert_result *result,
                                 const struct i8_convert_options *options,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err) I8I_MUST_CHECK;

#endif
