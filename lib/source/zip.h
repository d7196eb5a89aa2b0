/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of contents of a zip file whose entries are stored, not compressed, as
 * PyTorch writes them: each entry is then a range of the file and can be read in place.
 */
#ifndef I8I_SOURCE_ZIP_H
#define I8I_SOURCE_ZIP_H

#include "base/map.h"
#include "base/memory.h"
#include "source/source.h"

struct i8i_zip_entry {
    const char *name; /* "archive/data/0"; owned by the zip */
    uint64_t offset;  /* of the entry's first byte in the source */
    uint64_t size;
    uint64_t start; /* of its local header */
};

struct i8i_zip {
    struct i8i_zip_entry *entries; /* in the order of the file */
    size_t count;
    /* private: */
    size_t capacity;
    struct i8i_map by_name;
    struct i8i_arena names;
};

/* Reads the directory at the end of `source` and every entry's own header. Refuses
 * encryption, compression (I8_ERR_UNSUPPORTED), several disks, repeated names, entries
 * that overlap, leave the file, or that the two headers describe differently. Freed by
 * i8i_zip_free, also after failure. */
enum i8_status i8i_zip_read(struct i8i_zip *z, struct i8i_source *source,
                            struct i8_error *err) I8I_MUST_CHECK;
void i8i_zip_free(struct i8i_zip *z);
/* NULL if there is none of that name. */
const struct i8i_zip_entry *i8i_zip_find(const struct i8i_zip *z, const char *name);

#endif
