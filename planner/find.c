/* SPDX-License-Identifier: Apache-2.0
 *
 * Planning backwards: the least number of cards, the longest context, the largest
 * batch, each by bisection over whole plans.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/memory.h"

#include <stdlib.h>

static enum i8_status fits(bool *yes, const struct i8_planner *p,
                           const struct i8_plan_request *r, struct i8_error *err)
{
    struct i8_error own = {0};
    struct i8_plan *plan;
    enum i8_status status = i8_plan_make(&plan, p, r, &own);

    *yes = false;
    if (status == I8_ERR_ARG) /* beyond what can be planned is beyond what fits */
        return I8_OK;
    if (status != I8_OK) {
        if (err != NULL)
            *err = own;
        return status;
    }
    *yes = plan->fits;
    i8_plan_free(plan);
    return I8_OK;
}

/* The largest value of *field, a member of *r, in [low, high] that fits; 0 if low does
 * not. */
static enum i8_status largest(uint64_t *out, const struct i8_planner *p,
                              const struct i8_plan_request *r, uint64_t *field,
                              uint64_t low, uint64_t high, struct i8_error *err)
{
    enum i8_status status;
    bool yes;

    *out = 0;
    *field = low;
    if ((status = fits(&yes, p, r, err)) != I8_OK || !yes)
        return status;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        *field = middle;
        if ((status = fits(&yes, p, r, err)) != I8_OK)
            return status;
        if (yes)
            low = middle;
        else
            high = middle - 1;
    }
    *out = low;
    return I8_OK;
}

/* The least number of equal GPUs, at most `limit`; 0 if that is too few. */
static enum i8_status least_gpus(uint64_t *out, const struct i8_planner *p,
                                 struct i8_plan_request *r, uint64_t limit,
                                 struct i8_error *err)
{
    uint64_t low = 1, high = limit;
    enum i8_status status;
    bool yes;

    *out = 0;
    r->n_budgets = (size_t)limit;
    if ((status = fits(&yes, p, r, err)) != I8_OK || !yes)
        return status;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        r->n_budgets = (size_t)middle;
        if ((status = fits(&yes, p, r, err)) != I8_OK)
            return status;
        if (yes)
            high = middle;
        else
            low = middle + 1;
    }
    *out = low;
    return I8_OK;
}

static enum i8_status find_gpus(struct i8_plan_found **out, size_t *n,
                                const struct i8_planner *p, struct i8_plan_request *r,
                                uint64_t limit, struct i8_error *err)
{
    const struct i8_plan_card *cards = i8_plan_cards();
    struct i8_plan_budget *budgets = i8i_calloc((size_t)limit, sizeof *budgets);
    enum i8_status status = I8_OK;
    size_t count = 0;

    while (cards[count].name != NULL)
        count++;
    *out = i8i_calloc(count, sizeof **out);
    if (budgets == NULL || *out == NULL)
        status = i8i_nomem(err);
    if (r->reserve == 0)
        r->reserve = I8_PLAN_CONTEXT_BYTES;
    r->budgets = budgets;
    r->strategy = I8_PLAN_OPTIMAL;
    r->offload = false;
    for (size_t c = 0; status == I8_OK && c < count; c++) {
        for (uint64_t i = 0; i < limit; i++)
            budgets[i] = (struct i8_plan_budget){(int)i, cards[c].bytes};
        (*out)[c].card = cards[c].name;
        status = least_gpus(&(*out)[c].value, p, r, limit, err);
    }
    *n = count;
    free(budgets);
    return status;
}

enum i8_status i8_plan_find(struct i8_plan_found **out, size_t *n,
                            const struct i8_planner *p,
                            const struct i8_plan_request *request,
                            enum i8_plan_unknown unknown, uint64_t limit,
                            struct i8_error *err)
{
    struct i8_plan_request r = *request;
    enum i8_status status;

    *out = NULL;
    *n = 0;
    if (limit == 0 || (unknown != I8_PLAN_FIND_GPUS && r.n_budgets == 0))
        return i8i_fail(err, I8_ERR_ARG, "a search needs a limit and budgets or cards");
    if (unknown == I8_PLAN_FIND_GPUS) {
        status = find_gpus(out, n, p, &r, limit, err);
    } else {
        *out = i8i_calloc(1, sizeof **out);
        *n = 1;
        if (*out == NULL)
            status = i8i_nomem(err);
        else if (unknown == I8_PLAN_FIND_CONTEXT)
            status =
                largest(&(*out)->value, p, &r, &r.context, r.new_tokens + 1, limit, err);
        else
            status = largest(&(*out)->value, p, &r, &r.batch, 1, limit, err);
    }
    if (status != I8_OK) {
        free(*out);
        *out = NULL;
        *n = 0;
    }
    return status;
}
