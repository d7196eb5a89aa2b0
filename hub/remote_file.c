/* SPDX-License-Identifier: Apache-2.0
 *
 * One remote file: its address, kept fresh for all threads. remote_stream.c reads from
 * it.
 */
#include "config.h"

#include "base/clock.h"
#include "hub/remote_stream.h"
#include "hub/url_expiry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_S 5.0 /* an address with less time left is renewed before it is used */

enum i8_status i8i_remote_file_open(struct i8i_remote_file **out, struct i8i_http *http,
                                    const struct i8i_repo_id *repo, const char *commit,
                                    const char *path, const char *hash, uint64_t size,
                                    struct i8_error *err)
{
    *out = NULL;
    struct i8i_remote_file *f = i8i_calloc(1, sizeof *f);
    if (f == NULL)
        return i8i_nomem(err);
    f->http = http;
    f->repo = *repo;
    (void)pthread_mutex_init(&f->lock, NULL);
    const size_t n = strlen(commit);
    f->path = i8i_strdup(path);
    f->what = i8i_format("%s/%s", repo->id, path);
    enum i8_status st = I8_OK;
    if (f->path == NULL || f->what == NULL)
        st = i8i_nomem(err);
    else if (n >= sizeof f->commit || strlen(hash) >= I8I_HASH_HEX)
        st = i8i_fail(err, I8_ERR_ARG, "%s: a revision or hash is too long", f->what);
    else
        memcpy(f->commit, commit, n + 1);
    if (st == I8_OK) {
        memcpy(f->hash, hash, strlen(hash) + 1);
        f->size = size;
        /* Git's own files mostly come straight from the Hub (or its cache, one redirect
         * away): what would be asked first is known already. */
        if (strlen(hash) == 40)
            st = i8i_resolve_url(&f->url, http, repo, commit, path, err);
        f->expires_s = HUGE_VAL;
    }
    if (st != I8_OK) {
        i8i_remote_file_close(f);
        return st;
    }
    *out = f;
    return I8_OK;
}

void i8i_remote_file_close(struct i8i_remote_file *f)
{
    if (f == NULL)
        return;
    (void)pthread_mutex_destroy(&f->lock);
    free(f->url);
    free(f->what);
    free(f->path);
    free(f);
}

/* Asks the Hub for the address; with the lock held, so that of many threads one asks. */
static enum i8_status resolve(struct i8i_remote_file *f, struct i8_error *err)
{
    struct i8i_resolved r = {0};
    enum i8_status st = i8i_resolve(&r, f->http, &f->repo, f->commit, f->path, err);
    if (st == I8_OK && (strcmp(r.etag, f->hash) != 0 || r.size != f->size))
        st = i8i_fail(
            err, I8_ERR_DATA,
            "%s: listed with %llu bytes and hash %.12s…, but the Hub now answers "
            "%llu bytes and %.12s…",
            f->what, (unsigned long long)f->size, f->hash, (unsigned long long)r.size,
            r.etag);
    if (st == I8_OK) {
        free(f->url);
        f->url = r.url;
        r.url = NULL;
        f->elsewhere = r.elsewhere;
        f->expires_s = r.expires_s;
        f->generation++;
    } else if (st != I8_ERR_CANCELLED && st != I8_ERR_NOMEM && err != NULL) {
        f->failure = *err;
    }
    i8i_resolved_free(&r);
    return st;
}

enum i8_status i8i_remote_address(struct i8i_remote_file *f, struct i8i_address *out,
                                  const unsigned *stale, struct i8_error *err)
{
    struct i8_error own = {0};
    (void)pthread_mutex_lock(&f->lock);
    enum i8_status st = I8_OK;
    if (f->failure.status != I8_OK)
        st = i8i_fail(&own, f->failure.status, "%s", f->failure.message);
    else if (f->url == NULL || f->expires_s - i8i_monotonic_s() < FRESH_S ||
             (stale != NULL && *stale == f->generation))
        st = resolve(f, &own);
    *out = (struct i8i_address){.elsewhere = f->elsewhere, .generation = f->generation};
    if (st == I8_OK) {
        out->url = i8i_strdup(f->url);
        if (out->url == NULL)
            st = i8i_nomem(&own);
    }
    (void)pthread_mutex_unlock(&f->lock);
    return st == I8_OK ? st : i8i_fail(err, st, "%s", own.message);
}
