/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of a sharded checkpoint: {"weight_map": {tensor: file}}, the same for
 * safetensors and PyTorch shards. metadata.total_size is not read: it is often wrong.
 */
#ifndef I8I_CHECKPOINT_SHARD_INDEX_H
#define I8I_CHECKPOINT_SHARD_INDEX_H

#include "base/json_reader.h"
#include "checkpoint/checkpoint.h"

#define I8I_ZST ".zst" /* ends the name of a compressed weights file */
/* The file that an index means by `name`: that one, else its compressed form, else the
 * unpacked form of a compressed one. *own is NULL if there is none; caller frees. */
enum i8_status i8i_shard_file(char **own, struct i8i_tree *tree, const char *name,
                              struct i8_error *err) I8I_MUST_CHECK;

struct i8i_shard_index {
    const char **files; /* distinct, sorted by bytes */
    size_t n_files;
    /* private: */
    char *name; /* path of the index, for messages */
    char *text; /* read twice: for its files, and once their tensors are known */
    struct i8i_json_reader weight_map; /* in front of its first entry */
    struct i8i_map by_file;            /* the name of a file → its place in `files` */
    struct i8i_arena arena;            /* the names of the files */
};

/* Reads and checks the index `name` of the tree: every file a plain name that exists.
 * Freed by i8i_shard_index_free, also after failure. */
enum i8_status i8i_shard_index_read(struct i8i_shard_index *x, struct i8i_tree *tree,
                                    const char *name,
                                    struct i8_error *err) I8I_MUST_CHECK;
void i8i_shard_index_free(struct i8i_shard_index *x);
/* Fails, naming a tensor, unless the index and the checkpoint of its files name the same
 * tensors, once each, in the same files. */
enum i8_status i8i_shard_index_check(const struct i8i_shard_index *x,
                                     const struct i8i_checkpoint *c,
                                     struct i8_error *err) I8I_MUST_CHECK;
/* The fault of a checkpoint that has a tensor in two of the files. */
enum i8_status i8i_shard_index_two(const struct i8i_shard_index *x, const char *tensor,
                                   size_t file, size_t other,
                                   struct i8_error *err) I8I_MUST_CHECK;

#endif
