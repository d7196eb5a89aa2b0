/* SPDX-License-Identifier: Apache-2.0
 *
 * What the planner's own files know about a planner and a plan.
 */
#ifndef I8I_PLANNER_PLAN_STATE_H
#define I8I_PLANNER_PLAN_STATE_H

#include "planner/atoms.h"
#include "planner/bytes.h"
#include "planner/device_map.h"
#include "planner/replay.h"

struct i8_planner {
    struct i8i_model *model;
};

/* Behind i8_plan.state: what the answer was made from. */
struct i8i_plan_state {
    struct i8i_bytes bytes;
    struct i8i_placement placement;
    struct i8i_workload workload;
    struct i8i_chain chain;
    struct i8i_replay replay; /* of the two replayed strategies; placement is moved out */
    struct i8_plan_budget *budgets;
    size_t notes_capacity;
};

static inline struct i8i_plan_state *i8i_plan_state(const struct i8_plan *plan)
{
    return plan->state;
}

/* Appends a note, composed as by printf; false without memory. */
bool i8i_plan_note(struct i8_plan *plan, const char *fmt, ...) I8I_PRINTF(2, 3);

/* The name of a device in text: "GPU 0", "cpu". */
#define I8I_DEVICE_TEXT 24
const char *i8i_device_text(char buf[I8I_DEVICE_TEXT], int device);

/* As options and JSON spell it: "int8", "stored". */
const char *i8i_plan_dtype_text(enum i8_plan_dtype dtype);

/* Replays a strategy for the budgets of `request`, into *r (model, bytes and rules set).
 */
enum i8_status i8i_plan_replay(struct i8i_replay *r,
                               const struct i8_plan_request *request,
                               struct i8_error *err) I8I_MUST_CHECK;

/* Notes that say why, and what would help. */
enum i8_status i8i_explain_spills(struct i8_plan *plan,
                                  struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_explain_shortage(struct i8_plan *plan,
                                    struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_explain_model(struct i8_plan *plan,
                                 struct i8_error *err) I8I_MUST_CHECK;

#endif
