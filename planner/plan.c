/* SPDX-License-Identifier: Apache-2.0
 *
 * i8_plan_make: from a request to an answer.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/memory.h"
#include "planner/optimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum i8_status i8_planner_open(struct i8_planner **out, const char *model,
                               struct i8_error *err)
{
    struct i8i_model_options options = {.headers_only = true};
    struct i8_planner *p = i8i_calloc(1, sizeof *p);

    *out = NULL;
    if (p == NULL)
        return i8i_nomem(err);
    enum i8_status status = i8i_model_open(&p->model, model, &options, err);
    if (status == I8_OK && p->model->checkpoint != NULL &&
        p->model->checkpoint->n_tensors == 0)
        status = i8i_fail(err, I8_ERR_DATA, "%s: holds no tensors", model);
    if (status != I8_OK) {
        i8_planner_free(p);
        return status;
    }
    *out = p;
    return I8_OK;
}

void i8_planner_free(struct i8_planner *p)
{
    if (p == NULL)
        return;
    i8i_model_free(p->model);
    free(p);
}

bool i8i_plan_note(struct i8_plan *plan, const char *fmt, ...)
{
    struct i8i_plan_state *s = plan->state;
    struct i8i_buffer b;
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    i8i_buffer_init(&b, sizeof text);
    i8i_buffer_puts(&b, text);
    char *copy = i8i_buffer_take(&b, NULL);
    if (copy == NULL || !i8i_grow(&plan->notes, &s->notes_capacity, plan->n_notes + 1,
                                  sizeof *plan->notes)) {
        free(copy);
        return false;
    }
    plan->notes[plan->n_notes++] = copy;
    return true;
}

const char *i8i_device_text(char buf[I8I_DEVICE_TEXT], int device)
{
    if (device >= 0)
        (void)snprintf(buf, I8I_DEVICE_TEXT, "GPU %d", device);
    else
        (void)snprintf(buf, I8I_DEVICE_TEXT, "%s",
                       device == I8_PLAN_CPU    ? "cpu"
                       : device == I8_PLAN_DISK ? "disk"
                                                : "nowhere");
    return buf;
}

/* ---- the request ---- */

static int compare_budgets(const void *a, const void *b)
{
    int x = ((const struct i8_plan_budget *)a)->device;
    int y = ((const struct i8_plan_budget *)b)->device;
    if ((x < 0) != (y < 0)) /* GPUs first, ascending; then the CPU, then the disk */
        return x < 0 ? 1 : -1;
    return x < 0 ? (x < y) - (x > y) : (x > y) - (x < y);
}

static enum i8_status copy_request(struct i8_plan *plan, const struct i8_plan_request *r,
                                   struct i8_error *err)
{
    struct i8i_plan_state *s = plan->state;
    size_t n = r->n_budgets > 0 ? r->n_budgets : 1;

    plan->request = *r;
    s->budgets = i8i_calloc(n, sizeof *s->budgets);
    if (s->budgets == NULL)
        return i8i_nomem(err);
    if (r->n_budgets > 0)
        memcpy(s->budgets, r->budgets, n * sizeof *s->budgets);
    else
        s->budgets[0] = (struct i8_plan_budget){0, I8_PLAN_UNBOUNDED};
    qsort(s->budgets, n, sizeof *s->budgets, compare_budgets);
    for (size_t i = 1; i < n; i++) {
        char name[I8I_DEVICE_TEXT];
        if (s->budgets[i].device == s->budgets[i - 1].device)
            return i8i_fail(err, I8_ERR_ARG, "%s has two budgets",
                            i8i_device_text(name, s->budgets[i].device));
    }
    if (r->rest == I8_PLAN_INT8)
        return i8i_fail(err, I8_ERR_ARG, "what int8 leaves cannot be int8 itself");
    bool usable = r->strategy != I8_PLAN_OPTIMAL; /* a replay may end on the disk */
    for (size_t i = 0; i < n; i++)
        usable = usable || (s->budgets[i].device >= 0 && s->budgets[i].bytes > 0);
    if (!usable)
        return i8i_fail(
            err, I8_ERR_ARG,
            "the budgets name no usable device: the optimal strategy needs a GPU");
    plan->request.budgets = s->budgets;
    plan->request.n_budgets = n;
    return I8_OK;
}

static const struct i8i_model *model_of(const struct i8_plan *plan)
{
    return plan->planner->model;
}

static enum i8_status describe(struct i8_plan *plan, struct i8_error *err)
{
    const struct i8i_model *m = model_of(plan);

    plan->model = m->name;
    plan->architecture = m->architecture;
    plan->model_type = m->model_type;
    for (int i = 0; i < m->n_params; i++)
        if (!m->params[i].buffer && m->params[i].tied_to < 0)
            plan->parameters += m->params[i].elements;
    for (size_t i = 0; m->checkpoint != NULL && i < m->checkpoint->n_tensors; i++)
        if (!i8i_add_u64(&plan->stored_bytes, plan->stored_bytes,
                         i8i_tensor_stored(&m->checkpoint->tensors[i],
                                           m->checkpoint->tensors[i].bytes)))
            return i8i_fail(err, I8_ERR_DATA, "%s: its size overflows 64 bits", m->name);
    return I8_OK;
}

/* ---- devices ---- */

static struct i8_plan_device *device_of(struct i8_plan *plan, int device)
{
    for (size_t i = 0; i < plan->n_devices; i++)
        if (plan->devices[i].device == device)
            return &plan->devices[i];
    if (device == I8_PLAN_NONE)
        return NULL;
    struct i8_plan_device *d = &plan->devices[plan->n_devices++];
    *d = (struct i8_plan_device){.device = device, .capacity_bytes = I8_PLAN_UNBOUNDED};
    return d;
}

static enum i8_status list_devices(struct i8_plan *plan, struct i8_error *err)
{
    const struct i8_plan_request *r = &plan->request;
    bool off_gpu = r->offload || r->strategy != I8_PLAN_OPTIMAL;

    plan->devices = i8i_calloc(r->n_budgets + 2, sizeof *plan->devices);
    if (plan->devices == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < r->n_budgets; i++)
        if (r->budgets[i].device >= 0 || off_gpu)
            device_of(plan, r->budgets[i].device)->capacity_bytes = r->budgets[i].bytes;
    return I8_OK;
}

static void finish_device(struct i8_plan_device *d, uint64_t used_beside)
{
    d->total_bytes = d->weights_bytes + d->overhead_bytes + used_beside;
    d->activation_bytes =
        used_beside > d->kv_cache_bytes ? used_beside - d->kv_cache_bytes : 0;
    if (d->total_bytes < d->weights_bytes + d->overhead_bytes + d->kv_cache_bytes)
        d->total_bytes = d->weights_bytes + d->overhead_bytes + d->kv_cache_bytes;
    d->free_bytes =
        d->capacity_bytes > d->total_bytes ? d->capacity_bytes - d->total_bytes : 0;
}

/* ---- optimal ---- */

static void account_optimal(struct i8_plan *plan, const struct i8i_optimal *best)
{
    struct i8i_plan_state *s = plan->state;
    const struct i8_plan_request *r = &plan->request;

    for (size_t d = 0; d < plan->n_devices; d++) {
        struct i8_plan_device *dev = &plan->devices[d];
        bool gpu = dev->device >= 0, main_gpu = gpu && d == 0;
        struct i8i_run_cost run = main_gpu ? best->streamed : (struct i8i_run_cost){0};
        uint64_t buffers = 0, streamed = run.weight;
        run.weight = 0;
        for (size_t i = 0; i < s->chain.n; i++) {
            if (best->device[i] != dev->device)
                continue;
            buffers += i8i_item_buffers(model_of(plan), &s->bytes, s->chain.item[i]);
            i8i_run_add(&run, &s->chain.atoms[i]);
        }
        dev->weights_bytes = run.weight - buffers;
        dev->overhead_bytes = buffers + (gpu ? r->reserve : 0) + streamed;
        dev->kv_cache_bytes = gpu ? run.kv[I8I_PHASE_DECODE] : 0;
        run.weight = 0;
        finish_device(dev, gpu ? i8i_run_total(&run) : 0);
    }
}

static enum i8_status make_optimal(struct i8_plan *plan, struct i8_error *err)
{
    struct i8i_plan_state *s = plan->state;
    const struct i8_plan_request *r = &plan->request;
    struct i8i_optimal_problem problem = {
        .chain = &s->chain, .offload = r->offload, .cpu = I8_PLAN_UNBOUNDED};
    struct i8i_optimal best = {0};
    int *gpu = i8i_calloc(r->n_budgets, sizeof *gpu);
    uint64_t *capacity = i8i_calloc(r->n_budgets, sizeof *capacity);
    enum i8_status status = I8_OK;

    if (gpu == NULL || capacity == NULL) {
        status = i8i_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < r->n_budgets; i++) {
        uint64_t bytes = r->budgets[i].bytes;
        if (r->budgets[i].device == I8_PLAN_CPU)
            problem.cpu = bytes;
        if (r->budgets[i].device < 0)
            continue;
        gpu[problem.gpus] = r->budgets[i].device;
        if (bytes != I8_PLAN_UNBOUNDED)
            bytes = bytes > r->reserve ? bytes - r->reserve : 0;
        capacity[problem.gpus++] = bytes;
    }
    problem.gpu = gpu;
    problem.capacity = capacity;
    status = i8i_optimal_solve(&best, &problem, err);
    if (status != I8_OK)
        goto out;
    plan->fits = best.fits;
    plan->short_bytes = best.short_bytes;
    for (size_t i = 0; i < s->chain.n; i++) {
        int item = s->chain.item[i];
        if (i8i_item_is_param(item))
            s->placement.param[~item] = best.device[i];
        else
            s->placement.module[item] = best.device[i];
        (void)device_of(plan, best.device[i]);
    }
    account_optimal(plan, &best);
out:
    i8i_optimal_free(&best);
    free(gpu);
    free(capacity);
    return status;
}

/* ---- replayed ---- */

enum i8_status i8i_plan_replay(struct i8i_replay *r,
                               const struct i8_plan_request *request,
                               struct i8_error *err)
{
    bool transformers = request->strategy == I8_PLAN_TRANSFORMERS;
    struct i8i_limit *limits = i8i_calloc(request->n_budgets, sizeof *limits);
    enum i8_status status = I8_OK;
    size_t n = 0;

    if (limits == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < request->n_budgets; i++) {
        const struct i8_plan_budget *b = &request->budgets[i];
        if (b->device != I8_PLAN_DISK) /* which is always there, without limit */
            limits[n++] = (struct i8i_limit){
                b->device, b->bytes == I8_PLAN_UNBOUNDED ? INFINITY : (double)b->bytes};
    }
    if (request->mode != I8_PLAN_SEQUENTIAL)
        status = i8i_replay_balance(r, limits, n, request->mode == I8_PLAN_BALANCED_LOW_0,
                                    err);
    /* "need more space for buffers that are created during quantization" */
    for (size_t i = 0; i < n && transformers && request->dtype == I8_PLAN_INT8; i++)
        limits[i].bytes *= 0.90;
    if (status == I8_OK)
        status = i8i_replay_run(r, limits, n, err);
    free(limits);
    return status;
}

static enum i8_status make_replay(struct i8_plan *plan, struct i8_error *err)
{
    struct i8i_plan_state *s = plan->state;
    const struct i8i_model *m = model_of(plan);

    s->replay = (struct i8i_replay){
        .model = m,
        .bytes = &s->bytes,
        .rules = plan->request.strategy == I8_PLAN_TRANSFORMERS ? I8I_REPLAY_TRANSFORMERS
                                                                : I8I_REPLAY_ACCELERATE,
    };
    enum i8_status status = i8i_plan_replay(&s->replay, &plan->request, err);
    if (status != I8_OK)
        return status;
    i8i_placement_free(&s->placement);
    s->placement = s->replay.placement;
    s->replay.placement = (struct i8i_placement){0};
    for (int i = 0; i < m->n_params; i++) {
        int device = i8i_placement_of_param(m, &s->placement, i);
        struct i8_plan_device *d = device_of(plan, device);
        if (d != NULL)
            d->weights_bytes += s->bytes.param[i];
    }
    for (size_t i = 0; i < plan->n_devices; i++)
        finish_device(&plan->devices[i], 0);
    plan->fits = true; /* the disk takes what nothing else does */
    return I8_OK;
}

/* ---- all together ---- */

static enum i8_status make(struct i8_plan *plan, const struct i8_plan_request *request,
                           struct i8_error *err)
{
    struct i8i_plan_state *s = plan->state;
    const struct i8i_model *m = model_of(plan);
    bool optimal = request->strategy == I8_PLAN_OPTIMAL;
    enum i8i_byte_rules rules = optimal ? I8I_BYTES_TRUE
                                : request->strategy == I8_PLAN_ACCELERATE
                                    ? I8I_BYTES_ACCELERATE
                                    : I8I_BYTES_TRANSFORMERS;
    enum i8_status status;

    if ((status = copy_request(plan, request, err)) != I8_OK ||
        (status = describe(plan, err)) != I8_OK ||
        (status = i8i_bytes_compute(&s->bytes, m, &plan->request, rules, err)) != I8_OK ||
        (status = i8i_placement_init(&s->placement, m, err)) != I8_OK ||
        (status = list_devices(plan, err)) != I8_OK ||
        (status = i8i_workload_init(&s->workload, m, &plan->request, err)) != I8_OK)
        return status;
    plan->weights_bytes = s->bytes.module[0];
    for (size_t i = 0; optimal && i < m->n_unexpected;
         i++) /* stored along, never loaded */
        plan->weights_bytes += m->unexpected[i]->bytes;
    plan->buffer_bytes = s->bytes.buffer[0];
    plan->eager = s->workload.eager;
    bool any = false;
    for (int i = 0; i < m->n_modules; i++)
        any = any || s->bytes.converted[i];
    s->workload.int8 = s->workload.int8 && any;

    status = i8i_chain_build(&s->chain, m, &s->bytes, &s->workload, err);
    if (status != I8_OK)
        return status;
    struct i8i_run_cost whole = {0};
    for (size_t i = 0; i < s->chain.n; i++)
        i8i_run_add(&whole, &s->chain.atoms[i]);
    plan->kv_cache_bytes = whole.kv[I8I_PHASE_DECODE];
    whole.weight = 0;
    uint64_t beside = i8i_run_total(&whole);
    plan->activation_bytes =
        beside > plan->kv_cache_bytes ? beside - plan->kv_cache_bytes : 0;
    status = optimal ? make_optimal(plan, err) : make_replay(plan, err);
    if (status == I8_OK && plan->fits)
        status = i8i_device_map(&plan->map, &plan->n_map, m, &s->placement, err);
    if (status == I8_OK)
        status = i8i_explain_model(plan, err);
    if (status == I8_OK)
        status =
            optimal ? i8i_explain_shortage(plan, err) : i8i_explain_spills(plan, err);
    return status;
}

enum i8_status i8_plan_make(struct i8_plan **out, const struct i8_planner *p,
                            const struct i8_plan_request *request, struct i8_error *err)
{
    struct i8_plan *plan = i8i_calloc(1, sizeof *plan);

    *out = NULL;
    if (plan == NULL)
        return i8i_nomem(err);
    plan->planner = p;
    plan->state = i8i_calloc(1, sizeof(struct i8i_plan_state));
    enum i8_status status =
        plan->state == NULL ? i8i_nomem(err) : make(plan, request, err);
    if (status != I8_OK) {
        i8_plan_free(plan);
        return status;
    }
    *out = plan;
    return I8_OK;
}

void i8_plan_free(struct i8_plan *plan)
{
    if (plan == NULL)
        return;
    struct i8i_plan_state *s = plan->state;
    if (s != NULL) {
        i8i_bytes_free(&s->bytes);
        i8i_placement_free(&s->placement);
        i8i_chain_free(&s->chain);
        i8i_replay_free(&s->replay);
        free(s->budgets);
        free(s);
    }
    for (size_t i = 0; i < plan->n_notes; i++)
        free((char *)plan->notes[i]);
    free(plan->notes);
    free(plan->devices);
    free(plan->map);
    free(plan);
}
