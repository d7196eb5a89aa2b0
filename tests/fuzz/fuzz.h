/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share: libFuzzer's entry point, and bytes in memory as a source.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "source/source.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for every input; the fuzzer reports the abort. */
#define MUST(condition) ((condition) ? (void)0 : abort())

struct memory_source {
    struct i8i_source source;
    const uint8_t *bytes;
};

static inline enum i8_status memory_read_at(struct i8i_source *s, void *dst, size_t n,
                                            uint64_t offset, struct i8_error *err)
{
    (void)err;
    memcpy(dst, ((struct memory_source *)s)->bytes + offset, n);
    return I8_OK;
}

static inline void memory_close(struct i8i_source *s)
{
    (void)s; /* lives on the stack */
}

static const struct i8i_source_ops memory_ops = {.read_at = memory_read_at,
                                                 .close = memory_close};

static inline struct memory_source memory_source(const uint8_t *bytes, size_t n)
{
    return (struct memory_source){
        .source = {.ops = &memory_ops, .size = n, .name = "input", .fd = -1},
        .bytes = bytes,
    };
}

#endif
