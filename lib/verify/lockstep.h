/* SPDX-License-Identifier: Apache-2.0
 *
 * Two models pushed through their stages side by side, all windows at each stage, so
 * that a stage's weights are read once and only one stage of a model is in memory.
 */
#ifndef I8I_VERIFY_LOCKSTEP_H
#define I8I_VERIFY_LOCKSTEP_H

#include "verify/metrics.h"
#include "verify/task.h"

struct i8i_lockstep_options {
    struct i8i_engine *reference;
    struct i8i_engine *converted; /* NULL: the reference alone is scored */
    const struct i8i_task *tasks;
    size_t n_tasks;
    bool isolate; /* also measure each stage on the reference's input */
    struct i8i_pool *pool;
    const struct i8_log *log;
    const struct i8_progress *progress;
};

struct i8i_lockstep {
    struct i8i_metrics metrics;
    size_t n_stages;
    struct i8i_difference *accumulated; /* of each stage's output; of the last, logits */
    struct i8i_difference *isolated;    /* the same on the reference's input; or NULL */
    uint64_t nonfinite;                 /* in logits and hidden states */
};

/* *out is freed by i8i_lockstep_free either way. */
enum i8_status i8i_lockstep_run(struct i8i_lockstep *out,
                                const struct i8i_lockstep_options *options,
                                struct i8_error *err) I8I_MUST_CHECK;
void i8i_lockstep_free(struct i8i_lockstep *l);

#endif
