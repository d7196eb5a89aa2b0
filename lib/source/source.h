/* SPDX-License-Identifier: Apache-2.0
 *
 * Where bytes come from. A source is a run of bytes of known size that can be read
 * at any offset: a file, an entry of a zip file, a zstd seekable file, a range on
 * the Hub. A tree is a folder of named sources: a directory, or a Hub snapshot.
 * Nothing above this folder knows which it is.
 */
#ifndef I8I_SOURCE_SOURCE_H
#define I8I_SOURCE_SOURCE_H

#include "base/hash.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_source;
struct i8i_extent { /* a run of bytes */
    uint64_t offset, bytes;
};
struct i8i_source_ops {
    /* Reads exactly n bytes at offset; [offset, offset + n) is within the size. Must be
     * callable from several threads at once. */
    enum i8_status (*read_at)(struct i8i_source *s, void *dst, size_t n, uint64_t offset,
                              struct i8_error *err);
    void (*close)(struct i8i_source *s); /* frees s itself */
    /* A hint, or NULL: these extents (sorted, within the size) are read next, each by a
     * read of its own. Where a read has a latency they are fetched side by side. */
    void (*will_read)(struct i8i_source *s, const struct i8i_extent *extents, size_t n);
};
/* The head of every kind of source. */
struct i8i_source {
    const struct i8i_source_ops *ops;
    uint64_t size;    /* bytes */
    const char *name; /* for messages: the path or address; owned by the kind */
    int fd;           /* a plain file's descriptor (offset 0 = source's 0), or -1 */
    /* What the bytes must hash to, as who serves them says: "sha256:<hex>" or
     * "git:<hex>" (SHA-1 of the git blob). NULL: nobody vouches for them. Owned by the
     * kind. */
    const char *digest;
    struct i8i_source *stored; /* of which this is the decoded content, or NULL */
};
/* What was opened first: the file itself, whatever is decoded from it. */
static inline const struct i8i_source *i8i_source_stored(const struct i8i_source *s)
{
    return s->stored ? s->stored : s;
}

/* Checks the bounds (a short file is an I8_ERR_DATA that names it), then reads. */
enum i8_status i8i_source_read_at(struct i8i_source *s, void *dst, size_t n,
                                  uint64_t offset, struct i8_error *err) I8I_MUST_CHECK;
void i8i_source_close(struct i8i_source *s); /* NULL is fine */
void i8i_source_will_read(struct i8i_source *s, const struct i8i_extent *extents,
                          size_t n);
/* Adds the bytes [from, to) to the hash, read through `buffer` of so many bytes. */
enum i8_status i8i_source_hash(struct i8i_source *s, struct i8i_hash *h, uint64_t from,
                               uint64_t to, char *buffer, size_t bytes,
                               struct i8_error *err) I8I_MUST_CHECK;
/* The SHA-256 that the bytes must have, in hex, or NULL. */
const char *i8i_source_sha256(const struct i8i_source *s);

enum i8_status i8i_source_open_file(struct i8i_source **out, const char *path,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* The file that fd is open on for reading, whatever its name is by now; fd stays the
 * caller's. `name` is for messages. */
enum i8_status i8i_source_open_fd(struct i8i_source **out, int fd, const char *name,
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
    /* NULL where reading has no latency worth hiding; see i8i_tree_read_ahead. */
    enum i8_status (*read_ahead)(struct i8i_tree *t, struct i8i_source *const *sources,
                                 size_t n, uint64_t memory, struct i8_error *err);
};
struct i8i_tree {
    const struct i8i_tree_ops *ops;
    const char *name;       /* for messages: the directory or org/name@revision */
    const char *repository; /* "org/name" of a Hub snapshot, else NULL */
    const char *revision;   /* its commit, else NULL */
    const char *path;       /* the local directory, else NULL */
    unsigned parallel;      /* how many files are worth opening at once; 0 is 1. Open and
                             * exists may then be called from several threads. */
};
enum i8_status i8i_tree_open_directory(struct i8i_tree **out, const char *path,
                                       struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_tree_open(struct i8i_tree *t, struct i8i_source **out,
                             const char *name, struct i8_error *err) I8I_MUST_CHECK;
bool i8i_tree_exists(struct i8i_tree *t, const char *name);
enum i8_status i8i_tree_list(struct i8i_tree *t, i8i_tree_fn *fn, void *ctx,
                             struct i8_error *err) I8I_MUST_CHECK;
void i8i_tree_close(struct i8i_tree *t);
/* Announces that `sources`, opened from this tree, are now read in this order, each from
 * beginning to end, at places that move forwards together: where that pays, bytes are
 * fetched ahead and kept until all readers have passed, in `memory` bytes. Ends with the
 * next call, n == 0 included. Not during reads. */
enum i8_status i8i_tree_read_ahead(struct i8i_tree *t, struct i8i_source *const *sources,
                                   size_t n, uint64_t memory,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* A whole small file (config.json, an index), at most `cap` bytes; NUL-terminated. */
enum i8_status i8i_tree_read(struct i8i_tree *t, char **out, size_t *length,
                             const char *name, size_t cap,
                             struct i8_error *err) I8I_MUST_CHECK;

#endif
