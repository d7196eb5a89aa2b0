/* SPDX-License-Identifier: Apache-2.0
 *
 * How many processors this process may use: the affinity mask, and where it is
 * smaller, the CPU quota of the control groups that it lies in (containers).
 */
#include "config.h"

#include "base/memory.h"
#include "base/pool.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* "QUOTA PERIOD" or "max PERIOD" in DIR/cpu.max, rounded up; UINT_MAX without limit. */
static unsigned from_quota(const char *directory)
{
    unsigned n = UINT_MAX;
    char *path = i8i_format("%s/cpu.max", directory);
    FILE *f = path != NULL ? fopen(path, "re") : NULL;
    unsigned long long quota, period;
    if (f != NULL && fscanf(f, "%llu %llu", &quota, &period) == 2 && period > 0) {
        unsigned long long whole = quota / period + (quota % period != 0);
        n = whole == 0 ? 1 : whole < UINT_MAX ? (unsigned)whole : UINT_MAX;
    }
    if (f != NULL)
        fclose(f);
    free(path);
    return n;
}

/* The strictest quota from our control group (version 2) up to the root. */
static unsigned from_control_groups(void)
{
    unsigned least = UINT_MAX;
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
            unsigned n = from_quota(path);
            least = n < least ? n : least;
            *strrchr(path, '/') = '\0';
        }
        free(path);
    }
    fclose(f);
    return least;
}

unsigned i8i_processors(void)
{
    unsigned allowed = from_affinity(), quota = from_control_groups();
    return quota < allowed ? quota : allowed;
}
