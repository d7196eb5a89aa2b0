/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kind of source and tree shares: bounds, plain names, whole small files.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "source/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum i8_status i8i_source_read_at(struct i8i_source *s, void *dst, size_t n,
                                  uint64_t offset, struct i8_error *err)
{
    if (offset > s->size || n > s->size - offset)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: too short: %zu bytes expected at byte %" PRIu64
                        ", the file ends at byte %" PRIu64,
                        s->name, n, offset, s->size);
    if (n == 0)
        return I8_OK;
    return s->ops->read_at(s, dst, n, offset, err);
}

void i8i_source_close(struct i8i_source *s)
{
    if (s != NULL)
        s->ops->close(s);
}

void i8i_source_will_read(struct i8i_source *s, const struct i8i_extent *extents,
                          size_t n)
{
    if (s->ops->will_read != NULL && n > 0)
        s->ops->will_read(s, extents, n);
}

enum i8_status i8i_source_hash(struct i8i_source *s, struct i8i_hash *h, uint64_t from,
                               uint64_t to, char *buffer, size_t bytes,
                               struct i8_error *err)
{
    enum i8_status st = I8_OK;
    while (from < to && st == I8_OK) {
        const size_t n = to - from < bytes ? (size_t)(to - from) : bytes;
        st = i8i_source_read_at(s, buffer, n, from, err);
        if (st == I8_OK)
            i8i_hash_update(h, buffer, n);
        from += n;
    }
    return st;
}

const char *i8i_source_sha256(const struct i8i_source *s)
{
    static const char kind[] = "sha256:";
    const size_t n = sizeof kind - 1;
    return s->digest != NULL && strncmp(s->digest, kind, n) == 0 ? s->digest + n : NULL;
}

/* Names come from indexes that nobody vouches for: they must stay inside the tree. */
static enum i8_status check_name(const struct i8i_tree *t, const char *name,
                                 struct i8_error *err)
{
    if (i8i_path_is_plain(name))
        return I8_OK;
    return i8i_fail(err, I8_ERR_DATA, "%s: '%s' is not a plain relative file name",
                    t->name, name);
}

enum i8_status i8i_tree_open(struct i8i_tree *t, struct i8i_source **out,
                             const char *name, struct i8_error *err)
{
    *out = NULL;
    enum i8_status st = check_name(t, name, err);
    return st == I8_OK ? t->ops->open(t, out, name, err) : st;
}

bool i8i_tree_exists(struct i8i_tree *t, const char *name)
{
    return i8i_path_is_plain(name) && t->ops->exists(t, name);
}

enum i8_status i8i_tree_list(struct i8i_tree *t, i8i_tree_fn *fn, void *ctx,
                             struct i8_error *err)
{
    return t->ops->list(t, fn, ctx, err);
}

enum i8_status i8i_tree_read_ahead(struct i8i_tree *t, struct i8i_source *const *sources,
                                   size_t n, uint64_t memory, struct i8_error *err)
{
    if (t->ops->read_ahead == NULL)
        return I8_OK;
    return t->ops->read_ahead(t, sources, n, memory, err);
}

void i8i_tree_close(struct i8i_tree *t)
{
    if (t != NULL)
        t->ops->close(t);
}

enum i8_status i8i_tree_read(struct i8i_tree *t, char **out, size_t *length,
                             const char *name, size_t cap, struct i8_error *err)
{
    *out = NULL;
    *length = 0;
    struct i8i_source *s;
    enum i8_status st = i8i_tree_open(t, &s, name, err);
    if (st != I8_OK)
        return st;
    char *text = NULL;
    if (s->size > cap) {
        st = i8i_fail(err, I8_ERR_DATA, "%s: %" PRIu64 " bytes, at most %zu expected",
                      s->name, s->size, cap);
        goto out;
    }
    const size_t n = (size_t)s->size;
    text = i8i_calloc(n + 1, 1);
    if (text == NULL) {
        st = i8i_nomem(err);
        goto out;
    }
    st = i8i_source_read_at(s, text, n, 0, err);
    if (st == I8_OK) {
        *out = text;
        *length = n;
        text = NULL;
    }
out:
    free(text);
    i8i_source_close(s);
    return st;
}
