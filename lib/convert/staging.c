/* SPDX-License-Identifier: Apache-2.0
 *
 * An output directory may be new, empty, or hold our own unfinished work; with --force
 * also an earlier conversion, which its manifest describes. All else is refused by name
 * before anything is written.
 */
#include "config.h"

#include "base/hash.h"
#include "base/size.h"
#include "convert/staging.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char *part_name(const struct i8i_staging *s, size_t output)
{
    return i8i_format("%s/%s.part", s->directory, s->plan->outputs[output].name);
}

/* ---- space ---- */

static enum i8_status check_space(const struct i8i_staging *s, struct i8_error *err)
{
    struct statvfs fs;
    uint64_t need = s->plan->output_bytes;
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        struct stat info;
        char *part = part_name(s, i);
        if (part == NULL)
            return i8i_nomem(err);
        if (stat(part, &info) == 0) {
            uint64_t held = (uint64_t)info.st_blocks * 512;
            need -= held < need ? held : need;
        }
        free(part);
    }
    if (statvfs(s->directory, &fs) != 0)
        return i8i_fail_errno(err, errno, "cannot ask for the free space of %s",
                              s->directory);
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    char need_text[I8I_SIZE_TEXT], free_text[I8I_SIZE_TEXT];
    if (fs.f_blocks > 0 && need > free_bytes)
        return i8i_fail(err, I8_ERR_NOSPACE, "%s: %s are needed, %s are free",
                        s->directory, i8i_size_text(need_text, need),
                        i8i_size_text(free_text, free_bytes));
    return I8_OK;
}

/* ---- opening ---- */

static enum i8_status make_parent(const char *path, struct i8_error *err)
{
    char *parent = i8i_strndup(path, (size_t)(i8i_path_base(path) - path));
    if (parent == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_make_directories(parent, err);
    free(parent);
    return st;
}

/* A .part file of the right size that the journal speaks of is gone on with; any other
 * is made anew. While publishing, one that is gone has its name already. */
static enum i8_status open_part(struct i8i_staging *s, size_t i, bool journal_is_old,
                                struct i8_error *err)
{
    const struct i8i_output_file *f = &s->plan->outputs[i];
    struct stat info;
    char *path = i8i_path_join(s->directory, f->name), *part = part_name(s, i);
    enum i8_status st = path && part ? I8_OK : i8i_nomem(err);
    if (st != I8_OK)
        goto out;
    bool part_exists = stat(part, &info) == 0 && (uint64_t)info.st_size == f->bytes;
    s->resumed[i] = journal_is_old && part_exists;
    if (i8i_journal_publishing(s->journal) && !part_exists) {
        if (stat(path, &info) == 0 && (uint64_t)info.st_size == f->bytes)
            s->resumed[i] = true;
        else
            st = i8i_fail(err, I8_ERR_DATA,
                          "%s: expected the finished file of %" PRIu64
                          " bytes; remove %s and start anew",
                          path, f->bytes, s->directory);
        goto out;
    }
    st = make_parent(path, err);
    if (st == I8_OK)
        st = i8i_outfile_open(&s->files[i], path, s->resumed[i], err);
    if (st == I8_OK && !s->resumed[i] &&
        ftruncate(i8i_outfile_fd(s->files[i]), (off_t)f->bytes) != 0)
        st = i8i_fail_errno(err, errno, "cannot size %s", part);
    /* No journal line speaks of the head: it is written by every run. */
    if (st == I8_OK && f->head_bytes > 0)
        st = i8i_outfile_write_at(s->files[i], f->head, f->head_bytes, 0, err);
out:
    free(path);
    free(part);
    return st;
}

static enum i8_status open_journal(struct i8i_staging *s, bool discard,
                                   struct i8_error *err)
{
    char source[I8I_HASH_HEX], plan[I8I_HASH_HEX];
    char *path = i8i_path_join(s->directory, I8I_JOURNAL_NAME);
    enum i8_status st = path ? I8_OK : i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_convert_identity(source, plan, s->plan, err);
    if (st == I8_OK)
        st = i8i_journal_open(&s->journal, path, source, plan, discard, err);
    free(path);
    return st;
}

enum i8_status i8i_staging_open(struct i8i_staging **out,
                                const struct i8i_convert_plan *plan, struct i8_error *err)
{
    *out = NULL;
    struct i8i_staging *s = i8i_calloc(1, sizeof *s);
    if (s == NULL)
        return i8i_nomem(err);
    s->plan = plan;
    s->directory = plan->options->output;
    s->files = i8i_calloc(plan->n_outputs, sizeof(*s->files));
    s->resumed = i8i_calloc(plan->n_outputs, sizeof *s->resumed);
    enum i8_status st = s->files && s->resumed ? I8_OK : i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_output_check(&s->before, plan, err);
    if (st == I8_OK && !s->before.exists) {
        st = i8i_make_directories(s->directory, err);
        s->created = st == I8_OK;
    }
    if (st == I8_OK)
        st = check_space(s, err);
    /* With --force, unfinished work of other options gives way to this. */
    if (st == I8_OK)
        st = open_journal(s, false, err);
    if (st == I8_ERR_REFUSED && plan->options->force && s->before.journal)
        st = open_journal(s, true, err);
    if (st == I8_OK)
        st = i8i_output_check_finals(&s->before, i8i_journal_publishing(s->journal), plan,
                                     err);
    for (size_t i = 0; i < plan->n_outputs && st == I8_OK; i++)
        st = open_part(s, i, s->before.journal, err);
    if (st != I8_OK) {
        i8i_staging_close(s, s->before.journal);
        return st;
    }
    *out = s;
    return I8_OK;
}

/* ---- closing ---- */

enum i8_status i8i_staging_sync(struct i8i_staging *s, struct i8_error *err)
{
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        if (s->files[i] && fdatasync(i8i_outfile_fd(s->files[i])) != 0)
            return i8i_fail_errno(err, errno, "cannot sync %s/%s.part", s->directory,
                                  s->plan->outputs[i].name);
    }
    return I8_OK;
}

enum i8_status i8i_staging_read_back(struct i8i_source **out, const struct i8i_staging *s,
                                     size_t output, struct i8_error *err)
{
    char *path = s->files[output]
                     ? part_name(s, output)
                     : i8i_path_join(s->directory, s->plan->outputs[output].name);
    if (path == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_source_open_file(out, path, err);
    free(path);
    return st;
}

static bool is_output(const struct i8i_convert_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_outputs; i++) {
        if (strcmp(plan->outputs[i].name, name) == 0)
            return true;
    }
    return false;
}

static void remove_in(const char *directory, const char *name)
{
    char *path = i8i_path_join(directory, name);
    if (path)
        unlink(path);
    free(path);
}

/* Takes the names of the first `count` outputs back, and the manifest's: a failure leaves
 * nothing that looks finished, and the same command goes on from here. */
static void unpublish(const struct i8i_staging *s, size_t count)
{
    remove_in(s->directory, I8I_MANIFEST_NAME);
    for (size_t i = 0; i < count; i++) {
        char *path = i8i_path_join(s->directory, s->plan->outputs[i].name);
        char *part = part_name(s, i);
        if (path && part && access(part, F_OK) != 0)
            (void)rename(path, part);
        free(path);
        free(part);
    }
}

/* Gives every output its name, removes what they replace, writes the manifest. */
static enum i8_status publish(struct i8i_staging *s, const char *manifest_path,
                              const char *manifest, size_t manifest_bytes,
                              struct i8_error *err)
{
    enum i8_status st = I8_OK;
    size_t named = 0;
    for (; named < s->plan->n_outputs && st == I8_OK; named++) {
        struct i8i_outfile *f = s->files[named];
        s->files[named] = NULL; /* commit frees it in any case */
        if (f)
            st = i8i_outfile_commit_or_keep(f, err);
    }
    for (size_t i = 0; i < s->before.n_obsolete && st == I8_OK; i++) {
        if (!is_output(s->plan, s->before.obsolete[i]))
            remove_in(s->directory, s->before.obsolete[i]);
    }
    if (st == I8_OK)
        st = i8i_write_file(manifest_path, manifest, manifest_bytes, err);
    if (st != I8_OK)
        unpublish(s, named);
    return st;
}

enum i8_status i8i_staging_publish(struct i8i_staging *s, const char *manifest,
                                   size_t manifest_bytes, struct i8_error *err)
{
    enum i8_status st = i8i_staging_sync(s, err);
    if (st == I8_OK)
        st = i8i_journal_mark_publishing(s->journal, err);
    char *path = i8i_path_join(s->directory, I8I_MANIFEST_NAME);
    if (st == I8_OK && path == NULL)
        st = i8i_nomem(err);
    if (st == I8_OK) {
        unlink(path); /* an old manifest must not describe new files for a moment */
        st = publish(s, path, manifest, manifest_bytes, err);
    }
    if (st == I8_OK) {
        i8i_journal_close(s->journal, true);
        s->journal = NULL;
    }
    free(path);
    return st;
}

/* Folders that were made for files in them, innermost first; full ones stay. */
static void remove_folders(const struct i8i_staging *s)
{
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        char *path = i8i_path_join(s->directory, s->plan->outputs[i].name);
        for (char *slash; path && (slash = strrchr(path, '/')) &&
                          (size_t)(slash - path) > strlen(s->directory);) {
            *slash = '\0';
            rmdir(path);
        }
        free(path);
    }
    if (s->created)
        rmdir(s->directory);
}

void i8i_staging_close(struct i8i_staging *s, bool keep)
{
    if (s == NULL)
        return;
    /* Once files have begun to get their names, only going on makes sense. */
    keep = keep || (s->journal && i8i_journal_publishing(s->journal));
    bool unfinished = s->journal != NULL;
    for (size_t i = 0; s->files && i < s->plan->n_outputs; i++)
        i8i_outfile_abort(s->files[i], keep);
    i8i_journal_close(s->journal, !keep);
    if ((unfinished || s->created) && !keep)
        remove_folders(s);
    i8i_output_state_free(&s->before);
    free(s->files);
    free(s->resumed);
    free(s);
}
