/* SPDX-License-Identifier: Apache-2.0
 *
 * One file of a commit on the Hub, read by ranges from any number of threads. Its address
 * is asked for once, and again when it has expired or is refused; attempts are repeated
 * as docs/hub.md says, each from the byte where the last one broke off.
 */
#ifndef I8I_HUB_REMOTE_FILE_H
#define I8I_HUB_REMOTE_FILE_H

#include "hub/resolve.h"

struct i8i_remote_file; /* thread-safe */

/* Sends nothing yet. `hash` (hex; its length tells its kind) and `size` are what the
 * listing says; an answer of another file is an I8_ERR_DATA. Strings are copied, http is
 * borrowed. */
enum i8_status i8i_remote_file_open(struct i8i_remote_file **out, struct i8i_http *http,
                                    const struct i8i_repo_id *repo, const char *commit,
                                    const char *path, const char *hash, uint64_t size,
                                    struct i8_error *err) I8I_MUST_CHECK;
void i8i_remote_file_close(struct i8i_remote_file *f); /* NULL is fine */
/* Reads exactly n bytes at offset into dst. [offset, offset + n) must lie within the
 * file. A server that ignores ranges is read from the start and the rest thrown away if
 * the start is short (I8I_REMOTE_SKIP_MAX), and is an I8_ERR_UNSUPPORTED otherwise.
 * *refused: the server refuses these bytes at a fresh address, with which it fails, too.
 * A *cancel that is set (NULL: none) ends it early with I8_ERR_CANCELLED. */
#define I8I_REMOTE_SKIP_MAX ((uint64_t)64 << 20)
enum i8_status i8i_remote_file_read(struct i8i_remote_file *f, void *dst, size_t n,
                                    uint64_t offset, const atomic_bool *cancel,
                                    bool *refused, struct i8_error *err) I8I_MUST_CHECK;

/* ---- the same, streaming, for the download engine ---- */

/* How a stream that did not fail ended. */
enum i8i_stream_end {
    I8I_STREAM_DONE,     /* every byte asked for was delivered */
    I8I_STREAM_NO_RANGE, /* the server answered a range with the whole file, and `whole`
                            was not set: nothing was delivered by that answer */
    I8I_STREAM_REFUSED,  /* 400, 403 or 416 on an address that is fresh */
};

struct i8i_stream {
    uint64_t offset, length; /* what is asked for */
    /* Ask for the file as a whole, without a Range; what lies outside [offset, offset +
     * length) is received and thrown away. */
    bool whole;
    /* Gets the bytes in order, `offset` being that of bytes[0] in the file. */
    enum i8_status (*write)(void *ctx, const void *bytes, size_t n, uint64_t offset,
                            struct i8_error *err);
    /* Told before each wait between two attempts and before each new one (may be NULL).
     */
    void (*trouble)(void *ctx, bool waiting, const char *why);
    void *ctx;
    const atomic_bool *cancel; /* may be NULL */
    long *status;              /* of the last answer; may be NULL */
};
enum i8_status i8i_remote_file_stream(struct i8i_remote_file *f,
                                      const struct i8i_stream *stream,
                                      enum i8i_stream_end *end,
                                      struct i8_error *err) I8I_MUST_CHECK;

#endif
