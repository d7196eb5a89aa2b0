/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a text JSON, to the letter of RFC 8259? cJSON is lenient where we must not be, so
 * it only ever sees text that has passed here.
 */
#ifndef I8I_BASE_JSON_CHECK_H
#define I8I_BASE_JSON_CHECK_H

#include "base/error.h"
#include <stddef.h>

/* Deep enough for any real file, shallow enough for the recursion that follows. */
#define I8I_JSON_MAX_DEPTH 128

/* A number whose text a double does not give back: "1.0", "1e6", 17 digits. */
struct i8i_json_number {
    size_t index; /* which number of the document, from 0 */
    size_t offset, length;
};
struct i8i_json_numbers {
    struct i8i_json_number *list;
    size_t count, capacity;
};

/* Fails with the byte offset of the first fault. The caller frees numbers->list, also
 * on failure. */
enum i8_status i8i_json_check(struct i8i_json_numbers *numbers, const char *text,
                              size_t length, const char *what,
                              struct i8_error *err) I8I_MUST_CHECK;

#endif
