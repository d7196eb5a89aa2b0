/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Hub's client is told from outside: where the Hub is, who asks, where the cache
 * lies, how long to wait. One function reads it from the environment (hub_env.c, the only
 * file in this folder that may), as Python's client does; tests fill it by hand.
 */
#ifndef I8I_HUB_SETTINGS_H
#define I8I_HUB_SETTINGS_H

#include "base/error.h"
#include <stdbool.h>

/* Strings are owned by the struct (malloc'ed). Zero is a valid value of every member that
 * i8i_http_open needs no answer for. */
struct i8i_hub_settings {
    char *endpoint;  /* "https://huggingface.co": scheme, host, port, no trailing slash */
    char *token;     /* without "Bearer "; NULL: none is sent */
    char *cache_dir; /* …/huggingface/hub; NULL when no home is known */
    char *ca_file;   /* PEM; NULL: libcurl's own */
    char *ca_dir;
    char *origin;           /* appended to the user agent; NULL: nothing */
    bool offline;           /* no request at all is sent */
    bool disable_symlinks;  /* the cache is to hold files, not links */
    unsigned api_timeout_s; /* to connect and for each answer of the Hub itself */
    unsigned
        download_timeout_s; /* a data connection that is silent for so long is dead */
    unsigned retries;       /* attempts after the first one that make no progress */
    unsigned first_retries; /* the same, before the Hub has answered at all */
    unsigned retry_base_ms; /* the first wait; doubled each time up to 30 s */
    unsigned connections;   /* the most data connections at a time, over all files */
    /* Downloads are synced to the disk before they get their names (and journalled as
     * synced as they go). Off: a power cut may cost a file that was reported complete. */
    bool durable;
};

#define I8I_HUB_ENDPOINT    "https://huggingface.co"
#define I8I_HUB_CONNECTIONS 16

/* Defaults, overridden by
 *   HF_ENDPOINT                        endpoint
 *   HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME   cache_dir
 *   HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HOME/token,
 *   HF_HUB_DISABLE_IMPLICIT_TOKEN      token
 *   HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE                                 offline
 *   HF_HUB_DISABLE_SYMLINKS            disable_symlinks
 *   HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT                         timeouts
 *   HF_HUB_USER_AGENT_ORIGIN           origin
 *   CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR                          CA
 * A malformed value is an I8_ERR_ARG that names the variable; an unreadable token file is
 * an I8_ERR_IO; one that does not exist is no token. Proxies are libcurl's to read. */
enum i8_status i8i_hub_settings_from_environment(struct i8i_hub_settings *s,
                                                 struct i8_error *err) I8I_MUST_CHECK;
/* Also overwrites the token's bytes. Accepts a zeroed struct, and one half filled. */
void i8i_hub_settings_free(struct i8i_hub_settings *s);

#endif
