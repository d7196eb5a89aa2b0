/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimal placement against brute force: thousands of small random chains, all cuts
 * and all places of tied atoms tried, costs added up anew.
 */
#include "config.h"

#include "planner/optimal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ATOMS 7
#define MOST_GPUS  4
#define ROUNDS     4000

static uint64_t seed;

static uint64_t next_random(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return below > 0 ? seed % below : 0;
}

struct problem {
    struct i8i_atom atoms[MOST_ATOMS];
    int item[MOST_ATOMS], group[MOST_ATOMS];
    struct i8i_chain chain;
    int gpu[MOST_GPUS];
    uint64_t capacity[MOST_GPUS];
    struct i8i_optimal_problem q;
};

static void make_problem(struct problem *p)
{
    uint64_t total = 0;

    memset(p, 0, sizeof *p);
    p->chain = (struct i8i_chain){
        .atoms = p->atoms,
        .item = p->item,
        .group = p->group,
        .n = 1 + (size_t)next_random(MOST_ATOMS),
    };
    bool alike = next_random(3) == 0; /* real models are mostly equal blocks */
    for (size_t i = 0; i < p->chain.n; i++) {
        struct i8i_atom *a = &p->atoms[i];
        /* Atoms without bytes are alike on any device; the solver keeps them on GPUs. */
        *a = (struct i8i_atom){.weight = 1 + next_random(50)};
        if (alike && i > 0)
            *a = p->atoms[0];
        for (int k = 0; k < I8I_PHASES && !alike; k++) {
            a->kv[k] = next_random(10);
            a->active[k] = next_random(20);
        }
        p->group[i] = -1;
        total += a->weight + 30;
    }
    if (p->chain.n >= 3 && next_random(2) == 0) {
        p->chain.n_groups = 1;
        p->group[0] = p->group[p->chain.n - 1] = 0;
        if (next_random(3) == 0)
            p->group[p->chain.n / 2] = 0;
    }
    p->q = (struct i8i_optimal_problem){
        .chain = &p->chain,
        .gpu = p->gpu,
        .capacity = p->capacity,
        .gpus = 1 + (size_t)next_random(MOST_GPUS),
        .offload = next_random(2) == 0,
        .cpu = next_random(total),
    };
    uint64_t equal = next_random(2) == 0 ? 1 + next_random(total) : 0;
    for (size_t g = 0; g < p->q.gpus; g++) {
        p->gpu[g] = (int)g * 2;
        p->capacity[g] = equal > 0 ? equal : next_random(total);
    }
}

/* What a set of atoms takes, added up without the code under test. */
static uint64_t cost_of(const struct i8i_atom *const *atoms, size_t n, uint64_t weight,
                        const uint64_t kv[I8I_PHASES], const uint64_t active[I8I_PHASES])
{
    uint64_t worst = 0;

    for (size_t i = 0; i < n; i++)
        weight += atoms[i]->weight;
    for (int k = 0; k < I8I_PHASES; k++) {
        uint64_t held = kv[k], most = active[k];
        for (size_t i = 0; i < n; i++) {
            held += atoms[i]->kv[k];
            if (most < atoms[i]->active[k])
                most = atoms[i]->active[k];
        }
        if (worst < held + most)
            worst = held + most;
    }
    return weight + worst;
}

struct answer {
    bool valid;
    bool fits;
    uint64_t off, least, most;
};

static bool answer_better(const struct answer *a, const struct answer *b)
{
    if (!b->valid)
        return true;
    if (a->fits != b->fits)
        return a->fits;
    if (a->off != b->off)
        return a->off < b->off;
    return a->least != b->least ? a->least > b->least : a->most < b->most;
}

/* One cut of one merged chain: is it allowed, and how good is it? */
static void judge(struct answer *best, const struct problem *p,
                  const struct i8i_merged *m, const size_t *cut)
{
    const struct i8i_atom *run[MOST_ATOMS];
    struct answer a = {.valid = true, .fits = true, .least = UINT64_MAX};
    size_t placed = cut[p->q.gpus];
    uint64_t kv[I8I_PHASES] = {0}, active[I8I_PHASES] = {0}, largest = 0;

    for (size_t i = placed; i < m->n; i++) {
        a.off += m->atoms[i].weight;
        if (!p->q.offload)
            a.fits = false;
        if (largest < m->atoms[i].weight)
            largest = m->atoms[i].weight;
        for (int k = 0; k < I8I_PHASES; k++) {
            kv[k] += m->atoms[i].kv[k];
            if (active[k] < m->atoms[i].active[k])
                active[k] = m->atoms[i].active[k];
        }
    }
    for (size_t g = 0; g < p->q.gpus; g++) {
        static const uint64_t none[I8I_PHASES];
        bool streams = g == 0 && p->q.offload && placed < m->n;
        size_t n = 0;
        for (size_t i = cut[g]; i < cut[g + 1]; i++)
            run[n++] = &m->atoms[i];
        uint64_t cost = cost_of(run, n, streams ? largest : 0, streams ? kv : none,
                                streams ? active : none);
        if (cost > p->capacity[g])
            return;
        uint64_t left = p->capacity[g] - cost;
        if (a.least > left)
            a.least = left;
        if (a.most < left)
            a.most = left;
    }
    if (answer_better(&a, best))
        *best = a;
}

static void all_cuts(struct answer *best, const struct problem *p,
                     const struct i8i_merged *m, size_t *cut, size_t g)
{
    if (g == p->q.gpus) {
        judge(best, p, m, cut);
        return;
    }
    for (size_t end = cut[g]; end <= m->n; end++) {
        cut[g + 1] = end;
        all_cuts(best, p, m, cut, g + 1);
    }
}

static struct answer brute_force(const struct problem *p)
{
    struct answer best = {0};
    int members = p->chain.n_groups > 0 ? i8i_chain_members(&p->chain, 0) : 1;

    for (int member = 0; member < members; member++) {
        struct i8i_merged m;
        size_t cut[MOST_GPUS + 1] = {0};
        ck_assert_int_eq(i8i_chain_merge(&m, &p->chain, &member, NULL), I8_OK);
        all_cuts(&best, p, &m, cut, 0);
        i8i_merged_free(&m);
    }
    bool all_on_gpus = best.valid && best.fits && best.off == 0;
    for (size_t place = 0; p->chain.n_groups > 0 && !all_on_gpus; place++) {
        struct i8i_merged m;
        size_t cut[MOST_GPUS + 1] = {0}, at = 0;
        int member = 0;
        ck_assert_int_eq(i8i_chain_merge(&m, &p->chain, &member, NULL), I8_OK);
        bool done = place >= m.n;
        for (; at < place && at + 1 < m.n; at++) { /* the group stands first here */
            struct i8i_atom group = m.atoms[at];
            m.atoms[at] = m.atoms[at + 1];
            m.atoms[at + 1] = group;
        }
        if (!done)
            all_cuts(&best, p, &m, cut, 0);
        i8i_merged_free(&m);
        if (done)
            break;
    }
    return best;
}

START_TEST(equals_brute_force)
{
    int fitting = 0, offloaded = 0;

    seed = UINT64_C(88172645463325252) + (uint64_t)_i;
    for (int round = 0; round < ROUNDS; round++) {
        struct problem p;
        struct i8i_optimal got;
        struct i8_error err = {0};
        make_problem(&p);
        struct answer want = brute_force(&p);
        ck_assert_msg(i8i_optimal_solve(&got, &p.q, &err) == I8_OK, "%s", err.message);
        ck_assert_msg(got.fits == (want.valid && want.fits), "round %d: fits", round);
        if (want.valid && want.fits) {
            ck_assert_uint_eq(got.off_bytes, want.off);
            ck_assert_uint_eq(got.least_free, want.least);
            ck_assert_uint_eq(got.most_free, want.most);
            fitting++;
            offloaded += want.off > 0;
        }
        i8i_optimal_free(&got);
    }
    ck_assert_int_gt(fitting, ROUNDS / 10); /* the cases are not all of one kind */
    ck_assert_int_lt(fitting, ROUNDS);
    ck_assert_int_gt(offloaded, ROUNDS / 100);
}
END_TEST

/* The smallest equal budget is enough, and one byte less is not. */
START_TEST(equal_budget)
{
    seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        struct problem p;
        uint64_t budget;
        make_problem(&p);
        p.q.offload = false;
        ck_assert_int_eq(i8i_optimal_equal_budget(&budget, &p.chain, p.q.gpus, NULL),
                         I8_OK);
        for (int less = 0; less < 2 && budget >= (uint64_t)less; less++) {
            for (size_t g = 0; g < p.q.gpus; g++)
                p.capacity[g] = budget - (uint64_t)less;
            struct answer a = brute_force(&p);
            if (less == 1 && p.chain.n_groups > 0)
                continue; /* a place between blocks may do with less */
            ck_assert_msg((a.valid && a.fits) == (less == 0), "round %d", round);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_optimal");
    TCase *tc = tcase_create("property");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, equals_brute_force, 0, 5);
    tcase_add_test(tc, equal_budget);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
