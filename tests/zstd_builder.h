/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes zstd seekable files, sound or with a fault, in memory.
 */
#ifndef TESTS_ZSTD_BUILDER_H
#define TESTS_ZSTD_BUILDER_H

#include "base/memory.h"
#include <stddef.h>
#include <stdint.h>

struct zstd_builder {
    struct i8i_buffer bytes;
    uint32_t stored[64], content[64], check[64]; /* of the frames so far */
    uint32_t frames;
};
void zstd_begin(struct zstd_builder *z);
/* One frame with n bytes of content. */
void zstd_add(struct zstd_builder *z, const void *content, size_t n);
/* Other bytes, listed as a frame without content. */
void zstd_skip(struct zstd_builder *z, const void *bytes, size_t n);
/* The seek table, with or without checksums. */
void zstd_end(struct zstd_builder *z, int checks);

#endif
