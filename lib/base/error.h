/* SPDX-License-Identifier: Apache-2.0
 *
 * How the library says that something failed: the message is composed once, where
 * it fails, into the caller's struct i8_error. Each function returns the status, so
 * that `return i8i_fail(err, I8_ERR_DATA, "…")` is the whole error path.
 */
#ifndef I8I_BASE_ERROR_H
#define I8I_BASE_ERROR_H

#include <int8tool/status.h>
#include <stdbool.h>

#define I8I_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define I8I_MUST_CHECK        __attribute__((warn_unused_result))

/* Sets *err (if not NULL) and returns `status`. Control characters in the composed
 * text are replaced by '?', so that a name from a file cannot forge a second line. */
enum i8_status i8i_fail(struct i8_error *err, enum i8_status status, const char *fmt, ...)
    I8I_PRINTF(3, 4);

/* As i8i_fail, with ": strerror(errnum)" appended; the status follows errnum:
 * ENOMEM → NOMEM, ENOSPC and EDQUOT → NOSPACE, all else → IO. */
enum i8_status i8i_fail_errno(struct i8_error *err, int errnum, const char *fmt, ...)
    I8I_PRINTF(3, 4);

/* "out of memory". */
enum i8_status i8i_nomem(struct i8_error *err);

/* Puts "prefix: " before the message of a failure that is passing upwards. */
void i8i_error_prefix(struct i8_error *err, const char *fmt, ...) I8I_PRINTF(2, 3);

/* Talk: composes the line and hands it to log->write, one call at a time; nothing if log
 * is NULL. */
void i8i_log(const struct i8_log *log, enum i8_log_level level, const char *fmt, ...)
    I8I_PRINTF(3, 4);

/* Tells how far work has come, if anybody listens. True: it is to stop. */
bool i8i_progress(const struct i8_progress *progress, const char *what,
                  unsigned long long done, unsigned long long total, const char *unit);

#endif
