/* SPDX-License-Identifier: Apache-2.0
 *
 * GET of a document of the Hub's API, redirects to itself included.
 */
#ifndef I8I_HUB_HUB_API_H
#define I8I_HUB_HUB_API_H

#include "hub/api.h"

/* Repeats what may pass, follows redirects within the endpoint (a renamed repository).
 * *url is replaced by the address that answered. I8_OK: r->status is 200. */
enum i8_status i8i_hub_get(struct i8i_http_response *r, struct i8i_http *http, char **url,
                           size_t cap, const struct i8i_repo_id *repo,
                           enum i8i_hub_reason *reason,
                           struct i8_error *err) I8I_MUST_CHECK;

/* Is this a redirect that can be followed? *location is then borrowed from r. */
bool i8i_http_redirect(const char **location, const struct i8i_http_response *r);
#define I8I_REDIRECTS_MAX 10

#endif
