/* SPDX-License-Identifier: Apache-2.0
 *
 * How many processors and how much memory this process may use: the affinity mask and
 * what the machine has, and where they are smaller, the limits of the control groups that
 * it lies in (containers).
 */
#include "config.h"

#include "base/limits.h"
#include "base/memory.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_PROCESSORS 8192 /* what the affinity mask is given room for */

static unsigned from_affinity(void)
{
    cpu_set_t *set = CPU_ALLOC(MOST_PROCESSORS);
    const size_t bytes = CPU_ALLOC_SIZE(MOST_PROCESSORS);
    unsigned n = 1;
    if (set != NULL && sched_getaffinity(0, bytes, set) == 0)
        n = (unsigned)CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    return n == 0 ? 1 : n;
}

/* A limit of a control group: "VALUE PERIOD" in DIR/cpu.max, rounded up, or "VALUE" in
 * DIR/memory.max; UINT64_MAX for "max" and where there is no such file. */
static uint64_t limit_in(const char *directory, const char *name)
{
    uint64_t limit = UINT64_MAX;
    char *path = i8i_format("%s/%s", directory, name);
    FILE *f = path != NULL ? fopen(path, "re") : NULL;
    uint64_t value, period = 1;
    if (f != NULL && fscanf(f, "%" SCNu64 " %" SCNu64, &value, &period) >= 1 &&
        period > 0)
        limit = value / period + (value % period != 0);
    if (f != NULL)
        fclose(f);
    free(path);
    return limit;
}

/* The strictest from our control group (version 2) up to the root. */
static uint64_t from_control_groups(const char *name)
{
    uint64_t least = UINT64_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL)
        return least;
    char line[4096];
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        char *path = i8i_format("/sys/fs/cgroup%s", line + 3);
        while (path != NULL && strlen(path) >= strlen("/sys/fs/cgroup")) {
            const uint64_t limit = limit_in(path, name);
            least = limit < least ? limit : least;
            *strrchr(path, '/') = '\0';
        }
        free(path);
    }
    fclose(f);
    return least;
}

unsigned i8i_processors(void)
{
    const unsigned allowed = from_affinity();
    const uint64_t quota = from_control_groups("cpu.max");
    return quota >= allowed ? allowed : quota == 0 ? 1 : (unsigned)quota;
}

uint64_t i8i_memory_limit(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const uint64_t all = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    const uint64_t limit = from_control_groups("memory.max");
    return limit < all ? limit : all;
}
