/* SPDX-License-Identifier: Apache-2.0
 *
 * How many bytes a tensor takes: every reader and writer asks here.
 */
#include "config.h"

#include "base/memory.h"
#include "checkpoint/checkpoint.h"

#include <inttypes.h>

enum i8_status i8i_tensor_size(uint64_t *elements, uint64_t *bytes, enum i8_dtype dtype,
                               const uint64_t *shape, uint32_t rank, const char *where,
                               const char *name, struct i8_error *err)
{
    uint64_t n = 1, bits;
    bool fits = true;
    for (uint32_t i = 0; i < rank; i++)
        fits = fits && i8i_mul_u64(&n, n, shape[i]);
    if (!fits || !i8i_mul_u64(&bits, n, i8_dtype_bits(dtype)))
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: tensor '%s': its shape has more than 2^64 bits", where,
                        name);
    if (bits % 8 != 0)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: tensor '%s': %" PRIu64 " elements of %s fill no whole bytes",
                        where, name, n, i8_dtype_name(dtype));
    *elements = n;
    *bytes = bits / 8;
    return I8_OK;
}
