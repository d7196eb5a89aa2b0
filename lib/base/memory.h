/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked arithmetic, checked allocation and the capped growable buffer. Sizes that
 * come from a file pass through these before they reach malloc or an offset.
 */
#ifndef I8I_BASE_MEMORY_H
#define I8I_BASE_MEMORY_H

#include "base/error.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a op b; false (and *out untouched) when it does not fit. */
static inline bool i8i_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}
static inline bool i8i_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* count × size bytes, zeroed; NULL when that overflows or there is no memory.
 * count or size 0 gives a non-NULL pointer. free() releases it. */
void *i8i_calloc(size_t count, size_t size) I8I_MUST_CHECK;

/* Grows an array geometrically so that it holds `need` elements: *array and
 * *capacity are updated, contents kept; on failure both are untouched. */
bool i8i_grow(void *array_ptr, size_t *capacity, size_t need, size_t size) I8I_MUST_CHECK;

/* For big operands: `bytes` aligned to 64, contents undefined; free() releases it. */
void *i8i_aligned_alloc(size_t bytes) I8I_MUST_CHECK;

char *i8i_strdup(const char *s) I8I_MUST_CHECK;
char *i8i_strndup(const char *s, size_t n) I8I_MUST_CHECK;
bool i8i_ends_with(const char *text, const char *end);
/* The length of what stands before `end`; 0 if the text does not end with that, or is
 * nothing else. */
size_t i8i_length_before(const char *text, const char *end);
/* A string composed as by printf; NULL without memory. free() releases it. */
char *i8i_format(const char *fmt, ...) I8I_PRINTF(1, 2) I8I_MUST_CHECK;

/* A byte buffer that grows up to `cap` bytes and then fails: errors latch, so a
 * writer appends freely and asks once at the end. `data` is always NUL-terminated
 * behind `length`. */
struct i8i_buffer {
    char *data;
    size_t length;
    size_t capacity;
    size_t cap;
    bool failed;
};
void i8i_buffer_init(struct i8i_buffer *b, size_t cap);
void i8i_buffer_free(struct i8i_buffer *b);
void i8i_buffer_append(struct i8i_buffer *b, const void *bytes, size_t n);
void i8i_buffer_puts(struct i8i_buffer *b, const char *s);
void i8i_buffer_printf(struct i8i_buffer *b, const char *fmt, ...) I8I_PRINTF(2, 3);
/* Takes the bytes out (caller frees), leaves b empty; NULL if an append failed. */
char *i8i_buffer_take(struct i8i_buffer *b, size_t *length);

/* Many small things that live and die together. Zero-initialise; what it gives is
 * zeroed, aligned for any type, stays where it is, and is released by arena_free. */
struct i8i_arena {
    struct i8i_arena_chunk *chunks;
};
void *i8i_arena_alloc(struct i8i_arena *a, size_t n) I8I_MUST_CHECK;
/* The same for text, which stands without gaps. */
char *i8i_arena_chars(struct i8i_arena *a, size_t n) I8I_MUST_CHECK;
char *i8i_arena_strdup(struct i8i_arena *a, const char *s) I8I_MUST_CHECK;
void i8i_arena_free(struct i8i_arena *a);

#endif
