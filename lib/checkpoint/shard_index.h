/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of a sharded checkpoint: {"weight_map": {tensor: file}}, the same for
 * safetensors and PyTorch shards. metadata.total_size is not read: it is often wrong.
 */
#ifndef I8I_CHECKPOINT_SHARD_INDEX_H
#define I8I_CHECKPOINT_SHARD_INDEX_H

#include "base/json.h"
#include "base/map.h"
#include "source/source.h"

#define I8I_ZST ".zst" /* ends the name of a compressed weights file */
/* The file that an index means by `name`: that one, else its compressed form, else the
 * unpacked form of a compressed one. *own is NULL if there is none; caller frees. */
enum i8_status i8i_shard_file(char **own, struct i8i_tree *tree, const char *name,
                              struct i8_error *err) I8I_MUST_CHECK;

struct i8i_shard_index {
    const char **files; /* distinct, sorted by bytes */
    size_t n_files;
    /* private: */
    struct i8i_shard_entry *entries;
    size_t n_entries;
    struct i8i_map by_tensor;
    char *name; /* path of the index, for messages */
    i8i_json *doc;
};

/* Reads and checks the index `name` of the tree: every file a plain name that exists.
 * Freed by i8i_shard_index_free, also after failure. */
enum i8_status i8i_shard_index_read(struct i8i_shard_index *x, struct i8i_tree *tree,
                                    const char *name,
                                    struct i8_error *err) I8I_MUST_CHECK;
void i8i_shard_index_free(struct i8i_shard_index *x);
/* Ticks off a tensor found in files[file]; fails unless the index has it there. */
enum i8_status i8i_shard_index_found(struct i8i_shard_index *x, const char *tensor,
                                     size_t file, struct i8_error *err) I8I_MUST_CHECK;
/* Fails, naming one, if a tensor of the index was never found. */
enum i8_status i8i_shard_index_finish(const struct i8i_shard_index *x,
                                      struct i8_error *err) I8I_MUST_CHECK;

#endif
