/* SPDX-License-Identifier: Apache-2.0
 *
 * One repository's folder in the cache that Python's huggingface_hub, llama.cpp, Rust's
 * hf-hub and others share:
 *
 *   ROOT/CACHEDIR.TAG
 *   ROOT/.locks/models--org--name/HASH.lock
 *   ROOT/models--org--name/blobs/HASH                      SHA-256, or git's SHA-1
 *                         /refs/main                       the commit, no newline
 *                         /snapshots/COMMIT/a/b.txt        -> ../../../blobs/HASH
 *                         /trees/COMMIT.json               the commit's whole listing
 *                         /.no_exist/COMMIT/FILE           known not to exist
 *
 * Files and folders get the modes that the umask leaves, so that a group can share them.
 */
#ifndef I8I_HUB_CACHE_H
#define I8I_HUB_CACHE_H

#include "hub/api.h"

struct i8i_cache {
    char *root;   /* absolute */
    char *folder; /* ROOT/models--org--name */
    char *blobs;
    char *locks;
    bool links; /* snapshots hold links; else the files themselves */
};

/* Composes the paths; looks at no file. `root` may be relative. Freed by
 * i8i_cache_close, also after failure. */
enum i8_status i8i_cache_open(struct i8i_cache *c, const char *root, const char *repo_id,
                              struct i8_error *err) I8I_MUST_CHECK;
void i8i_cache_close(struct i8i_cache *c); /* a zeroed one is fine */
/* Before the first write: makes the folders and the tag, finds out about links (which
 * disable_symlinks forbids), clears up after dead processes. */
enum i8_status i8i_cache_prepare(struct i8i_cache *c, bool disable_symlinks,
                                 struct i8_error *err) I8I_MUST_CHECK;

/* ---- paths; NULL without memory, the caller frees ---- */
char *i8i_cache_blob(const struct i8i_cache *c, const char *hash) I8I_MUST_CHECK;
char *i8i_cache_lock_path(const struct i8i_cache *c, const char *hash) I8I_MUST_CHECK;
char *i8i_cache_snapshot(const struct i8i_cache *c, const char *commit) I8I_MUST_CHECK;
/* snapshots/COMMIT/NAME. */
char *i8i_cache_entry(const struct i8i_cache *c, const char *commit,
                      const char *name) I8I_MUST_CHECK;

/* ---- refs ---- */

/* The commit that refs/REVISION holds; "" if there is none, or it is no commit. A
 * revision that is a commit stands for itself. */
enum i8_status i8i_cache_read_ref(char commit[I8I_COMMIT_HEX], const struct i8i_cache *c,
                                  const char *revision,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* Sets it if it differs; snapshots/COMMIT must be there. Nothing for a commit. */
enum i8_status i8i_cache_write_ref(const struct i8i_cache *c, const char *revision,
                                   const char *commit,
                                   struct i8_error *err) I8I_MUST_CHECK;

/* ---- entries ---- */

/* Makes snapshots/COMMIT/NAME stand for the content of that hash, replacing what is
 * there: a relative link to the blob, or without links a copy of the file `from` (nothing
 * if that is it). */
enum i8_status i8i_cache_place(const struct i8i_cache *c, const char *commit,
                               const char *name, const char *hash, const char *from,
                               struct i8_error *err) I8I_MUST_CHECK;
/* Notes that the commit has no such file. */
enum i8_status i8i_cache_mark_missing(const struct i8i_cache *c, const char *commit,
                                      const char *name,
                                      struct i8_error *err) I8I_MUST_CHECK;

/* An absolute form of a path that need not exist; the caller frees. */
enum i8_status i8i_absolute_path(char **out, const char *path,
                                 struct i8_error *err) I8I_MUST_CHECK;
/* Writes FOLDER/CACHEDIR.TAG if there is none, which tells backup programs to skip the
 * folder; a failure does not matter. */
void i8i_cache_tag(const char *folder);

#endif
