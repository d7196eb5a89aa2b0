/* SPDX-License-Identifier: Apache-2.0
 *
 * The moment when a conversion becomes visible: every file gets its name, the manifest
 * last. Among ranks all of it may happen twice at once: each step either does the same as
 * the other's or finds it done.
 */
#include "config.h"

#include "convert/staging.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        char *part = i8i_staging_part_name(s, s->plan->outputs[i].name);
        if (path && part && access(part, F_OK) != 0)
            (void)rename(path, part);
        free(path);
        free(part);
    }
}

/* Under a name of our own first, if another rank may be writing it, too. */
static enum i8_status write_manifest(const struct i8i_staging *s, const char *path,
                                     const char *text, size_t bytes, struct i8_error *err)
{
    if (!s->shared)
        return i8i_write_file(path, text, bytes, err);
    char *own = i8i_format("%s-%s", path, strrchr(i8i_journal_name(s->journal), '-') + 1);
    if (own == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_write_file(own, text, bytes, err);
    if (st == I8_OK && rename(own, path) != 0) {
        st = i8i_fail_errno(err, errno, "cannot rename %s to %s", own, path);
        unlink(own);
    }
    if (st == I8_OK)
        st = i8i_sync_directory(s->directory, err);
    free(own);
    return st;
}

static bool holds(const char *path, const char *text, size_t bytes)
{
    char *its = NULL;
    size_t length;
    const bool same = i8i_read_file(&its, &length, path, bytes, NULL) == I8_OK &&
                      length == bytes && memcmp(its, text, bytes) == 0;
    free(its);
    return same;
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
        if (f && s->shared)
            st = i8i_outfile_commit_shared(f, s->plan->options->force, err);
        else if (f)
            st = i8i_outfile_commit_or_keep(f, err);
    }
    for (size_t i = 0; i < s->before.n_obsolete && st == I8_OK; i++) {
        if (!is_output(s->plan, s->before.obsolete[i]))
            remove_in(s->directory, s->before.obsolete[i]);
    }
    if (st == I8_OK)
        st = write_manifest(s, manifest_path, manifest, manifest_bytes, err);
    if (st != I8_OK)
        unpublish(s, named);
    return st;
}

/* Our journal is the last to go, and must tell by itself what to look for. */
static enum i8_status note_packed(struct i8i_staging *s, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < s->plan->n_outputs && st == I8_OK; i++) {
        if (s->plan->outputs[i].packed)
            st = i8i_journal_add_packed(s->journal, i, s->plan->outputs[i].bytes, err);
    }
    return st;
}

/* Where whoever packed it did not come to that. */
static void remove_plain_forms(const struct i8i_staging *s)
{
    for (size_t i = 0; i < s->plan->n_outputs; i++) {
        if (s->plan->outputs[i].packed)
            (void)i8i_staging_remove_part(s, s->plan->outputs[i].plain_name, NULL);
    }
}

enum i8_status i8i_staging_publish(struct i8i_staging *s, const char *manifest,
                                   size_t manifest_bytes, struct i8_error *err)
{
    enum i8_status st = note_packed(s, err);
    if (st == I8_OK)
        st = i8i_staging_make_durable(s, err);
    if (st == I8_OK)
        st = i8i_journal_mark_publishing(s->journal, err);
    s->record.publishing = s->record.publishing || st == I8_OK;
    char *path = i8i_path_join(s->directory, I8I_MANIFEST_NAME);
    if (st == I8_OK && path == NULL)
        st = i8i_nomem(err);
    if (st == I8_OK) {
        /* An old manifest must not describe new files for a moment. */
        if (!holds(path, manifest, manifest_bytes))
            unlink(path);
        st = publish(s, path, manifest, manifest_bytes, err);
    }
    if (st == I8_OK) {
        remove_plain_forms(s);
        if (!s->shared)
            remove_in(s->directory, I8I_PUBLISHER_NAME);
        i8i_journals_remove(s->directory, i8i_journal_name(s->journal));
        i8i_journal_close(s->journal, true); /* it says that all is complete: last */
        s->journal = NULL;
    }
    free(path);
    return st;
}
