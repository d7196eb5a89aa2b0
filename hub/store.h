/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a pulled commit lies: in the cache, or in a folder of the user's (--local-dir).
 * What differs between the two is here; the order of things is in pull.c.
 */
#ifndef I8I_HUB_STORE_H
#define I8I_HUB_STORE_H

#include "hub/cache.h"

struct i8i_store;

/* How a file of the listing stands. */
enum i8i_file_state {
    I8I_FILE_ABSENT,
    I8I_FILE_AT_HAND, /* the content may be here, but not (known to be) in its place */
    I8I_FILE_PRESENT, /* in its place, of the right size, and not known to be wrong */
};

struct i8i_store_ops {
    /* Looks, writes nothing. */
    enum i8_status (*look)(struct i8i_store *s, const struct i8i_hub_file *f,
                           enum i8i_file_state *state, struct i8_error *err);
    /* Makes the folders, before the first write. */
    enum i8_status (*prepare)(struct i8i_store *s, struct i8_error *err);
    /* For a file AT_HAND, with the lock held: puts it in its place if its content is
     * right; *done says whether. */
    enum i8_status (*adopt)(struct i8i_store *s, const struct i8i_hub_file *f, bool *done,
                            struct i8_error *err);
    /* The content lies at final(s, source), where source has the same hash as f and may
     * be f itself: makes f PRESENT. */
    enum i8_status (*place)(struct i8i_store *s, const struct i8i_hub_file *f,
                            const struct i8i_hub_file *source, struct i8_error *err);
    /* Paths; NULL without memory. Where the user finds the file: */
    char *(*path)(const struct i8i_store *s, const struct i8i_hub_file *f);
    /* where the download engine leaves it: */
    char *(*final)(const struct i8i_store *s, const struct i8i_hub_file *f);
    /* the lock that Python's client takes for it: */
    char *(*lock)(const struct i8i_store *s, const struct i8i_hub_file *f);
    /* the first part of the names of its partials (part_claim.h): */
    char *(*part_stem)(const struct i8i_store *s, const struct i8i_hub_file *f);
};

struct i8i_store {
    const struct i8i_store_ops *ops;
    struct i8i_cache cache; /* also of a folder's store: copies come from there */
    char *root;             /* what the user gets: the snapshot, or the folder */
    char *meta;             /* trees/ lies in it */
    char *temp;             /* the folder of temporary files and of partials */
    char commit[I8I_COMMIT_HEX];
    bool cheap_adopt; /* adopt reads no content */
    bool exact_locks; /* i8i_locks_are_exact; set by prepare */
    bool disable_symlinks;
};

/* In the cache at `cache_dir`. Freed by i8i_store_close, also after failure. */
enum i8_status i8i_store_open_cache(struct i8i_store *s, const char *cache_dir,
                                    const char *repo_id, bool disable_symlinks,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* In the folder `dir`. cache_dir may be NULL: no copies then. */
enum i8_status i8i_store_open_local(struct i8i_store *s, const char *dir,
                                    const char *cache_dir, const char *repo_id,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* Which commit it is about; composes `root`. */
enum i8_status i8i_store_set_commit(struct i8i_store *s, const char *commit,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* Of a folder's store: the one commit whose listing lies there, "" if none or several. */
enum i8_status i8i_store_stored_commit(char commit[I8I_COMMIT_HEX],
                                       const struct i8i_store *s,
                                       struct i8_error *err) I8I_MUST_CHECK;
void i8i_store_close(struct i8i_store *s); /* a zeroed one is fine */

#endif
