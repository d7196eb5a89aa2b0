/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json's "normalizer". Only NFC is known, and only as a check: text that is
 * in NFC already passes through, text that might not be is refused.
 */
#ifndef I8I_TOKENIZER_NORMALIZER_H
#define I8I_TOKENIZER_NORMALIZER_H

#include "base/json.h"

/* *nfc: whether text must be in Unicode's normalization form C. */
enum i8_status i8i_normalizer_parse(bool *nfc, const i8i_json *node,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* I8_ERR_UNSUPPORTED, naming the character, unless `length` bytes of valid UTF-8 are
 * known to be in NFC. */
enum i8_status i8i_normalizer_check_nfc(const char *text, size_t length,
                                        struct i8_error *err) I8I_MUST_CHECK;

#endif
