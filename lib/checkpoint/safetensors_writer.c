/* SPDX-License-Identifier: Apache-2.0
 *
 * Laying out a safetensors file: the order of the reference writer, offsets, and the
 * header's bytes. The data is written by whoever asked.
 */
#include "config.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "checkpoint/checkpoint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* By element type, widest first (within a width the reference has floats before
 * integers, as the enum counts), then by name. */
static int by_dtype_and_name(const void *a, const void *b)
{
    const struct i8i_safetensors_entry *x = a, *y = b;
    const unsigned xb = i8_dtype_bits(x->dtype), yb = i8_dtype_bits(y->dtype);
    if (xb != yb)
        return xb > yb ? -1 : 1;
    if (x->dtype != y->dtype)
        return x->dtype > y->dtype ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum i8_status check_names(const struct i8i_safetensors_entry *entries,
                                  size_t count, struct i8_error *err)
{
    struct i8i_map seen;
    i8i_map_init(&seen);
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < count && st == I8_OK; i++) {
        const char *name = entries[i].name;
        size_t before;
        st = i8i_map_add(&seen, name, i, &before, err);
        if (st == I8_OK && before != I8I_MAP_NONE)
            st = i8i_fail(err, I8_ERR_ARG, "tensor '%s' is to be written twice", name);
        if (st == I8_OK &&
            (strcmp(name, "__metadata__") == 0 || !i8i_utf8_is_valid(name, strlen(name))))
            st = i8i_fail(err, I8_ERR_ARG, "'%s' cannot be the name of a tensor", name);
    }
    i8i_map_free(&seen);
    return st;
}

/* e->offset counts from the start of the data here. */
static void write_entry(struct i8i_json_writer *w, const struct i8i_safetensors_entry *e)
{
    i8i_jw_key(w, e->name);
    i8i_jw_begin_object(w);
    i8i_jw_kv_string(w, "dtype", i8_dtype_name(e->dtype));
    i8i_jw_key(w, "shape");
    i8i_jw_begin_array(w);
    for (uint32_t d = 0; d < e->rank; d++)
        i8i_jw_u64(w, e->shape[d]);
    i8i_jw_end_array(w);
    i8i_jw_key(w, "data_offsets");
    i8i_jw_begin_array(w);
    i8i_jw_u64(w, e->offset);
    i8i_jw_u64(w, e->offset + e->bytes);
    i8i_jw_end_array(w);
    i8i_jw_end_object(w);
}

/* The 8 length bytes stand in front as blanks until the length is known. */
static void write_header(struct i8i_json_writer *w,
                         const struct i8i_safetensors_entry *entries, size_t count,
                         const char *const *metadata)
{
    i8i_buffer_append(&w->buffer, "        ", 8);
    i8i_jw_begin_object(w);
    i8i_jw_key(w, "__metadata__");
    i8i_jw_begin_object(w);
    i8i_jw_kv_string(w, "format", "pt");
    for (; metadata != NULL && metadata[0] != NULL; metadata += 2)
        i8i_jw_kv_string(w, metadata[0], metadata[1]);
    i8i_jw_end_object(w);
    for (size_t i = 0; i < count; i++)
        write_entry(w, &entries[i]);
    i8i_jw_end_object(w);
    i8i_buffer_append(&w->buffer, "        ", -w->buffer.length % 8);
}

enum i8_status i8i_safetensors_layout(char **header, size_t *header_bytes,
                                      uint64_t *file_bytes,
                                      struct i8i_safetensors_entry *entries, size_t count,
                                      const char *const *metadata, struct i8_error *err)
{
    *header = NULL;
    *header_bytes = 0;
    *file_bytes = 0;
    enum i8_status st = check_names(entries, count, err);
    if (st != I8_OK)
        return st;
    if (count > 0)
        qsort(entries, count, sizeof *entries, by_dtype_and_name);
    uint64_t at = 0, elements;
    for (size_t i = 0; i < count; i++) {
        struct i8i_safetensors_entry *e = &entries[i];
        st = i8i_tensor_size(&elements, &e->bytes, e->dtype, e->shape, e->rank, "output",
                             e->name, err);
        if (st != I8_OK)
            return st;
        e->offset = at;
        /* Beyond 2^53 readers that keep numbers in doubles would be lost. */
        if (!i8i_add_u64(&at, at, e->bytes) || at > (uint64_t)1 << 53)
            return i8i_fail(err, I8_ERR_ARG,
                            "tensor '%s': the file would pass 2^53 bytes", e->name);
    }
    struct i8i_json_writer w;
    i8i_jw_init(&w, false);
    write_header(&w, entries, count, metadata);
    *header = i8i_buffer_take(&w.buffer, header_bytes);
    if (*header == NULL)
        return i8i_nomem(err);
    const uint64_t n = *header_bytes - 8;
    if (n > I8I_MAX_HEADER_BYTES)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "header of %" PRIu64 " bytes, a safetensors file may have %u at "
                        "most: use more shards",
                        n, I8I_MAX_HEADER_BYTES);
    for (int i = 0; i < 8; i++)
        (*header)[i] = (char)(n >> (8 * i));
    for (size_t i = 0; i < count; i++)
        entries[i].offset += *header_bytes;
    *file_bytes = *header_bytes + at;
    return I8_OK;
}
