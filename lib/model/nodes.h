/* SPDX-License-Identifier: Apache-2.0
 *
 * Shorthand for the families' node tables: one line a module. Each takes the depth
 * first; further designated initialisers (.bias, .when, .alias, .stack …) may follow.
 */
#ifndef I8I_MODEL_NODES_H
#define I8I_MODEL_NODES_H

#include "model/family.h"

/* clang-format off */
#define I8I_MODULE(d, n, cls, ...) \
    { .depth = (d), .kind = I8I_NODE_MODULE, .name = (n), .class_name = (cls), __VA_ARGS__ }
#define I8I_LINEAR(d, n, r, out, in, ...) \
    { .depth = (d), .kind = I8I_NODE_LINEAR, .name = (n), .class_name = "Linear", \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##out, .cols = I8I_DIM_##in, __VA_ARGS__ }
#define I8I_EMBEDDING(d, n, cls, r, n_rows, width, ...) \
    { .depth = (d), .kind = I8I_NODE_EMBEDDING, .name = (n), .class_name = (cls), \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##n_rows, .cols = I8I_DIM_##width, __VA_ARGS__ }
#define I8I_NORM(d, n, cls, r, width, ...) \
    { .depth = (d), .kind = I8I_NODE_NORM, .name = (n), .class_name = (cls), \
      .role = I8I_ROLE_##r, .rows = I8I_DIM_##width, __VA_ARGS__ }
/* The numbered blocks of the list above it. */
#define I8I_BLOCKS(d, cls, number, which_stack, ...) \
    { .depth = (d), .kind = I8I_NODE_MODULE, .name = "#", .class_name = (cls), \
      .role = I8I_ROLE_BLOCK, .count = I8I_DIM_##number, .stack = (which_stack), __VA_ARGS__ }
/* transformers 5 keeps both the scaled and the original frequencies. */
#define I8I_ROTARY(d, n, cls, ...) \
    I8I_MODULE(d, n, cls, __VA_ARGS__), \
    { .depth = (d) + 1, .kind = I8I_NODE_BUFFER, .name = "inv_freq", \
      .rows = I8I_DIM_ROTARY_HALF, __VA_ARGS__ }, \
    { .depth = (d) + 1, .kind = I8I_NODE_BUFFER, .name = "original_inv_freq", \
      .rows = I8I_DIM_ROTARY_HALF, __VA_ARGS__ }
/* clang-format on */

#endif
