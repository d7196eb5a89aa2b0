/* SPDX-License-Identifier: Apache-2.0
 *
 * By clock_gettime and /proc.
 */
#include "config.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

double i8i_monotonic_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void i8i_boot_id(char id[I8I_BOOT_ID])
{
    id[0] = '\0';
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f == NULL)
        return;
    if (fgets(id, I8I_BOOT_ID, f))
        id[strcspn(id, "\n")] = '\0';
    fclose(f);
}
