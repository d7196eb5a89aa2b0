/* SPDX-License-Identifier: Apache-2.0
 *
 * A pull from beginning to end: the commit and its listing (pull_listing.c), the choice,
 * what is there, what is not, and the ref last.
 */
#include "config.h"

#include "base/clock.h"
#include "base/file.h"
#include "hub/cache_listing.h"
#include "hub/part_claim.h"
#include "hub/pull_state.h"
#include "hub/temp_file.h"
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static enum i8_status open_store(struct i8i_pull *p, struct i8_error *err)
{
    const struct i8_hub_pull_options *o = p->options;
    const char *cache = o->cache_dir ? o->cache_dir : p->settings.cache_dir;
    if (o->local_dir)
        return i8i_store_open_local(&p->store, o->local_dir, cache, p->repo.id, err);
    if (cache == NULL)
        return i8i_fail(err, I8_ERR_IO,
                        "no cache folder: HF_HUB_CACHE, HF_HOME and HOME are not set (a "
                        "cache or a local folder can be given instead)");
    return i8i_store_open_cache(&p->store, cache, p->repo.id,
                                p->settings.disable_symlinks, err);
}

static enum i8_status open_pull(struct i8i_pull *p, struct i8_error *err)
{
    const struct i8_hub_pull_options *o = p->options;
    if (o->repository == NULL)
        return i8i_fail(err, I8_ERR_ARG, "no repository is named");
    if (o->local_dir && o->cache_dir)
        return i8i_fail(err, I8_ERR_ARG,
                        "a pull goes into a cache or into a local folder, not both");
    if ((o->local_dir && !*o->local_dir) || (o->cache_dir && !*o->cache_dir))
        return i8i_fail(err, I8_ERR_ARG, "the folder's name is empty");
    enum i8_status st = i8i_repo_id_parse(&p->repo, o->repository, err);
    if (st == I8_OK)
        st = i8i_patterns_new(&p->include, o->include, "--include", err);
    if (st == I8_OK)
        st = i8i_patterns_new(&p->exclude, o->exclude, "--exclude", err);
    if (st == I8_OK)
        st = i8i_hub_settings_from_environment(&p->settings, err);
    if (st == I8_OK && o->offline)
        p->settings.offline = true;
    if (st == I8_OK)
        st = open_store(p, err);
    if (st == I8_OK && !p->settings.offline)
        st = i8i_http_open(&p->http, &p->settings, p->log, err);
    return st;
}

/* ---- the choice ---- */

/* Files that --include names in full and the commit lacks. */
static void say_missing(const struct i8i_pull *p)
{
    for (size_t i = 0; i < i8i_patterns_count(p->include); i++) {
        const char *name = i8i_patterns_literal(p->include, i);
        if (name == NULL || i8i_hub_listing_find(&p->listing, name))
            continue;
        i8i_log(p->log, I8_LOG_WARNING, "%s@%s has no file '%s'", p->repo.id,
                p->repo.revision, name);
        if (!p->listing_partial && !p->options->local_dir &&
            i8i_is_directory(p->store.cache.folder) &&
            i8i_cache_mark_missing(&p->store.cache, p->store.commit, name, NULL) != I8_OK)
            i8i_log(p->log, I8_LOG_DEBUG, "the cache is read-only");
    }
}

/* In a folder of the user's, our own notes lie beside the files. */
static enum i8_status check_own_names(const struct i8i_pull *p, struct i8_error *err)
{
    static const char own[] = ".cache/huggingface/";
    for (size_t i = 0; p->options->local_dir && i < p->chosen.count; i++)
        if (strncmp(p->chosen.files[i]->path, own, sizeof own - 1) == 0)
            return i8i_fail(err, I8_ERR_DATA,
                            "the repository has a file named '%s', which is refused in a "
                            "local folder: metadata of downloads are kept there",
                            p->chosen.files[i]->path);
    return I8_OK;
}

static enum i8_status choose(struct i8i_pull *p, struct i8_error *err)
{
    i8i_selection_free(&p->chosen);
    enum i8_status st = i8i_select(&p->chosen, &p->listing, p->include, p->exclude, err);
    if (st == I8_OK)
        st = check_own_names(p, err);
    if (st != I8_OK)
        return st;
    say_missing(p);
    if (p->chosen.count == 0 && p->listing.count > 0)
        return i8i_fail(
            err, I8_ERR_DATA,
            "%s@%s: none of its %zu files is chosen by --include and --exclude",
            p->repo.id, p->repo.revision, p->listing.count);
    p->entries = i8i_calloc(p->chosen.count, sizeof *p->entries);
    if (p->entries == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < p->chosen.count; i++)
        p->entries[i].file = p->chosen.files[i];
    return I8_OK;
}

/* ---- getting it ---- */

/* How many entries are not in their place, or damaged. */
static size_t count_wanted(const struct i8i_pull *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->chosen.count; i++)
        n += i8i_pull_is_wanted(&p->entries[i]);
    return n;
}

/* Offline, something is missing: says what. */
static enum i8_status say_wanted(const struct i8i_pull *p, struct i8_error *err)
{
    enum { SHOWN = 3 };
    struct i8i_buffer names;
    size_t wanted = 0, damaged = 0;
    i8i_buffer_init(&names, I8_ERROR_MAX);
    for (size_t i = 0; i < p->chosen.count; i++) {
        const struct i8i_pull_entry *e = &p->entries[i];
        if (!i8i_pull_is_wanted(e))
            continue;
        if (wanted < SHOWN)
            i8i_buffer_printf(&names, "%s%s", wanted ? ", " : "", e->file->path);
        damaged += e->damaged;
        wanted++;
    }
    if (wanted > SHOWN)
        i8i_buffer_puts(&names, ", …");
    const enum i8_status st = i8i_fail(
        err, damaged ? I8_ERR_DATA : I8_ERR_IO,
        "%s@%s: %zu of %zu files %s in %s (%s), and the Hub is not asked (offline)",
        p->repo.id, p->repo.revision, wanted, p->chosen.count,
        damaged == 0        ? "missing"
        : damaged == wanted ? "damaged"
                            : "missing or damaged",
        p->store.root, names.failed ? "…" : names.data);
    i8i_buffer_free(&names);
    return st;
}

/* What can be had without the network. The listing is stored before the first file: a
 * snapshot that is not complete is then known to be so. */
static enum i8_status take_at_hand(struct i8i_pull *p, struct i8_error *err)
{
    if (!p->listing_stored && !p->listing_partial) {
        const enum i8_status st = i8i_listing_write(p->store.meta, p->store.commit,
                                                    &p->listing, p->store.temp, err);
        if (st != I8_OK)
            return st;
        p->listing_stored = true;
    }
    return i8i_pull_adopt(p, err);
}

/* A stored listing is believed as long as nothing is fetched by it: a wrong one, whoever
 * wrote it, does not stay. */
static enum i8_status list_again(struct i8i_pull *p, struct i8_error *err)
{
    bool changed = false;
    enum i8_status st = i8i_pull_list_again(p, &changed, err);
    if (st != I8_OK || !changed)
        return st;
    free(p->entries);
    p->entries = NULL;
    st = choose(p, err);
    if (st == I8_OK)
        st = i8i_pull_look(p, err);
    return st == I8_OK ? take_at_hand(p, err) : st;
}

static enum i8_status get(struct i8i_pull *p, struct i8_error *err)
{
    enum i8_status st = i8i_pull_look(p, err);
    if (st != I8_OK || (count_wanted(p) == 0 && p->chosen.count > 0))
        return st;
    size_t at_hand = 0;
    for (size_t i = 0; i < p->chosen.count; i++)
        at_hand += p->entries[i].state == I8I_FILE_AT_HAND;
    if (p->http == NULL && at_hand == 0 && p->chosen.count > 0)
        return say_wanted(p, err);
    st = p->store.ops->prepare(&p->store, err);
    if (st == I8_OK)
        st = take_at_hand(p, err);
    if (st == I8_OK && p->http && p->listing_known && count_wanted(p) > 0)
        st = list_again(p, err);
    if (st == I8_OK && count_wanted(p) > 0)
        st = p->http ? i8i_pull_fetch(p, err) : say_wanted(p, err);
    return st;
}

/* What makes the commit the revision's, when all of it is there. A cache that may only be
 * read is as good without. */
static void record(struct i8i_pull *p)
{
    struct i8_error why = {0};
    enum i8_status st = I8_OK;
    if (p->http == NULL)
        return;
    if (!p->listing_stored && !p->listing_partial)
        st = i8i_listing_write(p->store.meta, p->store.commit, &p->listing, p->store.temp,
                               &why);
    if (st == I8_OK && !p->options->local_dir)
        st =
            i8i_cache_write_ref(&p->store.cache, p->repo.revision, p->store.commit, &why);
    if (st != I8_OK)
        i8i_log(p->log, I8_LOG_DEBUG, "%s", why.message);
    /* A pull killed just here has left its own; nobody else comes by when all is there.
     */
    i8i_temp_clean(p->store.temp);
}

static void close_pull(struct i8i_pull *p)
{
    free(p->entries);
    i8i_selection_free(&p->chosen);
    i8i_patterns_free(p->include);
    i8i_patterns_free(p->exclude);
    i8i_hub_listing_free(&p->listing);
    i8i_store_close(&p->store);
    i8i_http_close(p->http);
    i8i_hub_settings_free(&p->settings);
}

enum i8_status i8_hub_pull(struct i8_hub_pull_result *result,
                           const struct i8_hub_pull_options *options,
                           struct i8_error *err)
{
    struct i8i_pull p = {
        .options = options, .log = options->log, .owner = i8i_part_owner()};
    const double start = i8i_monotonic_s();
    *result = (struct i8_hub_pull_result){0};
    enum i8_status st = open_pull(&p, err);
    if (st == I8_OK)
        st = p.http ? i8i_pull_ask_hub(&p, err) : i8i_pull_ask_cache(&p, err);
    if (st == I8_OK)
        st = choose(&p, err);
    if (st == I8_OK)
        st = get(&p, err);
    if (st == I8_OK) {
        record(&p);
        st = i8i_pull_answer(result, &p, err);
    }
    if (st == I8_ERR_CANCELLED)
        st = i8i_fail(err, st, "%s@%s: stopped; the same pull goes on from here",
                      p.repo.id, p.repo.revision);
    result->seconds = i8i_monotonic_s() - start;
    close_pull(&p);
    return st;
}
