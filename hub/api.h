/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Hub says about a repository: the commit that a revision stands for, and the
 * files of that commit.
 */
#ifndef I8I_HUB_API_H
#define I8I_HUB_API_H

#include "base/hash.h"
#include "hub/http.h"
#include "hub/repo_id.h"

/* Why the Hub said no; beside the message, for callers that go on differently (a cache
 * that answers offline, a .no_exist mark). */
enum i8i_hub_reason {
    I8I_HUB_FINE = 0,
    I8I_HUB_UNREACHABLE,      /* no connection, 5xx after all attempts, nonsense */
    I8I_HUB_GATED,            /* terms to be accepted on the web page first */
    I8I_HUB_MISSING_REPO,     /* or a private one: the Hub does not tell them apart */
    I8I_HUB_MISSING_REVISION, /* the repository has no such branch, tag or commit */
    I8I_HUB_MISSING_FILE,     /* the commit has no such file */
    I8I_HUB_DISABLED,         /* taken down by the Hub */
    I8I_HUB_BAD_TOKEN,        /* the token is not (or no longer) known */
    I8I_HUB_FORBIDDEN,        /* the token's rights do not reach so far */
    I8I_HUB_OTHER,            /* another status */
};

/* Composes the message for an answer that is no success and returns its status: what was
 * asked for, what the Hub said (X-Error-Message, at most 200 characters), what the user
 * can do, the request id. *reason may be NULL. `path` is the file, or NULL. */
enum i8_status i8i_hub_refusal(enum i8i_hub_reason *reason,
                               const struct i8i_http_response *r, struct i8i_http *http,
                               const struct i8i_repo_id *repo, const char *path,
                               struct i8_error *err);

/* GET /api/models/ID/revision/REVISION → the commit. A revision that is a commit is asked
 * for, too: whether it exists and may be read is then known. *reason may be NULL. */
enum i8_status i8i_hub_commit(char commit[I8I_COMMIT_HEX], struct i8i_http *http,
                              const struct i8i_repo_id *repo, enum i8i_hub_reason *reason,
                              struct i8_error *err) I8I_MUST_CHECK;

struct i8i_hub_file {
    const char *path;            /* plain and relative (i8i_path_is_plain) */
    uint64_t size;               /* of the content, in bytes */
    bool lfs;                    /* hash is the content's SHA-256, else git's SHA-1 */
    char hash[I8I_HASH_HEX];     /* what the content must hash to, and the blob's name */
    char git_oid[I8I_HASH_HEX];  /* git's SHA-1: of the pointer if lfs, else = hash */
    char xet_hash[I8I_HASH_HEX]; /* "" if there is none or it is no 64 hex digits */
};
static inline enum i8i_hash_kind i8i_hub_file_hash(const struct i8i_hub_file *f)
{
    return f->lfs ? I8I_SHA256 : I8I_SHA1;
}

struct i8i_hub_listing {
    struct i8i_hub_file *files; /* sorted by path, bytewise */
    size_t count;
    /* private: */
    size_t capacity;
    struct i8i_arena names;
};

/* Caps of a listing: beyond them it is refused. */
#define I8I_HUB_PAGE_MAX  ((size_t)16 << 20) /* bytes of one page of JSON */
#define I8I_HUB_FILES_MAX ((size_t)200000)
#define I8I_HUB_PAGES_MAX 20000

/* GET /api/models/ID/tree/COMMIT?recursive=true, page by page. Refuses (I8_ERR_DATA)
 * names that are not plain, names given twice, a file where another name needs a folder,
 * entries without size or hash, and a next page on another host. Freed by
 * i8i_hub_listing_free, also after failure. */
enum i8_status i8i_hub_list(struct i8i_hub_listing *out, struct i8i_http *http,
                            const struct i8i_repo_id *repo, const char *commit,
                            enum i8i_hub_reason *reason,
                            struct i8_error *err) I8I_MUST_CHECK;
void i8i_hub_listing_free(struct i8i_hub_listing *l); /* a zeroed one is fine */
/* For those who fill a listing: one file more, of which only the path is set (a copy), or
 * NULL without memory; and the order, when all are there. */
struct i8i_hub_file *i8i_hub_listing_add(struct i8i_hub_listing *l, const char *path);
void i8i_hub_listing_sort(struct i8i_hub_listing *l);
/* NULL if there is none of that path. */
const struct i8i_hub_file *i8i_hub_listing_find(const struct i8i_hub_listing *l,
                                                const char *path);

#endif
