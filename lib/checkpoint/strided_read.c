/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading tensors whose elements do not lie in row-major order, such as a transposed
 * weight in a .bin file. The part of the storage that a request touches is read once,
 * window by window, and each window's elements are put in their places; a few elements
 * far apart are read one by one. Such tensors are rare: simple is good enough.
 */
#include "config.h"

#include "checkpoint/stored.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW    ((size_t)32 << 20)
#define FAR_APART 4096 /* elements of storage for one that is wanted */

/* The request: elements [first, first + count) in row-major order. */
struct request {
    const struct i8i_tensor *t;
    uint64_t first;
    size_t count;
    size_t width; /* bytes of an element */
};

/* Position in the storage, in elements from the tensor's first, of element `i`. */
static uint64_t position(const struct i8i_tensor *t, uint64_t i)
{
    uint64_t at = 0;
    for (uint32_t d = t->rank; d-- > 0;) {
        at += i % t->shape[d] * t->strides->step[d];
        i /= t->shape[d];
    }
    return at;
}

/* How many elements, from `i` on, follow each other at the innermost stride. */
static size_t run_length(const struct i8i_tensor *t, uint64_t i, size_t most)
{
    const uint64_t inner = t->shape[t->rank - 1], left = inner - i % inner;
    return left < most ? (size_t)left : most;
}

/* The lowest and highest position that the request touches. */
static void find_span(const struct request *q, uint64_t *low, uint64_t *high)
{
    const uint64_t stride = q->t->strides->step[q->t->rank - 1];
    *low = UINT64_MAX;
    *high = 0;
    for (size_t done = 0; done < q->count;) {
        const size_t n = run_length(q->t, q->first + done, q->count - done);
        const uint64_t start = position(q->t, q->first + done),
                       end = start + (n - 1) * stride;
        *low = start < *low ? start : *low;
        *high = end > *high ? end : *high;
        done += n;
    }
}

/* Puts the elements at positions [base, base + n) of the window into dst. */
static void scatter(const struct request *q, const char *window, uint64_t base,
                    uint64_t n, char *dst)
{
    const uint64_t stride = q->t->strides->step[q->t->rank - 1];
    for (size_t done = 0; done < q->count;) {
        const size_t run = run_length(q->t, q->first + done, q->count - done);
        uint64_t at = position(q->t, q->first + done);
        for (size_t i = 0; i < run; i++, at += stride)
            if (at >= base && at - base < n)
                memcpy(dst + (done + i) * q->width, window + (at - base) * q->width,
                       q->width);
        done += run;
    }
}

static enum i8_status gather_singly(struct i8i_source *source, const struct request *q,
                                    char *dst, struct i8_error *err)
{
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < q->count && st == I8_OK; i++)
        st = i8i_source_read_at(source, dst + i * q->width, q->width,
                                q->t->offset + position(q->t, q->first + i) * q->width,
                                err);
    return st;
}

static enum i8_status gather(struct i8i_source *source, const struct request *q,
                             char *dst, struct i8_error *err)
{
    uint64_t low, high;
    find_span(q, &low, &high);
    const uint64_t per_window = WINDOW / q->width, span = high - low + 1;
    if (span / FAR_APART > q->count)
        return gather_singly(source, q, dst, err);
    const uint64_t most = span < per_window ? span : per_window;
    char *window = malloc((size_t)most * q->width);
    if (window == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    for (uint64_t base = low; base <= high && st == I8_OK; base += most) {
        const uint64_t n = high - base + 1 < most ? high - base + 1 : most;
        st = i8i_source_read_at(source, window, (size_t)n * q->width,
                                q->t->offset + base * q->width, err);
        if (st == I8_OK)
            scatter(q, window, base, n, dst);
    }
    free(window);
    return st;
}

enum i8_status i8i_strided_read(struct i8i_source *source, const struct i8i_tensor *t,
                                void *dst, uint64_t offset, size_t n,
                                struct i8_error *err)
{
    const size_t width = i8_dtype_bits(t->dtype) / 8;
    const struct request q = {
        .t = t, .first = offset / width, .count = n / width, .width = width};
    return n == 0 ? I8_OK : gather(source, &q, dst, err);
}
