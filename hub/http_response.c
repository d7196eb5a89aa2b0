/* SPDX-License-Identifier: Apache-2.0
 *
 * What callers do with an answer, whoever fetched it.
 */
#include "config.h"

#include "hub/http.h"

#include <stdio.h>
#include <string.h>

const char *i8i_http_header(const struct i8i_http_response *r, const char *name)
{
    const char *p = r->headers.data;
    const char *end = p == NULL ? NULL : p + r->headers.length;
    while (p < end) {
        const char *value = p + strlen(p) + 1;
        if (strcmp(p, name) == 0)
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

void i8i_http_response_free(struct i8i_http_response *r)
{
    i8i_buffer_free(&r->body);
    i8i_buffer_free(&r->headers);
    *r = (struct i8i_http_response){0};
}

char *i8i_url_text(char buf[I8I_URL_TEXT], const char *url)
{
    /* Up to '@' it could be a user and a password. */
    const char *start = strstr(url, "://");
    start = start == NULL ? url : start + 3;
    const size_t scheme = (size_t)(start - url);
    size_t n = strcspn(start, "?#");
    const size_t host = strcspn(start, "/?#");
    const char *at = memchr(start, '@', host);
    if (at != NULL) {
        n -= (size_t)(at + 1 - start);
        start = at + 1;
    }
    (void)snprintf(buf, I8I_URL_TEXT, "%.*s%.*s", (int)(scheme < 16 ? scheme : 0), url,
                   n < I8I_URL_TEXT ? (int)n : I8I_URL_TEXT, start);
    return buf;
}
