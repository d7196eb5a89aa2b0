/* SPDX-License-Identifier: Apache-2.0
 *
 * The account of a conversion, for commands that do one.
 */
#ifndef INT8TOOL_CONVERT_PRINT_H
#define INT8TOOL_CONVERT_PRINT_H

#include "base/json.h"
#include <int8tool/convert.h>

/* Members of an object: what the work took, and the files that came of it. */
void print_conversion(struct i8i_json_writer *w, const struct i8_convert_result *r);

#endif
