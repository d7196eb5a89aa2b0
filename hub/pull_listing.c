/* SPDX-License-Identifier: Apache-2.0
 *
 * Which commit is pulled, and its files: from the Hub, or from the disk. The commit is
 * asked for once and everything else goes by it, so a branch that moves meanwhile changes
 * nothing.
 */
#include "config.h"

#include "base/file.h"
#include "hub/cache_listing.h"
#include "hub/pull_state.h"
#include <string.h>

/* The stored listing of the commit, if there is one. A folder's store may find it in the
 * cache. */
static enum i8_status read_stored(struct i8i_pull *p, struct i8_error *err)
{
    const struct i8_log *log = p->log;
    enum i8_status st = i8i_listing_read(&p->listing, &p->listing_stored, p->store.meta,
                                         p->store.commit, log, err);
    p->listing_known = p->listing_stored;
    if (st == I8_OK && !p->listing_known && p->options->local_dir &&
        p->store.cache.folder)
        st = i8i_listing_read(&p->listing, &p->listing_known, p->store.cache.folder,
                              p->store.commit, log, err);
    return st;
}

enum i8_status i8i_pull_ask_hub(struct i8i_pull *p, struct i8_error *err)
{
    struct i8i_pull_watch watch;
    char commit[I8I_COMMIT_HEX] = "", known[I8I_COMMIT_HEX] = "";
    enum i8i_hub_reason reason = I8I_HUB_FINE;
    i8i_pull_watch_start(&watch, p, "asking the Hub", 0, 0);
    enum i8_status st = I8_OK;
    if (i8i_is_commit(p->repo.revision)) /* what it lists is known, or asked for below */
        memcpy(commit, p->repo.revision, sizeof commit);
    else
        st = i8i_hub_commit(commit, p->http, &p->repo, &reason, err);
    if (st == I8_OK)
        st = i8i_store_set_commit(&p->store, commit, err);
    if (st == I8_OK)
        st = read_stored(p, err);
    if (st == I8_OK && !p->listing_known)
        st = i8i_hub_list(&p->listing, p->http, &p->repo, commit, &reason, err);
    i8i_pull_watch_stop(&watch);
    /* What can be done without the Hub is for the user to decide, who is told. */
    if (st == I8_ERR_NETWORK && reason == I8I_HUB_UNREACHABLE && p->store.cache.folder &&
        i8i_cache_read_ref(known, &p->store.cache, p->repo.revision, NULL) == I8_OK &&
        known[0])
        i8i_log(p->log, I8_LOG_NOTE,
                "the cache has commit %s as %s: --offline uses it as it is", known,
                p->repo.revision);
    return st;
}

/* Without the Hub: the ref, and the listing or else what the snapshot holds. */
enum i8_status i8i_pull_ask_cache(struct i8i_pull *p, struct i8_error *err)
{
    char commit[I8I_COMMIT_HEX] = "";
    const struct i8i_cache *cache = &p->store.cache;
    enum i8_status st = I8_OK;
    if (cache->folder)
        st = i8i_cache_read_ref(commit, cache, p->repo.revision, err);
    else if (i8i_is_commit(p->repo.revision))
        memcpy(commit, p->repo.revision, sizeof commit);
    if (st == I8_OK && !commit[0] && p->options->local_dir)
        st = i8i_store_stored_commit(commit, &p->store, err);
    if (st == I8_OK && !commit[0]) {
        const bool any = cache->folder && i8i_is_directory(cache->folder);
        return i8i_fail(
            err, I8_ERR_IO,
            any ? "%s@%s: the cache %s has no refs/%s that names a commit, and "
                  "the Hub is not asked (offline)"
                : "%s@%s: the cache %s has nothing of it, and the Hub is not "
                  "asked (offline)",
            p->repo.id, p->repo.revision, cache->folder ? cache->root : "(none)",
            p->repo.revision);
    }
    if (st == I8_OK)
        st = i8i_store_set_commit(&p->store, commit, err);
    if (st == I8_OK)
        st = read_stored(p, err);
    if (st != I8_OK || p->listing_known)
        return st;
    if (p->options->local_dir || !i8i_is_directory(p->store.root))
        return i8i_fail(err, I8_ERR_IO,
                        "%s@%s: %s has no files of commit %s, and the Hub is not asked "
                        "(offline)",
                        p->repo.id, p->repo.revision,
                        p->options->local_dir ? p->store.root : cache->root, commit);
    p->listing_partial = true;
    return i8i_listing_scan(&p->listing, p->store.root, err);
}

static bool same_listing(const struct i8i_hub_listing *a, const struct i8i_hub_listing *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = a->files[i].size == b->files[i].size &&
               strcmp(a->files[i].path, b->files[i].path) == 0 &&
               strcmp(a->files[i].hash, b->files[i].hash) == 0;
    return same;
}

enum i8_status i8i_pull_list_again(struct i8i_pull *p, bool *changed,
                                   struct i8_error *err)
{
    struct i8i_pull_watch watch;
    struct i8i_hub_listing fresh = {0};
    *changed = false;
    i8i_pull_watch_start(&watch, p, "asking the Hub", 0, 0);
    enum i8_status st =
        i8i_hub_list(&fresh, p->http, &p->repo, p->store.commit, NULL, err);
    i8i_pull_watch_stop(&watch);
    if (st != I8_OK || same_listing(&fresh, &p->listing)) {
        i8i_hub_listing_free(&fresh);
        return st;
    }
    i8i_log(p->log, I8_LOG_WARNING, "the stored listing of commit %s was wrong",
            p->store.commit);
    i8i_hub_listing_free(&p->listing);
    p->listing = fresh;
    p->listing_known = p->listing_stored = false;
    *changed = true;
    return st;
}
