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

#include "base/json_reader.h"
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
    struct i8i_buffer text; /* the string that is looked at */
    bool has_metadata;
    i8i_json *metadata; /* NULL: none */
    struct i8_error *err;
};

enum field { FIELD_DTYPE, FIELD_SHAPE, FIELD_OFFSETS, N_FIELDS };
static const char *const field_names[] = {"dtype", "shape", "data_offsets"};

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

static enum i8_status read_dtype(struct header *h, struct i8i_tensor *t,
                                 struct i8i_json_reader r)
{
    struct i8i_json_text text;
    if (!i8i_json_read_text(&r, &text))
        return bad_tensor(h, t->name, "a string as dtype");
    const char *name = i8i_json_unescape(&h->text, text);
    if (name == NULL)
        return i8i_nomem(h->err);
    t->dtype = i8_dtype_parse(name, strlen(name));
    if (t->dtype == I8_DTYPE_INVALID)
        return i8i_fail(h->err, I8_ERR_DATA, "%s: tensor '%s': unknown dtype '%.40s'",
                        h->file, t->name, name);
    return I8_OK;
}

static enum i8_status read_shape(const struct header *h, struct i8i_tensor *t,
                                 struct i8i_json_reader r)
{
    size_t rank = 0;
    if (!i8i_json_enter_array(&r))
        return bad_tensor(h, t->name, "a list as shape");
    for (; i8i_json_next_element(&r); rank++) {
        uint64_t n;
        if (rank >= I8I_MAX_RANK)
            i8i_json_skip(&r);
        else if (i8i_json_read_u64(&r, &n))
            t->shape[rank] = n;
        else
            return bad_tensor(h, t->name, "whole numbers from 0 to 2^53 as shape");
    }
    if (rank > I8I_MAX_RANK)
        return i8i_fail(h->err, I8_ERR_UNSUPPORTED,
                        "%s: tensor '%s': %zu dimensions, at most %d are handled",
                        h->file, t->name, rank, I8I_MAX_RANK);
    t->rank = (uint32_t)rank;
    return I8_OK;
}

static enum i8_status read_offsets(const struct header *h, const char *name,
                                   struct i8i_json_reader r, uint64_t *begin,
                                   uint64_t *end)
{
    if (!i8i_json_enter_array(&r) || !i8i_json_next_element(&r) ||
        !i8i_json_read_u64(&r, begin) || !i8i_json_next_element(&r) ||
        !i8i_json_read_u64(&r, end) || i8i_json_next_element(&r))
        return bad_tensor(h, name, "two whole numbers from 0 to 2^53 as data_offsets");
    if (*begin > *end)
        return i8i_fail(h->err, I8_ERR_DATA,
                        "%s: tensor '%s': data_offsets [%" PRIu64 ", %" PRIu64
                        "] run backwards",
                        h->file, name, *begin, *end);
    return I8_OK;
}

/* Finds the values of an entry's fields, in whatever order they stand. */
static enum i8_status find_fields(const struct header *h, const char *name,
                                  struct i8i_json_reader fields[N_FIELDS],
                                  struct i8i_json_reader *r)
{
    struct i8i_json_reader whole = *r;
    struct i8i_json_text key;
    bool others = false;
    if (!i8i_json_enter_object(r))
        return bad_tensor(h, name, "an object with dtype, shape and data_offsets");
    while (i8i_json_next_member(r, &key)) {
        int f = 0;
        while (f < N_FIELDS && !i8i_json_text_is(key, field_names[f]))
            f++;
        if (f == N_FIELDS)
            others = true;
        else if (fields[f].at != NULL)
            return i8i_json_repeated_key(field_names[f], h->file, h->err);
        else
            fields[f] = *r;
        i8i_json_skip(r);
    }
    if (others) { /* rare: let the strict reader look at them */
        i8i_json *doc;
        enum i8_status st = i8i_json_read_value(&doc, &whole, h->file, h->err);
        i8i_json_free(doc);
        if (st != I8_OK)
            return st;
    }
    if (fields[FIELD_DTYPE].at == NULL)
        return bad_tensor(h, name, "a dtype");
    if (fields[FIELD_SHAPE].at == NULL)
        return bad_tensor(h, name, "a shape");
    return fields[FIELD_OFFSETS].at != NULL ? I8_OK : bad_tensor(h, name, "data_offsets");
}

static enum i8_status read_entry(struct header *h, struct i8i_tensor *t,
                                 struct i8i_json_reader *r)
{
    struct i8i_json_reader fields[N_FIELDS] = {{0}};
    uint64_t begin, end;
    enum i8_status st = find_fields(h, t->name, fields, r);
    if (st == I8_OK)
        st = read_dtype(h, t, fields[FIELD_DTYPE]);
    if (st == I8_OK)
        st = read_shape(h, t, fields[FIELD_SHAPE]);
    if (st == I8_OK)
        st = read_offsets(h, t->name, fields[FIELD_OFFSETS], &begin, &end);
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

static enum i8_status appears_twice(const struct header *h, const char *name)
{
    return i8i_fail(h->err, I8_ERR_DATA, "%s: tensor '%s' appears twice", h->file, name);
}

static enum i8_status take_metadata(struct header *h, struct i8i_json_reader *r)
{
    if (h->has_metadata)
        return appears_twice(h, "__metadata__");
    h->has_metadata = true;
    if (i8i_json_read_null(r))
        return I8_OK;
    enum i8_status st = i8i_json_read_value(&h->metadata, r, h->file, h->err);
    if (st != I8_OK)
        return st;
    bool good = i8i_json_is_object(h->metadata);
    for (const i8i_json *m = i8i_json_first(h->metadata); m != NULL && good;
         m = i8i_json_next(m))
        good = i8i_json_is_string(m);
    return good ? I8_OK
                : i8i_fail(h->err, I8_ERR_DATA,
                           "%s: __metadata__ does not map text to text", h->file);
}

static enum i8_status take_tensor(struct header *h, struct i8i_json_text key,
                                  struct i8i_json_reader *r)
{
    const char *name = i8i_json_unescape(&h->text, key);
    if (name == NULL || (name = i8i_arena_strdup(&h->names, name)) == NULL ||
        !i8i_grow(&h->entries, &h->capacity, h->count + 1, sizeof *h->entries))
        return i8i_nomem(h->err);
    struct entry *e = &h->entries[h->count];
    *e = (struct entry){.tensor.name = name, .position = h->count++};
    return read_entry(h, &e->tensor, r);
}

/* Member by member: a document of a whole header takes ten times its size. */
static enum i8_status read_members(struct header *h, const char *text, size_t length)
{
    struct i8i_json_reader r;
    struct i8i_json_text key;
    enum i8_status st = i8i_json_reader_init(&r, text, length, h->file, h->err);
    if (st == I8_OK && !i8i_json_enter_object(&r))
        st = i8i_fail(h->err, I8_ERR_DATA, "%s: expected a JSON object", h->file);
    while (st == I8_OK && i8i_json_next_member(&r, &key))
        st = i8i_json_text_is(key, "__metadata__") ? take_metadata(h, &r)
                                                   : take_tensor(h, key, &r);
    return st;
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

/* Why tensors overlap: it may be one of them that is there twice. */
static enum i8_status check_names(const struct header *h)
{
    struct i8i_map seen;
    i8i_map_init(&seen);
    enum i8_status st = i8i_map_reserve(&seen, h->count, h->err);
    for (size_t i = 0; i < h->count && st == I8_OK; i++) {
        const char *name = h->entries[i].tensor.name;
        size_t before;
        st = i8i_map_add(&seen, name, i, &before, h->err);
        if (st == I8_OK && before != I8I_MAP_NONE)
            st = appears_twice(h, name);
    }
    i8i_map_free(&seen);
    return st;
}

static enum i8_status out_of_place(const struct header *h, const struct i8i_tensor *t,
                                   uint64_t at)
{
    enum i8_status st = check_names(h);
    if (st != I8_OK)
        return st;
    return i8i_fail(
        h->err, I8_ERR_DATA,
        "%s: tensor '%s': data begins at %" PRIu64 ", expected %" PRIu64 ": %s", h->file,
        t->name, t->offset, at,
        t->offset < at ? "it overlaps the one before it" : "there is a hole before it");
}

/* The tensors, sorted, must cover [0, data_bytes) without hole or overlap: a file with
 * room for something else could be two things at once. */
static enum i8_status check_cover(const struct header *h, uint64_t data_bytes)
{
    uint64_t at = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct i8i_tensor *t = &h->entries[i].tensor;
        if (t->offset != at)
            return out_of_place(h, t, at);
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
    i8i_buffer_init(&h.text, I8I_MAX_HEADER_BYTES);
    char *text;
    size_t length = 0;
    enum i8_status st = read_text(source, &text, &length, err);
    if (st == I8_OK)
        st = read_members(&h, text, length);
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
    i8i_buffer_free(&h.text);
    i8i_arena_free(&h.names);
    free(h.entries);
    return st;
}
