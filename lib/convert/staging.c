/* SPDX-License-Identifier: Apache-2.0
 *
 * An output directory may be new, empty, or hold our own unfinished work; with --force
 * also an earlier conversion, which its manifest describes. All else is refused by name
 * before anything is written.
 */
#include "config.h"

#include "base/hash.h"
#include "base/size.h"
#include "convert/packed.h"
#include "convert/staging.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

char *i8i_staging_part_name(const struct i8i_staging *s, const char *name)
{
    return i8i_format("%s/%s.part", s->directory, name);
}

/* ---- space ---- */

/* What DIR/NAME.part takes on the disk already. */
static enum i8_status held_by(uint64_t *bytes, const struct i8i_staging *s,
                              const char *name, struct i8_error *err)
{
    struct stat info;
    char *part = i8i_staging_part_name(s, name);
    if (part == NULL)
        return i8i_nomem(err);
    if (stat(part, &info) == 0)
        *bytes += (uint64_t)info.st_blocks * 512;
    free(part);
    return I8_OK;
}

/* The most that shards take that stand there in both forms: one a rank. */
static uint64_t beside(const struct i8i_staging *s, uint64_t largest, uint64_t all)
{
    uint64_t bytes;
    const bool few =
        i8i_mul_u64(&bytes, largest, s->shared ? s->plan->options->ranks->count : 1);
    return few && bytes < all ? bytes : all;
}

static enum i8_status check_space(const struct i8i_staging *s, struct i8_error *err)
{
    struct statvfs fs;
    uint64_t need = s->plan->output_bytes, largest = 0, all = 0, held = 0;
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        const struct i8i_output_file *f = &s->plan->outputs[i];
        enum i8_status st = held_by(&held, s, f->name, err);
        if (st == I8_OK && f->frames) {
            const uint64_t most = i8i_packed_most_bytes(f);
            largest = most > largest ? most : largest;
            all += most;
            st = held_by(&held, s, f->packed_name, err);
        }
        if (st != I8_OK)
            return st;
    }
    need += beside(s, largest, all);
    need -= held < need ? held : need;
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

/* Is anything of the output recorded as done? */
static bool is_recorded(const struct i8i_staging *s, size_t output)
{
    for (size_t i = 0; i < s->record.n_ranges; i++) {
        const struct i8i_range *r = &s->record.ranges[i];
        if (r->piece < s->plan->n_pieces && s->plan->pieces[r->piece].output == output)
            return true;
    }
    return s->record.publishing;
}

/* Gives the .part file its size, if it has another one. */
static enum i8_status size_part(struct i8i_outfile *file, const char *part,
                                uint64_t bytes, struct i8_error *err)
{
    struct stat info;
    const int fd = i8i_outfile_fd(file);
    if (fstat(fd, &info) == 0 && (uint64_t)info.st_size == bytes)
        return I8_OK;
    if (ftruncate(fd, (off_t)bytes) != 0)
        return i8i_fail_errno(err, errno, "cannot size %s", part);
    return I8_OK;
}

/* An output whose .part file is gone has its name already, or `what` is lost. */
static enum i8_status see_named(struct i8i_staging *s, size_t i, const char *what,
                                struct i8_error *err)
{
    const struct i8i_output_file *f = &s->plan->outputs[i];
    char *path = i8i_path_join(s->directory, f->name);
    if (path == NULL)
        return i8i_nomem(err);
    s->resumed[i] = i8i_has_size(path, f->bytes);
    free(path);
    if (s->resumed[i])
        return I8_OK;
    return i8i_fail(err, I8_ERR_DATA,
                    "%s: is gone, though it held finished work; remove %s and start anew",
                    what, s->directory);
}

/* A .part file of the right size that the record speaks of is gone on with; any other is
 * made anew, if `create`, or, among ranks, by whoever comes first. While publishing, one
 * that is gone has its name already, and is not made again. */
static enum i8_status open_part(struct i8i_staging *s, size_t i, bool create,
                                struct i8_error *err)
{
    const struct i8i_output_file *f = &s->plan->outputs[i];
    char *path = i8i_path_join(s->directory, f->name),
         *part = i8i_staging_part_name(s, f->name);
    enum i8_status st = path && part ? I8_OK : i8i_nomem(err);
    if (st != I8_OK)
        goto out;
    const bool part_exists = i8i_has_size(part, f->bytes);
    create = create && !is_recorded(s, i);
    s->resumed[i] = s->shared || (s->before.journal && part_exists);
    const bool look = create || part_exists;
    if (look)
        st = i8i_make_parents(path, err);
    if (look && st == I8_OK)
        st = s->shared
                 ? i8i_outfile_open_shared(&s->files[i], path,
                                           create ? I8I_PART_ANY : I8I_PART_THERE, err)
                 : i8i_outfile_open(&s->files[i], path, s->resumed[i], err);
    if (st == I8_OK && s->files[i] == NULL)
        st = see_named(s, i, s->record.publishing ? path : part, err);
    if (st != I8_OK || s->files[i] == NULL)
        goto out;
    st = size_part(s->files[i], part, f->bytes, err);
    /* No journal line speaks of the head: it is written by every run. */
    if (st == I8_OK && f->head_bytes > 0 && !f->packed)
        st = i8i_outfile_write_at(s->files[i], f->head, f->head_bytes, 0, err);
out:
    free(path);
    free(part);
    return st;
}

/* ---- packed outputs ---- */

enum i8_status i8i_staging_remove_part(const struct i8i_staging *s, const char *name,
                                       struct i8_error *err)
{
    char *part = i8i_staging_part_name(s, name);
    enum i8_status st = part ? I8_OK : i8i_nomem(err);
    if (st == I8_OK && unlink(part) != 0 && errno != ENOENT)
        st = i8i_fail_errno(err, errno, "cannot remove %s", part);
    free(part);
    return st;
}

/* Outputs that the record says are packed are seen as such; so are those that another
 * rank has packed while we had their plain form open. That form stays: what the other has
 * said need not be on the disk yet. */
static enum i8_status show_packed(struct i8i_staging *s, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < s->record.n_packed && st == I8_OK; i++) {
        const struct i8i_packed *k = &s->record.packed[i];
        if (k->output >= s->plan->n_outputs || s->plan->outputs[k->output].packed ||
            s->plan->outputs[k->output].frames == NULL)
            continue;
        struct i8i_output_file *f = &s->plan->outputs[k->output];
        const char *sha256 = i8i_record_digest(&s->record, 'o', k->output);
        i8i_output_show_packed(f, k->bytes);
        if (sha256 && !s->plan->options->no_hash)
            memcpy(f->sha256, sha256, I8_SHA256_HEX);
        if (s->files[k->output] || s->let_go[k->output]) {
            i8i_outfile_abort(s->files[k->output], true);
            s->files[k->output] = NULL;
            s->let_go[k->output] = false;
            st = open_part(s, k->output, false, err);
        }
    }
    return st;
}

void i8i_staging_let_go(struct i8i_staging *s, const bool *except)
{
    for (size_t i = 0; i < s->plan->n_outputs && s->shared; i++) {
        const struct i8i_output_file *f = &s->plan->outputs[i];
        if (f->frames == NULL || f->packed || s->files[i] == NULL ||
            (except && except[i]))
            continue;
        i8i_outfile_abort(s->files[i], true);
        s->files[i] = NULL;
        s->let_go[i] = true;
    }
}

/* The record is read when the plain form is open: it is removed only once a journal says
 * that the output is packed. So if none does, what we have open is what was converted,
 * whatever a rank that has not looked for long may since have made of that name. */
enum i8_status i8i_staging_take_up(struct i8i_staging *s, size_t output,
                                   struct i8_error *err)
{
    const struct i8i_output_file *f = &s->plan->outputs[output];
    enum i8_status st = I8_OK;
    if (s->let_go[output]) {
        st = open_part(s, output, false, err);
        s->let_go[output] = s->files[output] == NULL;
    }
    if (st == I8_OK && s->shared)
        st = i8i_staging_refresh(s, err);
    if (st == I8_OK && !f->packed && s->files[output] == NULL)
        st = i8i_fail(err, I8_ERR_DATA, "%s/%s.part: is gone", s->directory, f->name);
    return st;
}

enum i8_status i8i_staging_take_packed(struct i8i_staging *s, size_t output,
                                       struct i8i_outfile *packed, uint64_t bytes,
                                       const char *sha256, struct i8_error *err)
{
    struct i8i_output_file *f = &s->plan->outputs[output];
    i8i_outfile_abort(s->files[output], true);
    s->files[output] = packed;
    i8i_output_show_packed(f, bytes);
    enum i8_status st = I8_OK;
    /* The digest first: whoever reads that it is packed wants to know that, too. */
    if (sha256) {
        memcpy(f->sha256, sha256, I8_SHA256_HEX);
        st = i8i_journal_add_digest(s->journal, 'o', output, sha256, err);
    }
    if (st == I8_OK)
        st = i8i_journal_add_packed(s->journal, output, bytes, err);
    if (st == I8_OK)
        st = i8i_staging_make_durable(s, err);
    return st == I8_OK ? i8i_staging_remove_part(s, f->plain_name, err) : st;
}

enum i8_status i8i_staging_refresh(struct i8i_staging *s, struct i8_error *err)
{
    enum i8_status st = i8i_record_read(&s->record, s->directory, &s->id,
                                        i8i_journal_name(s->journal), !s->shared, err);
    return st == I8_OK ? show_packed(s, err) : st;
}

/* ---- journals ---- */

static enum i8_status open_journals(struct i8i_staging *s, bool discard,
                                    struct i8_error *err)
{
    enum i8_status st = i8i_journal_open(&s->journal, s->directory, &s->id, discard, err);
    if (st == I8_OK && discard)
        i8i_journals_remove(s->directory, I8I_JOURNAL_NAME);
    return st == I8_OK ? i8i_staging_refresh(s, err) : st;
}

/* Work without its .part file: somebody has removed that, or a power cut. */
static bool part_is_lost(const struct i8i_staging *s)
{
    bool lost = false;
    for (size_t i = 0; i < s->plan->n_outputs && !lost; i++) {
        char *part = i8i_staging_part_name(s, s->plan->outputs[i].name);
        lost = part && !s->record.publishing && is_recorded(s, i) &&
               !i8i_has_size(part, s->plan->outputs[i].bytes);
        free(part);
    }
    return lost;
}

/* Of a process alone. With --force, unfinished work of other options gives way to this;
 * where a .part file is lost, all begins anew. */
static enum i8_status open_alone(struct i8i_staging *s, struct i8_error *err)
{
    enum i8_status st = open_journals(s, false, err);
    const bool replace =
        st == I8_ERR_REFUSED && s->plan->options->force && s->before.journal;
    if (replace || (st == I8_OK && part_is_lost(s))) {
        i8i_journal_close(s->journal, false);
        s->journal = NULL;
        for (size_t i = 0; i < s->plan->n_outputs; i++) {
            if (s->plan->outputs[i].packed)
                i8i_output_show_plain(&s->plan->outputs[i]);
        }
        st = open_journals(s, true, err);
    }
    return st;
}

static enum i8_status open_rank(struct i8i_staging *s, struct i8_error *err)
{
    const struct i8_rank_group *g = s->plan->options->ranks;
    enum i8_status st =
        i8i_journal_create(&s->journal, s->directory, &s->id, g->rank, g->count, err);
    if (st == I8_OK)
        st = i8i_staging_refresh(s, err);
    if (st != I8_OK) { /* it says nothing yet */
        i8i_journal_close(s->journal, true);
        s->journal = NULL;
    }
    return st;
}

/* Another rank may have packed it since the journals were read. */
static enum i8_status open_output(struct i8i_staging *s, size_t i, struct i8_error *err)
{
    const struct i8i_output_file *f = &s->plan->outputs[i];
    enum i8_status st = open_part(s, i, !f->packed, err);
    if (s->shared && s->files[i] == NULL && f->frames && !f->packed &&
        i8i_staging_refresh(s, NULL) == I8_OK && f->packed)
        st = open_part(s, i, false, err);
    return st;
}

static enum i8_status open_all(struct i8i_staging *s, struct i8_error *err)
{
    enum i8_status st = i8i_output_check(&s->before, s->plan, err);
    if (st == I8_OK && !s->before.exists) {
        st = i8i_make_directories(s->directory, err);
        s->created = st == I8_OK;
    }
    if (st == I8_OK)
        st = check_space(s, err);
    if (st == I8_OK)
        st = i8i_convert_identity(&s->id, s->plan, err);
    if (st == I8_OK)
        st = s->shared ? open_rank(s, err) : open_alone(s, err);
    if (st == I8_OK)
        st = i8i_output_check_finals(&s->before, s->record.publishing, s->plan, err);
    for (size_t i = 0; i < s->plan->n_outputs && st == I8_OK; i++)
        st = open_output(s, i, err);
    /* Published since we first looked: what we have opened is nobody's. */
    if (st == I8_OK && s->shared)
        st = i8i_output_is_complete(&s->complete, s->plan, err);
    for (size_t i = 0; i < s->plan->n_outputs && s->complete; i++) {
        i8i_outfile_abort(s->files[i], false);
        s->files[i] = NULL;
    }
    return st;
}

enum i8_status i8i_staging_open(struct i8i_staging **out, struct i8i_convert_plan *plan,
                                struct i8_error *err)
{
    *out = NULL;
    struct i8i_staging *s = i8i_calloc(1, sizeof *s);
    if (s == NULL)
        return i8i_nomem(err);
    s->plan = plan;
    s->directory = plan->options->output;
    s->shared = plan->options->ranks && plan->options->ranks->count > 1;
    s->files = i8i_calloc(plan->n_outputs, sizeof(*s->files));
    s->resumed = i8i_calloc(plan->n_outputs, sizeof *s->resumed);
    s->let_go = i8i_calloc(plan->n_outputs, sizeof *s->let_go);
    enum i8_status st = s->files && s->resumed && s->let_go ? I8_OK : i8i_nomem(err);
    if (st == I8_OK && s->shared)
        st = i8i_output_is_complete(&s->complete, plan, err);
    if (st == I8_OK && !s->complete)
        st = open_all(s, err);
    /* Looked at while another rank was publishing, a directory can seem to be wrong. */
    if (s->shared && !s->complete && (st == I8_ERR_REFUSED || st == I8_ERR_DATA) &&
        i8i_output_is_complete(&s->complete, plan, NULL) == I8_OK && s->complete)
        st = I8_OK;
    if (st != I8_OK) {
        i8i_staging_close(s, s->before.journal);
        return st;
    }
    *out = s;
    return I8_OK;
}

/* ---- closing ---- */

/* Flushes all data written so far to disk. */
static enum i8_status sync_files(struct i8i_staging *s, struct i8_error *err)
{
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        if (s->files[i] && fdatasync(i8i_outfile_fd(s->files[i])) != 0)
            return i8i_fail_errno(err, errno, "cannot sync %s/%s.part", s->directory,
                                  s->plan->outputs[i].name);
    }
    return I8_OK;
}

enum i8_status i8i_staging_make_durable(struct i8i_staging *s, struct i8_error *err)
{
    const uint64_t position = i8i_journal_position(s->journal);
    enum i8_status st = sync_files(s, err);
    /* A .part file that is not in its directory after a power cut is no file. */
    if (st == I8_OK)
        st = i8i_sync_directory(s->directory, err);
    return st == I8_OK ? i8i_journal_mark_durable(s->journal, position, err) : st;
}

enum i8_status i8i_staging_read_back(struct i8i_source **out, const struct i8i_staging *s,
                                     size_t output, struct i8_error *err)
{
    const struct i8i_outfile *f = s->files[output];
    const char *name = s->plan->outputs[output].name;
    char *path = f ? i8i_staging_part_name(s, name) : i8i_path_join(s->directory, name);
    if (path == NULL)
        return i8i_nomem(err);
    /* By what is open, not by name: another rank may publish at any moment. */
    enum i8_status st = f ? i8i_source_open_fd(out, i8i_outfile_fd(f), path, err)
                          : i8i_source_open_file(out, path, err);
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

void i8i_staging_remove_traces(const struct i8i_staging *s)
{
    i8i_journals_remove(s->directory, NULL);
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        const struct i8i_output_file *f = &s->plan->outputs[i];
        (void)i8i_staging_remove_part(s, f->name, NULL);
        if (f->frames)
            (void)i8i_staging_remove_part(s, f->packed ? f->plain_name : f->packed_name,
                                          NULL);
    }
    char *publisher = i8i_path_join(s->directory, I8I_PUBLISHER_NAME);
    if (publisher)
        unlink(publisher);
    free(publisher);
}

void i8i_staging_discard(struct i8i_staging *s)
{
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        i8i_outfile_abort(s->files[i], false);
        s->files[i] = NULL;
    }
    i8i_staging_remove_traces(s);
    remove_folders(s);
}

void i8i_staging_close(struct i8i_staging *s, bool keep)
{
    if (s == NULL)
        return;
    /* Once files have begun to get their names, only going on makes sense; what is shared
     * is not ours alone to remove. */
    keep = keep || s->shared || (s->journal && s->record.publishing);
    bool unfinished = s->journal != NULL;
    for (size_t i = 0; s->files && i < s->plan->n_outputs; i++) {
        if (!keep && s->files[i] && s->plan->outputs[i].packed)
            (void)i8i_staging_remove_part(s, s->plan->outputs[i].plain_name, NULL);
        i8i_outfile_abort(s->files[i], keep);
    }
    i8i_journal_close(s->journal, !keep);
    if (unfinished && !keep)
        i8i_journals_remove(s->directory, NULL);
    if ((unfinished || s->created) && !keep)
        remove_folders(s);
    i8i_output_state_free(&s->before);
    i8i_record_free(&s->record);
    free(s->files);
    free(s->resumed);
    free(s->let_go);
    free(s);
}
