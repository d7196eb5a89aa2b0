/* SPDX-License-Identifier: Apache-2.0
 *
 * flock with the check that the locked file still has its name: several releases of
 * filelock remove it on release, and a lock on a file that nobody else can open is none.
 */
#include "config.h"

#include "base/file.h"
#include "hub/cache.h"
#include "hub/cache_lock.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Readable by everyone who may read the cache: so that a second user can wait for the
 * first, whatever the first one's umask. */
#define LOCK_MODE 0664

static int open_lock(const char *path)
{
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(path, flags, LOCK_MODE);
    if (fd < 0 && errno == ENOENT && i8i_make_parents(path, NULL) == I8_OK)
        fd = open(path, flags, LOCK_MODE);
    if (fd >= 0) {
        struct stat st;
        if (fstat(fd, &st) == 0 && (st.st_mode & 0777) != LOCK_MODE)
            (void)fchmod(fd, LOCK_MODE); /* past the umask; not ours: not possible */
    } else if (errno == EACCES || errno == EROFS) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW); /* somebody else's, 0644 */
    }
    return fd;
}

/* Does the open file still stand under its name? */
static bool has_its_name(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && open_file.st_nlink > 0 &&
           lstat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

enum i8_status i8i_cache_lock_try(struct i8i_cache_lock *lock, bool *taken,
                                  const char *path, struct i8_error *err)
{
    enum { ATTEMPTS = 100 }; /* each time, another process had removed the file */
    *lock = I8I_CACHE_LOCK_NONE;
    *taken = false;
    for (int i = 0; i < ATTEMPTS; i++) {
        const int fd = open_lock(path);
        if (fd < 0)
            return i8i_fail_errno(err, errno, "cannot open the lock %s", path);
        while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EINTR)
                continue;
            if (errno == EWOULDBLOCK || errno == EACCES) {
                (void)close(fd);
                return I8_OK;
            }
            break; /* no locks here: go on as if we had it */
        }
        if (has_its_name(fd, path)) {
            lock->fd = fd;
            *taken = true;
            return I8_OK;
        }
        (void)close(fd);
    }
    return I8_OK;
}

void i8i_cache_lock_release(struct i8i_cache_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd); /* the last descriptor of it: unlocks */
    lock->fd = -1;
}

bool i8i_locks_are_exact(const char *folder)
{
    /* linux/magic.h, where these are, is not part of every libc's headers */
    static const unsigned long local[] = {
        0xef53,     /* ext2, ext3, ext4 */
        0x58465342, /* xfs */
        0x9123683e, /* btrfs */
        0x01021994, /* tmpfs */
        0x858458f6, /* ramfs */
        0xf2f52010, /* f2fs */
        0x2fc12fc1, /* zfs */
        0xca451a4e, /* bcachefs */
        0x794c7630, /* overlayfs */
    };
    struct statfs st;
    if (statfs(folder, &st) != 0)
        return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (((unsigned long)st.f_type & 0xffffffffUL) == local[i])
            return true;
    return false;
}
