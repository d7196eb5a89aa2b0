/* SPDX-License-Identifier: Apache-2.0
 *
 * What is run: windows of token ids, made of prompts, text files, lists of ids, or
 * where none is given of a built-in text.
 */
#ifndef I8I_VERIFY_WINDOWS_H
#define I8I_VERIFY_WINDOWS_H

#include "verify/model_text.h"

struct i8i_window {
    int32_t *ids;
    size_t n;
    char *prompt; /* the text that it is, if it came from one whole prompt; or NULL */
};

struct i8i_windows {
    struct i8i_window *items;
    size_t count, capacity;
    const char *input; /* static: where they come from */
};
void i8i_windows_free(struct i8i_windows *w);
/* Drops all but the first `most`; 0: none. */
void i8i_windows_keep(struct i8i_windows *w, size_t most);

struct i8i_window_options {
    const char *const *prompts; /* NULL-terminated, or NULL */
    const char *text_path, *tokens_path;
    size_t window; /* ids of one; 0: never cut */
    size_t least;  /* shorter ones are refused */
    const struct i8_log *log;
    bool fallback; /* with none of the three: the built-in text, or pseudo-random ids */
};
/* Ids are not checked against the vocabulary: a run does that. */
enum i8_status i8i_windows_read(struct i8i_windows *w, const struct i8i_model *m,
                                const struct i8i_model_text *text,
                                const struct i8i_window_options *options,
                                struct i8_error *err) I8I_MUST_CHECK;

/* A few paragraphs of plain English. */
extern const char i8i_sample_text[];

#endif
