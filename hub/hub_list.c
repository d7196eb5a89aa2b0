/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a commit, page by page. Everything in a page is the server's word: names
 * become paths on this machine, so each is looked at before it is kept.
 */
#include "config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "hub/hub_api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_BYTES_MAX 4095 /* PATH_MAX less NUL: no such file could be made */
#define HUGGING_FACE   I8I_HUB_ENDPOINT "/"

/* Letters in lower case, for comparing and as a blob's name. */
static bool take_hex(char out[I8I_HASH_HEX], const char *text, size_t n)
{
    if (!i8i_is_hex(text, n))
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static enum i8_status add_file(struct i8i_hub_listing *l, const i8i_json *entry,
                               const struct i8i_repo_id *repo, struct i8_error *err)
{
    const char *path = i8i_json_string(i8i_json_get(entry, "path"));
    if (path == NULL)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: the list of files has an entry without a path", repo->id);
    if (!i8i_path_is_plain(path) || strlen(path) > PATH_BYTES_MAX ||
        !i8i_utf8_is_valid(path, strlen(path)))
        return i8i_fail(
            err, I8_ERR_DATA,
            "%s lists a file '%.200s': refused, since it is no plain relative path",
            repo->id, path);
    const i8i_json *lfs = i8i_json_get(entry, "lfs");
    struct i8i_hub_file f = {.lfs = i8i_json_is_object(lfs)};
    const i8i_json *size = i8i_json_get(entry, "size");
    if (f.lfs && i8i_json_get(lfs, "size") != NULL)
        size = i8i_json_get(lfs, "size");
    const bool sized = i8i_json_u64(&f.size, size);
    const bool named =
        take_hex(f.git_oid, i8i_json_string(i8i_json_get(entry, "oid")), 40) &&
        (f.lfs ? take_hex(f.hash, i8i_json_string(i8i_json_get(lfs, "oid")), 64)
               : take_hex(f.hash, f.git_oid, 40));
    if (!sized || !named)
        return i8i_fail(err, I8_ERR_DATA, "%s: the list of files has no %s for %.200s",
                        repo->id, sized ? "hash" : "size", path);
    /* Some are redacted: only a whole one counts. */
    if (!take_hex(f.xet_hash, i8i_json_string(i8i_json_get(entry, "xetHash")), 64))
        f.xet_hash[0] = '\0';
    if (l->count >= I8I_HUB_FILES_MAX)
        return i8i_fail(err, I8_ERR_DATA, "%s lists more than %zu files", repo->id,
                        I8I_HUB_FILES_MAX);
    struct i8i_hub_file *kept = i8i_hub_listing_add(l, path);
    if (kept == NULL)
        return i8i_nomem(err);
    f.path = kept->path;
    *kept = f;
    return I8_OK;
}

static enum i8_status add_page(struct i8i_hub_listing *l,
                               const struct i8i_http_response *r,
                               const struct i8i_repo_id *repo, struct i8_error *err)
{
    i8i_json *page = NULL;
    enum i8_status st = i8i_json_parse(&page, r->body.data == NULL ? "" : r->body.data,
                                       r->body.length, "the list of files", err);
    if (st == I8_OK && !i8i_json_is_array(page))
        st = i8i_fail(err, I8_ERR_DATA, "the list of files is no list");
    if (st != I8_OK)
        i8i_error_prefix(err, "%s", repo->id);
    const i8i_json *entry = st == I8_OK ? i8i_json_first(page) : NULL;
    for (; entry != NULL && st == I8_OK; entry = i8i_json_next(entry)) {
        const char *type = i8i_json_string(i8i_json_get(entry, "type"));
        if (type == NULL)
            st = i8i_fail(
                err, I8_ERR_DATA,
                "%s: the list of files has an entry that does not say what it is",
                repo->id);
        else if (strcmp(type, "file") == 0)
            st = add_file(l, entry, repo, err);
    }
    i8i_json_free(page);
    return st;
}

/* The address of Link: <ADDRESS>; rel="next", as a copy; NULL if there is no such link.
 * Fails only without memory. */
static bool next_link(char **out, const struct i8i_http_response *r)
{
    *out = NULL;
    const char *p = i8i_http_header(r, "link");
    while (p != NULL && (p = strchr(p, '<')) != NULL) {
        const char *end = strchr(p, '>');
        if (end == NULL)
            return true;
        const size_t parameters = strcspn(end, ",");
        const char *rel = strcasestr(end, "rel=\"next\"");
        if (rel != NULL && rel < end + parameters) {
            *out = i8i_strndup(p + 1, (size_t)(end - p - 1));
            return *out != NULL;
        }
        p = end + parameters;
    }
    return true;
}

/* Replaces *url by the next page's address, or by NULL behind the last one. A mirror may
 * pass on the links of huggingface.co: they are taken to mean the mirror. */
static enum i8_status next_page(char **url, const struct i8i_http_response *r,
                                struct i8i_http *http, const struct i8i_repo_id *repo,
                                struct i8_error *err)
{
    const char *endpoint = i8i_http_settings(http)->endpoint;
    char *link, *next = NULL;
    if (!next_link(&link, r))
        return i8i_nomem(err);
    if (link != NULL && strncmp(link, HUGGING_FACE, sizeof HUGGING_FACE - 1) == 0) {
        char *own = i8i_format("%s/%s", endpoint, link + sizeof HUGGING_FACE - 1);
        free(link);
        link = own;
        if (link == NULL)
            return i8i_nomem(err);
    }
    enum i8_status st = I8_OK;
    if (link != NULL)
        st = i8i_url_join(&next, *url, link, err);
    char text[I8I_URL_TEXT];
    if (st == I8_OK && next != NULL && !i8i_url_same_origin(next, endpoint))
        st = i8i_fail(err, I8_ERR_DATA,
                      "%s: the list of files goes on at another host, %s: refused",
                      repo->id, i8i_url_text(text, next));
    if (st == I8_OK && next != NULL && strcmp(next, *url) == 0)
        st = i8i_fail(err, I8_ERR_DATA,
                      "%s: the list of files has a page that follows itself", repo->id);
    free(link);
    if (st != I8_OK) {
        free(next);
        return st;
    }
    free(*url);
    *url = next;
    return I8_OK;
}

/* A name may stand once, and not be the folder of another. */
static enum i8_status check_names(const struct i8i_hub_listing *l,
                                  const struct i8i_repo_id *repo, struct i8_error *err)
{
    for (size_t i = 0; i < l->count; i++) {
        const char *path = l->files[i].path;
        if (i > 0 && strcmp(l->files[i - 1].path, path) == 0)
            return i8i_fail(err, I8_ERR_DATA, "%s lists %.200s twice", repo->id, path);
        for (const char *slash = strchr(path, '/'); slash != NULL;
             slash = strchr(slash + 1, '/')) {
            char *folder = i8i_strndup(path, (size_t)(slash - path));
            if (folder == NULL)
                return i8i_nomem(err);
            const bool is_file = i8i_hub_listing_find(l, folder) != NULL;
            free(folder);
            if (is_file)
                return i8i_fail(err, I8_ERR_DATA,
                                "%s lists %.200s, whose folder is a file", repo->id,
                                path);
        }
    }
    return I8_OK;
}

enum i8_status i8i_hub_list(struct i8i_hub_listing *out, struct i8i_http *http,
                            const struct i8i_repo_id *repo, const char *commit,
                            enum i8i_hub_reason *reason, struct i8_error *err)
{
    *out = (struct i8i_hub_listing){0};
    if (reason != NULL)
        *reason = I8I_HUB_OTHER;
    char *url = i8i_format("%s/api/models/%s/tree/%s?recursive=true&expand=false",
                           i8i_http_settings(http)->endpoint, repo->id, commit);
    if (url == NULL)
        return i8i_nomem(err);
    enum i8_status st = I8_OK;
    for (unsigned page = 0; url != NULL && st == I8_OK; page++) {
        struct i8i_http_response r = {0};
        if (page == I8I_HUB_PAGES_MAX)
            st =
                i8i_fail(err, I8_ERR_DATA, "%s: the list of files has more than %d pages",
                         repo->id, I8I_HUB_PAGES_MAX);
        if (st == I8_OK)
            st = i8i_hub_get(&r, http, &url, I8I_HUB_PAGE_MAX, repo, reason, err);
        if (st == I8_OK)
            st = add_page(out, &r, repo, err);
        if (st == I8_OK)
            st = next_page(&url, &r, http, repo, err);
        i8i_http_response_free(&r);
    }
    free(url);
    i8i_hub_listing_sort(out);
    if (st == I8_OK)
        st = check_names(out, repo, err);
    if (st == I8_OK && reason != NULL)
        *reason = I8I_HUB_FINE;
    return st;
}

/* ---- the listing itself ---- */

struct i8i_hub_file *i8i_hub_listing_add(struct i8i_hub_listing *l, const char *path)
{
    if (!i8i_grow(&l->files, &l->capacity, l->count + 1, sizeof *l->files))
        return NULL;
    struct i8i_hub_file *f = &l->files[l->count];
    *f = (struct i8i_hub_file){.path = i8i_arena_strdup(&l->names, path)};
    if (f->path == NULL)
        return NULL;
    l->count++;
    return f;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct i8i_hub_file *)a)->path,
                  ((const struct i8i_hub_file *)b)->path);
}

void i8i_hub_listing_sort(struct i8i_hub_listing *l)
{
    if (l->count > 0)
        qsort(l->files, l->count, sizeof *l->files, by_path);
}

const struct i8i_hub_file *i8i_hub_listing_find(const struct i8i_hub_listing *l,
                                                const char *path)
{
    const struct i8i_hub_file key = {.path = path};
    return l->count == 0 ? NULL
                         : bsearch(&key, l->files, l->count, sizeof *l->files, by_path);
}

void i8i_hub_listing_free(struct i8i_hub_listing *l)
{
    free(l->files);
    i8i_arena_free(&l->names);
    *l = (struct i8i_hub_listing){0};
}
