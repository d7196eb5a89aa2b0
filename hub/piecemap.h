/* SPDX-License-Identifier: Apache-2.0
 *
 * Which parts of a file are there, and who fetches which: a file is cut into pieces of
 * equal size (the last may be shorter), and a connection takes a run of them. Plain data
 * and arithmetic; the caller locks.
 */
#ifndef I8I_HUB_PIECEMAP_H
#define I8I_HUB_PIECEMAP_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a kill costs at most, for each connection. */
#define I8I_PIECE_BYTES   ((uint64_t)1 << 20)
#define I8I_PIECES_MAX    65536 /* larger files get larger pieces: powers of two */
#define I8I_PIECE_MISSING '.'
#define I8I_PIECE_WRITTEN 'w' /* complete, as far as the running kernel knows */
#define I8I_PIECE_SYNCING 'p' /* the same, and a sync is under way (in memory only) */
#define I8I_PIECE_SYNCED  's' /* complete on the disk */

struct i8i_piecemap {
    uint64_t size;  /* bytes of the file */
    uint64_t piece; /* bytes of a piece */
    size_t count;
    char *state;          /* count of I8I_PIECE_… */
    bool *taken;          /* by a run, and not complete yet */
    size_t untaken;       /* pieces that are missing and not taken */
    size_t first_missing; /* all before it are complete; count: all are */
    size_t search;        /* no untaken missing piece lies before it */
    uint64_t done_bytes;  /* of complete pieces */
};

/* Pieces [next, end) that one connection is to fetch, in order. */
struct i8i_run {
    size_t next, end;
};

enum i8_status i8i_piecemap_init(struct i8i_piecemap *p, uint64_t size,
                                 struct i8_error *err) I8I_MUST_CHECK;
void i8i_piecemap_free(struct i8i_piecemap *p); /* a zeroed one is fine */

uint64_t i8i_piece_start(const struct i8i_piecemap *p, size_t piece);
uint64_t i8i_piece_length(const struct i8i_piecemap *p, size_t piece);
/* Bytes from the start of the file that are all there. */
uint64_t i8i_piecemap_frontier(const struct i8i_piecemap *p);
bool i8i_piece_is_done(const struct i8i_piecemap *p, size_t piece);

/* Marks a piece complete, as read from a journal or just received. */
void i8i_piecemap_complete(struct i8i_piecemap *p, size_t piece, char state);
/* Takes the lowest missing pieces that nobody has: neighbours, at most `most` of them.
 * False if there are none. */
bool i8i_piecemap_take(struct i8i_piecemap *p, struct i8i_run *run, size_t most);
/* Gives back what is left of a run. */
void i8i_piecemap_give_back(struct i8i_piecemap *p, struct i8i_run *run);
/* How long a run should be when `connections` share what is left: a part that lets all
 * end together, between 4 and 32 MiB, in pieces. */
size_t i8i_piecemap_share(const struct i8i_piecemap *p, unsigned connections);

#endif
