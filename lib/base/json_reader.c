/* SPDX-License-Identifier: Apache-2.0
 *
 * The text has passed i8i_json_check: what is opened is closed, an escape is whole, and a
 * value ends before the text does. Nothing here looks for faults again.
 */
#include "config.h"

#include "base/json_check.h"
#include "base/json_reader.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define LARGEST_INTEGER ((uint64_t)1 << 53)
#define LONGEST_UTF8    4

static void skip_space(struct i8i_json_reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* The first character of what follows; 0 at the end of the text. */
static char peek(struct i8i_json_reader *r)
{
    skip_space(r);
    return r->at < r->end ? *r->at : '\0';
}

enum i8_status i8i_json_reader_init(struct i8i_json_reader *r, const char *text,
                                    size_t length, const char *what, struct i8_error *err)
{
    struct i8i_json_numbers odd = {0};
    enum i8_status st = i8i_json_check(&odd, text, length, what, err);
    free(odd.list);
    *r = (struct i8i_json_reader){.at = text, .end = text + (st == I8_OK ? length : 0)};
    return st;
}

static bool enter(struct i8i_json_reader *r, char opener)
{
    if (peek(r) != opener)
        return false;
    r->at++;
    return true;
}

bool i8i_json_enter_object(struct i8i_json_reader *r)
{
    return enter(r, '{');
}

bool i8i_json_enter_array(struct i8i_json_reader *r)
{
    return enter(r, '[');
}

/* Past the comma in front of what follows, or past the bracket that closes. */
static bool next(struct i8i_json_reader *r)
{
    const char c = peek(r);
    if (c == ',' || c == '}' || c == ']')
        r->at++;
    return c != '}' && c != ']';
}

bool i8i_json_next_element(struct i8i_json_reader *r)
{
    return next(r);
}

bool i8i_json_next_member(struct i8i_json_reader *r, struct i8i_json_text *key)
{
    if (!next(r))
        return false;
    (void)i8i_json_read_text(r, key);
    skip_space(r);
    r->at++; /* the colon */
    return true;
}

bool i8i_json_read_text(struct i8i_json_reader *r, struct i8i_json_text *out)
{
    if (peek(r) != '"')
        return false;
    const char *start = r->at + 1, *quote = r->at;
    bool escaped;
    do {
        quote = memchr(quote + 1, '"', (size_t)(r->end - quote - 1));
        const char *slash = quote;
        while (slash > start && slash[-1] == '\\')
            slash--;
        escaped = (quote - slash) % 2 != 0;
    } while (escaped);
    *out = (struct i8i_json_text){.at = start, .length = (size_t)(quote - start)};
    r->at = quote + 1;
    return true;
}

bool i8i_json_read_u64(struct i8i_json_reader *r, uint64_t *out)
{
    const bool negative = peek(r) == '-';
    const char *p = r->at + negative;
    const char *first = p;
    uint64_t v = 0;
    for (; p < r->end && *p >= '0' && *p <= '9' && v <= LARGEST_INTEGER; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    if (p == first || v > LARGEST_INTEGER || (negative && v > 0) ||
        (p < r->end && (*p == '.' || *p == 'e' || *p == 'E')))
        return false;
    r->at = p;
    *out = v;
    return true;
}

bool i8i_json_read_null(struct i8i_json_reader *r)
{
    if (peek(r) != 'n')
        return false;
    i8i_json_skip(r);
    return true;
}

/* Numbers and words consist of these. */
static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '-' ||
           c == '+' || c == 'E';
}

static void skip_word(struct i8i_json_reader *r)
{
    while (r->at < r->end && is_word(*r->at))
        r->at++;
}

void i8i_json_skip(struct i8i_json_reader *r)
{
    struct i8i_json_text ignored;
    size_t depth = 0;
    do {
        const char c = peek(r);
        if (c == '"') {
            (void)i8i_json_read_text(r, &ignored);
        } else if (c == '{' || c == '[') {
            depth++;
            r->at++;
        } else if (c == '}' || c == ']') {
            depth--;
            r->at++;
        } else if (c == ',' || c == ':') {
            r->at++;
        } else {
            skip_word(r);
        }
    } while (depth > 0);
}

enum i8_status i8i_json_read_value(i8i_json **out, struct i8i_json_reader *r,
                                   const char *what, struct i8_error *err)
{
    skip_space(r);
    const char *start = r->at;
    i8i_json_skip(r);
    return i8i_json_parse(out, start, (size_t)(r->at - start), what, err);
}

/* ---- strings ---- */

static uint32_t hex4(const char *s)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
    return v;
}

/* What the escape at *at means, in UTF-8; *at moves behind it. */
static size_t decode_escape(char out[LONGEST_UTF8], const char **at)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char c = (*at)[1];
    const char *letter = strchr(letters, c);
    if (c != 'u') {
        out[0] = letter != NULL ? meanings[letter - letters] : c;
        *at += 2;
        return 1;
    }
    uint32_t code = hex4(*at + 2);
    *at += 6;
    if (code >= 0xd800 && code <= 0xdbff) { /* the other half follows */
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*at + 2) - 0xdc00);
        *at += 6;
    }
    return i8i_utf8_encode(out, code);
}

const char *i8i_json_unescape(struct i8i_buffer *buffer, struct i8i_json_text text)
{
    const char *at = text.at, *end = text.at + text.length;
    buffer->length = 0;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        i8i_buffer_append(buffer, at, (size_t)((escape ? escape : end) - at));
        if (escape == NULL)
            break;
        char meaning[LONGEST_UTF8];
        at = escape;
        const size_t n = decode_escape(meaning, &at);
        i8i_buffer_append(buffer, meaning, n);
    }
    i8i_buffer_append(buffer, "", 0); /* an empty text, too, gives a string */
    return buffer->failed ? NULL : buffer->data;
}

bool i8i_json_text_is(struct i8i_json_text text, const char *word)
{
    const char *at = text.at, *end = text.at + text.length;
    if (memchr(at, '\\', text.length) == NULL)
        return strlen(word) == text.length && memcmp(at, word, text.length) == 0;
    while (at < end) {
        char meaning[LONGEST_UTF8];
        size_t n = 1;
        meaning[0] = *at;
        if (*at == '\\')
            n = decode_escape(meaning, &at);
        else
            at++;
        if (strncmp(word, meaning, n) != 0)
            return false;
        word += n;
    }
    return *word == '\0';
}
