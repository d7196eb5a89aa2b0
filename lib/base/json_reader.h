/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading JSON without a tree, for documents of a million members: one pass over text
 * that was found valid, in which every value is read or skipped where it stands.
 */
#ifndef I8I_BASE_JSON_READER_H
#define I8I_BASE_JSON_READER_H

#include "base/json.h"

/* Stands in front of a value, a member or the end of a container. A plain value: a copy
 * is a bookmark to which reading can return. */
struct i8i_json_reader {
    const char *at, *end;
};

/* A string as it is written, between its quotes; in the reader's text. */
struct i8i_json_text {
    const char *at;
    size_t length;
};

/* Checks the whole text as i8i_json_parse does, but for repeated keys, which are the
 * caller's to find; the text must outlive the reader. */
enum i8_status i8i_json_reader_init(struct i8i_json_reader *r, const char *text,
                                    size_t length, const char *what,
                                    struct i8_error *err) I8I_MUST_CHECK;

/* Into a container; false, and the reader stays, if the value is none of that kind. */
bool i8i_json_enter_object(struct i8i_json_reader *r);
bool i8i_json_enter_array(struct i8i_json_reader *r);
/* To the next member's value or the next element, once the one before has been read or
 * skipped; false behind the last, which leaves the container. */
bool i8i_json_next_member(struct i8i_json_reader *r, struct i8i_json_text *key);
bool i8i_json_next_element(struct i8i_json_reader *r);

/* Each reads one value; false, and the reader stays, if it is of another kind. */
bool i8i_json_read_text(struct i8i_json_reader *r, struct i8i_json_text *out);
/* A number as i8i_json_u64 takes it. */
bool i8i_json_read_u64(struct i8i_json_reader *r, uint64_t *out);
bool i8i_json_read_null(struct i8i_json_reader *r);
void i8i_json_skip(struct i8i_json_reader *r);
/* Any value, as a document of its own, in which no key may be repeated. */
enum i8_status i8i_json_read_value(i8i_json **out, struct i8i_json_reader *r,
                                   const char *what, struct i8_error *err) I8I_MUST_CHECK;

/* The string that a text means; NULL without memory. Borrowed from `buffer` until its
 * next use. */
const char *i8i_json_unescape(struct i8i_buffer *buffer, struct i8i_json_text text);
/* Whether it means `word`. */
bool i8i_json_text_is(struct i8i_json_text text, const char *word);

#endif
