/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes that say why a plan is as it is, and the least change that makes it better.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/memory.h"
#include "base/size.h"
#include "planner/optimal.h"
#include "planner/replay_list.h"

#include <math.h>
#include <stdlib.h>

#define MOST_SPILLS 16 /* told one by one */
#define MOST_GPUS   64 /* tried when one more GPU might do */

static const char *size_text(char buf[I8I_SIZE_TEXT], double bytes)
{
    return i8i_size_text(buf, bytes > 0 ? (uint64_t)bytes : 0);
}

/* ---- the model ---- */

enum i8_status i8i_explain_model(struct i8_plan *plan, struct i8_error *err)
{
    const struct i8i_model *m = plan->planner->model;
    const struct i8_plan_request *r = &plan->request;
    uint64_t fused = 0;
    char text[2][I8I_SIZE_TEXT];
    bool ok = true;

    for (size_t i = 0; ok && i < m->n_notes; i++)
        ok = i8i_plan_note(plan, "%s", m->notes[i]);
    if (m->family == NULL)
        ok =
            ok && i8i_plan_note(plan, "unknown family: blocks, cache and activations are "
                                      "not known; only the weights are counted");
    for (int i = 0; r->dtype == I8_PLAN_INT8 && i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        if (mod->n_params == 0 || i8i_model_decide(m, i, i8i_plan_reader(r->runtime),
                                                   NULL) != I8I_KEEP_FUSED_EXPERT)
            continue;
        for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++)
            fused += i8i_plan_state(plan)->bytes.param[k];
    }
    if (fused > 0)
        ok = ok && i8i_plan_note(plan,
                                 "transformers 5 fuses the experts and leaves them in 16 "
                                 "bits: %s of %s are not int8; with --runtime int8tool "
                                 "they take about half of that",
                                 i8i_size_text(text[0], fused),
                                 i8i_size_text(text[1], plan->weights_bytes));
    fused = 0;
    for (int k = 0; (m->hp.flags & I8I_FLAG_FUSED_EXPERTS) && k < m->n_params; k++)
        if (m->params[k].rank == 3 && !m->params[k].buffer &&
            m->modules[m->params[k].module].kind != I8I_NODE_CONV)
            fused += i8i_plan_state(plan)->bytes.param[k];
    if (fused > 0 && r->dtype == I8_PLAN_INT8)
        ok = ok &&
             i8i_plan_note(plan,
                           "the checkpoint holds each block's experts as one "
                           "parameter, which is not converted: %s of %s are not int8",
                           i8i_size_text(text[0], fused),
                           i8i_size_text(text[1], plan->weights_bytes));
    int64_t positions = m->hp.dim[I8I_DIM_POSITIONS];
    if (positions > 0 && r->context > (uint64_t)positions &&
        m->hp.arch.shape == I8I_SHAPE_DECODER)
        ok = ok &&
             i8i_plan_note(plan, "context %llu is more than the model's %lld positions",
                           (unsigned long long)r->context, (long long)positions);
    return ok ? I8_OK : i8i_nomem(err);
}

/* ---- the replayed strategies ---- */

static bool leaves_gpus(const struct i8i_model *m, const struct i8i_placement *p)
{
    for (int i = 0; i < m->n_modules; i++)
        if (p->module[i] == I8_PLAN_CPU || p->module[i] == I8_PLAN_DISK)
            return true;
    for (int i = 0; i < m->n_params; i++)
        if (p->param[i] == I8_PLAN_CPU || p->param[i] == I8_PLAN_DISK)
            return true;
    return false;
}

/* Does everything stay on the GPUs when each has `more` bytes more? */
static bool stays(const struct i8_plan *plan, uint64_t more)
{
    struct i8i_plan_state *s = plan->state;
    struct i8i_replay r = s->replay;
    struct i8_plan_request request = plan->request;
    struct i8_plan_budget *budgets = i8i_calloc(request.n_budgets, sizeof *budgets);
    bool yes = false;

    if (budgets == NULL)
        return false;
    for (size_t i = 0; i < request.n_budgets; i++) {
        budgets[i] = request.budgets[i];
        if (budgets[i].device >= 0 && budgets[i].bytes != I8_PLAN_UNBOUNDED)
            budgets[i].bytes += more;
    }
    request.budgets = budgets;
    r.spills = NULL;
    r.n_spills = 0;
    r.placement = (struct i8i_placement){0};
    if (i8i_plan_replay(&r, &request, NULL) == I8_OK)
        yes = !leaves_gpus(r.model, &r.placement);
    i8i_replay_free(&r);
    free(budgets);
    return yes;
}

static bool explain_spill(struct i8_plan *plan, const struct i8i_spill *spill)
{
    const struct i8i_model *m = plan->planner->model;
    char device[I8I_DEVICE_TEXT], text[3][I8I_SIZE_TEXT];

    if (spill->reserve > 0)
        return i8i_plan_note(
            plan, "%s needs %s, %s has %s left after keeping %s free for %s",
            i8i_item_name(m, spill->item), size_text(text[0], spill->needed),
            i8i_device_text(device, spill->device), size_text(text[1], spill->left),
            size_text(text[2], spill->reserve), i8i_item_name(m, spill->reserve_for));
    return i8i_plan_note(plan, "%s needs %s, %s has %s left",
                         i8i_item_name(m, spill->item), size_text(text[0], spill->needed),
                         i8i_device_text(device, spill->device),
                         size_text(text[1], spill->left));
}

enum i8_status i8i_explain_spills(struct i8_plan *plan, struct i8_error *err)
{
    struct i8i_plan_state *s = plan->state;
    const struct i8i_model *m = plan->planner->model;
    char text[I8I_SIZE_TEXT];
    bool ok =
        i8i_plan_note(plan,
                      "this strategy counts no cache and no activations: %s more "
                      "for the batch and context given",
                      i8i_size_text(text, plan->kv_cache_bytes + plan->activation_bytes));

    if (!leaves_gpus(m, &s->placement))
        return ok ? I8_OK : i8i_nomem(err);
    for (size_t i = 0; ok && i < s->replay.n_spills && i < MOST_SPILLS; i++)
        ok = explain_spill(plan, &s->replay.spills[i]);
    if (plan->request.strategy == I8_PLAN_TRANSFORMERS &&
        plan->request.dtype == I8_PLAN_INT8)
        ok = ok &&
             i8i_plan_note(plan, "from_pretrained refuses this map in 8 bits: modules "
                                 "are on the CPU or the disk");
    uint64_t low = 0, high = plan->weights_bytes;
    bool gpu = plan->request.budgets[0].device >= 0;
    while (gpu && high < UINT64_MAX / 4 && !stays(plan, high) &&
           high < plan->weights_bytes * 16)
        high = high * 2 + 1;
    if (!gpu || !stays(plan, high))
        return ok ? I8_OK : i8i_nomem(err);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (stays(plan, middle))
            high = middle;
        else
            low = middle + 1;
    }
    ok = ok && i8i_plan_note(plan,
                             "with %s (%llu bytes) more on each GPU all of it stays "
                             "on the GPUs",
                             i8i_size_text(text, low), (unsigned long long)low);
    return ok ? I8_OK : i8i_nomem(err);
}

/* ---- the optimal strategy ---- */

enum i8_status i8i_explain_shortage(struct i8_plan *plan, struct i8_error *err)
{
    struct i8i_plan_state *s = plan->state;
    const struct i8_plan_request *r = &plan->request;
    uint64_t most = 0, needed = 0;
    size_t gpus = 0;
    char text[2][I8I_SIZE_TEXT];
    bool ok = true;

    if (plan->fits)
        return I8_OK;
    for (size_t i = 0; i < r->n_budgets; i++) {
        if (r->budgets[i].device < 0)
            continue;
        gpus++;
        if (most < r->budgets[i].bytes)
            most = r->budgets[i].bytes;
    }
    if (plan->short_bytes == 0)
        ok =
            i8i_plan_note(plan, "does not fit: no GPU holds one layer at a time with its "
                                "activations, so that it could run what is offloaded");
    else
        ok = i8i_plan_note(plan, "does not fit: %s (%llu bytes) have no place",
                           i8i_size_text(text[0], plan->short_bytes),
                           (unsigned long long)plan->short_bytes);
    enum i8_status status = i8i_optimal_equal_budget(&needed, &s->chain, gpus, err);
    if (status != I8_OK)
        return status;
    if (needed < UINT64_MAX - r->reserve)
        ok = ok && i8i_plan_note(plan, "%zu GPU%s of %s (%llu bytes) each would do", gpus,
                                 gpus > 1 ? "s" : "",
                                 i8i_size_text(text[0], needed + r->reserve),
                                 (unsigned long long)(needed + r->reserve));
    for (size_t n = gpus + 1; ok && n <= MOST_GPUS && most > r->reserve; n++) {
        status = i8i_optimal_equal_budget(&needed, &s->chain, n, err);
        if (status != I8_OK)
            return status;
        if (needed > most - r->reserve)
            continue;
        ok = i8i_plan_note(plan, "so would %zu GPUs of %s", n,
                           i8i_size_text(text[0], most));
        break;
    }
    if (!r->offload)
        ok = ok && i8i_plan_note(plan, "--offload allows the CPU and the disk");
    return ok ? I8_OK : i8i_nomem(err);
}
