/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a shard index and holding the shards to it. An index may have half a million
 * tensors, hence the hash tables.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/shard_index.h"

#include <stdlib.h>
#include <string.h>

struct i8i_shard_entry {
    const char *tensor, *file; /* borrowed from the document */
    bool found;
};

enum i8_status i8i_shard_file(char **own, struct i8i_tree *tree, const char *name,
                              struct i8_error *err)
{
    const size_t plain = i8i_length_before(name, I8I_ZST);
    const bool here = i8i_tree_exists(tree, name);
    *own = here        ? i8i_strdup(name)
           : plain > 0 ? i8i_strndup(name, plain)
                       : i8i_format("%s" I8I_ZST, name);
    if (*own == NULL)
        return i8i_nomem(err);
    if (!here && !i8i_tree_exists(tree, *own)) {
        free(*own);
        *own = NULL;
    }
    return I8_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum i8_status read_entries(struct i8i_shard_index *x, const i8i_json *weight_map,
                                   struct i8_error *err)
{
    x->entries = i8i_calloc(i8i_json_count(weight_map), sizeof *x->entries);
    if (x->entries == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    for (const i8i_json *m = i8i_json_first(weight_map); m != NULL && st == I8_OK;
         m = i8i_json_next(m)) {
        struct i8i_shard_entry *e = &x->entries[x->n_entries];
        *e = (struct i8i_shard_entry){.tensor = i8i_json_key(m),
                                      .file = i8i_json_string(m)};
        if (e->file == NULL)
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: tensor '%s': expected a file name as text", x->name,
                            e->tensor);
        if (!i8i_path_is_plain(e->file))
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: tensor '%s': expected a plain file name, found '%s'",
                            x->name, e->tensor, e->file);
        st = i8i_map_add(&x->by_tensor, e->tensor, x->n_entries++, NULL, err);
    }
    return st;
}

static enum i8_status collect_files(struct i8i_shard_index *x, struct i8i_tree *tree,
                                    struct i8_error *err)
{
    struct i8i_map seen;
    i8i_map_init(&seen);
    enum i8_status st = I8_OK;
    size_t capacity = 0;
    for (size_t i = 0; i < x->n_entries && st == I8_OK; i++) {
        const struct i8i_shard_entry *e = &x->entries[i];
        size_t before;
        st = i8i_map_add(&seen, e->file, 0, &before, err);
        if (st != I8_OK || before != I8I_MAP_NONE)
            continue;
        char *own;
        st = i8i_shard_file(&own, tree, e->file, err);
        if (st != I8_OK)
            break;
        if (own == NULL)
            st = i8i_fail(err, I8_ERR_DATA,
                          "%s: tensor '%s': its file '%s' does not exist", x->name,
                          e->tensor, e->file);
        else if (!i8i_grow(&x->files, &capacity, x->n_files + 1, sizeof *x->files))
            st = i8i_nomem(err);
        else
            x->files[x->n_files++] = e->file;
        free(own);
    }
    if (x->n_files > 0)
        qsort(x->files, x->n_files, sizeof *x->files, by_bytes);
    i8i_map_free(&seen);
    return st;
}

enum i8_status i8i_shard_index_read(struct i8i_shard_index *x, struct i8i_tree *tree,
                                    const char *name, struct i8_error *err)
{
    *x = (struct i8i_shard_index){0};
    i8i_map_init(&x->by_tensor);
    x->name = i8i_path_join(tree->name, name);
    if (x->name == NULL)
        return i8i_nomem(err);
    char *text;
    size_t length;
    enum i8_status st =
        i8i_tree_read(tree, &text, &length, name, I8I_MAX_INDEX_BYTES, err);
    if (st == I8_OK)
        st = i8i_json_parse(&x->doc, text, length, x->name, err);
    free(text);
    if (st != I8_OK)
        return st;
    const i8i_json *weight_map = i8i_json_get(x->doc, "weight_map");
    if (!i8i_json_is_object(weight_map))
        return i8i_fail(err, I8_ERR_DATA, "%s: expected an object 'weight_map'", x->name);
    st = read_entries(x, weight_map, err);
    return st == I8_OK ? collect_files(x, tree, err) : st;
}

void i8i_shard_index_free(struct i8i_shard_index *x)
{
    free(x->name);
    free(x->files);
    free(x->entries);
    i8i_map_free(&x->by_tensor);
    i8i_json_free(x->doc);
    *x = (struct i8i_shard_index){0};
}

enum i8_status i8i_shard_index_found(struct i8i_shard_index *x, const char *tensor,
                                     size_t file, struct i8_error *err)
{
    size_t i = i8i_map_get(&x->by_tensor, tensor);
    if (i == I8I_MAP_NONE)
        return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s' of %s is not in the index",
                        x->name, tensor, x->files[file]);
    if (strcmp(x->entries[i].file, x->files[file]) != 0)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: tensor '%s': expected in %s only, found in %s", x->name,
                        tensor, x->entries[i].file, x->files[file]);
    x->entries[i].found = true;
    return I8_OK;
}

enum i8_status i8i_shard_index_finish(const struct i8i_shard_index *x,
                                      struct i8_error *err)
{
    for (size_t i = 0; i < x->n_entries; i++)
        if (!x->entries[i].found)
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: tensor '%s': expected in %s, which lacks "
                            "it",
                            x->name, x->entries[i].tensor, x->entries[i].file);
    return I8_OK;
}
