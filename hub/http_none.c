/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP client of a build without libcurl: there is none, and it says so. The rest of
 * the folder is the same, and never gets a client to ask.
 */
#include "config.h"

#include "hub/http.h"

#include <string.h>

static enum i8_status no_network(struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "this build has no network: libcurl was not there when it was built");
}

enum i8_status i8i_http_open(struct i8i_http **out,
                             const struct i8i_hub_settings *settings,
                             const struct i8_log *log, struct i8_error *err)
{
    (void)settings;
    (void)log;
    *out = NULL;
    return no_network(err);
}

void i8i_http_close(struct i8i_http *http)
{
    (void)http;
}

const struct i8i_hub_settings *i8i_http_settings(const struct i8i_http *http)
{
    (void)http;
    static const struct i8i_hub_settings none;
    return &none;
}

const struct i8_log *i8i_http_log(const struct i8i_http *http)
{
    (void)http;
    return NULL;
}

bool i8i_http_reached(const struct i8i_http *http)
{
    (void)http;
    return false;
}

void i8i_http_cancel(struct i8i_http *http)
{
    (void)http;
}

bool i8i_http_cancelled(const struct i8i_http *http, const atomic_bool *also)
{
    (void)http;
    return also != NULL && atomic_load(also);
}

enum i8_status i8i_http_perform(struct i8i_http_response *r, struct i8i_http *http,
                                const struct i8i_http_request *request,
                                struct i8_error *err)
{
    (void)http;
    (void)request;
    memset(r, 0, sizeof *r);
    return no_network(err);
}

enum i8_status i8i_url_join(char **out, const char *base, const char *reference,
                            struct i8_error *err)
{
    (void)base;
    (void)reference;
    *out = NULL;
    return no_network(err);
}

bool i8i_url_same_origin(const char *a, const char *b)
{
    (void)a;
    (void)b;
    return false;
}
