/* SPDX-License-Identifier: Apache-2.0
 *
 * Added tokens: texts that are found before anything else and never cut or merged.
 * Some are looked for in the text as it came, some in its normalized form.
 */
#ifndef I8I_TOKENIZER_ADDED_TOKENS_H
#define I8I_TOKENIZER_ADDED_TOKENS_H

#include "base/json.h"
#include "base/memory.h"
#include <stdint.h>

struct i8i_split_pattern;

struct i8i_added_token {
    char *content;
    size_t length;
    int32_t id;
    bool single_word;             /* only where no word character is next to it */
    bool left_strip, right_strip; /* takes the white space beside it */
    bool normalized;              /* looked for in normalized text */
    bool special;                 /* left out when decoding without special tokens */
};

struct i8i_added_tokens {
    struct i8i_added_token *items; /* sorted: first by `normalized`, then by content */
    size_t count;
    size_t n_raw; /* the first ones, looked for in the text as it came */
    struct i8i_split_pattern *word; /* a word character; NULL if no token asks */
};

/* From tokenizer.json's "added_tokens" (may be NULL). *t is freed by
 * i8i_added_tokens_free either way. */
enum i8_status i8i_added_tokens_parse(struct i8i_added_tokens *t, const i8i_json *list,
                                      struct i8_error *err) I8I_MUST_CHECK;
void i8i_added_tokens_free(struct i8i_added_tokens *t);

/* A stretch of text: an added token (its index), or what lies between (-1). */
struct i8i_segment {
    size_t start, end;
    int64_t token;
};
struct i8i_segments {
    struct i8i_segment *items;
    size_t count, capacity;
};
/* Cuts text[start, end) of valid UTF-8 at the added tokens of one kind. Appends. */
enum i8_status i8i_added_tokens_find(const struct i8i_added_tokens *t, bool normalized,
                                     struct i8i_segments *out, const char *text,
                                     size_t start, size_t end,
                                     struct i8_error *err) I8I_MUST_CHECK;

#endif
