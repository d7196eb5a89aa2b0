/* SPDX-License-Identifier: Apache-2.0
 *
 * A run: one sequence on its way through the stages, and its cache of keys and values.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/engine_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* `first` is the position of ids[0], for the message. */
static enum i8_status check_ids(const struct i8i_engine *e, const int32_t *ids, size_t n,
                                size_t first, struct i8_error *err)
{
    int64_t vocab = e->hp->dim[I8I_DIM_VOCAB];

    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return i8i_fail(err, I8_ERR_DATA,
                            "token id %" PRId32
                            " at position %zu is outside the vocabulary "
                            "of %" PRId64,
                            ids[i], first + i, vocab);
    return I8_OK;
}

static enum i8_status check_positions(const struct i8i_engine *e, size_t positions,
                                      bool *past_limit, struct i8_error *err)
{
    const struct i8i_hparams *hp = e->hp;
    int64_t rows = hp->dim[I8I_DIM_POSITION_ROWS] - hp->arch.position_offset;
    int64_t limit = hp->dim[I8I_DIM_POSITIONS];

    if (hp->arch.position == I8I_POS_LEARNED && (rows < 0 || positions > (size_t)rows))
        return i8i_fail(
            err, I8_ERR_DATA,
            "%zu positions, but the model's table of positions holds %" PRId64, positions,
            rows);
    if (positions > INT32_MAX)
        return i8i_fail(err, I8_ERR_ARG, "%zu positions are more than can be handled",
                        positions);
    if (past_limit)
        *past_limit = limit > 0 && positions > (size_t)limit;
    return I8_OK;
}

static enum i8_status copy_ids(int32_t **out, const int32_t *ids, size_t n, size_t room,
                               struct i8_error *err)
{
    *out = i8i_calloc(room, sizeof(**out));
    if (!*out)
        return i8i_nomem(err);
    memcpy(*out, ids, n * sizeof(*ids));
    return I8_OK;
}

static enum i8_status new_cache(struct i8i_run *r, struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    const struct i8i_backend_ops *ops = e->b->ops;
    size_t blocks = i8i_dim(e, I8I_DIM_LAYERS), kv_heads = i8i_kv_heads(e, 0);
    uint64_t keys, values, cross;

    r->cached = i8i_calloc(blocks, 3 * sizeof(*r->cached));
    if (!r->cached ||
        !i8i_mul_u64(&keys, r->positions, kv_heads * i8i_dim(e, I8I_DIM_HEAD_DIM)) ||
        !i8i_mul_u64(&values, r->positions, kv_heads * i8i_v_head_dim(e)) ||
        !i8i_mul_u64(&cross, r->n_encoder_ids,
                     kv_heads * (i8i_dim(e, I8I_DIM_HEAD_DIM) + i8i_v_head_dim(e))))
        return i8i_nomem(err);
    for (size_t i = 0; i < blocks; i++) {
        struct i8i_mem **cached = r->cached + 3 * i;
        enum i8_status status = ops->mem_new(e->b, &cached[0], keys, err);

        if (status == I8_OK)
            status = ops->mem_new(e->b, &cached[1], values, err);
        if (status == I8_OK && cross > 0)
            status = ops->mem_new(e->b, &cached[2], cross, err);
        if (status != I8_OK)
            return status;
    }
    return I8_OK;
}

/* Buffers whose size depends on the number of rows in work. */
static enum i8_status reserve_rows(struct i8i_run *r, struct i8_error *err)
{
    struct i8i_engine *e = r->e;
    size_t width = i8i_dim(e, I8I_DIM_HIDDEN), embed = i8i_dim(e, I8I_DIM_EMBED);
    size_t rows = r->n_new > r->n_encoder_ids ? r->n_new : r->n_encoder_ids;
    uint64_t hidden, encoder;
    enum i8_status status;

    if (!i8i_mul_u64(&hidden, rows, embed > width ? embed : width) ||
        !i8i_mul_u64(&encoder, r->n_encoder_ids, width))
        return i8i_nomem(err);
    status = i8i_buffer_mem_reserve(e, &r->hidden, hidden, err);
    if (status == I8_OK)
        status = i8i_buffer_mem_reserve(e, &r->encoder_out, encoder, err);
    return status;
}

static enum i8_status check_input(const struct i8i_engine *e,
                                  const struct i8i_run_input *in, struct i8_error *err)
{
    bool encoder = e->hp->arch.shape == I8I_SHAPE_ENCODER_DECODER;
    enum i8_status status;

    if (in->n_ids == 0 || (encoder && in->n_decoder_ids == 0))
        return i8i_fail(err, I8_ERR_ARG, "no tokens%s to run",
                        in->n_ids ? " for the decoder" : "");
    if (!encoder && in->n_decoder_ids > 0)
        return i8i_fail(err, I8_ERR_ARG, "decoder tokens for a model without an encoder");
    status = check_ids(e, in->ids, in->n_ids, 0, err);
    if (status == I8_OK)
        status = check_ids(e, in->decoder_ids, in->n_decoder_ids, 0, err);
    return status;
}

enum i8_status i8i_run_new(struct i8i_run **out, struct i8i_engine *e,
                           const struct i8i_run_input *in, bool *past_limit,
                           struct i8_error *err)
{
    bool encoder = e->hp->arch.shape == I8I_SHAPE_ENCODER_DECODER;
    const int32_t *ids = encoder ? in->decoder_ids : in->ids;
    size_t n = encoder ? in->n_decoder_ids : in->n_ids;
    size_t positions = in->cache && in->cache_tokens > n ? in->cache_tokens : n;
    struct i8i_run *r;
    enum i8_status status;

    *out = NULL;
    status = check_input(e, in, err);
    if (status == I8_OK)
        status = check_positions(e, positions, past_limit, err);
    if (status != I8_OK)
        return status;
    r = i8i_calloc(1, sizeof(*r));
    if (!r)
        return i8i_nomem(err);
    r->e = e;
    r->positions = positions;
    r->n_new = n;
    r->n_encoder_ids = encoder ? in->n_ids : 0;
    r->cache = in->cache;
    r->last_logits_only = in->last_logits_only;
    status = copy_ids(&r->ids, ids, n, positions, err);
    if (status == I8_OK && encoder)
        status = copy_ids(&r->encoder_ids, in->ids, in->n_ids, in->n_ids, err);
    if (status == I8_OK)
        status = i8i_rotary_reserve(e, positions, err);
    if (status == I8_OK)
        status = reserve_rows(r, err);
    if (status == I8_OK && r->cache)
        status = new_cache(r, err);
    if (status != I8_OK) {
        i8i_run_free(r);
        return status;
    }
    *out = r;
    return I8_OK;
}

void i8i_run_free(struct i8i_run *r)
{
    struct i8i_engine *e;

    if (!r)
        return;
    e = r->e;
    if (r->cached)
        for (size_t i = 0; i < 3 * i8i_dim(e, I8I_DIM_LAYERS); i++)
            e->b->ops->mem_free(e->b, r->cached[i]);
    free(r->cached);
    for (int stack = 0; stack < 2; stack++)
        e->b->ops->mem_free(e->b, r->bias[stack]);
    i8i_buffer_mem_free(e, &r->hidden);
    i8i_buffer_mem_free(e, &r->encoder_out);
    i8i_buffer_mem_free(e, &r->logits);
    free(r->encoder_ids);
    free(r->ids);
    free(r);
}

enum i8_status i8i_run_stage(struct i8i_run *r, size_t stage, struct i8_error *err)
{
    enum i8_status status;

    if (stage != r->next_stage || stage >= r->e->n_stages)
        return i8i_fail(err, I8_ERR_ARG, "stage %zu is not the next one to run", stage);
    if (!r->e->stages[stage].loaded)
        return i8i_fail(err, I8_ERR_ARG, "stage %zu (%s) is not loaded", stage,
                        r->e->stages[stage].name);
    status = i8i_forward(r, &r->e->stages[stage], err);
    if (status == I8_OK)
        r->next_stage++;
    return status;
}

enum i8_status i8i_run_finish(struct i8i_run *r, struct i8_error *err)
{
    enum i8_status status = I8_OK;

    while (r->next_stage < r->e->n_stages && status == I8_OK) {
        status = i8i_engine_load(r->e, r->next_stage, err);
        if (status == I8_OK)
            status = i8i_run_stage(r, r->next_stage, err);
    }
    return status;
}

enum i8_status i8i_run_extend(struct i8i_run *r, const int32_t *ids, size_t n,
                              struct i8_error *err)
{
    size_t done = r->past + r->n_new;
    enum i8_status status;

    if (!r->cache || r->next_stage < r->e->n_stages)
        return i8i_fail(err, I8_ERR_ARG, "only a finished run with a cache can go on");
    if (n == 0 || n > r->positions - done)
        return i8i_fail(err, I8_ERR_ARG,
                        "%zu more tokens behind %zu, but the cache holds %zu", n, done,
                        r->positions);
    status = check_ids(r->e, ids, n, done, err);
    if (status != I8_OK)
        return status;
    memcpy(r->ids + done, ids, n * sizeof(*ids));
    r->past = done;
    r->n_new = n;
    r->next_stage = r->e->first_decoder_stage;
    r->hidden_rows = r->logits_rows = 0; /* those of the old positions are gone */
    return reserve_rows(r, err);
}

float *i8i_run_hidden(struct i8i_run *r, size_t *rows, size_t *cols)
{
    *rows = r->hidden_rows;
    *cols = r->hidden_cols;
    return r->hidden_rows ? r->e->b->ops->mem_host(r->e->b, r->hidden.mem) : NULL;
}

const float *i8i_run_encoder_output(struct i8i_run *r, size_t *rows, size_t *cols)
{
    *rows = r->encoder_done ? r->n_encoder_ids : 0;
    *cols = r->encoder_done ? i8i_dim(r->e, I8I_DIM_HIDDEN) : 0;
    return r->encoder_done ? r->e->b->ops->mem_host(r->e->b, r->encoder_out.mem) : NULL;
}

const float *i8i_run_logits(struct i8i_run *r, size_t *rows, size_t *vocab)
{
    *rows = r->logits_rows;
    *vocab = r->logits_rows ? i8i_dim(r->e, I8I_DIM_VOCAB) : 0;
    return r->logits_rows ? r->e->b->ops->mem_host(r->e->b, r->logits.mem) : NULL;
}
