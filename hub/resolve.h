/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bytes of one file are: HEAD /ID/resolve/REVISION/PATH, whose answer (or
 * redirect: a CDN knows none of it) tells hash and size.
 */
#ifndef I8I_HUB_RESOLVE_H
#define I8I_HUB_RESOLVE_H

#include "hub/api.h"

struct i8i_resolved {
    char etag[I8I_HASH_HEX]; /* 40 or 64 hex digits: W/ and quotes removed */
    uint64_t size;
    char *url;        /* where to GET; may be signed: not for messages or logs */
    bool elsewhere;   /* url is not the endpoint's: no token goes there */
    double expires_s; /* by i8i_monotonic_s(), with the server's clock accounted for;
                         HUGE_VAL: not said */
};

/* Follows relative redirects and those to the endpoint itself (renamed repositories, the
 * Hub's cache for small files), ten at most, and stops at the first that leads elsewhere
 * and carries the file's hash. Repeats what may pass. Refuses answers without hash or
 * size. Freed by i8i_resolved_free, also after failure. */
enum i8_status i8i_resolve(struct i8i_resolved *out, struct i8i_http *http,
                           const struct i8i_repo_id *repo, const char *commit,
                           const char *path, struct i8_error *err) I8I_MUST_CHECK;
void i8i_resolved_free(struct i8i_resolved *r); /* a zeroed one is fine */

#endif
