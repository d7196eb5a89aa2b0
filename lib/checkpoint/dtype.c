/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of element types.
 */
#include "config.h"

#include <int8tool/dtype.h>

#include <string.h>

static const struct {
    const char *name;
    unsigned bits;
} dtypes[I8_DTYPE_COUNT] = {
    [I8_DTYPE_INVALID] = {"INVALID", 0},
    [I8_DTYPE_BOOL] = {"BOOL", 8},
    [I8_DTYPE_U8] = {"U8", 8},
    [I8_DTYPE_I8] = {"I8", 8},
    [I8_DTYPE_F8_E5M2] = {"F8_E5M2", 8},
    [I8_DTYPE_F8_E4M3] = {"F8_E4M3", 8},
    [I8_DTYPE_F8_E8M0] = {"F8_E8M0", 8},
    [I8_DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [I8_DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [I8_DTYPE_I16] = {"I16", 16},
    [I8_DTYPE_U16] = {"U16", 16},
    [I8_DTYPE_F16] = {"F16", 16},
    [I8_DTYPE_BF16] = {"BF16", 16},
    [I8_DTYPE_I32] = {"I32", 32},
    [I8_DTYPE_U32] = {"U32", 32},
    [I8_DTYPE_F32] = {"F32", 32},
    [I8_DTYPE_I64] = {"I64", 64},
    [I8_DTYPE_U64] = {"U64", 64},
    [I8_DTYPE_F64] = {"F64", 64},
    [I8_DTYPE_C64] = {"C64", 64},
    [I8_DTYPE_F4] = {"F4", 4},
    [I8_DTYPE_F6_E2M3] = {"F6_E2M3", 6},
    [I8_DTYPE_F6_E3M2] = {"F6_E3M2", 6},
};

static int is_known(enum i8_dtype dtype)
{
    return (unsigned)dtype < I8_DTYPE_COUNT;
}

unsigned i8_dtype_bits(enum i8_dtype dtype)
{
    return is_known(dtype) ? dtypes[dtype].bits : 0;
}

const char *i8_dtype_name(enum i8_dtype dtype)
{
    return dtypes[is_known(dtype) ? dtype : I8_DTYPE_INVALID].name;
}

enum i8_dtype i8_dtype_parse(const char *name, size_t length)
{
    for (int d = I8_DTYPE_INVALID + 1; d < I8_DTYPE_COUNT; d++)
        if (strlen(dtypes[d].name) == length && memcmp(dtypes[d].name, name, length) == 0)
            return (enum i8_dtype)d;
    return I8_DTYPE_INVALID;
}
