/* SPDX-License-Identifier: Apache-2.0
 *
 * Which processors this is compiled for, as far as there is code of their own.
 */
#ifndef I8I_BASE_ARCH_H
#define I8I_BASE_ARCH_H

#if defined __x86_64__
#define I8I_X86 1
#else
#define I8I_X86 0
#endif

/* Every aarch64 has NEON. Kernels view vectors as narrower elements, whose order is
 * another on a big-endian one; that stays scalar. */
#if defined __aarch64__ && defined __ARM_NEON && defined __AARCH64EL__
#define I8I_NEON 1
#else
#define I8I_NEON 0
#endif

#endif
