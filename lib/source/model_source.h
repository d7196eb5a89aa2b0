/* SPDX-License-Identifier: Apache-2.0
 *
 * What a MODEL string names: a directory, one weights file, or a Hub repository. This is
 * the only place that decides it.
 */
#ifndef I8I_SOURCE_MODEL_SOURCE_H
#define I8I_SOURCE_MODEL_SOURCE_H

#include "source/source.h"

/* Opens what lies behind `model`:
 *   - a path that exists: a directory's tree, or *out = NULL for anything else, which the
 *     caller opens as a file;
 *   - "hub:REPOSITORY[@REVISION]", or ORG/NAME[@REVISION] where no such path exists: a
 *     tree of the registered remote. REPOSITORY is ORG/NAME or, as some old ones are,
 * NAME. Where nothing exists and the words are none of a repository either, *out = NULL:
 * opening the file says so. */
enum i8_status i8i_open_model_tree(struct i8i_tree **out, const char *model,
                                   struct i8_error *err) I8I_MUST_CHECK;

/* Who opens repositories; nobody at first. Hub access is registered by the program before
 * it opens anything (i8_hub_enable), so that this folder knows no network. */
struct i8i_remote {
    /* `revision` is NULL where the string has none. */
    enum i8_status (*open)(void *ctx, struct i8i_tree **out, const char *repository,
                           const char *revision, struct i8_error *err);
    void *ctx;
};
/* Not while anything is being opened. NULL takes the remote away; *remote is copied. */
void i8i_remote_register(const struct i8i_remote *remote);

#endif
