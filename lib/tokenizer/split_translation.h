/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of one translation, shared by split_pattern.c (groups and repeats) and
 * split_class.c (characters, properties and classes).
 */
#ifndef I8I_TOKENIZER_SPLIT_TRANSLATION_H
#define I8I_TOKENIZER_SPLIT_TRANSLATION_H

#include "base/memory.h"

#define I8I_SPLIT_MAX_DEPTH 64 /* groups and classes within one another */

struct i8i_translation {
    const char *pattern;
    size_t length, at;
    struct i8i_buffer out;
    bool caseless;     /* within (?i:…) */
    uint32_t previous; /* the literal just before, where it matters; 0: none */
    struct i8_error *err;
};

/* The byte `ahead` of the current one, or 0 behind the end. */
static inline char i8i_split_peek(const struct i8i_translation *t, size_t ahead)
{
    return ahead < t->length - t->at ? t->pattern[t->at + ahead] : '\0';
}
bool i8i_split_looking_at(const struct i8i_translation *t, const char *s);

/* "split pattern, byte N: WHAT has no exact counterpart …" */
enum i8_status i8i_split_refuse(const struct i8i_translation *t, size_t at,
                                const char *what);
/* "split pattern, byte N: WHAT" */
enum i8_status i8i_split_malformed(const struct i8i_translation *t, size_t at,
                                   const char *what);

void i8i_split_put_literal(struct i8i_translation *t, uint32_t c);
/* [ … ], at the bracket. */
enum i8_status i8i_split_put_class(struct i8i_translation *t) I8I_MUST_CHECK;
/* An escape outside a class, at the backslash: if it stands for one character, *c is
 * that and nothing is written. Otherwise *c is UINT32_MAX. */
enum i8_status i8i_split_put_escape(struct i8i_translation *t,
                                    uint32_t *c) I8I_MUST_CHECK;

#endif
