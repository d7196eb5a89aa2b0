/* SPDX-License-Identifier: Apache-2.0
 *
 * Shard indexes, in a tree that has the files a, b and c: those of an accepted index
 * exist, once each and sorted, and each tensor is ticked off only where the index has it.
 */
#include "config.h"

#include "checkpoint/shard_index.h"
#include "fuzz.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_tree t = {.tree = {.ops = &tree_ops, .name = "tree"},
                            .index = memory_source(data, size)};
    struct i8_error err = {0};
    struct i8i_shard_index x;
    enum i8_status st = i8i_shard_index_read(&x, &t.tree, "index", &err);
    MUST(st != I8_OK || x.n_files <= 3);
    for (size_t i = 0; i < x.n_files && st == I8_OK; i++) {
        MUST(tree_exists(&t.tree, x.files[i]));
        MUST(i == 0 || strcmp(x.files[i - 1], x.files[i]) < 0);
    }
    int found = 0;
    for (size_t i = 0; i < x.n_files && st == I8_OK; i++)
        found += i8i_shard_index_found(&x, "t0", i, &err) == I8_OK;
    MUST(found <= 1);
    if (st == I8_OK)
        st = i8i_shard_index_finish(&x, &err);
    MUST(st == I8_OK || (err.status == st && err.message[0] != '\0'));
    i8i_shard_index_free(&x);
    return 0;
}
