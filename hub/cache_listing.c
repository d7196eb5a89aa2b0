/* SPDX-License-Identifier: Apache-2.0
 *
 * trees/COMMIT.json: {"format_version": 1, "files": {PATH: {"size", "blob_id"
 * [, "lfs_sha256", "lfs_size"] [, "xet_hash"]}}}, paths sorted.
 */
#include "config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "hub/cache.h"
#include "hub/cache_listing.h"
#include "hub/temp_file.h"
#include "source/source.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT_VERSION 1
/* I8I_HUB_FILES_MAX entries of usual names, with room to spare. */
#define TREE_MAX ((size_t)128 << 20)

static char *tree_path(const char *folder, const char *commit)
{
    return i8i_format("%s/trees/%s.json", folder, commit);
}

/* ---- reading ---- */

/* One member of "files"; false: not in the form that is expected. */
static bool read_entry(struct i8i_hub_file *f, const i8i_json *n)
{
    const char *blob_id = i8i_json_string(i8i_json_get(n, "blob_id"));
    const char *sha256 = i8i_json_string(i8i_json_get(n, "lfs_sha256"));
    const char *xet = i8i_json_string(i8i_json_get(n, "xet_hash"));
    if (!i8i_json_u64(&f->size, i8i_json_get(n, "size")) || !i8i_is_hex(blob_id, 40))
        return false;
    memcpy(f->git_oid, blob_id, 41);
    memcpy(f->hash, blob_id, 41);
    if (sha256) {
        if (!i8i_is_hex(sha256, 64))
            return false;
        f->lfs = true;
        memcpy(f->hash, sha256, 65);
    }
    if (i8i_is_hex(xet, 64))
        memcpy(f->xet_hash, xet, 65);
    return true;
}

/* The document; false without an error: another format. */
static enum i8_status read_document(struct i8i_hub_listing *out, bool *good,
                                    const i8i_json *doc, struct i8_error *err)
{
    uint64_t version = 0;
    const i8i_json *files = i8i_json_get(doc, "files");
    *good = i8i_json_u64(&version, i8i_json_get(doc, "format_version")) &&
            version == FORMAT_VERSION && i8i_json_is_object(files);
    for (const i8i_json *n = *good ? i8i_json_first(files) : NULL; n && *good;
         n = i8i_json_next(n)) {
        struct i8i_hub_file *f = i8i_hub_listing_add(out, i8i_json_key(n));
        if (f == NULL)
            return i8i_nomem(err);
        *good = out->count <= I8I_HUB_FILES_MAX && read_entry(f, n);
    }
    i8i_hub_listing_sort(out);
    return I8_OK;
}

enum i8_status i8i_listing_read(struct i8i_hub_listing *out, bool *found,
                                const char *folder, const char *commit,
                                const struct i8_log *log, struct i8_error *err)
{
    struct i8_error why = {0};
    i8i_json *doc = NULL;
    char *path = tree_path(folder, commit);
    *out = (struct i8i_hub_listing){0};
    *found = false;
    enum i8_status st = path ? I8_OK : i8i_nomem(err);
    if (st == I8_OK && i8i_is_file(path)) {
        bool good = i8i_json_read_file(&doc, path, TREE_MAX, &why) == I8_OK;
        if (good)
            st = read_document(out, &good, doc, err);
        *found = st == I8_OK && good;
        if (st == I8_OK && !good) {
            i8i_log(log, I8_LOG_WARNING, "ignoring the stored listing %s: %s", path,
                    why.message[0] ? why.message : "it is not in the known format");
            i8i_hub_listing_free(out);
        }
    }
    i8i_json_free(doc);
    free(path);
    return st;
}

/* ---- writing ---- */

static void write_entry(struct i8i_json_writer *w, const struct i8i_hub_file *f)
{
    i8i_jw_key(w, f->path);
    i8i_jw_begin_object(w);
    i8i_jw_kv_u64(w, "size", f->size);
    i8i_jw_kv_string(w, "blob_id", f->git_oid);
    if (f->lfs) {
        i8i_jw_kv_string(w, "lfs_sha256", f->hash);
        i8i_jw_kv_u64(w, "lfs_size", f->size);
    }
    if (f->xet_hash[0])
        i8i_jw_kv_string(w, "xet_hash", f->xet_hash);
    i8i_jw_end_object(w);
}

enum i8_status i8i_listing_write(const char *folder, const char *commit,
                                 const struct i8i_hub_listing *l, const char *temp_dir,
                                 struct i8_error *err)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_u64(&w, "format_version", FORMAT_VERSION);
    i8i_jw_key(&w, "files");
    i8i_jw_begin_object(&w);
    for (size_t i = 0; i < l->count; i++)
        write_entry(&w, &l->files[i]);
    i8i_jw_end_object(&w);
    i8i_jw_end_object(&w);
    size_t length = 0;
    char *text = i8i_buffer_take(&w.buffer, &length), *path = tree_path(folder, commit);
    enum i8_status st = text && path ? i8i_make_parents(path, err) : i8i_nomem(err);
    if (st == I8_OK)
        st = i8i_temp_write(temp_dir, path, text, length, err);
    free(path);
    free(text);
    i8i_jw_free(&w);
    return st;
}

/* ---- a folder ---- */

struct scan {
    struct i8i_hub_listing *out;
    const char *snapshot;
};

/* The hash in ".../blobs/HASH", if the file is a link to that. */
static void hash_of_link(struct i8i_hub_file *f, const char *path)
{
    char target[PATH_MAX];
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return;
    target[n] = '\0';
    const char *hash = i8i_path_base(target);
    if (!i8i_is_hex(hash, 40) && !i8i_is_hex(hash, 64))
        return;
    f->lfs = strlen(hash) == 64;
    memcpy(f->hash, hash, strlen(hash) + 1);
}

static enum i8_status scan_file(void *ctx, const char *name, uint64_t size,
                                struct i8_error *err)
{
    struct scan *s = ctx;
    struct i8i_hub_file *f = i8i_hub_listing_add(s->out, name);
    char *path = i8i_path_join(s->snapshot, name);
    if (f && path) {
        f->size = size;
        hash_of_link(f, path);
    }
    free(path);
    return f && path ? I8_OK : i8i_nomem(err);
}

enum i8_status i8i_listing_scan(struct i8i_hub_listing *out, const char *snapshot,
                                struct i8_error *err)
{
    struct i8i_tree *tree = NULL;
    struct scan s = {out, snapshot};
    *out = (struct i8i_hub_listing){0};
    enum i8_status st = i8i_tree_open_directory(&tree, snapshot, err);
    if (st == I8_OK)
        st = i8i_tree_list(tree, scan_file, &s, err);
    i8i_tree_close(tree);
    i8i_hub_listing_sort(out);
    return st;
}
