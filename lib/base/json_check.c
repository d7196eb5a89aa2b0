/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the bytes with an explicit stack. What it refuses beyond the grammar:
 * "\u0000" (C strings end there), lone surrogates, nesting deeper than
 * I8I_JSON_MAX_DEPTH, numbers longer than cJSON's own buffer.
 */
#include "config.h"

#include "base/json_check.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NUMBER_LENGTH 63 /* cJSON copies a number to char[64] */
#define EXACT_DIGITS      15 /* integers of so many digits are exact in a double */

struct scanner {
    const char *text;
    size_t length, at;
    const char *what;
    struct i8_error *err;
    struct i8i_json_numbers *numbers;
    size_t n_numbers;
    unsigned depth;
    char closers[I8I_JSON_MAX_DEPTH]; /* '}' or ']' of each open container */
};

static enum i8_status fault(const struct scanner *s, const char *expected)
{
    return i8i_fail(s->err, I8_ERR_DATA, "%s: not valid JSON at byte %zu: expected %s",
                    s->what, s->at, expected);
}

/* The byte at the cursor; 0 at the end (a NUL byte is no valid token either). */
static char peek(const struct scanner *s)
{
    return s->at < s->length ? s->text[s->at] : '\0';
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->length) {
        const char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
        s->at++;
    }
}

static bool skip_digits(struct scanner *s)
{
    const size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > start;
}

static enum i8_status scan_number(struct scanner *s)
{
    const size_t start = s->at;
    bool plain = true;
    if (peek(s) == '-')
        s->at++;
    const size_t first_digit = s->at;
    if (!skip_digits(s))
        return fault(s, "a digit");
    const size_t digits = s->at - first_digit;
    if (s->text[first_digit] == '0' && digits > 1) {
        s->at = first_digit;
        return fault(s, "a number without leading zeros");
    }
    if (peek(s) == '.') {
        s->at++;
        plain = false;
        if (!skip_digits(s))
            return fault(s, "a digit behind the decimal point");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        plain = false;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!skip_digits(s))
            return fault(s, "a digit in the exponent");
    }
    if (s->at - start > MAX_NUMBER_LENGTH) {
        s->at = start;
        return fault(s, "a number of at most 63 characters");
    }
    const bool minus_zero = first_digit > start && s->text[first_digit] == '0';
    if (!plain || digits > EXACT_DIGITS || minus_zero) {
        struct i8i_json_numbers *n = s->numbers;
        if (!i8i_grow(&n->list, &n->capacity, n->count + 1, sizeof *n->list))
            return i8i_nomem(s->err);
        n->list[n->count++] = (struct i8i_json_number){
            .index = s->n_numbers, .offset = start, .length = s->at - start};
    }
    s->n_numbers++;
    return I8_OK;
}

/* Four hex digits at the cursor; UINT32_MAX if they are not. */
static uint32_t scan_hex(struct scanner *s)
{
    uint32_t v = 0;
    if (s->length - s->at < 4)
        return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        const char c = s->text[s->at + (size_t)i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return UINT32_MAX;
    }
    s->at += 4;
    return v;
}

static enum i8_status scan_escape(struct scanner *s)
{
    s->at++;
    const char c = peek(s);
    if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
        return fault(s, "one of \"\\/bfnrtu behind a backslash");
    s->at++;
    if (c != 'u')
        return I8_OK;
    const uint32_t unit = scan_hex(s);
    if (unit == UINT32_MAX)
        return fault(s, "four hex digits behind \\u");
    if (unit == 0)
        return fault(s, "a string without \\u0000");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fault(s, "a high surrogate before a low one");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        uint32_t low = UINT32_MAX;
        if (s->length - s->at >= 2 && memcmp(s->text + s->at, "\\u", 2) == 0) {
            s->at += 2;
            low = scan_hex(s);
        }
        if (low < 0xdc00 || low > 0xdfff)
            return fault(s, "a low surrogate behind a high one");
    }
    return I8_OK;
}

/* ASCII that says nothing but itself. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static enum i8_status scan_string(struct scanner *s)
{
    const char *text = s->text;
    const size_t length = s->length;
    size_t at = s->at + 1; /* behind the opening quote */
    for (;; at = s->at) {
        while (at < length && is_plain((unsigned char)text[at]))
            at++;
        s->at = at;
        if (at == length)
            return fault(s, "a closing quote");
        const unsigned char c = (unsigned char)s->text[s->at];
        if (c == '"') {
            s->at++;
            return I8_OK;
        }
        if (c == '\\') {
            enum i8_status st = scan_escape(s);
            if (st != I8_OK)
                return st;
        } else if (c < 0x20) {
            return fault(s, "control characters in strings to be escaped");
        } else {
            size_t used = i8i_utf8_decode(s->text + s->at, s->length - s->at, NULL);
            if (used == 0)
                return fault(s, "UTF-8");
            s->at += used;
        }
    }
}

static enum i8_status scan_word(struct scanner *s, const char *word)
{
    const size_t n = strlen(word);
    if (s->length - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return fault(s, "a value");
    s->at += n;
    return I8_OK;
}

static enum i8_status scan_scalar(struct scanner *s)
{
    switch (peek(s)) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (peek(s) == '-' || (peek(s) >= '0' && peek(s) <= '9'))
            return scan_number(s);
        return fault(s, "a value");
    }
}

/* A member's key and colon. */
static enum i8_status scan_key(struct scanner *s)
{
    skip_space(s);
    if (peek(s) != '"')
        return fault(s, "a key in quotes");
    enum i8_status st = scan_string(s);
    if (st != I8_OK)
        return st;
    skip_space(s);
    if (peek(s) != ':')
        return fault(s, "':'");
    s->at++;
    return I8_OK;
}

/* Behind a value: closes what ends here; *more says whether another value follows. */
static enum i8_status scan_end_of_value(struct scanner *s, bool *more)
{
    for (*more = false; s->depth > 0;) {
        skip_space(s);
        const char closer = s->closers[s->depth - 1], c = peek(s);
        if (c == ',') {
            s->at++;
            *more = true;
            return closer == '}' ? scan_key(s) : I8_OK;
        }
        if (c != closer)
            return fault(s, closer == '}' ? "',' or '}'" : "',' or ']'");
        s->at++;
        s->depth--;
    }
    return I8_OK;
}

/* The start of one value: a scalar whole, or an opening bracket. *open says that the
 * first value inside a container follows. */
static enum i8_status scan_start_of_value(struct scanner *s, bool *open)
{
    *open = false;
    skip_space(s);
    const char c = peek(s);
    if (c != '{' && c != '[')
        return scan_scalar(s);
    if (s->depth == I8I_JSON_MAX_DEPTH)
        return fault(s, "less nesting (128 levels at most)");
    const char closer = c == '{' ? '}' : ']';
    s->at++;
    skip_space(s);
    if (peek(s) == closer) {
        s->at++;
        return I8_OK;
    }
    s->closers[s->depth++] = closer;
    *open = true;
    return closer == '}' ? scan_key(s) : I8_OK;
}

enum i8_status i8i_json_check(struct i8i_json_numbers *numbers, const char *text,
                              size_t length, const char *what, struct i8_error *err)
{
    struct scanner s = {
        .text = text, .length = length, .what = what, .err = err, .numbers = numbers};
    bool more = true;
    while (more) {
        enum i8_status st = scan_start_of_value(&s, &more);
        if (st == I8_OK && !more)
            st = scan_end_of_value(&s, &more);
        if (st != I8_OK)
            return st;
    }
    skip_space(&s);
    return s.at == length ? I8_OK : fault(&s, "nothing behind the value");
}
