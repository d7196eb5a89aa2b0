/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request at a time, from any thread: the only door to libcurl.
 *
 * The client keeps connections alive and shares DNS and TLS sessions between threads.
 * It speaks HTTP/1.1 only (several ranges over one HTTP/2 connection share one congestion
 * window), asks for no content coding, and follows no redirect: where one leads, and
 * what may be sent there, is for the caller to decide. The token goes to the endpoint's
 * own scheme, host and port, and nowhere else. Proxies are taken from curl's variables.
 *
 * A build without libcurl has the same functions (http_none.c); i8i_http_open then fails
 * with a line that says so.
 */
#ifndef I8I_HUB_HTTP_H
#define I8I_HUB_HTTP_H

#include "base/error.h"
#include "base/memory.h"
#include "hub/settings.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_http; /* thread-safe */

/* `settings` and `log` (may be NULL) are borrowed until close. */
enum i8_status i8i_http_open(struct i8i_http **out,
                             const struct i8i_hub_settings *settings,
                             const struct i8_log *log,
                             struct i8_error *err) I8I_MUST_CHECK;
/* No request may be running. NULL is fine. */
void i8i_http_close(struct i8i_http *http);
const struct i8i_hub_settings *i8i_http_settings(const struct i8i_http *http);
const struct i8_log *i8i_http_log(const struct i8i_http *http);
/* Has the Hub answered a request, with more than "not now" (i8i_retry_status)? */
bool i8i_http_reached(const struct i8i_http *http);
/* Makes every running and later request (and wait between attempts) end within about a
 * second with I8_ERR_CANCELLED. Async-signal-safe. */
void i8i_http_cancel(struct i8i_http *http);
/* Is it so, or is *also (NULL: none) set? */
bool i8i_http_cancelled(const struct i8i_http *http, const atomic_bool *also);

#define I8I_HTTP_HEADERS_MAX ((size_t)64 << 10) /* bytes of one answer's headers */

struct i8i_http_response {
    long status; /* 200, 302 …; 0: no answer came */
    bool has_content_length;
    uint64_t content_length;
    bool has_content_range; /* "bytes first-last/total", each a number */
    uint64_t range_first, range_last, range_total;
    double retry_after_s; /* by Retry-After or RateLimit, -1: not said */
    double date_skew_s;   /* the server's clock minus ours; 0 if it sent no Date */
    /* Set when the request failed below HTTP (no connection, reset, stall, short body) in
     * a way that may go better next time. */
    bool retryable;
    struct i8i_buffer body;    /* what came, unless the request had a sink */
    struct i8i_buffer headers; /* "name\0value\0…", names in lower case */
};
/* The first header of that (lower-case) name, without blanks around it; NULL if there is
 * none. Borrowed from the response. */
const char *i8i_http_header(const struct i8i_http_response *r, const char *name);

/* Where the body of a 200 or 206 goes while it arrives. The bodies of other answers are
 * collected, I8I_HTTP_ERROR_MAX bytes of them. */
#define I8I_HTTP_ERROR_MAX ((size_t)64 << 10)
struct i8i_http_sink {
    /* Called once, when the headers are complete, before any of the body. A failure ends
     * the request with that failure; the connection is closed. */
    enum i8_status (*begin)(void *ctx, const struct i8i_http_response *r,
                            struct i8_error *err);
    enum i8_status (*body)(void *ctx, const void *bytes, size_t n, struct i8_error *err);
    void *ctx;
};

struct i8i_http_request {
    const char *url;
    bool head;
    bool has_range;
    uint64_t range_first, range_last; /* inclusive, as in HTTP */
    /* Silence and connect time after which the attempt fails; 0: the settings' api
     * timeout. */
    unsigned timeout_s;
    size_t body_cap; /* bytes; without a sink, a longer body is an error */
    const struct i8i_http_sink *sink; /* NULL: the body is collected */
    const atomic_bool *cancel;        /* also ends the request; NULL: none */
};

/* Sends the request once and reads the whole answer. I8_OK: there was one, whatever its
 * status (r->status), and its body is complete to the announced length. I8_ERR_NETWORK:
 * there was none, it broke off, or its body came coded (gzip …) although that was not
 * asked for: r->retryable. I8_ERR_DATA: body_cap or the cap on headers was passed.
 * Others: what the sink returned, I8_ERR_CANCELLED, I8_ERR_NOMEM. Freed by
 * i8i_http_response_free, also after failure. Messages name the address without its
 * query, which may be a signature. */
enum i8_status i8i_http_perform(struct i8i_http_response *r, struct i8i_http *http,
                                const struct i8i_http_request *request,
                                struct i8_error *err) I8I_MUST_CHECK;
void i8i_http_response_free(struct i8i_http_response *r);

/* ---- addresses, by libcurl's own parser, so that what is checked is what is used ----
 */

/* The address that `reference` (absolute, or relative to base) stands for. Only http and
 * https, only https if base is https, no user name or password: else I8_ERR_DATA. The
 * caller frees. */
enum i8_status i8i_url_join(char **out, const char *base, const char *reference,
                            struct i8_error *err) I8I_MUST_CHECK;
/* Same scheme, host and port: may the token be sent there? False if either is malformed.
 */
bool i8i_url_same_origin(const char *a, const char *b);
/* The address without query and fragment, for messages; cut to fit. Returns buf. */
#define I8I_URL_TEXT 256
char *i8i_url_text(char buf[I8I_URL_TEXT], const char *url);

#endif
