/* SPDX-License-Identifier: Apache-2.0
 *
 * Composing error messages and log lines. Text that reaches a terminal passes through
 * make_printable(), because names in it come from files that nobody vouches for.
 */
#include "config.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Replaces control characters and bytes that are not UTF-8 by '?'. A sequence that the
 * end of a full buffer cut in two is dropped. */
static void make_printable(char *text, bool truncated)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t used = i8i_utf8_decode(text + i, n - i, &cp);
        if (used == 0 && truncated && n - i < 4) {
            text[i] = '\0';
            return;
        }
        if (used == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
            memset(text + i, '?', used == 0 ? 1 : used);
            i += used == 0 ? 1 : used;
        } else {
            i += used;
        }
    }
}

static void compose(char out[I8_ERROR_MAX], const char *fmt, va_list args)
{
    int n = vsnprintf(out, I8_ERROR_MAX, fmt, args);
    if (n < 0)
        out[0] = '\0';
    make_printable(out, n >= I8_ERROR_MAX);
}

enum i8_status i8i_fail(struct i8_error *err, enum i8_status status, const char *fmt, ...)
{
    if (err == NULL)
        return status;
    /* The arguments may point into err->message, so it is not composed in place. */
    char text[I8_ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    compose(text, fmt, args);
    va_end(args);
    err->status = status;
    memcpy(err->message, text, strlen(text) + 1);
    return status;
}

enum i8_status i8i_fail_errno(struct i8_error *err, int errnum, const char *fmt, ...)
{
    enum i8_status status = I8_ERR_IO;
    if (errnum == ENOMEM)
        status = I8_ERR_NOMEM;
    else if (errnum == ENOSPC || errnum == EDQUOT)
        status = I8_ERR_NOSPACE;
    char text[I8_ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    compose(text, fmt, args);
    va_end(args);
    return i8i_fail(err, status, "%s: %s", text, strerror(errnum));
}

enum i8_status i8i_nomem(struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_NOMEM, "out of memory");
}

void i8i_error_prefix(struct i8_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    char text[I8_ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    compose(text, fmt, args);
    va_end(args);
    i8i_fail(err, err->status, "%s: %s", text, err->message);
}

/* i8_log promises one call at a time; the library's threads talk through many copies of
 * the pointer, but only here. */
static pthread_mutex_t talking = PTHREAD_MUTEX_INITIALIZER;

void i8i_log(const struct i8_log *log, enum i8_log_level level, const char *fmt, ...)
{
    if (log == NULL || log->write == NULL)
        return;
    char text[I8_ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    compose(text, fmt, args);
    va_end(args);
    (void)pthread_mutex_lock(&talking);
    log->write(log->ctx, level, text);
    (void)pthread_mutex_unlock(&talking);
}

bool i8i_progress(const struct i8_progress *progress, const char *what,
                  unsigned long long done, unsigned long long total, const char *unit)
{
    return progress && progress->update &&
           progress->update(progress->ctx, what, done, total, unit) != 0;
}
