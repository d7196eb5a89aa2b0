/* SPDX-License-Identifier: Apache-2.0
 *
 * Names on the Hub: "org/name", "org/name@revision", "hub:org/name", and how they are
 * written into an address. The rules are those of huggingface_hub
 * (utils/_validators.py): a name or "org/name" of letters, digits, '_', '-' and '.',
 * 96 at most in each part, neither beginning nor ending in '-' or '.', without "--" or
 * "..", not ending in ".git".
 */
#ifndef I8I_HUB_REPO_ID_H
#define I8I_HUB_REPO_ID_H

#include "base/error.h"
#include <stdbool.h>

#define I8I_REPO_ID_MAX  194 /* "org/name" and NUL, two parts of 96 */
#define I8I_REVISION_MAX 256 /* and NUL; a git ref is shorter in practice */
#define I8I_COMMIT_HEX   41  /* 40 hex digits and NUL */

struct i8i_repo_id {
    char id[I8I_REPO_ID_MAX];        /* "org/name" or a canonical "gpt2" */
    char revision[I8I_REVISION_MAX]; /* "main" if none was given */
};

/* Reads MODEL's "org/name[@revision]", with or without "hub:" before it. I8_ERR_ARG says
 * which rule is broken. A revision is a git ref or commit: no control characters, spaces,
 * "..", and none of ~^:?*[\ ; slashes are allowed ("refs/pr/1"). */
enum i8_status i8i_repo_id_parse(struct i8i_repo_id *out, const char *text,
                                 struct i8_error *err) I8I_MUST_CHECK;
/* 40 lower-case hex digits? false for NULL. */
bool i8i_is_commit(const char *text);

/* Percent-escaped; '/' is kept if keep_slash (a file's path), escaped if not (a revision:
 * "refs/pr/1" → "refs%2Fpr%2F1"). Unreserved characters of RFC 3986 stay. NULL without
 * memory; the caller frees. */
char *i8i_url_escape(const char *text, bool keep_slash) I8I_MUST_CHECK;

#endif
