/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan and its device map as JSON.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/json.h"

#include <stdio.h>

const char *i8i_plan_dtype_text(enum i8_plan_dtype dtype)
{
    static const char *const names[] = {"int8", "fp16", "bf16", "fp32", "stored"};
    return names[dtype];
}

static const char *const runtimes[] = {"transformers5", "transformers4", "int8tool",
                                       "vllm"};

static const char *strategy_name(const struct i8_plan_request *r, char buf[40])
{
    static const char *const modes[] = {"balanced", "balanced_low_0", "sequential"};

    if (r->strategy == I8_PLAN_OPTIMAL)
        return "optimal";
    (void)snprintf(buf, 40, "%s-%s",
                   r->strategy == I8_PLAN_ACCELERATE ? "accelerate" : "transformers",
                   modes[r->mode]);
    return buf;
}

static void write_device(struct i8i_json_writer *w, int device)
{
    if (device >= 0)
        i8i_jw_u64(w, (uint64_t)device);
    else
        i8i_jw_string(w, device == I8_PLAN_CPU ? "cpu" : "disk");
}

static void write_map(struct i8i_json_writer *w, const struct i8_plan *plan)
{
    i8i_jw_begin_object(w);
    for (size_t i = 0; i < plan->n_map; i++) {
        i8i_jw_key(w, plan->map[i].module);
        write_device(w, plan->map[i].device);
    }
    i8i_jw_end_object(w);
}

/* Modules and tensors that take anything, in the order of the tree. */
static void write_sizes(struct i8i_json_writer *w, const struct i8_plan *plan)
{
    const struct i8i_model *m = plan->planner->model;
    const struct i8i_bytes *b = &i8i_plan_state(plan)->bytes;

    i8i_jw_begin_object(w);
    for (int i = 0; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        if (b->module[i] > 0)
            i8i_jw_kv_u64(w, mod->path, b->module[i]);
        for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++)
            if (b->param[k] > 0)
                i8i_jw_kv_u64(w, m->params[k].name, b->param[k]);
    }
    i8i_jw_end_object(w);
}

static void write_devices(struct i8i_json_writer *w, const struct i8_plan *plan)
{
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < plan->n_devices; i++) {
        const struct i8_plan_device *d = &plan->devices[i];
        bool bounded = d->capacity_bytes != I8_PLAN_UNBOUNDED;
        i8i_jw_begin_object(w);
        i8i_jw_key(w, "id");
        write_device(w, d->device);
        i8i_jw_key(w, "capacity_bytes");
        if (bounded)
            i8i_jw_u64(w, d->capacity_bytes);
        else
            i8i_jw_null(w);
        i8i_jw_kv_u64(w, "weights_bytes", d->weights_bytes);
        i8i_jw_kv_u64(w, "kv_cache_bytes", d->kv_cache_bytes);
        i8i_jw_kv_u64(w, "activation_bytes", d->activation_bytes);
        i8i_jw_kv_u64(w, "overhead_bytes", d->overhead_bytes);
        i8i_jw_kv_u64(w, "total_bytes", d->total_bytes);
        i8i_jw_key(w, "free_bytes");
        if (bounded)
            i8i_jw_u64(w, d->free_bytes);
        else
            i8i_jw_null(w);
        i8i_jw_end_object(w);
    }
    i8i_jw_end_array(w);
}

static enum i8_status take(char **out, struct i8i_json_writer *w, struct i8_error *err)
{
    *out = i8i_buffer_take(&w->buffer, NULL);
    i8i_jw_free(w);
    return *out == NULL ? i8i_nomem(err) : I8_OK;
}

enum i8_status i8_plan_json(char **out, const struct i8_plan *plan, struct i8_error *err)
{
    const struct i8_plan_request *r = &plan->request;
    struct i8i_json_writer w;
    char strategy[40];

    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "model", plan->model);
    i8i_jw_kv_string(&w, "architecture", plan->architecture);
    i8i_jw_kv_string(&w, "model_type", plan->model_type);
    i8i_jw_kv_string(&w, "dtype", i8i_plan_dtype_text(r->dtype));
    i8i_jw_kv_string(&w, "rest_dtype", i8i_plan_dtype_text(r->rest));
    i8i_jw_kv_string(&w, "runtime", runtimes[r->runtime]);
    i8i_jw_kv_string(&w, "attention", plan->eager ? "eager" : "sdpa");
    i8i_jw_kv_string(&w, "strategy", strategy_name(r, strategy));
    i8i_jw_kv_u64(&w, "batch", r->batch);
    i8i_jw_kv_u64(&w, "context", r->context);
    i8i_jw_kv_u64(&w, "new_tokens", r->new_tokens);
    i8i_jw_kv_u64(&w, "parameters", plan->parameters);
    i8i_jw_kv_u64(&w, "weights_bytes", plan->weights_bytes);
    i8i_jw_kv_u64(&w, "stored_bytes", plan->stored_bytes);
    i8i_jw_kv_u64(&w, "buffer_bytes", plan->buffer_bytes);
    i8i_jw_kv_u64(&w, "kv_cache_bytes", plan->kv_cache_bytes);
    i8i_jw_kv_u64(&w, "activation_bytes", plan->activation_bytes);
    i8i_jw_kv_bool(&w, "fits", plan->fits);
    i8i_jw_kv_u64(&w, "short_bytes", plan->short_bytes);
    i8i_jw_key(&w, "devices");
    write_devices(&w, plan);
    i8i_jw_key(&w, "device_map");
    write_map(&w, plan);
    i8i_jw_key(&w, "module_bytes");
    write_sizes(&w, plan);
    i8i_jw_key(&w, "notes");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < plan->n_notes; i++)
        i8i_jw_string(&w, plan->notes[i]);
    i8i_jw_end_array(&w);
    i8i_jw_end_object(&w);
    return take(out, &w, err);
}

enum i8_status i8_plan_map_json(char **out, const struct i8_plan *plan,
                                struct i8_error *err)
{
    struct i8i_json_writer w;

    i8i_jw_init(&w, true);
    write_map(&w, plan);
    i8i_buffer_puts(&w.buffer, "\n");
    return take(out, &w, err);
}
