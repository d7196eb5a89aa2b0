/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of files, and what a signed one says about its own end.
 */
#include "config.h"

#include "hub/url_expiry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum i8_status i8i_resolve_url(char **out, const struct i8i_http *http,
                               const struct i8i_repo_id *repo, const char *revision,
                               const char *path, struct i8_error *err)
{
    char *r = i8i_url_escape(revision, false);
    char *p = i8i_url_escape(path, true);
    *out = r == NULL || p == NULL
               ? NULL
               : i8i_format("%s/%s/resolve/%s/%s", i8i_http_settings(http)->endpoint,
                            repo->id, r, p);
    free(r);
    free(p);
    return *out == NULL ? i8i_nomem(err) : I8_OK;
}

/* The value of a parameter of the query, or NULL. Not terminated: it ends at '&'. */
static const char *parameter(const char *url, const char *name)
{
    const size_t n = strlen(name);
    const char *p = strchr(url, '?');
    while (p != NULL) {
        p++;
        if (strncasecmp(p, name, n) == 0 && p[n] == '=')
            return p + n + 1;
        p = strchr(p, '&');
    }
    return NULL;
}

static double number(const char *text)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    const unsigned long long v = strtoull(text, &end, 10);
    return (*end == '\0' || *end == '&' || *end == '#') && v < ((uint64_t)1 << 40)
               ? (double)v
               : 0;
}

double i8i_url_expiry(const char *url)
{
    const double expires = number(parameter(url, "Expires"));
    const double lasts = number(parameter(url, "X-Amz-Expires"));
    const char *date = parameter(url, "X-Amz-Date");
    double amazon = 0;
    struct tm t = {0};
    if (lasts > 0 && date != NULL && strptime(date, "%Y%m%dT%H%M%SZ", &t) != NULL)
        amazon = (double)timegm(&t) + lasts;
    if (expires > 0 && amazon > 0)
        return expires < amazon ? expires : amazon;
    return expires > 0 ? expires : amazon;
}
