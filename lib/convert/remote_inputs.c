/* SPDX-License-Identifier: Apache-2.0
 *
 * The window's measures. Half of it lies ahead of the readers and half behind (see
 * i8i_tree_read_ahead); what is behind must reach from the piece that is farthest on back
 * to the hashing.
 */
#include "config.h"

#include "base/size.h"
#include "convert/remote_inputs.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES       (UINT64_C(128) << 20)
#define LEAST_WINDOW_BYTES (UINT64_C(4) << 20)

static bool is_remote(const struct i8i_convert_plan *p, const struct i8i_input_file *in)
{
    const struct i8i_tree *tree = p->model->tree;
    return tree != NULL && tree->ops->read_ahead != NULL &&
           i8i_source_stored(in->source)->fd < 0;
}

/* Bands of columns go through the whole matrix again and again: all of it must stay. */
static uint64_t largest_transposed(const struct i8i_convert_plan *p)
{
    uint64_t most = 0;
    for (size_t i = 0; i < p->n_pieces; i++) {
        const struct i8i_piece *piece = &p->pieces[i];
        const uint64_t bytes = piece->units * piece->unit_in;
        if (piece->kind == I8I_PIECE_QUANTIZE_TRANSPOSED && bytes > most &&
            is_remote(p, &p->inputs[piece->input]))
            most = bytes;
    }
    return most;
}

uint64_t i8i_read_ahead_window(const struct i8i_convert_plan *p)
{
    bool any = false;
    for (size_t i = 0; i < p->n_inputs && !any; i++)
        any = is_remote(p, &p->inputs[i]);
    if (!any)
        return 0;
    const uint64_t window = WINDOW_BYTES + 2 * largest_transposed(p);
    const uint64_t ram = p->options->ram_bytes, fixed = I8I_BASE_BYTES + p->table_bytes;
    const uint64_t allowed = ram > fixed ? (ram - fixed) / 2 : 0;
    if (ram == 0 || window <= allowed)
        return window;
    return allowed > LEAST_WINDOW_BYTES ? allowed : LEAST_WINDOW_BYTES;
}

uint64_t i8i_window_lag(uint64_t window)
{
    return window / 4;
}

uint64_t i8i_window_hash_part(uint64_t window)
{
    return window / 16;
}

uint64_t i8i_window_item(uint64_t window, unsigned jobs)
{
    const uint64_t item = window / 8 / jobs, least = UINT64_C(64) << 10;
    return item > least ? item : least;
}

static enum i8_status check_transposed(const struct i8i_convert_plan *p, uint64_t window,
                                       struct i8_error *err)
{
    const uint64_t most = largest_transposed(p);
    char have[I8I_SIZE_TEXT], need[I8I_SIZE_TEXT];
    if (most <= window / 2 || most == 0)
        return I8_OK;
    return i8i_fail(
        err, I8_ERR_ARG,
        "--ram %s: a matrix of %s is to be transposed while it is read over "
        "the network: allow more than four times that, or pull the model first",
        i8i_size_text(have, p->options->ram_bytes), i8i_size_text(need, most));
}

/* left[i]: units of input i that are still to be read. */
static void count_left(uint64_t *left, const struct i8i_convert_plan *p,
                       const struct i8i_pipeline_task *task, const struct i8i_range *done,
                       size_t n_done)
{
    uint64_t first, end;
    for (size_t i = 0; i < p->n_pieces; i++) {
        i8i_division_units(&first, &end, &task->part, p, i);
        left[p->pieces[i].input] += end - first;
    }
    for (size_t i = 0; i < n_done; i++) {
        const struct i8i_range *d = &done[i];
        i8i_division_units(&first, &end, &task->part, p, d->piece);
        const uint64_t from = d->first > first ? d->first : first;
        const uint64_t to = d->first + d->count < end ? d->first + d->count : end;
        left[p->pieces[d->piece].input] -= to > from ? to - from : 0;
    }
}

enum i8_status i8i_read_ahead_begin(const struct i8i_convert_plan *p,
                                    const struct i8i_pipeline_task *task,
                                    const struct i8i_range *done, size_t n_done,
                                    uint64_t window, struct i8_error *err)
{
    if (window == 0)
        return I8_OK;
    enum i8_status st = check_transposed(p, window, err);
    if (st != I8_OK)
        return st;
    uint64_t *left = i8i_calloc(p->n_inputs, sizeof *left);
    struct i8i_source **sources = i8i_calloc(p->n_inputs, sizeof(*sources));
    size_t n = 0;
    st = left != NULL && sources != NULL ? I8_OK : i8i_nomem(err);
    if (st == I8_OK)
        count_left(left, p, task, done, n_done);
    for (size_t i = 0; i < p->n_inputs && st == I8_OK; i++) {
        const struct i8i_input_file *in = &p->inputs[i];
        const bool to_hash = !p->options->no_hash && in->same_as < 0 &&
                             in->sha256[0] == '\0' &&
                             (task->hash_inputs == NULL || task->hash_inputs[i]);
        if (is_remote(p, in) && (left[i] > 0 || to_hash))
            sources[n++] = in->source->stored ? in->source->stored : in->source;
    }
    if (st == I8_OK)
        st = i8i_tree_read_ahead(p->model->tree, sources, n, window, err);
    free(sources);
    free(left);
    return st;
}

void i8i_read_ahead_end(const struct i8i_convert_plan *p)
{
    if (p->model->tree == NULL)
        return;
    enum i8_status st = i8i_tree_read_ahead(p->model->tree, NULL, 0, 0, NULL);
    (void)st; /* without sources there is nothing that could fail */
}

enum i8_status i8i_check_listed_digest(const struct i8i_input_file *in, const char *hex,
                                       struct i8_error *err)
{
    const char *listed = i8i_source_sha256(in->source);
    if (listed == NULL || strcmp(listed, hex) == 0)
        return I8_OK;
    return i8i_fail(err, I8_ERR_DATA,
                    "%s: damaged: its SHA-256 is %.16s…, the repository lists "
                    "%.16s…; nothing of it is kept",
                    in->source->name, hex, listed);
}
