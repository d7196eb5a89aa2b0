/* SPDX-License-Identifier: Apache-2.0
 *
 * From "org/name" and a revision to a tree: the commit is asked for once, and all else is
 * read by it, so that a branch that moves meanwhile changes nothing.
 */
#include "config.h"

#include "hub/remote_tree.h"
#include "source/model_source.h"

#include <int8tool/remote.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One for the process; what it opened lives as long as the models do. */
static struct hub_access {
    pthread_mutex_t lock;
    const struct i8_log *log;
    bool configured;
    struct i8i_hub_settings settings;
    struct i8i_http *http; /* NULL: offline */
    bool reached;          /* the Hub has answered */
} access_to_hub = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Reads the settings and opens the client, once (under the lock). */
static enum i8_status configure(struct hub_access *h, struct i8_error *err)
{
    if (h->configured)
        return I8_OK;
    enum i8_status st = i8i_hub_settings_from_environment(&h->settings, err);
    if (st == I8_OK && !h->settings.offline)
        st = i8i_http_open(&h->http, &h->settings, h->log, err);
    if (st != I8_OK)
        i8i_hub_settings_free(&h->settings);
    h->configured = st == I8_OK;
    return st;
}

/* Somebody who has mistyped a path, on a machine without network, is not kept waiting
 * through all attempts. */
#define FIRST_CONTACT_RETRIES 1u

static enum i8_status ask_commit(struct hub_access *h,
                                 struct i8i_remote_tree_parts *parts,
                                 struct i8_error *err)
{
    (void)pthread_mutex_lock(&h->lock);
    /* Nothing else can be asking before the first answer. */
    const unsigned retries = h->settings.retries;
    if (!h->reached && retries > FIRST_CONTACT_RETRIES)
        h->settings.retries = FIRST_CONTACT_RETRIES;
    enum i8i_hub_reason reason = I8I_HUB_FINE;
    enum i8_status st =
        i8i_hub_commit(parts->commit, parts->http, &parts->repo, &reason, err);
    h->settings.retries = retries;
    h->reached = h->reached || st == I8_OK || reason != I8I_HUB_UNREACHABLE;
    (void)pthread_mutex_unlock(&h->lock);
    return st;
}

static enum i8_status open_commit(struct i8i_tree **out, struct hub_access *h,
                                  struct i8i_remote_tree_parts *parts,
                                  struct i8_error *err)
{
    struct i8i_hub_listing listing = {0};
    if (h->settings.offline)
        return i8i_fail(err, I8_ERR_NETWORK, "%s: the Hub is not asked (offline)",
                        parts->repo.id);
    enum i8_status st = ask_commit(h, parts, err);
    if (st == I8_OK)
        st = i8i_hub_list(&listing, parts->http, &parts->repo, parts->commit, NULL, err);
    if (st == I8_OK)
        return i8i_remote_tree_new(out, parts, &listing, err);
    i8i_hub_listing_free(&listing);
    return st;
}

static enum i8_status open_repository(void *ctx, struct i8i_tree **out,
                                      const char *repository, const char *revision,
                                      struct i8_error *err)
{
    struct hub_access *h = ctx;
    *out = NULL;
    char *text =
        i8i_format("%s%s%s", repository, revision ? "@" : "", revision ? revision : "");
    if (text == NULL)
        return i8i_nomem(err);
    (void)pthread_mutex_lock(&h->lock);
    enum i8_status st = configure(h, err);
    (void)pthread_mutex_unlock(&h->lock);
    struct i8i_remote_tree_parts parts = {.http = h->http,
                                          .named = revision != NULL,
                                          .connections = h->settings.connections};
    if (st == I8_OK)
        st = i8i_repo_id_parse(&parts.repo, text, err);
    if (st == I8_OK)
        st = open_commit(out, h, &parts, err);
    free(text);
    return st;
}

void i8_hub_enable(const struct i8_log *log)
{
    const struct i8i_remote remote = {.open = open_repository, .ctx = &access_to_hub};
    access_to_hub.log = log;
    i8i_remote_register(&remote);
}

void i8_hub_disable(void)
{
    struct hub_access *h = &access_to_hub;
    i8i_remote_register(NULL);
    i8i_http_close(h->http);
    if (h->configured)
        i8i_hub_settings_free(&h->settings);
    h->http = NULL;
    h->configured = false;
    h->log = NULL;
}
