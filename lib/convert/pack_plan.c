/* SPDX-License-Identifier: Apache-2.0
 *
 * Where frames begin and end: decided from the header alone, so that it cannot depend on
 * how the work is done.
 */
#include "config.h"

#include "convert/packed.h"
#include "source/seek_table.h"
#include "source/zstd_codec.h"

#include <inttypes.h>
#include <string.h>

/* ---- cutting ---- */

struct cutter {
    uint32_t *out;
    size_t count;
    uint32_t open; /* bytes of the frame that may still grow */
    enum i8_dtype dtype;
};

static void emit(struct cutter *c, uint32_t bytes)
{
    if (c->out)
        c->out[c->count] = bytes;
    c->count++;
}

static void close_frame(struct cutter *c)
{
    if (c->open > 0)
        emit(c, c->open);
    c->open = 0;
}

static void emit_run(struct cutter *c, uint64_t bytes, uint32_t step)
{
    for (; bytes > step; bytes -= step)
        emit(c, step);
    emit(c, (uint32_t)bytes);
}

/* Whole rows, unless one alone is too long. */
static uint32_t step_of(const struct i8i_safetensors_entry *e)
{
    const uint64_t rows = e->rank > 0 ? e->shape[0] : 1;
    const uint64_t row = rows > 0 && e->bytes % rows == 0 ? e->bytes / rows : 0;
    if (row == 0 || row > I8I_FRAME_BYTES)
        return I8I_FRAME_BYTES;
    return I8I_FRAME_BYTES / (uint32_t)row * (uint32_t)row;
}

size_t i8i_frames_cut(uint32_t *out, uint64_t header_bytes,
                      const struct i8i_safetensors_entry *entries, size_t count)
{
    struct cutter c = {.out = out};
    emit_run(&c, header_bytes, I8I_FRAME_BYTES);
    for (size_t i = 0; i < count; i++) {
        const struct i8i_safetensors_entry *e = &entries[i];
        if (e->bytes == 0)
            continue;
        if (c.open > 0 && (e->dtype != c.dtype || e->bytes > I8I_FRAME_BYTES - c.open))
            close_frame(&c);
        if (e->bytes > I8I_FRAME_BYTES) {
            emit_run(&c, e->bytes, step_of(e));
        } else {
            c.open += (uint32_t)e->bytes;
            c.dtype = e->dtype;
        }
    }
    close_frame(&c);
    return c.count;
}

/* ---- the plan ---- */

static enum i8_status prepare(struct i8i_convert_plan *p, struct i8_error *err)
{
    const struct i8_convert_options *o = p->options;
    enum i8_status st = i8i_zstd_check("--compress zstd", err);
    if (st != I8_OK)
        return st;
    p->pack_level = o->compression_level ? o->compression_level : I8_ZSTD_LEVEL;
    if (p->pack_level < 1 || p->pack_level > i8i_zstd_max_level())
        return i8i_fail(err, I8_ERR_ARG,
                        "--compress zstd:%d: expected a level of 1 to %d", p->pack_level,
                        i8i_zstd_max_level());
    return i8i_zstd_encoder_memory(&p->encoder_bytes, p->pack_level, I8I_FRAME_BYTES,
                                   err);
}

enum i8_status i8i_pack_plan(struct i8i_convert_plan *p, uint32_t output,
                             const struct i8i_safetensors_entry *entries, size_t count,
                             struct i8_error *err)
{
    struct i8i_output_file *f = &p->outputs[output];
    if (p->options->compression == I8_COMPRESSION_NONE)
        return I8_OK;
    enum i8_status st = p->pack_level == 0 ? prepare(p, err) : I8_OK;
    if (st != I8_OK)
        return st;
    const size_t n = i8i_frames_cut(NULL, f->head_bytes, entries, count);
    if (n > I8I_SEEK_MAX_FRAMES)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: %zu frames, at most %" PRIu32
                        " are allowed; choose a smaller --max-shard-size",
                        f->name, n, I8I_SEEK_MAX_FRAMES);
    uint32_t *frames = i8i_arena_alloc(&p->arena, n * sizeof *frames);
    char *name = i8i_arena_alloc(&p->arena, strlen(f->name) + sizeof I8I_ZST);
    if (frames == NULL || name == NULL)
        return i8i_nomem(err);
    i8i_frames_cut(frames, f->head_bytes, entries, count);
    memcpy(name, f->name, strlen(f->name));
    memcpy(name + strlen(f->name), I8I_ZST, sizeof I8I_ZST);
    f->frames = frames;
    f->n_frames = n;
    f->plain_name = f->name;
    f->packed_name = name;
    f->plain_bytes = f->bytes;
    p->table_bytes += n * sizeof *frames;
    return I8_OK;
}

uint64_t i8i_packed_most_bytes(const struct i8i_output_file *f)
{
    uint64_t bytes = i8i_seek_table_bytes(f->n_frames);
    for (size_t i = 0; i < f->n_frames; i++)
        bytes += i8i_zstd_bound(f->frames[i]);
    return bytes;
}

void i8i_output_show_packed(struct i8i_output_file *f, uint64_t bytes)
{
    f->packed = true;
    f->name = f->packed_name;
    f->bytes = bytes;
}

void i8i_output_show_plain(struct i8i_output_file *f)
{
    f->packed = false;
    f->name = f->plain_name;
    f->bytes = f->plain_bytes;
}
