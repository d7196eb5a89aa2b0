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
/* Writes a page that shows all of it; appears whole or not at all. */
enum i8_status verify_report(const char *path, const char *original,
                             const char *converted, const struct i8_verify_result *r,
                             const struct i8_verify_options *o, struct i8_error *err);
void verify_golden_table(const struct i8_golden_result *r, double max_rel_l2);

#endif
