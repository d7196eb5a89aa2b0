/* SPDX-License-Identifier: Apache-2.0
 *
 * Text ↔ token ids, as Hugging Face's tokenizers do it, from tokenizer.json.
 */
#ifndef I8I_TOKENIZER_TOKENIZER_H
#define I8I_TOKENIZER_TOKENIZER_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_tokenizer; /* read-only after opening; thread-safe */

/* From the bytes of tokenizer.json (`what` names it in messages). A kind that is not
 * handled is I8_ERR_UNSUPPORTED, named. */
enum i8_status i8i_tokenizer_parse(struct i8i_tokenizer **out, const char *json,
                                   size_t length, const char *what,
                                   struct i8_error *err) I8I_MUST_CHECK;
void i8i_tokenizer_free(struct i8i_tokenizer *t);
size_t i8i_tokenizer_size(const struct i8i_tokenizer *t); /* ids are below this */

/* Ids of UTF-8 text; added tokens in it are recognised; add_special puts what the
 * post-processor puts (BOS …). Caller frees *ids. */
enum i8_status i8i_tokenizer_encode(const struct i8i_tokenizer *t, int32_t **ids,
                                    size_t *count, const char *text, size_t length,
                                    bool add_special,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* UTF-8 text of ids (invalid sequences become U+FFFD), NUL-terminated; it may hold NULs,
 * so *length (may be NULL) says how many bytes it has. Ids that are no token (models have
 * more rows than tokenizers have tokens) are left out. Caller frees. */
enum i8_status i8i_tokenizer_decode(const struct i8i_tokenizer *t, char **text,
                                    size_t *length, const int32_t *ids, size_t count,
                                    bool skip_special,
                                    struct i8_error *err) I8I_MUST_CHECK;

#endif
