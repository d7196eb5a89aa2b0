/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip directories (PKWARE's APPNOTE 4.3 and 4.5.3, zip64 included). A zip file is read
 * from its end: end record, central directory, entries. Whatever the format leaves
 * open to two readings (prefixes, gaps in the directory, differing headers) is refused.
 */
#include "config.h"

#include "source/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define END_BYTES           22
#define END64_LOCATOR_BYTES 20
#define END64_BYTES         56
#define CENTRAL_BYTES       46
#define LOCAL_BYTES         30
#define MAX_COMMENT         65535u
#define MAX_DIRECTORY       ((uint64_t)256 << 20) /* PyTorch: some 100 bytes an entry */
#define FLAG_ENCRYPTED      0x0001u
#define EXTRA_ZIP64         0x0001u

struct directory {
    struct i8i_source *source;
    struct i8_error *err;
    uint64_t offset, bytes; /* of the central directory */
    uint64_t entries;
};

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static enum i8_status bad_zip(const struct directory *d, const char *expected)
{
    return i8i_fail(d->err, I8_ERR_DATA, "%s: bad zip file: expected %s", d->source->name,
                    expected);
}

static enum i8_status bad_entry(const struct directory *d, const char *name,
                                const char *expected)
{
    return i8i_fail(d->err, I8_ERR_DATA, "%s: bad zip file: entry '%s': expected %s",
                    d->source->name, name, expected);
}

/* The zip64 end record, if its locator stands before the end record at `end`. */
static enum i8_status read_end64(struct directory *d, uint64_t end, uint64_t *end64)
{
    unsigned char locator[END64_LOCATOR_BYTES], record[END64_BYTES];
    *end64 = end;
    if (end < END64_LOCATOR_BYTES)
        return I8_OK;
    enum i8_status st = i8i_source_read_at(d->source, locator, sizeof locator,
                                           end - END64_LOCATOR_BYTES, d->err);
    if (st != I8_OK || memcmp(locator, "PK\6\7", 4) != 0)
        return st;
    const uint64_t at = get(locator + 8, 8);
    if (get(locator + 4, 4) != 0 || get(locator + 16, 4) > 1)
        return bad_zip(d, "a single disk");
    /* The record may grow in later versions, but its locator follows it directly. */
    uint64_t behind;
    if (!i8i_add_u64(&behind, at, END64_BYTES) || behind > end - END64_LOCATOR_BYTES)
        return bad_zip(d, "the zip64 end record before its locator");
    st = i8i_source_read_at(d->source, record, sizeof record, at, d->err);
    if (st != I8_OK)
        return st;
    uint64_t extent;
    if (memcmp(record, "PK\6\6", 4) != 0 ||
        !i8i_add_u64(&extent, get(record + 4, 8), at + 12) ||
        extent != end - END64_LOCATOR_BYTES)
        return bad_zip(d, "a zip64 end record where its locator points");
    if (get(record + 16, 4) != 0 || get(record + 20, 4) != 0 ||
        get(record + 24, 8) != get(record + 32, 8))
        return bad_zip(d, "a single disk");
    d->entries = get(record + 32, 8);
    d->bytes = get(record + 40, 8);
    d->offset = get(record + 48, 8);
    *end64 = at;
    return I8_OK;
}

/* A field of the end record either is the zip64 one or says "look there". */
static bool agrees(uint64_t field, uint64_t value, uint64_t saturated)
{
    return field == value || field == saturated;
}

/* Finds the end record: behind it comes a comment of up to 64 KiB. */
static enum i8_status read_end(struct directory *d)
{
    const uint64_t size = d->source->size;
    const size_t tail =
        size < END_BYTES + MAX_COMMENT ? (size_t)size : END_BYTES + MAX_COMMENT;
    unsigned char *bytes = i8i_calloc(tail, 1);
    if (bytes == NULL)
        return i8i_nomem(d->err);
    enum i8_status st = i8i_source_read_at(d->source, bytes, tail, size - tail, d->err);
    const unsigned char *end = NULL;
    for (size_t i = tail; st == I8_OK && end == NULL && i >= END_BYTES; i--) {
        const unsigned char *p = bytes + i - END_BYTES;
        if (memcmp(p, "PK\5\6", 4) == 0 && get(p + 20, 2) == tail - i)
            end = p;
    }
    if (st == I8_OK && end == NULL)
        st = bad_zip(d, "a directory at the end: cut short?");
    if (st != I8_OK)
        goto out;
    const uint64_t at = size - tail + (uint64_t)(end - bytes);
    uint64_t directory_end;
    d->entries = get(end + 10, 2);
    d->bytes = get(end + 12, 4);
    d->offset = get(end + 16, 4);
    st = read_end64(d, at, &directory_end);
    if (st != I8_OK)
        goto out;
    if (get(end + 4, 2) != 0 || get(end + 6, 2) != 0 ||
        get(end + 8, 2) != get(end + 10, 2))
        st = bad_zip(d, "a single disk");
    else if (!agrees(get(end + 10, 2), d->entries, 0xffff) ||
             !agrees(get(end + 12, 4), d->bytes, 0xffffffff) ||
             !agrees(get(end + 16, 4), d->offset, 0xffffffff))
        st = bad_zip(d, "two end records that agree");
    else if (d->offset > directory_end || d->bytes != directory_end - d->offset)
        st = bad_zip(d, "the directory right before the end record");
    else if (d->bytes > MAX_DIRECTORY || d->entries > d->bytes / CENTRAL_BYTES)
        st = bad_zip(d, "a directory of a sensible size");
out:
    free(bytes);
    return st;
}

/* Replaces saturated 32-bit fields by those of the zip64 extra field. */
static bool apply_zip64(const unsigned char *extra, size_t length, uint64_t *size,
                        uint64_t *packed, uint64_t *start)
{
    uint64_t *const fields[] = {size, packed, start};
    while (length >= 4) {
        const size_t n = (size_t)get(extra + 2, 2);
        if (n > length - 4)
            return false;
        if (get(extra, 2) == EXTRA_ZIP64) {
            const unsigned char *p = extra + 4, *end = p + n;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != 0xffffffff)
                    continue;
                if (end - p < 8)
                    return false;
                *fields[i] = get(p, 8);
                p += 8;
            }
            return true;
        }
        extra += 4 + n;
        length -= 4 + n;
    }
    return *size != 0xffffffff && *packed != 0xffffffff && *start != 0xffffffff;
}

/* The local header says where the data begins, and must not contradict. */
static enum i8_status read_local(const struct directory *d, struct i8i_zip_entry *e)
{
    const size_t n = strlen(e->name);
    unsigned char *local = i8i_calloc(LOCAL_BYTES + n, 1);
    if (local == NULL)
        return i8i_nomem(d->err);
    enum i8_status st = I8_OK;
    if (e->start > d->offset || d->offset - e->start < LOCAL_BYTES + n)
        st = bad_entry(d, e->name, "its header before the directory");
    if (st == I8_OK)
        st = i8i_source_read_at(d->source, local, LOCAL_BYTES + n, e->start, d->err);
    if (st != I8_OK)
        goto out;
    if (memcmp(local, "PK\3\4", 4) != 0 || get(local + 26, 2) != n ||
        memcmp(local + LOCAL_BYTES, e->name, n) != 0 || get(local + 8, 2) != 0 ||
        (get(local + 6, 2) & FLAG_ENCRYPTED) != 0) {
        st = bad_entry(d, e->name, "the same header in front of it as in the directory");
        goto out;
    }
    e->offset = e->start + LOCAL_BYTES + n + get(local + 28, 2);
    if (e->offset > d->offset || e->size > d->offset - e->offset)
        st = bad_entry(d, e->name, "its data before the directory");
out:
    free(local);
    return st;
}

/* One record of the central directory. */
static enum i8_status add_entry(struct i8i_zip *z, const struct directory *d,
                                const unsigned char *p, size_t name_length,
                                size_t extra_length)
{
    char *name = i8i_arena_alloc(&z->names, name_length + 1);
    if (name == NULL)
        return i8i_nomem(d->err);
    memcpy(name, p + CENTRAL_BYTES, name_length);
    if (name_length == 0 || strlen(name) != name_length)
        return bad_entry(d, name, "a name without NUL bytes");
    const uint64_t flags = get(p + 8, 2), method = get(p + 10, 2);
    uint64_t packed = get(p + 20, 4);
    struct i8i_zip_entry e = {
        .name = name, .size = get(p + 24, 4), .start = get(p + 42, 4)};
    if (flags & FLAG_ENCRYPTED)
        return i8i_fail(d->err, I8_ERR_UNSUPPORTED, "%s: zip entry '%s' is encrypted",
                        d->source->name, name);
    if (method != 0)
        return i8i_fail(d->err, I8_ERR_UNSUPPORTED,
                        "%s: zip entry '%s' is compressed (method %" PRIu64
                        "); PyTorch stores entries plainly",
                        d->source->name, name, method);
    if (!apply_zip64(p + CENTRAL_BYTES + name_length, extra_length, &e.size, &packed,
                     &e.start))
        return bad_entry(d, name, "sound extra fields");
    if (packed != e.size)
        return bad_entry(d, name, "a stored size equal to the size");
    if (get(p + 34, 2) != 0)
        return bad_entry(d, name, "a single disk");
    size_t before;
    enum i8_status st = i8i_map_add(&z->by_name, name, z->count, &before, d->err);
    if (st == I8_OK && before != I8I_MAP_NONE)
        st = bad_entry(d, name, "the name only once");
    if (st != I8_OK)
        return st;
    if (!i8i_grow(&z->entries, &z->capacity, z->count + 1, sizeof *z->entries))
        return i8i_nomem(d->err);
    z->entries[z->count++] = e;
    return I8_OK;
}

static enum i8_status read_directory(struct i8i_zip *z, const struct directory *d)
{
    const size_t length = (size_t)d->bytes;
    unsigned char *bytes = i8i_calloc(length, 1);
    if (bytes == NULL)
        return i8i_nomem(d->err);
    enum i8_status st = i8i_source_read_at(d->source, bytes, length, d->offset, d->err);
    size_t at = 0;
    for (uint64_t i = 0; i < d->entries && st == I8_OK; i++) {
        const unsigned char *p = bytes + at;
        if (length - at < CENTRAL_BYTES || memcmp(p, "PK\1\2", 4) != 0) {
            st = bad_zip(d, "as many entries as the end record says");
            break;
        }
        const size_t name = (size_t)get(p + 28, 2), extra = (size_t)get(p + 30, 2),
                     comment = (size_t)get(p + 32, 2);
        if (length - at - CENTRAL_BYTES < name + extra + comment) {
            st = bad_zip(d, "entries that end with the directory");
            break;
        }
        st = add_entry(z, d, p, name, extra);
        at += CENTRAL_BYTES + name + extra + comment;
    }
    if (st == I8_OK && at != length)
        st = bad_zip(d, "nothing behind the last entry of the directory");
    free(bytes);
    return st;
}

static int by_start(const void *a, const void *b)
{
    const struct i8i_zip_entry *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The entries' own headers, which lie all over the file: announced first, for a source
 * to which every read is a journey. */
static enum i8_status read_locals(struct i8i_zip *z, const struct directory *d)
{
    struct i8i_extent *extents = i8i_calloc(z->count, sizeof *extents);
    if (extents == NULL)
        return i8i_nomem(d->err);
    size_t within = 0; /* the others are refused below */
    for (size_t i = 0; i < z->count; i++) {
        const struct i8i_zip_entry *e = &z->entries[i];
        const uint64_t bytes = LOCAL_BYTES + strlen(e->name);
        if (e->start <= d->offset && bytes <= d->offset - e->start)
            extents[within++] = (struct i8i_extent){.offset = e->start, .bytes = bytes};
    }
    i8i_source_will_read(d->source, extents, within);
    free(extents);
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < z->count && st == I8_OK; i++)
        st = read_local(d, &z->entries[i]);
    return st;
}

/* With the entries sorted by their place. */
static enum i8_status check_overlaps(struct i8i_zip *z, const struct directory *d)
{
    for (size_t i = 1; i < z->count; i++) {
        const struct i8i_zip_entry *e = &z->entries[i - 1];
        if (e->offset + e->size > z->entries[i].start)
            return bad_entry(d, z->entries[i].name, "no overlap with the one before it");
    }
    return I8_OK;
}

/* By their place in the file, which is not always the directory's order. */
static enum i8_status sort_entries(struct i8i_zip *z, struct i8_error *err)
{
    if (z->count > 0)
        qsort(z->entries, z->count, sizeof *z->entries, by_start);
    i8i_map_free(&z->by_name);
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < z->count && st == I8_OK; i++)
        st = i8i_map_add(&z->by_name, z->entries[i].name, i, NULL, err);
    return st;
}

enum i8_status i8i_zip_read(struct i8i_zip *z, struct i8i_source *source,
                            struct i8_error *err)
{
    *z = (struct i8i_zip){0};
    i8i_map_init(&z->by_name);
    struct directory d = {.source = source, .err = err};
    enum i8_status st = read_end(&d);
    if (st == I8_OK)
        st = read_directory(z, &d);
    if (st == I8_OK)
        st = sort_entries(z, err);
    if (st == I8_OK)
        st = read_locals(z, &d);
    return st == I8_OK ? check_overlaps(z, &d) : st;
}

void i8i_zip_free(struct i8i_zip *z)
{
    free(z->entries);
    i8i_map_free(&z->by_name);
    i8i_arena_free(&z->names);
    *z = (struct i8i_zip){0};
}

const struct i8i_zip_entry *i8i_zip_find(const struct i8i_zip *z, const char *name)
{
    size_t i = i8i_map_get(&z->by_name, name);
    return i == I8I_MAP_NONE ? NULL : &z->entries[i];
}
