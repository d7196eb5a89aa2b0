/* SPDX-License-Identifier: Apache-2.0
 *
 * Which files of a repository are meant: patterns as Python's fnmatch.fnmatchcase and
 * huggingface_hub's filter_repo_objects read them. '*' and '?' cross '/', letters keep
 * their case, [seq] and [!seq] are sets, nothing escapes. C's fnmatch(3) differs in
 * [^x], [[:alpha:]], an unclosed '[', ranges that run backwards, and in the locale.
 */
#ifndef I8I_HUB_PATTERNS_H
#define I8I_HUB_PATTERNS_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_patterns; /* read-only once made: any number of threads may match */

/* `list` is NULL-terminated; NULL makes a set of no patterns. '\' counts as '/', and a
 * pattern that ends in '/' takes all below that folder. `what` names the option in the
 * message; an empty pattern is I8_ERR_ARG. */
enum i8_status i8i_patterns_new(struct i8i_patterns **out, const char *const *list,
                                const char *what, struct i8_error *err) I8I_MUST_CHECK;
void i8i_patterns_free(struct i8i_patterns *p); /* NULL is fine */
size_t i8i_patterns_count(const struct i8i_patterns *p);
/* Does any pattern match? `name` is UTF-8; one character is one code point. */
bool i8i_patterns_match(const struct i8i_patterns *p, const char *name);
/* Pattern i without '*', '?' and '[', and so the name of one file; else NULL. */
const char *i8i_patterns_literal(const struct i8i_patterns *p, size_t i);

#endif
