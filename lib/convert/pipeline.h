/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the plan: threads that take ranges of pieces in the order of the source, and
 * between them hash what has been read and what is complete.
 */
#ifndef I8I_CONVERT_PIPELINE_H
#define I8I_CONVERT_PIPELINE_H

#include "convert/convert_plan.h"
#include "convert/staging.h"

/* How the work is cut: nothing of it changes a byte of the output. Zeros are defaults. */
struct i8i_convert_tuning {
    size_t block_bytes;  /* of one buffer; a thread has two */
    uint64_t item_bytes; /* of source, handed to a thread at a time */
    uint64_t sync_bytes; /* written between two durable marks in the journal */
};

struct i8i_pipeline_report {
    uint64_t resumed_bytes; /* of source, done before */
    uint64_t nonfinite;     /* elements converted under allow_nonfinite */
};

/* Threads and buffers within options->ram_bytes. */
enum i8_status i8i_pipeline_size(unsigned *jobs, size_t *block_bytes,
                                 uint64_t *memory_bytes,
                                 const struct i8i_convert_plan *plan,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err) I8I_MUST_CHECK;
/* Fills every .part file, and the digests of the plan's inputs and outputs. */
enum i8_status i8i_pipeline_run(struct i8i_pipeline_report *report,
                                struct i8i_convert_plan *plan,
                                struct i8i_staging *staging,
                                const struct i8i_convert_tuning *tuning,
                                struct i8_error *err) I8I_MUST_CHECK;

/* i8_convert with the work cut as the tests want it. */
enum i8_status i8i_convert_tuned(struct i8_convert_result *result,
                                 const struct i8_convert_options *options,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err) I8I_MUST_CHECK;

#endif
