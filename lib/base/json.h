/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON in and out. The only user of cJSON: what it leaves unchecked (UTF-8, NUL
 * escapes, integers beyond 2^53, trailing text, duplicate keys) is checked here.
 */
#ifndef I8I_BASE_JSON_H
#define I8I_BASE_JSON_H

#include "base/error.h"
#include "base/memory.h"
#include <stdbool.h>
#include <stdint.h>

/* ---- reading ---- */

struct cJSON;
typedef struct cJSON i8i_json; /* a borrowed node; the document owns it */

/* Parses `length` bytes of one JSON value; `what` names the file in messages. White
 * space around it is allowed, anything else is not. Objects with a repeated key
 * (compared after unescaping) are refused at every level. *out is freed by
 * i8i_json_free. */
enum i8_status i8i_json_parse(i8i_json **out, const char *text, size_t length,
                              const char *what, struct i8_error *err) I8I_MUST_CHECK;
/* "what: the key "…" appears twice in an object", as the parser says it. */
enum i8_status i8i_json_repeated_key(const char *key, const char *what,
                                     struct i8_error *err);
/* Reads and parses a file of at most `cap` bytes. */
enum i8_status i8i_json_read_file(i8i_json **out, const char *path, size_t cap,
                                  struct i8_error *err) I8I_MUST_CHECK;
void i8i_json_free(i8i_json *doc);

bool i8i_json_is_object(const i8i_json *n);
bool i8i_json_is_array(const i8i_json *n);
bool i8i_json_is_string(const i8i_json *n);
bool i8i_json_is_number(const i8i_json *n);
bool i8i_json_is_bool(const i8i_json *n);
bool i8i_json_is_null(const i8i_json *n);
/* The member, or NULL when n is NULL, no object, or lacks it. Case-sensitive, linear
 * in the members: iterate instead where there are many. */
const i8i_json *i8i_json_get(const i8i_json *n, const char *key);
/* First child / next sibling, to walk objects and arrays; NULL at the end. */
const i8i_json *i8i_json_first(const i8i_json *n);
const i8i_json *i8i_json_next(const i8i_json *n);
size_t i8i_json_count(const i8i_json *n);
const char *i8i_json_key(const i8i_json *n);    /* of an object's member */
const char *i8i_json_string(const i8i_json *n); /* NULL if no string */
bool i8i_json_bool(const i8i_json *n, bool fallback);
double i8i_json_double(const i8i_json *n, double fallback);
/* The number as it was written where that says more than its double ("1.0", "1e6",
 * more than 15 digits), else NULL. Borrowed. */
const char *i8i_json_number_text(const i8i_json *n);
/* A number written as an integer (no fraction, no exponent) in [0, 2^53]; false
 * otherwise. */
bool i8i_json_u64(uint64_t *out, const i8i_json *n);
/* The same in [-2^53, 2^53]. */
bool i8i_json_i64(int64_t *out, const i8i_json *n);

/* ---- writing ----
 * A writer over a capped buffer; commas, quoting and (pretty) indentation are its
 * business. Errors latch in the buffer. Strings must be UTF-8; invalid bytes become
 * U+FFFD. */
struct i8i_json_writer {
    struct i8i_buffer buffer;
    int depth;
    bool pretty;
    bool need_comma;
    bool after_key;
};
void i8i_jw_init(struct i8i_json_writer *w, bool pretty);
void i8i_jw_free(struct i8i_json_writer *w);
void i8i_jw_begin_object(struct i8i_json_writer *w);
void i8i_jw_end_object(struct i8i_json_writer *w);
void i8i_jw_begin_array(struct i8i_json_writer *w);
void i8i_jw_end_array(struct i8i_json_writer *w);
void i8i_jw_key(struct i8i_json_writer *w, const char *key);
void i8i_jw_string(struct i8i_json_writer *w, const char *s); /* NULL writes null */
void i8i_jw_u64(struct i8i_json_writer *w, uint64_t v);
void i8i_jw_i64(struct i8i_json_writer *w, int64_t v);
/* The shortest text that reads back as v; non-finite values are written as null. */
void i8i_jw_double(struct i8i_json_writer *w, double v);
void i8i_jw_bool(struct i8i_json_writer *w, bool v);
void i8i_jw_null(struct i8i_json_writer *w);
/* A node of a parsed document, copied through as it was: key order and the text of
 * numbers are kept. */
void i8i_jw_node(struct i8i_json_writer *w, const i8i_json *n);
/* key + value in one call. */
void i8i_jw_kv_string(struct i8i_json_writer *w, const char *key, const char *s);
void i8i_jw_kv_u64(struct i8i_json_writer *w, const char *key, uint64_t v);
void i8i_jw_kv_double(struct i8i_json_writer *w, const char *key, double v);
void i8i_jw_kv_bool(struct i8i_json_writer *w, const char *key, bool v);

#endif
