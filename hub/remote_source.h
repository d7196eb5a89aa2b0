/* SPDX-License-Identifier: Apache-2.0
 *
 * One file of a commit as a source. Small reads, as headers are read by, fetch a window
 * of 128 KiB, so that one range mostly suffices. Git's own files are small and fetched as
 * a whole, checked against their hash. A source can be put into a read-ahead (a lane of
 * it), which then does all its reading.
 */
#ifndef I8I_HUB_REMOTE_SOURCE_H
#define I8I_HUB_REMOTE_SOURCE_H

#include "hub/read_ahead.h"
#include "source/source.h"

#define I8I_REMOTE_WINDOW ((size_t)128 << 10)

/* `ranges` and http are borrowed, the rest is copied. Nothing is asked of the network
 * yet. `tree_name` ("org/name") goes before the path in messages. */
enum i8_status i8i_remote_source_new(struct i8i_source **out, struct i8i_ranges *ranges,
                                     struct i8i_http *http,
                                     const struct i8i_repo_id *repo, const char *commit,
                                     const struct i8i_hub_file *file,
                                     struct i8_error *err) I8I_MUST_CHECK;
/* Is it one of these? */
bool i8i_is_remote_source(const struct i8i_source *s);
struct i8i_lane i8i_remote_source_lane(const struct i8i_source *s);
/* Reads by lane `lane` of `ahead` from now on (NULL: itself again), and forgets what it
 * had kept. Not while it is being read. */
void i8i_remote_source_use(struct i8i_source *s, struct i8i_read_ahead *ahead,
                           size_t lane);
/* Whole files are checked where they are read; these are too large for that. */
bool i8i_remote_source_is_large(const struct i8i_source *s);

#endif
