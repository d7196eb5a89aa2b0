/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashing what lies on the disk, and copies whose bytes were checked on the way.
 */
#ifndef I8I_HUB_FILE_COPY_H
#define I8I_HUB_FILE_COPY_H

#include "hub/api.h"

/* What `bytes` were just read: non-zero cancels (I8_ERR_CANCELLED). */
struct i8i_copy_tick {
    int (*read)(void *ctx, size_t bytes);
    void *ctx;
};

/* The hash of a file's content, SHA-256 or git's SHA-1 of a blob of this size. tick may
 * be NULL. Thread-safe. */
enum i8_status i8i_hash_file(char hex[I8I_HASH_HEX], const char *path,
                             enum i8i_hash_kind kind, const struct i8i_copy_tick *tick,
                             struct i8_error *err) I8I_MUST_CHECK;

/* Copies `from` to `to` through a temporary file in temp_dir (the file system of `to`),
 * synced and renamed. With `file`, only if the bytes have that size and hash: else it is
 * an I8_ERR_DATA and `to` is untouched. */
enum i8_status i8i_copy_file(const char *temp_dir, const char *from, const char *to,
                             const struct i8i_hub_file *file,
                             struct i8_error *err) I8I_MUST_CHECK;

#endif
