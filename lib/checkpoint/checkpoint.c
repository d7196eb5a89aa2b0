/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening checkpoints: which files hold the weights, what kind each is (by its first
 * bytes, not its name), and one list of tensors over all of them.
 */
#include "config.h"

#include "base/memory.h"
#include "base/pool.h"
#include "checkpoint/bin_reader.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/stored.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What a tree may hold, in the order in which the Hub's own readers look; whatever an
 * index names, its shards may be compressed. */
static const struct {
    const char *single, *index;
} layouts[] = {
    {"model.safetensors", "model.safetensors.index.json"},
    {"model.safetensors" I8I_ZST, NULL}, /* its index is the one above */
    {"pytorch_model.bin", "pytorch_model.bin.index.json"},
};

/* One file on its way into the list: what its header says. Files are independent of each
 * other until they are merged, so any number can be read at once. */
struct shard {
    struct i8i_tensor *tensors;
    size_t count, capacity;
    struct i8i_arena *arena; /* for their names and strides: the reading thread's */
    enum i8_status status;
    struct i8_error err;
};

struct builder {
    struct i8i_checkpoint *c;
    struct shard *shards;          /* as many as c->files */
    struct i8i_shard_index *index; /* NULL: a single file */
    atomic_bool failed;            /* a shard has: begin no other */
};

static enum i8_status take_tensor(void *ctx, const struct i8i_tensor *t,
                                  struct i8_error *err)
{
    struct shard *s = ctx;
    if (!i8i_grow(&s->tensors, &s->capacity, s->count + 1, sizeof *s->tensors))
        return i8i_nomem(err);
    struct i8i_tensor *own = &s->tensors[s->count];
    *own = *t;
    own->name = i8i_arena_strdup(s->arena, t->name);
    if (own->name == NULL)
        return i8i_nomem(err);
    s->count++;
    return I8_OK;
}

#define MAGIC_BYTES 4
_Static_assert(MAGIC_BYTES >= I8I_BIN_MAGIC && MAGIC_BYTES >= I8I_ZSTD_MAGIC,
               "the first bytes must tell every kind");

static enum i8_status read_magic(unsigned char magic[MAGIC_BYTES], size_t *n,
                                 struct i8i_source *source, struct i8_error *err)
{
    *n = source->size < MAGIC_BYTES ? (size_t)source->size : MAGIC_BYTES;
    return i8i_source_read_at(source, magic, *n, 0, err);
}

static enum i8_status read_file(struct shard *s, struct i8i_checkpoint_file *f,
                                struct i8i_frame_cache *frames, struct i8_error *err)
{
    unsigned char magic[MAGIC_BYTES];
    size_t n;
    enum i8_status st = read_magic(magic, &n, f->source, err);
    if (st == I8_OK && i8i_zstd_is_zstd(magic, n)) {
        struct i8i_source *content;
        st = i8i_source_open_zstd(&content, f->source, frames, err);
        if (st == I8_OK) {
            f->source = content;
            st = read_magic(magic, &n, f->source, err);
        }
    }
    if (st != I8_OK)
        return st;
    if (i8i_bin_is_pytorch(magic, n))
        return i8i_bin_read(f->source, s->arena, take_tensor, s, err);
    return i8i_safetensors_read_header(f->source, &f->data_start, take_tensor, s, NULL,
                                       err);
}

/* Opens one file of the tree, or the path when there is no tree, and reads its header. */
static void open_shard(void *ctx, size_t item, unsigned thread)
{
    struct builder *b = ctx;
    struct i8i_checkpoint_file *f = &b->c->files[item];
    struct shard *s = &b->shards[item];
    s->arena = &b->c->arenas[thread];
    /* Items are begun in order, so one that is skipped lies behind the failed one. */
    if (atomic_load(&b->failed))
        return;
    s->status = b->c->tree != NULL
                    ? i8i_tree_open(b->c->tree, &f->source, f->name, &s->err)
                    : i8i_source_open_file(&f->source, f->name, &s->err);
    if (s->status == I8_OK)
        s->status = read_file(s, f, b->c->frames, &s->err);
    if (s->status != I8_OK)
        atomic_store(&b->failed, true);
}

static enum i8_status twice(const struct builder *b, const struct i8i_tensor *t,
                            const struct i8i_tensor *before, struct i8_error *err)
{
    if (b->index != NULL && t->file != before->file)
        return i8i_shard_index_two(b->index, t->name, before->file, t->file, err);
    return i8i_fail(err, I8_ERR_DATA, "%s: tensor '%s' appears twice",
                    b->c->files[t->file].source->name, t->name);
}

/* Appends a file's tensors to the list, for which there is room. */
static enum i8_status merge(struct builder *b, size_t file, struct i8_error *err)
{
    struct i8i_checkpoint *c = b->c;
    const struct shard *s = &b->shards[file];
    for (size_t i = 0; i < s->count; i++) {
        struct i8i_tensor *own = &c->tensors[c->n_tensors];
        *own = s->tensors[i];
        own->file = (uint32_t)file;
        size_t before;
        enum i8_status st =
            i8i_map_add(&c->by_name, own->name, c->n_tensors, &before, err);
        if (st == I8_OK && before != I8I_MAP_NONE)
            st = twice(b, own, &c->tensors[before], err);
        if (st != I8_OK)
            return st;
        c->n_tensors++;
    }
    return I8_OK;
}

static enum i8_status read_shards(struct builder *b, struct i8_error *err)
{
    struct i8i_checkpoint *c = b->c;
    struct i8i_pool *pool = NULL;
    unsigned width = c->tree != NULL ? c->tree->parallel : 1;
    if (width > c->n_files)
        width = (unsigned)c->n_files;
    if (width == 0)
        width = 1;
    c->arenas = i8i_calloc(width, sizeof *c->arenas);
    if (c->arenas == NULL)
        return i8i_nomem(err);
    c->n_arenas = width;
    if (width > 1) {
        enum i8_status st = i8i_pool_new(&pool, width, err);
        if (st != I8_OK)
            return st;
    }
    i8i_pool_run(pool, c->n_files, open_shard, b);
    i8i_pool_free(pool);
    return I8_OK;
}

/* In the order of the files, whatever the order in which they arrived: the first fault
 * is the same on every run. */
static enum i8_status merge_shards(struct builder *b, struct i8_error *err)
{
    struct i8i_checkpoint *c = b->c;
    size_t total = 0;
    for (size_t i = 0; i < c->n_files; i++)
        total += b->shards[i].count;
    c->tensors = i8i_calloc(total, sizeof *c->tensors);
    if (c->tensors == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_map_reserve(&c->by_name, total, err);
    for (size_t i = 0; i < c->n_files && st == I8_OK; i++) {
        struct shard *s = &b->shards[i];
        if (s->status != I8_OK)
            return i8i_fail(err, s->status, "%s", s->err.message);
        st = merge(b, i, err);
        free(s->tensors);
        s->tensors = NULL;
    }
    return st == I8_OK && b->index != NULL ? i8i_shard_index_check(b->index, c, err) : st;
}

/* An index may name the content of a compressed file, or a file that has been unpacked.
 */
static enum i8_status own_name(char **own, struct i8i_tree *tree, const char *name,
                               struct i8_error *err)
{
    *own = NULL;
    enum i8_status st = tree ? i8i_shard_file(own, tree, name, err) : I8_OK;
    if (st == I8_OK && *own == NULL && (*own = i8i_strdup(name)) == NULL)
        st = i8i_nomem(err); /* where there is no such file, opening it will say so */
    return st;
}

static enum i8_status new_checkpoint(struct i8i_checkpoint **out, struct i8i_tree *tree,
                                     const char *const *names, size_t n_names,
                                     struct i8_error *err)
{
    *out = NULL;
    if (n_names > UINT32_MAX)
        return i8i_fail(err, I8_ERR_UNSUPPORTED, "%zu weights files", n_names);
    struct i8i_checkpoint *c = i8i_calloc(1, sizeof *c);
    if (c == NULL)
        return i8i_nomem(err);
    i8i_map_init(&c->by_name);
    c->tree = tree;
    c->files = i8i_calloc(n_names, sizeof *c->files);
    enum i8_status st = c->files ? i8i_frame_cache_new(&c->frames, err) : i8i_nomem(err);
    for (size_t i = 0; i < n_names && st == I8_OK; i++) {
        st = own_name(&c->files[i].name, tree, names[i], err);
        c->n_files += st == I8_OK;
    }
    if (st == I8_OK)
        *out = c;
    else
        i8i_checkpoint_free(c);
    return st;
}

static enum i8_status open_files(struct i8i_checkpoint **out, struct i8i_tree *tree,
                                 const char *const *names, size_t n_names,
                                 struct i8i_shard_index *index, struct i8_error *err)
{
    *out = NULL;
    struct builder b = {.index = index};
    enum i8_status st = new_checkpoint(&b.c, tree, names, n_names, err);
    if (st != I8_OK)
        return st;
    b.shards = i8i_calloc(n_names, sizeof *b.shards);
    st = b.shards != NULL ? read_shards(&b, err) : i8i_nomem(err);
    if (st == I8_OK)
        st = merge_shards(&b, err);
    for (size_t i = 0; b.shards != NULL && i < n_names; i++)
        free(b.shards[i].tensors);
    free(b.shards);
    if (st == I8_OK)
        *out = b.c;
    else
        i8i_checkpoint_free(b.c);
    return st;
}

static enum i8_status open_index(struct i8i_checkpoint **out, struct i8i_tree *tree,
                                 const char *name, struct i8_error *err)
{
    struct i8i_shard_index index;
    enum i8_status st = i8i_shard_index_read(&index, tree, name, err);
    if (st == I8_OK)
        st = open_files(out, tree, index.files, index.n_files, &index, err);
    i8i_shard_index_free(&index);
    return st;
}

enum i8_status i8i_checkpoint_open_tree(struct i8i_checkpoint **out,
                                        struct i8i_tree *tree, struct i8_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (i8i_tree_exists(tree, layouts[i].single))
            return open_files(out, tree, &layouts[i].single, 1, NULL, err);
        if (layouts[i].index && i8i_tree_exists(tree, layouts[i].index))
            return open_index(out, tree, layouts[i].index, err);
    }
    return i8i_fail(err, I8_ERR_IO,
                    "%s: no weights: expected %s, its .zst form, %s, %s or %s",
                    tree->name, layouts[0].single, layouts[0].index, layouts[2].single,
                    layouts[2].index);
}

enum i8_status i8i_checkpoint_open_file(struct i8i_checkpoint **out, const char *path,
                                        struct i8_error *err)
{
    return open_files(out, NULL, &path, 1, NULL, err);
}

void i8i_checkpoint_free(struct i8i_checkpoint *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        i8i_source_close(c->files[i].source);
        free(c->files[i].name);
    }
    for (unsigned i = 0; i < c->n_arenas; i++)
        i8i_arena_free(&c->arenas[i]);
    free(c->arenas);
    i8i_frame_cache_free(c->frames);
    free(c->files);
    free(c->tensors);
    i8i_map_free(&c->by_name);
    free(c);
}

const struct i8i_tensor *i8i_checkpoint_find(const struct i8i_checkpoint *c,
                                             const char *name)
{
    size_t i = i8i_map_get(&c->by_name, name);
    return i == I8I_MAP_NONE ? NULL : &c->tensors[i];
}

/* n bytes of elements `width` bytes wide, each turned around in place. */
static void swap_bytes(void *bytes, size_t n, size_t width)
{
    for (char *p = bytes, *end = p + n; p < end; p += width) {
        for (size_t i = 0; i < width / 2; i++) {
            const char c = p[i];
            p[i] = p[width - 1 - i];
            p[width - 1 - i] = c;
        }
    }
}

/* A complex number is two numbers. */
static size_t swap_width(enum i8_dtype dtype)
{
    return dtype == I8_DTYPE_C64 ? 4 : i8_dtype_bits(dtype) / 8;
}

/* Whole elements of a tensor that is not plain. */
static enum i8_status read_elements(const struct i8i_checkpoint *c,
                                    const struct i8i_tensor *t, void *dst,
                                    uint64_t offset, size_t n, struct i8_error *err)
{
    struct i8i_source *source = c->files[t->file].source;
    enum i8_status st = t->fp8 ? i8i_fp8_read(c, t, dst, offset, n, err)
                        : t->strides
                            ? i8i_strided_read(source, t, dst, offset, n, err)
                            : i8i_source_read_at(source, dst, n, t->offset + offset, err);
    if (st == I8_OK && t->swapped)
        swap_bytes(dst, n, swap_width(t->dtype));
    return st;
}

/* The range cuts elements in two: whole ones on the side. */
static enum i8_status read_cut(const struct i8i_checkpoint *c, const struct i8i_tensor *t,
                               void *dst, uint64_t offset, size_t n, size_t width,
                               struct i8_error *err)
{
    const size_t skip = (size_t)(offset % width);
    const size_t whole = (skip + n + width - 1) / width * width;
    char *bytes = malloc(whole);
    if (bytes == NULL)
        return i8i_nomem(err);
    enum i8_status st = read_elements(c, t, bytes, offset - skip, whole, err);
    if (st == I8_OK)
        memcpy(dst, bytes + skip, n);
    free(bytes);
    return st;
}

enum i8_status i8i_tensor_read(const struct i8i_checkpoint *c, const struct i8i_tensor *t,
                               void *dst, uint64_t offset, size_t n, struct i8_error *err)
{
    if (offset > t->bytes || n > t->bytes - offset)
        return i8i_fail(err, I8_ERR_ARG,
                        "tensor '%s': %zu bytes at byte %" PRIu64
                        " asked for, it has %" PRIu64,
                        t->name, n, offset, t->bytes);
    if (n == 0)
        return I8_OK;
    if (i8i_tensor_is_plain(t))
        return i8i_source_read_at(c->files[t->file].source, dst, n, t->offset + offset,
                                  err);
    const size_t width = i8_dtype_bits(t->dtype) / 8; /* whole bytes, all such kinds */
    return offset % width || n % width ? read_cut(c, t, dst, offset, n, width, err)
                                       : read_elements(c, t, dst, offset, n, err);
}
