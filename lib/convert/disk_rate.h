/* SPDX-License-Identifier: Apache-2.0
 *
 * What the disks can do, to hold a conversion's rate against.
 */
#ifndef I8I_CONVERT_DISK_RATE_H
#define I8I_CONVERT_DISK_RATE_H

#include "convert/convert_plan.h"

/* Bytes per second, past the page cache; 0: not known (no direct access there, no room,
 * or no local file). Reads and writes some tens of MiB with `threads` threads; what is
 * written is a file without a name. */
struct i8i_disk_rate {
    double read, write;
    bool one_device; /* source and output share it */
};
void i8i_disk_rate_measure(struct i8i_disk_rate *rate,
                           const struct i8i_convert_plan *plan, unsigned threads);
/* The share of what the disks can do that a conversion of so many bytes in so many
 * seconds had; 0 where it is not known. */
double i8i_disk_rate_share(const struct i8i_disk_rate *rate, uint64_t read_bytes,
                           uint64_t written_bytes, double seconds);

#endif
