/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors headers: every tensor of an accepted file lies inside it, right behind
 * the one before.
 */
#include "config.h"

#include "checkpoint/checkpoint.h"
#include "fuzz.h"

static enum i8_status check_tensor(void *ctx, const struct i8i_tensor *t,
                                   struct i8_error *err)
{
    (void)err;
    uint64_t *at = ctx;
    if (*at != 0)
        MUST(t->offset == *at);
    MUST(t->rank <= I8I_MAX_RANK && i8_dtype_bits(t->dtype) > 0);
    *at = t->offset + t->bytes;
    return I8_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_source m = memory_source(data, size);
    struct i8_error err = {0};
    i8i_json *metadata;
    uint64_t start, at = 0;
    enum i8_status st = i8i_safetensors_read_header(&m.source, &start, check_tensor, &at,
                                                    &metadata, &err);
    if (st == I8_OK)
        MUST(at == 0 ? start == size : at == size);
    else
        MUST(metadata == NULL && err.status == st && err.message[0] != '\0');
    i8i_json_free(metadata);
    return 0;
}
