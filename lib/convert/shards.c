/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting the output tensors into files: in order, a new file whenever the next group
 * would pass the limit; what belongs to one module's weight stays together, because
 * transformers 4 looks for SCB in the weight's own shard.
 */
#include "config.h"

#include "convert/packed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SHARD_BYTES UINT64_C(5000000000) /* as the Hub's own tools cut */
#define SHARD_NAME_BYTES    64

/* Sets tensors[].file; returns the number of files. */
static uint32_t cut(struct i8i_output_tensor *tensors, size_t count, uint64_t limit)
{
    uint32_t file = 0;
    uint64_t filled = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        uint64_t group = tensors[i].bytes;
        while (end < count && tensors[end].with_previous)
            group += tensors[end++].bytes;
        if (filled > 0 && (group > limit || filled > limit - group)) {
            file++;
            filled = 0;
        }
        filled += group;
        for (; i < end; i++)
            tensors[i].file = file;
    }
    return file + 1;
}

static void shard_name(char name[SHARD_NAME_BYTES], uint32_t shard, uint32_t shards)
{
    if (shards == 1)
        snprintf(name, SHARD_NAME_BYTES, "model.safetensors");
    else
        snprintf(name, SHARD_NAME_BYTES,
                 "model-%05" PRIu32 "-of-%05" PRIu32 ".safetensors", shard + 1, shards);
}

/* Lays out one shard: its header becomes the file's head, its tensors get offsets. */
static enum i8_status lay_out(struct i8i_convert_plan *p,
                              struct i8i_output_tensor *tensors, size_t count,
                              const char *name, struct i8_error *err)
{
    struct i8i_safetensors_entry *entries = i8i_calloc(count, sizeof *entries);
    char *header = NULL;
    size_t header_bytes = 0;
    uint64_t file_bytes;
    uint32_t output;
    enum i8_status st = entries == NULL ? i8i_nomem(err) : I8_OK;
    for (size_t i = 0; i < count && st == I8_OK; i++) {
        entries[i] = (struct i8i_safetensors_entry){.name = tensors[i].name,
                                                    .dtype = tensors[i].dtype,
                                                    .rank = tensors[i].rank,
                                                    .which = i};
        memcpy(entries[i].shape, tensors[i].shape, sizeof entries[i].shape);
    }
    if (st == I8_OK)
        st = i8i_safetensors_layout(&header, &header_bytes, &file_bytes, entries, count,
                                    NULL, err);
    if (st == I8_OK)
        st = i8i_plan_add_output(p, &output, name, file_bytes, header, header_bytes, err);
    if (st == I8_OK)
        st = i8i_pack_plan(p, output, entries, count, err);
    for (size_t i = 0; i < count && st == I8_OK; i++) {
        struct i8i_output_tensor *t = &tensors[entries[i].which];
        t->offset = entries[i].offset;
        if (t->piece == I8I_NO_PIECE)
            continue;
        struct i8i_piece *piece = &p->pieces[t->piece];
        piece->output = output;
        if (t->scale)
            piece->scale_offset = t->offset;
        else
            piece->offset = t->offset;
    }
    free(header);
    free(entries);
    return st;
}

static int by_name(const void *a, const void *b)
{
    const struct i8i_output_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Sorts the tensors: called last. */
static enum i8_status add_index(struct i8i_convert_plan *p,
                                struct i8i_output_tensor *tensors, size_t count,
                                uint32_t shards, struct i8_error *err)
{
    char name[SHARD_NAME_BYTES];
    struct i8i_json_writer w;
    size_t bytes;
    uint32_t output;
    qsort(tensors, count, sizeof *tensors, by_name);
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_key(&w, "metadata");
    i8i_jw_begin_object(&w);
    i8i_jw_kv_u64(&w, "total_size", p->tensor_bytes);
    i8i_jw_end_object(&w);
    i8i_jw_key(&w, "weight_map");
    i8i_jw_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        shard_name(name, tensors[i].file, shards);
        if (p->options->compression != I8_COMPRESSION_NONE)
            memcpy(name + strlen(name), I8I_ZST, sizeof I8I_ZST);
        i8i_jw_kv_string(&w, tensors[i].name, name);
    }
    i8i_jw_end_object(&w);
    i8i_jw_end_object(&w);
    i8i_buffer_puts(&w.buffer, "\n");
    char *text = i8i_buffer_take(&w.buffer, &bytes);
    i8i_jw_free(&w);
    if (text == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_plan_add_output(p, &output, "model.safetensors.index.json",
                                            bytes, text, bytes, err);
    free(text);
    return st;
}

enum i8_status i8i_convert_shards(struct i8i_convert_plan *p,
                                  struct i8i_output_tensor *tensors, size_t count,
                                  struct i8_error *err)
{
    uint64_t limit = p->options->max_shard_bytes;
    for (size_t i = 0; i < count; i++) {
        if (!i8i_add_u64(&p->tensor_bytes, p->tensor_bytes, tensors[i].bytes))
            return i8i_fail(err, I8_ERR_DATA, "%s: more than 2^64 bytes of tensors",
                            p->options->model);
    }
    uint32_t shards = cut(tensors, count, limit ? limit : DEFAULT_SHARD_BYTES);
    size_t begin = 0;
    enum i8_status st = I8_OK;
    for (uint32_t shard = 0; shard < shards && st == I8_OK; shard++) {
        char name[SHARD_NAME_BYTES];
        size_t end = begin;
        while (end < count && tensors[end].file == shard)
            end++;
        shard_name(name, shard, shards);
        st = lay_out(p, tensors + begin, end - begin, name, err);
        begin = end;
    }
    if (st == I8_OK && shards > 1)
        st = add_index(p, tensors, count, shards, err);
    return st;
}
