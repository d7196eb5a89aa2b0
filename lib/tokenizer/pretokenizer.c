/* SPDX-License-Identifier: Apache-2.0
 *
 * Pre-tokenizer steps as Hugging Face's tokenizers defines them: Split, Digits and
 * Punctuation cut by a pattern; ByteLevel cuts by GPT-2's pattern and then writes the
 * bytes in its alphabet; a Sequence is its members in order.
 */
#include "config.h"

#include "tokenizer/pretokenizer.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/split_pattern.h"
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS      64u
#define MAX_TEXT_BYTES ((size_t)1 << 30)

/* What becomes of a match of the pattern. */
enum behavior { ISOLATED, REMOVED, CONTIGUOUS, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT };

struct i8i_pretokenizer_step {
    struct i8i_split_pattern *pattern; /* NULL: no cut */
    enum behavior behavior;
    bool invert;       /* the pattern says what lies between the matches */
    bool byte_level;   /* rewrite the pieces in the byte alphabet, after the cut … */
    bool prefix_space; /* … and put a space before pieces that begin without one */
};

/* GPT-2's pattern: words, numbers and other runs, each with the space before it. */
static const char gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/* ---- reading ---- */

static enum i8_status compile(struct i8i_split_pattern **out, const char *pattern,
                              bool literal, struct i8_error *err)
{
    char *pcre2 = NULL;
    enum i8_status status = literal ? i8i_split_pattern_quote(&pcre2, pattern, err)
                                    : i8i_split_pattern_translate(&pcre2, pattern, err);
    if (status == I8_OK)
        status = i8i_split_pattern_new(out, pcre2, err);
    free(pcre2);
    return status;
}

static enum i8_status parse_behavior(enum behavior *out, const i8i_json *node,
                                     struct i8_error *err)
{
    static const char *const names[] = {
        [ISOLATED] = "Isolated",
        [REMOVED] = "Removed",
        [CONTIGUOUS] = "Contiguous",
        [MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [MERGED_WITH_NEXT] = "MergedWithNext",
    };
    const char *name = i8i_json_string(node);
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum behavior)i;
            return I8_OK;
        }
    }
    return i8i_fail(err, I8_ERR_DATA, "pre_tokenizer: behavior \"%s\" is unknown",
                    name != NULL ? name : "(none)");
}

static enum i8_status parse_split(struct i8i_pretokenizer_step *step,
                                  const i8i_json *node, struct i8_error *err)
{
    const i8i_json *pattern = i8i_json_get(node, "pattern");
    const char *regex = i8i_json_string(i8i_json_get(pattern, "Regex"));
    const char *literal = i8i_json_string(i8i_json_get(pattern, "String"));
    if ((regex == NULL) == (literal == NULL))
        return i8i_fail(err, I8_ERR_DATA,
                        "pre_tokenizer: a Split needs a pattern, a Regex or a String");
    step->invert = i8i_json_bool(i8i_json_get(node, "invert"), false);
    enum i8_status status =
        parse_behavior(&step->behavior, i8i_json_get(node, "behavior"), err);
    if (status != I8_OK)
        return status;
    return compile(&step->pattern, regex != NULL ? regex : literal, regex == NULL, err);
}

static enum i8_status parse_step(struct i8i_pretokenizer_step *step, const char *type,
                                 const i8i_json *node, struct i8_error *err)
{
    if (strcmp(type, "Split") == 0)
        return parse_split(step, node, err);
    if (strcmp(type, "ByteLevel") == 0) {
        step->byte_level = true;
        step->prefix_space = i8i_json_bool(i8i_json_get(node, "add_prefix_space"), true);
        if (!i8i_json_bool(i8i_json_get(node, "use_regex"), true))
            return I8_OK;
        return compile(&step->pattern, gpt2_pattern, false, err);
    }
    if (strcmp(type, "Digits") == 0) {
        /* Numeric characters: the categories Nd, Nl and No. */
        bool each = i8i_json_bool(i8i_json_get(node, "individual_digits"), false);
        step->behavior = each ? ISOLATED : CONTIGUOUS;
        return compile(&step->pattern, "\\p{N}", false, err);
    }
    if (strcmp(type, "Punctuation") == 0) {
        const i8i_json *behavior = i8i_json_get(node, "behavior");
        enum i8_status status = I8_OK;
        if (behavior != NULL)
            status = parse_behavior(&step->behavior, behavior, err);
        if (status != I8_OK)
            return status;
        return compile(&step->pattern, "[!-/:-@\\[-`{-~\\p{P}]", false, err);
    }
    return i8i_fail(
        err, I8_ERR_UNSUPPORTED,
        "pre_tokenizer \"%s\" is not handled (handled: ByteLevel, Split, Digits, "
        "Punctuation, Sequence)",
        type);
}

enum i8_status i8i_pretokenizer_parse(struct i8i_pretokenizer *p, const i8i_json *node,
                                      struct i8_error *err)
{
    if (node == NULL || i8i_json_is_null(node))
        return I8_OK;
    const char *type = i8i_json_string(i8i_json_get(node, "type"));
    if (type == NULL)
        return i8i_fail(err, I8_ERR_DATA, "pre_tokenizer: no \"type\"");
    if (strcmp(type, "Sequence") == 0) {
        const i8i_json *member = i8i_json_first(i8i_json_get(node, "pretokenizers"));
        for (; member != NULL; member = i8i_json_next(member)) {
            enum i8_status status = i8i_pretokenizer_parse(p, member, err);
            if (status != I8_OK)
                return status;
        }
        return I8_OK;
    }
    if (p->n_steps == MAX_STEPS)
        return i8i_fail(err, I8_ERR_DATA, "pre_tokenizer: more than %u steps", MAX_STEPS);
    if (!i8i_grow(&p->steps, &p->capacity, p->n_steps + 1, sizeof *p->steps))
        return i8i_nomem(err);
    p->steps[p->n_steps] = (struct i8i_pretokenizer_step){.behavior = ISOLATED};
    return parse_step(&p->steps[p->n_steps++], type, node, err);
}

void i8i_pretokenizer_free(struct i8i_pretokenizer *p)
{
    for (size_t i = 0; i < p->n_steps; i++)
        i8i_split_pattern_free(p->steps[i].pattern);
    free(p->steps);
    *p = (struct i8i_pretokenizer){0};
}

/* ---- pieces ---- */

void i8i_pieces_init(struct i8i_pieces *p)
{
    *p = (struct i8i_pieces){0};
    i8i_buffer_init(&p->text, MAX_TEXT_BYTES);
}

void i8i_pieces_free(struct i8i_pieces *p)
{
    i8i_buffer_free(&p->text);
    free(p->items);
    *p = (struct i8i_pieces){0};
}

static bool add_piece(struct i8i_pieces *p, size_t start, size_t end)
{
    if (!i8i_grow(&p->items, &p->capacity, p->count + 1, sizeof *p->items))
        return false;
    p->items[p->count++] = (struct i8i_piece){start, end};
    return true;
}

/* ---- cutting ---- */

/* A stretch of a piece, and whether the step's pattern claims it. */
struct stretch {
    size_t start, end;
    bool match;
};
struct stretches {
    struct stretch *items;
    size_t count, capacity;
};

static bool add_stretch(struct stretches *s, size_t start, size_t end, bool match)
{
    if (!i8i_grow(&s->items, &s->capacity, s->count + 1, sizeof *s->items))
        return false;
    s->items[s->count++] = (struct stretch){start, end, match};
    return true;
}

/* Matches and what lies between them, offsets from the start of the whole text. */
static enum i8_status find_stretches(struct stretches *out, struct i8i_split_scan *scan,
                                     bool invert, const char *text,
                                     struct i8i_piece piece, struct i8_error *err)
{
    size_t at = piece.start;
    out->count = 0;
    i8i_split_scan_start(scan, text + piece.start, piece.end - piece.start);
    for (;;) {
        bool found;
        size_t start = 0, end = 0;
        enum i8_status status = i8i_split_scan_next(scan, &found, &start, &end, err);
        if (status != I8_OK)
            return status;
        if (!found)
            break;
        start += piece.start;
        end += piece.start;
        if ((at < start && !add_stretch(out, at, start, invert)) ||
            !add_stretch(out, start, end, !invert))
            return i8i_nomem(err);
        at = end;
    }
    if (at < piece.end && !add_stretch(out, at, piece.end, invert))
        return i8i_nomem(err);
    return I8_OK;
}

/* True if stretch i continues the one before it (MERGED_WITH_NEXT: is continued by the
 * one behind it). */
static bool is_joined(const struct stretches *s, size_t i, enum behavior behavior)
{
    const struct stretch *here = &s->items[i];
    switch (behavior) {
    case CONTIGUOUS: /* a first stretch without a match has nothing before it */
        return i > 0 && here->match == here[-1].match;
    case MERGED_WITH_PREVIOUS:
        return i > 0 && here->match && !here[-1].match;
    case MERGED_WITH_NEXT:
        return i + 1 < s->count && here->match && !here[1].match;
    default:
        return false;
    }
}

/* The pieces that the stretches make; empty ones are dropped. */
static bool join_stretches(struct i8i_pieces *out, const struct stretches *s,
                           enum behavior behavior)
{
    for (size_t i = 0; i < s->count; i++) {
        if (behavior == REMOVED && s->items[i].match)
            continue;
        size_t start = s->items[i].start;
        if (behavior == MERGED_WITH_NEXT) {
            while (is_joined(s, i, behavior))
                i++;
        } else {
            while (i + 1 < s->count && is_joined(s, i + 1, behavior))
                i++;
        }
        if (s->items[i].end > start && !add_piece(out, start, s->items[i].end))
            return false;
    }
    return true;
}

static enum i8_status cut(const struct i8i_pretokenizer_step *step, struct i8i_pieces *p,
                          struct i8_error *err)
{
    struct stretches stretches = {0};
    struct i8i_split_scan *scan = NULL;
    struct i8i_piece *old = p->items;
    size_t n_old = p->count;
    p->items = NULL;
    p->count = p->capacity = 0;
    enum i8_status status = i8i_split_scan_new(&scan, step->pattern, err);
    for (size_t i = 0; status == I8_OK && i < n_old; i++) {
        status =
            find_stretches(&stretches, scan, step->invert, p->text.data, old[i], err);
        if (status == I8_OK && !join_stretches(p, &stretches, step->behavior))
            status = i8i_nomem(err);
    }
    free(old);
    free(stretches.items);
    i8i_split_scan_free(scan);
    return status;
}

/* Rewrites the text piece by piece; the pieces keep their order. */
static enum i8_status rewrite(struct i8i_pieces *p, bool prefix_space, bool byte_level,
                              struct i8_error *err)
{
    struct i8i_buffer text;
    i8i_buffer_init(&text, MAX_TEXT_BYTES);
    for (size_t i = 0; i < p->count; i++) {
        const char *bytes = p->text.data + p->items[i].start;
        size_t n = p->items[i].end - p->items[i].start, start = text.length;
        if (prefix_space && *bytes != ' ')
            i8i_buffer_puts(&text, " ");
        if (byte_level)
            i8i_byte_level_append(&text, bytes, n);
        else
            i8i_buffer_append(&text, bytes, n);
        p->items[i] = (struct i8i_piece){start, text.length};
    }
    i8i_buffer_free(&p->text);
    p->text = text;
    return text.failed ? i8i_nomem(err) : I8_OK;
}

enum i8_status i8i_pretokenizer_run(const struct i8i_pretokenizer *p,
                                    struct i8i_pieces *out, const char *text,
                                    size_t length, struct i8_error *err)
{
    out->count = 0;
    out->text.length = 0;
    i8i_buffer_append(&out->text, text, length);
    if (out->text.failed || !add_piece(out, 0, length))
        return i8i_nomem(err);
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct i8i_pretokenizer_step *step = &p->steps[i];
        enum i8_status status = I8_OK;
        if (step->prefix_space)
            status = rewrite(out, true, false, err);
        if (status == I8_OK && step->pattern != NULL)
            status = cut(step, out, err);
        if (status == I8_OK && step->byte_level)
            status = rewrite(out, false, true, err);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}
