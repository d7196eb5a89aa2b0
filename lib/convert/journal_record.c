/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading journals: reading stops at the first line that is not whole or not one of ours.
 */
#include "config.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "convert/journal_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MAGIC     "int8tool-journal 1"
#define MAX_BYTES ((size_t)1 << 30)

void i8i_journal_first_lines(char header[I8I_JOURNAL_LINE_BYTES],
                             char boot[I8I_JOURNAL_LINE_BYTES],
                             const struct i8i_conversion_id *id)
{
    char boot_text[I8I_BOOT_ID];
    i8i_boot_id(boot_text);
    snprintf(header, I8I_JOURNAL_LINE_BYTES, MAGIC " source %s plan %s\n", id->source,
             id->plan);
    snprintf(boot, I8I_JOURNAL_LINE_BYTES, "b%s\n", boot_text);
}

void i8i_record_free(struct i8i_record *r)
{
    free(r->ranges);
    free(r->digests);
    free(r->packed);
    *r = (struct i8i_record){0};
}

static bool add_range(struct i8i_record *r, const struct i8i_range *range)
{
    if (!i8i_grow(&r->ranges, &r->ranges_capacity, r->n_ranges + 1, sizeof *r->ranges))
        return false;
    r->ranges[r->n_ranges++] = *range;
    return true;
}

static bool add_digest(struct i8i_record *r, const struct i8i_digest *d)
{
    if (!i8i_grow(&r->digests, &r->digests_capacity, r->n_digests + 1,
                  sizeof *r->digests))
        return false;
    r->digests[r->n_digests++] = *d;
    return true;
}

static bool add_packed(struct i8i_record *r, const struct i8i_packed *k)
{
    if (!i8i_grow(&r->packed, &r->packed_capacity, r->n_packed + 1, sizeof *r->packed))
        return false;
    r->packed[r->n_packed++] = *k;
    return true;
}

const char *i8i_record_digest(const struct i8i_record *r, char kind, size_t index)
{
    for (size_t i = 0; i < r->n_digests; i++) {
        if (r->digests[i].kind == kind && r->digests[i].index == index)
            return r->digests[i].hex;
    }
    return NULL;
}

/* ---- one journal ---- */

/* Takes one line (NUL-terminated); false if it is none of ours. Only a `trusted` one is
 * believed. */
static bool take_line(struct i8i_record *record, const char *line, bool trusted,
                      bool *nomem)
{
    struct i8i_range r;
    struct i8i_digest d;
    struct i8i_packed k;
    char end;
    if (sscanf(line, "r %zu %" SCNu64 " %" SCNu64 "%c", &r.piece, &r.first, &r.count,
               &end) == 3) {
        *nomem = trusted && !add_range(record, &r);
        return true;
    }
    if ((line[0] == 'i' || line[0] == 'o') &&
        sscanf(line + 1, " %zu %64[0-9a-f]%c", &d.index, d.hex, &end) == 2 &&
        strlen(d.hex) == I8I_HASH_HEX - 1) {
        d.kind = line[0];
        *nomem = trusted && !add_digest(record, &d);
        return true;
    }
    if (sscanf(line, "z %zu %" SCNu64 "%c", &k.output, &k.bytes, &end) == 2) {
        *nomem = trusted && !add_packed(record, &k);
        return true;
    }
    if (strcmp(line, "p") == 0) {
        record->publishing = record->publishing || trusted;
        return true;
    }
    return line[0] == 's' || line[0] == 'b';
}

/* How much of the text was synced together with the data: the last mark's word. Each mark
 * ends with its line while it is parsed: sscanf measures all that it is given, and of a
 * large journal that would be the rest, again and again. */
static uint64_t durable_length(char *text, size_t length)
{
    uint64_t durable = 0, at;
    for (char *line = text, *end;
         (end = memchr(line, '\n', length - (size_t)(line - text))); line = end + 1) {
        int n = 0;
        if (line[0] != 's')
            continue;
        *end = '\0';
        if (sscanf(line, "s %" SCNu64 "%n", &at, &n) == 1 && line + n == end &&
            at <= (uint64_t)(line - text))
            durable = at;
        *end = '\n';
    }
    return durable;
}

/* Is the journal's header ours; else says whose it is. */
static enum i8_status check_header(const char *text, const char *path,
                                   const struct i8i_conversion_id *id,
                                   struct i8_error *err)
{
    char its_source[I8I_HASH_HEX], its_plan[I8I_HASH_HEX];
    if (sscanf(text, MAGIC " source %64[0-9a-f] plan %64[0-9a-f]\n", its_source,
               its_plan) != 2)
        return i8i_fail(err, I8_ERR_REFUSED, "%s: not a journal of this version", path);
    if (strcmp(its_source, id->source) != 0)
        return i8i_fail(
            err, I8_ERR_REFUSED,
            "%s: belongs to an unfinished conversion of another source, or the "
            "source has changed since; remove it, or start anew with --force",
            path);
    if (strcmp(its_plan, id->plan) != 0)
        return i8i_fail(err, I8_ERR_REFUSED,
                        "%s: belongs to an unfinished conversion with other options, or "
                        "by another libzstd; repeat those, or start anew with --force",
                        path);
    return I8_OK;
}

enum i8_status i8i_record_take(struct i8i_record *r, char *text, size_t *length,
                               const char *path, const struct i8i_conversion_id *id,
                               struct i8_error *err)
{
    char boot[I8I_BOOT_ID];
    i8i_boot_id(boot);
    char *eol = memchr(text, '\n', *length);
    if (eol == NULL) { /* not even a header: its writer is just beginning */
        *length = 0;
        return I8_OK;
    }
    enum i8_status st = check_header(text, path, id, err);
    if (st != I8_OK)
        return st;
    const uint64_t durable = durable_length(text, *length);
    bool same_boot = false, nomem = false;
    size_t at = (size_t)(eol - text) + 1;
    while (at < *length) {
        char *line = text + at, *end = memchr(line, '\n', *length - at);
        if (end == NULL)
            break;
        *end = '\0';
        if (line[0] == 'b')
            same_boot = boot[0] && strcmp(line + 1, boot) == 0;
        if (!take_line(r, line, same_boot || at < durable, &nomem))
            break;
        if (nomem)
            return i8i_nomem(err);
        at = (size_t)(end - text) + 1;
    }
    *length = at;
    return I8_OK;
}

/* ---- all of them ---- */

/* Calls fn for the path of every journal; one that vanishes meanwhile is none. */
static enum i8_status each_journal(const char *directory,
                                   enum i8_status (*fn)(void *ctx, const char *path,
                                                        struct i8_error *err),
                                   void *ctx, struct i8_error *err)
{
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return i8i_fail_errno(err, errno, "cannot open directory %s", directory);
    enum i8_status st = I8_OK;
    for (const struct dirent *e; st == I8_OK && (e = readdir(dir));) {
        if (!i8i_is_journal_name(e->d_name))
            continue;
        char *path = i8i_path_join(directory, e->d_name);
        st = path ? fn(ctx, path, err) : i8i_nomem(err);
        free(path);
    }
    closedir(dir);
    return st;
}

struct reading {
    struct i8i_record *record;
    const struct i8i_conversion_id *id;
    const char *mine;
    bool alone;
};

static enum i8_status check_idle(const struct reading *r, const char *path,
                                 struct i8_error *err)
{
    const char *name = i8i_path_base(path);
    if ((r->mine && strcmp(name, r->mine) == 0) ||
        (!r->alone && strcmp(name, I8I_JOURNAL_NAME) != 0))
        return I8_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool busy =
        fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    if (busy)
        return i8i_fail(err, I8_ERR_REFUSED, "%s: another int8tool is at work here",
                        path);
    return I8_OK;
}

static enum i8_status read_one(void *ctx, const char *path, struct i8_error *err)
{
    const struct reading *r = ctx;
    char *text = NULL;
    size_t length;
    enum i8_status st = check_idle(r, path, err);
    if (st != I8_OK)
        return st;
    st = i8i_read_file(&text, &length, path, MAX_BYTES, err);
    if (st == I8_OK)
        st = i8i_record_take(r->record, text, &length, path, r->id, err);
    else if (access(path, F_OK) != 0 && errno == ENOENT)
        st = I8_OK; /* whoever published has removed it */
    free(text);
    return st;
}

static int by_place(const void *a, const void *b)
{
    const struct i8i_range *x = a, *y = b;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

enum i8_status i8i_record_read(struct i8i_record *r, const char *directory,
                               const struct i8i_conversion_id *id, const char *mine,
                               bool alone, struct i8_error *err)
{
    struct reading reading = {.record = r, .id = id, .mine = mine, .alone = alone};
    i8i_record_free(r);
    enum i8_status st = each_journal(directory, read_one, &reading, err);
    if (r->n_ranges > 0)
        qsort(r->ranges, r->n_ranges, sizeof *r->ranges, by_place);
    return st;
}

static enum i8_status remove_one(void *ctx, const char *path, struct i8_error *err)
{
    const char *except = ctx;
    (void)err;
    if (except == NULL || strcmp(i8i_path_base(path), except) != 0)
        unlink(path);
    return I8_OK;
}

void i8i_journals_remove(const char *directory, const char *except)
{
    (void)each_journal(directory, remove_one, (void *)except, NULL);
}

static enum i8_status see_one(void *ctx, const char *path, struct i8_error *err)
{
    (void)path;
    (void)err;
    *(bool *)ctx = true;
    return I8_OK;
}

bool i8i_journals_exist(const char *directory)
{
    bool any = false;
    (void)each_journal(directory, see_one, &any, NULL);
    return any;
}
