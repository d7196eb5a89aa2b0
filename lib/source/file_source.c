/* SPDX-License-Identifier: Apache-2.0
 *
 * A plain file as a source, read with pread: no shared position, so any number of
 * threads may read. Not mapped, because a file that shrinks under a mapping kills the
 * process with SIGBUS, where pread reports it.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum i8_status file_read_at(struct i8i_source *s, void *dst, size_t n,
                                   uint64_t offset, struct i8_error *err)
{
    size_t got;
    const int failure = i8i_read_all_at(&got, s->fd, dst, n, offset);
    if (failure)
        return i8i_fail_errno(err, failure, "cannot read %s at byte %" PRIu64, s->name,
                              offset + got);
    if (got < n)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: ends at byte %" PRIu64 ", it had %" PRIu64
                        " bytes when it was opened",
                        s->name, offset + got, s->size);
    return I8_OK;
}

static void file_close(struct i8i_source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free((char *)s->name);
    free(s);
}

static const struct i8i_source_ops file_ops = {.read_at = file_read_at,
                                               .close = file_close};

/* Takes fd over, which may be -1 with the reason in errno. */
static enum i8_status from_fd(struct i8i_source **out, int fd, const char *name,
                              struct i8_error *err)
{
    const int failure = fd < 0 ? errno : 0;
    *out = NULL;
    struct i8i_source *s = i8i_calloc(1, sizeof *s);
    if (s == NULL) {
        if (fd >= 0)
            close(fd);
        return i8i_nomem(err);
    }
    *s = (struct i8i_source){.ops = &file_ops, .name = i8i_strdup(name), .fd = fd};
    enum i8_status st = I8_OK;
    struct stat info;
    if (s->name == NULL)
        st = i8i_nomem(err);
    else if (fd < 0 || fstat(fd, &info) != 0)
        st = i8i_fail_errno(err, failure ? failure : errno, "cannot open %s", name);
    else if (!S_ISREG(info.st_mode))
        st = i8i_fail(err, I8_ERR_IO, "cannot read %s: %s, expected a file", name,
                      S_ISDIR(info.st_mode) ? "a directory" : "a device or pipe");
    if (st != I8_OK) {
        file_close(s);
        return st;
    }
    s->size = (uint64_t)info.st_size;
    *out = s;
    return I8_OK;
}

enum i8_status i8i_source_open_file(struct i8i_source **out, const char *path,
                                    struct i8_error *err)
{
    /* O_NONBLOCK: a named pipe is refused instead of waiting for a writer. */
    return from_fd(out, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), path, err);
}

enum i8_status i8i_source_open_fd(struct i8i_source **out, int fd, const char *name,
                                  struct i8_error *err)
{
    return from_fd(out, fcntl(fd, F_DUPFD_CLOEXEC, 0), name, err);
}
