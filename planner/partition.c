/* SPDX-License-Identifier: Apache-2.0
 *
 * Chain partition. "Can it be done with `slack` bytes free on each GPU?" is answered
 * by filling one GPU after the other as far as it goes: a longer run on an earlier GPU
 * never hurts, since costs are monotone. Bisection over the slack gives the best
 * worst-off GPU. Then the best-off one is bounded from above by a second bisection,
 * whose test follows all reachable cuts at once.
 */
#include "config.h"

#include "planner/partition.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static uint64_t sat_add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return i8i_add_u64(&sum, a, b) ? sum : UINT64_MAX;
}

void i8i_run_add(struct i8i_run_cost *c, const struct i8i_atom *a)
{
    c->weight = sat_add(c->weight, a->weight);
    for (int p = 0; p < I8I_PHASES; p++) {
        c->kv[p] = sat_add(c->kv[p], a->kv[p]);
        if (c->active[p] < a->active[p])
            c->active[p] = a->active[p];
    }
}

uint64_t i8i_run_total(const struct i8i_run_cost *c)
{
    uint64_t most = 0;
    for (int p = 0; p < I8I_PHASES; p++) {
        uint64_t phase = sat_add(c->kv[p], c->active[p]);
        if (most < phase)
            most = phase;
    }
    return sat_add(c->weight, most);
}

/* Fills the GPUs from the front, `slack` bytes short of their capacity. Returns how many
 * atoms found a place; cut may be NULL. */
static size_t fill(const struct i8i_partition_problem *q, uint64_t slack, size_t *cut)
{
    size_t at = 0;

    for (size_t g = 0; g < q->gpus; g++) {
        struct i8i_run_cost run = g == 0 ? q->first : (struct i8i_run_cost){0};
        uint64_t limit = q->capacity[g] < slack ? 0 : q->capacity[g] - slack;
        if (cut != NULL)
            cut[g] = at;
        for (; at < q->n; at++) {
            struct i8i_run_cost longer = run;
            i8i_run_add(&longer, &q->atoms[at]);
            if (i8i_run_total(&longer) > limit)
                break;
            run = longer;
        }
    }
    if (cut != NULL)
        cut[q->gpus] = at;
    return at;
}

bool i8i_partition_fits(const struct i8i_partition_problem *problem)
{
    if (problem->gpus > 0 && i8i_run_total(&problem->first) > problem->capacity[0])
        return false;
    return fill(problem, 0, NULL) == problem->n;
}

static uint64_t run_cost(const struct i8i_partition_problem *q, size_t gpu, size_t first,
                         size_t last)
{
    struct i8i_run_cost run = gpu == 0 ? q->first : (struct i8i_run_cost){0};
    for (size_t i = first; i < last; i++)
        i8i_run_add(&run, &q->atoms[i]);
    return i8i_run_total(&run);
}

/* ---- both bounds at once ---- */

/* Costs of arbitrary runs in constant time: prefix sums, and tables of maxima over
 * spans of powers of two. */
struct spans {
    uint64_t *weight, *kv[I8I_PHASES];
    uint64_t *max[I8I_PHASES]; /* [level][n] */
    size_t n;
};

static void spans_free(struct spans *s)
{
    free(s->weight);
    for (int p = 0; p < I8I_PHASES; p++) {
        free(s->kv[p]);
        free(s->max[p]);
    }
}

static unsigned level_of(size_t length)
{
    return 63u - (unsigned)__builtin_clzll(length);
}

static bool spans_init(struct spans *s, const struct i8i_partition_problem *q)
{
    size_t levels = level_of(q->n) + 1;

    *s = (struct spans){.n = q->n};
    s->weight = i8i_calloc(q->n + 1, sizeof *s->weight);
    if (s->weight == NULL)
        return false;
    for (size_t i = 0; i < q->n; i++)
        s->weight[i + 1] = sat_add(s->weight[i], q->atoms[i].weight);
    for (int p = 0; p < I8I_PHASES; p++) {
        s->kv[p] = i8i_calloc(q->n + 1, sizeof *s->kv[p]);
        s->max[p] = i8i_calloc(q->n * levels, sizeof *s->max[p]);
        if (s->kv[p] == NULL || s->max[p] == NULL)
            return false;
        for (size_t i = 0; i < q->n; i++) {
            s->kv[p][i + 1] = sat_add(s->kv[p][i], q->atoms[i].kv[p]);
            s->max[p][i] = q->atoms[i].active[p];
        }
        for (size_t l = 1; l < levels; l++) {
            const uint64_t *half = s->max[p] + (l - 1) * q->n;
            uint64_t *full = s->max[p] + l * q->n;
            for (size_t i = 0; i + ((size_t)1 << l) <= q->n; i++) {
                uint64_t a = half[i], b = half[i + ((size_t)1 << (l - 1))];
                full[i] = a > b ? a : b;
            }
        }
    }
    return true;
}

/* `run` is what the GPU bears without it. */
static uint64_t span_cost(const struct spans *s, struct i8i_run_cost run, size_t first,
                          size_t last)
{
    if (first == last)
        return i8i_run_total(&run);
    run.weight = sat_add(run.weight, s->weight[last] - s->weight[first]);
    unsigned level = level_of(last - first);
    for (int p = 0; p < I8I_PHASES; p++) {
        const uint64_t *max = s->max[p] + level * s->n;
        uint64_t a = max[first], b = max[last - ((size_t)1 << level)];
        run.kv[p] = sat_add(run.kv[p], s->kv[p][last] - s->kv[p][first]);
        if (run.active[p] < (a > b ? a : b))
            run.active[p] = a > b ? a : b;
    }
    return i8i_run_total(&run);
}

/* from[g * (n + 1) + i]: the cut before, if atoms [0, i) can go to the GPUs 0 … g-1
 * with each of them at least `slack` and at most `most` bytes free; SIZE_MAX if not.
 * True if all n atoms can go to all GPUs. */
static bool reach(size_t *from, const struct i8i_partition_problem *q,
                  const struct spans *s, uint64_t slack, uint64_t most)
{
    size_t width = q->n + 1;

    memset(from, 0xff, (q->gpus + 1) * width * sizeof *from);
    from[0] = 0;
    for (size_t g = 0; g < q->gpus; g++) {
        const size_t *here = from + g * width;
        size_t *next = from + (g + 1) * width;
        const struct i8i_run_cost base = g == 0 ? q->first : (struct i8i_run_cost){0};
        uint64_t limit = q->capacity[g] - slack;
        uint64_t floor_ = q->capacity[g] > most ? q->capacity[g] - most : 0;
        size_t lo = 0, hi = 0, done = 0; /* the runs from i end in [lo, hi) */
        for (size_t i = 0; i <= q->n; i++) {
            if (here[i] == SIZE_MAX)
                continue;
            if (lo < i)
                lo = i;
            if (hi < i + 1)
                hi = i + 1;
            while (hi <= q->n && span_cost(s, base, i, hi) <= limit)
                hi++;
            while (lo < hi && span_cost(s, base, i, lo) < floor_)
                lo++;
            for (size_t j = lo > done ? lo : done; j < hi; j++)
                next[j] = i;
            if (done < hi)
                done = hi;
        }
    }
    return from[q->gpus * width + q->n] != SIZE_MAX;
}

static enum i8_status even_out(size_t *cut, const struct i8i_partition_problem *q,
                               uint64_t slack, uint64_t most, struct i8_error *err)
{
    struct spans spans = {0};
    size_t cells;
    size_t *from = NULL;
    enum i8_status status = I8_OK;

    if (__builtin_mul_overflow(q->gpus + 1, q->n + 1, &cells))
        return i8i_nomem(err);
    from = i8i_calloc(cells, sizeof *from);
    if (from == NULL || !spans_init(&spans, q)) {
        status = i8i_nomem(err);
        goto out;
    }
    uint64_t low = slack, high = most; /* high is known to work: fill() made it */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (reach(from, q, &spans, slack, middle))
            high = middle;
        else
            low = middle + 1;
    }
    if (!reach(from, q, &spans, slack, high))
        goto out; /* keep fill()'s cuts */
    size_t at = q->n;
    for (size_t g = q->gpus; g > 0; g--) {
        cut[g] = at;
        at = from[g * (q->n + 1) + at];
    }
    cut[0] = at;
out:
    spans_free(&spans);
    free(from);
    return status;
}

static void measure(struct i8i_partition *out, const struct i8i_partition_problem *q,
                    const size_t *cut)
{
    out->least_free = UINT64_MAX;
    out->most_free = 0;
    for (size_t g = 0; g < q->gpus; g++) {
        uint64_t free_bytes = q->capacity[g] - run_cost(q, g, cut[g], cut[g + 1]);
        if (out->least_free > free_bytes)
            out->least_free = free_bytes;
        if (out->most_free < free_bytes)
            out->most_free = free_bytes;
    }
}

enum i8_status i8i_partition_solve(struct i8i_partition *out, size_t *cut,
                                   const struct i8i_partition_problem *problem,
                                   struct i8_error *err)
{
    struct i8i_partition_problem q = *problem;
    uint64_t least_capacity = INT64_MAX; /* no limit is limit enough */
    enum i8_status status = I8_OK;

    *out = (struct i8i_partition){.placed = fill(&q, 0, cut)};
    if (q.gpus == 0)
        return I8_OK;
    q.n = out->placed; /* the rest is for other devices */
    for (size_t g = 0; g < q.gpus; g++)
        if (least_capacity > q.capacity[g])
            least_capacity = q.capacity[g];
    uint64_t low = 0, high = least_capacity;
    if (i8i_run_total(&q.first) > q.capacity[0])
        return i8i_fail(err, I8_ERR_ARG, "the first GPU cannot bear what it must");
    while (low < high) { /* the largest slack that still places all of them */
        uint64_t middle = low + (high - low + 1) / 2;
        if (q.capacity[0] - middle >= i8i_run_total(&q.first) &&
            fill(&q, middle, NULL) == q.n)
            low = middle;
        else
            high = middle - 1;
    }
    fill(&q, low, cut);
    measure(out, &q, cut);
    if (q.n > 0 && q.gpus > 1) {
        status = even_out(cut, &q, out->least_free, out->most_free, err);
        if (status == I8_OK)
            measure(out, &q, cut);
    }
    return status;
}

uint64_t i8i_partition_equal_budget(const struct i8i_atom *atoms, size_t n, size_t gpus)
{
    struct i8i_partition_problem q = {.atoms = atoms, .n = n, .gpus = gpus};
    uint64_t low = 0, high, *capacity = i8i_calloc(gpus, sizeof *capacity);

    if (capacity == NULL)
        return UINT64_MAX;
    q.capacity = capacity;
    high = run_cost(&q, 0, 0, n);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        for (size_t g = 0; g < gpus; g++)
            capacity[g] = middle;
        if (gpus > 0 && fill(&q, 0, NULL) == n)
            high = middle;
        else
            low = middle + 1;
    }
    free(capacity);
    return low;
}
