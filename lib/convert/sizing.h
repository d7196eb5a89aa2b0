/* SPDX-License-Identifier: Apache-2.0
 *
 * How many threads, with how large buffers, a conversion has within --ram, and what it
 * takes then.
 */
#ifndef I8I_CONVERT_SIZING_H
#define I8I_CONVERT_SIZING_H

#include "convert/convert_plan.h"

/* How the work is cut: nothing of it changes a byte of the output. Zeros are defaults. */
struct i8i_convert_tuning {
    size_t block_bytes;  /* of one buffer; a thread has two */
    uint64_t item_bytes; /* of source, handed to a thread at a time */
    uint64_t sync_bytes; /* written between two durable marks in the journal */
    uint64_t hash_bytes; /* of one file, read for its digest at a time */
};
/* item_bytes' default: long enough that the lock and a journal line cost nothing, short
 * enough that little is lost when the process is killed. */
#define I8I_ITEM_BYTES (UINT64_C(8) << 20)

/* The program itself, its libraries, stacks, and tables of the open model. */
#define I8I_BASE_BYTES ((uint64_t)24 << 20)

/* Threads and buffers within options->ram_bytes. */
enum i8_status i8i_pipeline_size(unsigned *jobs, size_t *block_bytes,
                                 uint64_t *memory_bytes,
                                 const struct i8i_convert_plan *plan,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err) I8I_MUST_CHECK;
/* The same for packing what the pipeline has written. False if the memory is not enough
 * for one thread; *memory_bytes is then what one takes. */
bool i8i_pack_size(unsigned *jobs, uint64_t *memory_bytes,
                   const struct i8i_convert_plan *plan);

#endif
