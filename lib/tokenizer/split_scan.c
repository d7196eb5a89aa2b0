/* SPDX-License-Identifier: Apache-2.0
 *
 * Running split patterns with PCRE2 in time that is linear in the text whatever the
 * pattern. Each position is first tried with few steps and a short look ahead; only an
 * attempt that runs into either is repeated with more, at the cost of a budget that
 * the text's length sets. Ordinary patterns never come near it.
 */
#include "config.h"

#include "tokenizer/split_pattern.h"

#include "base/memory.h"
#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define FIRST_STEPS   512u       /* backtracking points of a first attempt */
#define FIRST_WINDOW  512u       /* bytes of text that a first attempt may see */
#define GROWTH        8u         /* both, from one attempt to the next */
#define BUDGET        (8u << 20) /* steps and bytes of repeated attempts, plus … */
#define BUDGET_FACTOR 64u        /* … this many for each byte of text */
#define HEAP_KIB      65536u     /* PCRE2's own memory for one attempt */

struct i8i_split_pattern {
    pcre2_code *code;
};

struct i8i_split_scan {
    const struct i8i_split_pattern *pattern;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    const char *text;
    size_t length;
    size_t at;       /* where to look next */
    size_t last_end; /* of the last match; SIZE_MAX: none yet */
    uint64_t budget;
};

/* PCRE2 as Oniguruma would be set up: UTF-8, properties instead of ASCII classes, LF
 * as the only line end. No JIT: it would ignore the limits, and needs memory that is
 * writable and executable. */
enum i8_status i8i_split_pattern_new(struct i8i_split_pattern **out, const char *pcre2,
                                     struct i8_error *err)
{
    enum i8_status status = I8_OK;
    *out = NULL;
    struct i8i_split_pattern *p = i8i_calloc(1, sizeof *p);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (p == NULL || context == NULL) {
        status = i8i_nomem(err);
        goto out;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int code;
    PCRE2_SIZE offset;
    p->code = pcre2_compile((PCRE2_SPTR)pcre2, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code,
                            &offset, context);
    if (p->code == NULL) {
        char why[256];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        status = i8i_fail(err, I8_ERR_DATA, "the pattern is refused: %s", why);
        goto out;
    }
    *out = p;
    p = NULL;
out:
    i8i_split_pattern_free(p);
    pcre2_compile_context_free(context);
    return status;
}

void i8i_split_pattern_free(struct i8i_split_pattern *p)
{
    if (p == NULL)
        return;
    pcre2_code_free(p->code);
    free(p);
}

enum i8_status i8i_split_scan_new(struct i8i_split_scan **out,
                                  const struct i8i_split_pattern *p, struct i8_error *err)
{
    *out = NULL;
    struct i8i_split_scan *s = i8i_calloc(1, sizeof *s);
    if (s == NULL)
        return i8i_nomem(err);
    s->pattern = p;
    s->match = pcre2_match_data_create_from_pattern(p->code, NULL);
    s->limits = pcre2_match_context_create(NULL);
    if (s->match == NULL || s->limits == NULL) {
        i8i_split_scan_free(s);
        return i8i_nomem(err);
    }
    pcre2_set_heap_limit(s->limits, HEAP_KIB);
    *out = s;
    return I8_OK;
}

void i8i_split_scan_free(struct i8i_split_scan *s)
{
    if (s == NULL)
        return;
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
    free(s);
}

void i8i_split_scan_start(struct i8i_split_scan *s, const char *text, size_t length)
{
    s->text = text;
    s->length = length;
    s->at = 0;
    s->last_end = SIZE_MAX;
    s->budget = BUDGET + (uint64_t)BUDGET_FACTOR * length;
}

/* The end of a window of `size` bytes from `at`, moved back to a character's start. */
static size_t window_end(const struct i8i_split_scan *s, uint64_t size)
{
    if (size >= s->length - s->at)
        return s->length;
    size_t end = s->at + (size_t)size;
    while (((unsigned char)s->text[end] & 0xc0) == 0x80)
        end--;
    return end;
}

/* Tries the pattern at s->at alone. A window that ends before the text does is safe,
 * because PCRE2_PARTIAL_HARD reports every attempt that looked at its end. */
static enum i8_status match_here(struct i8i_split_scan *s, bool *matched, size_t *end,
                                 struct i8_error *err)
{
    uint64_t steps = FIRST_STEPS, window = FIRST_WINDOW;
    for (;;) {
        size_t stop = window_end(s, window);
        uint32_t options = PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK;
        if (stop < s->length)
            options |= PCRE2_PARTIAL_HARD;
        pcre2_set_match_limit(s->limits, (uint32_t)steps);
        int rc = pcre2_match(s->pattern->code, (PCRE2_SPTR)s->text, stop, s->at, options,
                             s->match, s->limits);
        *matched = rc >= 0;
        if (rc >= 0)
            *end = pcre2_get_ovector_pointer(s->match)[1];
        if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
            return I8_OK;
        if (rc == PCRE2_ERROR_NOMEMORY)
            return i8i_nomem(err);
        if (rc == PCRE2_ERROR_PARTIAL)
            window *= GROWTH;
        else if (rc == PCRE2_ERROR_MATCHLIMIT && steps < UINT32_MAX / GROWTH)
            steps *= GROWTH;
        else
            break;
        uint64_t cost = steps + window;
        if (cost > s->budget)
            break;
        s->budget -= cost;
    }
    return i8i_fail(err, I8_ERR_DATA,
                    "the split pattern takes too long on this text (at byte %zu of %zu)",
                    s->at, s->length);
}

enum i8_status i8i_split_scan_next(struct i8i_split_scan *s, bool *found, size_t *start,
                                   size_t *end, struct i8_error *err)
{
    *found = false;
    while (s->at <= s->length) {
        bool matched;
        size_t stop = 0;
        enum i8_status status = match_here(s, &matched, &stop, err);
        if (status != I8_OK)
            return status;
        size_t here = s->at;
        if (matched && !(stop == here && s->last_end == here)) {
            *found = true;
            *start = here;
            *end = s->at = s->last_end = stop;
            return I8_OK;
        }
        size_t step = i8i_utf8_decode(s->text + here, s->length - here, NULL);
        s->at += step > 0 ? step : 1;
    }
    return I8_OK;
}
