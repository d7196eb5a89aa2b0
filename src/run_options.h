/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of the commands that run models.
 */
#ifndef INT8TOOL_RUN_OPTIONS_H
#define INT8TOOL_RUN_OPTIONS_H

#include "command.h"
#include <int8tool/runtime.h>

#define OUTLIERS_OPTION                                                                  \
    {                                                                                    \
        .name = "outliers", .arg = "WHICH", .values = "auto|dynamic|stored|none",        \
        .fallback = "auto",                                                              \
        .help = "which input columns of int8 modules are multiplied in 16 bit: the "     \
                "stored ones and, for the rest, those that reach the threshold (auto), " \
                "one of the two, or none"                                                \
    }
#define DEVICE_OPTION                                         \
    {                                                         \
        .name = "device", .arg = "DEVICE", .fallback = "cpu", \
        .help = "where to run; cpu is the only one so far"    \
    }

/* Fills *runtime from --device and --outliers. On failure prints why, sets *status and
 * returns false. */
bool run_options(struct i8_runtime *runtime, const struct arguments *args, int *status);

#endif
