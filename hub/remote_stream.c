/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of bytes that survive what connections do: each attempt goes on from the byte
 * where the last one broke off, and nothing is delivered from an answer that is not
 * exactly what was asked for.
 */
#include "config.h"

#include "hub/hub_api.h"
#include "hub/remote_stream.h"
#include "hub/retry.h"

#include <stdlib.h>
#include <string.h>

#define BARE_GET_MAX \
    ((uint64_t)16 << 20) /* files up to here are asked for without Range */

enum verdict { GO, ENOUGH, NO_RANGE, BAD_ANSWER };

/* One attempt. */
struct attempt {
    struct i8i_remote_file *f;
    const struct i8i_stream *stream;
    uint64_t size;     /* of the file */
    uint64_t position; /* of the next byte that is wanted */
    uint64_t end;
    uint64_t at; /* where the answer's next byte stands in the file */
    bool ranged;
    enum verdict verdict;
    struct i8_error bad; /* of BAD_ANSWER */
};

/* Ends the request without a failure of its own: the verdict says why. */
static enum i8_status stop(struct attempt *a, enum verdict verdict)
{
    a->verdict = verdict;
    return I8_ERR_CANCELLED;
}

static enum i8_status on_begin(void *ctx, const struct i8i_http_response *r,
                               struct i8_error *err)
{
    struct attempt *a = ctx;
    (void)err;
    if (r->status == 206 && a->ranged) {
        if (!r->has_content_range || r->range_first != a->position ||
            r->range_last >= a->end || r->range_total != a->size) {
            i8i_fail(
                &a->bad, I8_ERR_NETWORK,
                "%s: asked for bytes %llu-%llu of %llu, the server answers with others "
                "(Content-Range: %.80s)",
                a->f->what, (unsigned long long)a->position,
                (unsigned long long)a->end - 1, (unsigned long long)a->size,
                i8i_http_header(r, "content-range") == NULL
                    ? "none"
                    : i8i_http_header(r, "content-range"));
            return stop(a, BAD_ANSWER);
        }
        a->at = a->position;
        return I8_OK;
    }
    if (r->status != 200) {
        i8i_fail(&a->bad, I8_ERR_NETWORK,
                 "%s: a part of the file came though the whole was asked for",
                 a->f->what);
        return stop(a, BAD_ANSWER);
    }
    if (a->ranged && (a->position != 0 || a->end != a->size))
        return stop(a, NO_RANGE);
    if (r->has_content_length && r->content_length != a->size) {
        i8i_fail(&a->bad, I8_ERR_NETWORK,
                 "%s: %llu bytes expected, the server announces %llu", a->f->what,
                 (unsigned long long)a->size, (unsigned long long)r->content_length);
        return stop(a, BAD_ANSWER);
    }
    a->at = 0;
    return I8_OK;
}

static enum i8_status on_body(void *ctx, const void *bytes, size_t n,
                              struct i8_error *err)
{
    struct attempt *a = ctx;
    const char *from = bytes;
    if (n > a->size - a->at) {
        i8i_fail(&a->bad, I8_ERR_NETWORK, "%s: more bytes come than the file has",
                 a->f->what);
        return stop(a, BAD_ANSWER);
    }
    if (a->at < a->position) { /* of a whole file, what is not wanted */
        const uint64_t skip = a->position - a->at < n ? a->position - a->at : (uint64_t)n;
        a->at += skip;
        from += skip;
        n -= (size_t)skip;
    }
    if (n == 0)
        return I8_OK;
    const bool last = n >= a->end - a->position;
    if (last)
        n = (size_t)(a->end - a->position);
    enum i8_status st = a->stream->write(a->stream->ctx, from, n, a->position, err);
    if (st != I8_OK)
        return st;
    a->position += n;
    a->at += n;
    /* All is there; the rest of a whole file is not waited for. */
    return last && a->at < a->size && !a->ranged ? stop(a, ENOUGH) : I8_OK;
}

static void tell(const struct i8i_stream *stream, bool waiting, const char *why)
{
    if (stream->trouble != NULL)
        stream->trouble(stream->ctx, waiting, why);
}

/* What one attempt came to. */
enum next { NEXT_DONE, NEXT_RETRY, NEXT_ADDRESS, NEXT_END, NEXT_FAIL };

/* Reads an answer that is no 200 or 206. */
static enum next read_refusal(struct attempt *a, const struct i8i_http_response *r,
                              struct i8i_address *address, enum i8i_stream_end *end,
                              bool address_is_fresh, enum i8_status *st,
                              struct i8_error *err)
{
    const char *location;
    if (i8i_http_redirect(&location, r)) {
        char *next;
        *st = i8i_url_join(&next, address->url, location, err);
        if (*st != I8_OK) {
            i8i_error_prefix(err, "%s", a->f->what);
            return NEXT_FAIL;
        }
        free(address->url);
        address->url = next;
        address->elsewhere =
            !i8i_url_same_origin(next, i8i_http_settings(a->f->http)->endpoint);
        return NEXT_DONE; /* of this hop */
    }
    if (i8i_retry_status(r->status)) {
        *st = i8i_fail(err, I8_ERR_NETWORK, "%s: the server answers HTTP %ld", a->f->what,
                       r->status);
        return NEXT_RETRY;
    }
    const bool may_be_stale = r->status == 400 || r->status == 401 || r->status == 403 ||
                              r->status == 404 || r->status == 410;
    if (address->elsewhere && may_be_stale && !address_is_fresh)
        return NEXT_ADDRESS;
    if (r->status == 416 ||
        (address->elsewhere && (r->status == 403 || r->status == 400))) {
        *end = I8I_STREAM_REFUSED;
        return NEXT_END;
    }
    if (address->elsewhere)
        *st = i8i_fail(err, I8_ERR_NETWORK, "%s: the server of the data answers HTTP %ld",
                       a->f->what, r->status);
    else
        *st = i8i_hub_refusal(NULL, r, a->f->http, &a->f->repo, a->f->path, err);
    return NEXT_FAIL;
}

static enum i8_status perform(struct attempt *a, struct i8i_http_response *r,
                              const char *url, struct i8_error *err)
{
    const struct i8i_stream *s = a->stream;
    const struct i8i_http_sink sink = {.begin = on_begin, .body = on_body, .ctx = a};
    const bool all = a->position == 0 && a->end == a->size && a->size <= BARE_GET_MAX;
    a->ranged = !s->whole && !all;
    a->verdict = GO;
    const struct i8i_http_request request = {
        .url = url,
        .has_range = a->ranged,
        .range_first = a->position,
        .range_last = a->end - 1,
        .timeout_s = i8i_http_settings(a->f->http)->download_timeout_s,
        .sink = &sink,
        .cancel = s->cancel,
    };
    enum i8_status st = i8i_http_perform(r, a->f->http, &request, err);
    if (st == I8_ERR_CANCELLED && a->verdict == BAD_ANSWER) {
        r->retryable = true;
        return i8i_fail(err, I8_ERR_NETWORK, "%s", a->bad.message);
    }
    if (st == I8_ERR_CANCELLED && a->verdict != GO)
        return I8_OK;
    if (st == I8_ERR_NETWORK || st == I8_ERR_DATA) /* an address does not tell the file */
        i8i_error_prefix(err, "%s", a->f->what);
    return st;
}

/* A stream: its attempts and what they have taught. */
struct flow {
    struct attempt a;
    struct i8i_address address;
    struct i8i_retry retry;
    bool renewed;  /* the address, since bytes last came */
    unsigned hops; /* redirects of this attempt */
    enum i8i_stream_end *end;
};

/* What follows from an attempt that began at byte `before`. */
static enum next judge(struct flow *w, const struct i8i_http_response *r, uint64_t before,
                       enum i8_status *st, struct i8_error *err)
{
    struct attempt *a = &w->a;
    const char *what = a->f->what;
    if (*st != I8_OK)
        return r->retryable ? NEXT_RETRY : NEXT_FAIL;
    if (a->verdict == ENOUGH)
        return NEXT_END;
    if (a->verdict == NO_RANGE) {
        *w->end = I8I_STREAM_NO_RANGE;
        return NEXT_END;
    }
    if (r->status != 200 && r->status != 206) {
        const enum next next =
            read_refusal(a, r, &w->address, w->end, w->renewed, st, err);
        if (next != NEXT_DONE || ++w->hops <= I8I_REDIRECTS_MAX)
            return next;
        *st = i8i_fail(err, I8_ERR_DATA, "%s: more than %d redirects", what,
                       I8I_REDIRECTS_MAX);
        return NEXT_FAIL;
    }
    if (a->position == before) {
        *st = i8i_fail(err, I8_ERR_NETWORK, "%s: the server sends nothing", what);
        return NEXT_RETRY;
    }
    if (!a->ranged && a->position < a->end) {
        *st =
            i8i_fail(err, I8_ERR_NETWORK, "%s: the server ends after %llu of %llu bytes",
                     what, (unsigned long long)a->position, (unsigned long long)a->size);
        return NEXT_RETRY;
    }
    return NEXT_DONE;
}

/* Replaces the address by the file's current one; `stale`: by another than this. */
static enum i8_status take_address(struct flow *w, const unsigned *stale,
                                   struct i8_error *err)
{
    free(w->address.url);
    w->hops = 0;
    return i8i_remote_address(w->a.f, &w->address, stale, err);
}

static enum i8_status fail(const struct flow *w, enum i8_status st, const char *message,
                           struct i8_error *err)
{
    if (i8i_http_cancelled(w->a.f->http, w->a.stream->cancel))
        return i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
    return i8i_fail(err, st, "%s", message);
}

/* One attempt and what follows. *over: the stream has ended. */
static enum i8_status attempt_once(struct flow *w, bool *over, struct i8_error *err)
{
    struct attempt *a = &w->a;
    const struct i8i_stream *stream = a->stream;
    struct i8i_http_response r;
    struct i8_error own = {0};
    const uint64_t before = a->position;
    enum i8_status st = perform(a, &r, w->address.url, &own);
    if (a->position > before) {
        i8i_retry_progress(&w->retry);
        w->renewed = false;
    }
    const enum next next = judge(w, &r, before, &st, &own);
    const double retry_after_s = r.retry_after_s;
    if (stream->status != NULL)
        *stream->status = r.status;
    i8i_http_response_free(&r);
    *over = next == NEXT_END;
    if (next == NEXT_FAIL)
        return fail(w, st, own.message, err);
    if (next == NEXT_ADDRESS) {
        const unsigned stale = w->address.generation;
        w->renewed = true;
        return take_address(w, &stale, err);
    }
    if (next != NEXT_RETRY)
        return I8_OK;
    tell(stream, true, own.message);
    if (!i8i_retry_wait(&w->retry, a->f->http, a->f->what, retry_after_s, stream->cancel))
        return fail(w, st, own.message, err);
    tell(stream, false, own.message);
    return take_address(w, NULL, err); /* the wait may have outlived the old one */
}

enum i8_status i8i_remote_file_stream(struct i8i_remote_file *f,
                                      const struct i8i_stream *stream,
                                      enum i8i_stream_end *end, struct i8_error *err)
{
    *end = I8I_STREAM_DONE;
    struct flow w = {.a = {.f = f,
                           .stream = stream,
                           .size = f->size,
                           .position = stream->offset,
                           .end = stream->offset + stream->length},
                     .end = end};
    enum i8_status st = I8_OK;
    if (stream->length > f->size || stream->offset > f->size - stream->length)
        return i8i_fail(err, I8_ERR_DATA, "%s: %llu bytes at %llu are not in its %llu",
                        f->what, (unsigned long long)stream->length,
                        (unsigned long long)stream->offset, (unsigned long long)f->size);
    if (stream->length > 0)
        st = take_address(&w, NULL, err);
    for (bool over = false; st == I8_OK && !over && w.a.position < w.a.end;)
        st = attempt_once(&w, &over, err);
    free(w.address.url);
    return st;
}

/* ---- whole reads ---- */

struct to_memory {
    char *dst;
    uint64_t offset;
};

static enum i8_status write_to_memory(void *ctx, const void *bytes, size_t n,
                                      uint64_t offset, struct i8_error *err)
{
    const struct to_memory *m = ctx;
    (void)err;
    memcpy(m->dst + (offset - m->offset), bytes, n);
    return I8_OK;
}

enum i8_status i8i_remote_file_read(struct i8i_remote_file *f, void *dst, size_t n,
                                    uint64_t offset, const atomic_bool *cancel,
                                    bool *refused, struct i8_error *err)
{
    struct to_memory m = {.dst = dst, .offset = offset};
    struct i8i_stream stream = {.offset = offset,
                                .length = n,
                                .write = write_to_memory,
                                .ctx = &m,
                                .cancel = cancel};
    enum i8i_stream_end end;
    *refused = false;
    enum i8_status st = i8i_remote_file_stream(f, &stream, &end, err);
    if (st == I8_OK && end == I8I_STREAM_NO_RANGE) {
        if (offset > I8I_REMOTE_SKIP_MAX)
            return i8i_fail(err, I8_ERR_UNSUPPORTED,
                            "%s: the server sends files only as a whole; pull it first",
                            f->what);
        stream.whole = true;
        st = i8i_remote_file_stream(f, &stream, &end, err);
    }
    *refused = st == I8_OK && end == I8I_STREAM_REFUSED;
    if (*refused)
        return i8i_fail(err, I8_ERR_NETWORK,
                        "%s: the server refuses bytes %llu-%llu, also at a fresh address",
                        f->what, (unsigned long long)offset,
                        (unsigned long long)(offset + n - 1));
    return st;
}
