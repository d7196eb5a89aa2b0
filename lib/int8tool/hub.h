/* SPDX-License-Identifier: Apache-2.0
 *
 * Pulling a repository from the Hub into the cache that Python's huggingface_hub uses, or
 * into a folder. docs/hub.md says what is sent, what is written, and what happens when
 * something fails.
 *
 * A file gets its name only when its hash is what the Hub says. A pull that was stopped,
 * in whatever way, goes on where it was when it is called again. Several pulls of one
 * repository, in one process or in many, share the work.
 */
#ifndef INT8TOOL_HUB_H
#define INT8TOOL_HUB_H

#include <int8tool/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- progress ---- */

enum i8_hub_activity {
    I8_HUB_FETCHING,
    I8_HUB_RETRYING, /* waits before another attempt */
    I8_HUB_WAITING,  /* another process is fetching it */
    I8_HUB_HASHING,  /* all bytes are there */
};

struct i8_hub_running {
    const char *name;
    uint64_t done_bytes, bytes;
    unsigned connections;
    enum i8_hub_activity activity;
};

struct i8_hub_state {
    const char *stage;          /* "asking the Hub", "checking", "downloading" */
    uint64_t done_bytes, bytes; /* of the stage; bytes 0: not known */
    uint64_t fetched_bytes;     /* that came over the network so far */
    size_t done_files, files;   /* of the stage */
    const struct i8_hub_running *running;
    size_t n_running;
};

/* About ten times a second, from one thread at a time; everything in `state` is borrowed
 * for the call. Non-zero asks the pull to stop, which then fails with I8_ERR_CANCELLED
 * and can be taken up later. */
struct i8_hub_progress {
    int (*update)(void *ctx, const struct i8_hub_state *state);
    void *ctx;
};

/* ---- pull ---- */

struct i8_hub_pull_options {
    const char *repository;     /* "org/name[@revision]", "hub:name"; revision: main */
    const char *const *include; /* patterns as Python's fnmatch, NULL-terminated; NULL or
                                 * none: all files of one weight format */
    const char *const *exclude;
    const char *cache_dir;    /* NULL: as Python's client (HF_HUB_CACHE, HF_HOME …) */
    const char *local_dir;    /* NULL: into the cache */
    unsigned connections;     /* the most at a time, over all files; 0: 16 */
    bool offline;             /* ask nobody: say what the cache has, or what it lacks */
    bool verify;              /* hash what is there already; fetch again what is wrong */
    const struct i8_log *log; /* may be NULL */
    const struct i8_hub_progress *progress; /* may be NULL */
};

struct i8_hub_pulled {
    const char *name; /* in the repository */
    const char *path; /* on the disk */
    uint64_t bytes;
    char sha256[65];   /* of the content, lower-case hex */
    bool from_network; /* else it was there */
};

struct i8_hub_pull_result {
    char *path;                  /* the snapshot's folder, or local_dir; absolute */
    char commit[41];             /* lower-case hex */
    struct i8_hub_pulled *files; /* sorted by name, bytewise */
    size_t n_files;
    size_t files_left_out; /* weights that `files` has in another format */
    uint64_t bytes_left_out;
    uint64_t downloaded_bytes; /* over the network, in this call */
    double seconds;
};

/* Endpoint, token, cache and more are taken from the environment as Python's client does
 * (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE …), proxies and certificates from curl's
 * variables. Blocks until everything is there and checked, or fails with one line; what
 * is there by then stays. Thread-safe; *result is freed by i8_hub_pull_result_free, also
 * after a failure. */
enum i8_status i8_hub_pull(struct i8_hub_pull_result *result,
                           const struct i8_hub_pull_options *options,
                           struct i8_error *err);
void i8_hub_pull_result_free(
    struct i8_hub_pull_result *result); /* a zeroed one is fine */

#ifdef __cplusplus
}
#endif
#endif
