/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of the Hub that are read once from beginning to end, in a known order, by several
 * readers that move forwards together: a window of chunks over them all. Chunks before
 * the readers are fetched over several connections; those behind are kept for the reader
 * that comes last, half of the window in all. Any place can be read at any time: what is
 * not in the window, nor next to what was read, goes into one of a few slots beside it.
 */
#ifndef I8I_HUB_READ_AHEAD_H
#define I8I_HUB_READ_AHEAD_H

#include "hub/ranges.h"

struct i8i_read_ahead; /* reads are thread-safe */
struct i8i_lane {      /* one file */
    struct i8i_remote_file *file;
    uint64_t size;
};

/* A window of about `memory` bytes (2 MiB at least); each chunk's are taken when it is
 * first needed. lanes are copied, ranges and files borrowed. */
enum i8_status i8i_read_ahead_new(struct i8i_read_ahead **out, struct i8i_ranges *ranges,
                                  const struct i8i_lane *lanes, size_t n, uint64_t memory,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* Stops what is being fetched. No read may be running. NULL is fine. */
void i8i_read_ahead_free(struct i8i_read_ahead *a);
enum i8_status i8i_read_ahead_read(struct i8i_read_ahead *a, size_t lane, void *dst,
                                   size_t n, uint64_t offset,
                                   struct i8_error *err) I8I_MUST_CHECK;

#endif
