/* SPDX-License-Identifier: Apache-2.0
 *
 * Handing out pieces from the front, so that hashing can follow; in runs that become
 * shorter towards the end (guided self-scheduling), so that the connections finish
 * together although each request may be long.
 */
#include "config.h"

#include "base/memory.h"
#include "hub/piecemap.h"

#include <stdlib.h>
#include <string.h>

/* A request must be long against a round trip, and short enough to share. */
#define RUN_BYTES_MIN ((uint64_t)4 << 20)
#define RUN_BYTES_MAX ((uint64_t)32 << 20)

/* Of a file of that size. */
static uint64_t piece_bytes(uint64_t size)
{
    uint64_t piece = I8I_PIECE_BYTES;
    while (size / piece >= I8I_PIECES_MAX)
        piece *= 2;
    return piece;
}

enum i8_status i8i_piecemap_init(struct i8i_piecemap *p, uint64_t size,
                                 struct i8_error *err)
{
    *p = (struct i8i_piecemap){.size = size, .piece = piece_bytes(size)};
    p->count = (size_t)(size / p->piece + (size % p->piece != 0));
    p->untaken = p->count;
    p->state = i8i_calloc(p->count, 1);
    p->taken = i8i_calloc(p->count, sizeof *p->taken);
    if (p->state == NULL || p->taken == NULL) {
        i8i_piecemap_free(p);
        return i8i_nomem(err);
    }
    memset(p->state, I8I_PIECE_MISSING, p->count);
    return I8_OK;
}

void i8i_piecemap_free(struct i8i_piecemap *p)
{
    free(p->state);
    free(p->taken);
    *p = (struct i8i_piecemap){0};
}

uint64_t i8i_piece_start(const struct i8i_piecemap *p, size_t piece)
{
    const uint64_t start = (uint64_t)piece * p->piece;
    return start < p->size ? start : p->size;
}

uint64_t i8i_piece_length(const struct i8i_piecemap *p, size_t piece)
{
    return i8i_piece_start(p, piece + 1) - i8i_piece_start(p, piece);
}

uint64_t i8i_piecemap_frontier(const struct i8i_piecemap *p)
{
    return i8i_piece_start(p, p->first_missing);
}

bool i8i_piece_is_done(const struct i8i_piecemap *p, size_t piece)
{
    return p->state[piece] != I8I_PIECE_MISSING;
}

void i8i_piecemap_complete(struct i8i_piecemap *p, size_t piece, char state)
{
    if (!i8i_piece_is_done(p, piece)) {
        p->done_bytes += i8i_piece_length(p, piece);
        if (!p->taken[piece])
            p->untaken--;
    }
    p->taken[piece] = false;
    p->state[piece] = state;
    while (p->first_missing < p->count && i8i_piece_is_done(p, p->first_missing))
        p->first_missing++;
}

bool i8i_piecemap_take(struct i8i_piecemap *p, struct i8i_run *run, size_t most)
{
    if (p->untaken == 0 || most == 0)
        return false;
    size_t i = p->search;
    while (i8i_piece_is_done(p, i) || p->taken[i])
        i++;
    run->next = i;
    for (;
         i < p->count && i - run->next < most && !i8i_piece_is_done(p, i) && !p->taken[i];
         i++)
        p->taken[i] = true;
    run->end = i;
    p->search = i;
    p->untaken -= run->end - run->next;
    return true;
}

void i8i_piecemap_give_back(struct i8i_piecemap *p, struct i8i_run *run)
{
    for (size_t i = run->next; i < run->end; i++) {
        if (p->taken[i]) {
            p->taken[i] = false;
            p->untaken++;
        }
    }
    if (run->next < run->end && run->next < p->search)
        p->search = run->next;
    run->end = run->next;
}

size_t i8i_piecemap_share(const struct i8i_piecemap *p, unsigned connections)
{
    const uint64_t left = (uint64_t)p->untaken * p->piece;
    uint64_t bytes = left / (2 * (uint64_t)(connections > 0 ? connections : 1));
    if (bytes > RUN_BYTES_MAX)
        bytes = RUN_BYTES_MAX;
    if (bytes < RUN_BYTES_MIN)
        bytes = RUN_BYTES_MIN;
    const uint64_t pieces = bytes / p->piece;
    return pieces > 0 ? (size_t)pieces : 1;
}
