/* SPDX-License-Identifier: Apache-2.0
 *
 * An owner is "PLACE-PID-RUN-N": a hash of the running kernel and the process's PID
 * namespace, a PID that means something there alone, a random number of the process that
 * had it, and a number of the pull in that process.
 */
#include "config.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "hub/download.h"
#include "hub/part_claim.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A partial of another machine that was not touched for so long has no owner any more:
 * several times I8I_PART_TOUCH_S, and more than NFS keeps attributes (60 s). */
#define QUIET_S   120
#define OWNER_MAX 64 /* and NUL; an owner has about 40 characters */

static uint32_t place_hash(void)
{
    char text[128], link[64] = "";
    i8i_boot_id(text);
    const ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    const size_t used = strlen(text);
    (void)snprintf(text + used, sizeof text - used, "%s", link);
    uint32_t h = 2166136261U; /* FNV-1a */
    for (const char *c = text; *c; c++)
        h = (h ^ (unsigned char)*c) * 16777619U;
    return h;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t place, run;

static void find_place(void)
{
    place = place_hash();
    if (getrandom(&run, sizeof run, 0) != (ssize_t)sizeof run)
        run = (uint32_t)time(NULL);
}

unsigned i8i_part_owner(void)
{
    static atomic_uint next;
    return atomic_fetch_add(&next, 1);
}

char *i8i_part_path(const char *folder, const char *stem, bool exact_locks, unsigned pull)
{
    (void)pthread_once(&once, find_place);
    return exact_locks
               ? i8i_format("%s/%s" I8I_PART_SUFFIX, folder, stem)
               : i8i_format("%s/%s.%08" PRIx32 "-%ld-%08" PRIx32 "-%u" I8I_PART_SUFFIX,
                            folder, stem, place, (long)getpid(), run, pull);
}

/* ---- the names of a folder ---- */

/* Is it STEM.int8part or STEM.OWNER.int8part, with or without something behind it (its
 * journal, and what that is written as)? *owner is "" where there is none; *behind is
 * what follows. stem NULL: of any stem, and no owner is told. */
static bool is_part(const char *name, const char *stem, char owner[OWNER_MAX],
                    const char **behind)
{
    const char *suffix = strstr(name, I8I_PART_SUFFIX);
    owner[0] = '\0';
    if (suffix == NULL)
        return false;
    *behind = suffix + sizeof I8I_PART_SUFFIX - 1;
    if (stem == NULL)
        return **behind == '\0' || **behind == '.';
    const size_t k = strlen(stem), n = (size_t)(suffix - name);
    if (n < k || memcmp(name, stem, k) != 0)
        return false;
    if (n == k)
        return true;
    if (name[k] != '.' || n - k - 1 >= OWNER_MAX)
        return false;
    memcpy(owner, name + k + 1, n - k - 1);
    owner[n - k - 1] = '\0';
    return true;
}

void i8i_part_find(bool *found, const char *folder, const struct i8i_map *stems)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return; /* the error comes with the first partial */
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char stem[NAME_MAX + 1];
        const char *suffix = strstr(e->d_name, I8I_PART_SUFFIX);
        if (suffix == NULL)
            continue;
        (void)snprintf(stem, sizeof stem, "%.*s", (int)(suffix - e->d_name), e->d_name);
        size_t index = i8i_map_get(stems, stem);
        char *owner = strrchr(stem, '.');
        if (index == I8I_MAP_NONE && owner != NULL) {
            *owner = '\0';
            index = i8i_map_get(stems, stem);
        }
        if (index != I8I_MAP_NONE)
            found[index] = true;
    }
    (void)closedir(dir);
}

/* ---- taking over ---- */

static bool owner_is_dead(const char *owner)
{
    unsigned its_place, its_run, pull;
    long pid = 0;
    int end = 0;
    if (sscanf(owner, "%8x-%ld-%8x-%u%n", &its_place, &pid, &its_run, &pull, &end) != 4 ||
        owner[end] != '\0' || its_place != place || pid <= 0)
        return false;
    if (pid == (long)getpid())
        return its_run != run;
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static bool is_quiet(int dir, const char *name, time_t quiet_s)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           time(NULL) - st.st_mtime > quiet_s;
}

/* Renames partial and journal of `name` to those of `mine`. False: another was faster. */
static bool take(int dir, const char *name, const char *mine)
{
    char from[NAME_MAX + 1], to[NAME_MAX + 1];
    if (renameat(dir, name, dir, mine) != 0)
        return false;
    if (snprintf(from, sizeof from, "%s" I8I_JOURNAL_SUFFIX, name) < (int)sizeof from &&
        snprintf(to, sizeof to, "%s" I8I_JOURNAL_SUFFIX, mine) < (int)sizeof to)
        (void)renameat(dir, from, dir, to);
    return true;
}

enum i8_status i8i_part_claim(const char *part_path, const char *stem, bool exact_locks,
                              bool *busy, struct i8_error *err)
{
    (void)pthread_once(&once, find_place);
    *busy = false;
    const char *mine = i8i_path_base(part_path);
    char *folder = i8i_path_dir(part_path), owner[OWNER_MAX];
    const char *behind;
    if (folder == NULL)
        return i8i_nomem(err);
    DIR *dir = i8i_is_file(part_path) ? NULL : opendir(folder);
    free(folder);
    if (dir == NULL)
        return I8_OK; /* it is ours already; or the folder's own error comes later */
    bool taken = false;
    for (struct dirent *e; !taken && (e = readdir(dir)) != NULL;) {
        if (!is_part(e->d_name, stem, owner, &behind) || *behind)
            continue;
        if (exact_locks || owner_is_dead(owner) ||
            is_quiet(dirfd(dir), e->d_name, QUIET_S))
            taken = take(dirfd(dir), e->d_name, mine);
        else
            *busy = true;
    }
    (void)closedir(dir);
    *busy = *busy && !taken;
    return I8_OK;
}

void i8i_part_touch(const char *part_path)
{
    (void)utimensat(AT_FDCWD, part_path, NULL, AT_SYMLINK_NOFOLLOW);
}

/* ---- clearing up ---- */

static void remove_matching(const char *folder, const char *stem, time_t quiet_s)
{
    char owner[OWNER_MAX];
    const char *behind;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (is_part(e->d_name, stem, owner, &behind) &&
            (quiet_s == 0 || is_quiet(dirfd(dir), e->d_name, quiet_s)))
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    (void)closedir(dir);
}

void i8i_part_remove_all(const char *part_path, const char *stem)
{
    char *folder = i8i_path_dir(part_path);
    if (folder)
        remove_matching(folder, stem, 0);
    free(folder);
}

void i8i_part_remove_stale(const char *folder)
{
    remove_matching(folder, NULL, I8I_PART_STALE_S);
}
