/* SPDX-License-Identifier: Apache-2.0
 *
 * Exponential backoff with jitter. Half of each wait is fixed, so that attempts do not
 * crowd together, and half is drawn, so that many clients do not come back in step.
 */
#include "config.h"

#include "base/clock.h"
#include "hub/retry.h"

#include <time.h>

#define WAIT_MAX_S      30.0 /* of our own accord */
#define WORTH_TELLING_S 2.0
#define SLICE_NS        50000000L /* how late a cancel may be noticed */

bool i8i_retry_status(long status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

double i8i_retry_delay(unsigned failures, unsigned base_ms, double retry_after_s,
                       uint32_t random)
{
    double wait = (double)base_ms / 1000.0;
    for (unsigned i = 1; i < failures && wait < WAIT_MAX_S; i++)
        wait *= 2;
    if (wait > WAIT_MAX_S)
        wait = WAIT_MAX_S;
    const double jitter = (double)random / 4294967296.0; /* in [0, 1) */
    const double own = wait * (0.5 + 0.5 * jitter);
    if (!(retry_after_s >= 0))
        return own;
    const double told =
        retry_after_s < I8I_RETRY_TOLD_MAX_S ? retry_after_s : I8I_RETRY_TOLD_MAX_S;
    /* Behind the time that was told, a little apart from the others that were told it. */
    return told > own ? told + 0.1 * own : own;
}

/* Any spread will do: the time's low bits, mixed with who asks. */
static uint32_t random_bits(const void *who)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t x = (uint64_t)t.tv_nsec ^ (uint64_t)(uintptr_t)who;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(x >> 32);
}

bool i8i_retry_wait(struct i8i_retry *retry, struct i8i_http *http, const char *what,
                    double retry_after_s, const atomic_bool *cancel)
{
    const struct i8i_hub_settings *s = i8i_http_settings(http);
    const unsigned retries = i8i_http_reached(http) ? s->retries : s->first_retries;
    if (retry->failures >= retries || retry_after_s > I8I_RETRY_TOLD_MAX_S ||
        i8i_http_cancelled(http, cancel))
        return false;
    retry->failures++;
    const double wait = i8i_retry_delay(retry->failures, s->retry_base_ms, retry_after_s,
                                        random_bits(retry));
    i8i_log(i8i_http_log(http), wait > WORTH_TELLING_S ? I8_LOG_NOTE : I8_LOG_DEBUG,
            "%s: attempt %u of %u failed; the next one in %.1f s", what, retry->failures,
            retries + 1, wait);
    const double end = i8i_monotonic_s() + wait;
    for (;;) {
        if (i8i_http_cancelled(http, cancel))
            return false;
        const double left = end - i8i_monotonic_s();
        if (!(left > 0))
            return true;
        struct timespec slice = {0, SLICE_NS};
        if (left < SLICE_NS * 1e-9)
            slice.tv_nsec = (long)(left * 1e9);
        (void)nanosleep(&slice, NULL);
    }
}

void i8i_retry_progress(struct i8i_retry *retry)
{
    retry->failures = 0;
}

enum i8_status i8i_http_perform_retrying(struct i8i_http_response *r,
                                         struct i8i_http *http,
                                         const struct i8i_http_request *request,
                                         struct i8_error *err)
{
    struct i8i_retry retry = {0};
    char what[I8I_URL_TEXT];
    i8i_url_text(what, request->url);
    for (;;) {
        enum i8_status st = i8i_http_perform(r, http, request, err);
        const bool again = st == I8_OK ? i8i_retry_status(r->status) : r->retryable;
        if (!again ||
            !i8i_retry_wait(&retry, http, what, r->retry_after_s, request->cancel)) {
            if (st == I8_OK && i8i_http_cancelled(http, NULL))
                return i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
            return st;
        }
        i8i_http_response_free(r);
    }
}
