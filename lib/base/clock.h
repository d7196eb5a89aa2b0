/* SPDX-License-Identifier: Apache-2.0
 *
 * A clock for durations, and which run of which machine this is.
 */
#ifndef I8I_BASE_CLOCK_H
#define I8I_BASE_CLOCK_H

/* Seconds on a clock that never goes back. */
double i8i_monotonic_s(void);

/* The id of this boot of this machine, as the kernel draws it at random; "" where the
 * system does not say. What the page cache held is there as long as it stays the same. */
#define I8I_BOOT_ID 64 /* bytes, NUL included */
void i8i_boot_id(char id[I8I_BOOT_ID]);

#endif
