/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte pair encoding: a vocabulary of strings and a ranked list of merges, applied to
 * one piece of text at a time.
 */
#ifndef I8I_TOKENIZER_BPE_H
#define I8I_TOKENIZER_BPE_H

#include "base/json.h"
#include "base/map.h"
#include "base/memory.h"

#define I8I_MAX_TOKENS (4u << 20) /* ids are below this; real ones stay below 300,000 */
#define I8I_BPE_DIRECT 0x144 /* characters of the byte alphabet, looked up by table */

struct i8i_merge {
    int32_t left, right, merged;
    uint32_t rank;
};

struct i8i_bpe {
    struct i8i_arena strings; /* the vocabulary's texts */
    const char **tokens;      /* by id; NULL where an id is not used */
    size_t n_tokens;
    struct i8i_map ids;             /* text → id */
    struct i8i_merge *merges;       /* sorted by left id, then right id */
    uint32_t *merges_of;            /* by left id, and one more: where its merges begin */
    int32_t direct[I8I_BPE_DIRECT]; /* id of a one-character token, or -1 */
    int32_t unknown;    /* id for characters that are no token, or -1: dropped */
    bool fuse_unknown;  /* one id for a run of them */
    bool ignore_merges; /* a piece that is a token stays whole */
};

/* From tokenizer.json's "model". *bpe is freed by i8i_bpe_free either way. */
enum i8_status i8i_bpe_parse(struct i8i_bpe *bpe, const i8i_json *model,
                             struct i8_error *err) I8I_MUST_CHECK;
void i8i_bpe_free(struct i8i_bpe *bpe);

/* Ids, growing. */
struct i8i_ids {
    int32_t *items;
    size_t count, capacity;
};
static inline bool i8i_ids_add(struct i8i_ids *ids, int32_t id)
{
    if (!i8i_grow(&ids->items, &ids->capacity, ids->count + 1, sizeof *ids->items))
        return false;
    ids->items[ids->count++] = id;
    return true;
}

/* Working memory of one thread, reused from piece to piece. */
struct i8i_bpe_scratch {
    struct i8i_bpe_symbol *symbols;
    struct i8i_bpe_candidate *heap;
    char *key;
    size_t symbols_capacity, heap_capacity, heap_count, key_capacity;
};
void i8i_bpe_scratch_free(struct i8i_bpe_scratch *s);

/* Appends the ids of a piece of valid UTF-8, in O(n log n). */
enum i8_status i8i_bpe_encode(const struct i8i_bpe *bpe, struct i8i_ids *ids,
                              struct i8i_bpe_scratch *scratch, const char *piece,
                              size_t length, struct i8_error *err) I8I_MUST_CHECK;

/* The id of the merged pair and its rank; false if the pair does not merge. */
bool i8i_bpe_merge(const struct i8i_bpe *bpe, int32_t left, int32_t right, uint32_t *rank,
                   int32_t *merged);

#endif
