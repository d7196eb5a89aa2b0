/* SPDX-License-Identifier: Apache-2.0
 *
 * One commit of a repository as a tree: files that the cache of Python's client has are
 * read there, all others by ranges. Nothing is written anywhere.
 */
#ifndef I8I_HUB_REMOTE_TREE_H
#define I8I_HUB_REMOTE_TREE_H

#include "hub/api.h"
#include "source/source.h"

/* What a tree is made of; its strings are copied. */
struct i8i_remote_tree_parts {
    struct i8i_http *http; /* borrowed; NULL: offline, only the cache is read */
    struct i8i_repo_id repo;
    char commit[I8I_COMMIT_HEX];
    const char
        *snapshot; /* the cache's snapshots/COMMIT, which need not exist; or NULL */
    bool named;    /* the revision was given: shown in the tree's name */
    unsigned connections;
};
/* Takes *listing over (zeroed), also when it fails. */
enum i8_status i8i_remote_tree_new(struct i8i_tree **out,
                                   const struct i8i_remote_tree_parts *parts,
                                   struct i8i_hub_listing *listing,
                                   struct i8_error *err) I8I_MUST_CHECK;

#endif
