/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes and numbers as people write them, strictly read: "10GiB", "1.5TB", "4096".
 */
#ifndef I8I_BASE_SIZE_H
#define I8I_BASE_SIZE_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

/* A size: digits with an optional fraction, then nothing, B, or K/M/G/T/P with B
 * (1000) or iB (1024), upper or lower case first letter; "KiB", "GB" …. The unit is
 * always bytes. `what` names the option in the message. Fails with I8_ERR_ARG on
 * anything else, negative values and overflow. */
enum i8_status i8i_size_parse(uint64_t *bytes, const char *text, const char *what,
                              struct i8_error *err) I8I_MUST_CHECK;
/* A decimal integer in [min, max], nothing around it. */
enum i8_status i8i_uint_parse(uint64_t *value, const char *text, uint64_t min,
                              uint64_t max, const char *what,
                              struct i8_error *err) I8I_MUST_CHECK;
/* A finite decimal number in [min, max] (locale-independent). */
enum i8_status i8i_double_parse(double *value, const char *text, double min, double max,
                                const char *what, struct i8_error *err) I8I_MUST_CHECK;
/* The shortest decimal text that reads back as v, always with a point or an exponent:
 * "6.0", "0.01", "1e-05". v must be finite. Returns buf. */
#define I8I_DOUBLE_TEXT 32
char *i8i_double_text(char buf[I8I_DOUBLE_TEXT], double v);
/* "1.42 GiB", "317 B": three or four significant digits. Returns buf. */
#define I8I_SIZE_TEXT 32
char *i8i_size_text(char buf[I8I_SIZE_TEXT], uint64_t bytes);

#endif
