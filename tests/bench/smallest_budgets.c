/* SPDX-License-Identifier: Apache-2.0
 *
 * For each MODEL and 2, 4 and 8 GPUs: the smallest equal budget that keeps all weights
 * on the GPUs: a lower bound, ours, and what device_map="auto" needs. One table row a
 * line, in Markdown.
 *
 *     smallest_budgets MODEL …
 */
#include "config.h"

#include "base/memory.h"
#include "planner/optimal.h"
#include "planner/plan_state.h"

#include <stdio.h>
#include <stdlib.h>

static void die(const struct i8_error *err)
{
    (void)fprintf(stderr, "smallest_budgets: %s\n", err->message);
    exit(1);
}

/* Does the replayed strategy keep everything on n GPUs of `bytes` each? */
static bool stays(const struct i8_planner *p, struct i8_plan_request r, size_t n,
                  uint64_t bytes)
{
    struct i8_plan_budget budgets[8];
    struct i8_plan *plan;
    struct i8_error err = {0};
    bool on_gpus = true;

    for (size_t i = 0; i < n; i++)
        budgets[i] = (struct i8_plan_budget){(int)i, bytes};
    r.budgets = budgets;
    r.n_budgets = n;
    if (i8_plan_make(&plan, p, &r, &err) != I8_OK) {
        if (err.status == I8_ERR_UNSUPPORTED) /* the Python code raises */
            return false;
        die(&err);
    }
    for (size_t i = 0; i < plan->n_map; i++)
        on_gpus = on_gpus && plan->map[i].device >= 0;
    i8_plan_free(plan);
    return on_gpus;
}

/* Below the answer it may happen to work again; above it, it was seen to work. */
static uint64_t smallest(const struct i8_planner *p, const struct i8_plan_request *r,
                         size_t n, uint64_t low, uint64_t high)
{
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (stays(p, *r, n, middle))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void row(const char *name, const struct i8_planner *p,
                enum i8_plan_strategy strategy, enum i8_plan_dtype dtype,
                const char *what)
{
    struct i8_plan_request r = I8_PLAN_REQUEST_INIT;
    struct i8_error err = {0};
    struct i8i_bytes bytes;
    struct i8i_chain chain;
    const struct i8i_model *m = p->model;

    r.dtype = dtype;
    r.strategy = strategy;
    enum i8i_byte_rules rules =
        strategy == I8_PLAN_ACCELERATE ? I8I_BYTES_ACCELERATE : I8I_BYTES_TRANSFORMERS;
    if (i8i_bytes_compute(&bytes, m, &r, rules, &err) != I8_OK ||
        i8i_chain_build(&chain, m, &bytes, NULL, &err) != I8_OK)
        die(&err);
    uint64_t total = bytes.module[0], atom = 0;
    for (size_t i = 0; i < chain.n; i++) { /* its buffers are in its bytes here */
        int item = chain.item[i];
        chain.atoms[i].weight =
            i8i_item_is_param(item) ? bytes.param[~item] : bytes.module[item];
        if (atom < chain.atoms[i].weight)
            atom = chain.atoms[i].weight;
    }
    for (size_t n = 2; n <= 8; n *= 2) {
        uint64_t bound = (total + n - 1) / n > atom ? (total + n - 1) / n : atom, ours;
        if (i8i_optimal_equal_budget(&ours, &chain, n, &err) != I8_OK)
            die(&err);
        uint64_t theirs = smallest(p, &r, n, bound, 3 * total);
        (void)printf("| %s | %s | %zu | %.3f | %.3f | %.3f | +%.0f %% |\n", name, what, n,
                     (double)bound / 1e9, (double)ours / 1e9, (double)theirs / 1e9,
                     ((double)theirs / (double)ours - 1) * 100);
    }
    i8i_chain_free(&chain);
    i8i_bytes_free(&bytes);
}

int main(int argc, char **argv)
{
    (void)printf(
        "| model | weights | GPUs | lower bound GB | ours GB | auto GB | more |\n"
        "|---|---|---|---|---|---|---|\n");
    for (int i = 1; i < argc; i++) {
        struct i8_error err = {0};
        struct i8_planner *p;
        const char *slash = argv[i];
        for (const char *c = argv[i]; *c != '\0'; c++)
            if (*c == '/' && c[1] != '\0')
                slash = c + 1;
        if (i8_planner_open(&p, argv[i], &err) != I8_OK)
            die(&err);
        row(slash, p, I8_PLAN_ACCELERATE, I8_PLAN_FP16, "fp16, accelerate");
        row(slash, p, I8_PLAN_TRANSFORMERS, I8_PLAN_INT8, "int8, transformers");
        i8_planner_free(p);
    }
    return 0;
}
