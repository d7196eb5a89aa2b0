/* SPDX-License-Identifier: Apache-2.0
 *
 * What cuts text into pieces that merging never crosses: tokenizer.json's
 * "pre_tokenizer", a list of steps that each refine the pieces of the one before.
 */
#ifndef I8I_TOKENIZER_PRETOKENIZER_H
#define I8I_TOKENIZER_PRETOKENIZER_H

#include "base/json.h"
#include "base/memory.h"

struct i8i_pretokenizer {
    struct i8i_pretokenizer_step *steps;
    size_t n_steps, capacity;
};

/* From the node; null means no steps. Kinds that are not handled are
 * I8_ERR_UNSUPPORTED, named. *p is freed by i8i_pretokenizer_free either way. */
enum i8_status i8i_pretokenizer_parse(struct i8i_pretokenizer *p, const i8i_json *node,
                                      struct i8_error *err) I8I_MUST_CHECK;
void i8i_pretokenizer_free(struct i8i_pretokenizer *p);

struct i8i_piece {
    size_t start, end; /* bytes of the text */
};
/* Text and the pieces that it falls into, in order. */
struct i8i_pieces {
    struct i8i_buffer text;
    struct i8i_piece *items;
    size_t count, capacity;
};
void i8i_pieces_init(struct i8i_pieces *p);
void i8i_pieces_free(struct i8i_pieces *p);

/* The pieces of `length` > 0 bytes of valid UTF-8. Thread-safe. */
enum i8_status i8i_pretokenizer_run(const struct i8i_pretokenizer *p,
                                    struct i8i_pieces *out, const char *text,
                                    size_t length, struct i8_error *err) I8I_MUST_CHECK;

#endif
