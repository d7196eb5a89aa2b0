/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json's "post_processor": the special tokens that go before and behind a
 * single text.
 */
#ifndef I8I_TOKENIZER_POST_PROCESSOR_H
#define I8I_TOKENIZER_POST_PROCESSOR_H

#include "tokenizer/bpe.h"

struct i8i_post_processor {
    struct i8i_ids before, behind;
};

/* From the node (null: nothing is added). *p is freed by i8i_post_processor_free either
 * way. */
enum i8_status i8i_post_processor_parse(struct i8i_post_processor *p,
                                        const i8i_json *node,
                                        struct i8_error *err) I8I_MUST_CHECK;
void i8i_post_processor_free(struct i8i_post_processor *p);

#endif
