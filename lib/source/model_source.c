/* SPDX-License-Identifier: Apache-2.0
 *
 * A path that exists always wins: what a user has on disk never depends on the network.
 */
#include "config.h"

#include "source/model_source.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORCE "hub:"

static struct i8i_remote registered;

void i8i_remote_register(const struct i8i_remote *remote)
{
    registered = remote != NULL ? *remote : (struct i8i_remote){0};
}

/* A part of a repository's name: letters, digits, '-', '_' and '.', but no dots at its
 * ends, which would be a path. */
static bool is_name(const char *s, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    for (size_t i = 0; i < n; i++)
        if (strchr(allowed, s[i]) == NULL)
            return false;
    return n > 0 && s[0] != '.' && s[n - 1] != '.';
}

/* ORG/NAME in the first n bytes of s? Or NAME, where that cannot be a slip in a path. */
static bool is_repository(const char *s, size_t n, bool bare)
{
    const char *slash = memchr(s, '/', n);
    if (slash == NULL)
        return bare && is_name(s, n);
    const size_t org = (size_t)(slash - s);
    return is_name(s, org) && is_name(slash + 1, n - org - 1);
}

/* Words that can only be meant as a file are not asked of the network. */
static bool is_weights_file(const char *s, size_t n)
{
    static const char *const endings[] = {".safetensors", ".bin", ".pt",  ".pth",
                                          ".json",        ".zst", ".gguf"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t k = strlen(endings[i]);
        if (n >= k && memcmp(s + n - k, endings[i], k) == 0)
            return true;
    }
    return false;
}

static enum i8_status open_remote(struct i8i_tree **out, const char *model, size_t n,
                                  const char *revision, bool force, struct i8_error *err)
{
    enum i8_status st;
    char *repository = i8i_strndup(model, n);
    if (repository == NULL)
        return i8i_nomem(err);
    if (revision != NULL && *revision == '\0')
        st = i8i_fail(err, I8_ERR_ARG,
                      "%s@: expected a revision (branch, tag or commit) behind '@'",
                      repository);
    else if (registered.open == NULL)
        st = i8i_fail(err, I8_ERR_UNSUPPORTED, "%s: this program has no access to a Hub",
                      repository);
    else
        st = registered.open(registered.ctx, out, repository, revision, err);
    /* A slip in a path's name looks like a repository, unless there is a revision. */
    if (st != I8_OK && st != I8_ERR_ARG && st != I8_ERR_NOMEM && !force &&
        revision == NULL)
        i8i_error_prefix(err, "%s: no such file or directory; as a Hub repository",
                         model);
    free(repository);
    return st;
}

enum i8_status i8i_open_model_tree(struct i8i_tree **out, const char *model,
                                   struct i8_error *err)
{
    *out = NULL;
    const bool force = strncmp(model, FORCE, strlen(FORCE)) == 0;
    if (!force && i8i_is_directory(model))
        return i8i_tree_open_directory(out, model, err);
    if (!force && access(model, F_OK) == 0)
        return I8_OK;
    const char *words = force ? model + strlen(FORCE) : model;
    const char *at = strchr(words, '@');
    const size_t n = at != NULL ? (size_t)(at - words) : strlen(words);
    if (is_repository(words, n, force || at != NULL) &&
        (force || !is_weights_file(words, strlen(words))))
        return open_remote(out, words, n, at != NULL ? at + 1 : NULL, force, err);
    if (force)
        return i8i_fail(err, I8_ERR_ARG,
                        "%s: expected hub:ORG/NAME or hub:ORG/NAME@REVISION", model);
    return I8_OK;
}
