/* SPDX-License-Identifier: Apache-2.0
 *
 * Shard indexes, in a tree that has the files a, b and c: those of an accepted index
 * exist, once each and sorted, and agree with a checkpoint only if that has the tensors.
 */
#include "config.h"

#include "checkpoint/shard_index.h"
#include "fuzz.h"

#define MOST_FILES 6 /* each under its own name, and as a.zst for a */

struct memory_tree {
    struct i8i_tree tree;
    struct memory_source index;
};

static enum i8_status tree_open(struct i8i_tree *t, struct i8i_source **out,
                                const char *name, struct i8_error *err)
{
    (void)name;
    (void)err;
    *out = &((struct memory_tree *)t)->index.source;
    return I8_OK;
}

static bool tree_exists(struct i8i_tree *t, const char *name)
{
    (void)t;
    return name[0] >= 'a' && name[0] <= 'c' && name[1] == '\0';
}

static const struct i8i_tree_ops tree_ops = {.open = tree_open, .exists = tree_exists};

/* Holds the index to a checkpoint with tensor t0 in the first file, t1 in the next … */
static enum i8_status check_index(const struct i8i_shard_index *x, struct i8_error *err)
{
    static const char *const names[MOST_FILES] = {"t0", "t1", "t2", "t3", "t4", "t5"};
    struct i8i_tensor tensors[MOST_FILES] = {{0}};
    struct i8i_checkpoint c = {
        .tensors = tensors, .n_tensors = x->n_files, .n_files = x->n_files};
    i8i_map_init(&c.by_name);
    for (size_t i = 0; i < x->n_files; i++) {
        tensors[i] = (struct i8i_tensor){.name = names[i], .file = (uint32_t)i};
        MUST(i8i_map_add(&c.by_name, names[i], i, NULL, err) == I8_OK);
    }
    enum i8_status st = i8i_shard_index_check(x, &c, err);
    for (size_t i = 0; i < x->n_files; i++) /* "two" fails whatever it finds */
        MUST(i8i_shard_index_two(x, names[i], i, 0, NULL) != I8_OK);
    i8i_map_free(&c.by_name);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_tree t = {.tree = {.ops = &tree_ops, .name = "tree"},
                            .index = memory_source(data, size)};
    struct i8_error err = {0};
    struct i8i_shard_index x;
    enum i8_status st = i8i_shard_index_read(&x, &t.tree, "index", &err);
    MUST(st != I8_OK || x.n_files <= MOST_FILES);
    for (size_t i = 0; i < x.n_files && st == I8_OK; i++) {
        char *own;
        MUST(i8i_shard_file(&own, &t.tree, x.files[i], NULL) == I8_OK && own != NULL);
        MUST(tree_exists(&t.tree, own));
        free(own);
        MUST(i == 0 || strcmp(x.files[i - 1], x.files[i]) < 0);
    }
    if (st == I8_OK)
        st = check_index(&x, &err);
    MUST(st == I8_OK || (err.status == st && err.message[0] != '\0'));
    i8i_shard_index_free(&x);
    return 0;
}
