/* SPDX-License-Identifier: Apache-2.0
 *
 * The download engine: many files of one commit, each over several connections, into
 * files that get their names only when their hash is right.
 *
 * A file is written to part_path (preallocated to its size) beside a journal,
 * part_path + ".journal", of the pieces that are complete; docs/hub.md describes it byte
 * by byte. A run that ends in whatever way, SIGKILL and power cuts included, leaves these
 * two, and the next one goes on from them: each piece that was complete is not fetched
 * again. Bytes are hashed in the order of the file while they arrive. When the hash is
 * right the file is synced and renamed to final_path, and the journal removed. When it is
 * wrong, the file is fetched once more from nothing as one sequential stream; if that is
 * wrong too, partial and journal are removed and the run fails.
 */
#ifndef I8I_HUB_DOWNLOAD_H
#define I8I_HUB_DOWNLOAD_H

#include "hub/api.h"

#define I8I_PART_SUFFIX    ".int8part" /* for part_path: BLOB.int8part */
#define I8I_JOURNAL_SUFFIX ".journal"  /* appended to part_path by the engine */

/* One file to fetch. Everything is borrowed until the engine returns. part_path and
 * final_path are on one file system; their folders exist. */
struct i8i_download_file {
    const struct i8i_hub_file *file; /* path, size, hash, as listed */
    const char *part_path;
    const char *final_path; /* an existing file there is replaced */
};

enum i8i_download_begin {
    I8I_BEGIN_FETCH, /* go: the caller holds the file's lock from now on */
    I8I_BEGIN_HAVE,  /* it is there (another process was faster): nothing to do */
    I8I_BEGIN_BUSY,  /* its lock is taken: ask again in half a second */
};

enum i8i_download_state {
    I8I_FILE_QUEUED,
    I8I_FILE_LOCKED,    /* waits for another process (I8I_BEGIN_BUSY) */
    I8I_FILE_RUNNING,   /* bytes arrive, or are hashed */
    I8I_FILE_RETRYING,  /* waits before another attempt */
    I8I_FILE_FINISHING, /* verified: being synced, named, reported */
    I8I_FILE_DONE,
    I8I_FILE_HAD, /* I8I_BEGIN_HAVE */
    I8I_FILE_FAILED,
};

struct i8i_download_status {
    enum i8i_download_state state;
    uint64_t bytes; /* of the file that are there, resumed ones included */
    uint64_t
        fetched_bytes;    /* that came over the network in this run; may pass the size */
    unsigned connections; /* at work for it now */
};

/* What the engine asks and tells. All calls come one at a time, from threads of the
 * engine or the caller's. */
struct i8i_download_events {
    void *ctx;
    /* Before the partial is touched: take the file's lock without waiting, look whether
     * it is there by now. Calls may repeat (BUSY). */
    enum i8_status (*begin)(void *ctx, size_t index, enum i8i_download_begin *answer,
                            struct i8_error *err);
    /* The file stands under final_path, verified: make links, release the lock. A failure
     * is the run's. Not called after HAVE. */
    enum i8_status (*done)(void *ctx, size_t index, struct i8_error *err);
    /* Called once for each file for which begin said FETCH and done was not called (the
     * run failed or was cancelled): release the lock. */
    void (*abandoned)(void *ctx, size_t index);
    /* About ten times a second, on the thread that called i8i_download: all files (in the
     * order of the request). Non-zero cancels. */
    int (*progress)(void *ctx, const struct i8i_download_status *files, size_t count);
};

struct i8i_download_request {
    const struct i8i_repo_id *repo;
    const char *commit;
    const struct i8i_download_file *files;
    size_t count;
    unsigned connections; /* the most at a time, over all files; 0: the settings' */
};

/* Fails before the first byte if the disk is too full. Runs until every file is done, or
 * one has failed for good (the others then stop, and stay resumable), or the run is
 * cancelled (I8_ERR_CANCELLED). *fetched_bytes: what came over the network. */
enum i8_status i8i_download(uint64_t *fetched_bytes, struct i8i_http *http,
                            const struct i8i_download_request *request,
                            const struct i8i_download_events *events,
                            struct i8_error *err) I8I_MUST_CHECK;

#endif
