/* SPDX-License-Identifier: Apache-2.0
 *
 * Oniguruma's Ruby syntax → PCRE2 (with UTF and UCP), construct by construct; what is
 * not on the list is refused by name. The two differ where it would not be noticed:
 * - \s is the property White_Space there; PCRE2's adds U+180E. Written out as ranges.
 * - \w is Alphabetic, marks, decimal digits, connectors; PCRE2's lacks marks.
 * - \h is a hex digit there, white space here; \v one character there, a class here.
 * - Classes nest: BLOOM's [^(\s|[.,!?])] is one class; PCRE2 would end it early.
 * - ^ and $ match at every line there; {n}+ and {,n} mean other things. \p{Han} is
 *   the script there, script extensions here.
 * - (?i:ss) matches "ß" there: letters whose case folds to several characters.
 * Literals become \x{…}, so that none can turn into an operator. What remains is the
 * version of Unicode that each was built with: characters newer than PCRE2's tables
 * (Unicode 14 in 10.40 to 10.42) have no properties yet.
 */
#include "config.h"

#include "tokenizer/split_pattern.h"

#include "base/utf8.h"
#include "tokenizer/split_translation.h"
#include <string.h>

#define MAX_REPEAT       1000u
#define MAX_OUTPUT_BYTES (4u << 20)

/* Pairs of letters that some single character folds to (ß, ﬀ, ﬁ, ﬂ, ﬆ). */
static bool is_folded_pair(uint32_t a, uint32_t b)
{
    static const char pairs[][3] = {"ss", "ff", "fi", "fl", "st"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if ((a | 0x20) == (uint32_t)pairs[i][0] && (b | 0x20) == (uint32_t)pairs[i][1])
            return true;
    }
    return false;
}

static enum i8_status put_text(struct i8i_translation *t, size_t start, uint32_t c)
{
    if (t->caseless && (c > 0x7f || is_folded_pair(t->previous, c)))
        return i8i_split_refuse(t, start, "this text in (?i:…)");
    t->previous = c;
    i8i_split_put_literal(t, c);
    return I8_OK;
}

static bool read_number(struct i8i_translation *t, uint32_t *value)
{
    size_t start = t->at;
    for (*value = 0; i8i_split_peek(t, 0) >= '0' && i8i_split_peek(t, 0) <= '9';
         t->at++) {
        if (*value <= MAX_REPEAT)
            *value = *value * 10 + (uint32_t)(i8i_split_peek(t, 0) - '0');
    }
    return t->at > start;
}

/* {n}, {n,}, {n,m}, {,m}; anything else in braces is text. */
static enum i8_status put_interval(struct i8i_translation *t, bool *is_interval)
{
    size_t start = t->at++;
    uint32_t low = 0, high = 0;
    bool has_low = read_number(t, &low), comma = i8i_split_peek(t, 0) == ',';
    bool has_high = false;
    if (comma) {
        t->at++;
        has_high = read_number(t, &high);
    }
    *is_interval = i8i_split_peek(t, 0) == '}' && (has_low || has_high);
    if (!*is_interval) {
        t->at = start + 1;
        return put_text(t, start, '{');
    }
    t->at++;
    if (low > MAX_REPEAT || high > MAX_REPEAT)
        return i8i_split_malformed(t, start, "a repeat count above 1000");
    if (has_high && high < low)
        return i8i_split_refuse(t, start, "an interval that ends before it begins");
    if (!comma && i8i_split_peek(t, 0) == '?')
        return i8i_split_refuse(t, start, "{n}?");
    if (i8i_split_peek(t, 0) == '+')
        return i8i_split_refuse(t, start, "{…}+");
    i8i_buffer_printf(&t->out, "{%u", (unsigned)low);
    if (comma)
        i8i_buffer_puts(&t->out, ",");
    if (has_high)
        i8i_buffer_printf(&t->out, "%u", (unsigned)high);
    i8i_buffer_puts(&t->out, "}");
    return I8_OK;
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* The repeat behind an item, if there is one. */
static enum i8_status put_repeat(struct i8i_translation *t, bool repeatable)
{
    char c = i8i_split_peek(t, 0);
    size_t start = t->at;
    bool is_repeat = is_one_of(c, "?*+");
    if (is_repeat) {
        i8i_buffer_append(&t->out, &c, 1);
        t->at++;
    } else if (c == '{') {
        enum i8_status status = put_interval(t, &is_repeat);
        if (status != I8_OK)
            return status;
    }
    if (!is_repeat)
        return I8_OK;
    if (!repeatable)
        return i8i_split_refuse(t, start, "a repeat of this");
    c = i8i_split_peek(t, 0);
    if (c == '?' || c == '+') { /* lazy, possessive */
        i8i_buffer_append(&t->out, &c, 1);
        t->at++;
    }
    if (is_one_of(i8i_split_peek(t, 0), "?*+{"))
        return i8i_split_refuse(t, start, "a repeat of a repeat");
    return I8_OK;
}

static enum i8_status put_alternatives(struct i8i_translation *t, int depth);

static enum i8_status put_group(struct i8i_translation *t, int depth, bool *repeatable)
{
    static const struct {
        const char *text;
        const char *as;
        bool repeatable, caseless;
    } openings[] = {
        {"(?:", "(?:", true, false},    {"(?i:", "(?i:", true, true},
        {"(?>", "(?>", true, false},    {"(?=", "(?=", false, false},
        {"(?!", "(?!", false, false},   {"(?<=", "(?<=", false, false},
        {"(?<!", "(?<!", false, false}, {"(?", NULL, false, false},
        {"(", "(?:", true, false}, /* nothing can refer to what it captures */
    };
    size_t start = t->at, i = 0;
    while (!i8i_split_looking_at(t, openings[i].text))
        i++;
    if (openings[i].as == NULL)
        return i8i_split_refuse(t, start, "this kind of group");
    if (depth == I8I_SPLIT_MAX_DEPTH)
        return i8i_split_malformed(t, start, "groups are nested too deeply");
    *repeatable = openings[i].repeatable;
    bool caseless = t->caseless;
    t->caseless = caseless || openings[i].caseless;
    t->at += strlen(openings[i].text);
    i8i_buffer_puts(&t->out, openings[i].as);
    enum i8_status status = put_alternatives(t, depth + 1);
    if (status != I8_OK)
        return status;
    if (i8i_split_peek(t, 0) != ')')
        return i8i_split_malformed(t, start, "a group without its closing bracket");
    t->at++;
    i8i_buffer_puts(&t->out, ")");
    t->caseless = caseless;
    return I8_OK;
}

/* What stands for one thing to match, without its repeat. */
static enum i8_status put_atom(struct i8i_translation *t, int depth, bool *repeatable)
{
    size_t start = t->at;
    uint32_t c;
    char first = i8i_split_peek(t, 0);
    if (first == '(')
        return put_group(t, depth, repeatable);
    if (first == '^' || first == '$')
        return i8i_split_refuse(t, start, "a line anchor");
    if (is_one_of(first, "?*+"))
        return i8i_split_malformed(t, start, "a repeat of nothing");
    if (first == '[') {
        t->previous = 0;
        return i8i_split_put_class(t);
    }
    if (first == '.') {
        t->previous = 0;
        t->at++;
        i8i_buffer_puts(&t->out, "[^\\x{a}]");
        return I8_OK;
    }
    if (first == '\\') {
        enum i8_status status = i8i_split_put_escape(t, &c);
        if (status != I8_OK)
            return status;
        if (c == UINT32_MAX) {
            t->previous = 0;
            return I8_OK;
        }
        return put_text(t, start, c);
    }
    size_t used = i8i_utf8_decode(t->pattern + t->at, t->length - t->at, &c);
    if (used == 0)
        return i8i_split_malformed(t, start, "not UTF-8");
    t->at += used;
    return put_text(t, start, c);
}

/* Up to the end or the ')' of the group that this is in. */
static enum i8_status put_alternatives(struct i8i_translation *t, int depth)
{
    while (t->at < t->length && i8i_split_peek(t, 0) != ')') {
        if (i8i_split_peek(t, 0) == '|') {
            i8i_buffer_puts(&t->out, "|");
            t->previous = 0;
            t->at++;
            continue;
        }
        bool repeatable = true;
        enum i8_status status = put_atom(t, depth, &repeatable);
        if (status == I8_OK)
            status = put_repeat(t, repeatable);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

enum i8_status i8i_split_pattern_translate(char **out, const char *pattern,
                                           struct i8_error *err)
{
    struct i8i_translation t = {
        .pattern = pattern, .length = strlen(pattern), .err = err};
    *out = NULL;
    if (t.length > I8I_MAX_PATTERN_BYTES)
        return i8i_fail(err, I8_ERR_DATA, "split pattern: %zu bytes, at most %u are read",
                        t.length, I8I_MAX_PATTERN_BYTES);
    i8i_buffer_init(&t.out, MAX_OUTPUT_BYTES);
    enum i8_status status = put_alternatives(&t, 0);
    if (status == I8_OK && t.at < t.length)
        status = i8i_split_malformed(&t, t.at, "a closing bracket without a group");
    if (status == I8_OK) {
        *out = i8i_buffer_take(&t.out, NULL);
        if (*out == NULL)
            status = i8i_nomem(err);
    }
    i8i_buffer_free(&t.out);
    return status;
}

enum i8_status i8i_split_pattern_quote(char **out, const char *literal,
                                       struct i8_error *err)
{
    struct i8i_translation t = {
        .pattern = literal, .length = strlen(literal), .err = err};
    *out = NULL;
    i8i_buffer_init(&t.out, MAX_OUTPUT_BYTES);
    while (t.at < t.length) {
        uint32_t c = 0;
        size_t used = i8i_utf8_decode(t.pattern + t.at, t.length - t.at, &c);
        if (used == 0) {
            i8i_buffer_free(&t.out);
            return i8i_split_malformed(&t, t.at, "not UTF-8");
        }
        i8i_split_put_literal(&t, c);
        t.at += used;
    }
    *out = i8i_buffer_take(&t.out, NULL);
    i8i_buffer_free(&t.out);
    return *out != NULL ? I8_OK : i8i_nomem(err);
}
