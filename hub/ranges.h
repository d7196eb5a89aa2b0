/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of remote files read into memory, a bounded number at a time over all of them. A
 * server that refuses ranges when there are several at once gets one at a time from then
 * on.
 */
#ifndef I8I_HUB_RANGES_H
#define I8I_HUB_RANGES_H

#include "hub/remote_file.h"

struct i8i_ranges; /* thread-safe */

/* `http` is borrowed. */
enum i8_status i8i_ranges_new(struct i8i_ranges **out, struct i8i_http *http,
                              unsigned connections, struct i8_error *err) I8I_MUST_CHECK;
void i8i_ranges_free(struct i8i_ranges *r); /* nothing may be reading; NULL is fine */
/* As i8i_remote_file_read, when it is its turn. A *cancel that is set (NULL: none) ends
 * it early with I8_ERR_CANCELLED. */
enum i8_status i8i_ranges_read(struct i8i_ranges *r, struct i8i_remote_file *file,
                               void *dst, size_t n, uint64_t offset,
                               const atomic_bool *cancel,
                               struct i8_error *err) I8I_MUST_CHECK;
unsigned i8i_ranges_connections(const struct i8i_ranges *r); /* as given to new */

#endif
