/* SPDX-License-Identifier: Apache-2.0
 *
 * Is an unfinished conversion this one? Two digests over everything that decides its
 * bytes, for the journal's first line.
 */
#include "config.h"

#include "base/hash.h"
#include "convert/convert_plan.h"
#include "source/zstd_codec.h"

#include <string.h>

static void hash_text(struct i8i_hash *h, const char *s)
{
    i8i_hash_update(h, s, strlen(s) + 1);
}

static void hash_u64(struct i8i_hash *h, uint64_t v)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    i8i_hash_update(h, bytes, sizeof bytes);
}

/* What a .bin's pickle and directory say of its tensors. */
static void hash_tensors(struct i8i_hash *h, const struct i8i_checkpoint *c, size_t file)
{
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        if (t->file != file)
            continue;
        hash_text(h, t->name);
        hash_u64(h, t->dtype);
        hash_u64(h, t->offset);
        for (uint32_t d = 0; d < t->rank; d++) {
            hash_u64(h, t->shape[d]);
            hash_u64(h, t->strides ? t->strides->step[d] : 0);
        }
    }
}

static enum i8_status hash_source(struct i8i_hash *h, const struct i8i_convert_plan *p,
                                  struct i8_error *err)
{
    const struct i8i_checkpoint *c = p->model->checkpoint;
    enum i8_status st = I8_OK;
    char chunk[16384];
    for (size_t i = 0; i < p->n_inputs && st == I8_OK; i++) {
        const struct i8i_input_file *in = &p->inputs[i];
        hash_text(h, in->name);
        hash_u64(h, in->bytes);
        /* What a server vouches for is known by that; other bytes by when they were
         * written. */
        const char *digest = i8i_source_stored(in->source)->digest;
        if (digest != NULL)
            hash_text(h, digest);
        else
            hash_u64(h, (uint64_t)in->mtime_ns);
        /* The header of a weights file: names, shapes and offsets, whatever the clock
         * says. */
        if (i < c->n_files && digest == NULL)
            st = i8i_source_hash(in->source, h, 0, c->files[i].data_start, chunk,
                                 sizeof chunk, err);
        if (i < c->n_files && c->files[i].data_start == 0)
            hash_tensors(h, c, i);
    }
    return st;
}

static void hash_target(struct i8i_hash *h, const struct i8i_convert_plan *p)
{
    hash_u64(h, p->options->rounding);
    hash_u64(h, p->options->layout);
    /* Two machines with two of libzstd must not write into one file. */
    if (p->pack_level > 0) {
        hash_u64(h, (uint64_t)p->pack_level);
        hash_u64(h, i8i_zstd_version());
    }
    for (size_t i = 0; i < p->n_outputs; i++) {
        hash_text(h, p->outputs[i].name);
        hash_u64(h, p->outputs[i].bytes);
        if (p->outputs[i].head_bytes > 0)
            i8i_hash_update(h, p->outputs[i].head, p->outputs[i].head_bytes);
    }
    for (size_t i = 0; i < p->n_pieces; i++) {
        const struct i8i_piece *piece = &p->pieces[i];
        hash_text(h, piece->name);
        hash_u64(h, piece->kind);
        hash_u64(h, piece->to);
        hash_u64(h, piece->output);
        hash_u64(h, piece->units);
        hash_u64(h, piece->offset);
        hash_u64(h, piece->scale_offset);
    }
}

enum i8_status i8i_convert_identity(struct i8i_conversion_id *id,
                                    const struct i8i_convert_plan *plan,
                                    struct i8_error *err)
{
    struct i8i_hash *h = NULL;
    enum i8_status st = i8i_hash_new(&h, I8I_SHA256, err);
    if (st == I8_OK)
        st = hash_source(h, plan, err);
    if (st == I8_OK)
        st = i8i_hash_final(h, id->source, err);
    i8i_hash_free(h);
    h = NULL;
    if (st == I8_OK)
        st = i8i_hash_new(&h, I8I_SHA256, err);
    if (st == I8_OK) {
        hash_target(h, plan);
        st = i8i_hash_final(h, id->plan, err);
    }
    i8i_hash_free(h);
    return st;
}
