/* SPDX-License-Identifier: Apache-2.0
 *
 * How the addresses of files are made, and how long a signed one is good.
 */
#ifndef I8I_HUB_URL_EXPIRY_H
#define I8I_HUB_URL_EXPIRY_H

#include "hub/api.h"

/* ENDPOINT/ID/resolve/REVISION/PATH, escaped. The caller frees. */
enum i8_status i8i_resolve_url(char **out, const struct i8i_http *http,
                               const struct i8i_repo_id *repo, const char *revision,
                               const char *path, struct i8_error *err) I8I_MUST_CHECK;

/* The moment in seconds since 1970 after which the address is refused: Expires=N
 * (CloudFront), or X-Amz-Date=YYYYMMDDTHHMMSSZ with X-Amz-Expires=N (S3); the earlier
 * one. 0: it does not say. */
double i8i_url_expiry(const char *url);

#endif
