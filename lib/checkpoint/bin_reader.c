/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins the pickle's tensors with the zip's entries and checks that each lies inside
 * its storage. Tied weights share a storage; both names are listed.
 */
#include "config.h"

#include "checkpoint/bin_reader.h"
#include "checkpoint/pickle.h"
#include "source/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Tied names repeat a storage once or twice. A pickle that names one a thousand times
 * would make a small file a huge checkpoint. */
#define MAX_SHARING 16

struct reader {
    struct i8i_source *source;
    struct i8i_arena *arena;
    struct i8i_zip zip;
    char *folder; /* "archive/": in front of every entry's name */
    bool big_endian;
    struct i8i_tensor *tensors;
    size_t count, capacity;
    struct i8i_arena names;
    uint64_t bytes; /* of all tensors */
    struct i8_error *err;
};

bool i8i_bin_is_pytorch(const unsigned char *magic, size_t n)
{
    /* The second one is protocol 2 and the start of the old format's magic number; a
     * safetensors file cannot begin so: its header would be longer than allowed. */
    return n >= I8I_BIN_MAGIC &&
           (memcmp(magic, "PK\3\4", 4) == 0 || memcmp(magic, "\x80\2\x8a\n", 4) == 0);
}

static enum i8_status unsupported(const struct reader *r, const char *what)
{
    return i8i_fail(r->err, I8_ERR_UNSUPPORTED, "%s: %s", r->source->name, what);
}

/* *out = the entry "archive/" + prefix + name; NULL if there is none. */
static enum i8_status find_entry(const struct reader *r, const struct i8i_zip_entry **out,
                                 const char *prefix, const char *name)
{
    *out = NULL;
    char *path = i8i_format("%s%s%s", r->folder, prefix, name);
    if (path == NULL)
        return i8i_nomem(r->err);
    *out = i8i_zip_find(&r->zip, path);
    free(path);
    return I8_OK;
}

/* The folder that holds data.pkl; the file's name when it was saved, often. */
static enum i8_status find_folder(struct reader *r)
{
    for (size_t i = 0; i < r->zip.count; i++) {
        const char *name = r->zip.entries[i].name, *slash = strchr(name, '/');
        if (slash == NULL || strcmp(slash, "/data.pkl") != 0)
            continue;
        if (r->folder != NULL)
            return unsupported(r, "a zip file with several PyTorch archives");
        r->folder = i8i_strndup(name, (size_t)(slash - name) + 1);
        if (r->folder == NULL)
            return i8i_nomem(r->err);
    }
    if (r->folder == NULL)
        return unsupported(r, "a zip file without data.pkl: not of PyTorch");
    const struct i8i_zip_entry *constants;
    enum i8_status st = find_entry(r, &constants, "", "constants.pkl");
    if (st == I8_OK && constants != NULL)
        st = unsupported(r, "a TorchScript program; save its state_dict instead");
    return st;
}

static enum i8_status read_byte_order(struct reader *r)
{
    const struct i8i_zip_entry *e;
    enum i8_status st = find_entry(r, &e, "", "byteorder");
    if (st != I8_OK || e == NULL) /* older than the entry: little-endian */
        return st;
    char order[8] = "";
    if (e->size >= sizeof order)
        return unsupported(r, "an unknown byte order");
    st = i8i_source_read_at(r->source, order, (size_t)e->size, e->offset, r->err);
    if (st != I8_OK)
        return st;
    r->big_endian = strcmp(order, "big") == 0;
    return r->big_endian || strcmp(order, "little") == 0
               ? I8_OK
               : unsupported(r, "an unknown byte order");
}

/* Row-major without gaps? Strides of dimensions of one element do not matter. */
static bool is_contiguous(const struct i8i_pickle_tensor *p)
{
    uint64_t expected = 1;
    for (uint32_t d = p->rank; d-- > 0;) {
        if (p->shape[d] != 1 && p->strides[d] != expected)
            return false;
        expected *= p->shape[d];
    }
    return true;
}

/* *end = elements of the storage that the tensor needs: behind its last one. */
static bool find_end(uint64_t *end, const struct i8i_pickle_tensor *p)
{
    uint64_t last = p->offset;
    for (uint32_t d = 0; d < p->rank; d++) {
        uint64_t reach;
        if (p->shape[d] == 0) {
            *end = p->offset;
            return true;
        }
        if (!i8i_mul_u64(&reach, p->shape[d] - 1, p->strides[d]) ||
            !i8i_add_u64(&last, last, reach))
            return false;
    }
    return i8i_add_u64(end, last, 1);
}

static enum i8_status bad_tensor(const struct reader *r, const char *name,
                                 const char *expected)
{
    return i8i_fail(r->err, I8_ERR_DATA, "%s: tensor '%s': expected %s", r->source->name,
                    name, expected);
}

static enum i8_status check_entry(const struct reader *r, const char *name,
                                  const struct i8i_pickle_tensor *p,
                                  const struct i8i_zip_entry *e)
{
    if (e == NULL)
        return i8i_fail(r->err, I8_ERR_DATA,
                        "%s: tensor '%s': its storage '%sdata/%.60s' is not in the file",
                        r->source->name, name, r->folder, p->storage_key);
    if (p->storage_bytes > e->size)
        return i8i_fail(r->err, I8_ERR_DATA,
                        "%s: tensor '%s': its storage has %" PRIu64
                        " bytes, the pickle says %" PRIu64,
                        r->source->name, name, e->size, p->storage_bytes);
    return I8_OK;
}

/* The end of one entry of the pickle's dictionary: from here on sizes can be trusted. */
static enum i8_status take_tensor(void *ctx, const char *name,
                                  const struct i8i_pickle_tensor *p, struct i8_error *err)
{
    struct reader *r = ctx;
    const uint64_t width = i8_dtype_bits(p->dtype) / 8; /* whole bytes, all of them */
    struct i8i_tensor t = {.dtype = p->dtype, .rank = p->rank};
    memcpy(t.shape, p->shape, sizeof t.shape);
    enum i8_status st = i8i_tensor_size(&t.elements, &t.bytes, t.dtype, t.shape, t.rank,
                                        r->source->name, name, err);
    if (st != I8_OK)
        return st;
    const struct i8i_zip_entry *e;
    st = find_entry(r, &e, "data/", p->storage_key);
    if (st == I8_OK)
        st = check_entry(r, name, p, e);
    if (st != I8_OK)
        return st;
    uint64_t end;
    if (!find_end(&end, p) || end > p->storage_bytes / width)
        return bad_tensor(r, name, "its shape and strides to stay inside its storage");
    if (t.bytes > p->storage_bytes)
        return bad_tensor(r, name, "no more elements than its storage has");
    if (!i8i_add_u64(&r->bytes, r->bytes, t.bytes) ||
        r->bytes / MAX_SHARING > r->source->size)
        return bad_tensor(r, name, "tensors that do not share a storage so often");
    t.offset = e->offset + p->offset * width;
    t.swapped = r->big_endian && width > 1;
    if (t.elements > 0 && !is_contiguous(p)) {
        struct i8i_strides *strides = i8i_arena_alloc(r->arena, sizeof *strides);
        if (strides == NULL)
            return i8i_nomem(err);
        memcpy(strides->step, p->strides, sizeof strides->step);
        t.strides = strides;
    }
    t.name = i8i_arena_strdup(&r->names, name);
    if (t.name == NULL ||
        !i8i_grow(&r->tensors, &r->capacity, r->count + 1, sizeof *r->tensors))
        return i8i_nomem(err);
    r->tensors[r->count++] = t;
    return I8_OK;
}

static enum i8_status read_pickle(struct reader *r)
{
    const struct i8i_zip_entry *e;
    enum i8_status st = find_entry(r, &e, "", "data.pkl");
    if (st != I8_OK)
        return st;
    if (e->size > I8I_MAX_PICKLE_BYTES)
        return i8i_fail(r->err, I8_ERR_UNSUPPORTED,
                        "%s: a pickle of %" PRIu64 " bytes, at most %u are read",
                        r->source->name, e->size, I8I_MAX_PICKLE_BYTES);
    const size_t n = (size_t)e->size;
    char *bytes = i8i_calloc(n, 1);
    if (bytes == NULL)
        return i8i_nomem(r->err);
    st = i8i_source_read_at(r->source, bytes, n, e->offset, r->err);
    if (st == I8_OK)
        st = i8i_pickle_read(bytes, n, r->source->name, take_tensor, r, r->err);
    free(bytes);
    return st;
}

static int by_offset(const void *a, const void *b)
{
    const struct i8i_tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return strcmp(x->name, y->name);
}

enum i8_status i8i_bin_read(struct i8i_source *source, struct i8i_arena *arena,
                            i8i_tensor_fn *add, void *ctx, struct i8_error *err)
{
    struct reader r = {.source = source, .arena = arena, .err = err};
    unsigned char magic[I8I_BIN_MAGIC];
    enum i8_status st = i8i_source_read_at(source, magic, sizeof magic, 0, err);
    if (st == I8_OK && memcmp(magic, "PK\3\4", 4) != 0)
        return unsupported(&r, "a pickle as PyTorch wrote before version 1.6, not a zip "
                               "file: load and save it again with a newer PyTorch");
    if (st == I8_OK)
        st = i8i_zip_read(&r.zip, source, err);
    if (st == I8_OK)
        st = find_folder(&r);
    if (st == I8_OK)
        st = read_byte_order(&r);
    if (st == I8_OK)
        st = read_pickle(&r);
    if (st == I8_OK && r.count > 0)
        qsort(r.tensors, r.count, sizeof *r.tensors, by_offset);
    for (size_t i = 0; i < r.count && st == I8_OK; i++)
        st = add(ctx, &r.tensors[i], err);
    free(r.tensors);
    free(r.folder);
    i8i_arena_free(&r.names);
    i8i_zip_free(&r.zip);
    return st;
}
