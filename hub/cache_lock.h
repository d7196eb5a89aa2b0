/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks as Python's client takes them (filelock): flock(2) on a file of mode 0664 that
 * stays behind. They save work, and decide who goes on with a partial file; that no two
 * processes ever write one file does not depend on them (part_claim.h).
 */
#ifndef I8I_HUB_CACHE_LOCK_H
#define I8I_HUB_CACHE_LOCK_H

#include "base/error.h"
#include <stdbool.h>

struct i8i_cache_lock {
    int fd; /* -1: not held */
};
#define I8I_CACHE_LOCK_NONE ((struct i8i_cache_lock){-1})

/* Takes the lock if it is free; *taken says whether. Does not wait. Makes
 * the folders above the lock. Where the file system
 * knows no locks (ENOSYS, ENOLCK …), everybody gets it. */
enum i8_status i8i_cache_lock_try(struct i8i_cache_lock *lock, bool *taken,
                                  const char *path, struct i8_error *err) I8I_MUST_CHECK;
void i8i_cache_lock_release(struct i8i_cache_lock *lock); /* also one that is not held */

/* Is flock on files of this folder known to exclude processes of every machine that can
 * see the folder: a local file system? Lustre, GPFS, NFS and others may give the lock to
 * everybody, or to one a machine. */
bool i8i_locks_are_exact(const char *folder);

#endif
