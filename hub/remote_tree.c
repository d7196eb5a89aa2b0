/* SPDX-License-Identifier: Apache-2.0
 *
 * The listing is the truth: a cached file of another size is not used.
 */
#include "config.h"

#include "hub/remote_tree.h"

#include "base/file.h"
#include "hub/remote_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote_tree {
    struct i8i_tree base;
    struct i8i_http *http;
    struct i8i_repo_id repo;
    char commit[I8I_COMMIT_HEX];
    char *snapshot;
    struct i8i_hub_listing listing;
    char (*digests)[8 + I8I_HASH_HEX]; /* by file of the listing */
    struct i8i_ranges *ranges;
    struct i8i_read_ahead *ahead;
    struct i8i_source **sources; /* that read by it */
    size_t n_sources;
};

static struct remote_tree *remote(struct i8i_tree *t)
{
    return (struct remote_tree *)t;
}

/* The file in the cache's snapshot, if it is there; else *out stays NULL. */
static enum i8_status open_cached(struct i8i_source **out, const struct remote_tree *t,
                                  const struct i8i_hub_file *file, struct i8_error *err)
{
    if (t->snapshot == NULL)
        return I8_OK;
    char *path = i8i_path_join(t->snapshot, file->path);
    if (path == NULL)
        return i8i_nomem(err);
    struct i8i_source *s = NULL;
    enum i8_status st = I8_OK;
    if (i8i_is_file(path))
        st = i8i_source_open_file(&s, path, err);
    free(path);
    if (st == I8_OK && s != NULL && s->size != file->size) {
        i8i_source_close(s);
        return I8_OK;
    }
    if (st == I8_OK && s != NULL) {
        const char *digest = t->digests[file - t->listing.files];
        s->digest = digest[0] != '\0' ? digest : NULL;
        *out = s;
    }
    return st;
}

static enum i8_status remote_open(struct i8i_tree *base, struct i8i_source **out,
                                  const char *name, struct i8_error *err)
{
    const struct remote_tree *t = remote(base);
    const struct i8i_hub_file *file = i8i_hub_listing_find(&t->listing, name);
    if (file == NULL)
        return i8i_fail(err, I8_ERR_IO, "%s: there is no %s in commit %.12s…", base->name,
                        name, t->commit);
    enum i8_status st = open_cached(out, t, file, err);
    if (st != I8_OK || *out != NULL)
        return st;
    if (t->http == NULL)
        return i8i_fail(err, I8_ERR_NETWORK,
                        "%s: %s is not in the cache, and the Hub is not asked (offline)",
                        base->name, name);
    return i8i_remote_source_new(out, t->ranges, t->http, &t->repo, t->commit, file, err);
}

static bool remote_exists(struct i8i_tree *base, const char *name)
{
    return i8i_hub_listing_find(&remote(base)->listing, name) != NULL;
}

static enum i8_status remote_list(struct i8i_tree *base, i8i_tree_fn *fn, void *ctx,
                                  struct i8_error *err)
{
    const struct i8i_hub_listing *l = &remote(base)->listing;
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < l->count && st == I8_OK; i++)
        st = fn(ctx, l->files[i].path, l->files[i].size, err);
    return st;
}

static void end_read_ahead(struct remote_tree *t)
{
    for (size_t i = 0; i < t->n_sources; i++)
        i8i_remote_source_use(t->sources[i], NULL, 0);
    free(t->sources);
    t->sources = NULL;
    t->n_sources = 0;
    i8i_read_ahead_free(t->ahead);
    t->ahead = NULL;
}

static enum i8_status remote_read_ahead(struct i8i_tree *base,
                                        struct i8i_source *const *sources, size_t n,
                                        uint64_t memory, struct i8_error *err)
{
    struct remote_tree *t = remote(base);
    end_read_ahead(t);
    struct i8i_lane *lanes = i8i_calloc(n, sizeof *lanes);
    struct i8i_source **used = i8i_calloc(n, sizeof(*used));
    size_t count = 0;
    enum i8_status st = lanes != NULL && used != NULL ? I8_OK : i8i_nomem(err);
    for (size_t i = 0; i < n && st == I8_OK; i++) {
        if (!i8i_is_remote_source(sources[i]) || !i8i_remote_source_is_large(sources[i]))
            continue; /* in the cache, or read as a whole anyway */
        lanes[count] = i8i_remote_source_lane(sources[i]);
        used[count++] = sources[i];
    }
    if (st == I8_OK && count > 0)
        st = i8i_read_ahead_new(&t->ahead, t->ranges, lanes, count, memory, err);
    if (st == I8_OK && count > 0) {
        for (size_t i = 0; i < count; i++)
            i8i_remote_source_use(used[i], t->ahead, i);
        t->sources = used;
        t->n_sources = count;
        used = NULL;
    }
    free(used);
    free(lanes);
    return st;
}

static void remote_close(struct i8i_tree *base)
{
    struct remote_tree *t = remote(base);
    free(t->sources); /* which are closed already */
    t->n_sources = 0;
    end_read_ahead(t);
    i8i_ranges_free(t->ranges);
    i8i_hub_listing_free(&t->listing);
    free(t->digests);
    free(t->snapshot);
    free((char *)base->name);
    free(t);
}

static const struct i8i_tree_ops remote_ops = {.open = remote_open,
                                               .exists = remote_exists,
                                               .list = remote_list,
                                               .close = remote_close,
                                               .read_ahead = remote_read_ahead};

enum i8_status i8i_remote_tree_new(struct i8i_tree **out,
                                   const struct i8i_remote_tree_parts *parts,
                                   struct i8i_hub_listing *listing, struct i8_error *err)
{
    *out = NULL;
    struct remote_tree *t = i8i_calloc(1, sizeof *t);
    if (t == NULL) {
        i8i_hub_listing_free(listing);
        return i8i_nomem(err);
    }
    t->listing = *listing;
    *listing = (struct i8i_hub_listing){0};
    t->http = parts->http;
    t->repo = parts->repo;
    memcpy(t->commit, parts->commit, sizeof t->commit);
    t->base = (struct i8i_tree){.ops = &remote_ops,
                                .repository = t->repo.id,
                                .revision = t->commit,
                                .parallel = parts->connections};
    t->base.name = parts->named ? i8i_format("%s@%s", t->repo.id, t->repo.revision)
                                : i8i_strdup(t->repo.id);
    t->digests = i8i_calloc(t->listing.count, sizeof *t->digests);
    enum i8_status st = t->base.name && t->digests ? I8_OK : i8i_nomem(err);
    if (st == I8_OK && parts->snapshot != NULL) {
        t->snapshot = i8i_strdup(parts->snapshot);
        st = t->snapshot != NULL ? I8_OK : i8i_nomem(err);
    }
    for (size_t i = 0; st == I8_OK && i < t->listing.count; i++) {
        const struct i8i_hub_file *f = &t->listing.files[i];
        if (f->hash[0] != '\0')
            (void)snprintf(t->digests[i], sizeof *t->digests, "%s%s",
                           f->lfs ? "sha256:" : "git:", f->hash);
    }
    if (st == I8_OK && t->http != NULL)
        st = i8i_ranges_new(&t->ranges, t->http, parts->connections, err);
    if (st != I8_OK) {
        remote_close(&t->base);
        return st;
    }
    *out = &t->base;
    return I8_OK;
}
