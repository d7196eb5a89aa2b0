/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing JSON into a capped buffer.
 */
#include "config.h"

#include "base/json.h"
#include "base/size.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_DOCUMENT ((size_t)1 << 30)

void i8i_jw_init(struct i8i_json_writer *w, bool pretty)
{
    *w = (struct i8i_json_writer){.pretty = pretty};
    i8i_buffer_init(&w->buffer, MAX_DOCUMENT);
}

void i8i_jw_free(struct i8i_json_writer *w)
{
    i8i_buffer_free(&w->buffer);
}

static void new_line(struct i8i_json_writer *w)
{
    if (!w->pretty)
        return;
    i8i_buffer_append(&w->buffer, "\n", 1);
    for (int i = 0; i < w->depth; i++)
        i8i_buffer_append(&w->buffer, "  ", 2);
}

/* The comma and line break before a key or an array's element. */
static void begin_item(struct i8i_json_writer *w)
{
    if (w->need_comma)
        i8i_buffer_append(&w->buffer, ",", 1);
    if (w->depth > 0)
        new_line(w);
    w->need_comma = true;
}

static void begin_value(struct i8i_json_writer *w)
{
    if (!w->after_key)
        begin_item(w);
    w->after_key = false;
}

static void begin_container(struct i8i_json_writer *w, const char *bracket)
{
    begin_value(w);
    i8i_buffer_puts(&w->buffer, bracket);
    w->depth++;
    w->need_comma = false;
}

static void end_container(struct i8i_json_writer *w, const char *bracket)
{
    w->depth--;
    if (w->need_comma) /* not empty */
        new_line(w);
    i8i_buffer_puts(&w->buffer, bracket);
    w->need_comma = true;
}

void i8i_jw_begin_object(struct i8i_json_writer *w)
{
    begin_container(w, "{");
}

void i8i_jw_end_object(struct i8i_json_writer *w)
{
    end_container(w, "}");
}

void i8i_jw_begin_array(struct i8i_json_writer *w)
{
    begin_container(w, "[");
}

void i8i_jw_end_array(struct i8i_json_writer *w)
{
    end_container(w, "]");
}

static void put_escape(struct i8i_buffer *b, unsigned char c)
{
    static const char letters[] = "btn\0fr"; /* 8, 9, 10, 12, 13 */
    if (c == '"' || c == '\\')
        i8i_buffer_printf(b, "\\%c", c);
    else if (c >= 8 && c <= 13 && c != 11)
        i8i_buffer_printf(b, "\\%c", letters[c - 8]);
    else
        i8i_buffer_printf(b, "\\u%04x", c);
}

static void put_quoted(struct i8i_buffer *b, const char *s)
{
    const size_t n = strlen(s);
    size_t start = 0; /* of the run of bytes that need nothing */
    i8i_buffer_append(b, "\"", 1);
    for (size_t i = 0; i < n;) {
        const unsigned char c = (unsigned char)s[i];
        size_t used = i8i_utf8_decode(s + i, n - i, NULL);
        if (used > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += used;
            continue;
        }
        i8i_buffer_append(b, s + start, i - start);
        if (used == 0)
            i8i_buffer_puts(b, "\xef\xbf\xbd"); /* U+FFFD */
        else
            put_escape(b, c);
        start = ++i;
    }
    i8i_buffer_append(b, s + start, n - start);
    i8i_buffer_append(b, "\"", 1);
}

void i8i_jw_key(struct i8i_json_writer *w, const char *key)
{
    begin_item(w);
    put_quoted(&w->buffer, key);
    i8i_buffer_puts(&w->buffer, w->pretty ? ": " : ":");
    w->after_key = true;
}

void i8i_jw_string(struct i8i_json_writer *w, const char *s)
{
    if (s == NULL) {
        i8i_jw_null(w);
        return;
    }
    begin_value(w);
    put_quoted(&w->buffer, s);
}

void i8i_jw_u64(struct i8i_json_writer *w, uint64_t v)
{
    begin_value(w);
    i8i_buffer_printf(&w->buffer, "%" PRIu64, v);
}

void i8i_jw_i64(struct i8i_json_writer *w, int64_t v)
{
    begin_value(w);
    i8i_buffer_printf(&w->buffer, "%" PRId64, v);
}

void i8i_jw_double(struct i8i_json_writer *w, double v)
{
    if (!isfinite(v)) {
        i8i_jw_null(w);
        return;
    }
    char text[I8I_DOUBLE_TEXT];
    begin_value(w);
    i8i_buffer_puts(&w->buffer, i8i_double_text(text, v));
}

void i8i_jw_bool(struct i8i_json_writer *w, bool v)
{
    begin_value(w);
    i8i_buffer_puts(&w->buffer, v ? "true" : "false");
}

void i8i_jw_null(struct i8i_json_writer *w)
{
    begin_value(w);
    i8i_buffer_puts(&w->buffer, "null");
}

static void put_number(struct i8i_json_writer *w, const i8i_json *n)
{
    const char *text = i8i_json_number_text(n);
    begin_value(w);
    if (text != NULL)
        i8i_buffer_puts(&w->buffer, text);
    else /* without a text of its own it is an integer of at most 15 digits */
        i8i_buffer_printf(&w->buffer, "%" PRId64, (int64_t)i8i_json_double(n, 0));
}

void i8i_jw_node(struct i8i_json_writer *w, const i8i_json *n)
{
    if (i8i_json_is_object(n) || i8i_json_is_array(n)) {
        const bool object = i8i_json_is_object(n);
        begin_container(w, object ? "{" : "[");
        for (const i8i_json *m = i8i_json_first(n); m != NULL; m = i8i_json_next(m)) {
            if (object)
                i8i_jw_key(w, i8i_json_key(m));
            i8i_jw_node(w, m);
        }
        end_container(w, object ? "}" : "]");
    } else if (i8i_json_is_string(n)) {
        i8i_jw_string(w, i8i_json_string(n));
    } else if (i8i_json_is_number(n)) {
        put_number(w, n);
    } else if (i8i_json_is_bool(n)) {
        i8i_jw_bool(w, i8i_json_bool(n, false));
    } else {
        i8i_jw_null(w);
    }
}

void i8i_jw_kv_string(struct i8i_json_writer *w, const char *key, const char *s)
{
    i8i_jw_key(w, key);
    i8i_jw_string(w, s);
}

void i8i_jw_kv_u64(struct i8i_json_writer *w, const char *key, uint64_t v)
{
    i8i_jw_key(w, key);
    i8i_jw_u64(w, v);
}

void i8i_jw_kv_double(struct i8i_json_writer *w, const char *key, double v)
{
    i8i_jw_key(w, key);
    i8i_jw_double(w, v);
}

void i8i_jw_kv_bool(struct i8i_json_writer *w, const char *key, bool v)
{
    i8i_jw_key(w, key);
    i8i_jw_bool(w, v);
}
