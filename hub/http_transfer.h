/* SPDX-License-Identifier: Apache-2.0
 *
 * One answer while it arrives: header lines and bytes go in, an i8i_http_response and the
 * caller's sink are fed. Between http_curl.c, which moves bytes, and nobody else.
 */
#ifndef I8I_HUB_HTTP_TRANSFER_H
#define I8I_HUB_HTTP_TRANSFER_H

#include "hub/http.h"

struct i8i_transfer {
    const struct i8i_http_request *request;
    struct i8i_http_response *response;
    struct i8i_http *http;
    unsigned timeout_s;
    double heard_s; /* when something last came */
    long long seen_bytes;
    bool cancelled, stalled;
    bool to_sink;            /* this body goes there */
    struct i8_error failure; /* why a callback ended the transfer; I8_OK: it did not */
    bool failure_retryable;
};

/* One header line with its line end, the status line and the empty one included. False
 * ends the transfer; t->failure says why. */
bool i8i_transfer_header(struct i8i_transfer *t, const char *line, size_t n);
bool i8i_transfer_body(struct i8i_transfer *t, const char *bytes, size_t n);
/* Seconds since 1970 of an HTTP date, or -1. */
double i8i_http_date_s(const char *text);

#endif
