/* SPDX-License-Identifier: Apache-2.0
 *
 * The partial file and its journal on the disk. The order of steps is what keeps them
 * true: the journal exists before the partial does, and is removed only when the whole
 * content has been verified and synced. So a partial without a journal is complete.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "hub/download.h"
#include "hub/part_file.h"
#include "hub/part_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define JOURNAL_MAX ((size_t)I8I_PIECES_MAX + 4096)
#define NO_LINK     (O_CLOEXEC | O_NOFOLLOW)

void i8i_part_close(struct i8i_part *part)
{
    if (part->fd >= 0)
        close(part->fd);
    if (part->journal_fd >= 0)
        close(part->journal_fd);
    free(part->path);
    free(part->journal_path);
    *part = (struct i8i_part){.fd = -1, .journal_fd = -1};
}

void i8i_part_discard(struct i8i_part *part)
{
    (void)unlink(part->path);
    (void)unlink(part->journal_path);
}

/* Writes the journal anew (whole, synced, by rename) and opens it for notes. */
static enum i8_status start_journal(struct i8i_part *part,
                                    const struct i8i_piecemap *pieces, const char *hash,
                                    const char *boot, struct i8_error *err)
{
    char *text;
    size_t length;
    enum i8_status st =
        i8i_journal_text(&text, &length, &part->journal_states, pieces, hash, boot, err);
    if (st == I8_OK)
        st = i8i_write_file(part->journal_path, text, length, err);
    free(text);
    if (st != I8_OK)
        return st;
    part->journal_fd = open(part->journal_path, O_WRONLY | NO_LINK);
    return part->journal_fd >= 0
               ? I8_OK
               : i8i_fail_errno(err, errno, "cannot open %s", part->journal_path);
}

/* What an earlier run has left; false: nothing that can be used. */
static bool resume(struct i8i_part *part, struct i8i_piecemap *pieces, bool *complete,
                   const struct i8i_part_options *o, const char *boot)
{
    struct stat st;
    part->fd = open(part->path, O_RDWR | NO_LINK);
    if (part->fd < 0)
        return false;
    if (fstat(part->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != o->size)
        return false;
    if (access(part->journal_path, F_OK) != 0) {
        for (size_t i = 0; i < pieces->count; i++)
            i8i_piecemap_complete(pieces, i, I8I_PIECE_WRITTEN);
        *complete = true;
        return true;
    }
    char *text;
    size_t length;
    bool same_boot = false;
    if (i8i_read_file(&text, &length, part->journal_path, JOURNAL_MAX, NULL) != I8_OK)
        return false;
    const bool usable = i8i_journal_read(pieces, &part->journal_states, &same_boot, text,
                                         length, o->hash, boot);
    free(text);
    if (!usable || pieces->done_bytes == 0)
        return false;
    if (same_boot)
        part->journal_fd = open(part->journal_path, O_WRONLY | NO_LINK);
    return true;
}

/* Space for every byte, so that a full disk is noticed now. */
static enum i8_status reserve(struct i8i_part *part, const struct i8i_part_options *o,
                              struct i8_error *err)
{
    int failed = 0;
    if (o->reserve && o->size > 0 && fallocate(part->fd, 0, 0, (off_t)o->size) != 0)
        failed = errno;
    if (failed == EOPNOTSUPP || failed == ENOSYS || failed == EINTR)
        failed = 0; /* not all file systems can; the space was looked at */
    if (failed == 0 && ftruncate(part->fd, (off_t)o->size) != 0)
        failed = errno;
    char size[I8I_SIZE_TEXT];
    return failed == 0 ? I8_OK
                       : i8i_fail_errno(err, failed, "cannot reserve %s for %s",
                                        i8i_size_text(size, o->size), part->path);
}

static enum i8_status start(struct i8i_part *part, struct i8i_piecemap *pieces,
                            const struct i8i_part_options *o, const char *boot,
                            struct i8_error *err)
{
    /* Not truncated but made anew: another process may hold the old one. */
    if (part->fd >= 0)
        close(part->fd);
    part->fd = -1;
    i8i_part_discard(part);
    i8i_piecemap_free(pieces);
    enum i8_status st = i8i_piecemap_init(pieces, o->size, err);
    if (st == I8_OK && pieces->count > 1)
        st = start_journal(part, pieces, o->hash, boot, err);
    if (st != I8_OK)
        return st;
    part->fd = open(part->path, O_RDWR | O_CREAT | O_EXCL | NO_LINK, 0666);
    st = part->fd >= 0 ? reserve(part, o, err)
                       : i8i_fail_errno(err, errno, "cannot create %s", part->path);
    if (st != I8_OK)
        i8i_part_discard(part);
    return st;
}

enum i8_status i8i_part_open(struct i8i_part *part, struct i8i_piecemap *pieces,
                             bool *complete, const struct i8i_part_options *o,
                             struct i8_error *err)
{
    *part = (struct i8i_part){.fd = -1, .journal_fd = -1, .durable = o->durable};
    *complete = false;
    char boot[I8I_BOOT_ID];
    i8i_journal_boot(boot);
    enum i8_status st = i8i_piecemap_init(pieces, o->size, err);
    if (st != I8_OK)
        return st;
    part->path = i8i_strdup(o->path);
    part->journal_path = i8i_format("%s" I8I_JOURNAL_SUFFIX, o->path);
    if (part->path == NULL || part->journal_path == NULL)
        return i8i_nomem(err);
    /* A partial of one piece is written in one go, and has nothing to resume; its being
     * there without a journal means nothing. */
    if (!o->fresh && pieces->count > 1 && resume(part, pieces, complete, o, boot)) {
        if (part->journal_fd >= 0 || *complete)
            return I8_OK;
        return start_journal(part, pieces, o->hash, boot, err); /* after another boot */
    }
    return start(part, pieces, o, boot, err);
}

enum i8_status i8i_part_write(struct i8i_part *part, const void *bytes, size_t n,
                              uint64_t offset, struct i8_error *err)
{
    const int failure = i8i_write_all_at(part->fd, bytes, n, offset);
    return failure ? i8i_fail_errno(err, failure, "cannot write %s", part->path) : I8_OK;
}

enum i8_status i8i_part_read(struct i8i_part *part, void *bytes, size_t n,
                             uint64_t offset, struct i8_error *err)
{
    size_t got;
    int failure = i8i_read_all_at(&got, part->fd, bytes, n, offset);
    if (failure == 0 && got < n)
        failure = EIO;
    return failure ? i8i_fail_errno(err, failure, "cannot read back %s", part->path)
                   : I8_OK;
}

void i8i_part_note(struct i8i_part *part, const struct i8i_piecemap *pieces, size_t first,
                   size_t count)
{
    if (part->journal_fd >= 0 &&
        pwrite(part->journal_fd, pieces->state + first, count,
               (off_t)(part->journal_states + first)) != (ssize_t)count)
        return; /* fetched again, then, if it comes to that */
}

enum i8_status i8i_part_sync(struct i8i_part *part, struct i8_error *err)
{
    if (part->durable && fdatasync(part->fd) != 0)
        return i8i_fail_errno(err, errno, "cannot sync %s", part->path);
    return I8_OK;
}

enum i8_status i8i_part_commit(struct i8i_part *part, const char *final_path,
                               struct i8_error *err)
{
    enum i8_status st = i8i_part_sync(part, err);
    if (st != I8_OK)
        return st;
    if (unlink(part->journal_path) != 0 && errno != ENOENT)
        return i8i_fail_errno(err, errno, "cannot remove %s", part->journal_path);
    if (rename(part->path, final_path) != 0)
        return i8i_fail_errno(err, errno, "cannot rename %s to %s", part->path,
                              final_path);
    return part->durable ? i8i_sync_parent(final_path, err) : I8_OK;
}

uint64_t i8i_part_allocated(const char *path)
{
    enum { STAT_BLOCK = 512 };
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode)
               ? (uint64_t)st.st_blocks * STAT_BLOCK
               : 0;
}

enum i8_status i8i_space_check(const char *path, uint64_t need_bytes,
                               struct i8_error *err)
{
    struct statvfs fs;
    char *folder = i8i_path_dir(path);
    if (folder == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    uint64_t room;
    /* A file system that does not say is not asked. */
    if (statvfs(folder, &fs) == 0 && fs.f_blocks > 0 &&
        i8i_mul_u64(&room, fs.f_bavail, fs.f_frsize) && room < need_bytes) {
        char need[I8I_SIZE_TEXT], have[I8I_SIZE_TEXT];
        st = i8i_fail(err, I8_ERR_NOSPACE, "%s: %s are needed, %s are free", folder,
                      i8i_size_text(need, need_bytes), i8i_size_text(have, room));
    }
    free(folder);
    return st;
}
