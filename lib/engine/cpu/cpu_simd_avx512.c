/* SPDX-License-Identifier: Apache-2.0
 *
 * Row arithmetic for AVX-512: 16 lanes.
 */
#include "config.h"

#include "engine/cpu/cpu_simd.h"

#if I8I_X86
#include <math.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#endif

#define LANES 16
#define TABLE i8i_simd_avx512
#define NAME  "avx512"
#include "engine/cpu/cpu_simd_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
