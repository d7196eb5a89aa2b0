/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files that others read while they are replaced (refs, listings, metadata):
 * written under a temporary name, synced, renamed. The temporary name lies in a folder of
 * the caller's choice on the same file system, because Python's tools take whatever lies
 * in refs/ or snapshots/ for an entry. What a killed process leaves there is recognised
 * by the lock that it no longer holds.
 */
#ifndef I8I_HUB_TEMP_FILE_H
#define I8I_HUB_TEMP_FILE_H

#include "base/error.h"
#include <stddef.h>

/* For a file that is not at hand as a whole; otherwise i8i_temp_write. */
struct i8i_temp {
    int fd;     /* open for reading and writing, of mode 0666 less the umask */
    char *name; /* the temporary path */
};
enum i8_status i8i_temp_open(struct i8i_temp *t, const char *temp_dir,
                             struct i8_error *err) I8I_MUST_CHECK;
/* Syncs, renames to `path`, whose folders exist, and closes. On failure the temporary
 * file is removed and t closed all the same. */
enum i8_status i8i_temp_commit(struct i8i_temp *t, const char *path,
                               struct i8_error *err) I8I_MUST_CHECK;
void i8i_temp_abort(struct i8i_temp *t);

/* Makes or replaces `path` (whose folders exist) with these bytes. */
enum i8_status i8i_temp_write(const char *temp_dir, const char *path, const void *bytes,
                              size_t n, struct i8_error *err) I8I_MUST_CHECK;
/* Makes or replaces `path` with a symbolic link to `target`, which is relative to the
 * folder of path. */
enum i8_status i8i_temp_link(const char *temp_dir, const char *path, const char *target,
                             struct i8_error *err) I8I_MUST_CHECK;
/* Removes what dead processes left in temp_dir. Failures are ignored: somebody else may
 * be at it. */
void i8i_temp_clean(const char *temp_dir);

#endif
