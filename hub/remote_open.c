/* SPDX-License-Identifier: Apache-2.0
 *
 * From "org/name" and a revision to a tree: the commit is asked for once, and all else is
 * read by it, so that a branch that moves meanwhile changes nothing.
 */
#include "config.h"

#include "base/file.h"
#include "hub/cache.h"
#include "hub/cache_listing.h"
#include "hub/remote_tree.h"
#include "source/model_source.h"

#include <int8tool/remote.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One for the process; what it opened lives as long as the models do. */
static struct hub_access {
    pthread_mutex_t lock;
    const struct i8_log *log;
    bool configured;
    struct i8i_hub_settings settings;
    struct i8i_http *http; /* NULL: offline */
} access_to_hub = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Somebody who has mistyped a path, on a machine without network, is not kept waiting
 * through all attempts. */
#define FIRST_CONTACT_RETRIES 1u

/* Reads the settings and opens the client, once (under the lock). */
static enum i8_status configure(struct hub_access *h, struct i8_error *err)
{
    if (h->configured)
        return I8_OK;
    enum i8_status st = i8i_hub_settings_from_environment(&h->settings, err);
    h->settings.first_retries = FIRST_CONTACT_RETRIES;
    if (st == I8_OK && !h->settings.offline)
        st = i8i_http_open(&h->http, &h->settings, h->log, err);
    if (st != I8_OK)
        i8i_hub_settings_free(&h->settings);
    h->configured = st == I8_OK;
    return st;
}

/* The commit as the cache remembers it, when nobody else can be asked. */
static enum i8_status remembered_commit(struct i8i_remote_tree_parts *parts,
                                        const struct i8i_cache *cache,
                                        struct i8_error *err)
{
    enum i8_status st = I8_OK;
    char commit[I8I_COMMIT_HEX] = "";
    if (cache->folder != NULL)
        st = i8i_cache_read_ref(commit, cache, parts->repo.revision, err);
    char *snapshot = commit[0] != '\0' ? i8i_cache_snapshot(cache, commit) : NULL;
    if (st == I8_OK && commit[0] != '\0' && snapshot == NULL)
        st = i8i_nomem(err);
    const bool there = snapshot != NULL && i8i_is_directory(snapshot);
    free(snapshot);
    if (st == I8_OK && !there)
        return i8i_fail(err, I8_ERR_NETWORK,
                        "%s: revision '%s' is not in the cache, and the Hub is not asked "
                        "(HF_HUB_OFFLINE)",
                        parts->repo.id, parts->repo.revision);
    memcpy(parts->commit, commit, sizeof commit);
    return st;
}

/* Which commit: by the Hub, by the cache if offline, and by the cache with a warning if
 * the Hub cannot be reached. */
static enum i8_status find_commit(struct hub_access *h,
                                  struct i8i_remote_tree_parts *parts,
                                  const struct i8i_cache *cache, struct i8_error *err)
{
    if (parts->http == NULL)
        return remembered_commit(parts, cache, err);
    enum i8i_hub_reason reason = I8I_HUB_FINE;
    struct i8_error own = {0}, ignored = {0};
    enum i8_status st =
        i8i_hub_commit(parts->commit, parts->http, &parts->repo, &reason, &own);
    if (st == I8_OK)
        return st;
    if (st == I8_ERR_NETWORK && reason == I8I_HUB_UNREACHABLE &&
        remembered_commit(parts, cache, &ignored) == I8_OK) {
        i8i_log(h->log, I8_LOG_WARNING, "%s; reading %s from the cache", own.message,
                parts->repo.id);
        parts->http = NULL;
        return I8_OK;
    }
    return i8i_fail(err, st, "%s", own.message);
}

static enum i8_status find_listing(struct i8i_hub_listing *listing, struct hub_access *h,
                                   const struct i8i_remote_tree_parts *parts,
                                   const struct i8i_cache *cache, struct i8_error *err)
{
    bool found = false;
    enum i8_status st = I8_OK;
    if (cache->folder != NULL)
        st = i8i_listing_read(listing, &found, cache->folder, parts->commit, h->log, err);
    if (st != I8_OK || found)
        return st;
    i8i_hub_listing_free(listing);
    if (parts->http == NULL)
        return i8i_listing_scan(listing, parts->snapshot, err);
    return i8i_hub_list(listing, parts->http, &parts->repo, parts->commit, NULL, err);
}

static enum i8_status open_commit(struct i8i_tree **out, struct hub_access *h,
                                  struct i8i_remote_tree_parts *parts,
                                  struct i8_error *err)
{
    struct i8i_hub_listing listing = {0};
    struct i8i_cache cache = {0};
    char *snapshot = NULL;
    enum i8_status st = I8_OK;
    if (h->settings.cache_dir != NULL)
        st = i8i_cache_open(&cache, h->settings.cache_dir, parts->repo.id, err);
    if (st == I8_OK)
        st = find_commit(h, parts, &cache, err);
    if (st == I8_OK && cache.folder != NULL) {
        snapshot = i8i_cache_snapshot(&cache, parts->commit);
        st = snapshot != NULL ? I8_OK : i8i_nomem(err);
    }
    parts->snapshot = snapshot;
    if (st == I8_OK)
        st = find_listing(&listing, h, parts, &cache, err);
    if (st == I8_OK)
        st = i8i_remote_tree_new(out, parts, &listing, err);
    i8i_hub_listing_free(&listing);
    free(snapshot);
    i8i_cache_close(&cache);
    return st;
}

static enum i8_status open_repository(void *ctx, struct i8i_tree **out,
                                      const char *repository, const char *revision,
                                      struct i8_error *err)
{
    struct hub_access *h = ctx;
    *out = NULL;
    char *text =
        i8i_format("%s%s%s", repository, revision ? "@" : "", revision ? revision : "");
    if (text == NULL)
        return i8i_nomem(err);
    (void)pthread_mutex_lock(&h->lock);
    enum i8_status st = configure(h, err);
    (void)pthread_mutex_unlock(&h->lock);
    struct i8i_remote_tree_parts parts = {.http = h->http,
                                          .named = revision != NULL,
                                          .connections = h->settings.connections};
    if (st == I8_OK)
        st = i8i_repo_id_parse(&parts.repo, text, err);
    if (st == I8_OK)
        st = open_commit(out, h, &parts, err);
    free(text);
    return st;
}

void i8_hub_enable(const struct i8_log *log)
{
    const struct i8i_remote remote = {.open = open_repository, .ctx = &access_to_hub};
    access_to_hub.log = log;
    i8i_remote_register(&remote);
}

void i8_hub_disable(void)
{
    struct hub_access *h = &access_to_hub;
    i8i_remote_register(NULL);
    i8i_http_close(h->http);
    if (h->configured)
        i8i_hub_settings_free(&h->settings);
    h->http = NULL;
    h->configured = false;
    h->log = NULL;
}
