/* SPDX-License-Identifier: Apache-2.0
 *
 * Listings on the disk: trees/COMMIT.json as huggingface_hub 1.22 and later read and
 * write it, and, where there is none, what a folder holds.
 */
#ifndef I8I_HUB_CACHE_LISTING_H
#define I8I_HUB_CACHE_LISTING_H

#include "hub/api.h"

/* FOLDER/trees/COMMIT.json. *found is false, and `out` empty, if there is none or it is
 * damaged or of another format, which the log then says. Freed by i8i_hub_listing_free,
 * also after failure. */
enum i8_status i8i_listing_read(struct i8i_hub_listing *out, bool *found,
                                const char *folder, const char *commit,
                                const struct i8_log *log,
                                struct i8_error *err) I8I_MUST_CHECK;
/* The same in the other direction, through a temporary file in temp_dir. `l` must be the
 * commit's whole listing: readers take what it lacks for not existing. */
enum i8_status i8i_listing_write(const char *folder, const char *commit,
                                 const struct i8i_hub_listing *l, const char *temp_dir,
                                 struct i8_error *err) I8I_MUST_CHECK;
/* The files below a snapshot's folder. A link into blobs/ tells its hash, a file of its
 * own does not ("" then). */
enum i8_status i8i_listing_scan(struct i8i_hub_listing *out, const char *snapshot,
                                struct i8_error *err) I8I_MUST_CHECK;

#endif
