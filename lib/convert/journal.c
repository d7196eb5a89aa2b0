/* SPDX-License-Identifier: Apache-2.0
 *
 * Appending to a journal. Every line ends in '\n' and is written in one call.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "convert/journal_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#define MAX_BYTES  ((size_t)1 << 30)
#define LINE_BYTES I8I_JOURNAL_LINE_BYTES

struct i8i_journal {
    char *path;
    int fd;
    pthread_mutex_t lock;
    uint64_t length;
};

bool i8i_is_journal_name(const char *name)
{
    return strcmp(name, I8I_JOURNAL_NAME) == 0 ||
           (strncmp(name, I8I_RANK_JOURNAL_PREFIX, strlen(I8I_RANK_JOURNAL_PREFIX)) ==
                0 &&
            strchr(name, '/') == NULL);
}

const char *i8i_journal_name(const struct i8i_journal *j)
{
    return i8i_path_base(j->path);
}

/* ---- writing ---- */

static enum i8_status append(struct i8i_journal *j, const char *line,
                             struct i8_error *err)
{
    size_t n = strlen(line);
    pthread_mutex_lock(&j->lock);
    ssize_t written;
    do
        written = pwrite(j->fd, line, n, (off_t)j->length);
    while (written < 0 && errno == EINTR);
    enum i8_status st = I8_OK;
    if (written == (ssize_t)n)
        j->length += n;
    else
        st =
            i8i_fail_errno(err, written < 0 ? errno : ENOSPC, "cannot write %s", j->path);
    pthread_mutex_unlock(&j->lock);
    return st;
}

static enum i8_status sync_journal(struct i8i_journal *j, struct i8_error *err)
{
    if (fdatasync(j->fd) != 0)
        return i8i_fail_errno(err, errno, "cannot sync %s", j->path);
    return I8_OK;
}

enum i8_status i8i_journal_add(struct i8i_journal *j, const struct i8i_range *range,
                               struct i8_error *err)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "r %zu %" PRIu64 " %" PRIu64 "\n", range->piece,
             range->first, range->count);
    return append(j, line, err);
}

enum i8_status i8i_journal_add_digest(struct i8i_journal *j, char kind, size_t index,
                                      const char *hex, struct i8_error *err)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%c %zu %s\n", kind, index, hex);
    return append(j, line, err);
}

enum i8_status i8i_journal_add_packed(struct i8i_journal *j, size_t output,
                                      uint64_t bytes, struct i8_error *err)
{
    char line[I8I_JOURNAL_LINE_BYTES];
    snprintf(line, sizeof line, "z %zu %" PRIu64 "\n", output, bytes);
    return append(j, line, err);
}

uint64_t i8i_journal_position(struct i8i_journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t position = j->length;
    pthread_mutex_unlock(&j->lock);
    return position;
}

enum i8_status i8i_journal_mark_durable(struct i8i_journal *j, uint64_t position,
                                        struct i8_error *err)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "s %" PRIu64 "\n", position);
    enum i8_status st = sync_journal(j, err);
    if (st == I8_OK)
        st = append(j, line, err);
    return st == I8_OK ? sync_journal(j, err) : st;
}

enum i8_status i8i_journal_mark_publishing(struct i8i_journal *j, struct i8_error *err)
{
    enum i8_status st = append(j, "p\n", err);
    return st == I8_OK ? i8i_journal_mark_durable(j, i8i_journal_position(j), err) : st;
}

/* ---- opening ---- */

static enum i8_status cut(struct i8i_journal *j, uint64_t length, struct i8_error *err)
{
    if (ftruncate(j->fd, (off_t)length) != 0)
        return i8i_fail_errno(err, errno, "cannot shorten %s", j->path);
    j->length = length;
    return I8_OK;
}

static enum i8_status start(struct i8i_journal *j, const char *header,
                            struct i8_error *err)
{
    enum i8_status st = cut(j, 0, err);
    if (st == I8_OK)
        st = append(j, header, err);
    return st == I8_OK ? sync_journal(j, err) : st;
}

/* Goes on behind the last good line of what an earlier process has written. */
static enum i8_status go_on(struct i8i_journal *j, const char *header, bool discard,
                            const struct i8i_conversion_id *id, struct i8_error *err)
{
    struct i8i_record record = {0};
    char *text = NULL;
    size_t length = 0;
    enum i8_status st = i8i_read_file(&text, &length, j->path, MAX_BYTES, err);
    /* A header that was cut short says that nothing else happened. */
    if (st == I8_OK && memchr(text, '\n', length) == NULL)
        discard = true;
    if (st == I8_OK && !discard)
        st = i8i_record_take(&record, text, &length, j->path, id, err);
    if (st == I8_OK)
        st = discard ? start(j, header, err) : cut(j, length, err);
    i8i_record_free(&record);
    free(text);
    return st;
}

/* Takes path over. */
static enum i8_status new_journal(struct i8i_journal **out, char *path, int flags,
                                  struct i8_error *err)
{
    *out = NULL;
    struct i8i_journal *j = path ? i8i_calloc(1, sizeof *j) : NULL;
    if (j == NULL) {
        free(path);
        return i8i_nomem(err);
    }
    pthread_mutex_init(&j->lock, NULL);
    j->path = path;
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0666);
    if (j->fd < 0) {
        const enum i8_status st = i8i_fail_errno(err, errno, "cannot open %s", path);
        i8i_journal_close(j, false);
        return st;
    }
    *out = j;
    return I8_OK;
}

enum i8_status i8i_journal_open(struct i8i_journal **out, const char *directory,
                                const struct i8i_conversion_id *id, bool discard,
                                struct i8_error *err)
{
    char header[LINE_BYTES], boot[LINE_BYTES];
    *out = NULL;
    i8i_journal_first_lines(header, boot, id);
    struct i8i_journal *j;
    enum i8_status st =
        new_journal(&j, i8i_path_join(directory, I8I_JOURNAL_NAME), 0, err);
    if (st != I8_OK)
        return st;
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        st = i8i_fail(err, I8_ERR_REFUSED, "%s: another int8tool is at work here",
                      j->path);
    if (st == I8_OK)
        st = go_on(j, header, discard, id, err);
    if (st == I8_OK)
        st = append(j, boot, err);
    if (st == I8_OK)
        *out = j;
    else
        i8i_journal_close(j, false);
    return st;
}

enum i8_status i8i_journal_create(struct i8i_journal **out, const char *directory,
                                  const struct i8i_conversion_id *id, unsigned rank,
                                  unsigned count, struct i8_error *err)
{
    char header[LINE_BYTES], boot[LINE_BYTES];
    uint32_t random;
    *out = NULL;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return i8i_fail_errno(err, errno, "no random number for a journal's name");
    char *path = i8i_format("%s/" I8I_RANK_JOURNAL_PREFIX "%05u-of-%05u-%08x", directory,
                            rank, count, random);
    struct i8i_journal *j;
    enum i8_status st = new_journal(&j, path, O_EXCL, err);
    if (st != I8_OK)
        return st;
    /* A process alone that starts here meanwhile sees that we are at work, where locks
     * are; where they are not, both do the same work with the same result. */
    (void)flock(j->fd, LOCK_EX | LOCK_NB);
    i8i_journal_first_lines(header, boot, id);
    st = start(j, header, err);
    if (st == I8_OK)
        st = append(j, boot, err);
    if (st == I8_OK)
        *out = j;
    else
        i8i_journal_close(j, true);
    return st;
}

void i8i_journal_close(struct i8i_journal *j, bool remove)
{
    if (j == NULL)
        return;
    if (remove)
        unlink(j->path);
    if (j->fd >= 0)
        close(j->fd);
    pthread_mutex_destroy(&j->lock);
    free(j->path);
    free(j);
}
