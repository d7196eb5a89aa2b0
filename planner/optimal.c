/* SPDX-License-Identifier: Apache-2.0
 *
 * Tied atoms stand together where any one of them runs: each choice gives a chain,
 * each chain is cut in the best way, and the best of those is taken.
 */
#include "config.h"

#include "planner/optimal.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Choices of places that are tried; models have one group of two to four. */
#define MOST_CHOICES 256
/* Chains up to this long are searched for a place between blocks. */
#define MOST_PLACES 1024

static bool better(const struct i8i_optimal *a, const struct i8i_optimal *b)
{
    if (a->fits != b->fits)
        return a->fits;
    if (a->off_bytes != b->off_bytes)
        return a->off_bytes < b->off_bytes;
    if (a->least_free != b->least_free)
        return a->least_free > b->least_free;
    return a->most_free < b->most_free;
}

/* What the first GPU bears while atoms [first, n) live off the GPUs: it computes them,
 * so it has their cache, their activations and the largest one's weights. */
static struct i8i_run_cost streamed_cost(const struct i8i_merged *c, size_t first)
{
    struct i8i_run_cost cost = {0};

    for (size_t i = first; i < c->n; i++) {
        uint64_t largest = cost.weight;
        cost.weight = 0;
        i8i_run_add(&cost, &c->atoms[i]);
        if (cost.weight < largest)
            cost.weight = largest;
    }
    return cost;
}

/* Cuts one merged chain; fills all of *out but fits and device. *placed: atoms on GPUs.
 */
static enum i8_status cut_chain(struct i8i_optimal *out, size_t *cut, size_t *placed,
                                const struct i8i_merged *c,
                                const struct i8i_optimal_problem *p, struct i8_error *err)
{
    struct i8i_partition_problem q = {
        .atoms = c->atoms, .n = c->n, .capacity = p->capacity, .gpus = p->gpus};
    struct i8i_partition best;
    enum i8_status status = i8i_partition_solve(&best, cut, &q, err);

    if (status != I8_OK)
        return status;
    if (best.placed < c->n && p->offload && p->gpus > 0) {
        size_t n = best.placed + 1;
        do { /* fewer atoms on the GPUs, until the first one can bear the others too */
            q.n = --n;
            q.first = streamed_cost(c, n);
        } while (n > 0 && !i8i_partition_fits(&q));
        if (i8i_partition_fits(&q)) {
            status = i8i_partition_solve(&best, cut, &q, err);
            if (status != I8_OK)
                return status;
            out->streamed = q.first;
        } else {
            best.placed = 0;
        }
    }
    out->least_free = best.least_free;
    out->most_free = best.most_free;
    *placed = best.placed;
    return I8_OK;
}

static void assign(struct i8i_optimal *out, const struct i8i_chain *c,
                   const struct i8i_merged *merged, size_t i, int device)
{
    size_t first = merged->order[i];

    out->device[first] = device;
    for (size_t k = 0; c->group[first] >= 0 && k < c->n; k++)
        if (c->group[k] == c->group[first])
            out->device[k] = device;
}

/* The atoms behind the GPUs' go to the CPU as far as it reaches, then to the disk. */
static void assign_rest(struct i8i_optimal *out, const struct i8i_merged *merged,
                        size_t placed, const struct i8i_optimal_problem *p)
{
    uint64_t cpu_left = p->offload ? p->cpu : 0;
    bool cpu_full = !p->offload;

    for (size_t i = placed; i < merged->n; i++) {
        const struct i8i_atom *a = &merged->atoms[i];
        int device = p->offload ? I8_PLAN_DISK : I8_PLAN_NONE;
        if (!cpu_full && a->weight <= cpu_left) {
            cpu_left -= a->weight;
            device = I8_PLAN_CPU;
        } else {
            cpu_full = true;
        }
        out->off_bytes += a->weight;
        if (device == I8_PLAN_NONE)
            out->short_bytes += a->weight + a->kv[I8I_PHASE_DECODE];
        assign(out, p->chain, merged, i, device);
    }
}

/* Moves the first group's atom to place `to` of the chain. */
static void move_group(struct i8i_merged *m, const struct i8i_chain *c, size_t to)
{
    size_t from = 0;

    while (c->group[m->order[from]] != 0)
        from++;
    struct i8i_atom atom = m->atoms[from];
    size_t order = m->order[from];
    size_t low = from < to ? from : to, n = (from < to ? to : from) - low;
    size_t source = from < to ? low + 1 : low, target = from < to ? low : low + 1;
    memmove(m->atoms + target, m->atoms + source, n * sizeof *m->atoms);
    memmove(m->order + target, m->order + source, n * sizeof *m->order);
    m->atoms[to] = atom;
    m->order[to] = order;
}

/* place: where the first group stands; SIZE_MAX: where its member runs. */
static enum i8_status try_choice(struct i8i_optimal *out, size_t *cut, const int *member,
                                 size_t place, const struct i8i_optimal_problem *p,
                                 struct i8_error *err)
{
    const struct i8i_chain *c = p->chain;
    struct i8i_merged merged;
    size_t placed = 0;
    enum i8_status status = i8i_chain_merge(&merged, c, member, err);

    if (status != I8_OK)
        return status;
    if (place < merged.n)
        move_group(&merged, c, place);
    out->off_bytes = out->short_bytes = 0;
    out->streamed = (struct i8i_run_cost){0};
    for (size_t i = 0; i < c->n; i++)
        out->device[i] = I8_PLAN_NONE;
    status = cut_chain(out, cut, &placed, &merged, p, err);
    if (status == I8_OK) {
        for (size_t g = 0; g < p->gpus && placed > 0; g++)
            for (size_t i = cut[g]; i < cut[g + 1]; i++)
                assign(out, c, &merged, i, p->gpu[g]);
        assign_rest(out, &merged, placed, p);
        /* a first GPU that cannot even stream a layer is no help */
        bool bears = placed > 0 || merged.n == 0 || p->gpus == 0 ||
                     i8i_run_total(&out->streamed) > 0;
        out->fits = out->short_bytes == 0 && (placed == merged.n || p->offload) &&
                    (placed == merged.n || bears);
    }
    i8i_merged_free(&merged);
    return status;
}

static void keep_better(struct i8i_optimal *best, struct i8i_optimal *trial, bool *first)
{
    if (!*first && !better(trial, best))
        return;
    struct i8i_optimal worse = *best;
    *best = *trial;
    *trial = worse;
    *first = false;
}

static bool next_choice(int *member, const struct i8i_chain *c)
{
    for (int g = 0; g < c->n_groups; g++) {
        if (++member[g] < i8i_chain_members(c, g))
            return true;
        member[g] = 0;
    }
    return false;
}

enum i8_status i8i_optimal_solve(struct i8i_optimal *out,
                                 const struct i8i_optimal_problem *p,
                                 struct i8_error *err)
{
    size_t n = p->chain->n;
    int *member = i8i_calloc((size_t)p->chain->n_groups, sizeof *member);
    size_t *cut = i8i_calloc(p->gpus + 1, sizeof *cut);
    struct i8i_optimal trial = {.device = i8i_calloc(n, sizeof *trial.device)};
    enum i8_status status = I8_OK;

    *out = (struct i8i_optimal){.device = i8i_calloc(n, sizeof *out->device)};
    if (member == NULL || cut == NULL || trial.device == NULL || out->device == NULL)
        status = i8i_nomem(err);
    bool first = true;
    for (int choice = 0; status == I8_OK && choice < MOST_CHOICES; choice++) {
        status = try_choice(&trial, cut, member, SIZE_MAX, p, err);
        if (status == I8_OK)
            keep_better(out, &trial, &first);
        if (!next_choice(member, p->chain))
            break;
    }
    /* Only where that leaves something off the GPUs may the tied atoms stand between
     * blocks: it costs two more hops from GPU to GPU for each token. */
    for (size_t place = 0; status == I8_OK && p->chain->n_groups == 1 && place < n &&
                           n <= MOST_PLACES && (!out->fits || out->off_bytes > 0);
         place++) {
        memset(member, 0, sizeof *member);
        status = try_choice(&trial, cut, member, place, p, err);
        if (status == I8_OK)
            keep_better(out, &trial, &first);
    }
    free(member);
    free(cut);
    free(trial.device);
    if (status != I8_OK)
        i8i_optimal_free(out);
    return status;
}

void i8i_optimal_free(struct i8i_optimal *o)
{
    free(o->device);
    o->device = NULL;
}

enum i8_status i8i_optimal_equal_budget(uint64_t *bytes, const struct i8i_chain *chain,
                                        size_t gpus, struct i8_error *err)
{
    int *member = i8i_calloc((size_t)chain->n_groups, sizeof *member);
    enum i8_status status = member == NULL ? i8i_nomem(err) : I8_OK;

    *bytes = UINT64_MAX;
    for (int choice = 0; status == I8_OK && choice < MOST_CHOICES; choice++) {
        struct i8i_merged merged;
        status = i8i_chain_merge(&merged, chain, member, err);
        if (status != I8_OK)
            break;
        uint64_t budget = i8i_partition_equal_budget(merged.atoms, merged.n, gpus);
        if (*bytes > budget)
            *bytes = budget;
        i8i_merged_free(&merged);
        if (!next_choice(member, chain))
            break;
    }
    free(member);
    return status;
}
