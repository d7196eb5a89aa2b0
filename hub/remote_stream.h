/* SPDX-License-Identifier: Apache-2.0
 *
 * What remote_file.c (the address) and remote_stream.c (the bytes) share.
 */
#ifndef I8I_HUB_REMOTE_STREAM_H
#define I8I_HUB_REMOTE_STREAM_H

#include "hub/remote_file.h"

#include <pthread.h>

struct i8i_remote_file {
    struct i8i_http *http;
    struct i8i_repo_id repo;
    char commit[I8I_REVISION_MAX];
    char *path;
    char *what; /* "org/name/path", for messages */
    char hash[I8I_HASH_HEX];
    uint64_t size;
    pthread_mutex_t lock; /* of what follows */
    char *url;            /* NULL: not asked for yet */
    bool elsewhere;
    double expires_s;
    unsigned generation;     /* of url */
    struct i8_error failure; /* of resolving: final, for all threads */
};

struct i8i_address {
    char *url; /* a copy; the caller frees */
    bool elsewhere;
    unsigned generation;
};

/* A usable address. `stale` (may be NULL): one that was refused; unless another thread
 * has renewed it meanwhile, the Hub is asked again. */
enum i8_status i8i_remote_address(struct i8i_remote_file *f, struct i8i_address *out,
                                  const unsigned *stale,
                                  struct i8_error *err) I8I_MUST_CHECK;

#endif
