/* SPDX-License-Identifier: Apache-2.0
 *
 * Where bytes come from. A source is a run of bytes of known size that can be read
 * at any offset: a file, an entry of a zip file, a zstd seekable file, a range on
 * the Hub. A tree is a folder of named sources: a directory, or a Hub snapshot.
 * Nothing above this folder knows which it is.
 */
#ifndef I8I_SOURCE_SOURCE_H
#define I8I_SOURCE_SOURCE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_source;
struct i8i_source_ops {
    /* Reads exactly n bytes at offset; [offset, offset + n) is within the size. Must be
     * callable from several threads at once. */
    enum i8_status (*read_at)(struct i8i_source *s, void *dst, size_t n, uint64_t offset,
                              struct i8_error *err);
    void (*close)(struct i8i_source *s); /* frees s itself */
};
/* The head of every kind of source. */
struct i8i_source {
    const struct i8i_source_ops *ops;
    uint64_t size;    /* bytes */
    const char *name; /* for messages: the path or address; owned by the kind */
    int fd;           /* a plain file's descriptor (offset 0 = source's 0), or -1 */
};

/* Checks the bounds (a short file is an I8_ERR_DATA that names it), then reads. */
enum i8_status i8i_source_read_at(struct i8i_source *s, void *dst, size_t n,
                                  uint64_t offset, struct i8_error *err) I8I_MUST_CHECK;
void i8i_source_close(struct i8i_source *s); /* NULL is fine */

enum i8_status i8i_source_open_file(struct i8i_source **out, const char *path,
                                    struct i8_error *err) I8I_MUST_CHECK;

struct i8i_tree;
/* Sees one file of a tree; a failure ends the listing. */
typedef enum i8_status i8i_tree_fn(void *ctx, const char *name, uint64_t size,
                                   struct i8_error *err);
struct i8i_tree_ops {
    /* Opens a file of the tree by plain relative name. */
    enum i8_status (*open)(struct i8i_tree *t, struct i8i_source **out, const char *name,
                           struct i8_error *err);
    bool (*exists)(struct i8i_tree *t, const char *name);
    /* Calls fn for every file below the tree (relative names, sorted by bytes). */
    enum i8_status (*list)(struct i8i_tree *t, i8i_tree_fn *fn, void *ctx,
                           struct i8_error *err);
    void (*close)(struct i8i_tree *t);
};
struct i8i_tree {
    const struct i8i_tree_ops *ops;
    const char *name;     /* for messages: the directory or org/name@revision */
    const char *revision; /* the commit of a Hub snapshot, else NULL */
    const char *path;     /* the local directory, else NULL */
};
enum i8_status i8i_tree_open_directory(struct i8i_tree **out, const char *path,
                                       struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_tree_open(struct i8i_tree *t, struct i8i_source **out,
                             const char *name, struct i8_error *err) I8I_MUST_CHECK;
bool i8i_tree_exists(struct i8i_tree *t, const char *name);
enum i8_status i8i_tree_list(struct i8i_tree *t, i8i_tree_fn *fn, void *ctx,
                             struct i8_error *err) I8I_MUST_CHECK;
void i8i_tree_close(struct i8i_tree *t);
/* A whole small file (config.json, an index), at most `cap` bytes; NUL-terminated. */
enum i8_status i8i_tree_read(struct i8i_tree *t, char **out, size_t *length,
                             const char *name, size_t cap,
                             struct i8_error *err) I8I_MUST_CHECK;

#endif
