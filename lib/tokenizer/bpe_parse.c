/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json's "model" → vocabulary and merges. Everything that is said about ids
 * is checked here, so that the merge loop can index by them.
 */
#include "config.h"

#include "tokenizer/bpe.h"

#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

static bool is_absent(const i8i_json *n)
{
    return n == NULL || i8i_json_is_null(n) ||
           (i8i_json_string(n) != NULL && *i8i_json_string(n) == '\0');
}

/* Settings that would change the result and that no byte-level vocabulary uses. */
static enum i8_status refuse_settings(const i8i_json *model, struct i8_error *err)
{
    static const char *const texts[] = {"continuing_subword_prefix",
                                        "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!is_absent(i8i_json_get(model, texts[i])))
            return i8i_fail(err, I8_ERR_UNSUPPORTED, "model: \"%s\" is not handled",
                            texts[i]);
    }
    if (i8i_json_bool(i8i_json_get(model, "byte_fallback"), false))
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "model: \"byte_fallback\" is not handled");
    if (i8i_json_double(i8i_json_get(model, "dropout"), 0) != 0)
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "model: \"dropout\" is not handled");
    return I8_OK;
}

static enum i8_status size_vocabulary(struct i8i_bpe *bpe, const i8i_json *vocab,
                                      struct i8_error *err)
{
    for (const i8i_json *n = i8i_json_first(vocab); n != NULL; n = i8i_json_next(n)) {
        uint64_t id;
        if (!i8i_json_u64(&id, n) || id >= I8I_MAX_TOKENS)
            return i8i_fail(err, I8_ERR_DATA,
                            "vocab: token \"%s\": the id must be an integer below %u",
                            i8i_json_key(n), I8I_MAX_TOKENS);
        if (id >= bpe->n_tokens)
            bpe->n_tokens = (size_t)id + 1;
    }
    bpe->tokens = i8i_calloc(bpe->n_tokens, sizeof *bpe->tokens);
    return bpe->tokens != NULL ? I8_OK : i8i_nomem(err);
}

static enum i8_status read_vocabulary(struct i8i_bpe *bpe, const i8i_json *vocab,
                                      struct i8_error *err)
{
    if (!i8i_json_is_object(vocab))
        return i8i_fail(err, I8_ERR_DATA, "model: \"vocab\" must be an object");
    enum i8_status status = size_vocabulary(bpe, vocab, err);
    if (status != I8_OK)
        return status;
    for (const i8i_json *n = i8i_json_first(vocab); n != NULL; n = i8i_json_next(n)) {
        uint64_t id = 0;
        i8i_json_u64(&id, n);
        if (bpe->tokens[id] != NULL)
            return i8i_fail(err, I8_ERR_DATA, "vocab: \"%s\" and \"%s\" both have id %u",
                            bpe->tokens[id], i8i_json_key(n), (unsigned)id);
        bpe->tokens[id] = i8i_arena_strdup(&bpe->strings, i8i_json_key(n));
        if (bpe->tokens[id] == NULL)
            return i8i_nomem(err);
        status = i8i_map_add(&bpe->ids, bpe->tokens[id], (size_t)id, NULL, err);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

static void fill_direct(struct i8i_bpe *bpe)
{
    for (uint32_t c = 0; c < I8I_BPE_DIRECT; c++) {
        char key[5] = {0};
        size_t id = I8I_MAP_NONE;
        if (c > 0 && i8i_utf8_encode(key, c) > 0)
            id = i8i_map_get(&bpe->ids, key);
        bpe->direct[c] = id == I8I_MAP_NONE ? -1 : (int32_t)id;
    }
}

/* ---- merges ---- */

/* One merge as text: "a b", or ["a", "b"]. */
struct pair_text {
    const char *left, *right;
    size_t left_length;
};

static bool read_pair(struct pair_text *p, const i8i_json *n)
{
    const char *line = i8i_json_string(n);
    if (line != NULL) {
        const char *space = strchr(line, ' ');
        if (space == NULL || strchr(space + 1, ' ') != NULL)
            return false;
        *p = (struct pair_text){line, space + 1, (size_t)(space - line)};
        return true;
    }
    if (!i8i_json_is_array(n) || i8i_json_count(n) != 2)
        return false;
    const i8i_json *first = i8i_json_first(n);
    p->left = i8i_json_string(first);
    p->right = i8i_json_string(i8i_json_next(first));
    if (p->left == NULL || p->right == NULL)
        return false;
    p->left_length = strlen(p->left);
    return true;
}

/* The token whose text is the first n bytes of `text`, by way of the buffer. */
static size_t find_token(const struct i8i_bpe *bpe, struct i8i_buffer *key,
                         const char *text, size_t n)
{
    key->length = 0;
    i8i_buffer_append(key, text, n);
    return key->failed ? I8I_MAP_NONE : i8i_map_get(&bpe->ids, key->data);
}

static enum i8_status read_merge(struct i8i_merge *m, const struct i8i_bpe *bpe,
                                 struct i8i_buffer *key, const i8i_json *n, uint32_t rank,
                                 struct i8_error *err)
{
    struct pair_text p;
    if (!read_pair(&p, n))
        return i8i_fail(err, I8_ERR_DATA, "merges: entry %u is no pair of tokens", rank);
    size_t left = find_token(bpe, key, p.left, p.left_length);
    size_t right = i8i_map_get(&bpe->ids, p.right);
    size_t merged = find_token(bpe, key, p.left, p.left_length);
    i8i_buffer_puts(key, p.right);
    if (key->failed)
        return i8i_nomem(err);
    merged = i8i_map_get(&bpe->ids, key->data);
    if (left == I8I_MAP_NONE || right == I8I_MAP_NONE || merged == I8I_MAP_NONE)
        return i8i_fail(
            err, I8_ERR_DATA,
            "merges: entry %u (\"%s\" and \"%s\"): %s is not in the vocabulary", rank,
            p.left, p.right,
            left == I8I_MAP_NONE    ? "the first"
            : right == I8I_MAP_NONE ? "the second"
                                    : "what they make");
    *m = (struct i8i_merge){(int32_t)left, (int32_t)right, (int32_t)merged, rank};
    return I8_OK;
}

static int compare_merges(const void *a, const void *b)
{
    const struct i8i_merge *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    if (x->right != y->right)
        return x->right < y->right ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Sorts, keeps the last of repeated pairs (as the reference's hash table does), and
 * notes where each left token's begin. */
static enum i8_status index_merges(struct i8i_bpe *bpe, size_t count,
                                   struct i8_error *err)
{
    qsort(bpe->merges, count, sizeof *bpe->merges, compare_merges);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct i8i_merge *m = &bpe->merges[i];
        if (kept > 0 && bpe->merges[kept - 1].left == m->left &&
            bpe->merges[kept - 1].right == m->right)
            kept--;
        bpe->merges[kept++] = *m;
    }
    bpe->merges_of = i8i_calloc(bpe->n_tokens + 1, sizeof *bpe->merges_of);
    if (bpe->merges_of == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < kept; i++)
        bpe->merges_of[bpe->merges[i].left + 1]++;
    for (size_t id = 0; id < bpe->n_tokens; id++)
        bpe->merges_of[id + 1] += bpe->merges_of[id];
    return I8_OK;
}

/* A "#version" line of the old text format, which may have got into the list. */
static bool is_version_line(const i8i_json *n)
{
    const char *s = i8i_json_string(n);
    return s != NULL && strncmp(s, "#version", 8) == 0;
}

static enum i8_status read_merges(struct i8i_bpe *bpe, const i8i_json *merges,
                                  struct i8_error *err)
{
    if (!i8i_json_is_array(merges))
        return i8i_fail(err, I8_ERR_DATA, "model: \"merges\" must be an array");
    size_t count = i8i_json_count(merges);
    if (count >= UINT32_MAX)
        return i8i_fail(err, I8_ERR_DATA, "merges: too many");
    bpe->merges = i8i_calloc(count, sizeof *bpe->merges);
    if (bpe->merges == NULL)
        return i8i_nomem(err);
    enum i8_status status = I8_OK;
    uint32_t rank = 0;
    struct i8i_buffer key;
    i8i_buffer_init(&key, SIZE_MAX);
    for (const i8i_json *n = i8i_json_first(merges); n != NULL && status == I8_OK;
         n = i8i_json_next(n)) {
        if (is_version_line(n))
            continue;
        status = read_merge(&bpe->merges[rank], bpe, &key, n, rank, err);
        rank++;
    }
    i8i_buffer_free(&key);
    return status == I8_OK ? index_merges(bpe, rank, err) : status;
}

enum i8_status i8i_bpe_parse(struct i8i_bpe *bpe, const i8i_json *model,
                             struct i8_error *err)
{
    i8i_map_init(&bpe->ids);
    enum i8_status status = refuse_settings(model, err);
    if (status == I8_OK)
        status = read_vocabulary(bpe, i8i_json_get(model, "vocab"), err);
    if (status != I8_OK)
        return status;
    fill_direct(bpe);
    bpe->unknown = -1;
    const char *unknown = i8i_json_string(i8i_json_get(model, "unk_token"));
    if (unknown != NULL) {
        size_t id = i8i_map_get(&bpe->ids, unknown);
        if (id == I8I_MAP_NONE)
            return i8i_fail(err, I8_ERR_DATA,
                            "model: the unknown token \"%s\" is not in the vocabulary",
                            unknown);
        bpe->unknown = (int32_t)id;
    }
    bpe->fuse_unknown = i8i_json_bool(i8i_json_get(model, "fuse_unk"), false);
    bpe->ignore_merges = i8i_json_bool(i8i_json_get(model, "ignore_merges"), false);
    return read_merges(bpe, i8i_json_get(model, "merges"), err);
}

void i8i_bpe_free(struct i8i_bpe *bpe)
{
    i8i_map_free(&bpe->ids);
    i8i_arena_free(&bpe->strings);
    free(bpe->tokens);
    free(bpe->merges);
    free(bpe->merges_of);
    *bpe = (struct i8i_bpe){0};
}
