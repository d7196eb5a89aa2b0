/* SPDX-License-Identifier: Apache-2.0
 *
 * What it means when the Hub says no, in words that say what to do. The rules by which
 * X-Error-Code, status and message are read are those of huggingface_hub
 * (utils/_http.py, hf_raise_for_status).
 */
#include "config.h"

#include "hub/api.h"
#include "hub/retry.h"

#include <string.h>

#define SAID_MAX 200 /* characters of the Hub's own words that are shown */

static bool says(const char *text, const char *what)
{
    return text != NULL && strcmp(text, what) == 0;
}

static enum i8i_hub_reason reason_of(const struct i8i_http_response *r, bool with_token)
{
    const char *code = i8i_http_header(r, "x-error-code");
    const char *message = i8i_http_header(r, "x-error-message");
    if (says(code, "RevisionNotFound"))
        return I8I_HUB_MISSING_REVISION;
    if (says(code, "EntryNotFound"))
        return I8I_HUB_MISSING_FILE;
    if (says(code, "GatedRepo"))
        return I8I_HUB_GATED;
    if (says(message, "Access to this resource is disabled."))
        return I8I_HUB_DISABLED;
    if (r->status == 401 && message != NULL &&
        strstr(message, "Invalid credentials") != NULL)
        return I8I_HUB_BAD_TOKEN;
    if (says(code, "RepoNotFound") || r->status == 401)
        return I8I_HUB_MISSING_REPO;
    if (r->status == 403)
        return with_token ? I8I_HUB_FORBIDDEN : I8I_HUB_OTHER;
    if (i8i_retry_status(r->status))
        return I8I_HUB_UNREACHABLE;
    return I8I_HUB_OTHER;
}

enum i8_status i8i_hub_refusal(enum i8i_hub_reason *reason,
                               const struct i8i_http_response *r, struct i8i_http *http,
                               const struct i8i_repo_id *repo, const char *path,
                               struct i8_error *err)
{
    const struct i8i_hub_settings *s = i8i_http_settings(http);
    const bool with_token = s->token != NULL;
    const enum i8i_hub_reason why = reason_of(r, with_token);
    const char *said = i8i_http_header(r, "x-error-message");
    const char *id = i8i_http_header(r, "x-request-id");
    if (id == NULL)
        id = i8i_http_header(r, "x-amz-cf-id");
    enum i8_status st = I8_ERR_IO;
    if (reason != NULL)
        *reason = why;
    switch (why) {
    case I8I_HUB_GATED:
        return i8i_fail(err, st, "%s is gated: accept its terms on %s/%s, %s", repo->id,
                        s->endpoint, repo->id,
                        with_token ? "with the account that the token belongs to"
                                   : "then set HF_TOKEN to a token of that account");
    case I8I_HUB_MISSING_REPO:
        return i8i_fail(err, st, "%s: no such repository at %s, or a private one%s",
                        repo->id, s->endpoint,
                        with_token ? " that the token may not read"
                                   : ": set HF_TOKEN if it is yours");
    case I8I_HUB_MISSING_REVISION:
        return i8i_fail(err, st, "%s has no revision '%s'", repo->id, repo->revision);
    case I8I_HUB_MISSING_FILE:
        return i8i_fail(err, st, "%s@%s has no file %s", repo->id, repo->revision,
                        path == NULL ? "of that name" : path);
    case I8I_HUB_DISABLED:
        return i8i_fail(err, st, "%s: the Hub has disabled this repository", repo->id);
    case I8I_HUB_BAD_TOKEN:
        return i8i_fail(
            err, st,
            "%s: the Hub does not accept the token (expired or mistyped?): run "
            "hf auth login, or set HF_TOKEN",
            repo->id);
    case I8I_HUB_FORBIDDEN:
        return i8i_fail(
            err, st,
            "%s: the token's rights do not reach it (HTTP 403; a fine-grained "
            "token needs read access to it, or to public gated repositories)%s%.*s",
            repo->id, said == NULL ? "" : ": ", SAID_MAX, said == NULL ? "" : said);
    case I8I_HUB_FINE:
    case I8I_HUB_UNREACHABLE:
    case I8I_HUB_OTHER:
        break;
    }
    if (r->status == 429)
        return i8i_fail(
            err, I8_ERR_NETWORK,
            "%s: too many requests, says the Hub (HTTP 429): try again in %.0f s%s",
            repo->id, r->retry_after_s > 0 ? r->retry_after_s : 300.0,
            with_token ? "" : "; with HF_TOKEN set more are allowed");
    return i8i_fail(
        err, I8_ERR_NETWORK, "%s%s%s: the Hub answers HTTP %ld%s%.*s%s%.80s%s", repo->id,
        path == NULL ? "" : "/", path == NULL ? "" : path, r->status,
        said == NULL ? "" : ", ", SAID_MAX, said == NULL ? "" : said,
        id == NULL ? "" : " (request ", id == NULL ? "" : id, id == NULL ? "" : ")");
}
