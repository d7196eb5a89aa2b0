/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths, directories and whole-file reads.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *i8i_path_join(const char *dir, const char *name)
{
    const size_t n = strlen(dir);
    return i8i_format("%s%s%s", dir, n > 0 && dir[n - 1] != '/' ? "/" : "", name);
}

const char *i8i_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

char *i8i_path_dir(const char *path)
{
    const size_t n = (size_t)(i8i_path_base(path) - path);
    return n == 0 ? i8i_strdup(".") : i8i_strndup(path, n > 1 ? n - 1 : 1);
}

bool i8i_path_is_plain(const char *name)
{
    for (const char *p = name;;) {
        const size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\')
                return false;
        if (p[n] == '\0')
            return true;
        p += n + 1;
    }
}

bool i8i_is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool i8i_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool i8i_has_size(const char *path, uint64_t bytes)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes;
}

enum i8_status i8i_make_directories(const char *path, struct i8_error *err)
{
    char *part = i8i_strdup(path);
    if (part == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    /* Each prefix that ends before a slash, then the whole. */
    for (size_t i = 1; st == I8_OK && part[0] != '\0'; i++) {
        const char c = part[i];
        if (c != '/' && c != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && !(errno == EEXIST && i8i_is_directory(part)))
            st = i8i_fail_errno(err, errno, "cannot create directory %s", part);
        part[i] = c;
        if (c == '\0')
            break;
    }
    free(part);
    return st;
}

enum i8_status i8i_make_parents(const char *path, struct i8_error *err)
{
    char *dir = i8i_path_dir(path);
    if (dir == NULL)
        return i8i_nomem(err);
    const enum i8_status st =
        i8i_is_directory(dir) ? I8_OK : i8i_make_directories(dir, err);
    free(dir);
    return st;
}

enum i8_status i8i_sync_directory(const char *path, struct i8_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return i8i_fail_errno(err, errno, "cannot open directory %s", path);
    enum i8_status st = I8_OK;
    /* EINVAL: a file system that cannot sync directories; nothing is lost by it. */
    if (fsync(fd) != 0 && errno != EINVAL)
        st = i8i_fail_errno(err, errno, "cannot sync directory %s", path);
    close(fd);
    return st;
}

enum i8_status i8i_sync_parent(const char *path, struct i8_error *err)
{
    char *dir = i8i_path_dir(path);
    if (dir == NULL)
        return i8i_nomem(err);
    const enum i8_status st = i8i_sync_directory(dir, err);
    free(dir);
    return st;
}

int i8i_write_all(int fd, const void *bytes, size_t n)
{
    const char *from = bytes;
    while (n > 0) {
        const ssize_t written = write(fd, from, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        from += written;
        n -= (size_t)written;
    }
    return 0;
}

int i8i_write_all_at(int fd, const void *bytes, size_t n, uint64_t offset)
{
    const char *from = bytes;
    while (n > 0) {
        const ssize_t written = pwrite(fd, from, n, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        from += written;
        offset += (uint64_t)written;
        n -= (size_t)written;
    }
    return 0;
}

int i8i_read_all_at(size_t *got, int fd, void *bytes, size_t n, uint64_t offset)
{
    char *to = bytes;
    *got = 0;
    while (*got < n) {
        const ssize_t part = pread(fd, to + *got, n - *got, (off_t)(offset + *got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return errno;
        if (part == 0)
            break;
        *got += (size_t)part;
    }
    return 0;
}

enum i8_status i8i_read_file(char **out, size_t *length, const char *path, size_t cap,
                             struct i8_error *err)
{
    *out = NULL;
    enum i8_status st = I8_OK;
    struct i8i_buffer b;
    i8i_buffer_init(&b, cap);
    char *chunk = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return i8i_fail_errno(err, errno, "cannot open %s", path);
    const size_t chunk_bytes = (size_t)64 << 10;
    chunk = malloc(chunk_bytes);
    if (chunk == NULL) {
        st = i8i_nomem(err);
        goto out;
    }
    for (;;) {
        ssize_t n = read(fd, chunk, chunk_bytes);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = i8i_fail_errno(err, errno, "cannot read %s", path);
            goto out;
        }
        if ((size_t)n > cap - b.length) {
            st = i8i_fail(err, I8_ERR_DATA,
                          "%s: larger than the %zu bytes expected at most", path, cap);
            goto out;
        }
        i8i_buffer_append(&b, chunk, (size_t)n);
    }
    *out = i8i_buffer_take(&b, length);
    if (*out == NULL)
        st = i8i_nomem(err);
out:
    i8i_buffer_free(&b);
    free(chunk);
    close(fd);
    return st;
}

enum i8_status i8i_write_file(const char *path, const void *bytes, size_t n,
                              struct i8_error *err)
{
    struct i8i_outfile *f;
    enum i8_status st = i8i_outfile_open(&f, path, false, err);
    if (st != I8_OK)
        return st;
    st = i8i_outfile_write(f, bytes, n, err);
    if (st != I8_OK) {
        i8i_outfile_abort(f, false);
        return st;
    }
    return i8i_outfile_commit(f, err);
}
