/* SPDX-License-Identifier: Apache-2.0
 *
 * The merge loop. The symbols of a piece are a linked list, the pairs that can merge a
 * heap by rank, then position: what the reference implementation does, and its order.
 * Each merge adds at most two candidates, so a piece of n characters takes
 * O(n log n). A candidate whose symbols have changed since is recognised when it
 * comes up, and skipped.
 */
#include "config.h"

#include "tokenizer/bpe.h"

#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct i8i_bpe_symbol {
    int32_t id; /* -1: merged into the one before */
    uint32_t previous, next;
};

struct i8i_bpe_candidate {
    uint32_t rank;
    uint32_t at; /* its left symbol */
    int32_t merged;
};

void i8i_bpe_scratch_free(struct i8i_bpe_scratch *s)
{
    free(s->symbols);
    free(s->heap);
    free(s->key);
    *s = (struct i8i_bpe_scratch){0};
}

bool i8i_bpe_merge(const struct i8i_bpe *bpe, int32_t left, int32_t right, uint32_t *rank,
                   int32_t *merged)
{
    uint32_t low = bpe->merges_of[left], high = bpe->merges_of[left + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bpe->merges[middle].right < right)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == bpe->merges_of[left + 1] || bpe->merges[low].right != right)
        return false;
    *rank = bpe->merges[low].rank;
    *merged = bpe->merges[low].merged;
    return true;
}

/* ---- the heap ---- */

static bool comes_before(const struct i8i_bpe_candidate *a,
                         const struct i8i_bpe_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static bool push(struct i8i_bpe_scratch *s, struct i8i_bpe_candidate c)
{
    if (!i8i_grow(&s->heap, &s->heap_capacity, s->heap_count + 1, sizeof *s->heap))
        return false;
    size_t i = s->heap_count++;
    for (; i > 0 && comes_before(&c, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = c;
    return true;
}

static struct i8i_bpe_candidate pop(struct i8i_bpe_scratch *s)
{
    struct i8i_bpe_candidate top = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->heap_count; i = child) {
        if (child + 1 < s->heap_count &&
            comes_before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!comes_before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

/* ---- a piece ---- */

static int32_t character_id(const struct i8i_bpe *bpe, uint32_t c, const char *utf8,
                            size_t n)
{
    if (c < I8I_BPE_DIRECT)
        return bpe->direct[c];
    char key[5] = {0};
    memcpy(key, utf8, n);
    size_t id = i8i_map_get(&bpe->ids, key);
    return id == I8I_MAP_NONE ? -1 : (int32_t)id;
}

/* One symbol a character; returns how many. */
static uint32_t make_symbols(const struct i8i_bpe *bpe, struct i8i_bpe_symbol *symbols,
                             const char *piece, size_t length)
{
    uint32_t count = 0;
    bool was_unknown = false;
    for (size_t i = 0, used; i < length; i += used) {
        uint32_t c = 0;
        used = i8i_utf8_decode(piece + i, length - i, &c);
        int32_t id = character_id(bpe, c, piece + i, used);
        bool is_unknown = id < 0;
        if (is_unknown && (bpe->unknown < 0 || (was_unknown && bpe->fuse_unknown)))
            continue;
        was_unknown = is_unknown;
        symbols[count] = (struct i8i_bpe_symbol){.id = is_unknown ? bpe->unknown : id,
                                                 .previous = count - 1,
                                                 .next = count + 1};
        count++;
    }
    if (count > 0) {
        symbols[0].previous = NONE;
        symbols[count - 1].next = NONE;
    }
    return count;
}

/* Makes the pair that begins at `at` a candidate, if it merges. */
static bool consider(const struct i8i_bpe *bpe, struct i8i_bpe_scratch *s, uint32_t at)
{
    if (at == NONE || s->symbols[at].next == NONE)
        return true;
    struct i8i_bpe_candidate c = {.at = at};
    if (!i8i_bpe_merge(bpe, s->symbols[at].id, s->symbols[s->symbols[at].next].id,
                       &c.rank, &c.merged))
        return true;
    return push(s, c);
}

static bool merge_symbols(const struct i8i_bpe *bpe, struct i8i_bpe_scratch *s,
                          uint32_t count)
{
    s->heap_count = 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (!consider(bpe, s, i))
            return false;
    }
    while (s->heap_count > 0) {
        struct i8i_bpe_candidate c = pop(s);
        struct i8i_bpe_symbol *left = &s->symbols[c.at];
        if (left->id < 0 || left->next == NONE)
            continue;
        struct i8i_bpe_symbol *right = &s->symbols[left->next];
        uint32_t rank;
        int32_t merged;
        if (!i8i_bpe_merge(bpe, left->id, right->id, &rank, &merged) ||
            merged != c.merged)
            continue; /* the pair is no longer the one that was considered */
        left->id = merged;
        left->next = right->next;
        right->id = -1;
        if (left->next != NONE)
            s->symbols[left->next].previous = c.at;
        if (!consider(bpe, s, left->previous) || !consider(bpe, s, c.at))
            return false;
    }
    return true;
}

/* Sets *id to the token that the whole piece is, or -1. */
static bool find_whole(const struct i8i_bpe *bpe, struct i8i_bpe_scratch *s,
                       const char *piece, size_t length, int32_t *id)
{
    if (!i8i_grow(&s->key, &s->key_capacity, length + 1, 1))
        return false;
    memcpy(s->key, piece, length);
    s->key[length] = '\0';
    size_t found = i8i_map_get(&bpe->ids, s->key);
    *id = found == I8I_MAP_NONE ? -1 : (int32_t)found;
    return true;
}

enum i8_status i8i_bpe_encode(const struct i8i_bpe *bpe, struct i8i_ids *ids,
                              struct i8i_bpe_scratch *s, const char *piece, size_t length,
                              struct i8_error *err)
{
    int32_t whole = -1;
    if (bpe->ignore_merges && !find_whole(bpe, s, piece, length, &whole))
        return i8i_nomem(err);
    if (whole >= 0)
        return i8i_ids_add(ids, whole) ? I8_OK : i8i_nomem(err);
    if (length >= NONE)
        return i8i_fail(err, I8_ERR_DATA, "a piece of %zu bytes is too long", length);
    if (!i8i_grow(&s->symbols, &s->symbols_capacity, length, sizeof *s->symbols))
        return i8i_nomem(err);
    uint32_t count = make_symbols(bpe, s->symbols, piece, length);
    if (count == 0)
        return I8_OK;
    if (!merge_symbols(bpe, s, count))
        return i8i_nomem(err);
    for (uint32_t i = 0; i != NONE; i = s->symbols[i].next) {
        if (!i8i_ids_add(ids, s->symbols[i].id))
            return i8i_nomem(err);
    }
    return I8_OK;
}
