/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction sets this processor has, and the kernel table for each.
 */
#include "config.h"

#include "quant/kernels.h"

#include <stdatomic.h>
#if I8I_X86
#include <cpuid.h>
#endif

static const struct {
    const char *name;
    const struct i8i_kernels *kernels;
} isas[I8I_ISA_COUNT] = {
    [I8I_ISA_SCALAR] = {"scalar", &i8i_kernels_scalar},
#if I8I_X86
    [I8I_ISA_AVX2] = {"avx2", &i8i_kernels_avx2},
    [I8I_ISA_AVX512] = {"avx512", &i8i_kernels_avx512},
#elif I8I_NEON
    [I8I_ISA_NEON] = {"neon", &i8i_kernels_neon},
#endif
};

static atomic_int best_cached = -1;
static atomic_int limit = I8I_ISA_COUNT - 1;

static enum i8i_isa detect(void)
{
#if I8I_X86
    unsigned eax, ebx, ecx, edx;
    /* clang 14 cannot ask __builtin_cpu_supports for f16c. AVX2's answer already covers
     * that the system saves the wide registers. */
    bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
    __builtin_cpu_init();
    if (f16c && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return I8I_ISA_AVX512;
    if (f16c && __builtin_cpu_supports("avx2"))
        return I8I_ISA_AVX2;
    return I8I_ISA_SCALAR;
#elif I8I_NEON
    return I8I_ISA_NEON;
#else
    return I8I_ISA_SCALAR;
#endif
}

enum i8i_isa i8i_isa_best(void)
{
    int best = atomic_load_explicit(&best_cached, memory_order_relaxed);
    if (best < 0) {
        best = (int)detect();
        atomic_store_explicit(&best_cached, best, memory_order_relaxed);
    }
    int most = atomic_load_explicit(&limit, memory_order_relaxed);
    return (enum i8i_isa)(best < most ? best : most);
}

void i8i_isa_limit(enum i8i_isa isa)
{
    atomic_store_explicit(&limit, (int)isa, memory_order_relaxed);
}

const char *i8i_isa_name(enum i8i_isa isa)
{
    return isa < I8I_ISA_COUNT ? isas[isa].name : "unknown";
}

const struct i8i_kernels *i8i_kernels_for(enum i8i_isa isa)
{
    enum i8i_isa best = i8i_isa_best();
    return isas[isa < best ? isa : best].kernels;
}
