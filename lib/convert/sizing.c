/* SPDX-License-Identifier: Apache-2.0
 *
 * What a conversion takes besides its buffers is counted generously: tables, stacks, the
 * program itself. What is left of --ram is shared by the threads.
 */
#include "config.h"

#include "base/limits.h"
#include "base/size.h"
#include "convert/packed.h"
#include "convert/remote_inputs.h"
#include "convert/sizing.h"
#include "convert/work_block.h"
#include "source/zstd_codec.h"

/* Two buffers a thread, in a core's own cache together. */
#define DEFAULT_BLOCK_BYTES ((size_t)512 << 10)
#define LEAST_BLOCK_BYTES   ((size_t)64 << 10)
/* What is kept of a piece, and of a range that an earlier run has done. */
#define PIECE_BYTES ((uint64_t)64)
#define RANGE_BYTES ((uint64_t)128)
#define JOB_BYTES   (((uint64_t)64 << 10) + I8I_BLOCK_SCALES * sizeof(float))

bool i8i_pack_size(unsigned *jobs, uint64_t *memory_bytes,
                   const struct i8i_convert_plan *plan)
{
    const struct i8_convert_options *o = plan->options;
    const uint64_t fixed = I8I_BASE_BYTES + plan->table_bytes;
    /* Its content, the encoder, and two frames on their way to the file. */
    const uint64_t job =
        I8I_FRAME_BYTES + plan->encoder_bytes + 2 * i8i_zstd_bound(I8I_FRAME_BYTES);
    *jobs = o->jobs ? o->jobs : i8i_processors();
    if (o->ram_bytes > 0) {
        const uint64_t room = o->ram_bytes > fixed ? o->ram_bytes - fixed : 0;
        if (*jobs > room / job)
            *jobs = (unsigned)(room / job);
    }
    *memory_bytes = fixed + (*jobs ? *jobs : 1) * job;
    return *jobs > 0;
}

enum i8_status i8i_pipeline_size(unsigned *jobs, size_t *block_bytes,
                                 uint64_t *memory_bytes,
                                 const struct i8i_convert_plan *plan,
                                 const struct i8i_convert_tuning *tuning,
                                 struct i8_error *err)
{
    const struct i8_convert_options *o = plan->options;
    const uint64_t item = tuning->item_bytes ? tuning->item_bytes : I8I_ITEM_BYTES;
    *jobs = o->jobs ? o->jobs : i8i_processors();
    const uint64_t fixed = I8I_BASE_BYTES + plan->table_bytes +
                           i8i_read_ahead_window(plan) + plan->n_pieces * PIECE_BYTES +
                           (plan->source_bytes / item + plan->n_pieces) * RANGE_BYTES +
                           i8i_frame_cache_memory(plan->model->checkpoint->frames, *jobs);
    *block_bytes = tuning->block_bytes ? tuning->block_bytes : DEFAULT_BLOCK_BYTES;
    if (o->ram_bytes > 0) {
        const uint64_t least = 2 * LEAST_BLOCK_BYTES + JOB_BYTES;
        char have[I8I_SIZE_TEXT], need[I8I_SIZE_TEXT];
        if (o->ram_bytes < fixed + least)
            return i8i_fail(
                err, I8_ERR_ARG, "--ram %s: this conversion needs at least %s",
                i8i_size_text(have, o->ram_bytes), i8i_size_text(need, fixed + least));
        const uint64_t room = o->ram_bytes - fixed;
        if (*jobs > room / least)
            *jobs = (unsigned)(room / least);
        const uint64_t block = (room / *jobs - JOB_BYTES) / 2;
        if (*block_bytes > block)
            *block_bytes = (size_t)block & ~(size_t)4095;
    }
    *memory_bytes = fixed + *jobs * (2 * (uint64_t)*block_bytes + JOB_BYTES);
    if (plan->pack_level == 0)
        return I8_OK;
    unsigned packers;
    uint64_t bytes;
    if (!i8i_pack_size(&packers, &bytes, plan)) {
        char have[I8I_SIZE_TEXT], need[I8I_SIZE_TEXT];
        return i8i_fail(err, I8_ERR_ARG, "--ram %s: compressing needs at least %s",
                        i8i_size_text(have, o->ram_bytes), i8i_size_text(need, bytes));
    }
    if (*memory_bytes < bytes)
        *memory_bytes = bytes;
    return I8_OK;
}
