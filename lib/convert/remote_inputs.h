/* SPDX-License-Identifier: Apache-2.0
 *
 * Source files that are read over the network: a window of memory is read ahead, in the
 * order of the source, and everything that reads stays within it, so that each byte is
 * fetched once and none is stored.
 */
#ifndef I8I_CONVERT_REMOTE_INPUTS_H
#define I8I_CONVERT_REMOTE_INPUTS_H

#include "convert/pipeline.h"

/* Bytes of the window; 0 where all inputs are files. A part of options->ram_bytes. */
uint64_t i8i_read_ahead_window(const struct i8i_convert_plan *p);
/* How far the pieces may be ahead of the hashing, and what is hashed, or handed to one of
 * `jobs` threads, at a time, so that the window holds it all. */
uint64_t i8i_window_lag(uint64_t window);
uint64_t i8i_window_hash_part(uint64_t window);
uint64_t i8i_window_item(uint64_t window, unsigned jobs);

/* Begins to read ahead in every file of which something is left in this task: units (but
 * for those in `done`) or the digest. */
enum i8_status i8i_read_ahead_begin(const struct i8i_convert_plan *p,
                                    const struct i8i_pipeline_task *task,
                                    const struct i8i_range *done, size_t n_done,
                                    uint64_t window, struct i8_error *err) I8I_MUST_CHECK;
void i8i_read_ahead_end(const struct i8i_convert_plan *p);

/* Is the digest of an input the one that its server lists? Nothing to say is I8_OK. */
enum i8_status i8i_check_listed_digest(const struct i8i_input_file *in, const char *hex,
                                       struct i8_error *err) I8I_MUST_CHECK;

#endif
