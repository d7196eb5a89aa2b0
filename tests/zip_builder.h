/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes zip files, sound and otherwise, for the tests of the .bin reader.
 */
#ifndef TESTS_ZIP_BUILDER_H
#define TESTS_ZIP_BUILDER_H

#include "base/memory.h"

#include <stddef.h>

struct zip_item {
    const char *name;
    const void *bytes;
    size_t n;
    /* lies, all 0 in a sound file: */
    unsigned method, flags;
    const char *local_name; /* in the local header, when it differs */
    size_t claim;           /* the size in the directory, when it differs */
    size_t start_back;      /* the directory points so many bytes before the entry */
};

/* The items one after the other, data at multiples of 64 as PyTorch aligns it, then the
 * directory; with `zip64`, sizes and places stand in zip64 fields and records. */
void zip_build(struct i8i_buffer *out, const struct zip_item *items, size_t count,
               bool zip64, const char *comment);

#endif
