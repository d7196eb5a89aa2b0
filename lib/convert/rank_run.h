/* SPDX-License-Identifier: Apache-2.0
 *
 * One conversion on its way, and how one of several ranks does its part of it.
 */
#ifndef I8I_CONVERT_RANK_RUN_H
#define I8I_CONVERT_RANK_RUN_H

#include "convert/pipeline.h"

struct i8i_conversion {
    struct i8i_convert_plan *plan;
    struct i8i_staging *staging;
    const struct i8i_convert_tuning *tuning;
    char manifest_sha256[I8_SHA256_HEX];
    uint64_t nonfinite;
    uint64_t resumed_bytes, part_bytes, left_bytes; /* as in struct i8_convert_result */
    bool complete;
    bool begun; /* the pipeline has run once */
};

/* convert.c: the pipeline, and a check that the source has not changed meanwhile. */
enum i8_status i8i_conversion_work(struct i8i_conversion *r,
                                   const struct i8i_pipeline_task *task,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* convert.c: i8i_pack_outputs, if the plan compresses. */
enum i8_status i8i_conversion_pack(struct i8i_conversion *r, const bool *which,
                                   bool unbegun, struct i8_error *err) I8I_MUST_CHECK;
/* convert.c: the pipeline with the rest of the work, packs, then publishes. */
enum i8_status i8i_conversion_finish(struct i8i_conversion *r,
                                     const struct i8i_pipeline_task *task,
                                     struct i8_error *err) I8I_MUST_CHECK;
/* convert.c: another rank has published, and the plan has its digests. */
enum i8_status i8i_conversion_found_complete(struct i8i_conversion *r,
                                             struct i8_error *err) I8I_MUST_CHECK;
/* convert.c: may .part files and journals be of use later, after this failure? */
bool i8i_worth_keeping(enum i8_status st);

/* convert.c: what is to be said of the model, and looked at in it, once the output
 * directory was found usable. */
enum i8_status i8i_conversion_check_model(const struct i8i_convert_plan *p,
                                          struct i8_error *err) I8I_MUST_CHECK;

/* Does the part of g->rank, and what remains once all parts are done. `so_far` is how
 * planning went: a failure there must reach the other ranks, too. */
enum i8_status i8i_conversion_as_rank(struct i8i_conversion *r,
                                      const struct i8_rank_group *g,
                                      enum i8_status so_far,
                                      struct i8_error *err) I8I_MUST_CHECK;

#endif
