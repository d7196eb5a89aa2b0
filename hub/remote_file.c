/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading one remote file: its address, kept fresh for all threads, and streams of bytes
 * that survive what connections do.
 */
#include "config.h"

#include "hub/hub_api.h"
#include "hub/remote_file.h"
#include "hub/retry.h"
#include "hub/url_expiry.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_S 5.0 /* an address with less time left is renewed before it is used */
#define BARE_GET_MAX \
    ((uint64_t)16 << 20) /* files up to here are asked for without Range */

struct i8i_remote_file {
    struct i8i_http *http;
    struct i8i_repo_id repo;
    char commit[I8I_REVISION_MAX];
    char *path;
    char *what; /* "org/name/path", for messages */
    pthread_mutex_t lock;
    bool known; /* size and hash */
    char hash[I8I_HASH_HEX];
    uint64_t size;
    char *url; /* NULL: not asked for yet */
    bool elsewhere;
    double expires_s;
    unsigned generation;     /* of url */
    struct i8_error failure; /* of resolving: final, for all threads */
    enum i8i_hub_reason reason;
};

enum i8_status i8i_remote_file_open(struct i8i_remote_file **out, struct i8i_http *http,
                                    const struct i8i_repo_id *repo, const char *commit,
                                    const char *path, const char *hash, uint64_t size,
                                    struct i8_error *err)
{
    *out = NULL;
    struct i8i_remote_file *f = i8i_calloc(1, sizeof *f);
    if (f == NULL)
        return i8i_nomem(err);
    f->http = http;
    f->repo = *repo;
    (void)pthread_mutex_init(&f->lock, NULL);
    const size_t n = strlen(commit);
    f->path = i8i_strdup(path);
    f->what = i8i_format("%s/%s", repo->id, path);
    enum i8_status st = I8_OK;
    if (f->path == NULL || f->what == NULL)
        st = i8i_nomem(err);
    else if (n >= sizeof f->commit || (hash != NULL && strlen(hash) >= I8I_HASH_HEX))
        st = i8i_fail(err, I8_ERR_ARG, "%s: a revision or hash is too long", f->what);
    else
        memcpy(f->commit, commit, n + 1);
    if (st == I8_OK && hash != NULL) {
        f->known = true;
        memcpy(f->hash, hash, strlen(hash) + 1);
        f->size = size;
        /* Git's own files mostly come straight from the Hub (or its cache, one redirect
         * away): what would be asked first is known already. */
        if (strlen(hash) == 40)
            st = i8i_resolve_url(&f->url, http, repo, commit, path, err);
        f->expires_s = HUGE_VAL;
    }
    if (st != I8_OK) {
        i8i_remote_file_close(f);
        return st;
    }
    *out = f;
    return I8_OK;
}

void i8i_remote_file_close(struct i8i_remote_file *f)
{
    if (f == NULL)
        return;
    (void)pthread_mutex_destroy(&f->lock);
    free(f->url);
    free(f->what);
    free(f->path);
    free(f);
}

/* Asks the Hub for the address; with the lock held, so that of many threads one asks. */
static enum i8_status resolve(struct i8i_remote_file *f, struct i8_error *err)
{
    struct i8i_resolved r = {0};
    enum i8_status st =
        i8i_resolve(&r, f->http, &f->repo, f->commit, f->path, &f->reason, err);
    if (st == I8_OK && f->known && (strcmp(r.etag, f->hash) != 0 || r.size != f->size))
        st = i8i_fail(
            err, I8_ERR_DATA,
            "%s: listed with %llu bytes and hash %.12s…, but the Hub now answers "
            "%llu bytes and %.12s…",
            f->what, (unsigned long long)f->size, f->hash, (unsigned long long)r.size,
            r.etag);
    if (st == I8_OK) {
        free(f->url);
        f->url = r.url;
        r.url = NULL;
        f->elsewhere = r.elsewhere;
        f->expires_s = r.expires_s;
        f->generation++;
        f->known = true;
        memcpy(f->hash, r.etag, sizeof f->hash);
        f->size = r.size;
    } else if (st != I8_ERR_CANCELLED && st != I8_ERR_NOMEM && err != NULL) {
        f->failure = *err;
    }
    i8i_resolved_free(&r);
    return st;
}

struct address {
    char *url; /* a copy */
    bool elsewhere;
    unsigned generation;
};

/* A usable address. `stale` (may be NULL): one that was refused; unless another thread
 * has renewed it meanwhile, the Hub is asked again. */
static enum i8_status get_address(struct i8i_remote_file *f, struct address *out,
                                  const unsigned *stale, struct i8_error *err)
{
    struct i8_error own = {0};
    (void)pthread_mutex_lock(&f->lock);
    enum i8_status st = I8_OK;
    if (f->failure.status != I8_OK)
        st = i8i_fail(&own, f->failure.status, "%s", f->failure.message);
    else if (f->url == NULL || f->expires_s - i8i_monotonic_s() < FRESH_S ||
             (stale != NULL && *stale == f->generation))
        st = resolve(f, &own);
    *out = (struct address){.elsewhere = f->elsewhere, .generation = f->generation};
    if (st == I8_OK) {
        out->url = i8i_strdup(f->url);
        if (out->url == NULL)
            st = i8i_nomem(&own);
    }
    (void)pthread_mutex_unlock(&f->lock);
    return st == I8_OK ? st : i8i_fail(err, st, "%s", own.message);
}

enum i8_status i8i_remote_file_stat(struct i8i_remote_file *f, uint64_t *size,
                                    char hash[I8I_HASH_HEX], enum i8i_hub_reason *reason,
                                    struct i8_error *err)
{
    struct i8_error own = {0};
    (void)pthread_mutex_lock(&f->lock);
    enum i8_status st = f->failure.status;
    if (st != I8_OK)
        i8i_fail(&own, st, "%s", f->failure.message);
    else if (!f->known)
        st = resolve(f, &own);
    *size = f->size;
    if (hash != NULL)
        memcpy(hash, f->hash, I8I_HASH_HEX);
    if (reason != NULL)
        *reason = f->reason;
    (void)pthread_mutex_unlock(&f->lock);
    return st == I8_OK ? st : i8i_fail(err, st, "%s", own.message);
}

enum i8i_hub_reason i8i_remote_file_reason(struct i8i_remote_file *f)
{
    (void)pthread_mutex_lock(&f->lock);
    const enum i8i_hub_reason reason = f->reason;
    (void)pthread_mutex_unlock(&f->lock);
    return reason;
}

/* ---- streams ---- */

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
    bool enough = false;
    enum i8_status st =
        a->stream->write(a->stream->ctx, from, n, a->position, &enough, err);
    if (st != I8_OK)
        return st;
    a->position += n;
    a->at += n;
    if (enough)
        return stop(a, ENOUGH);
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
                              struct address *address, enum i8i_stream_end *end,
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
    if (address->elsewhere) {
        *st = i8i_fail(err, I8_ERR_NETWORK, "%s: the server of the data answers HTTP %ld",
                       a->f->what, r->status);
    } else {
        enum i8i_hub_reason reason;
        *st = i8i_hub_refusal(&reason, r, a->f->http, &a->f->repo, a->f->path, err);
        (void)pthread_mutex_lock(&a->f->lock);
        a->f->reason = reason;
        (void)pthread_mutex_unlock(&a->f->lock);
    }
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

enum i8_status i8i_remote_file_stream(struct i8i_remote_file *f,
                                      const struct i8i_stream *stream,
                                      enum i8i_stream_end *end, struct i8_error *err)
{
    *end = I8I_STREAM_DONE;
    struct attempt a = {.f = f,
                        .stream = stream,
                        .position = stream->offset,
                        .end = stream->offset + stream->length};
    struct i8i_retry retry = {0};
    struct address address = {0};
    bool renewed = false; /* the address, since bytes last came */
    unsigned hops = 0;
    enum i8_status st = i8i_remote_file_stat(f, &a.size, NULL, NULL, err);
    if (st == I8_OK &&
        (stream->length > a.size || stream->offset > a.size - stream->length))
        return i8i_fail(err, I8_ERR_DATA, "%s: %llu bytes at %llu are not in its %llu",
                        f->what, (unsigned long long)stream->length,
                        (unsigned long long)stream->offset, (unsigned long long)a.size);
    if (st == I8_OK && stream->length > 0)
        st = get_address(f, &address, NULL, err);
    while (st == I8_OK && a.position < a.end) {
        struct i8i_http_response r;
        struct i8_error own = {0};
        const uint64_t before = a.position;
        enum next next = NEXT_DONE;
        st = perform(&a, &r, address.url, &own);
        if (a.position > before) {
            i8i_retry_progress(&retry);
            renewed = false;
        }
        if (st == I8_OK && a.verdict == ENOUGH) {
            *end = a.position < a.end ? I8I_STREAM_STOPPED : I8I_STREAM_DONE;
            next = NEXT_END;
        } else if (st == I8_OK && a.verdict == NO_RANGE) {
            *end = I8I_STREAM_NO_RANGE;
            next = NEXT_END;
        } else if (st != I8_OK) {
            next = r.retryable ? NEXT_RETRY : NEXT_FAIL;
        } else if (r.status != 200 && r.status != 206) {
            next = read_refusal(&a, &r, &address, end, renewed, &st, &own);
            if (next == NEXT_DONE && ++hops > I8I_REDIRECTS_MAX) {
                st = i8i_fail(&own, I8_ERR_DATA, "%s: more than %d redirects", f->what,
                              I8I_REDIRECTS_MAX);
                next = NEXT_FAIL;
            }
        } else if (a.position == before) {
            st = i8i_fail(&own, I8_ERR_NETWORK, "%s: the server sends nothing", f->what);
            next = NEXT_RETRY;
        } else if (!a.ranged && a.position < a.end) {
            st = i8i_fail(&own, I8_ERR_NETWORK,
                          "%s: the server ends after %llu of %llu bytes", f->what,
                          (unsigned long long)a.position, (unsigned long long)a.size);
            next = NEXT_RETRY;
        }
        const double retry_after_s = r.retry_after_s;
        if (stream->status != NULL)
            *stream->status = r.status;
        i8i_http_response_free(&r);
        if (next == NEXT_RETRY) {
            tell(stream, true, own.message);
            if (i8i_retry_wait(&retry, f->http, f->what, retry_after_s, stream->cancel)) {
                st = I8_OK;
                tell(stream, false, own.message);
            } else {
                next = NEXT_FAIL;
            }
        }
        if (next == NEXT_ADDRESS) {
            const unsigned stale = address.generation;
            free(address.url);
            st = get_address(f, &address, &stale, err);
            renewed = true;
            if (st != I8_OK)
                break;
        } else if (next == NEXT_RETRY && f->expires_s < HUGE_VAL) {
            free(address.url);
            st = get_address(f, &address, NULL, err); /* the wait may have outlived it */
        }
        if (next == NEXT_END)
            break;
        if (next == NEXT_FAIL) {
            if (i8i_http_cancelled(f->http) ||
                (stream->cancel != NULL && atomic_load(stream->cancel)))
                st = i8i_fail(err, I8_ERR_CANCELLED, "cancelled");
            else
                st = i8i_fail(err, st, "%s", own.message);
        }
    }
    free(address.url);
    return st;
}

/* ---- whole reads ---- */

struct to_memory {
    char *dst;
    uint64_t offset;
};

static enum i8_status write_to_memory(void *ctx, const void *bytes, size_t n,
                                      uint64_t offset, bool *enough, struct i8_error *err)
{
    const struct to_memory *m = ctx;
    (void)enough;
    (void)err;
    memcpy(m->dst + (offset - m->offset), bytes, n);
    return I8_OK;
}

enum i8_status i8i_remote_file_read(struct i8i_remote_file *f, void *dst, size_t n,
                                    uint64_t offset, struct i8_error *err)
{
    struct to_memory m = {.dst = dst, .offset = offset};
    struct i8i_stream stream = {
        .offset = offset, .length = n, .write = write_to_memory, .ctx = &m};
    enum i8i_stream_end end;
    enum i8_status st = i8i_remote_file_stream(f, &stream, &end, err);
    if (st == I8_OK && end == I8I_STREAM_NO_RANGE) {
        if (offset > I8I_REMOTE_SKIP_MAX)
            return i8i_fail(err, I8_ERR_UNSUPPORTED,
                            "%s: the server sends files only as a whole; pull it first",
                            f->what);
        stream.whole = true;
        st = i8i_remote_file_stream(f, &stream, &end, err);
    }
    if (st == I8_OK && end != I8I_STREAM_DONE)
        return i8i_fail(err, I8_ERR_NETWORK,
                        "%s: the server refuses bytes %llu-%llu, also at a fresh address",
                        f->what, (unsigned long long)offset,
                        (unsigned long long)(offset + n - 1));
    return st;
}
