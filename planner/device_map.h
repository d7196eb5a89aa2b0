/* SPDX-License-Identifier: Apache-2.0
 *
 * Where modules go, and the shortest complete device map that says so.
 */
#ifndef I8I_PLANNER_DEVICE_MAP_H
#define I8I_PLANNER_DEVICE_MAP_H

#include "model/model.h"
#include <int8tool/plan.h>

/* A device for some modules and parameters of the tree, I8_PLAN_NONE for the others;
 * what is placed covers everything once. */
struct i8i_placement {
    int *module; /* [n_modules] */
    int *param;  /* [n_params], for those placed by themselves */
};
enum i8_status i8i_placement_init(struct i8i_placement *p, const struct i8i_model *m,
                                  struct i8_error *err) I8I_MUST_CHECK;
void i8i_placement_free(struct i8i_placement *p);

/* The map as accelerate's clean_device_map leaves it: all that lies below a module and
 * goes to one device is said by the module, unless it was one key already. Caller
 * frees *out; names are the model's. */
enum i8_status i8i_device_map(struct i8_plan_entry **out, size_t *n,
                              const struct i8i_model *m, const struct i8i_placement *p,
                              struct i8_error *err) I8I_MUST_CHECK;

/* The device of every module and parameter that a placement implies for the module
 * itself: its own entry or the nearest one above. I8_PLAN_NONE where there is none. */
int i8i_placement_of_param(const struct i8i_model *m, const struct i8i_placement *p,
                           int param);
int i8i_placement_of_module(const struct i8i_model *m, const struct i8i_placement *p,
                            int module);

#endif
