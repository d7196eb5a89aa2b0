/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a shard index and holding the shards to it. An index may have a million
 * tensors: it is walked as text, and what is kept are the names of its files. That no
 * tensor is named twice is seen when each is ticked off.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/shard_index.h"

#include <stdlib.h>
#include <string.h>

/* One entry of the weight_map after the other. */
struct walk {
    const struct i8i_shard_index *x;
    struct i8i_json_reader r;
    struct i8i_json_text tensor, file; /* of the entry, as they are written */
    bool same_file;                    /* as the entry before has it */
    struct i8i_buffer tensor_name, file_name;
    size_t place; /* of the file in x->files */
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

static struct walk walk_of(const struct i8i_shard_index *x)
{
    struct walk w = {.x = x, .r = x->weight_map};
    i8i_buffer_init(&w.tensor_name, I8I_MAX_INDEX_BYTES);
    i8i_buffer_init(&w.file_name, I8I_MAX_INDEX_BYTES);
    return w;
}

static void end_walk(struct walk *w)
{
    i8i_buffer_free(&w->tensor_name);
    i8i_buffer_free(&w->file_name);
}

/* The name of the entry's tensor. */
static const char *tensor_of(struct walk *w)
{
    const char *name = i8i_json_unescape(&w->tensor_name, w->tensor);
    return name != NULL ? name : "(no memory for its name)";
}

static enum i8_status next_entry(bool *more, struct walk *w, struct i8_error *err)
{
    const struct i8i_json_text last = w->file;
    *more = i8i_json_next_member(&w->r, &w->tensor);
    if (!*more)
        return I8_OK;
    if (!i8i_json_read_text(&w->r, &w->file))
        return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s': expected a file name as text",
                        w->x->name, tensor_of(w));
    w->same_file = last.at != NULL && last.length == w->file.length &&
                   memcmp(last.at, w->file.at, last.length) == 0;
    if (!w->same_file && i8i_json_unescape(&w->file_name, w->file) == NULL)
        return i8i_nomem(err);
    return I8_OK;
}

/* Takes the file of the entry into the list, unless it is there. */
static enum i8_status take_file(struct i8i_shard_index *x, size_t *capacity,
                                struct walk *w, struct i8i_tree *tree,
                                struct i8_error *err)
{
    const char *file = w->file_name.data;
    if (i8i_map_get(&x->by_file, file) != I8I_MAP_NONE)
        return I8_OK;
    if (!i8i_path_is_plain(file))
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: tensor '%s': expected a plain file name, found '%s'",
                        x->name, tensor_of(w), file);
    char *own;
    enum i8_status st = i8i_shard_file(&own, tree, file, err);
    if (st != I8_OK)
        return st;
    const bool exists = own != NULL;
    free(own);
    if (!exists)
        return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s': its file '%s' does not exist",
                        x->name, tensor_of(w), file);
    const char *name = i8i_arena_strdup(&x->arena, file);
    if (name == NULL || !i8i_grow(&x->files, capacity, x->n_files + 1, sizeof *x->files))
        return i8i_nomem(err);
    x->files[x->n_files++] = name;
    return i8i_map_add(&x->by_file, name, 0, NULL, err);
}

/* The files in their order, and each one's place in it. */
static enum i8_status sort_files(struct i8i_shard_index *x, struct i8_error *err)
{
    if (x->n_files > 0)
        qsort(x->files, x->n_files, sizeof *x->files, by_bytes);
    i8i_map_free(&x->by_file);
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < x->n_files && st == I8_OK; i++)
        st = i8i_map_add(&x->by_file, x->files[i], i, NULL, err);
    return st;
}

/* Reads the weight_map at r for its files. */
static enum i8_status collect_files(struct i8i_shard_index *x, struct i8i_json_reader *r,
                                    struct i8i_tree *tree, struct i8_error *err)
{
    if (!i8i_json_enter_object(r))
        return i8i_fail(err, I8_ERR_DATA, "%s: expected an object 'weight_map'", x->name);
    x->weight_map = *r;
    struct walk w = walk_of(x);
    size_t capacity = 0;
    bool more = true;
    enum i8_status st = I8_OK;
    while (st == I8_OK && (st = next_entry(&more, &w, err)) == I8_OK && more)
        if (!w.same_file)
            st = take_file(x, &capacity, &w, tree, err);
    *r = w.r;
    end_walk(&w);
    return st == I8_OK ? sort_files(x, err) : st;
}

/* A key of the document itself, which has few. */
static enum i8_status take_key(struct i8i_shard_index *x, struct i8i_map *seen,
                               struct i8i_json_text key, struct i8_error *err)
{
    struct i8i_buffer b;
    i8i_buffer_init(&b, I8I_MAX_INDEX_BYTES);
    const char *name = i8i_json_unescape(&b, key);
    name = name != NULL ? i8i_arena_strdup(&x->arena, name) : NULL;
    i8i_buffer_free(&b);
    size_t before;
    enum i8_status st =
        name != NULL ? i8i_map_add(seen, name, 0, &before, err) : i8i_nomem(err);
    if (st == I8_OK && before != I8I_MAP_NONE)
        st = i8i_json_repeated_key(name, x->name, err);
    return st;
}

static enum i8_status read_document(struct i8i_shard_index *x, size_t length,
                                    struct i8i_tree *tree, struct i8_error *err)
{
    struct i8i_json_reader r;
    struct i8i_json_text key;
    struct i8i_map seen;
    i8i_map_init(&seen);
    enum i8_status st = i8i_json_reader_init(&r, x->text, length, x->name, err);
    const bool is_object = st == I8_OK && i8i_json_enter_object(&r);
    while (is_object && st == I8_OK && i8i_json_next_member(&r, &key)) {
        st = take_key(x, &seen, key, err);
        if (st == I8_OK && i8i_json_text_is(key, "weight_map")) {
            st = collect_files(x, &r, tree, err);
        } else if (st == I8_OK) {
            i8i_json *value; /* of no use to us; but it must be valid */
            st = i8i_json_read_value(&value, &r, x->name, err);
            i8i_json_free(value);
        }
    }
    i8i_map_free(&seen);
    if (st == I8_OK && x->weight_map.at == NULL)
        st = i8i_fail(err, I8_ERR_DATA, "%s: expected an object 'weight_map'", x->name);
    return st;
}

enum i8_status i8i_shard_index_read(struct i8i_shard_index *x, struct i8i_tree *tree,
                                    const char *name, struct i8_error *err)
{
    *x = (struct i8i_shard_index){0};
    i8i_map_init(&x->by_file);
    x->name = i8i_path_join(tree->name, name);
    if (x->name == NULL)
        return i8i_nomem(err);
    size_t length;
    enum i8_status st =
        i8i_tree_read(tree, &x->text, &length, name, I8I_MAX_INDEX_BYTES, err);
    return st == I8_OK ? read_document(x, length, tree, err) : st;
}

void i8i_shard_index_free(struct i8i_shard_index *x)
{
    free(x->name);
    free(x->text);
    free(x->files);
    i8i_map_free(&x->by_file);
    i8i_arena_free(&x->arena);
    *x = (struct i8i_shard_index){0};
}

/* ---- holding the shards to it ---- */

static enum i8_status not_in_index(const struct i8i_shard_index *x, const char *tensor,
                                   size_t file, struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s' of %s is not in the index",
                    x->name, tensor, x->files[file]);
}

static enum i8_status misplaced(const struct i8i_shard_index *x, const char *tensor,
                                size_t expected, size_t found, struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s': expected in %s only, found in %s",
                    x->name, tensor, x->files[expected], x->files[found]);
}

/* The next entry, with its place in x->files, where all files are by now. */
static enum i8_status next_place(bool *more, struct walk *w, struct i8_error *err)
{
    enum i8_status st = next_entry(more, w, err);
    if (st == I8_OK && *more && !w->same_file)
        w->place = i8i_map_get(&w->x->by_file, w->file_name.data);
    return st;
}

enum i8_status i8i_shard_index_two(const struct i8i_shard_index *x, const char *tensor,
                                   size_t file, size_t other, struct i8_error *err)
{
    struct walk w = walk_of(x);
    bool more;
    enum i8_status st;
    while ((st = next_place(&more, &w, err)) == I8_OK && more &&
           !i8i_json_text_is(w.tensor, tensor))
        ;
    if (st == I8_OK)
        st = more ? misplaced(x, tensor, w.place, w.place == file ? other : file, err)
                  : not_in_index(x, tensor, file, err);
    end_walk(&w);
    return st;
}

/* What has been ticked off. As a rule the index and each of its files name tensors in the
 * same order: the one behind the last that was found is tried before the hash table. */
struct ticks {
    const struct i8i_checkpoint *c;
    bool *ticked; /* one a tensor */
    size_t *next; /* one a file: the tensor to try */
};

static enum i8_status new_ticks(struct ticks *t, const struct i8i_checkpoint *c,
                                struct i8_error *err)
{
    *t = (struct ticks){
        .c = c,
        .ticked = i8i_calloc(c->n_tensors, sizeof *t->ticked),
        .next = i8i_calloc(c->n_files, sizeof *t->next),
    };
    if (t->ticked == NULL || t->next == NULL)
        return i8i_nomem(err);
    for (size_t i = c->n_tensors; i-- > 0;)
        t->next[c->tensors[i].file] = i;
    return I8_OK;
}

static enum i8_status tick_off(struct ticks *t, struct walk *w, struct i8_error *err)
{
    const struct i8i_shard_index *x = w->x;
    const char *tensor = i8i_json_unescape(&w->tensor_name, w->tensor);
    if (tensor == NULL)
        return i8i_nomem(err);
    size_t i = t->next[w->place];
    if (i >= t->c->n_tensors || strcmp(t->c->tensors[i].name, tensor) != 0)
        i = i8i_map_get(&t->c->by_name, tensor);
    if (i == I8I_MAP_NONE)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: tensor '%s': expected in %s, which lacks it", x->name,
                        tensor, x->files[w->place]);
    if (t->c->tensors[i].file != w->place)
        return misplaced(x, tensor, w->place, t->c->tensors[i].file, err);
    if (t->ticked[i])
        return i8i_json_repeated_key(tensor, x->name, err);
    t->ticked[i] = true;
    t->next[w->place] = i + 1;
    return I8_OK;
}

enum i8_status i8i_shard_index_check(const struct i8i_shard_index *x,
                                     const struct i8i_checkpoint *c, struct i8_error *err)
{
    struct walk w = walk_of(x);
    struct ticks t;
    bool more = true;
    enum i8_status st = new_ticks(&t, c, err);
    while (st == I8_OK && (st = next_place(&more, &w, err)) == I8_OK && more)
        st = tick_off(&t, &w, err);
    for (size_t i = 0; i < c->n_tensors && st == I8_OK; i++)
        if (!t.ticked[i])
            st = not_in_index(x, c->tensors[i].name, c->tensors[i].file, err);
    free(t.ticked);
    free(t.next);
    end_walk(&w);
    return st;
}
