/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of every source and output file, in parts, beside the conversion. One file's
 * digest cannot be split among threads, but any thread may do the next part of it. Bytes
 * are read back from the page cache, where they were a moment ago.
 */
#ifndef I8I_CONVERT_HASHING_H
#define I8I_CONVERT_HASHING_H

#include "convert/convert_plan.h"
#include "convert/staging.h"

struct i8i_pipeline_task;
struct i8i_hash_stream;
struct i8i_hashing { /* all zeros: nothing is to be hashed */
    struct i8i_convert_plan *plan;
    const struct i8i_staging *staging;
    struct i8i_hash_stream *streams; /* outputs, then inputs */
    size_t count;
    uint64_t part_bytes; /* hashed at a time; may be lowered after the start */
    bool in_order;       /* the first file that can be, not the one with most before it */
    uint64_t done_bytes, total_bytes;
};
struct i8i_hash_job {
    size_t stream;
    uint64_t from, to;
};

/* Digests that the record knows are taken from there; of the others those that the task
 * asks for are made. */
enum i8_status i8i_hashing_start(struct i8i_hashing *h, struct i8i_convert_plan *plan,
                                 const struct i8i_staging *staging,
                                 const struct i8i_pipeline_task *task,
                                 struct i8_error *err) I8I_MUST_CHECK;
void i8i_hashing_free(struct i8i_hashing *h);

/* How far a file is there to be read. */
typedef uint64_t i8i_up_to_fn(void *ctx, bool output, size_t file);
/* Hands out a part that can be hashed now: of the output, or the input, that has most
 * before it (or comes first, see in_order), if that is more than so many bytes. next, lag
 * and book are called under the caller's lock, run is not. */
bool i8i_hashing_next(struct i8i_hashing *h, struct i8i_hash_job *job, bool output,
                      uint64_t more_than, i8i_up_to_fn *up_to, void *ctx);
/* Hashes it through `buffer`; a finished digest goes to the plan and the journal. */
enum i8_status i8i_hashing_run(struct i8i_hashing *h, const struct i8i_hash_job *job,
                               char *buffer, size_t bytes,
                               struct i8_error *err) I8I_MUST_CHECK;
void i8i_hashing_book(struct i8i_hashing *h, const struct i8i_hash_job *job);
/* Bytes of inputs that have been read, when reading has come to `position` of input
 * `file`, and are not hashed yet; in_order: the distance to the first of them. */
uint64_t i8i_hashing_lag(const struct i8i_hashing *h, size_t file, uint64_t position);
/* A copied source file has its copy's digest: notes those, at the end, and checks
 * them as the others were when they were complete: a digest that is not the listed one is
 * I8_ERR_DATA. */
enum i8_status i8i_hashing_finish(struct i8i_hashing *h,
                                  struct i8_error *err) I8I_MUST_CHECK;

#endif
