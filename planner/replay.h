/* SPDX-License-Identifier: Apache-2.0
 *
 * What accelerate 1.15 and transformers 5.17 do when they are asked for a device map:
 * get_balanced_memory and infer_auto_device_map, decision for decision, faults
 * included. Pure functions over a module tree.
 */
#ifndef I8I_PLANNER_REPLAY_H
#define I8I_PLANNER_REPLAY_H

#include "planner/bytes.h"
#include "planner/device_map.h"

enum i8i_replay_rules { I8I_REPLAY_ACCELERATE, I8I_REPLAY_TRANSFORMERS };

/* A budget in Python's arithmetic: an int, or a float once multiplied; a double holds
 * either exactly up to 2^53. In the order that get_max_memory gives: GPUs ascending,
 * then the CPU. The disk is always there, without limit, and stands in no list. */
struct i8i_limit {
    int device;
    double bytes;
};

/* Where the loop went on to the next device, and why. */
struct i8i_spill {
    int item;        /* module, or ~parameter, that did not fit */
    int device;      /* on this device */
    double needed;   /* bytes, with what is tied to it */
    double left;     /* of the device's limit, after use and reserve */
    double reserve;  /* kept free for the largest layer still to come */
    int reserve_for; /* that layer: module or ~parameter; meaningless if reserve is 0 */
};

struct i8i_replay {
    const struct i8i_model *model;
    const struct i8i_bytes *bytes;
    enum i8i_replay_rules rules;
    bool fallback; /* accelerate's fallback_allocation, off in all that calls it */
    /* filled by i8i_replay_run: */
    struct i8i_placement placement;
    struct i8i_spill *spills;
    size_t n_spills;
};

/* Changes limits as get_balanced_memory does. I8_ERR_UNSUPPORTED where the Python code
 * raises (low_zero with gaps in the ids), saying what. */
enum i8_status i8i_replay_balance(const struct i8i_replay *r, struct i8i_limit *limits,
                                  size_t n, bool low_zero,
                                  struct i8_error *err) I8I_MUST_CHECK;

/* Fills placement and spills. I8_ERR_UNSUPPORTED where the Python code raises. Free by
 * i8i_replay_free, on failure too. */
enum i8_status i8i_replay_run(struct i8i_replay *r, const struct i8i_limit *limits,
                              size_t n, struct i8_error *err) I8I_MUST_CHECK;
void i8i_replay_free(struct i8i_replay *r);

#endif
