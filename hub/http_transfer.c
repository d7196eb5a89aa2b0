/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an answer's headers, and refusing what nobody asked for.
 */
#include "config.h"

#include "base/clock.h"
#include "base/size.h"
#include "hub/http_transfer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool fail(struct i8i_transfer *t, enum i8_status status, bool retryable,
                 const char *what)
{
    char url[I8I_URL_TEXT];
    i8i_fail(&t->failure, status, "%s: %s", i8i_url_text(url, t->request->url), what);
    t->failure_retryable = retryable;
    return false;
}

static bool read_number(uint64_t *out, const char *text, size_t n)
{
    char digits[24];
    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    return i8i_uint_parse(out, digits, 0, INT64_MAX, "a header", NULL) == I8_OK;
}

/* "bytes first-last/total" */
static bool read_content_range(struct i8i_http_response *r, const char *value)
{
    if (strncasecmp(value, "bytes ", 6) != 0)
        return false;
    value += 6;
    const size_t a = strcspn(value, "-");
    if (value[a] != '-')
        return false;
    const char *last = value + a + 1;
    const size_t b = strcspn(last, "/");
    if (last[b] != '/')
        return false;
    const char *total = last + b + 1;
    return read_number(&r->range_first, value, a) &&
           read_number(&r->range_last, last, b) &&
           read_number(&r->range_total, total, strlen(total)) &&
           r->range_first <= r->range_last && r->range_last < r->range_total;
}

/* Retry-After: seconds or a date; else RateLimit: "api";r=0;t=55, whose window ends in t
 * seconds. -1 if neither says anything. */
static double read_retry_after(const struct i8i_http_response *r)
{
    const char *value = i8i_http_header(r, "retry-after");
    uint64_t seconds;
    if (value != NULL) {
        if (read_number(&seconds, value, strlen(value)))
            return (double)seconds;
        const double date = i8i_http_date_s(value);
        const double wait = date - ((double)time(NULL) + r->date_skew_s);
        return date < 0 ? -1 : wait < 0 ? 0 : wait;
    }
    value = i8i_http_header(r, "ratelimit");
    const char *left = value == NULL ? NULL : strstr(value, ";r=0");
    const char *t = value == NULL ? NULL : strstr(value, ";t=");
    if (left == NULL || (left[4] != ';' && left[4] != '\0') || t == NULL)
        return -1;
    return read_number(&seconds, t + 3, strspn(t + 3, "0123456789")) ? (double)seconds + 1
                                                                     : -1;
}

/* All headers are there. */
static bool finish_headers(struct i8i_transfer *t)
{
    struct i8i_http_response *r = t->response;
    if (r->status < 200) /* 100 Continue and its like: the answer is yet to come */
        return true;
    if (r->headers.failed)
        return fail(t, I8_ERR_DATA, false, "the answer's headers are too long");
    const char *value = i8i_http_header(r, "content-length");
    r->has_content_length =
        value != NULL && read_number(&r->content_length, value, strlen(value));
    value = i8i_http_header(r, "content-range");
    r->has_content_range = value != NULL && read_content_range(r, value);
    value = i8i_http_header(r, "date");
    const double date = value == NULL ? -1 : i8i_http_date_s(value);
    r->date_skew_s = date < 0 ? 0 : date - (double)time(NULL);
    r->retry_after_s = read_retry_after(r);
    value = i8i_http_header(r, "content-encoding");
    if (value != NULL && strcasecmp(value, "identity") != 0 && value[0] != '\0')
        return fail(t, I8_ERR_NETWORK, true,
                    "the body comes compressed although that was not asked for");
    const struct i8i_http_sink *sink = t->request->sink;
    t->to_sink = sink != NULL && (r->status == 200 || r->status == 206);
    if (t->to_sink && sink->begin != NULL) {
        t->failure.status = sink->begin(sink->ctx, r, &t->failure);
        return t->failure.status == I8_OK;
    }
    return true;
}

bool i8i_transfer_header(struct i8i_transfer *t, const char *line, size_t n)
{
    struct i8i_http_response *r = t->response;
    t->heard_s = i8i_monotonic_s();
    while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
        n--;
    if (n == 0) {
        /* Behind a body an empty line ends the trailers. */
        return t->seen_bytes > 0 || finish_headers(t);
    }
    const char *colon = memchr(line, ':', n);
    if (n >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
        /* A new answer: what an interim one said is over. */
        i8i_buffer_free(&r->headers);
        i8i_buffer_init(&r->headers, I8I_HTTP_HEADERS_MAX);
        const char *code = memchr(line, ' ', n);
        uint64_t status = 0;
        if (code == NULL || line + n - code < 4 || !read_number(&status, code + 1, 3))
            return fail(t, I8_ERR_NETWORK, true, "the answer is not HTTP");
        r->status = (long)status;
        return true;
    }
    if (colon == NULL || memchr(line, '\0', n) != NULL)
        return true;
    for (const char *p = line; p < colon; p++) {
        const char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        i8i_buffer_append(&r->headers, &c, 1);
    }
    const char *value = colon + 1;
    while (value < line + n && (*value == ' ' || *value == '\t'))
        value++;
    i8i_buffer_append(&r->headers, "", 1);
    i8i_buffer_append(&r->headers, value, (size_t)(line + n - value));
    i8i_buffer_append(&r->headers, "", 1);
    return true;
}

bool i8i_transfer_body(struct i8i_transfer *t, const char *bytes, size_t n)
{
    struct i8i_http_response *r = t->response;
    if (t->to_sink) {
        const struct i8i_http_sink *sink = t->request->sink;
        t->failure.status = sink->body(sink->ctx, bytes, n, &t->failure);
        return t->failure.status == I8_OK;
    }
    if ((r->status == 200 || r->status == 206) && t->request->sink == NULL) {
        if (n > t->request->body_cap - r->body.length)
            return fail(t, I8_ERR_DATA, false, "the answer is larger than it may be");
        i8i_buffer_append(&r->body, bytes, n);
    } else { /* what an error says: as much as fits */
        const size_t room =
            I8I_HTTP_ERROR_MAX > r->body.length ? I8I_HTTP_ERROR_MAX - r->body.length : 0;
        i8i_buffer_append(&r->body, bytes, n < room ? n : room);
    }
    if (!r->body.failed)
        return true;
    i8i_nomem(&t->failure);
    return false;
}
