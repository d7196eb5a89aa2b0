/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of the machine is ours.
 */
#ifndef I8I_BASE_LIMITS_H
#define I8I_BASE_LIMITS_H

#include <stdint.h>

/* Processors that this process may run on: affinity mask and container quota. */
unsigned i8i_processors(void);
/* Bytes of memory that this process may fill, the page cache of its files included: what
 * the machine has, or the container's limit; 0 if that is not known. */
uint64_t i8i_memory_limit(void);

#endif
