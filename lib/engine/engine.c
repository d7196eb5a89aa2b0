/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine: a model cut into stages over a backend.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/engine_state.h"

#include <stdlib.h>
#include <string.h>

enum i8_status i8i_buffer_mem_reserve(struct i8i_engine *e, struct i8i_buffer_mem *m,
                                      size_t count, struct i8_error *err)
{
    enum i8_status status;

    if (count <= m->count)
        return I8_OK;
    i8i_buffer_mem_free(e, m);
    status = e->b->ops->mem_new(e->b, &m->mem, count, err);
    if (status == I8_OK)
        m->count = count;
    return status;
}

void i8i_buffer_mem_free(struct i8i_engine *e, struct i8i_buffer_mem *m)
{
    e->b->ops->mem_free(e->b, m->mem);
    m->mem = NULL;
    m->count = 0;
}

/* The path of the module with that role, or of another one that stands for it. */
static const char *path_of(const struct i8i_model *m, enum i8i_role role, int stack,
                           int block, const char *otherwise)
{
    int module = i8i_model_role(m, role, stack, block);

    return module >= 0 ? m->modules[module].path : otherwise;
}

static void add_stack(struct i8i_engine *e, int stack, size_t blocks)
{
    const struct i8i_model *m = e->model;
    struct i8i_stage *s = e->stages + e->n_stages;

    *s++ = (struct i8i_stage){.kind = I8I_STAGE_EMBED,
                              .stack = stack,
                              .block = -1,
                              .name = path_of(m, I8I_ROLE_EMBED, stack, -1, "embedding")};
    for (size_t i = 0; i < blocks; i++)
        *s++ = (struct i8i_stage){.kind = I8I_STAGE_BLOCK,
                                  .stack = stack,
                                  .block = (int)i,
                                  .name =
                                      path_of(m, I8I_ROLE_BLOCK, stack, (int)i, "block")};
    *s++ = (struct i8i_stage){
        .kind = stack == 1 ? I8I_STAGE_NORM : I8I_STAGE_HEAD,
        .stack = stack,
        .block = -1,
        .name = path_of(m, stack == 1 ? I8I_ROLE_FINAL_NORM : I8I_ROLE_HEAD, stack, -1,
                        stack == 1 ? "encoder" : "head")};
    e->n_stages = (size_t)(s - e->stages);
}

static enum i8_status choose_threshold(struct i8i_engine *e, enum i8i_outlier_mode mode,
                                       struct i8_error *err)
{
    switch (mode) {
    case I8I_OUTLIERS_AUTO: /* no columns are stored, so the threshold finds all */
    case I8I_OUTLIERS_DYNAMIC:
        e->threshold = (float)e->model->int8_threshold;
        /* Readers of this layout set no columns apart. */
        if (mode == I8I_OUTLIERS_AUTO && e->model->quantization == I8I_QUANT_CT_INT8)
            e->threshold = 0;
        return I8_OK;
    case I8I_OUTLIERS_NONE:
        e->threshold = 0.0f;
        return I8_OK;
    case I8I_OUTLIERS_STORED:
        break;
    }
    return i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: no stored outlier columns",
                    e->model->name);
}

enum i8_status i8i_engine_open(struct i8i_engine **out, const struct i8i_model *model,
                               const struct i8i_engine_options *options,
                               struct i8_error *err)
{
    bool encoder = model->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    struct i8i_engine *e = NULL;
    struct i8i_pool *pool = options->pool;
    size_t blocks, encoder_blocks;
    enum i8_status status;

    *out = NULL;
    if (options->device && strcmp(options->device, "cpu") != 0)
        return i8i_fail(err, I8_ERR_DEVICE, "device '%s': only cpu is built in",
                        options->device);
    status = i8i_engine_supports(model, err);
    if (status != I8_OK)
        return status;
    e = i8i_calloc(1, sizeof(*e));
    if (!e)
        return i8i_nomem(err);
    e->model = model;
    e->hp = &model->hp;
    e->embed_param =
        i8i_module_param(model, i8i_model_role(model, I8I_ROLE_EMBED, 0, -1), "weight");
    if (e->embed_param < 0) {
        status = i8i_fail(err, I8_ERR_DATA, "%s: no token embedding", model->name);
        goto fail;
    }
    status = choose_threshold(e, options->outliers, err);
    if (status != I8_OK)
        goto fail;
    if (!pool) {
        status = i8i_pool_new(&e->own_pool, options->threads, err);
        if (status != I8_OK)
            goto fail;
        pool = e->own_pool;
    }
    status = i8i_backend_cpu(&e->b, pool, err);
    if (status != I8_OK)
        goto fail;
    blocks = i8i_dim(e, I8I_DIM_LAYERS);
    encoder_blocks = encoder ? i8i_dim(e, I8I_DIM_ENC_LAYERS) : 0;
    e->stages = i8i_calloc(blocks + encoder_blocks + 4, sizeof(*e->stages));
    if (!e->stages) {
        status = i8i_nomem(err);
        goto fail;
    }
    if (encoder)
        add_stack(e, 1, encoder_blocks);
    e->first_decoder_stage = e->n_stages;
    add_stack(e, 0, blocks);
    *out = e;
    return I8_OK;
fail:
    i8i_engine_free(e);
    return status;
}

void i8i_engine_free(struct i8i_engine *e)
{
    if (!e)
        return;
    if (e->b) {
        for (size_t i = 0; i < e->n_stages; i++)
            i8i_stage_unload(e, &e->stages[i]);
        for (int i = 0; i < I8I_WORK_COUNT; i++)
            i8i_buffer_mem_free(e, &e->work[i]);
        i8i_buffer_mem_free(e, &e->rotary);
        e->b->ops->close(e->b);
    }
    free(e->buckets[0]);
    free(e->buckets[1]);
    free(e->stages);
    i8i_pool_free(e->own_pool);
    free(e);
}

size_t i8i_engine_stages(const struct i8i_engine *e)
{
    return e->n_stages;
}

const char *i8i_engine_stage_name(const struct i8i_engine *e, size_t stage)
{
    return e->stages[stage].name;
}

enum i8_status i8i_engine_load(struct i8i_engine *e, size_t stage, struct i8_error *err)
{
    return i8i_stage_load(e, &e->stages[stage], err);
}

void i8i_engine_unload(struct i8i_engine *e, size_t stage)
{
    i8i_stage_unload(e, &e->stages[stage]);
}

size_t i8i_engine_outlier_columns(const struct i8i_engine *e, size_t stage)
{
    return i8i_stage_outliers(e, &e->stages[stage]);
}

uint64_t i8i_engine_peak_bytes(const struct i8i_engine *e)
{
    return e->b->peak_bytes;
}
