/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a file's bytes are. The Hub's own answer carries hash and size; what it redirects
 * to may be a CDN that knows nothing of them, and whose ETag only looks like a hash, so
 * nothing is ever taken from behind such a redirect.
 */
#include "config.h"

#include "base/clock.h"
#include "base/size.h"
#include "hub/hub_api.h"
#include "hub/resolve.h"
#include "hub/retry.h"
#include "hub/url_expiry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Without W/ and quotes: true if it is a SHA-1 or SHA-256 in hex. */
static bool take_etag(struct i8i_resolved *out, const char *etag)
{
    if (etag == NULL)
        return false;
    if (strncmp(etag, "W/", 2) == 0)
        etag += 2;
    etag += etag[0] == '"';
    const size_t n = strspn(etag, "0123456789abcdef");
    if ((n != 40 && n != 64) || (etag[n] != '\0' && etag[n] != '"'))
        return false;
    memcpy(out->etag, etag, n);
    out->etag[n] = '\0';
    return true;
}

void i8i_resolved_free(struct i8i_resolved *r)
{
    free(r->url);
    *r = (struct i8i_resolved){0};
}

/* Reads what one answer says; *has_size and *has_etag latch. */
static void read_answer(struct i8i_resolved *out, const struct i8i_http_response *r,
                        bool *has_etag, bool *has_size)
{
    const char *linked = i8i_http_header(r, "x-linked-size");
    if (!*has_etag)
        *has_etag = take_etag(out, i8i_http_header(r, "x-linked-etag"));
    if (!*has_etag && r->status == 200)
        *has_etag = take_etag(out, i8i_http_header(r, "etag"));
    if (!*has_size)
        *has_size = linked != NULL && i8i_uint_parse(&out->size, linked, 0, INT64_MAX,
                                                     "X-Linked-Size", NULL) == I8_OK;
    /* A redirect's Content-Length is its own. */
    if (!*has_size && r->status == 200 && r->has_content_length) {
        out->size = r->content_length;
        *has_size = true;
    }
}

static enum i8_status unreadable(const struct i8i_repo_id *repo, const char *path,
                                 const char *what, const char *url, struct i8_error *err)
{
    char text[I8I_URL_TEXT];
    return i8i_fail(err, I8_ERR_DATA, "%s/%s: %s names no %s of the file: is this a Hub?",
                    repo->id, path, i8i_url_text(text, url), what);
}

enum i8_status i8i_resolve(struct i8i_resolved *out, struct i8i_http *http,
                           const struct i8i_repo_id *repo, const char *commit,
                           const char *path, struct i8_error *err)
{
    *out = (struct i8i_resolved){.expires_s = HUGE_VAL};
    const char *endpoint = i8i_http_settings(http)->endpoint;
    bool has_etag = false, has_size = false;
    enum i8_status st = i8i_resolve_url(&out->url, http, repo, commit, path, err);
    for (int i = 0; st == I8_OK; i++) {
        struct i8i_http_response r;
        const struct i8i_http_request request = {.url = out->url, .head = true};
        st = i8i_http_perform_retrying(&r, http, &request, err);
        if (st != I8_OK) {
            i8i_error_prefix(err, "%s/%s", repo->id, path);
            i8i_http_response_free(&r);
            break;
        }
        const char *location;
        const bool redirected = i8i_http_redirect(&location, &r);
        if (!redirected && r.status != 200) {
            st = i8i_hub_refusal(NULL, &r, http, repo, path, err);
            i8i_http_response_free(&r);
            break;
        }
        /* Another host is believed only if it is a Hub, too (a mirror's original). */
        if (!out->elsewhere || i8i_http_header(&r, "x-repo-commit") != NULL)
            read_answer(out, &r, &has_etag, &has_size);
        char *next = NULL;
        if (redirected) {
            st = i8i_url_join(&next, out->url, location, err);
            if (st != I8_OK)
                i8i_error_prefix(err, "%s/%s", repo->id, path);
            else if (i == I8I_REDIRECTS_MAX)
                st = i8i_fail(err, I8_ERR_DATA, "%s/%s: more than %d redirects", repo->id,
                              path, I8I_REDIRECTS_MAX);
        }
        const double skew = r.date_skew_s;
        i8i_http_response_free(&r);
        if (!redirected || st != I8_OK) {
            free(next);
            break;
        }
        free(out->url);
        out->url = next;
        out->elsewhere = !i8i_url_same_origin(next, endpoint);
        if (has_etag && has_size) { /* that is where the bytes are: no more questions */
            const double until = i8i_url_expiry(next);
            if (until > 0)
                out->expires_s = i8i_monotonic_s() + until - ((double)time(NULL) + skew);
            break;
        }
    }
    if (st == I8_OK && !has_etag)
        st = unreadable(repo, path, "hash", out->url, err);
    if (st == I8_OK && !has_size)
        st = unreadable(repo, path, "size", out->url, err);
    return st;
}
