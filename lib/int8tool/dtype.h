/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types as safetensors names them. All size arithmetic derives from the
 * table behind i8_dtype_bits().
 */
#ifndef INT8TOOL_DTYPE_H
#define INT8TOOL_DTYPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum i8_dtype {
    I8_DTYPE_INVALID = 0,
    I8_DTYPE_BOOL,
    I8_DTYPE_U8,
    I8_DTYPE_I8,
    I8_DTYPE_F8_E5M2,
    I8_DTYPE_F8_E4M3,
    I8_DTYPE_F8_E8M0,
    I8_DTYPE_F8_E4M3FNUZ,
    I8_DTYPE_F8_E5M2FNUZ,
    I8_DTYPE_I16,
    I8_DTYPE_U16,
    I8_DTYPE_F16,
    I8_DTYPE_BF16,
    I8_DTYPE_I32,
    I8_DTYPE_U32,
    I8_DTYPE_F32,
    I8_DTYPE_I64,
    I8_DTYPE_U64,
    I8_DTYPE_F64,
    I8_DTYPE_C64,
    I8_DTYPE_F4,
    I8_DTYPE_F6_E2M3,
    I8_DTYPE_F6_E3M2,
    I8_DTYPE_COUNT
};

/* Bits of one element (F4: 4); 0 for I8_DTYPE_INVALID. */
unsigned i8_dtype_bits(enum i8_dtype dtype);
/* The safetensors name ("BF16"); "INVALID" for anything else. Static. */
const char *i8_dtype_name(enum i8_dtype dtype);
/* The dtype of a safetensors name of `length` bytes; I8_DTYPE_INVALID if unknown. */
enum i8_dtype i8_dtype_parse(const char *name, size_t length);

#ifdef __cplusplus
}
#endif
#endif
