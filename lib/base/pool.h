/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool of worker threads. Work is a counted loop: items are handed out one by one,
 * so which thread does which item is open; results must not depend on it.
 */
#ifndef I8I_BASE_POOL_H
#define I8I_BASE_POOL_H

#include "base/error.h"
#include <stddef.h>

struct i8i_pool;

/* `threads` ≥ 1 counts the caller, which works too; 0 means i8i_processors()
 * (base/limits.h).
 * The pool belongs to one thread at a time. */
enum i8_status i8i_pool_new(struct i8i_pool **out, unsigned threads,
                            struct i8_error *err) I8I_MUST_CHECK;
void i8i_pool_free(struct i8i_pool *p); /* NULL is fine */
unsigned i8i_pool_threads(const struct i8i_pool *p);

/* Runs fn(ctx, item, thread) for every item in [0, items), thread in
 * [0, i8i_pool_threads()); returns when all are done. p may be NULL (runs inline).
 * Not reentrant: fn must not call it on the same pool. */
void i8i_pool_run(struct i8i_pool *p, size_t items,
                  void (*fn)(void *ctx, size_t item, unsigned thread), void *ctx);

#endif
