/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and appending the journal. Every line ends in '\n' and is written in one call;
 * reading stops at the first line that is not whole or not one of ours.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "convert/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC         "int8tool-journal 1"
#define MAX_BYTES     ((size_t)1 << 30)
#define BOOT_ID_BYTES 64
#define LINE_BYTES    256

struct digest {
    char kind;
    size_t index;
    char hex[I8I_HASH_HEX];
};

struct i8i_journal {
    char *path;
    int fd;
    pthread_mutex_t lock;
    uint64_t length;
    bool publishing;
    struct i8i_range *ranges;
    size_t n_ranges, ranges_capacity;
    struct digest *digests;
    size_t n_digests, digests_capacity;
};

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
    enum i8_status st = i8i_journal_mark_durable(j, i8i_journal_position(j), err);
    if (st == I8_OK)
        st = append(j, "p\n", err);
    if (st == I8_OK)
        st = i8i_journal_mark_durable(j, i8i_journal_position(j), err);
    if (st == I8_OK)
        j->publishing = true;
    return st;
}

/* ---- reading ---- */

/* Which boot of which machine this is; "" where the system does not say. */
static void boot_id(char id[BOOT_ID_BYTES])
{
    id[0] = '\0';
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f == NULL)
        return;
    if (fgets(id, BOOT_ID_BYTES, f))
        id[strcspn(id, "\n")] = '\0';
    fclose(f);
}

static bool add_range(struct i8i_journal *j, const struct i8i_range *r)
{
    if (!i8i_grow(&j->ranges, &j->ranges_capacity, j->n_ranges + 1, sizeof *j->ranges))
        return false;
    j->ranges[j->n_ranges++] = *r;
    return true;
}

static bool add_digest(struct i8i_journal *j, const struct digest *d)
{
    if (!i8i_grow(&j->digests, &j->digests_capacity, j->n_digests + 1,
                  sizeof *j->digests))
        return false;
    j->digests[j->n_digests++] = *d;
    return true;
}

/* Takes one line (NUL-terminated); false if it is none of ours. Only a `trusted` one is
 * believed. */
static bool take_line(struct i8i_journal *j, const char *line, bool trusted, bool *nomem)
{
    struct i8i_range r;
    struct digest d;
    char end;
    if (sscanf(line, "r %zu %" SCNu64 " %" SCNu64 "%c", &r.piece, &r.first, &r.count,
               &end) == 3) {
        *nomem = trusted && !add_range(j, &r);
        return true;
    }
    if ((line[0] == 'i' || line[0] == 'o') &&
        sscanf(line + 1, " %zu %64[0-9a-f]%c", &d.index, d.hex, &end) == 2 &&
        strlen(d.hex) == I8I_HASH_HEX - 1) {
        d.kind = line[0];
        *nomem = trusted && !add_digest(j, &d);
        return true;
    }
    if (strcmp(line, "p") == 0) {
        j->publishing = j->publishing || trusted;
        return true;
    }
    return line[0] == 's' || line[0] == 'b';
}

/* How much of the text was synced together with the data: the last mark's word. */
static uint64_t durable_length(char *text, size_t length)
{
    uint64_t durable = 0, at;
    for (char *line = text, *end;
         (end = memchr(line, '\n', length - (size_t)(line - text))); line = end + 1) {
        char after;
        if (sscanf(line, "s %" SCNu64 "%c", &at, &after) == 2 && after == '\n' &&
            at <= (uint64_t)(line - text))
            durable = at;
    }
    return durable;
}

static int by_place(const void *a, const void *b)
{
    const struct i8i_range *x = a, *y = b;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Lines behind the header. Whatever follows the last good one is cut off. */
static enum i8_status replay(struct i8i_journal *j, char *text, size_t length,
                             size_t begin, const char *boot, struct i8_error *err)
{
    const uint64_t durable = durable_length(text, length);
    bool same_boot = false, nomem = false;
    size_t at = begin;
    while (at < length) {
        char *line = text + at, *end = memchr(line, '\n', length - at);
        if (end == NULL)
            break;
        *end = '\0';
        if (line[0] == 'b')
            same_boot = boot[0] && strcmp(line + 1, boot) == 0;
        if (!take_line(j, line, same_boot || at < durable, &nomem))
            break;
        if (nomem)
            return i8i_nomem(err);
        at = (size_t)(end - text) + 1;
    }
    j->length = at;
    if (ftruncate(j->fd, (off_t)at) != 0)
        return i8i_fail_errno(err, errno, "cannot shorten %s", j->path);
    if (j->n_ranges > 0)
        qsort(j->ranges, j->n_ranges, sizeof *j->ranges, by_place);
    return I8_OK;
}

static enum i8_status start(struct i8i_journal *j, const char *header,
                            struct i8_error *err)
{
    if (ftruncate(j->fd, 0) != 0)
        return i8i_fail_errno(err, errno, "cannot empty %s", j->path);
    j->length = 0;
    enum i8_status st = append(j, header, err);
    return st == I8_OK ? sync_journal(j, err) : st;
}

/* Is the journal's header ours; else says whose it is. */
static enum i8_status check_header(const struct i8i_journal *j, const char *text,
                                   const char *source, const char *plan,
                                   struct i8_error *err)
{
    char its_source[I8I_HASH_HEX], its_plan[I8I_HASH_HEX];
    if (sscanf(text, MAGIC " source %64[0-9a-f] plan %64[0-9a-f]\n", its_source,
               its_plan) != 2)
        return i8i_fail(err, I8_ERR_REFUSED, "%s: not a journal of this version",
                        j->path);
    if (strcmp(its_source, source) != 0)
        return i8i_fail(
            err, I8_ERR_REFUSED,
            "%s: belongs to an unfinished conversion of another source, or the "
            "source has changed since; remove it, or start anew with --force",
            j->path);
    if (strcmp(its_plan, plan) != 0)
        return i8i_fail(err, I8_ERR_REFUSED,
                        "%s: belongs to an unfinished conversion with other options; "
                        "repeat those, or start anew with --force",
                        j->path);
    return I8_OK;
}

enum i8_status i8i_journal_open(struct i8i_journal **out, const char *path,
                                const char *source, const char *plan, bool discard,
                                struct i8_error *err)
{
    char boot[BOOT_ID_BYTES], header[LINE_BYTES], boot_line[LINE_BYTES];
    char *text = NULL;
    size_t length = 0;
    enum i8_status st;
    *out = NULL;
    struct i8i_journal *j = i8i_calloc(1, sizeof *j);
    if (j == NULL)
        return i8i_nomem(err);
    pthread_mutex_init(&j->lock, NULL);
    j->path = i8i_strdup(path);
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (j->path == NULL) {
        st = i8i_nomem(err);
        goto out;
    }
    if (j->fd < 0) {
        st = i8i_fail_errno(err, errno, "cannot open %s", path);
        goto out;
    }
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
        st = i8i_fail(err, I8_ERR_REFUSED, "%s: another int8tool is at work here", path);
        goto out;
    }
    st = i8i_read_file(&text, &length, path, MAX_BYTES, err);
    if (st != I8_OK)
        goto out;
    boot_id(boot);
    snprintf(header, sizeof header, MAGIC " source %s plan %s\n", source, plan);
    snprintf(boot_line, sizeof boot_line, "b%s\n", boot);
    /* A header that was cut short says that nothing else happened. */
    char *eol = memchr(text, '\n', length);
    if (eol == NULL)
        discard = true;
    else if (!discard)
        st = check_header(j, text, source, plan, err);
    if (st != I8_OK)
        goto out;
    st = discard ? start(j, header, err)
                 : replay(j, text, length, (size_t)(eol - text) + 1, boot, err);
    if (st == I8_OK)
        st = append(j, boot_line, err);
out:
    free(text);
    if (st == I8_OK)
        *out = j;
    else
        i8i_journal_close(j, false);
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
    free(j->ranges);
    free(j->digests);
    free(j);
}

const struct i8i_range *i8i_journal_ranges(const struct i8i_journal *j, size_t *count)
{
    *count = j->n_ranges;
    return j->ranges;
}

const char *i8i_journal_digest(const struct i8i_journal *j, char kind, size_t index)
{
    for (size_t i = 0; i < j->n_digests; i++) {
        if (j->digests[i].kind == kind && j->digests[i].index == index)
            return j->digests[i].hex;
    }
    return NULL;
}

bool i8i_journal_publishing(const struct i8i_journal *j)
{
    return j->publishing;
}
