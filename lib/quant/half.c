/* SPDX-License-Identifier: Apache-2.0
 *
 * fp16 and bf16 by integer arithmetic: the definition that the hardware conversions
 * are tested against, NaN payloads included.
 */
#include "config.h"

#include "quant/kernels.h"

#define F32_INF      0x7f800000u
#define F16_INF      0x7c00u
#define F16_OVERFLOW 0x477ff000u /* 65520: half way to 2^16, rounds to Inf */
#define F16_NORMAL   0x38800000u /* 2^-14 */

float i8i_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t magnitude = h & 0x7fff;
    if (magnitude > F16_INF)
        return i8i_bits_f32(sign | F32_INF | 0x400000 | (magnitude & 0x3ff) << 13);
    if (magnitude == F16_INF)
        return i8i_bits_f32(sign | F32_INF);
    if (magnitude >= 0x400)
        return i8i_bits_f32(sign | ((magnitude << 13) + ((127 - 15) << 23)));
    float f = (float)magnitude * 0x1p-24f; /* subnormal: exact */
    return sign ? -f : f;
}

uint16_t i8i_f32_to_f16(float f)
{
    uint32_t bits = i8i_f32_bits(f);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t h;
    if (magnitude > F32_INF) {
        h = F16_INF | 0x200 | (magnitude >> 13 & 0x3ff);
    } else if (magnitude >= F16_OVERFLOW) {
        h = F16_INF;
    } else if (magnitude >= F16_NORMAL) {
        /* Add half a unit less the tie's parity; a carry moves into the exponent. */
        uint32_t odd = magnitude >> 13 & 1;
        h = (magnitude - ((127 - 15) << 23) + 0xfff + odd) >> 13;
    } else {
        /* Adding 0.5 aligns the unit of 2^-24 with fp32's last bit, and the addition
         * rounds to nearest even. */
        h = i8i_f32_bits(i8i_bits_f32(magnitude) + 0.5f) - i8i_f32_bits(0.5f);
    }
    return (uint16_t)(sign | h);
}

float i8i_bf16_to_f32(uint16_t b)
{
    return i8i_bits_f32((uint32_t)b << 16);
}

uint16_t i8i_f32_to_bf16(float f)
{
    uint32_t bits = i8i_f32_bits(f);
    if ((bits & 0x7fffffff) > F32_INF)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
