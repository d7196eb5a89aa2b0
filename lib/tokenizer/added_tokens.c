/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding added tokens: leftmost, of those the longest, not overlapping. The tokens
 * are sorted, so the ones that agree with the text so far are a range that each
 * further byte narrows; a token's length is capped, so this is linear in the text.
 */
#include "config.h"

#include "tokenizer/added_tokens.h"

#include "base/utf8.h"
#include "tokenizer/split_pattern.h"
#include <stdlib.h>
#include <string.h>

#define MAX_CONTENT 1024u /* bytes of one added token */
#define MAX_ID      ((1u << 22) - 1)

/* ---- reading ---- */

static enum i8_status parse_one(struct i8i_added_token *t, const i8i_json *node,
                                struct i8_error *err)
{
    const char *content = i8i_json_string(i8i_json_get(node, "content"));
    uint64_t id;
    if (content == NULL)
        return i8i_fail(err, I8_ERR_DATA, "added_tokens: an entry without \"content\"");
    if (strlen(content) > MAX_CONTENT)
        return i8i_fail(err, I8_ERR_DATA, "added_tokens: a token of more than %u bytes",
                        MAX_CONTENT);
    if (!i8i_json_u64(&id, i8i_json_get(node, "id")) || id > MAX_ID)
        return i8i_fail(err, I8_ERR_DATA,
                        "added_tokens: \"%s\": the id must be an integer up to %u",
                        content, MAX_ID);
    bool special = i8i_json_bool(i8i_json_get(node, "special"), false);
    *t = (struct i8i_added_token){
        .content = i8i_strdup(content),
        .length = strlen(content),
        .id = (int32_t)id,
        .single_word = i8i_json_bool(i8i_json_get(node, "single_word"), false),
        .left_strip = i8i_json_bool(i8i_json_get(node, "lstrip"), false),
        .right_strip = i8i_json_bool(i8i_json_get(node, "rstrip"), false),
        .normalized = i8i_json_bool(i8i_json_get(node, "normalized"), !special),
        .special = special,
    };
    return t->content != NULL ? I8_OK : i8i_nomem(err);
}

static int compare(const void *a, const void *b)
{
    const struct i8i_added_token *x = a, *y = b;
    if (x->normalized != y->normalized)
        return x->normalized ? 1 : -1;
    return strcmp(x->content, y->content);
}

enum i8_status i8i_added_tokens_parse(struct i8i_added_tokens *t, const i8i_json *list,
                                      struct i8_error *err)
{
    bool need_word = false;
    t->items = i8i_calloc(i8i_json_count(list), sizeof *t->items);
    if (t->items == NULL)
        return i8i_nomem(err);
    for (const i8i_json *n = i8i_json_first(list); n != NULL; n = i8i_json_next(n)) {
        struct i8i_added_token *token = &t->items[t->count];
        enum i8_status status = parse_one(token, n, err);
        if (status != I8_OK)
            return status;
        t->count++;
        t->n_raw += !token->normalized;
        need_word |= token->single_word;
    }
    qsort(t->items, t->count, sizeof *t->items, compare);
    for (size_t i = 1; i < t->count; i++) {
        if (compare(&t->items[i - 1], &t->items[i]) == 0)
            return i8i_fail(err, I8_ERR_DATA, "added_tokens: \"%s\" is there twice",
                            t->items[i].content);
    }
    if (!need_word)
        return I8_OK;
    /* What Rust's regex crate calls \w. */
    return i8i_split_pattern_new(
        &t->word, "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]", err);
}

void i8i_added_tokens_free(struct i8i_added_tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].content);
    free(t->items);
    i8i_split_pattern_free(t->word);
    *t = (struct i8i_added_tokens){0};
}

/* ---- finding ---- */

/* First item of [low, high) whose byte k is at least `byte`. */
static size_t lower_bound(const struct i8i_added_tokens *t, size_t low, size_t high,
                          size_t k, unsigned byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)t->items[middle].content[k] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token at text[at], or -1. */
static int64_t longest_at(const struct i8i_added_tokens *t, bool normalized,
                          const char *text, size_t at, size_t end)
{
    size_t low = normalized ? t->n_raw : 0, high = normalized ? t->count : t->n_raw;
    int64_t best = -1;
    for (size_t k = 0; low < high && at + k < end; k++) {
        unsigned byte = (unsigned char)text[at + k];
        if (byte == 0)
            break; /* no token holds one, but it would look like the end of one */
        low = lower_bound(t, low, high, k, byte);
        high = lower_bound(t, low, high, k, byte + 1);
        /* Of those that agree so far, one that ends here sorts first. */
        if (low < high && t->items[low].length == k + 1)
            best = (int64_t)low;
    }
    return best;
}

/* The property White_Space. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Where the character that ends at `end` begins. */
static size_t step_back(const char *text, size_t start, size_t end)
{
    do
        end--;
    while (end > start && ((unsigned char)text[end] & 0xc0) == 0x80);
    return end;
}

static size_t skip_space_back(const char *text, size_t start, size_t end)
{
    while (end > start) {
        uint32_t c = 0;
        size_t before = step_back(text, start, end);
        if (i8i_utf8_decode(text + before, end - before, &c) == 0 || !is_space(c))
            break;
        end = before;
    }
    return end;
}

static size_t skip_space(const char *text, size_t at, size_t end)
{
    uint32_t c = 0;
    size_t used;
    while (at < end && (used = i8i_utf8_decode(text + at, end - at, &c)) > 0 &&
           is_space(c))
        at += used;
    return at;
}

static enum i8_status is_word(const struct i8i_added_tokens *t, bool *yes,
                              const char *text, size_t start, size_t end,
                              struct i8_error *err)
{
    struct i8i_split_scan *scan;
    size_t from, to;
    enum i8_status status = i8i_split_scan_new(&scan, t->word, err);
    if (status != I8_OK)
        return status;
    i8i_split_scan_start(scan, text + start, end - start);
    status = i8i_split_scan_next(scan, yes, &from, &to, err);
    i8i_split_scan_free(scan);
    return status;
}

/* True if a word character is next to text[at, stop) within [start, end). */
static enum i8_status touches_word(const struct i8i_added_tokens *t, bool *yes,
                                   const char *text, size_t start, size_t end, size_t at,
                                   size_t stop, struct i8_error *err)
{
    enum i8_status status = I8_OK;
    *yes = false;
    if (at > start)
        status = is_word(t, yes, text, step_back(text, start, at), at, err);
    if (status == I8_OK && !*yes && stop < end) {
        size_t used = i8i_utf8_decode(text + stop, end - stop, NULL);
        status = is_word(t, yes, text, stop, stop + used, err);
    }
    return status;
}

static bool add_segment(struct i8i_segments *out, size_t start, size_t end, int64_t token)
{
    if (!i8i_grow(&out->items, &out->capacity, out->count + 1, sizeof *out->items))
        return false;
    out->items[out->count++] = (struct i8i_segment){start, end, token};
    return true;
}

enum i8_status i8i_added_tokens_find(const struct i8i_added_tokens *t, bool normalized,
                                     struct i8i_segments *out, const char *text,
                                     size_t start, size_t end, struct i8_error *err)
{
    size_t done = start; /* what lies before belongs to a segment */
    for (size_t at = start; at < end;) {
        int64_t found = longest_at(t, normalized, text, at, end);
        if (found < 0) {
            at++;
            continue;
        }
        const struct i8i_added_token *token = &t->items[found];
        size_t from = at, to = at + token->length;
        at = to;
        if (token->single_word) {
            bool touches;
            enum i8_status status =
                touches_word(t, &touches, text, start, end, from, to, err);
            if (status != I8_OK)
                return status;
            if (touches)
                continue;
        }
        if (token->left_strip) {
            from = skip_space_back(text, start, from);
            from = from > done ? from : done;
        }
        if (token->right_strip)
            to = skip_space(text, to, end);
        if (from >= to) /* all of it was white space that the token before took */
            continue;
        if ((done < from && !add_segment(out, done, from, -1)) ||
            !add_segment(out, from, to, found))
            return i8i_nomem(err);
        done = to;
    }
    if (done < end && !add_segment(out, done, end, -1))
        return i8i_nomem(err);
    return I8_OK;
}
