/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of one weight format is made by names alone: folder, role and extension.
 */
#include "config.h"

#include "base/file.h"
#include "base/map.h"
#include "base/memory.h"
#include "hub/selection.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t n = strlen(name), k = strlen(suffix);
    return n > k && strcmp(name + n - k, suffix) == 0;
}

/* "C:…" in any part: a path of its own under Windows, where the cache may be read. */
static bool names_a_drive(const char *name)
{
    for (const char *part = name; part;) {
        if (isalpha((unsigned char)part[0]) && part[1] == ':')
            return true;
        part = strchr(part, '/');
        if (part)
            part++;
    }
    return false;
}

/* ---- formats ---- */

/* Weights as PyTorch's own tools save them, and the names of their indexes. */
static bool is_torch(const char *base)
{
    static const char *const suffixes[] = {".bin", ".pt", ".pth", ".ckpt",
                                           ".bin.index.json"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (has_suffix(base, suffixes[i]))
            return true;
    return false;
}

/* Files that other frameworks load, with companions, whatever they are called. */
static bool is_foreign(const char *path)
{
    static const char *const suffixes[] = {
        ".h5",        ".h5.index.json", ".msgpack",   ".msgpack.index.json",
        ".ot",        ".onnx",          ".onnx_data", ".onnx.data",
        ".gguf",      ".ggml",          ".tflite",    ".mlmodel",
        ".pdparams",  ".nemo",          ".llamafile", ".ckpt.index",
        ".ckpt.meta", ".engine",        ".mar",
    };
    static const char *const folders[] = {"onnx/", "openvino/", "original/", "coreml/",
                                          "gguf/", "tflite/",   "metal/",    "flax/"};
    static const char *const prefixes[] = {"consolidated.", "openvino_model",
                                           "model.ckpt."};
    const char *base = i8i_path_base(path);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (has_suffix(base, suffixes[i]))
            return true;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(base, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return strstr(path, ".mlpackage/") != NULL || strstr(path, ".mlmodelc/") != NULL;
}

/* What a weights file is for: its folder and its name up to the shard number or the
 * first dot, the default names of the formats being one. "a/pytorch_model-00001-of-…"
 * and "a/model.fp16.safetensors" are both "a/model". The caller frees. */
static char *role(const char *path)
{
    const char *base = i8i_path_base(path);
    size_t n = strcspn(base, ".");
    for (size_t i = 0; i + 6 < n; i++) { /* "-00001" */
        if (base[i] == '-' && strspn(base + i + 1, "0123456789") == 5) {
            n = i;
            break;
        }
    }
    static const char torch_name[] = "pytorch_model";
    const bool usual = n == sizeof torch_name - 1 && strncmp(base, torch_name, n) == 0;
    return i8i_format("%.*s%.*s", (int)(base - path), path, usual ? (int)5 : (int)n,
                      usual ? "model" : base);
}

/* ---- the choice ---- */

struct choice {
    struct i8i_map roles; /* of .safetensors files */
    struct i8i_arena names;
    bool have_weights; /* .safetensors or .bin that are not some other framework's */
};

static enum i8_status survey(struct choice *c, const struct i8i_hub_listing *listing,
                             struct i8_error *err)
{
    enum i8_status st = I8_OK;
    for (size_t i = 0; st == I8_OK && i < listing->count; i++) {
        const char *path = listing->files[i].path;
        if (is_foreign(path))
            continue;
        if (has_suffix(path, ".bin"))
            c->have_weights = true;
        if (!has_suffix(path, ".safetensors"))
            continue;
        c->have_weights = true;
        char *r = role(path);
        const char *kept = r ? i8i_arena_strdup(&c->names, r) : NULL;
        free(r);
        st = kept ? i8i_map_add(&c->roles, kept, i, NULL, err) : i8i_nomem(err);
    }
    return st;
}

/* Is the file one of the weights that the default choice leaves out? */
static enum i8_status is_left_out(bool *out, const struct choice *c, const char *path,
                                  struct i8_error *err)
{
    *out = c->have_weights && is_foreign(path);
    if (*out || !is_torch(i8i_path_base(path)))
        return I8_OK;
    char *r = role(path);
    if (r == NULL)
        return i8i_nomem(err);
    *out = i8i_map_get(&c->roles, r) != I8I_MAP_NONE;
    free(r);
    return I8_OK;
}

enum i8_status i8i_select(struct i8i_selection *out,
                          const struct i8i_hub_listing *listing,
                          const struct i8i_patterns *include,
                          const struct i8i_patterns *exclude, struct i8_error *err)
{
    const bool by_format = i8i_patterns_count(include) == 0;
    struct choice c = {0};
    i8i_map_init(&c.roles);
    *out =
        (struct i8i_selection){.files = i8i_calloc(listing->count, sizeof *out->files)};
    enum i8_status st = out->files ? I8_OK : i8i_nomem(err);
    if (st == I8_OK && by_format)
        st = survey(&c, listing, err);
    for (size_t i = 0; st == I8_OK && i < listing->count; i++) {
        const struct i8i_hub_file *f = &listing->files[i];
        bool left_out = false;
        if ((!by_format && !i8i_patterns_match(include, f->path)) ||
            i8i_patterns_match(exclude, f->path))
            continue;
        if (by_format)
            st = is_left_out(&left_out, &c, f->path, err);
        if (st != I8_OK)
            break;
        if (left_out) {
            out->other_formats++;
            out->other_bytes += f->size;
            continue;
        }
        if (!i8i_path_is_plain(f->path) || names_a_drive(f->path))
            st = i8i_fail(err, I8_ERR_DATA,
                          "the repository has a file named '%s', which is refused: it "
                          "could be written outside of its folder",
                          f->path);
        else if (!i8i_add_u64(&out->bytes, out->bytes, f->size))
            st = i8i_fail(err, I8_ERR_DATA, "the repository's sizes add up to too much");
        else
            out->files[out->count++] = f;
    }
    i8i_map_free(&c.roles);
    i8i_arena_free(&c.names);
    return st;
}

void i8i_selection_free(struct i8i_selection *s)
{
    free(s->files);
    *s = (struct i8i_selection){0};
}
