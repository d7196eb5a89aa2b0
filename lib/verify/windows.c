/* SPDX-License-Identifier: Apache-2.0
 *
 * Ids come in lists: one a prompt, one a text file, one or several a JSON file. A list
 * is cut into consecutive windows; a remainder counts only where it is all there is,
 * so that every window is of one length. The lists of a list of lists stay whole.
 */
#include "config.h"

#include "verify/windows.h"

#include "base/file.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS_FILE ((size_t)64 << 20)
#define MAX_TEXT_FILE   ((size_t)64 << 20)
#define RANDOM_WINDOWS  4u
#define RANDOM_IDS      128u
#define RANDOM_SEED     0x6d696e74u

static void drop_from(struct i8i_windows *w, size_t first)
{
    while (w->count > first) {
        w->count--;
        free(w->items[w->count].ids);
        free(w->items[w->count].prompt);
    }
}

void i8i_windows_free(struct i8i_windows *w)
{
    drop_from(w, 0);
    free(w->items);
    *w = (struct i8i_windows){0};
}

void i8i_windows_keep(struct i8i_windows *w, size_t most)
{
    if (most > 0)
        drop_from(w, most);
}

/* Takes a copy of n ids. */
static enum i8_status add_window(struct i8i_windows *w, const int32_t *ids, size_t n,
                                 struct i8_error *err)
{
    int32_t *copy = i8i_calloc(n, sizeof *copy);
    if (copy == NULL ||
        !i8i_grow(&w->items, &w->capacity, w->count + 1, sizeof *w->items)) {
        free(copy);
        return i8i_nomem(err);
    }
    memcpy(copy, ids, n * sizeof *ids);
    w->items[w->count++] = (struct i8i_window){.ids = copy, .n = n};
    return I8_OK;
}

static enum i8_status check_length(const struct i8i_window_options *o, size_t n,
                                   const char *what, struct i8_error *err)
{
    if (n >= o->least)
        return I8_OK;
    return i8i_fail(err, I8_ERR_DATA, "%s: %zu token ids, at least %zu are needed", what,
                    n, o->least);
}

/* Consecutive windows of one list. */
static enum i8_status cut(struct i8i_windows *w, const struct i8i_window_options *o,
                          const int32_t *ids, size_t n, const char *what,
                          struct i8_error *err)
{
    enum i8_status status = check_length(o, n, what, err);
    if (status != I8_OK)
        return status;
    if (o->window == 0 || n <= o->window)
        return add_window(w, ids, n, err);
    for (size_t at = 0; status == I8_OK && n - at >= o->window; at += o->window)
        status = add_window(w, ids + at, o->window, err);
    return status;
}

/* ---- text ---- */

static enum i8_status add_text(struct i8i_windows *w, const struct i8i_model_text *t,
                               const struct i8i_window_options *o, const char *text,
                               size_t length, bool special, const char *what,
                               struct i8_error *err)
{
    int32_t *ids;
    size_t n;
    if (t->tokenizer == NULL)
        return i8i_fail(err, t->no_tokenizer.status,
                        "%s (%s needs it; --tokens takes ids)", t->no_tokenizer.message,
                        what);
    enum i8_status status =
        i8i_tokenizer_encode(t->tokenizer, &ids, &n, text, length, special, err);
    if (status != I8_OK) {
        i8i_error_prefix(err, "%s", what);
        return status;
    }
    status = cut(w, o, ids, n, what, err);
    free(ids);
    return status;
}

/* A prompt gets the special tokens that its tokenizer puts around a text. */
static enum i8_status add_prompt(struct i8i_windows *w, const struct i8i_model_text *t,
                                 const struct i8i_window_options *o, const char *prompt,
                                 struct i8_error *err)
{
    size_t before = w->count;
    enum i8_status status =
        add_text(w, t, o, prompt, strlen(prompt), true, "--prompt", err);
    if (status != I8_OK || w->count != before + 1)
        return status;
    w->items[before].prompt = i8i_strdup(prompt);
    return w->items[before].prompt != NULL ? I8_OK : i8i_nomem(err);
}

/* A text file is taken as it is, without special tokens. */
static enum i8_status add_text_file(struct i8i_windows *w, const struct i8i_model_text *t,
                                    const struct i8i_window_options *o,
                                    struct i8_error *err)
{
    char *text;
    size_t length;
    enum i8_status status =
        i8i_read_file(&text, &length, o->text_path, MAX_TEXT_FILE, err);
    if (status != I8_OK)
        return status;
    status = add_text(w, t, o, text, length, false, o->text_path, err);
    free(text);
    return status;
}

/* ---- ids ---- */

static enum i8_status read_ids(int32_t **out, size_t *count, const i8i_json *list,
                               const char *path, struct i8_error *err)
{
    size_t n = i8i_json_count(list), i = 0;
    int32_t *ids = i8i_calloc(n, sizeof *ids);
    *out = ids;
    *count = n;
    if (ids == NULL)
        return i8i_nomem(err);
    for (const i8i_json *node = i8i_json_first(list); node != NULL;
         node = i8i_json_next(node), i++) {
        uint64_t id;
        if (!i8i_json_u64(&id, node) || id > INT32_MAX)
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: entry %zu is no token id (a non-negative integer)", path,
                            i);
        ids[i] = (int32_t)id;
    }
    return I8_OK;
}

static enum i8_status add_ids(struct i8i_windows *w, const struct i8i_window_options *o,
                              const i8i_json *list, bool whole, struct i8_error *err)
{
    int32_t *ids = NULL;
    size_t n = 0;
    enum i8_status status = read_ids(&ids, &n, list, o->tokens_path, err);
    if (status == I8_OK && whole) {
        status = check_length(o, n, o->tokens_path, err);
        if (status == I8_OK)
            status = add_window(w, ids, n, err);
    } else if (status == I8_OK) {
        status = cut(w, o, ids, n, o->tokens_path, err);
    }
    free(ids);
    return status;
}

static enum i8_status add_tokens_file(struct i8i_windows *w,
                                      const struct i8i_window_options *o,
                                      struct i8_error *err)
{
    i8i_json *doc = NULL;
    enum i8_status status =
        i8i_json_read_file(&doc, o->tokens_path, MAX_TOKENS_FILE, err);
    if (status != I8_OK)
        return status;
    const i8i_json *first = i8i_json_first(doc);
    if (!i8i_json_is_array(doc)) {
        status = i8i_fail(err, I8_ERR_DATA,
                          "%s: expected a list of token ids, or a list of lists",
                          o->tokens_path);
    } else if (!i8i_json_is_array(first)) {
        status = add_ids(w, o, doc, false, err);
    } else {
        for (const i8i_json *n = first; n != NULL && status == I8_OK;
             n = i8i_json_next(n)) {
            if (i8i_json_is_array(n))
                status = add_ids(w, o, n, true, err);
            else
                status = i8i_fail(err, I8_ERR_DATA, "%s: lists and single ids are mixed",
                                  o->tokens_path);
        }
    }
    i8i_json_free(doc);
    return status;
}

/* ---- neither ---- */

/* Ids that look like noise but are the same everywhere (Knuth's 64-bit LCG). */
static enum i8_status add_random(struct i8i_windows *w, const struct i8i_model *m,
                                 const struct i8i_window_options *o, struct i8_error *err)
{
    int32_t ids[RANDOM_IDS];
    uint64_t state = RANDOM_SEED, vocab = (uint64_t)m->hp.dim[I8I_DIM_VOCAB];
    size_t n = o->window > 0 && o->window < RANDOM_IDS ? o->window : RANDOM_IDS;
    enum i8_status status = I8_OK;
    for (size_t k = 0; k < RANDOM_WINDOWS && status == I8_OK; k++) {
        for (size_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            ids[i] = (int32_t)((state >> 33) % vocab);
        }
        status = add_window(w, ids, n, err);
    }
    return status;
}

static enum i8_status add_fallback(struct i8i_windows *w, const struct i8i_model *m,
                                   const struct i8i_model_text *t,
                                   const struct i8i_window_options *o,
                                   struct i8_error *err)
{
    if (t->tokenizer != NULL) {
        i8i_log(o->log, I8_LOG_NOTE,
                "no --prompt, --text or --tokens: a built-in English text is used");
        w->input = "built-in text";
        return add_text(w, t, o, i8i_sample_text, strlen(i8i_sample_text), false,
                        "the built-in text", err);
    }
    i8i_log(
        o->log, I8_LOG_WARNING,
        "%s; without text or ids to run, pseudo-random ids are used, on which no model "
        "does well",
        t->no_tokenizer.message);
    w->input = "pseudo-random ids";
    return add_random(w, m, o, err);
}

enum i8_status i8i_windows_read(struct i8i_windows *w, const struct i8i_model *m,
                                const struct i8i_model_text *text,
                                const struct i8i_window_options *o, struct i8_error *err)
{
    enum i8_status status = I8_OK;
    *w = (struct i8i_windows){0};
    for (const char *const *p = o->prompts; p != NULL && *p != NULL && status == I8_OK;
         p++) {
        w->input = "prompts";
        status = add_prompt(w, text, o, *p, err);
    }
    if (status == I8_OK && o->text_path != NULL) {
        w->input = w->input == NULL ? "text" : "several";
        status = add_text_file(w, text, o, err);
    }
    if (status == I8_OK && o->tokens_path != NULL) {
        w->input = w->input == NULL ? "ids" : "several";
        status = add_tokens_file(w, o, err);
    }
    if (status == I8_OK && w->input == NULL && o->fallback)
        status = add_fallback(w, m, text, o, err);
    if (status != I8_OK)
        i8i_windows_free(w);
    return status;
}
