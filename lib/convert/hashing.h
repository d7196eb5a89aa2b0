/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of every source and output file, in parts, beside the conversion. One file's
 * digest cannot be split among threads, but any thread may do the next part of it: by
 * reading back from the page cache what was there a moment ago, or, of an input, by going
 * along with a range that is converted and begins where the digest has come to.
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
    uint64_t part_bytes; /* read and hashed at a time; may be lowered after the start */
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
/* Has an input's stream go along with a range that begins at byte `at`, if it has come
 * to there, or to less than a part before it (the header is such a gap). The job is that
 * gap: it is run before the range. Then the range adds what it reads from `at` on to the
 * stream, in order and without a gap, and the job leaves at the byte that it has come to,
 * and is booked. join is called under the lock. */
bool i8i_hashing_join(struct i8i_hashing *h, struct i8i_hash_job *job, size_t input,
                      uint64_t at);
struct i8i_hash *i8i_hashing_stream(const struct i8i_hashing *h,
                                    const struct i8i_hash_job *job);
enum i8_status i8i_hashing_leave(struct i8i_hashing *h, struct i8i_hash_job *job,
                                 uint64_t at, struct i8_error *err) I8I_MUST_CHECK;
/* Bytes of inputs that have been read and are not hashed yet; in_order: the distance from
 * where reading has come to back to the first of them. */
uint64_t i8i_hashing_lag(const struct i8i_hashing *h, i8i_up_to_fn *up_to, void *ctx);
/* Bytes of inputs that are not hashed yet, read or not. */
uint64_t i8i_hashing_left(const struct i8i_hashing *h);
/* A copied source file has its copy's digest: notes those, at the end, and checks
 * them as the others were when they were complete: a digest that is not the listed one is
 * I8_ERR_DATA. */
enum i8_status i8i_hashing_finish(struct i8i_hashing *h,
                                  struct i8_error *err) I8I_MUST_CHECK;

#endif
