/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over a file: hashed, written elsewhere, or both.
 */
#include "config.h"

#include "base/file.h"
#include "hub/file_copy.h"
#include "hub/temp_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

/* Reads fd to its end: into h unless NULL, and to `to` if that is one. *total: the bytes
 * read. */
static enum i8_status pass(int fd, const char *path, struct i8i_hash *h, int to,
                           const struct i8i_copy_tick *tick, uint64_t *total,
                           struct i8_error *err)
{
    char *buffer = malloc(CHUNK);
    enum i8_status st = buffer ? I8_OK : i8i_nomem(err);
    *total = 0;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (st == I8_OK) {
        const ssize_t n = read(fd, buffer, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = i8i_fail_errno(err, errno, "cannot read %s", path);
        if (n <= 0)
            break;
        *total += (uint64_t)n;
        if (h)
            i8i_hash_update(h, buffer, (size_t)n);
        const int failure = to >= 0 ? i8i_write_all(to, buffer, (size_t)n) : 0;
        if (failure)
            st = i8i_fail_errno(err, failure, "cannot write %s", path);
        if (st == I8_OK && tick && tick->read(tick->ctx, (size_t)n) != 0)
            st = i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
    }
    free(buffer);
    return st;
}

/* Hashes path (unless hex is NULL), which must stay at its size meanwhile, and writes it
 * to `to` (or -1). */
static enum i8_status hash_pass(char hex[I8I_HASH_HEX], uint64_t *size, const char *path,
                                enum i8i_hash_kind kind, int to,
                                const struct i8i_copy_tick *tick, struct i8_error *err)
{
    struct i8i_hash *h = NULL;
    struct stat found;
    uint64_t total = 0;
    if (hex)
        hex[0] = '\0';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return i8i_fail_errno(err, errno, "cannot open %s", path);
    enum i8_status st = I8_OK;
    if (fstat(fd, &found) != 0)
        st = i8i_fail_errno(err, errno, "cannot look at %s", path);
    else if (!S_ISREG(found.st_mode))
        st = i8i_fail(err, I8_ERR_DATA, "%s is no file", path);
    if (st == I8_OK && hex)
        st = i8i_hash_new(&h, kind, err);
    if (st == I8_OK && hex && kind == I8I_SHA1)
        i8i_hash_git_blob(h, (uint64_t)found.st_size);
    if (st == I8_OK)
        st = pass(fd, path, h, to, tick, &total, err);
    if (st == I8_OK && total != (uint64_t)found.st_size)
        st = i8i_fail(err, I8_ERR_DATA, "%s changed while it was read", path);
    if (st == I8_OK && hex)
        st = i8i_hash_final(h, hex, err);
    *size = total;
    i8i_hash_free(h);
    (void)close(fd);
    return st;
}

enum i8_status i8i_hash_file(char hex[I8I_HASH_HEX], const char *path,
                             enum i8i_hash_kind kind, const struct i8i_copy_tick *tick,
                             struct i8_error *err)
{
    uint64_t size;
    return hash_pass(hex, &size, path, kind, -1, tick, err);
}

enum i8_status i8i_copy_file(const char *temp_dir, const char *from, const char *to,
                             const struct i8i_hub_file *file, struct i8_error *err)
{
    struct i8i_temp t;
    char hex[I8I_HASH_HEX];
    uint64_t size = 0;
    enum i8_status st = i8i_temp_open(&t, temp_dir, err);
    if (st != I8_OK)
        return st;
    st = hash_pass(file ? hex : NULL, &size, from,
                   file ? i8i_hub_file_hash(file) : I8I_SHA256, t.fd, NULL, err);
    if (st == I8_OK && file && (size != file->size || strcmp(hex, file->hash) != 0))
        st = i8i_fail(err, I8_ERR_DATA, "%s is damaged: expected hash %s, found %s", from,
                      file->hash, hex);
    if (st == I8_OK)
        return i8i_temp_commit(&t, to, err);
    i8i_temp_abort(&t);
    return st;
}
