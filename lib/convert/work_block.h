/* SPDX-License-Identifier: Apache-2.0
 *
 * Doing a range of one piece: read, quantize or cast or copy, write where it belongs.
 * One struct i8i_block a thread holds all the memory that this takes.
 */
#ifndef I8I_CONVERT_WORK_BLOCK_H
#define I8I_CONVERT_WORK_BLOCK_H

#include "base/file.h"
#include "convert/convert_plan.h"

#define I8I_BLOCK_SCALES ((size_t)16384)

struct i8i_block {
    const struct i8i_convert_plan *plan;
    size_t bytes;   /* of each buffer */
    char *in, *out; /* 64-byte aligned */
    float *scales;  /* I8I_BLOCK_SCALES, of which n_scales wait to be written */
    size_t n_scales;
    uint64_t nonfinite; /* elements met under allow_nonfinite */
    /* Set by the caller for a range: bytes of the input file that are read from hash_at
     * on, in order, are hashed as they pass. NULL: none are. */
    struct i8i_hash *hash;
    uint64_t hash_at;
};

enum i8_status i8i_block_init(struct i8i_block *b, const struct i8i_convert_plan *plan,
                              size_t bytes, struct i8_error *err) I8I_MUST_CHECK;
void i8i_block_free(struct i8i_block *b);

/* Units [first, first + count) of the piece into `file`. */
enum i8_status i8i_block_run(struct i8i_block *b, const struct i8i_piece *piece,
                             uint64_t first, uint64_t count, struct i8i_outfile *file,
                             struct i8_error *err) I8I_MUST_CHECK;

#endif
