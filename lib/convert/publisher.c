/* SPDX-License-Identifier: Apache-2.0
 *
 * The claim is a file that is created exclusively, which every shared file system can do.
 * On one machine a lock on it dies with its holder; between machines, where locks may not
 * reach, the file's time is watched.
 */
#include "config.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "convert/convert_plan.h"
#include "convert/journal_record.h"
#include "convert/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEAT_S  5.0
#define STALE_S 60.0 /* a sync of gigabytes to a slow disk may take that long */

struct i8i_publisher {
    char *path;
    int fd;
    double beaten_s;
};

/* Writes the boot, so that others can tell whether the lock means anything to them. */
static enum i8_status sign(const struct i8i_publisher *p, const char *boot,
                           struct i8_error *err)
{
    const size_t n = strlen(boot);
    if (ftruncate(p->fd, 0) != 0 || pwrite(p->fd, boot, n, 0) != (ssize_t)n)
        return i8i_fail_errno(err, errno, "cannot write %s", p->path);
    return I8_OK;
}

/* Is the holder of the file that fd is open on dead? Takes its lock if so. */
static bool is_dead(int fd, const char *boot, struct i8i_publisher_watch *watch)
{
    char its[I8I_JOURNAL_LINE_BYTES] = "";
    struct stat info;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    ssize_t n = pread(fd, its, sizeof its - 1, 0);
    if (n > 0 && strcmp(its, boot) == 0 && boot[1] != '\n')
        return true; /* it would hold the lock */
    if (fstat(fd, &info) != 0)
        return false;
    const long long mtime =
        (long long)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    if (watch->since_s == 0 || mtime != watch->mtime_ns) {
        watch->mtime_ns = mtime;
        watch->since_s = i8i_monotonic_s();
    }
    return i8i_monotonic_s() - watch->since_s > STALE_S;
}

/* Does the path still lead to the file that fd is open on? */
static bool is_current(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
           ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

enum i8_status i8i_publisher_claim(struct i8i_publisher **out, const char *directory,
                                   struct i8i_publisher_watch *watch,
                                   struct i8_error *err)
{
    static const struct i8i_conversion_id nothing;
    char header[I8I_JOURNAL_LINE_BYTES], boot[I8I_JOURNAL_LINE_BYTES];
    *out = NULL;
    i8i_journal_first_lines(header, boot, &nothing);
    struct i8i_publisher *p = i8i_calloc(1, sizeof *p);
    char *path = i8i_path_join(directory, I8I_PUBLISHER_NAME);
    if (p == NULL || path == NULL) {
        free(p);
        free(path);
        return i8i_nomem(err);
    }
    *p = (struct i8i_publisher){.path = path, .beaten_s = i8i_monotonic_s()};
    enum i8_status st = I8_OK;
    bool ours = false;
    p->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (p->fd >= 0) {
        (void)flock(p->fd, LOCK_EX); /* somebody may be looking at it just now */
        ours = true;
    } else if (errno == EEXIST) {
        p->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        ours = p->fd >= 0 && is_dead(p->fd, boot, watch) && is_current(p->fd, path);
    } else {
        st = i8i_fail_errno(err, errno, "cannot create %s", path);
    }
    if (ours)
        st = sign(p, boot, err);
    if (ours && st == I8_OK) {
        *out = p;
        return I8_OK;
    }
    if (p->fd >= 0)
        close(p->fd);
    free(p->path);
    free(p);
    return st;
}

void i8i_publisher_beat(struct i8i_publisher *p)
{
    const double now = i8i_monotonic_s();
    if (now - p->beaten_s < BEAT_S)
        return;
    p->beaten_s = now;
    (void)futimens(p->fd, NULL);
}

void i8i_publisher_release(struct i8i_publisher *p)
{
    if (p == NULL)
        return;
    if (is_current(p->fd, p->path))
        unlink(p->path);
    close(p->fd);
    free(p->path);
    free(p);
}
