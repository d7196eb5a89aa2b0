/* SPDX-License-Identifier: Apache-2.0
 *
 * The regular expressions that cut text into pieces before merging. tokenizer.json
 * writes them for Oniguruma (Ruby syntax); here PCRE2 runs them, from a translation
 * that either means exactly the same or is refused.
 */
#ifndef I8I_TOKENIZER_SPLIT_PATTERN_H
#define I8I_TOKENIZER_SPLIT_PATTERN_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define I8I_MAX_PATTERN_BYTES 65536u /* real ones have some 200 bytes */

/* PCRE2's words for an Oniguruma pattern; caller frees. I8_ERR_UNSUPPORTED names the
 * construct that has no exact translation. */
enum i8_status i8i_split_pattern_translate(char **out, const char *pattern,
                                           struct i8_error *err) I8I_MUST_CHECK;
/* The same for a literal string. */
enum i8_status i8i_split_pattern_quote(char **out, const char *literal,
                                       struct i8_error *err) I8I_MUST_CHECK;

struct i8i_split_pattern; /* compiled, read-only: any number of threads may match it */
/* Compiles what the two above made (or PCRE2 of our own). */
enum i8_status i8i_split_pattern_new(struct i8i_split_pattern **out, const char *pcre2,
                                     struct i8_error *err) I8I_MUST_CHECK;
void i8i_split_pattern_free(struct i8i_split_pattern *p); /* NULL is fine */

/* Matches from left to right, as Oniguruma's find_iter gives them: not overlapping,
 * and no empty match right behind another match. One thread, one text (valid UTF-8,
 * borrowed). */
struct i8i_split_scan;
enum i8_status i8i_split_scan_new(struct i8i_split_scan **out,
                                  const struct i8i_split_pattern *p,
                                  struct i8_error *err) I8I_MUST_CHECK;
void i8i_split_scan_free(struct i8i_split_scan *s); /* NULL is fine */
void i8i_split_scan_start(struct i8i_split_scan *s, const char *text, size_t length);
/* Sets [*start, *end) to the next match; *found is false at the end. A pattern that
 * takes unreasonably many steps is I8_ERR_DATA. */
enum i8_status i8i_split_scan_next(struct i8i_split_scan *s, bool *found, size_t *start,
                                   size_t *end, struct i8_error *err) I8I_MUST_CHECK;

#endif
