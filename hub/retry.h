/* SPDX-License-Identifier: Apache-2.0
 *
 * When a request that failed is sent again, and after how long. docs/hub.md has the
 * policy in words.
 */
#ifndef I8I_HUB_RETRY_H
#define I8I_HUB_RETRY_H

#include "hub/http.h"

/* One chain of attempts; zero-initialise. */
struct i8i_retry {
    unsigned failures; /* in a row */
};

/* 408, 429, 500, 502, 503, 504. */
bool i8i_retry_status(long status);
/* A server that wants to be left alone for longer is not waited for. The Hub's own
 * windows are of five minutes. */
#define I8I_RETRY_TOLD_MAX_S 600.0
/* Seconds to wait after the failures-th failure in a row (from 1): base × 2^(failures−1),
 * 30 s at most, of which a random half to the whole; at least retry_after_s if that is
 * given, without jitter below it, I8I_RETRY_TOLD_MAX_S at most. */
double i8i_retry_delay(unsigned failures, unsigned base_ms, double retry_after_s,
                       uint32_t random);
/* After a failed attempt that may be repeated: waits, unless settings.retries (at first,
 * first_retries) are used up or the server wants more than I8I_RETRY_TOLD_MAX_S (false at
 * once), or *cancel or the client's cancel flag is set (false, early). The wait is told
 * to the log when it is longer than two seconds. `what` names what is waited for. */
bool i8i_retry_wait(struct i8i_retry *retry, struct i8i_http *http, const char *what,
                    double retry_after_s, const atomic_bool *cancel);
/* Something was received: the next failure is the first one again. */
void i8i_retry_progress(struct i8i_retry *retry);

/* i8i_http_perform (without a sink), repeated as long as the failure is of a kind that
 * may pass. I8_OK: an answer; its status is one of i8i_retry_status if it was the last of
 * all attempts. */
enum i8_status i8i_http_perform_retrying(struct i8i_http_response *r,
                                         struct i8i_http *http,
                                         const struct i8i_http_request *request,
                                         struct i8_error *err) I8I_MUST_CHECK;

#endif
