/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked allocation, the capped buffer and the arena.
 */
#include "config.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64 /* a cache line, and an AVX-512 register */

void *i8i_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) /* sanitizers' calloc would abort */
        return NULL;
    return calloc(bytes == 0 ? 1 : bytes, 1);
}

bool i8i_grow(void *array_ptr, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    size_t grown = *capacity < 8 ? 8 : *capacity + *capacity / 2;
    if (grown < need)
        grown = need;
    size_t bytes;
    if (__builtin_mul_overflow(grown, size, &bytes))
        return false;
    /* The caller's pointer has some other type than void *: it is moved as bytes. */
    void *old;
    memcpy(&old, array_ptr, sizeof old);
    void *array = realloc(old, bytes);
    if (array == NULL)
        return false;
    memcpy(array_ptr, &array, sizeof array);
    *capacity = grown;
    return true;
}

void *i8i_aligned_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return aligned_alloc(ALIGNMENT, rounded == 0 ? ALIGNMENT : rounded);
}

char *i8i_strdup(const char *s)
{
    return i8i_strndup(s, strlen(s));
}

char *i8i_strndup(const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = malloc(n + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

bool i8i_ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && memcmp(text + n - k, end, k) == 0;
}

size_t i8i_length_before(const char *text, const char *end)
{
    return i8i_ends_with(text, end) ? strlen(text) - strlen(end) : 0;
}

char *i8i_format(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text;
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

/* ---- buffer ---- */

void i8i_buffer_init(struct i8i_buffer *b, size_t cap)
{
    *b = (struct i8i_buffer){.cap = cap};
}

void i8i_buffer_free(struct i8i_buffer *b)
{
    free(b->data);
    i8i_buffer_init(b, b->cap);
}

/* Room for n more bytes and the NUL, or the latch. */
static bool reserve(struct i8i_buffer *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > b->cap - b->length || b->length + n == SIZE_MAX ||
        !i8i_grow(&b->data, &b->capacity, b->length + n + 1, 1)) {
        b->failed = true;
        return false;
    }
    return true;
}

void i8i_buffer_append(struct i8i_buffer *b, const void *bytes, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->data + b->length, bytes, n);
    b->length += n;
    b->data[b->length] = '\0';
}

void i8i_buffer_puts(struct i8i_buffer *b, const char *s)
{
    i8i_buffer_append(b, s, strlen(s));
}

void i8i_buffer_printf(struct i8i_buffer *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        b->failed = true;
    if (n < 0 || !reserve(b, (size_t)n))
        return;
    va_start(args, fmt);
    vsnprintf(b->data + b->length, (size_t)n + 1, fmt, args);
    va_end(args);
    b->length += (size_t)n;
}

char *i8i_buffer_take(struct i8i_buffer *b, size_t *length)
{
    i8i_buffer_append(b, "", 0); /* an empty buffer, too, gives a string */
    char *data = b->failed ? NULL : b->data;
    if (data == NULL)
        free(b->data);
    else if (length != NULL)
        *length = b->length;
    i8i_buffer_init(b, b->cap);
    return data;
}

/* ---- arena ---- */

#define ARENA_CHUNK ((size_t)64 << 10)

struct i8i_arena_chunk {
    struct i8i_arena_chunk *next;
    size_t used, size;
    max_align_t data[];
};

/* n bytes at a multiple of `unit`. */
static void *arena_take(struct i8i_arena *a, size_t n, size_t unit)
{
    if (n > SIZE_MAX - sizeof(struct i8i_arena_chunk))
        return NULL;
    struct i8i_arena_chunk *c = a->chunks;
    size_t at = c != NULL ? (c->used + unit - 1) / unit * unit : 0;
    if (c == NULL || at > c->size || c->size - at < n) {
        size_t size = n > ARENA_CHUNK ? n : ARENA_CHUNK;
        c = calloc(1, sizeof *c + size);
        if (c == NULL)
            return NULL;
        c->size = size;
        /* A chunk of one big item goes behind the one that still has room. */
        if (a->chunks != NULL && size > ARENA_CHUNK) {
            c->next = a->chunks->next;
            a->chunks->next = c;
        } else {
            c->next = a->chunks;
            a->chunks = c;
        }
        at = 0;
    }
    c->used = at + n;
    return (char *)c->data + at;
}

void *i8i_arena_alloc(struct i8i_arena *a, size_t n)
{
    return arena_take(a, n, _Alignof(max_align_t));
}

char *i8i_arena_chars(struct i8i_arena *a, size_t n)
{
    return arena_take(a, n, 1);
}

char *i8i_arena_strdup(struct i8i_arena *a, const char *s)
{
    size_t n = strlen(s);
    char *copy = i8i_arena_chars(a, n + 1);
    if (copy != NULL)
        memcpy(copy, s, n);
    return copy;
}

void i8i_arena_free(struct i8i_arena *a)
{
    while (a->chunks != NULL) {
        struct i8i_arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
}
