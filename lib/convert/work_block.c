/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner work of a conversion. Buffers are about as large as a core's own cache, so
 * that what is read is hashed, quantized and written before it leaves it: three bytes of
 * memory traffic a weight is all there is.
 */
#include "config.h"

#include "convert/work_block.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum i8_status i8i_block_init(struct i8i_block *b, const struct i8i_convert_plan *plan,
                              size_t bytes, struct i8_error *err)
{
    *b = (struct i8i_block){.plan = plan, .bytes = bytes};
    b->in = i8i_aligned_alloc(bytes);
    b->out = i8i_aligned_alloc(bytes);
    b->scales = i8i_aligned_alloc(I8I_BLOCK_SCALES * sizeof *b->scales);
    if (b->in && b->out && b->scales)
        return I8_OK;
    i8i_block_free(b);
    return i8i_nomem(err);
}

void i8i_block_free(struct i8i_block *b)
{
    free(b->in);
    free(b->out);
    free(b->scales);
    b->in = b->out = NULL;
    b->scales = NULL;
}

static enum i8_status read_bytes(struct i8i_block *b, const struct i8i_piece *piece,
                                 void *dst, uint64_t offset, size_t n,
                                 struct i8_error *err)
{
    const struct i8i_convert_plan *p = b->plan;
    const struct i8i_tensor *t = piece->tensor;
    enum i8_status st =
        t ? i8i_tensor_read(p->model->checkpoint, t, dst, offset, n, err)
          : i8i_source_read_at(p->inputs[piece->input].source, dst, n, offset, err);
    /* A second reading, a band of columns, tensors that share bytes, and what is not
     * stored as it is read, are hashed by a reading for that alone. */
    if (st == I8_OK && b->hash && b->hash_at == piece->source_offset + offset &&
        (t == NULL || i8i_tensor_is_plain(t))) {
        i8i_hash_update(b->hash, dst, n);
        b->hash_at += n;
    }
    return st;
}

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

/* ---- NaN and Inf ---- */

/* `where` is the tensor's element of the first one. */
static enum i8_status judge(struct i8i_block *b, const struct i8i_piece *piece,
                            const struct i8i_row_report *report, uint64_t where,
                            const char *inf, struct i8_error *err)
{
    const struct i8i_tensor *t = piece->tensor;
    if (report->nan_count + report->inf_count == 0)
        return I8_OK;
    if (b->plan->options->allow_nonfinite) {
        b->nonfinite += report->nan_count + report->inf_count;
        return I8_OK;
    }
    char place[64];
    if (t->rank == 2)
        snprintf(place, sizeof place, "[%" PRIu64 ", %" PRIu64 "]", where / t->shape[1],
                 where % t->shape[1]);
    else
        snprintf(place, sizeof place, "[%" PRIu64 "]", where);
    const char *what = report->nan_count == 0   ? inf
                       : report->inf_count == 0 ? "NaN"
                                                : "NaN and Inf";
    return i8i_fail(
        err, I8_ERR_REFUSED,
        "%s: tensor '%s' holds %s, first at %s; --allow-nonfinite converts it "
        "as bitsandbytes does",
        b->plan->inputs[piece->input].name, piece->name, what, place);
}

#define INF_FP16 "Inf or a value beyond fp16's largest, 65504"

/* ---- copy and cast ---- */

static enum i8_status check_stored(struct i8i_block *b, const struct i8i_piece *piece,
                                   uint64_t first, size_t count, struct i8_error *err)
{
    struct i8i_row_report report = {0};
    if (!piece->check_finite)
        return I8_OK;
    i8i_count_nonfinite(&report, b->in, piece->from, count, 0, i8i_isa_best());
    return judge(b, piece, &report, first + report.first_bad, "Inf", err);
}

static enum i8_status copy_units(struct i8i_block *b, const struct i8i_piece *piece,
                                 uint64_t first, uint64_t count, struct i8i_outfile *file,
                                 struct i8_error *err)
{
    enum i8_status st = I8_OK;
    while (count > 0 && st == I8_OK) {
        size_t n = smaller(count, b->bytes / piece->unit_in);
        size_t bytes = n * (size_t)piece->unit_in;
        uint64_t at = first * piece->unit_in;
        st = read_bytes(b, piece, b->in, at, bytes, err);
        if (st == I8_OK)
            st = check_stored(b, piece, first, n, err);
        if (st == I8_OK)
            st = i8i_outfile_write_at(file, b->in, bytes, piece->offset + at, err);
        first += n;
        count -= n;
    }
    return st;
}

/* By way of fp32 in pieces that stay in the innermost cache. */
static void cast(char *dst, enum i8_dtype to, size_t dst_width, const char *src,
                 enum i8_dtype from, size_t src_width, size_t n)
{
    enum { CHUNK = 1024 };
    enum i8i_isa isa = i8i_isa_best();
    for (size_t i = 0; i < n; i += CHUNK) {
        float chunk[CHUNK];
        size_t count = n - i < CHUNK ? n - i : CHUNK;
        i8i_to_f32(chunk, src + i * src_width, from, count, isa);
        i8i_from_f32(dst + i * dst_width, chunk, to, count, isa);
    }
}

static enum i8_status cast_units(struct i8i_block *b, const struct i8i_piece *piece,
                                 uint64_t first, uint64_t count, struct i8i_outfile *file,
                                 struct i8_error *err)
{
    size_t in = (size_t)piece->unit_in, out = (size_t)piece->unit_out;
    enum i8_status st = I8_OK;
    while (count > 0 && st == I8_OK) {
        size_t n = smaller(count, b->bytes / (in > out ? in : out));
        st = read_bytes(b, piece, b->in, first * in, n * in, err);
        if (st == I8_OK)
            st = check_stored(b, piece, first, n, err);
        if (st == I8_OK) {
            struct i8i_row_report report = {0};
            cast(b->out, piece->to, out, b->in, piece->from, in, n);
            i8i_count_nonfinite(&report, b->out, piece->to, n, 0, i8i_isa_best());
            st = judge(b, piece, &report, first + report.first_bad,
                       "a value beyond the range of --rest-dtype", err);
        }
        if (st == I8_OK)
            st = i8i_outfile_write_at(file, b->out, n * out, piece->offset + first * out,
                                      err);
        first += n;
        count -= n;
    }
    return st;
}

/* ---- rows to int8 ---- */

static enum i8i_rounding rounding_of(const struct i8i_block *b)
{
    return b->plan->options->rounding == I8_ROUNDING_CPU ? I8I_ROUNDING_CPU
                                                         : I8I_ROUNDING_CUDA;
}

/* What is stored for a row's absmax. A scale of 0 would be no scale: a row of zeros gets
 * 1, any positive number does. */
static float stored_scale(const struct i8i_block *b, float absmax)
{
    if (b->plan->options->layout == I8_LAYOUT_BNB)
        return absmax;
    return absmax == 0 ? 1.0f : absmax / 127.0f;
}

static enum i8_status quantize_one(struct i8i_block *b, const struct i8i_piece *piece,
                                   int8_t *q, float *scale, const char *row,
                                   uint64_t index, struct i8_error *err)
{
    struct i8i_row_report report;
    i8i_quantize_row(q, scale, row, piece->from, (size_t)piece->cols, rounding_of(b),
                     i8i_isa_best(), &report);
    *scale = stored_scale(b, *scale);
    uint64_t where = piece->kind == I8I_PIECE_QUANTIZE
                         ? index * piece->cols + report.first_bad
                         : report.first_bad * piece->units + index;
    return judge(b, piece, &report, where, INF_FP16, err);
}

/* Writes the scales that have gathered: those of the rows before `end`. */
static enum i8_status flush_scales(struct i8i_block *b, const struct i8i_piece *piece,
                                   struct i8i_outfile *file, uint64_t end,
                                   struct i8_error *err)
{
    const size_t n = b->n_scales;
    b->n_scales = 0;
    if (n == 0)
        return I8_OK;
    return i8i_outfile_write_at(file, b->scales, n * sizeof *b->scales,
                                piece->scale_offset + (end - n) * sizeof *b->scales, err);
}

/* Writes n rows; their scales are b->scales' last. Scales are gathered over many blocks:
 * the kernel lets one writer at a time into a file, and a second, tiny write behind every
 * block would wait for another thread's large one each time. */
static enum i8_status write_rows(struct i8i_block *b, const struct i8i_piece *piece,
                                 struct i8i_outfile *file, const void *q, uint64_t first,
                                 size_t n, struct i8_error *err)
{
    enum i8_status st = i8i_outfile_write_at(file, q, n * (size_t)piece->cols,
                                             piece->offset + first * piece->cols, err);
    if (st == I8_OK && b->n_scales == I8I_BLOCK_SCALES)
        st = flush_scales(b, piece, file, first + n, err);
    return st;
}

/* A row longer than the buffer is read twice: for its absmax, then to quantize it. */
static enum i8_status quantize_long_row(struct i8i_block *b,
                                        const struct i8i_piece *piece, uint64_t row,
                                        struct i8i_outfile *file, struct i8_error *err)
{
    size_t width = i8_dtype_bits(piece->from) / 8;
    uint64_t begin = row * piece->unit_in;
    struct i8i_row_scan scan = {0};
    enum i8_status st = I8_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < piece->cols && st == I8_OK;) {
            size_t n = smaller(piece->cols - i, b->bytes / width);
            st = read_bytes(b, piece, b->in, begin + i * width, n * width, err);
            if (st != I8_OK)
                break;
            if (pass == 0) {
                i8i_row_scan(&scan, b->in, piece->from, n, i8i_isa_best());
            } else {
                i8i_row_quantize((int8_t *)b->out, &scan, b->in, piece->from, n,
                                 rounding_of(b), i8i_isa_best());
                st = i8i_outfile_write_at(file, b->out, n,
                                          piece->offset + row * piece->cols + i, err);
            }
            i += n;
        }
        if (st == I8_OK && pass == 0)
            st = judge(b, piece, &scan.report, row * piece->cols + scan.report.first_bad,
                       INF_FP16, err);
    }
    float scale = stored_scale(b, scan.absmax);
    if (st == I8_OK)
        st = i8i_outfile_write_at(file, &scale, sizeof scale,
                                  piece->scale_offset + row * sizeof scale, err);
    return st;
}

static enum i8_status quantize_units(struct i8i_block *b, const struct i8i_piece *piece,
                                     uint64_t first, uint64_t count,
                                     struct i8i_outfile *file, struct i8_error *err)
{
    uint64_t most = b->bytes / (piece->cols ? piece->cols : 1);
    if (piece->unit_in > 0 && most > b->bytes / piece->unit_in)
        most = b->bytes / piece->unit_in;
    enum i8_status st = I8_OK;
    for (; most == 0 && count > 0 && st == I8_OK; first++, count--)
        st = quantize_long_row(b, piece, first, file, err);
    while (count > 0 && st == I8_OK) {
        size_t n = smaller(smaller(count, most), I8I_BLOCK_SCALES - b->n_scales);
        int8_t *q = (int8_t *)b->out;
        st = read_bytes(b, piece, b->in, first * piece->unit_in,
                        n * (size_t)piece->unit_in, err);
        for (size_t i = 0; i < n && st == I8_OK; i++)
            st = quantize_one(b, piece, q + i * piece->cols, &b->scales[b->n_scales++],
                              b->in + i * piece->unit_in, first + i, err);
        if (st == I8_OK)
            st = write_rows(b, piece, file, q, first, n, err);
        first += n;
        count -= n;
    }
    return st == I8_OK ? flush_scales(b, piece, file, first, err) : st;
}

/* Conv1D stores [in, out]: a band of columns is read, and each becomes a row. */
static enum i8_status quantize_columns(struct i8i_block *b, const struct i8i_piece *piece,
                                       uint64_t first, uint64_t count,
                                       struct i8i_outfile *file, struct i8_error *err)
{
    size_t width = i8_dtype_bits(piece->from) / 8, cols = (size_t)piece->cols;
    uint64_t row_bytes = piece->unit_in; /* scratch for one row, behind the results */
    uint64_t most = 0;
    if (row_bytes + cols < b->bytes)
        most = smaller(b->bytes / (row_bytes ? row_bytes : 1),
                       (b->bytes - row_bytes) / (cols ? cols : 1));
    if (most == 0)
        return i8i_fail(err, I8_ERR_NOMEM,
                        "tensor '%s': %" PRIu64 " bytes a row to transpose do not fit a "
                        "buffer of %zu bytes; allow more with --ram",
                        piece->name, row_bytes, b->bytes);
    enum i8_status st = I8_OK;
    while (count > 0 && st == I8_OK) {
        size_t n = smaller(smaller(count, most), I8I_BLOCK_SCALES - b->n_scales);
        int8_t *q = (int8_t *)b->out;
        char *row = b->out + b->bytes - row_bytes;
        for (size_t c = 0; c < cols && st == I8_OK; c++)
            st = read_bytes(b, piece, b->in + c * n * width,
                            (c * piece->units + first) * width, n * width, err);
        for (size_t i = 0; i < n && st == I8_OK; i++) {
            for (size_t c = 0; c < cols; c++)
                memcpy(row + c * width, b->in + (c * n + i) * width, width);
            st = quantize_one(b, piece, q + i * cols, &b->scales[b->n_scales++], row,
                              first + i, err);
        }
        if (st == I8_OK)
            st = write_rows(b, piece, file, q, first, n, err);
        first += n;
        count -= n;
    }
    return st == I8_OK ? flush_scales(b, piece, file, first, err) : st;
}

enum i8_status i8i_block_run(struct i8i_block *b, const struct i8i_piece *piece,
                             uint64_t first, uint64_t count, struct i8i_outfile *file,
                             struct i8_error *err)
{
    b->n_scales = 0; /* of a range that failed */
    switch (piece->kind) {
    case I8I_PIECE_COPY:
        return copy_units(b, piece, first, count, file, err);
    case I8I_PIECE_CAST:
        return cast_units(b, piece, first, count, file, err);
    case I8I_PIECE_QUANTIZE:
        return quantize_units(b, piece, first, count, file, err);
    case I8I_PIECE_QUANTIZE_TRANSPOSED:
        return quantize_columns(b, piece, first, count, file, err);
    }
    return i8i_fail(err, I8_ERR_UNSUPPORTED, "piece of unknown kind");
}
