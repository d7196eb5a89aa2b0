/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may write a partial file. Where flock is exact (a local file system) the holder of
 * the file's lock may, and the partial is called STEM.int8part. Elsewhere each process
 * has a name of its own, STEM.OWNER.int8part, and goes on with another's partial only
 * after it has taken it over by rename(2), which one process alone can win, and only when
 * its owner is known to be dead or has not touched it for two minutes. So two processes
 * never write one file, whatever the locks do; at worst they fetch the same bytes twice.
 */
#ifndef I8I_HUB_PART_CLAIM_H
#define I8I_HUB_PART_CLAIM_H

#include "base/map.h"
#include <stdbool.h>

/* The partial's path. `pull` tells the pulls of one process apart (i8i_part_owner). NULL
 * without memory; the caller frees. */
char *i8i_part_path(const char *folder, const char *stem, bool exact_locks,
                    unsigned pull) I8I_MUST_CHECK;
unsigned i8i_part_owner(void); /* another number each time */
/* One look at the folder for many files: stems → index; found[index] is set (and no other
 * changed) where a partial, of whatever owner, or its journal lies. Where locks are exact
 * what is not there now will have no other name than part_path and its journal's: neither
 * i8i_part_claim nor i8i_part_remove_all, which look through the folder, is needed. */
void i8i_part_find(bool *found, const char *folder, const struct i8i_map *stems);
/* With the lock held: makes `part_path` what there is of the file, if anything, taking
 * over what a dead run left. *busy: somebody else is at it, ask again later. */
enum i8_status i8i_part_claim(const char *part_path, const char *stem, bool exact_locks,
                              bool *busy, struct i8_error *err) I8I_MUST_CHECK;
/* Tells other machines that this partial's owner lives; to be called every few seconds.
 */
#define I8I_PART_TOUCH_S 20
void i8i_part_touch(const char *part_path);
/* The file is there: removes every partial and journal of it. One that another process
 * is still writing may go, too: that one will find the finished file instead. */
void i8i_part_remove_all(const char *part_path, const char *stem);
/* Removes partials in `folder` that nobody has touched for a day: of files that their
 * branch has left since, for which no later run would ask. */
#define I8I_PART_STALE_S (24 * 3600)
void i8i_part_remove_stale(const char *folder);

#endif
