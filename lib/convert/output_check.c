/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at an output directory before the first write. Its manifest, if it has one, is
 * read as what it is: somebody's file.
 */
#include "config.h"

#include "base/file.h"
#include "convert/journal_record.h"
#include "convert/output_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* `path` made absolute, the part of it that exists resolved. Caller frees. */
static char *resolve(const char *path)
{
    char *whole = realpath(path, NULL);
    if (whole || errno != ENOENT)
        return whole;
    char *copy = i8i_strdup(path);
    if (copy == NULL)
        return NULL;
    size_t n = strlen(copy);
    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = '\0';
    char *slash = strrchr(copy, '/');
    const char *last = slash ? slash + 1 : copy;
    char *parent = NULL, *result = NULL;
    if (slash == copy)
        parent = i8i_strdup("/");
    else if (slash) {
        *slash = '\0';
        parent = resolve(copy);
    } else {
        parent = resolve(".");
    }
    if (parent)
        result = i8i_path_join(parent, last);
    free(parent);
    free(copy);
    return result;
}

static bool is_or_contains(const char *directory, const char *path)
{
    size_t n = strlen(directory);
    return strncmp(directory, path, n) == 0 &&
           (path[n] == '\0' || path[n] == '/' || strcmp(directory, "/") == 0);
}

static enum i8_status check_not_model(const struct i8i_convert_plan *p,
                                      struct i8_error *err)
{
    const struct i8i_tree *tree = p->model->tree;
    const char *local = tree ? tree->path : p->options->model;
    if (local == NULL)
        return I8_OK;
    char *model = resolve(local), *output = resolve(p->options->output);
    enum i8_status st = I8_OK;
    if (model == NULL || output == NULL)
        st = i8i_fail_errno(err, errno, "cannot resolve %s", p->options->output);
    else if (is_or_contains(output, model))
        st = i8i_fail(err, I8_ERR_REFUSED, "%s: is or contains the model %s itself",
                      p->options->output, p->options->model);
    free(model);
    free(output);
    return st;
}

static bool is_output(const struct i8i_convert_plan *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->n_outputs; i++) {
        const struct i8i_output_file *f = &p->outputs[i];
        const char *const names[] = {f->name, f->packed_name};
        for (int k = 0; k < 2 && names[k]; k++) {
            if (strncmp(names[k], name, length) == 0 && names[k][length] == '\0')
                return true;
        }
    }
    return false;
}

static bool is_obsolete(const struct i8i_output_state *state, const char *name)
{
    for (size_t i = 0; i < state->n_obsolete; i++) {
        if (strcmp(state->obsolete[i], name) == 0)
            return true;
    }
    return false;
}

static enum i8_status add_obsolete(struct i8i_output_state *state, const char *name,
                                   struct i8_error *err)
{
    char *copy = i8i_strdup(name);
    if (copy == NULL || !i8i_grow(&state->obsolete, &state->obsolete_capacity,
                                  state->n_obsolete + 1, sizeof(*state->obsolete))) {
        free(copy);
        return i8i_nomem(err);
    }
    state->obsolete[state->n_obsolete++] = copy;
    return I8_OK;
}

/* The files that an earlier manifest lists, as plain names below the directory. */
static enum i8_status read_manifest(struct i8i_output_state *state, const char *path,
                                    struct i8_error *err)
{
    i8i_json *doc = NULL;
    enum i8_status st = i8i_json_read_file(&doc, path, I8I_MAX_MANIFEST_BYTES, err);
    const i8i_json *files = st == I8_OK ? i8i_json_get(doc, "files") : NULL;
    if (st == I8_OK && !i8i_json_is_array(files))
        st = i8i_fail(err, I8_ERR_DATA, "%s: expected a list \"files\"", path);
    for (const i8i_json *f = i8i_json_first(files); f && st == I8_OK;
         f = i8i_json_next(f)) {
        const char *name = i8i_json_string(i8i_json_get(f, "name"));
        if (name && i8i_path_is_plain(name))
            st = add_obsolete(state, name, err);
        else
            st = i8i_fail(err, I8_ERR_DATA, "%s: lists '%s', which is no file name", path,
                          name ? name : "(nothing)");
    }
    i8i_json_free(doc);
    return st;
}

struct survey {
    const struct i8i_convert_plan *plan;
    struct i8i_output_state *state;
    bool manifest; /* the directory holds an earlier conversion */
};

/* Called for every file in the directory: ours, replaceable, or a reason to refuse. */
static enum i8_status survey_file(void *ctx, const char *name, uint64_t size,
                                  struct i8_error *err)
{
    const struct survey *s = ctx;
    struct i8i_output_state *state = s->state;
    const bool force = s->plan->options->force;
    const size_t of_part = i8i_length_before(name, ".part");
    const bool is_part = of_part > 0;
    (void)size;
    /* int8tool.json-XXXXXXXX and its .part: a rank's, before it gets its name. */
    static const char manifest_begins[] = I8I_MANIFEST_NAME "-";
    if (i8i_is_journal_name(name) || strcmp(name, I8I_PUBLISHER_NAME) == 0 ||
        strcmp(name, I8I_MANIFEST_NAME ".part") == 0 ||
        strncmp(name, manifest_begins, sizeof manifest_begins - 1) == 0)
        return I8_OK;
    /* Another rank may have come since we looked: its journal is older than its files. */
    if (is_part && !state->journal && is_output(s->plan, name, of_part))
        state->journal = i8i_journals_exist(s->plan->options->output);
    if (is_part && state->journal && is_output(s->plan, name, of_part))
        return I8_OK;
    if (is_part && force && state->journal) /* unfinished work of other options */
        return add_obsolete(state, name, err);
    if (is_obsolete(state, name))
        return I8_OK;
    /* A final name: judged once the journal has been read. Without one, --force needs a
     * manifest that lists it, lest somebody's own model be overwritten. */
    if (strcmp(name, I8I_MANIFEST_NAME) == 0 ||
        (is_output(s->plan, name, strlen(name)) && (state->journal || !force))) {
        if (!state->found && !(state->found = i8i_strdup(name)))
            return i8i_nomem(err);
        return I8_OK;
    }
    return i8i_fail(err, I8_ERR_REFUSED, "%s: not empty, holds '%s'%s",
                    s->plan->options->output, name,
                    force         ? ", which no earlier conversion's manifest lists"
                    : s->manifest ? "; --force replaces an earlier conversion"
                                  : "");
}

static enum i8_status survey_directory(struct i8i_output_state *state,
                                       const struct i8i_convert_plan *plan,
                                       const char *manifest, struct i8_error *err)
{
    const struct survey s = {
        .plan = plan, .state = state, .manifest = i8i_is_file(manifest)};
    const char *directory = plan->options->output;
    struct i8i_tree *tree = NULL;
    enum i8_status st = I8_OK;
    state->journal = i8i_journals_exist(directory);
    if (plan->options->force && s.manifest)
        st = read_manifest(state, manifest, err);
    if (st == I8_OK)
        st = i8i_tree_open_directory(&tree, directory, err);
    if (st == I8_OK)
        st = i8i_tree_list(tree, survey_file, (void *)&s, err);
    i8i_tree_close(tree);
    if (st == I8_OK && state->found && !state->journal && !plan->options->force)
        st = i8i_fail(err, I8_ERR_REFUSED, "%s: not empty, holds '%s'%s", directory,
                      state->found,
                      s.manifest ? "; --force replaces an earlier conversion" : "");
    return st;
}

enum i8_status i8i_output_check(struct i8i_output_state *state,
                                const struct i8i_convert_plan *plan, struct i8_error *err)
{
    const char *directory = plan->options->output;
    enum i8_status st = check_not_model(plan, err);
    if (st != I8_OK)
        return st;
    if (i8i_is_file(directory))
        return i8i_fail(err, I8_ERR_REFUSED, "%s: is a file, expected a directory",
                        directory);
    state->exists = i8i_is_directory(directory);
    if (!state->exists)
        return I8_OK;
    char *manifest = i8i_path_join(directory, I8I_MANIFEST_NAME);
    st = manifest ? survey_directory(state, plan, manifest, err) : i8i_nomem(err);
    free(manifest);
    return st;
}

void i8i_output_state_free(struct i8i_output_state *state)
{
    for (size_t i = 0; i < state->n_obsolete; i++)
        free(state->obsolete[i]);
    free(state->obsolete);
    free(state->found);
    *state = (struct i8i_output_state){0};
}

enum i8_status i8i_output_check_finals(const struct i8i_output_state *state,
                                       bool publishing,
                                       const struct i8i_convert_plan *plan,
                                       struct i8_error *err)
{
    if (state->found == NULL || publishing || plan->options->force)
        return I8_OK;
    return i8i_fail(err, I8_ERR_REFUSED, "%s: holds '%s' beside an unfinished conversion",
                    plan->options->output, state->found);
}
