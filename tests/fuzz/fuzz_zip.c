/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip directories: the entries of an accepted file lie inside it, in its order, none in
 * another, and each is found by its name.
 */
#include "config.h"

#include "fuzz.h"
#include "source/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_source m = memory_source(data, size);
    struct i8_error err = {0};
    struct i8i_zip zip;
    enum i8_status st = i8i_zip_read(&zip, &m.source, &err);
    uint64_t at = 0;
    for (size_t i = 0; i < zip.count && st == I8_OK; i++) {
        const struct i8i_zip_entry *e = &zip.entries[i];
        MUST(e->start >= at && e->offset > e->start && e->offset <= size &&
             e->size <= size - e->offset);
        MUST(i8i_zip_find(&zip, e->name) == e);
        at = e->offset + e->size;
    }
    MUST(st == I8_OK || (err.status == st && err.message[0] != '\0'));
    i8i_zip_free(&zip);
    return 0;
}
