/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a safetensors file:
 *
 *   8 bytes      N, little-endian
 *   N bytes      JSON: {"name": {"dtype", "shape", "data_offsets": [begin, end]}, …}
 *   the rest     data; the tensors cover it from end to end, without hole or overlap
 *
 * Nothing is handed out before all of it has been checked: offsets come from a file.
 */
#include "config.h"

#include "base/memory.h"
#include "checkpoint/checkpoint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct i8i_tensor tensor; /* offset counted from data_start until the end */
    size_t position; /* in the header: makes the order of empty tensors certain */
};

struct header {
    const char *file; /* for messages */
    struct entry *entries;
    size_t count, capacity;
    struct i8i_arena names;
    struct i8i_map seen; /* the names, to refuse repeated ones */
    i8i_json *metadata;  /* NULL: none */
    struct i8_error *err;
};

static enum i8_status bad_tensor(const struct header *h, const char *name,
                                 const char *expected)
{
    return i8i_fail(h->err, I8_ERR_DATA, "%s: tensor '%s': expected %s", h->file, name,
                    expected);
}

/* What a file that is no safetensors file may be instead, by its first bytes; all of
 * these read as impossible header lengths. */
static const char *foreign_kind(const unsigned char prefix[8])
{
    static const struct {
        const char *magic, *kind;
    } kinds[] = {
        {"version ", "a Git LFS pointer; fetch the file itself with 'git lfs pull'"},
        {"<!DOCTYP", "an HTML page"},
        {"<!doctyp", "an HTML page"},
        {"<html", "an HTML page"},
        {"GGUF", "a GGUF file"},
        {"\x89HDF", "an HDF5 file (TensorFlow weights)"},
        {"\x1f\x8b", "a gzip file"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (memcmp(prefix, kinds[i].magic, strlen(kinds[i].magic)) == 0)
            return kinds[i].kind;
    return NULL;
}

static enum i8_status read_text(struct i8i_source *source, char **text, size_t *length,
                                struct i8_error *err)
{
    *text = NULL;
    unsigned char prefix[8];
    if (source->size < sizeof prefix)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: %" PRIu64 " bytes, too short for a safetensors header",
                        source->name, source->size);
    enum i8_status st = i8i_source_read_at(source, prefix, sizeof prefix, 0, err);
    if (st != I8_OK)
        return st;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | prefix[i];
    const char *foreign = foreign_kind(prefix);
    if (n > I8I_MAX_HEADER_BYTES && foreign != NULL)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "%s: expected a safetensors or PyTorch file, found %s",
                        source->name, foreign);
    if (n > I8I_MAX_HEADER_BYTES)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: header of %" PRIu64 " bytes, at most %u allowed (is this a "
                        "safetensors file?)",
                        source->name, n, I8I_MAX_HEADER_BYTES);
    if (n > source->size - sizeof prefix)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: header of %" PRIu64 " bytes in a file of %" PRIu64,
                        source->name, n, source->size);
    *text = i8i_calloc((size_t)n + 1, 1);
    if (*text == NULL)
        return i8i_nomem(err);
    *length = (size_t)n;
    return i8i_source_read_at(source, *text, *length, sizeof prefix, err);
}

static enum i8_status read_shape(const struct header *h, struct i8i_tensor *t,
                                 const i8i_json *shape)
{
    if (!i8i_json_is_array(shape))
        return bad_tensor(h, t->name, "a list as shape");
    const size_t rank = i8i_json_count(shape);
    if (rank > I8I_MAX_RANK)
        return i8i_fail(h->err, I8_ERR_UNSUPPORTED,
                        "%s: tensor '%s': %zu dimensions, at most %d are handled",
                        h->file, t->name, rank, I8I_MAX_RANK);
    for (const i8i_json *d = i8i_json_first(shape); d != NULL; d = i8i_json_next(d))
        if (!i8i_json_u64(&t->shape[t->rank++], d))
            return bad_tensor(h, t->name, "whole numbers from 0 to 2^53 as shape");
    return I8_OK;
}

static enum i8_status read_offsets(const struct header *h, const char *name,
                                   const i8i_json *offsets, uint64_t *begin,
                                   uint64_t *end)
{
    const i8i_json *first = i8i_json_first(offsets), *second = i8i_json_next(first);
    if (!i8i_json_is_array(offsets) || !i8i_json_u64(begin, first) ||
        !i8i_json_u64(end, second) || i8i_json_next(second) != NULL)
        return bad_tensor(h, name, "two whole numbers from 0 to 2^53 as data_offsets");
    if (*begin > *end)
        return i8i_fail(h->err, I8_ERR_DATA,
                        "%s: tensor '%s': data_offsets [%" PRIu64 ", %" PRIu64
                        "] run backwards",
                        h->file, name, *begin, *end);
    return I8_OK;
}

static enum i8_status read_entry(const struct header *h, struct i8i_tensor *t,
                                 const i8i_json *member)
{
    if (!i8i_json_is_object(member))
        return bad_tensor(h, t->name, "an object with dtype, shape and data_offsets");
    const i8i_json *dtype = NULL, *shape = NULL, *offsets = NULL;
    for (const i8i_json *m = i8i_json_first(member); m != NULL; m = i8i_json_next(m)) {
        const char *key = i8i_json_key(m);
        if (strcmp(key, "dtype") == 0)
            dtype = m;
        else if (strcmp(key, "shape") == 0)
            shape = m;
        else if (strcmp(key, "data_offsets") == 0)
            offsets = m;
    }
    if (dtype == NULL || shape == NULL || offsets == NULL)
        return bad_tensor(h, t->name,
                          dtype == NULL   ? "a dtype"
                          : shape == NULL ? "a shape"
                                          : "data_offsets");
    const char *dtype_name = i8i_json_string(dtype);
    if (dtype_name == NULL)
        return bad_tensor(h, t->name, "a string as dtype");
    t->dtype = i8_dtype_parse(dtype_name, strlen(dtype_name));
    if (t->dtype == I8_DTYPE_INVALID)
        return i8i_fail(h->err, I8_ERR_DATA, "%s: tensor '%s': unknown dtype '%.40s'",
                        h->file, t->name, dtype_name);
    uint64_t begin, end;
    enum i8_status st = read_shape(h, t, shape);
    if (st == I8_OK)
        st = read_offsets(h, t->name, offsets, &begin, &end);
    if (st == I8_OK)
        st = i8i_tensor_size(&t->elements, &t->bytes, t->dtype, t->shape, t->rank,
                             h->file, t->name, h->err);
    if (st != I8_OK)
        return st;
    if (end - begin != t->bytes)
        return i8i_fail(h->err, I8_ERR_DATA,
                        "%s: tensor '%s': %" PRIu64 " elements of %s take %" PRIu64
                        " bytes, data_offsets span %" PRIu64,
                        h->file, t->name, t->elements, i8_dtype_name(t->dtype), t->bytes,
                        end - begin);
    t->offset = begin;
    return I8_OK;
}

static enum i8_status take_metadata(struct header *h, i8i_json **metadata)
{
    if (i8i_json_is_null(*metadata))
        return I8_OK;
    bool good = i8i_json_is_object(*metadata);
    for (const i8i_json *m = i8i_json_first(*metadata); m != NULL && good;
         m = i8i_json_next(m))
        good = i8i_json_is_string(m);
    if (!good)
        return i8i_fail(h->err, I8_ERR_DATA, "%s: __metadata__ does not map text to text",
                        h->file);
    h->metadata = *metadata;
    *metadata = NULL;
    return I8_OK;
}

/* The members come one by one: a document of a whole header takes ten times its size. */
static enum i8_status take_member(void *ctx, const char *key, i8i_json **value,
                                  struct i8_error *err)
{
    struct header *h = ctx;
    const char *name = i8i_arena_strdup(&h->names, key);
    if (name == NULL)
        return i8i_nomem(err);
    size_t before;
    enum i8_status st = i8i_map_add(&h->seen, name, 0, &before, err);
    if (st != I8_OK)
        return st;
    if (before != I8I_MAP_NONE)
        return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s' appears twice", h->file, name);
    if (strcmp(name, "__metadata__") == 0)
        return take_metadata(h, value);
    if (!i8i_grow(&h->entries, &h->capacity, h->count + 1, sizeof *h->entries))
        return i8i_nomem(err);
    struct entry *e = &h->entries[h->count];
    *e = (struct entry){.tensor.name = name, .position = h->count++};
    return read_entry(h, &e->tensor, *value);
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->tensor.offset != y->tensor.offset)
        return x->tensor.offset < y->tensor.offset ? -1 : 1;
    if (x->tensor.bytes != y->tensor.bytes)
        return x->tensor.bytes < y->tensor.bytes ? -1 : 1;
    return x->position < y->position ? -1 : 1;
}

/* Writers list tensors in the order of their data: sorting is the exception. */
static void sort_entries(struct header *h)
{
    for (size_t i = 1; i < h->count; i++)
        if (by_offset(&h->entries[i - 1], &h->entries[i]) > 0) {
            qsort(h->entries, h->count, sizeof *h->entries, by_offset);
            return;
        }
}

/* The tensors, sorted, must cover [0, data_bytes) without hole or overlap: a file with
 * room for something else could be two things at once. */
static enum i8_status check_cover(const struct header *h, uint64_t data_bytes)
{
    uint64_t at = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct i8i_tensor *t = &h->entries[i].tensor;
        if (t->offset != at)
            return i8i_fail(h->err, I8_ERR_DATA,
                            "%s: tensor '%s': data begins at %" PRIu64
                            ", expected %" PRIu64 ": %s",
                            h->file, t->name, t->offset, at,
                            t->offset < at ? "it overlaps the one before it"
                                           : "there is a hole before it");
        at += t->bytes; /* below 2^53: it is its own data_offsets[1] */
        if (at > data_bytes)
            return i8i_fail(h->err, I8_ERR_DATA,
                            "%s: tensor '%s': data ends at %" PRIu64
                            ", the file has only %" PRIu64 " bytes of data: cut short",
                            h->file, t->name, at, data_bytes);
    }
    if (at != data_bytes)
        return i8i_fail(h->err, I8_ERR_DATA,
                        "%s: the tensors end at %" PRIu64 ", the file has %" PRIu64
                        " bytes of data: %" PRIu64 " too many",
                        h->file, at, data_bytes, data_bytes - at);
    return I8_OK;
}

enum i8_status i8i_safetensors_read_header(struct i8i_source *source,
                                           uint64_t *data_start, i8i_tensor_fn *add,
                                           void *ctx, i8i_json **metadata,
                                           struct i8_error *err)
{
    if (metadata != NULL)
        *metadata = NULL;
    struct header h = {.file = source->name, .err = err};
    i8i_map_init(&h.seen);
    char *text;
    size_t length = 0;
    enum i8_status st = read_text(source, &text, &length, err);
    if (st == I8_OK)
        st = i8i_json_each_member(text, length, source->name, take_member, &h, err);
    free(text);
    if (st != I8_OK)
        goto out;
    sort_entries(&h);
    *data_start = 8 + (uint64_t)length;
    st = check_cover(&h, source->size - *data_start);
    for (size_t i = 0; i < h.count && st == I8_OK; i++) {
        struct i8i_tensor *t = &h.entries[i].tensor;
        t->offset += *data_start;
        st = add(ctx, t, err);
    }
    if (st == I8_OK && metadata != NULL) {
        *metadata = h.metadata;
        h.metadata = NULL;
    }
out:
    i8i_json_free(h.metadata);
    i8i_map_free(&h.seen);
    i8i_arena_free(&h.names);
    free(h.entries);
    return st;
}
