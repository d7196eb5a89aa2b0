/* SPDX-License-Identifier: Apache-2.0
 *
 * What each parameter and module takes, under one of three sets of rules: the truth
 * (what a converted directory holds), and what accelerate or transformers believe when
 * they make a device map.
 */
#ifndef I8I_PLANNER_BYTES_H
#define I8I_PLANNER_BYTES_H

#include "model/model.h"
#include <int8tool/plan.h>

enum i8i_byte_rules {
    I8I_BYTES_TRUE,
    I8I_BYTES_ACCELERATE,   /* compute_module_sizes of an fp32 model on the meta device */
    I8I_BYTES_TRANSFORMERS, /* the same by transformers 5, in bfloat16 with load_in_8bit
                             */
};

struct i8i_bytes {
    uint64_t *param;  /* [n_params]; 0 for a tied one: its group is counted once */
    uint64_t *module; /* [n_modules], descendants included */
    uint64_t *buffer; /* [n_modules], descendants included: buffers that no checkpoint
                       * holds. With I8I_BYTES_TRUE they are not in `module` */
    int *end;         /* [n_modules], the first module behind the subtree (pre-order) */
    bool *converted;  /* [n_modules], becomes int8 under these rules */
};

/* Fails without memory and when a sum overflows. */
enum i8_status i8i_bytes_compute(struct i8i_bytes *out, const struct i8i_model *m,
                                 const struct i8_plan_request *request,
                                 enum i8i_byte_rules rules,
                                 struct i8_error *err) I8I_MUST_CHECK;
void i8i_bytes_free(struct i8i_bytes *b);

enum i8i_reader i8i_plan_reader(enum i8_plan_runtime runtime);
/* I8_DTYPE_INVALID for "stored" and for int8. */
enum i8_dtype i8i_plan_dtype(enum i8_plan_dtype dtype);

/* The price of a tensor in a sizes file; false if it names none. */
bool i8i_plan_size_of(uint64_t *bytes, const struct i8_plan_sizes *s, const char *tensor);

#endif
