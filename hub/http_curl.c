/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP client over libcurl's easy interface: a pool of handles, each of which keeps
 * its own connections alive, and one share for DNS and TLS sessions. A thread borrows the
 * handle that last spoke to the same host. Connections themselves are not shared: libcurl
 * does not vouch for that between threads.
 */
#include "config.h"

#include "base/clock.h"
#include "hub/http_transfer.h"
#include "hub/retry.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDLE_MAX      32           /* handles kept for later */
#define RECEIVE_BYTES (256L << 10) /* libcurl's buffer for each transfer */
#define TRICKLE_BYTES 100L         /* a second: less, for long, is a stall, too */

struct handle {
    CURL *curl;
    char *origin; /* "https://host:port" that it last spoke to */
    struct handle *next;
};

struct i8i_http {
    const struct i8i_hub_settings *settings;
    const struct i8_log *log;
    CURLSH *share;
    pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
    pthread_mutex_t lock; /* of what follows */
    struct handle *idle;  /* the last used one first */
    size_t idle_count;
    double hub_open_s; /* when the Hub may be asked again, by i8i_monotonic_s */
    char *authorization;
    char *user_agent;
    atomic_bool reached, cancelled;
};

/* ---- the client ---- */

static void lock_share(CURL *curl, curl_lock_data data, curl_lock_access access,
                       void *ctx)
{
    (void)curl;
    (void)access;
    (void)pthread_mutex_lock(&((struct i8i_http *)ctx)->share_locks[data]);
}

static void unlock_share(CURL *curl, curl_lock_data data, void *ctx)
{
    (void)curl;
    (void)pthread_mutex_unlock(&((struct i8i_http *)ctx)->share_locks[data]);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode initialised;

static void initialise(void)
{
    initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum i8_status i8i_http_open(struct i8i_http **out,
                             const struct i8i_hub_settings *settings,
                             const struct i8_log *log, struct i8_error *err)
{
    *out = NULL;
    (void)pthread_once(&once, initialise);
    if (initialised != CURLE_OK)
        return i8i_fail(err, I8_ERR_NETWORK, "libcurl does not start: %s",
                        curl_easy_strerror(initialised));
    struct i8i_http *http = i8i_calloc(1, sizeof *http);
    if (http == NULL)
        return i8i_nomem(err);
    http->settings = settings;
    http->log = log;
    (void)pthread_mutex_init(&http->lock, NULL);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        (void)pthread_mutex_init(&http->share_locks[i], NULL);
    atomic_init(&http->reached, false);
    atomic_init(&http->cancelled, false);
    const char *origin = settings->origin;
    http->user_agent =
        i8i_format("int8tool/%s%s%s", i8_version(), origin == NULL ? "" : "; origin/",
                   origin == NULL ? "" : origin);
    if (settings->token != NULL)
        http->authorization = i8i_format("Authorization: Bearer %s", settings->token);
    http->share = curl_share_init();
    if (http->user_agent == NULL || http->share == NULL ||
        (settings->token != NULL && http->authorization == NULL)) {
        i8i_http_close(http);
        return i8i_nomem(err);
    }
    (void)curl_share_setopt(http->share, CURLSHOPT_USERDATA, http);
    (void)curl_share_setopt(http->share, CURLSHOPT_LOCKFUNC, lock_share);
    (void)curl_share_setopt(http->share, CURLSHOPT_UNLOCKFUNC, unlock_share);
    (void)curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    (void)curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    *out = http;
    return I8_OK;
}

static void free_handle(struct handle *h)
{
    curl_easy_cleanup(h->curl);
    free(h->origin);
    free(h);
}

void i8i_http_close(struct i8i_http *http)
{
    if (http == NULL)
        return;
    while (http->idle != NULL) {
        struct handle *h = http->idle;
        http->idle = h->next;
        free_handle(h);
    }
    if (http->share != NULL)
        (void)curl_share_cleanup(http->share);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        (void)pthread_mutex_destroy(&http->share_locks[i]);
    (void)pthread_mutex_destroy(&http->lock);
    if (http->authorization != NULL)
        explicit_bzero(http->authorization, strlen(http->authorization));
    free(http->authorization);
    free(http->user_agent);
    free(http);
}

const struct i8i_hub_settings *i8i_http_settings(const struct i8i_http *http)
{
    return http->settings;
}

const struct i8_log *i8i_http_log(const struct i8i_http *http)
{
    return http->log;
}

bool i8i_http_reached(const struct i8i_http *http)
{
    return atomic_load(&http->reached);
}

void i8i_http_cancel(struct i8i_http *http)
{
    atomic_store(&http->cancelled, true);
}

bool i8i_http_cancelled(const struct i8i_http *http, const atomic_bool *also)
{
    return atomic_load(&http->cancelled) || (also != NULL && atomic_load(also));
}

/* ---- the pool of handles ---- */

/* "https://host:port" of an address, as far as the pool is concerned. */
static char *origin_of(const char *url)
{
    const char *start = strstr(url, "://");
    if (start == NULL)
        return i8i_strdup("");
    return i8i_strndup(url, (size_t)(start + 3 - url) + strcspn(start + 3, "/?#"));
}

/* An idle handle that has spoken to this host, or a new one; NULL without memory. */
static struct handle *borrow(struct i8i_http *http, const char *url)
{
    char *origin = origin_of(url);
    if (origin == NULL)
        return NULL;
    (void)pthread_mutex_lock(&http->lock);
    struct handle **at = &http->idle;
    while (*at != NULL && strcmp((*at)->origin, origin) != 0)
        at = &(*at)->next;
    struct handle *h = *at;
    if (h != NULL) {
        *at = h->next;
        http->idle_count--;
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (h != NULL) {
        free(origin);
        return h;
    }
    h = i8i_calloc(1, sizeof *h);
    if (h != NULL)
        h->curl = curl_easy_init();
    if (h == NULL || h->curl == NULL) {
        free(h);
        free(origin);
        return NULL;
    }
    h->origin = origin;
    return h;
}

static void give_back(struct i8i_http *http, struct handle *h)
{
    struct handle *spare = NULL;
    curl_easy_reset(h->curl);
    (void)pthread_mutex_lock(&http->lock);
    h->next = http->idle;
    http->idle = h;
    if (http->idle_count < IDLE_MAX) {
        http->idle_count++;
    } else { /* the one that has been idle for longest */
        struct handle **at = &http->idle;
        while ((*at)->next != NULL)
            at = &(*at)->next;
        spare = *at;
        *at = NULL;
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (spare != NULL)
        free_handle(spare);
}

/* ---- one request ---- */

/* Is it time to give up? Called by libcurl at least once a second. */
static int watch(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total,
                 curl_off_t up_now)
{
    struct i8i_transfer *t = ctx;
    (void)total;
    (void)up_total;
    (void)up_now;
    if (i8i_http_cancelled(t->http, t->request->cancel)) {
        t->cancelled = true;
        return 1;
    }
    const double time = i8i_monotonic_s();
    if (now != t->seen_bytes) {
        t->seen_bytes = now;
        t->heard_s = time;
    }
    t->stalled = time - t->heard_s > t->timeout_s;
    return t->stalled;
}

static size_t on_header(char *line, size_t one, size_t n, void *ctx)
{
    (void)one;
    return i8i_transfer_header(ctx, line, n) ? n : 0;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *ctx)
{
    (void)one;
    return i8i_transfer_body(ctx, bytes, n) ? n : 0;
}

double i8i_http_date_s(const char *text)
{
    const time_t t = curl_getdate(text, NULL);
    return t == (time_t)-1 ? -1 : (double)t;
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* libcurl's answer to setopt is worth asking for only where it copies a string. */
static bool set_up(struct i8i_http *http, CURL *c, struct i8i_transfer *t, bool to_hub,
                   struct curl_slist **headers, char error_text[CURL_ERROR_SIZE])
{
    const struct i8i_http_request *q = t->request;
    const struct i8i_hub_settings *s = http->settings;
    bool ok = curl_easy_setopt(c, CURLOPT_URL, q->url) == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(c, CURLOPT_USERAGENT, http->user_agent) == CURLE_OK;
    if (ok && q->has_range) {
        char range[64];
        (void)snprintf(range, sizeof range, "%llu-%llu",
                       (unsigned long long)q->range_first,
                       (unsigned long long)q->range_last);
        ok = curl_easy_setopt(c, CURLOPT_RANGE, range) == CURLE_OK;
    }
    if (ok && s->ca_file != NULL)
        ok = curl_easy_setopt(c, CURLOPT_CAINFO, s->ca_file) == CURLE_OK;
    if (ok && s->ca_dir != NULL)
        ok = curl_easy_setopt(c, CURLOPT_CAPATH, s->ca_dir) == CURLE_OK;
    ok = ok && add_header(headers, "Accept-Encoding: identity");
    if (ok && http->authorization != NULL && to_hub)
        ok = add_header(headers, http->authorization);
    if (!ok)
        return false;
    (void)curl_easy_setopt(c, CURLOPT_SHARE, http->share);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
    (void)curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(c, CURLOPT_NOBODY, q->head ? 1L : 0L);
    (void)curl_easy_setopt(c, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    (void)curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    (void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error_text);
    (void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)t->timeout_s);
    (void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, TRICKLE_BYTES);
    (void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 3L * (long)t->timeout_s);
    (void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch);
    (void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    (void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    return true;
}

/* Failures that another attempt will not mend. */
static bool is_final(CURLcode code)
{
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ISSUER_ERROR:
        return true;
    default:
        return false;
    }
}

static enum i8_status outcome(struct i8i_transfer *t, CURLcode code, const char *text,
                              struct i8_error *err)
{
    char url[I8I_URL_TEXT];
    i8i_url_text(url, t->request->url);
    if (t->failure.status != I8_OK) { /* ours, or the sink's */
        t->response->retryable = t->failure_retryable;
        return i8i_fail(err, t->failure.status, "%s", t->failure.message);
    }
    if (code == CURLE_OK)
        return I8_OK;
    if (t->cancelled)
        return i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
    if (code ==
        CURLE_OUT_OF_MEMORY) /* libcurl's answer to a header line of 100 KiB, too */
        return i8i_fail(err, I8_ERR_NOMEM, "%s: out of memory, or a header without end",
                        url);
    t->response->retryable = !is_final(code);
    if (t->stalled || code == CURLE_OPERATION_TIMEDOUT)
        return i8i_fail(err, I8_ERR_NETWORK, "%s: %s for %u s", url,
                        t->seen_bytes > 0 ? "nothing more has come" : "no answer",
                        t->timeout_s);
    return i8i_fail(err, I8_ERR_NETWORK, "%s: %s", url,
                    text[0] != '\0' ? text : curl_easy_strerror(code));
}

/* Waits until the Hub may be asked again, if it has said that there were too many
 * requests: one thread was told, all keep to it. */
static bool wait_for_gate(struct i8i_http *http, const struct i8i_http_request *q)
{
    for (;;) {
        (void)pthread_mutex_lock(&http->lock);
        const double until = http->hub_open_s;
        (void)pthread_mutex_unlock(&http->lock);
        if (until <= i8i_monotonic_s())
            return true;
        if (i8i_http_cancelled(http, q->cancel))
            return false;
        (void)nanosleep(&(struct timespec){0, 50000000L}, NULL);
    }
}

/* What an answer of the Hub tells all threads. */
static void note_answer(struct i8i_http *http, const struct i8i_http_response *r)
{
    if (!i8i_retry_status(r->status))
        atomic_store(&http->reached, true);
    if (r->status != 429 || !(r->retry_after_s > 0) ||
        r->retry_after_s > I8I_RETRY_TOLD_MAX_S)
        return;
    const double until = i8i_monotonic_s() + r->retry_after_s;
    (void)pthread_mutex_lock(&http->lock);
    if (until > http->hub_open_s)
        http->hub_open_s = until;
    (void)pthread_mutex_unlock(&http->lock);
}

enum i8_status i8i_http_perform(struct i8i_http_response *r, struct i8i_http *http,
                                const struct i8i_http_request *request,
                                struct i8_error *err)
{
    *r = (struct i8i_http_response){.retry_after_s = -1};
    char error_text[CURL_ERROR_SIZE] = "";
    char url[I8I_URL_TEXT];
    if (http->settings->offline)
        return i8i_fail(err, I8_ERR_NETWORK, "%s: no request is sent when offline",
                        i8i_url_text(url, request->url));
    const bool to_hub = i8i_url_same_origin(request->url, http->settings->endpoint);
    if (i8i_http_cancelled(http, NULL) || (to_hub && !wait_for_gate(http, request)))
        return i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
    struct i8i_transfer t = {
        .request = request,
        .response = r,
        .http = http,
        .timeout_s = request->timeout_s > 0              ? request->timeout_s
                     : http->settings->api_timeout_s > 0 ? http->settings->api_timeout_s
                                                         : 10,
        .heard_s = i8i_monotonic_s(),
    };
    i8i_buffer_init(&r->headers, I8I_HTTP_HEADERS_MAX);
    i8i_buffer_init(&r->body,
                    request->sink == NULL && request->body_cap > I8I_HTTP_ERROR_MAX
                        ? request->body_cap
                        : I8I_HTTP_ERROR_MAX);
    struct curl_slist *headers = NULL;
    enum i8_status st;
    struct handle *h = borrow(http, request->url);
    if (h == NULL || !set_up(http, h->curl, &t, to_hub, &headers, error_text)) {
        st = i8i_nomem(err);
    } else {
        const CURLcode code = curl_easy_perform(h->curl);
        st = outcome(&t, code, error_text, err);
        if (st == I8_OK && to_hub)
            note_answer(http, r);
    }
    if (h != NULL)
        give_back(http, h);
    curl_slist_free_all(headers);
    return st;
}
