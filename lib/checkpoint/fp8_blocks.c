/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrices in FP8 with one scale a block, as DeepSeek-V3 ships them: "x.weight" in E4M3
 * and "x.weight_scale_inv", which in spite of its name is what to multiply with. They
 * are read as the bf16 matrix that DeepSeek's own fp8_cast_bf16.py makes of them, element
 * by element on the way, so that nothing above has to know.
 */
#include "config.h"

#include "checkpoint/stored.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX "_scale_inv"
/* Scales of one row of blocks are held while it is read. The largest matrices have some
 * hundred. */
#define MAX_ROW_BLOCKS 65536u

static uint64_t blocks_of(uint64_t n, uint64_t block)
{
    return n / block + (n % block != 0);
}

static enum i8_status bad_tensor(const struct i8i_checkpoint *c,
                                 const struct i8i_tensor *t, const char *what,
                                 struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: tensor '%s' is %s, %s",
                    c->files[t->file].name, t->name, i8_dtype_name(t->dtype), what);
}

static bool is_other_fp8(enum i8_dtype d)
{
    return d == I8_DTYPE_F8_E5M2 || d == I8_DTYPE_F8_E4M3FNUZ ||
           d == I8_DTYPE_F8_E5M2FNUZ || d == I8_DTYPE_F8_E8M0;
}

static enum i8_status find_scale(struct i8i_tensor **out, struct i8i_checkpoint *c,
                                 const struct i8i_tensor *t, struct i8_error *err)
{
    char *name = i8i_format("%s" SUFFIX, t->name);
    if (name == NULL)
        return i8i_nomem(err);
    const struct i8i_tensor *scale = i8i_checkpoint_find(c, name);
    enum i8_status st = I8_OK;
    if (scale == NULL)
        st = i8i_fail(err, I8_ERR_DATA,
                      "%s: tensor '%s' is F8_E4M3, but its scales '%s' are missing",
                      c->files[t->file].name, t->name, name);
    *out = scale ? &c->tensors[scale - c->tensors] : NULL;
    free(name);
    return st;
}

static enum i8_status join(struct i8i_checkpoint *c, struct i8i_tensor *t,
                           const uint64_t block[2], struct i8_error *err)
{
    struct i8i_tensor *scale;
    if (t->rank != 2)
        return bad_tensor(c, t, "but not a matrix: its block scales cannot be placed",
                          err);
    enum i8_status st = find_scale(&scale, c, t, err);
    if (st != I8_OK)
        return st;
    const uint64_t rows = blocks_of(t->shape[0], block[0]),
                   cols = blocks_of(t->shape[1], block[1]);
    if ((scale->dtype != I8_DTYPE_F32 && scale->dtype != I8_DTYPE_BF16) ||
        scale->rank != 2 || scale->shape[0] != rows || scale->shape[1] != cols)
        return i8i_fail(
            err, I8_ERR_DATA,
            "%s: tensor '%s' is %s of rank %" PRIu32 " [%" PRIu64 ", %" PRIu64
            "]; the scales of '%s' [%" PRIu64 ", %" PRIu64 "] in blocks of %" PRIu64
            " x %" PRIu64 " are F32 or BF16 [%" PRIu64 ", %" PRIu64 "]",
            c->files[scale->file].name, scale->name, i8_dtype_name(scale->dtype),
            scale->rank, scale->shape[0], scale->shape[1], t->name, t->shape[0],
            t->shape[1], block[0], block[1], rows, cols);
    if (cols > MAX_ROW_BLOCKS)
        return bad_tensor(c, t, "with more blocks in a row than are handled", err);
    if (t->strides != NULL || scale->strides != NULL)
        return bad_tensor(c, t, "in blocks, and does not lie in row-major order", err);
    struct i8i_fp8 *fp8 = i8i_arena_alloc(&c->arenas[0], sizeof *fp8);
    if (fp8 == NULL)
        return i8i_nomem(err);
    *fp8 = (struct i8i_fp8){.scale = scale, .block = {block[0], block[1]}};
    t->dtype = I8_DTYPE_BF16;
    t->fp8 = fp8;
    scale->companion = true;
    return i8i_tensor_size(&t->elements, &t->bytes, t->dtype, t->shape, t->rank,
                           c->files[t->file].name, t->name, err);
}

enum i8_status i8i_checkpoint_join_fp8(struct i8i_checkpoint *c, const uint64_t block[2],
                                       struct i8_error *err)
{
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < c->n_tensors && st == I8_OK; i++) {
        struct i8i_tensor *t = &c->tensors[i];
        if (t->dtype == I8_DTYPE_F8_E4M3)
            st = join(c, t, block, err);
        else if (is_other_fp8(t->dtype))
            st = bad_tensor(c, t, "where F8_E4M3 is expected", err);
    }
    for (size_t i = 0; i < c->n_tensors && st == I8_OK; i++) {
        const struct i8i_tensor *t = &c->tensors[i];
        if (!t->companion && i8i_length_before(t->name, SUFFIX) > 0)
            st = bad_tensor(c, t, "a scale that belongs to no F8_E4M3 matrix", err);
    }
    return st;
}

/* ---- reading ---- */

/* The scales of block row `row`, as fp32. `scales` has room for one row of either kind.
 */
static enum i8_status read_scales(const struct i8i_checkpoint *c,
                                  const struct i8i_tensor *scale, uint64_t row,
                                  float *scales, struct i8_error *err)
{
    const size_t n = (size_t)scale->shape[1], width = i8_dtype_bits(scale->dtype) / 8;
    enum i8_status st =
        i8i_tensor_read(c, scale, scales, row * n * width, n * width, err);
    if (st != I8_OK || scale->dtype == I8_DTYPE_F32)
        return st;
    for (size_t i = n; i-- > 0;) { /* backwards: each is twice as wide */
        uint16_t half;
        memcpy(&half, (const char *)scales + 2 * i, sizeof half);
        const uint32_t bits = (uint32_t)half << 16;
        memcpy(&scales[i], &bits, sizeof bits);
    }
    return I8_OK;
}

enum i8_status i8i_fp8_read(const struct i8i_checkpoint *c, const struct i8i_tensor *t,
                            void *dst, uint64_t offset, size_t n, struct i8_error *err)
{
    const struct i8i_fp8 *fp8 = t->fp8;
    const uint64_t cols = t->shape[1];
    uint64_t at = offset / 2, held = UINT64_MAX;
    size_t left = n / 2;
    if (left == 0)
        return I8_OK;
    /* The elements go into the upper half of dst, whence they are spread out. */
    const char *src = (char *)dst + left;
    char *out = dst;
    float *scales = i8i_calloc((size_t)fp8->scale->shape[1], sizeof *scales);
    enum i8_status st = scales == NULL ? i8i_nomem(err) : I8_OK;
    if (st == I8_OK)
        st = i8i_source_read_at(c->files[t->file].source, (char *)dst + left, left,
                                t->offset + at, err);
    while (left > 0 && st == I8_OK) {
        const uint64_t row = at / cols, col = at % cols, band = row / fp8->block[0];
        const uint64_t block = col / fp8->block[1];
        uint64_t run = (block + 1) * fp8->block[1] - col; /* to the end of the block … */
        run = run < cols - col ? run : cols - col;        /* … of the row … */
        run = run < left ? run : left; /* … or of what is asked for */
        if (band != held)
            st = read_scales(c, fp8->scale, band, scales, err);
        held = band;
        if (st == I8_OK)
            i8i_fp8_decode(out, src, (size_t)run, scales[block]);
        out += 2 * run;
        src += run;
        at += run;
        left -= (size_t)run;
    }
    free(scales);
    return st;
}
