/* SPDX-License-Identifier: Apache-2.0
 *
 * Row arithmetic for any processor: 4 lanes are SSE2 on x86-64, NEON on ARM.
 */
#include "config.h"

#include "engine/cpu/cpu_simd.h"

#define LANES 4
#define TABLE i8i_simd_base
#define NAME  "base"
#include "engine/cpu/cpu_simd_body.h"
