/* SPDX-License-Identifier: Apache-2.0
 *
 * A preloaded library that makes one chosen system call fail, or stops the program
 * there, so that tests can interrupt a conversion at every single step. Only calls on
 * files below I8_FAULT_DIR count; they are numbered from 1 through all kinds alike.
 *
 *   I8_FAULT_DIR    the output folder (absolute)
 *   I8_FAULT_AT     which call; 0 or unset: none, only count
 *   I8_FAULT_WHAT   an error's name (ENOSPC, EIO, EDQUOT, EACCES) or a signal (SIGKILL,
 *                   SIGINT, SIGTERM), raised before the call is made
 *   I8_FAULT_COUNT  a file that receives the number of calls when the program ends
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static bool below(const char *path)
{
    const char *dir = getenv("I8_FAULT_DIR");
    size_t n = dir ? strlen(dir) : 0;
    return n > 0 && strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool fd_below(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    return below(path);
}

/* A relative path counts by what it names from the current folder. */
static bool path_below(const char *path)
{
    char full[2 * PATH_MAX], cwd[PATH_MAX];
    if (path[0] == '/')
        return below(path);
    if (!getcwd(cwd, sizeof cwd))
        return false;
    snprintf(full, sizeof full, "%s/%s", cwd, path);
    return below(full);
}

/* True if this call must fail; errno is then set. Does not return from SIGKILL. */
static bool strike(void)
{
    static const struct {
        const char *name;
        int number;
        bool is_signal;
    } kinds[] = {
        {"ENOSPC", ENOSPC, false},  {"EIO", EIO, false},        {"EDQUOT", EDQUOT, false},
        {"EACCES", EACCES, false},  {"SIGKILL", SIGKILL, true}, {"SIGINT", SIGINT, true},
        {"SIGTERM", SIGTERM, true},
    };
    long number = atomic_fetch_add(&calls, 1) + 1;
    const char *at = getenv("I8_FAULT_AT"), *what = getenv("I8_FAULT_WHAT");
    if (!at || !what || strtol(at, NULL, 10) != number)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(what, kinds[i].name) != 0)
            continue;
        if (kinds[i].is_signal) {
            kill(getpid(), kinds[i].number);
            return false;
        }
        errno = kinds[i].number;
        return true;
    }
    return false;
}

__attribute__((destructor)) static void report(void)
{
    const char *name = getenv("I8_FAULT_COUNT");
    if (!name || atomic_load(&calls) == 0)
        return;
    FILE *f = fopen(name, "w");
    if (f) {
        fprintf(f, "%ld\n", atomic_load(&calls));
        fclose(f);
    }
}

/* dlsym gives a void *; ISO C has no cast from it to a function pointer. */
#define REAL(name)                 \
    static __typeof__(&name) real; \
    if (!real)                     \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t n)
{
    REAL(write);
    return fd_below(fd) && strike() ? -1 : real(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    REAL(pwrite);
    return fd_below(fd) && strike() ? -1 : real(fd, bytes, n, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
    REAL(pwrite64);
    return fd_below(fd) && strike() ? -1 : real(fd, bytes, n, offset);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    REAL(writev);
    return fd_below(fd) && strike() ? -1 : real(fd, iov, n);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    REAL(pwritev);
    return fd_below(fd) && strike() ? -1 : real(fd, iov, n, offset);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
                        unsigned flags)
{
    REAL(copy_file_range);
    return fd_below(out) && strike() ? -1 : real(in, in_at, out, out_at, n, flags);
}

int ftruncate(int fd, off_t n)
{
    REAL(ftruncate);
    return fd_below(fd) && strike() ? -1 : real(fd, n);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    REAL(fallocate);
    return fd_below(fd) && strike() ? -1 : real(fd, mode, at, n);
}

int fsync(int fd)
{
    REAL(fsync);
    return fd_below(fd) && strike() ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return fd_below(fd) && strike() ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return path_below(to) && strike() ? -1 : real(from, to);
}

int unlink(const char *path)
{
    REAL(unlink);
    return path_below(path) && strike() ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    return path_below(path) && strike() ? -1 : real(path, mode);
}

/* Opening to write: the variadic mode is only there with O_CREAT. */
static int open_mode(int flags, va_list ap)
{
    return flags & O_CREAT ? (int)va_arg(ap, unsigned) : 0;
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list ap;
    va_start(ap, flags);
    int mode = open_mode(flags, ap);
    va_end(ap);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    return writes && path_below(path) && strike() ? -1 : real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list ap;
    va_start(ap, flags);
    int mode = open_mode(flags, ap);
    va_end(ap);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    return writes && path_below(path) && strike() ? -1 : real(path, flags, mode);
}
