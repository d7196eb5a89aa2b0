/* SPDX-License-Identifier: Apache-2.0
 *
 * What verify found, for people and for scripts.
 */
#ifndef INT8TOOL_VERIFY_PRINT_H
#define INT8TOOL_VERIFY_PRINT_H

#include <int8tool/verify.h>

/* The JSON forms return an exit status. */
int verify_json(const struct i8_verify_result *r);
void verify_table(const struct i8_verify_result *r, const struct i8_verify_options *o);
int verify_golden_json(const struct i8_golden_result *r);
void verify_golden_table(const struct i8_golden_result *r, double max_rel_l2);

#endif
