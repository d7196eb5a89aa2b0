/* SPDX-License-Identifier: Apache-2.0
 *
 * How a model is run: on what, by how many threads, and what becomes of outliers.
 */
#ifndef INT8TOOL_RUNTIME_H
#define INT8TOOL_RUNTIME_H

#include <int8tool/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which input columns of an int8 Linear are multiplied in 16 bit. */
enum i8_outliers {
    I8_OUTLIERS_AUTO = 0, /* the stored columns and, for the rest, the threshold */
    I8_OUTLIERS_DYNAMIC,  /* by the threshold only */
    I8_OUTLIERS_STORED,   /* the stored columns only */
    I8_OUTLIERS_NONE,     /* none: plain int8 */
};

/* All zero is a good start. Strings are borrowed for the call. */
struct i8_runtime {
    const char *device; /* "cpu" (NULL: the same) */
    unsigned threads;   /* 0: one a processor that the process may run on */
    enum i8_outliers outliers;
    const struct i8_log *log;           /* warnings and notes; NULL: dropped */
    const struct i8_progress *progress; /* NULL: none */
};

#ifdef __cplusplus
}
#endif
#endif
