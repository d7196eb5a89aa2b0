/* SPDX-License-Identifier: Apache-2.0
 *
 * Row arithmetic for AVX2: 8 lanes.
 */
#include "config.h"

#include "engine/cpu/cpu_simd.h"

#if I8I_X86
#include <math.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#define LANES 8
#define TABLE i8i_simd_avx2
#define NAME  "avx2"
#include "engine/cpu/cpu_simd_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
