/* SPDX-License-Identifier: Apache-2.0
 *
 * Python's fnmatch on code points. A pattern is decoded once; matching needs no memory
 * and, with one place to go back to, at most length × length steps.
 */
#include "config.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "hub/patterns.h"
#include <stdlib.h>
#include <string.h>

struct pattern {
    char *text;      /* after the separators and the folder's '*' are settled */
    uint32_t *chars; /* its code points */
    size_t n;
};

struct i8i_patterns {
    size_t count;
    struct pattern *items;
};

/* The code point at *s, which moves behind it. A byte that is no UTF-8 counts as
 * Python's surrogateescape counts it, so that it equals only itself. */
static uint32_t next_char(const char **s, const char *end)
{
    uint32_t c = 0;
    const size_t n = i8i_utf8_decode(*s, (size_t)(end - *s), &c);
    if (n == 0) {
        c = 0xdc00U + (unsigned char)**s;
        *s += 1;
    } else {
        *s += n;
    }
    return c == '\\' ? '/' : c;
}

/* ---- one set: the characters between '[' and ']' ---- */

/* Where the set that begins at p[i] (behind '[') ends: the index of its ']', or n when
 * it is not closed, which makes the '[' an ordinary character. A ']' that comes first
 * belongs to the set. */
static size_t set_end(const struct pattern *p, size_t i)
{
    if (i < p->n && p->chars[i] == '!')
        i++;
    if (i < p->n && p->chars[i] == ']')
        i++;
    while (i < p->n && p->chars[i] != ']')
        i++;
    return i;
}

/* Does c belong to chars[i .. end)? A '-' makes a range unless it comes first, last, or
 * within two characters behind the '-' of another range; a range that runs backwards
 * has no characters. */
static bool set_has(const struct pattern *p, size_t i, size_t end, uint32_t c)
{
    const uint32_t *chars = p->chars;
    const bool negated = chars[i] == '!';
    bool found = false;
    if (negated)
        i++;
    for (size_t hyphen_from = i + 1; i < end && !found;) {
        size_t hyphen = hyphen_from;
        while (hyphen < end && chars[hyphen] != '-')
            hyphen++;
        if (hyphen + 1 >= end) { /* no range is left */
            while (i < end && !found)
                found = chars[i++] == c;
            break;
        }
        for (; i < hyphen - 1 && !found; i++)
            found = chars[i] == c;
        found = found || (chars[hyphen - 1] <= c && c <= chars[hyphen + 1]);
        i = hyphen + 2;
        hyphen_from = hyphen + 3;
    }
    return found != negated;
}

/* ---- one pattern ---- */

/* Does the pattern's element at *i match c? *i moves behind the element. */
static bool element_matches(const struct pattern *p, size_t *i, uint32_t c)
{
    const uint32_t e = p->chars[(*i)++];
    if (e == '?')
        return true;
    if (e == '[') {
        const size_t end = set_end(p, *i);
        if (end < p->n) {
            const size_t start = *i;
            *i = end + 1;
            return set_has(p, start, end, c);
        }
    }
    return e == c;
}

static bool matches(const struct pattern *p, const char *name)
{
    const char *end = name + strlen(name), *s = name;
    /* The last '*' seen, and how far what it stands for reaches. */
    size_t i = 0, star = SIZE_MAX;
    const char *star_s = NULL;
    while (s < end) {
        if (i < p->n && p->chars[i] == '*') {
            star = ++i;
            star_s = s;
            continue;
        }
        const char *next = s;
        const uint32_t c = next_char(&next, end);
        if (i < p->n && element_matches(p, &i, c)) {
            s = next;
            continue;
        }
        if (star == SIZE_MAX)
            return false;
        (void)next_char(&star_s, end); /* the '*' takes one character more */
        s = star_s;
        i = star;
    }
    while (i < p->n && p->chars[i] == '*')
        i++;
    return i == p->n;
}

/* ---- the list ---- */

static enum i8_status decode(struct pattern *p, const char *text, struct i8_error *err)
{
    const size_t length = strlen(text);
    const bool folder = text[length - 1] == '/' || text[length - 1] == '\\';
    p->text = i8i_format("%s%s", text, folder ? "*" : "");
    p->chars = i8i_calloc(length + 1, sizeof *p->chars);
    if (p->text == NULL || p->chars == NULL)
        return i8i_nomem(err);
    for (char *c = p->text; *c; c++)
        if (*c == '\\')
            *c = '/';
    const char *s = p->text, *end = s + strlen(s);
    while (s < end)
        p->chars[p->n++] = next_char(&s, end);
    return I8_OK;
}

enum i8_status i8i_patterns_new(struct i8i_patterns **out, const char *const *list,
                                const char *what, struct i8_error *err)
{
    *out = NULL;
    struct i8i_patterns *p = i8i_calloc(1, sizeof *p);
    size_t count = 0;
    while (list && list[count])
        count++;
    if (p)
        p->items = i8i_calloc(count, sizeof *p->items);
    enum i8_status st = p && p->items ? I8_OK : i8i_nomem(err);
    for (size_t i = 0; st == I8_OK && i < count; i++) {
        p->count = i + 1;
        st = list[i][0] ? decode(&p->items[i], list[i], err)
                        : i8i_fail(err, I8_ERR_ARG, "%s: the pattern is empty", what);
    }
    if (st == I8_OK)
        *out = p;
    else
        i8i_patterns_free(p);
    return st;
}

void i8i_patterns_free(struct i8i_patterns *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; p->items && i < p->count; i++) {
        free(p->items[i].text);
        free(p->items[i].chars);
    }
    free(p->items);
    free(p);
}

size_t i8i_patterns_count(const struct i8i_patterns *p)
{
    return p->count;
}

bool i8i_patterns_match(const struct i8i_patterns *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (matches(&p->items[i], name))
            return true;
    return false;
}

const char *i8i_patterns_literal(const struct i8i_patterns *p, size_t i)
{
    return strpbrk(p->items[i].text, "*?[") ? NULL : p->items[i].text;
}
