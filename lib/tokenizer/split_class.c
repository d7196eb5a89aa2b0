/* SPDX-License-Identifier: Apache-2.0
 *
 * The translation of what matches one character: escapes, properties, classes. What
 * differs between Oniguruma and PCRE2 is listed in split_pattern.c.
 */
#include "config.h"

#include "tokenizer/split_translation.h"

#include "base/utf8.h"
#include <string.h>

/* White_Space of Unicode 6.3 and later, inside a class; and its complement. */
#define SPACE                                                                          \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}" \
    "\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE                                                                  \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"   \
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}" \
    "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
/* \w: in a class, and alone, where Oniguruma asks a table of its own below U+0100. */
#define WORD       "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define WORD_ALONE WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

/* Properties of the same meaning on both sides. Not among them: C and Cn, which hold
 * what is unassigned. */
static const char *const categories[] = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",
    "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
    "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc", "Cf",
};
static const char *const scripts[] = {
    "Arabic",  "Armenian", "Bengali",  "Bopomofo", "Cyrillic", "Devanagari", "Georgian",
    "Greek",   "Gujarati", "Gurmukhi", "Han",      "Hangul",   "Hebrew",     "Hiragana",
    "Kannada", "Katakana", "Khmer",    "Lao",      "Latin",    "Malayalam",  "Myanmar",
    "Tamil",   "Telugu",   "Thai",     "Tibetan",
};

bool i8i_split_looking_at(const struct i8i_translation *t, const char *s)
{
    size_t n = strlen(s);
    return t->length - t->at >= n && memcmp(t->pattern + t->at, s, n) == 0;
}

enum i8_status i8i_split_refuse(const struct i8i_translation *t, size_t at,
                                const char *what)
{
    return i8i_fail(
        t->err, I8_ERR_UNSUPPORTED,
        "split pattern, byte %zu: %s has no exact counterpart in PCRE2 and is "
        "not handled",
        at, what);
}

enum i8_status i8i_split_malformed(const struct i8i_translation *t, size_t at,
                                   const char *what)
{
    return i8i_fail(t->err, I8_ERR_DATA, "split pattern, byte %zu: %s", at, what);
}

void i8i_split_put_literal(struct i8i_translation *t, uint32_t c)
{
    i8i_buffer_printf(&t->out, "\\x{%x}", (unsigned)c);
}

static bool in_list(const char *const *list, size_t count, const char *name, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i]) == n && memcmp(list[i], name, n) == 0)
            return true;
    }
    return false;
}

/* \p{…} or \P{…}, at the letter. */
static enum i8_status put_property(struct i8i_translation *t)
{
    size_t start = t->at;
    bool negated = i8i_split_peek(t, 0) == 'P';
    if (i8i_split_peek(t, 1) != '{')
        return i8i_split_refuse(t, start, "a property without braces");
    t->at += 2;
    if (i8i_split_peek(t, 0) == '^') {
        negated = !negated;
        t->at++;
    }
    const char *name = t->pattern + t->at;
    const char *close = memchr(name, '}', t->length - t->at);
    if (close == NULL)
        return i8i_split_malformed(t, start, "a property without its closing brace");
    size_t n = (size_t)(close - name);
    t->at += n + 1;
    const char *prefix;
    if (in_list(categories, sizeof categories / sizeof *categories, name, n))
        prefix = "";
    else if (in_list(scripts, sizeof scripts / sizeof *scripts, name, n))
        prefix = "sc:"; /* the script itself; PCRE2's bare name means extensions too */
    else
        return i8i_split_refuse(t, start, "this property");
    i8i_buffer_printf(&t->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', prefix, (int)n, name);
    return I8_OK;
}

/* 1 to `most` hex digits at the current place. */
static bool read_hex(struct i8i_translation *t, size_t most, uint32_t *value)
{
    size_t n = 0;
    for (*value = 0; n < most; n++, t->at++) {
        char c = i8i_split_peek(t, 0), lower = (char)(c | 0x20);
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            digit = (uint32_t)(lower - 'a' + 10);
        else
            break;
        *value = *value << 4 | digit;
    }
    return n > 0;
}

/* A character by its number, at the x or u behind the backslash. */
static enum i8_status read_number_escape(struct i8i_translation *t, uint32_t *c)
{
    size_t start = t->at;
    if (i8i_split_looking_at(t, "x{")) {
        t->at += 2;
        if (!read_hex(t, 6, c) || i8i_split_peek(t, 0) != '}')
            return i8i_split_malformed(t, start, "\\x{…} without a hex number");
        t->at++;
    } else if (i8i_split_peek(t, 0) == 'x') {
        t->at++;
        if (!read_hex(t, 2, c) || t->at != start + 3 || *c > 0x7f)
            return i8i_split_refuse(t, start,
                                    "\\x that is not an ASCII character in two "
                                    "digits");
    } else {
        t->at++;
        if (!read_hex(t, 4, c) || t->at != start + 5)
            return i8i_split_malformed(t, start, "\\u without four hex digits");
    }
    char utf8[4];
    if (i8i_utf8_encode(utf8, *c) == 0)
        return i8i_split_malformed(t, start, "no character has this number");
    return I8_OK;
}

/* An escape that means one character, at the letter behind the backslash. */
static enum i8_status read_escaped_literal(struct i8i_translation *t, uint32_t *c)
{
    static const char letters[] = "tnrfvae";
    static const char values[] = "\t\n\r\f\v\a\033";
    char e = i8i_split_peek(t, 0);
    const char *letter = e != '\0' ? strchr(letters, e) : NULL;
    if (letter != NULL) {
        *c = (uint32_t)values[letter - letters];
        t->at++;
        return I8_OK;
    }
    if (e == 'x' || e == 'u')
        return read_number_escape(t, c);
    if ((e >= '0' && e <= '9') || (e >= 'A' && e <= 'Z') || (e >= 'a' && e <= 'z')) {
        char what[] = "the escape \\?";
        what[sizeof what - 2] = e;
        return i8i_split_refuse(t, t->at, what);
    }
    size_t used = i8i_utf8_decode(t->pattern + t->at, t->length - t->at, c);
    if (used == 0)
        return i8i_split_malformed(t, t->at, "a backslash at the end");
    t->at += used;
    return I8_OK;
}

/* One character of a class, plain or escaped. */
static enum i8_status read_class_literal(struct i8i_translation *t, uint32_t *c)
{
    if (i8i_split_peek(t, 0) == '\\') {
        t->at++;
        return read_escaped_literal(t, c);
    }
    size_t used = i8i_utf8_decode(t->pattern + t->at, t->length - t->at, c);
    if (used == 0)
        return i8i_split_malformed(t, t->at, "a class without its closing bracket");
    t->at += used;
    return I8_OK;
}

/* True at a '-' that is not the class's last character. */
static bool at_range(const struct i8i_translation *t)
{
    return i8i_split_peek(t, 0) == '-' && i8i_split_peek(t, 1) != ']';
}

/* A character or a range of them. */
static enum i8_status put_class_range(struct i8i_translation *t)
{
    size_t start = t->at;
    uint32_t low, high;
    enum i8_status status = read_class_literal(t, &low);
    if (status != I8_OK)
        return status;
    i8i_split_put_literal(t, low);
    high = low;
    if (!at_range(t))
        goto out;
    t->at++;
    if (i8i_split_peek(t, 0) == '[' || i8i_split_looking_at(t, "&&"))
        return i8i_split_refuse(t, start, "a range that ends in a class");
    status = read_class_literal(t, &high);
    if (status != I8_OK)
        return status;
    if (high < low)
        return i8i_split_malformed(t, start, "a range that ends before it begins");
    i8i_buffer_puts(&t->out, "-");
    i8i_split_put_literal(t, high);
    if (at_range(t))
        return i8i_split_refuse(t, start, "a range behind a range");
out:
    if (t->caseless && high > 0x7f)
        return i8i_split_refuse(t, start, "this character in (?i:[…])");
    return I8_OK;
}

/* \s, \p{L} … in a class; *done is false if the escape is that of a character. */
static enum i8_status put_class_escape(struct i8i_translation *t, bool *done)
{
    static const struct {
        char letter;
        const char *items;
    } classes[] = {
        {'s', SPACE}, {'S', NOT_SPACE}, {'d', "\\p{Nd}"}, {'D', "\\P{Nd}"}, {'w', WORD},
    };
    char letter = i8i_split_peek(t, 1);
    *done = true;
    if (t->caseless)
        return i8i_split_refuse(t, t->at, "an escape in (?i:[…])");
    if (letter == 'p' || letter == 'P') {
        t->at++;
        return put_property(t);
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (classes[i].letter == letter) {
            i8i_buffer_puts(&t->out, classes[i].items);
            t->at += 2;
            return I8_OK;
        }
    }
    *done = false;
    return I8_OK;
}

/* The items of a class up to its ']', at the first. A nested class is a union, so its
 * items stand for themselves. */
static enum i8_status put_class_items(struct i8i_translation *t, int depth)
{
    size_t start = t->at;
    if (i8i_split_peek(t, 0) == ']')
        return i8i_split_refuse(t, start, "a class that begins with ']'");
    while (t->at < t->length && i8i_split_peek(t, 0) != ']') {
        enum i8_status status = I8_OK;
        bool done = false;
        if (i8i_split_looking_at(t, "&&"))
            return i8i_split_refuse(t, t->at, "an intersection of classes (&&)");
        if (i8i_split_looking_at(t, "[:"))
            return i8i_split_refuse(t, t->at, "a POSIX class");
        if (i8i_split_looking_at(t, "[^"))
            return i8i_split_refuse(t, t->at, "a negated class in a class");
        if (i8i_split_peek(t, 0) == '[') {
            if (depth == I8I_SPLIT_MAX_DEPTH)
                return i8i_split_malformed(t, t->at, "classes are nested too deeply");
            t->at++;
            status = put_class_items(t, depth + 1);
            done = true;
        } else if (i8i_split_peek(t, 0) == '\\') {
            status = put_class_escape(t, &done);
        }
        if (status == I8_OK && done && at_range(t))
            status = i8i_split_refuse(t, t->at, "a range that begins with a class");
        if (status == I8_OK && !done)
            status = put_class_range(t);
        if (status != I8_OK)
            return status;
    }
    if (t->at == t->length)
        return i8i_split_malformed(t, start, "a class without its closing bracket");
    t->at++;
    return I8_OK;
}

enum i8_status i8i_split_put_class(struct i8i_translation *t)
{
    i8i_buffer_puts(&t->out, "[");
    t->at++;
    if (i8i_split_peek(t, 0) == '^') {
        if (t->caseless)
            return i8i_split_refuse(t, t->at, "a negated class in (?i:…)");
        i8i_buffer_puts(&t->out, "^");
        t->at++;
    }
    enum i8_status status = put_class_items(t, 0);
    i8i_buffer_puts(&t->out, "]");
    return status;
}

enum i8_status i8i_split_put_escape(struct i8i_translation *t, uint32_t *c)
{
    static const struct {
        char letter;
        const char *text;
    } classes[] = {
        {'s', "[" SPACE "]"}, {'S', "[^" SPACE "]"},     {'d', "\\p{Nd}"},
        {'D', "\\P{Nd}"},     {'w', "[" WORD_ALONE "]"}, {'W', "[^" WORD_ALONE "]"},
    };
    t->at++;
    *c = UINT32_MAX;
    char letter = i8i_split_peek(t, 0);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (classes[i].letter == letter) {
            i8i_buffer_puts(&t->out, classes[i].text);
            t->at++;
            return I8_OK;
        }
    }
    if (letter != 'p' && letter != 'P')
        return read_escaped_literal(t, c);
    if (t->caseless)
        return i8i_split_refuse(t, t->at, "a property in (?i:…)");
    return put_property(t);
}
