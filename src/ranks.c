/* SPDX-License-Identifier: Apache-2.0
 *
 * All that is known here about job managers. docs/many-machines.md explains it to users.
 */
#include "config.h"

#include "base/error.h"
#include "ranks.h"
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number of at most MAX_RANKS that ends at `end`. */
static bool parse(unsigned *out, const char *text, const char *end)
{
    unsigned long value = 0;
    if (text == end)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = 10 * value + (unsigned long)(*text - '0');
        if (value > UINT_MAX / 10)
            return false;
    }
    *out = (unsigned)value;
    return true;
}

/* ---- I/N ---- */

/* Counting from 0 or from 1 is the user's choice: N/N is the same as 0/N, so that either
 * way all N are different ranks. */
static int read_explicit(struct i8_rank_group *g, const struct arguments *a,
                         const char *text)
{
    const char *slash = strchr(text, '/');
    if (slash == NULL || !parse(&g->rank, text, slash) ||
        !parse(&g->count, slash + 1, slash + strlen(slash)) || g->count == 0 ||
        g->count > MAX_RANKS || g->rank > g->count)
        return usage_error(
            a,
            "--ranks %s: expected env, mpi, or I/N: rank I of N, 0 to N - 1 "
            "or 1 to N",
            text);
    g->rank %= g->count;
    return EXIT_DONE;
}

/* ---- env ---- */

/* Variables that give rank and count. The launcher that is nearest to the process comes
 * first: mpirun inside a Slurm job, say. */
static const struct {
    const char *rank, *count;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, /* Open MPI's mpirun */
    {"PMI_RANK", "PMI_SIZE"},                         /* MPICH's, and others' */
    {"SLURM_PROCID", "SLURM_NTASKS"},                 /* srun */
    {"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"}, /* Kubernetes; the job sets the latter */
};

/* A variable's number; false, and the mistake said, if it is none. */
static bool env_number(unsigned *out, bool *given, const struct arguments *a,
                       const char *name)
{
    const char *value = getenv(name);
    *given = value && *value;
    if (!*given || parse(out, value, value + strlen(value)))
        return true;
    usage_error(a, "--ranks env: %s=%s: expected a number", name, value);
    return false;
}

/* The tasks of a job array, times the tasks of each. */
static int add_slurm_array(struct i8_rank_group *g, bool *found,
                           const struct arguments *a)
{
    static const char *const names[] = {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT",
                                        "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"};
    unsigned values[4] = {0};
    bool given[4];
    for (int i = 0; i < 4; i++) {
        if (!env_number(&values[i], &given[i], a, names[i]))
            return EXIT_USAGE;
    }
    if (!given[0] || !given[1])
        return EXIT_DONE;
    const unsigned id = values[0], count = values[1], least = values[2],
                   step = given[3] && values[3] > 0 ? values[3] : 1;
    if (id < least || (id - least) % step != 0 || (id - least) / step >= count)
        return usage_error(a,
                           "--ranks env: SLURM_ARRAY_TASK_ID=%u: expected %u tasks from "
                           "%u on in steps of %u; give --ranks I/N instead",
                           id, count, least, step);
    const uint64_t all = (uint64_t)count * (*found ? g->count : 1);
    if (all > MAX_RANKS)
        return usage_error(a, "--ranks env: %" PRIu64 " ranks, at most %u are possible",
                           all, MAX_RANKS);
    g->rank = (id - least) / step * (*found ? g->count : 1) + (*found ? g->rank : 0);
    g->count = (unsigned)all;
    *found = true;
    return EXIT_DONE;
}

static int read_env(struct i8_rank_group *g, const struct arguments *a)
{
    bool found = false;
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0] && !found; i++) {
        bool rank, count;
        if (!env_number(&g->rank, &rank, a, launchers[i].rank) ||
            !env_number(&g->count, &count, a, launchers[i].count))
            return EXIT_USAGE;
        found = rank && count;
    }
    int status = add_slurm_array(g, &found, a);
    if (status != EXIT_DONE)
        return status;
    if (!found)
        return usage_error(a,
                           "--ranks env: none of OMPI_COMM_WORLD_RANK, PMI_RANK, "
                           "SLURM_PROCID, SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX is "
                           "set together with its count");
    if (g->count == 0 || g->count > MAX_RANKS || g->rank >= g->count)
        return usage_error(
            a, "--ranks env: rank %u of %u: expected 0 to N - 1 of at most %u", g->rank,
            g->count, MAX_RANKS);
    return EXIT_DONE;
}

/* ---- */

static bool mpi_is_open;

int ranks_open(const struct i8_rank_group **out, const struct arguments *a)
{
    static struct i8_rank_group group;
    const char *text = arg_value(a, "ranks");
    struct i8_error err = {0};
    *out = NULL;
    if (text == NULL)
        return EXIT_DONE;
    *out = &group;
    group = (struct i8_rank_group){0};
    if (strcmp(text, "env") == 0)
        return read_env(&group, a);
    if (strcmp(text, "mpi") != 0)
        return read_explicit(&group, a, text);
    if (ranks_mpi_open(&group, &err) != I8_OK)
        return report_error(&err);
    mpi_is_open = true;
    return EXIT_DONE;
}

void ranks_close(void)
{
    if (mpi_is_open)
        ranks_mpi_close();
    mpi_is_open = false;
}
