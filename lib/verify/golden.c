/* SPDX-License-Identifier: Apache-2.0
 *
 * i8_verify_golden: a model's outputs against those that another framework stored.
 * A batch's rows run one by one: a row is one sequence, without padding.
 */
#include "config.h"

#include <int8tool/verify.h>

#include "base/clock.h"
#include "base/memory.h"
#include "verify/metrics.h"
#include "verify/session.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GOLDEN_BYTES ((uint64_t)4 << 30)

/* Token ids of a batch, (rows, cols). */
struct ids {
    int32_t *items;
    size_t rows, cols;
};

/* A stored output, (rows, cols, width) in fp32, read row by row. */
struct output {
    const struct i8i_tensor *tensor;
    size_t rows, cols, width;
};

static enum i8_status check_rank(const struct i8i_tensor *t, uint32_t rank,
                                 struct i8_error *err)
{
    if (t->rank == rank && t->bytes <= MAX_GOLDEN_BYTES)
        return I8_OK;
    return i8i_fail(
        err, I8_ERR_DATA,
        "tensor %s: expected %u dimensions and at most 4 GiB, found %u and %llu "
        "bytes",
        t->name, rank, t->rank, (unsigned long long)t->bytes);
}

/* I32 or I64, as PyTorch stores ids. */
static enum i8_status read_ids(struct ids *out, const struct i8i_checkpoint *c,
                               const struct i8i_tensor *t, struct i8_error *err)
{
    enum i8_status status = check_rank(t, 2, err);
    if (status != I8_OK)
        return status;
    if (t->dtype != I8_DTYPE_I32 && t->dtype != I8_DTYPE_I64)
        return i8i_fail(err, I8_ERR_DATA, "tensor %s: ids must be I32 or I64, not %s",
                        t->name, i8_dtype_name(t->dtype));
    size_t n = (size_t)t->elements;
    int64_t *wide = i8i_calloc(n, sizeof *wide);
    *out = (struct ids){i8i_calloc(n, sizeof *out->items), (size_t)t->shape[0],
                        (size_t)t->shape[1]};
    status = wide != NULL && out->items != NULL ? I8_OK : i8i_nomem(err);
    void *bytes = t->dtype == I8_DTYPE_I64 ? (void *)wide : (void *)out->items;
    if (status == I8_OK)
        status = i8i_tensor_read(c, t, bytes, 0, (size_t)t->bytes, err);
    for (size_t i = 0; i < n && status == I8_OK && t->dtype == I8_DTYPE_I64; i++) {
        if (wide[i] < 0 || wide[i] > INT32_MAX)
            status = i8i_fail(err, I8_ERR_DATA, "tensor %s: entry %zu is no token id",
                              t->name, i);
        else
            out->items[i] = (int32_t)wide[i];
    }
    free(wide);
    return status;
}

static enum i8_status find_ids(struct ids *out, const struct i8i_checkpoint *c,
                               const char *name, struct i8_error *err)
{
    const struct i8i_tensor *t = i8i_checkpoint_find(c, name);
    if (t == NULL)
        return i8i_fail(err, I8_ERR_DATA, "there is no tensor %s, the model's input",
                        name);
    return read_ids(out, c, t, err);
}

static enum i8_status find_output(struct output *out, const struct i8i_checkpoint *c,
                                  struct i8_error *err)
{
    const struct i8i_tensor *t = i8i_checkpoint_find(c, "logits");
    if (t == NULL)
        t = i8i_checkpoint_find(c, "last_hidden_state");
    if (t == NULL)
        return i8i_fail(err, I8_ERR_DATA,
                        "there is neither logits nor last_hidden_state to compare with");
    enum i8_status status = check_rank(t, 3, err);
    if (status != I8_OK)
        return status;
    if (t->dtype != I8_DTYPE_F32)
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "tensor %s: outputs must be F32, not %s",
                        t->name, i8_dtype_name(t->dtype));
    *out =
        (struct output){t, (size_t)t->shape[0], (size_t)t->shape[1], (size_t)t->shape[2]};
    return I8_OK;
}

/* ---- running ---- */

struct golden {
    struct i8i_session session;
    struct i8i_checkpoint *stored;
    struct ids ids, decoder_ids;
    struct output output;
    float *want; /* one row of the output */
    /* sums */
    double difference2, reference2;
    uint64_t agree;
};

static enum i8_status check_shapes(const struct golden *g, struct i8_error *err)
{
    bool encoder = g->session.model->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    const struct ids *ids = encoder ? &g->decoder_ids : &g->ids;
    if (g->ids.rows != g->output.rows || ids->rows != g->output.rows ||
        ids->cols != g->output.cols)
        return i8i_fail(err, I8_ERR_DATA,
                        "tensor %s has %zu × %zu positions, its input ids %zu × %zu",
                        g->output.tensor->name, g->output.rows, g->output.cols, ids->rows,
                        ids->cols);
    return I8_OK;
}

/* The run's output that the stored one is of. */
static const float *computed(const struct golden *g, struct i8i_run *run, size_t *rows,
                             size_t *width)
{
    if (strcmp(g->output.tensor->name, "logits") == 0)
        return i8i_run_logits(run, rows, width);
    return i8i_run_hidden(run, rows, width);
}

static void add_position(struct golden *g, struct i8_golden_result *r, const float *want,
                         const float *got)
{
    struct i8i_position_score s;
    i8i_score_position(&s, want, got, g->output.width, -1);
    g->difference2 += s.difference2;
    g->reference2 += s.reference2;
    g->agree += s.agree;
    r->nonfinite += s.nonfinite;
    r->positions++;
    if (!(s.max_abs <= r->max_abs)) /* a NaN stays */
        r->max_abs = isnan(r->max_abs) ? r->max_abs : s.max_abs;
}

static enum i8_status compare_row(struct golden *g, struct i8_golden_result *r,
                                  size_t row, struct i8_error *err)
{
    const struct output *o = &g->output;
    const struct i8i_run_input input = {
        .ids = g->ids.items + row * g->ids.cols,
        .n_ids = g->ids.cols,
        .decoder_ids = g->decoder_ids.items == NULL
                           ? NULL
                           : g->decoder_ids.items + row * g->decoder_ids.cols,
        .n_decoder_ids = g->decoder_ids.cols,
    };
    struct i8i_run *run = NULL;
    size_t rows, width, floats = o->cols * o->width;
    enum i8_status status = i8i_run_new(&run, g->session.engine, &input, NULL, err);
    if (status == I8_OK)
        status = i8i_run_finish(run, err);
    if (status == I8_OK)
        status = i8i_tensor_read(g->stored, o->tensor, g->want,
                                 (uint64_t)row * floats * 4, floats * 4, err);
    if (status == I8_OK) {
        const float *got = computed(g, run, &rows, &width);
        if (got == NULL || rows != o->cols || width != o->width)
            status =
                i8i_fail(err, I8_ERR_DATA,
                         "tensor %s has rows of (%zu, %zu), the model computes (%zu, "
                         "%zu)",
                         o->tensor->name, o->cols, o->width, rows, width);
        for (size_t i = 0; i < o->cols && status == I8_OK; i++)
            add_position(g, r, g->want + i * width, got + i * width);
    }
    i8i_run_free(run);
    return status;
}

static enum i8_status run_golden(struct golden *g, struct i8_golden_result *r,
                                 struct i8_error *err)
{
    bool encoder = g->session.model->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    enum i8_status status = find_ids(&g->ids, g->stored, "input_ids", err);
    if (status == I8_OK && encoder)
        status = find_ids(&g->decoder_ids, g->stored, "decoder_input_ids", err);
    if (status == I8_OK)
        status = find_output(&g->output, g->stored, err);
    if (status == I8_OK)
        status = check_shapes(g, err);
    if (status != I8_OK)
        return status;
    g->want = i8i_calloc(g->output.cols, g->output.width * sizeof *g->want);
    if (g->want == NULL)
        return i8i_nomem(err);
    for (size_t row = 0; row < g->output.rows && status == I8_OK; row++)
        status = compare_row(g, r, row, err);
    return status;
}

enum i8_status i8_verify_golden(struct i8_golden_result *result, const char *model,
                                const char *path, double max_rel_l2,
                                const struct i8_runtime *runtime, struct i8_error *err)
{
    struct golden g = {0};
    double start = i8i_monotonic_s();
    *result = (struct i8_golden_result){.device = "cpu"};
    enum i8_status status = i8i_checkpoint_open_file(&g.stored, path, err);
    if (status == I8_OK)
        status = i8i_session_open(&g.session, model, runtime, NULL, err);
    if (status == I8_OK) {
        status = run_golden(&g, result, err);
        if (status != I8_OK)
            i8i_error_prefix(err, "%s", path);
    }
    if (status == I8_OK) {
        bool logits = strcmp(g.output.tensor->name, "logits") == 0;
        double n = (double)result->positions;
        result->output = logits ? "logits" : "last_hidden_state";
        result->rel_l2 = i8i_relative_l2(g.difference2, g.reference2);
        result->top1_agreement = logits ? (double)g.agree / n : NAN;
        result->peak_device_bytes = i8i_engine_peak_bytes(g.session.engine);
        result->seconds = i8i_monotonic_s() - start;
        result->pass = result->nonfinite == 0 && result->rel_l2 <= max_rel_l2;
    }
    free(g.want);
    free(g.ids.items);
    free(g.decoder_ids.items);
    i8i_session_close(&g.session);
    i8i_checkpoint_free(g.stored);
    return status;
}
