/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents of the Hub's API, and the commit that a revision stands for.
 */
#include "config.h"

#include "base/json.h"
#include "hub/hub_api.h"
#include "hub/retry.h"

#include <stdlib.h>
#include <string.h>

/* Information about a repository lists its files, so it may be long. */
#define INFO_MAX ((size_t)16 << 20)

bool i8i_http_redirect(const char **location, const struct i8i_http_response *r)
{
    *location = NULL;
    if (r->status != 301 && r->status != 302 && r->status != 303 && r->status != 307 &&
        r->status != 308)
        return false;
    *location = i8i_http_header(r, "location");
    return *location != NULL;
}

enum i8_status i8i_hub_get(struct i8i_http_response *r, struct i8i_http *http, char **url,
                           size_t cap, const struct i8i_repo_id *repo,
                           enum i8i_hub_reason *reason, struct i8_error *err)
{
    char text[I8I_URL_TEXT];
    for (int i = 0; i <= I8I_REDIRECTS_MAX; i++) {
        const struct i8i_http_request request = {.url = *url, .body_cap = cap};
        enum i8_status st = i8i_http_perform_retrying(r, http, &request, err);
        if (st != I8_OK) {
            if (reason != NULL)
                *reason = I8I_HUB_UNREACHABLE;
            return st;
        }
        if (r->status == 200)
            return I8_OK;
        const char *location;
        if (!i8i_http_redirect(&location, r))
            return i8i_hub_refusal(reason, r, http, repo, NULL, err);
        char *next;
        st = i8i_url_join(&next, *url, location, err);
        if (st != I8_OK)
            return st;
        free(*url);
        *url = next;
        if (!i8i_url_same_origin(next, i8i_http_settings(http)->endpoint))
            return i8i_fail(err, I8_ERR_DATA,
                            "%s: the Hub sends its API's user elsewhere, to %s", repo->id,
                            i8i_url_text(text, next));
        i8i_http_response_free(r);
    }
    return i8i_fail(err, I8_ERR_DATA, "%s: more than %d redirects, the last to %s",
                    repo->id, I8I_REDIRECTS_MAX, i8i_url_text(text, *url));
}

enum i8_status i8i_hub_commit(char commit[I8I_COMMIT_HEX], struct i8i_http *http,
                              const struct i8i_repo_id *repo, enum i8i_hub_reason *reason,
                              struct i8_error *err)
{
    commit[0] = '\0';
    if (reason != NULL)
        *reason = I8I_HUB_OTHER;
    struct i8i_http_response r = {0};
    i8i_json *doc = NULL;
    enum i8_status st = I8_OK;
    char *revision = i8i_url_escape(repo->revision, false);
    char *url = revision == NULL
                    ? NULL
                    : i8i_format("%s/api/models/%s/revision/%s",
                                 i8i_http_settings(http)->endpoint, repo->id, revision);
    if (url == NULL) {
        st = i8i_nomem(err);
        goto out;
    }
    st = i8i_hub_get(&r, http, &url, INFO_MAX, repo, reason, err);
    if (st == I8_OK)
        st = i8i_json_parse(&doc, r.body.data == NULL ? "" : r.body.data, r.body.length,
                            "the Hub's answer", err);
    if (st != I8_OK) {
        if (r.status == 200)
            i8i_error_prefix(err, "%s", repo->id);
        goto out;
    }
    const char *sha = i8i_json_string(i8i_json_get(doc, "sha"));
    if (!i8i_is_commit(sha)) {
        st = i8i_fail(err, I8_ERR_DATA, "%s: the Hub's answer names no commit ('sha')",
                      repo->id);
        goto out;
    }
    memcpy(commit, sha, I8I_COMMIT_HEX);
    if (reason != NULL)
        *reason = I8I_HUB_FINE;
out:
    i8i_json_free(doc);
    i8i_http_response_free(&r);
    free(url);
    free(revision);
    return st;
}
