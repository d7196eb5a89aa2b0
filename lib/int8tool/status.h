/* SPDX-License-Identifier: Apache-2.0
 *
 * Status codes and the error record that every fallible call fills.
 *
 * Functions that can fail return enum i8_status, take their results by
 * out-parameter first and a `struct i8_error *err` last. err may be NULL. On
 * success err is left alone. On failure the out-parameters are in a state that
 * their free function accepts.
 */
#ifndef INT8TOOL_STATUS_H
#define INT8TOOL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum i8_status {
    I8_OK = 0,
    I8_ERR_ARG = 1,         /* a malformed request: the caller's words are off (exit 2) */
    I8_ERR_IO = 2,          /* the system refused: open, read, write, no such file */
    I8_ERR_DATA = 3,        /* a file says something false or breaks its format */
    I8_ERR_UNSUPPORTED = 4, /* well-formed, but of a kind that is not handled */
    I8_ERR_NOMEM = 5,       /* out of memory, or a stated cap would be passed */
    I8_ERR_NOSPACE = 6,     /* no space left on the device */
    I8_ERR_REFUSED = 7,     /* possible, but refused unless asked for (overwrite, NaN) */
    I8_ERR_NETWORK = 8,     /* the Hub could not be reached or answered nonsense */
    I8_ERR_DEVICE = 9,      /* no such GPU, or the driver failed */
    I8_ERR_CANCELLED = 10,  /* the caller's cancel flag was seen */
};

#define I8_ERROR_MAX 1024

/* What went wrong, in one line of UTF-8 without a trailing newline: it names the
 * file, the tensor or option, what was expected and what was found. Owned by the
 * caller, one per thread of work. */
struct i8_error {
    enum i8_status status;
    char message[I8_ERROR_MAX];
};

/* A short name of a status ("I/O error"); never NULL, static. */
const char *i8_status_name(enum i8_status status);

/* Talk that is no error: warnings and notes. `message` is one line without a
 * newline, valid during the call. May be called from any thread of the library's
 * pool, one call at a time. */
enum i8_log_level { I8_LOG_WARNING = 0, I8_LOG_NOTE = 1, I8_LOG_DEBUG = 2 };
struct i8_log {
    void (*write)(void *ctx, enum i8_log_level level, const char *message);
    void *ctx;
};

/* Progress of long work, in bytes or steps (`unit`: "B", "windows" …). Called from
 * one thread at a time; returning non-zero asks the work to stop, which then fails
 * with I8_ERR_CANCELLED and leaves nothing false behind. */
struct i8_progress {
    int (*update)(void *ctx, const char *what, unsigned long long done,
                  unsigned long long total, const char *unit);
    void *ctx;
};

/* The library's version, "0.1.0". */
const char *i8_version(void);

#ifdef __cplusplus
}
#endif
#endif
