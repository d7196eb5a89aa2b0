/* SPDX-License-Identifier: Apache-2.0
 *
 * Output files that appear only whole: NAME.part, fsync, rename, fsync of the
 * directory. Only that order keeps a power cut from leaving an empty file under the
 * final name.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

struct i8i_outfile {
    char *path; /* final name */
    char *part; /* path + ".part" */
    int fd;
    uint64_t position; /* of the next i8i_outfile_write */
    pthread_mutex_t lock;
    struct i8_error failure; /* the first one; status I8_OK: none */
};

static void destroy(struct i8i_outfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    pthread_mutex_destroy(&f->lock);
    free(f->part);
    free(f->path);
    free(f);
}

static enum i8_status open_part(struct i8i_outfile **out, const char *path, int flags,
                                struct i8_error *err)
{
    *out = NULL;
    struct i8i_outfile *f = i8i_calloc(1, sizeof *f);
    if (f == NULL)
        return i8i_nomem(err);
    f->fd = -1;
    pthread_mutex_init(&f->lock, NULL);
    f->path = i8i_strdup(path);
    f->part = i8i_format("%s.part", path);
    if (f->path == NULL || f->part == NULL) {
        destroy(f);
        return i8i_nomem(err);
    }
    /* O_NOFOLLOW: a link planted under a name that we chose is not written through. */
    f->fd = open(f->part, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0666);
    if (f->fd < 0) {
        enum i8_status st = I8_OK;
        if ((errno != ENOENT || (flags & O_CREAT) != 0) &&
            (errno != EEXIST || (flags & O_EXCL) == 0))
            st = i8i_fail_errno(err, errno, "cannot create %s", f->part);
        destroy(f);
        return st;
    }
    *out = f;
    return I8_OK;
}

enum i8_status i8i_outfile_open(struct i8i_outfile **out, const char *path,
                                bool keep_part, struct i8_error *err)
{
    return open_part(out, path, O_CREAT | (keep_part ? 0 : O_TRUNC), err);
}

/* Linux' NFS client may write a whole page back where only a part of it is ours, and with
 * it what was there before another machine wrote the rest; not so with O_DSYNC. */
enum i8_status i8i_outfile_open_shared(struct i8i_outfile **out, const char *path,
                                       enum i8i_shared_part which, struct i8_error *err)
{
    static const int flags[] = {[I8I_PART_ANY] = O_CREAT,
                                [I8I_PART_THERE] = 0,
                                [I8I_PART_NEW] = O_CREAT | O_EXCL};
    struct statfs fs;
    char *dir = i8i_path_dir(path);
    if (dir == NULL) {
        *out = NULL;
        return i8i_nomem(err);
    }
    const bool nfs = statfs(dir, &fs) == 0 && fs.f_type == NFS_SUPER_MAGIC;
    free(dir);
    return open_part(out, path, flags[which] | (nfs ? O_DSYNC : 0), err);
}

/* Remembers the first failure and passes it on. */
static enum i8_status latch(struct i8i_outfile *f, int errnum, const char *verb,
                            struct i8_error *err)
{
    pthread_mutex_lock(&f->lock);
    if (f->failure.status == I8_OK)
        i8i_fail_errno(&f->failure, errnum, "cannot %s %s", verb, f->part);
    enum i8_status st = i8i_fail(err, f->failure.status, "%s", f->failure.message);
    pthread_mutex_unlock(&f->lock);
    return st;
}

/* The latched failure, so that a writer does not go on filling a full disk. */
static enum i8_status latched(struct i8i_outfile *f, struct i8_error *err)
{
    pthread_mutex_lock(&f->lock);
    enum i8_status st = f->failure.status;
    if (st != I8_OK)
        i8i_fail(err, st, "%s", f->failure.message);
    pthread_mutex_unlock(&f->lock);
    return st;
}

enum i8_status i8i_outfile_write_at(struct i8i_outfile *f, const void *bytes, size_t n,
                                    uint64_t offset, struct i8_error *err)
{
    enum i8_status st = latched(f, err);
    if (st != I8_OK)
        return st;
    uint64_t end;
    if (!i8i_add_u64(&end, offset, n) || end > INT64_MAX)
        return latch(f, EFBIG, "write", err);
    const int failure = i8i_write_all_at(f->fd, bytes, n, offset);
    return failure ? latch(f, failure, "write", err) : I8_OK;
}

enum i8_status i8i_outfile_write(struct i8i_outfile *f, const void *bytes, size_t n,
                                 struct i8_error *err)
{
    enum i8_status st = i8i_outfile_write_at(f, bytes, n, f->position, err);
    if (st == I8_OK)
        f->position += n;
    return st;
}

int i8i_outfile_fd(const struct i8i_outfile *f)
{
    return f->fd;
}

/* The last chance of a write to fail: then the descriptor is closed. */
static enum i8_status settle(struct i8i_outfile *f, struct i8_error *err)
{
    enum i8_status st = latched(f, err);
    if (st == I8_OK && fsync(f->fd) != 0)
        st = latch(f, errno, "sync", err);
    /* Network file systems report a full disk as late as here. */
    if (close(f->fd) != 0 && st == I8_OK)
        st = latch(f, errno, "close", err);
    f->fd = -1;
    return st;
}

static enum i8_status commit(struct i8i_outfile *f, bool keep_part, struct i8_error *err)
{
    enum i8_status st = settle(f, err);
    if (st == I8_OK && rename(f->part, f->path) != 0)
        st = i8i_fail_errno(err, errno, "cannot rename %s to %s", f->part, f->path);
    if (st == I8_OK) {
        st = i8i_sync_parent(f->path, err);
        destroy(f);
        return st;
    }
    i8i_outfile_abort(f, keep_part);
    return st;
}

enum i8_status i8i_outfile_commit(struct i8i_outfile *f, struct i8_error *err)
{
    return commit(f, false, err);
}

enum i8_status i8i_outfile_commit_or_keep(struct i8i_outfile *f, struct i8_error *err)
{
    return commit(f, true, err);
}

/* Renames the .part file if it is the one that we have written; returns 0 or an errno.
 * ESTALE: ours has its name already, and another process has made the .part file anew. */
static int rename_ours(const struct i8i_outfile *f, const struct stat *ours, bool replace)
{
    struct stat part;
    if (lstat(f->part, &part) != 0)
        return errno;
    if (part.st_dev != ours->st_dev || part.st_ino != ours->st_ino)
        return ESTALE;
    const unsigned how = replace ? 0 : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, f->part, AT_FDCWD, f->path, how) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    /* Not every file system can tell: then the name is looked at first. */
    if (access(f->path, F_OK) == 0)
        return EEXIST;
    return rename(f->part, f->path) == 0 ? 0 : errno;
}

/* It is well, too, if another process has done it. */
static enum i8_status publish(const struct i8i_outfile *f, const struct stat *ours,
                              bool replace, struct i8_error *err)
{
    struct stat there;
    const int failure = rename_ours(f, ours, replace);
    if (failure == 0)
        return I8_OK;
    if ((failure != ENOENT && failure != EEXIST && failure != ESTALE) ||
        stat(f->path, &there) != 0 || there.st_size != ours->st_size)
        return i8i_fail_errno(err, failure, "cannot rename %s to %s", f->part, f->path);
    if (failure != ENOENT)
        unlink(f->part);
    return I8_OK;
}

enum i8_status i8i_outfile_commit_shared(struct i8i_outfile *f, bool replace,
                                         struct i8_error *err)
{
    struct stat ours; /* known only as long as it is open */
    enum i8_status st =
        fstat(f->fd, &ours) == 0 ? I8_OK : latch(f, errno, "look at", err);
    if (st == I8_OK)
        st = settle(f, err);
    if (st == I8_OK)
        st = publish(f, &ours, replace, err);
    if (st == I8_OK)
        st = i8i_sync_parent(f->path, err);
    destroy(f);
    return st;
}

void i8i_outfile_abort(struct i8i_outfile *f, bool keep_part)
{
    if (f == NULL)
        return;
    if (!keep_part)
        unlink(f->part);
    destroy(f);
}
