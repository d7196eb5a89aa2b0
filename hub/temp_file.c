/* SPDX-License-Identifier: Apache-2.0
 *
 * Temporary names: 16 random hex digits and ".int8tmp". The writer holds flock on its
 * file from before the first byte until after the rename, so whoever gets that lock on a
 * temporary name knows that its writer is dead. Where flock gives everybody the lock, a
 * living writer can lose its file that way; it then starts again.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "hub/temp_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".int8tmp"
/* How often a file is written anew when its temporary name vanished. */
#define ATTEMPTS 5

static char *temp_name(const char *temp_dir)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
    return i8i_format("%s/%016llx" SUFFIX, temp_dir, (unsigned long long)number);
}

/* Opens t; returns an errno. */
static int open_temp(struct i8i_temp *t, const char *temp_dir)
{
    t->fd = -1;
    t->name = temp_name(temp_dir);
    if (t->name == NULL)
        return ENOMEM;
    t->fd = open(t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    const int failure = t->fd < 0 ? errno : 0;
    if (t->fd >= 0)
        (void)flock(t->fd, LOCK_EX | LOCK_NB); /* without it, cleaning is less certain */
    return failure;
}

static int commit_temp(struct i8i_temp *t, const char *path)
{
    int failure = 0;
    if (fsync(t->fd) != 0 || rename(t->name, path) != 0)
        failure = errno;
    if (failure != 0)
        (void)unlink(t->name);
    if (close(t->fd) != 0 && failure == 0)
        failure = errno;
    t->fd = -1;
    i8i_temp_abort(t);
    return failure;
}

void i8i_temp_abort(struct i8i_temp *t)
{
    if (t->fd >= 0) {
        (void)unlink(t->name);
        (void)close(t->fd);
    }
    t->fd = -1;
    free(t->name);
    t->name = NULL;
}

enum i8_status i8i_temp_open(struct i8i_temp *t, const char *temp_dir,
                             struct i8_error *err)
{
    const int failure = open_temp(t, temp_dir);
    if (failure == 0)
        return I8_OK;
    i8i_temp_abort(t);
    return i8i_fail_errno(err, failure, "cannot create a file in %s", temp_dir);
}

enum i8_status i8i_temp_commit(struct i8i_temp *t, const char *path, struct i8_error *err)
{
    const int failure = commit_temp(t, path);
    return failure ? i8i_fail_errno(err, failure, "cannot write %s", path) : I8_OK;
}

/* ---- at once ---- */

/* One attempt; returns an errno, ENOENT when the temporary name vanished. */
static int write_once(const char *temp_dir, const char *path, const void *bytes, size_t n)
{
    struct i8i_temp t;
    int failure = open_temp(&t, temp_dir);
    if (failure == 0)
        failure = i8i_write_all(t.fd, bytes, n);
    if (failure == 0)
        return commit_temp(&t, path);
    i8i_temp_abort(&t);
    return failure;
}

static int link_once(const char *temp_dir, const char *path, const char *target)
{
    char *temp = temp_name(temp_dir);
    int failure = temp == NULL ? ENOMEM : symlink(target, temp) != 0 ? errno : 0;
    if (failure == 0 && rename(temp, path) != 0) {
        failure = errno;
        (void)unlink(temp);
    }
    free(temp);
    return failure;
}

/* Either kind: a link if `target` is given. */
static enum i8_status replace(const char *temp_dir, const char *path, const char *target,
                              const void *bytes, size_t n, struct i8_error *err)
{
    int failure = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        failure = target ? link_once(temp_dir, path, target)
                         : write_once(temp_dir, path, bytes, n);
        if (failure != ENOENT && failure != EEXIST)
            break;
    }
    return failure ? i8i_fail_errno(err, failure, "cannot write %s", path) : I8_OK;
}

enum i8_status i8i_temp_write(const char *temp_dir, const char *path, const void *bytes,
                              size_t n, struct i8_error *err)
{
    return replace(temp_dir, path, NULL, bytes, n, err);
}

enum i8_status i8i_temp_link(const char *temp_dir, const char *path, const char *target,
                             struct i8_error *err)
{
    return replace(temp_dir, path, target, NULL, 0, err);
}

/* Is the writer of this temporary name gone? */
static bool is_abandoned(int dir, const char *name)
{
    enum { LINK_IS_OLD_S = 60 }; /* a link cannot be locked, but is renamed at once */
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    if (S_ISLNK(st.st_mode))
        return time(NULL) - st.st_mtime > LINK_IS_OLD_S;
    const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    const bool free_now = flock(fd, LOCK_EX | LOCK_NB) == 0;
    (void)close(fd);
    return free_now;
}

void i8i_temp_clean(const char *temp_dir)
{
    DIR *dir = opendir(temp_dir);
    if (dir == NULL)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        const size_t n = strlen(e->d_name);
        if (n == 16 + sizeof SUFFIX - 1 && strcmp(e->d_name + 16, SUFFIX) == 0 &&
            is_abandoned(dirfd(dir), e->d_name))
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    (void)closedir(dir);
}
