/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses by libcurl's parser: the one that will also decide where a request goes.
 */
#include "config.h"

#include "hub/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_MAX ((size_t)16 << 10) /* signed ones have a few thousand bytes */

static char *part(CURLU *u, CURLUPart what, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(u, what, &text, flags) == CURLUE_OK ? text : NULL;
}

static bool is_web_scheme(const char *scheme)
{
    return scheme != NULL &&
           (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
}

enum i8_status i8i_url_join(char **out, const char *base, const char *reference,
                            struct i8_error *err)
{
    *out = NULL;
    char from[I8I_URL_TEXT], to[I8I_URL_TEXT];
    char *base_scheme = NULL, *scheme = NULL, *user = NULL, *url = NULL;
    enum i8_status st = I8_OK;
    CURLU *u = curl_url();
    if (u == NULL)
        return i8i_nomem(err);
    if (strlen(reference) > URL_MAX) {
        st = i8i_fail(err, I8_ERR_DATA, "%s leads to an address of more than %zu bytes",
                      i8i_url_text(from, base), URL_MAX);
        goto out;
    }
    if (curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK ||
        (base_scheme = part(u, CURLUPART_SCHEME, 0)) == NULL ||
        curl_url_set(u, CURLUPART_URL, reference, 0) != CURLUE_OK ||
        (scheme = part(u, CURLUPART_SCHEME, 0)) == NULL ||
        (url = part(u, CURLUPART_URL, 0)) == NULL) {
        st = i8i_fail(err, I8_ERR_DATA, "%s leads to '%s', which is no address",
                      i8i_url_text(from, base), i8i_url_text(to, reference));
        goto out;
    }
    user = part(u, CURLUPART_USER, 0);
    const char *why = NULL;
    if (user != NULL)
        why = "it names a user";
    else if (!is_web_scheme(scheme))
        why = "it is no http or https address";
    else if (strcmp(base_scheme, "https") == 0 && strcmp(scheme, "https") != 0)
        why = "only https may follow https";
    if (why != NULL) {
        st = i8i_fail(err, I8_ERR_DATA, "%s leads to %s, which is refused: %s",
                      i8i_url_text(from, base), i8i_url_text(to, url), why);
        goto out;
    }
    *out = i8i_strdup(url);
    if (*out == NULL)
        st = i8i_nomem(err);
out:
    curl_free(user);
    curl_free(scheme);
    curl_free(base_scheme);
    curl_free(url);
    curl_url_cleanup(u);
    return st;
}

bool i8i_url_same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    CURLU *u = curl_url(), *v = curl_url();
    bool same = u != NULL && v != NULL &&
                curl_url_set(u, CURLUPART_URL, a, 0) == CURLUE_OK &&
                curl_url_set(v, CURLUPART_URL, b, 0) == CURLUE_OK;
    for (size_t i = 0; same && i < sizeof parts / sizeof parts[0]; i++) {
        char *x = part(u, parts[i], CURLU_DEFAULT_PORT);
        char *y = part(v, parts[i], CURLU_DEFAULT_PORT);
        same = x != NULL && y != NULL && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    if (same) { /* with a user in the address it is somebody else's */
        char *x = part(u, CURLUPART_USER, 0), *y = part(v, CURLUPART_USER, 0);
        same = x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    curl_url_cleanup(u);
    curl_url_cleanup(v);
    return same;
}
