/* SPDX-License-Identifier: Apache-2.0
 *
 * PyTorch .bin files: a zip file if the input begins like one, else the pickle alone,
 * which a fuzzer could hardly change inside a zip. Every tensor of an accepted file can
 * be read.
 */
#include "config.h"

#include "checkpoint/bin_reader.h"
#include "checkpoint/pickle.h"
#include "checkpoint/stored.h"
#include "fuzz.h"

static enum i8_status check_tensor(void *ctx, const struct i8i_tensor *t,
                                   struct i8_error *err)
{
    struct i8i_source *source = ctx;
    char bytes[64];
    const size_t n = t->bytes < sizeof bytes ? (size_t)t->bytes : sizeof bytes;
    MUST(t->bytes <= source->size && t->rank <= I8I_MAX_RANK);
    for (int end = 0; end < 2; end++) {
        const uint64_t from = end == 0 ? 0 : t->bytes - n;
        MUST(t->strides != NULL
                 ? i8i_strided_read(source, t, bytes, from, n, err) == I8_OK
                 : i8i_source_read_at(source, bytes, n, t->offset + from, err) == I8_OK);
    }
    return I8_OK;
}

static enum i8_status check_pickled(void *ctx, const char *name,
                                    const struct i8i_pickle_tensor *t,
                                    struct i8_error *err)
{
    (void)ctx;
    (void)err;
    MUST(strlen(name) <= 65536 && t->storage_key != NULL && t->rank <= I8I_MAX_RANK &&
         i8_dtype_bits(t->dtype) >= 8);
    return I8_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct i8_error err = {0};
    enum i8_status st;
    if (size > 0 && data[0] == 'P') {
        struct memory_source m = memory_source(data, size);
        struct i8i_arena arena = {0};
        st = i8i_bin_read(&m.source, &arena, check_tensor, &m.source, &err);
        i8i_arena_free(&arena);
    } else {
        st = i8i_pickle_read(data, size, "input", check_pickled, NULL, &err);
    }
    MUST(st == I8_OK || (err.status == st && err.message[0] != '\0'));
    return 0;
}
