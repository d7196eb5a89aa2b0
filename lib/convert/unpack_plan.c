/* SPDX-License-Identifier: Apache-2.0
 *
 * Undoing --compress, as a plan like that of a conversion: the content of a shard is
 * copied to a file, the index names those files, everything else is copied as it is. So
 * the pipeline, its journal and the rules for the output directory are convert's own.
 * What comes out is, byte for byte, what convert without --compress writes.
 */
#include "config.h"

#include "base/file.h"
#include "checkpoint/shard_index.h"
#include "convert/convert_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_NAME "model.safetensors.index.json"

static bool is_packed_name(const char *name)
{
    return i8i_length_before(name, ".safetensors" I8I_ZST) > 0;
}

/* ---- the index ---- */

static void write_weight_map(struct i8i_json_writer *w, const i8i_json *map)
{
    i8i_jw_key(w, "weight_map");
    i8i_jw_begin_object(w);
    for (const i8i_json *m = i8i_json_first(map); m; m = i8i_json_next(m)) {
        const char *name = i8i_json_string(m);
        char *plain = i8i_strdup(name ? name : "");
        if (plain == NULL) {
            w->buffer.failed = true;
            break;
        }
        if (is_packed_name(plain))
            plain[strlen(plain) - strlen(I8I_ZST)] = '\0';
        i8i_jw_kv_string(w, i8i_json_key(m), plain);
        free(plain);
    }
    i8i_jw_end_object(w);
}

/* The index with the names of plain shards: a file that is known from the start. */
static enum i8_status add_index(struct i8i_convert_plan *p, struct i8_error *err)
{
    char *text = NULL;
    size_t length = 0;
    i8i_json *doc = NULL;
    struct i8i_json_writer w;
    uint32_t output;
    enum i8_status st = i8i_tree_read(p->model->tree, &text, &length, INDEX_NAME,
                                      I8I_MAX_INDEX_BYTES, err);
    if (st == I8_OK)
        st = i8i_json_parse(&doc, text, length, INDEX_NAME, err);
    free(text);
    if (st == I8_OK && !i8i_json_is_object(doc))
        st = i8i_fail(err, I8_ERR_DATA, "%s: expected an object", INDEX_NAME);
    if (st != I8_OK)
        return st;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    for (const i8i_json *m = i8i_json_first(doc); m; m = i8i_json_next(m)) {
        if (strcmp(i8i_json_key(m), "weight_map") == 0) {
            write_weight_map(&w, m);
        } else {
            i8i_jw_key(&w, i8i_json_key(m));
            i8i_jw_node(&w, m);
        }
    }
    i8i_jw_end_object(&w);
    i8i_buffer_puts(&w.buffer, "\n");
    text = i8i_buffer_take(&w.buffer, &length);
    i8i_jw_free(&w);
    i8i_json_free(doc);
    if (text == NULL)
        return i8i_nomem(err);
    st = i8i_plan_add_output(p, &output, INDEX_NAME, length, text, length, err);
    free(text);
    return st;
}

/* ---- files ---- */

static enum i8_status check_size(const struct i8i_source *source, uint64_t bytes,
                                 struct i8_error *err)
{
    const struct i8i_source *stored = i8i_source_stored(source);
    if (stored->size == bytes)
        return I8_OK;
    return i8i_fail(err, I8_ERR_DATA, "%s: %" PRIu64 " bytes, %s lists it with %" PRIu64,
                    stored->name, stored->size, I8I_MANIFEST_NAME, bytes);
}

static enum i8_status add_shard(struct i8i_convert_plan *p, const char *name,
                                uint64_t bytes, struct i8_error *err)
{
    const struct i8i_checkpoint *c = p->model->checkpoint;
    size_t i = 0;
    while (i < c->n_files && strcmp(c->files[i].name, name) != 0)
        i++;
    if (i == c->n_files || c->files[i].source->stored == NULL)
        return i8i_fail(err, I8_ERR_DATA,
                        "%s: lists '%s', which is no compressed file of the model",
                        I8I_MANIFEST_NAME, name);
    enum i8_status st = check_size(c->files[i].source, bytes, err);
    char *plain = i8i_strndup(name, strlen(name) - strlen(I8I_ZST));
    if (plain == NULL)
        return i8i_nomem(err);
    if (st == I8_OK) /* inputs begin with the model's files, in their order */
        st = i8i_plan_copy_file(p, (uint32_t)i, plain, err);
    free(plain);
    return st;
}

static enum i8_status add_copy(struct i8i_convert_plan *p, const char *name,
                               uint64_t bytes, struct i8_error *err)
{
    const uint32_t input = (uint32_t)p->n_inputs;
    enum i8_status st = i8i_plan_add_input(p, name, NULL, err);
    if (st == I8_OK)
        st = check_size(p->inputs[input].source, bytes, err);
    return st == I8_OK ? i8i_plan_copy_file(p, input, name, err) : st;
}

/* Every file of the manifest, once, in its order, which is that of the outputs. */
static enum i8_status add_files(struct i8i_convert_plan *p, struct i8_error *err)
{
    const i8i_json *files = i8i_json_get(p->packed_manifest, "files");
    const char *what = I8I_MANIFEST_NAME;
    enum i8_status st = I8_OK;
    size_t shards = 0;
    struct i8i_map seen;
    i8i_map_init(&seen);
    if (!i8i_json_is_array(files))
        st = i8i_fail(err, I8_ERR_DATA, "%s: expected a list \"files\"", what);
    for (const i8i_json *f = i8i_json_first(files); f && st == I8_OK;
         f = i8i_json_next(f)) {
        const char *name = i8i_json_string(i8i_json_get(f, "name"));
        uint64_t bytes;
        size_t before;
        if (name == NULL || !i8i_path_is_plain(name) ||
            !i8i_json_u64(&bytes, i8i_json_get(f, "bytes"))) {
            st = i8i_fail(err, I8_ERR_DATA, "%s: lists '%s', which is no file", what,
                          name ? name : "(nothing)");
            break;
        }
        st = i8i_map_add(&seen, name, 0, &before, err);
        if (st == I8_OK && before != I8I_MAP_NONE)
            st = i8i_fail(err, I8_ERR_DATA, "%s: lists '%s' twice", what, name);
        if (st != I8_OK)
            break;
        shards += is_packed_name(name);
        st = is_packed_name(name)            ? add_shard(p, name, bytes, err)
             : strcmp(name, INDEX_NAME) == 0 ? add_index(p, err)
                                             : add_copy(p, name, bytes, err);
    }
    i8i_map_free(&seen);
    if (st == I8_OK && shards == 0)
        st = i8i_fail(err, I8_ERR_REFUSED, "%s: nothing in it is compressed",
                      p->options->model);
    if (st == I8_OK && shards < p->model->checkpoint->n_files)
        st = i8i_fail(err, I8_ERR_DATA, "%s: does not list all files of weights", what);
    return st;
}

/* ---- the manifest ---- */

static bool has_digests(const i8i_json *manifest)
{
    const i8i_json *first = i8i_json_first(i8i_json_get(manifest, "files"));
    return i8i_json_is_string(i8i_json_get(first, "sha256"));
}

enum i8_status i8i_unpack_manifest(char **out, size_t *bytes,
                                   const struct i8i_convert_plan *p, struct i8_error *err)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    for (const i8i_json *m = i8i_json_first(p->packed_manifest); m;
         m = i8i_json_next(m)) {
        const char *key = i8i_json_key(m);
        if (strcmp(key, "compression") == 0)
            continue;
        i8i_jw_key(&w, key);
        if (strcmp(key, "files") == 0)
            i8i_manifest_outputs(&w, p);
        else
            i8i_jw_node(&w, m);
    }
    i8i_jw_end_object(&w);
    i8i_buffer_puts(&w.buffer, "\n");
    *out = i8i_buffer_take(&w.buffer, bytes);
    i8i_jw_free(&w);
    return *out ? I8_OK : i8i_nomem(err);
}

enum i8_status i8i_unpack_check(const struct i8i_convert_plan *p, struct i8_error *err)
{
    const i8i_json *f = i8i_json_first(i8i_json_get(p->packed_manifest, "files"));
    for (size_t i = 0; i < p->n_outputs && f; i++, f = i8i_json_next(f)) {
        const struct i8i_output_file *out = &p->outputs[i];
        const char *hex = i8i_json_string(i8i_json_get(f, "sha256"));
        /* Shards have checksums of their own, and the index is another now. */
        if (strcmp(i8i_json_string(i8i_json_get(f, "name")), out->name) != 0 ||
            strcmp(out->name, INDEX_NAME) == 0)
            continue;
        if (!p->options->no_hash && hex && strcmp(hex, out->sha256) != 0)
            return i8i_fail(err, I8_ERR_DATA,
                            "%s/%s: its SHA-256 is not the one in %s: it was changed",
                            p->options->model, out->name, I8I_MANIFEST_NAME);
    }
    return I8_OK;
}

/* ---- the plan ---- */

static enum i8_status read_manifest(struct i8i_convert_plan *p, struct i8_error *err)
{
    char *path = i8i_path_join(p->options->model, I8I_MANIFEST_NAME);
    enum i8_status st = path ? I8_OK : i8i_nomem(err);
    if (st == I8_OK && !i8i_is_directory(p->options->model))
        st = i8i_fail(err, I8_ERR_IO,
                      "%s: expected a directory that convert --compress has written",
                      p->options->model);
    else if (st == I8_OK && !i8i_is_file(path))
        st = i8i_fail(err, I8_ERR_IO,
                      "%s: holds no %s: expected a directory that convert --compress has "
                      "written",
                      p->options->model, I8I_MANIFEST_NAME);
    if (st == I8_OK)
        st = i8i_json_read_file(&p->packed_manifest, path, I8I_MAX_MANIFEST_BYTES, err);
    if (st == I8_OK && !i8i_json_is_object(p->packed_manifest))
        st = i8i_fail(err, I8_ERR_DATA, "%s: expected an object", path);
    free(path);
    return st;
}

/* The files alone: what the tensors mean does not matter here, and a conversion of a bare
 * weights file has no config.json to say it. */
static enum i8_status open_weights(struct i8i_convert_plan *p, struct i8_error *err)
{
    p->model = i8i_calloc(1, sizeof *p->model);
    if (p->model == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_tree_open_directory(&p->model->tree, p->options->model, err);
    return st == I8_OK
               ? i8i_checkpoint_open_tree(&p->model->checkpoint, p->model->tree, err)
               : st;
}

static enum i8_status fill(struct i8i_convert_plan *p, struct i8_error *err)
{
    enum i8_status st = open_weights(p, err);
    if (st != I8_OK)
        return st;
    const struct i8i_checkpoint *c = p->model->checkpoint;
    for (size_t i = 0; i < c->n_files && st == I8_OK; i++) {
        st = i8i_plan_add_input(p, c->files[i].name, c->files[i].source, err);
        p->source_bytes += i8i_source_stored(c->files[i].source)->size;
    }
    if (st == I8_OK)
        st = add_files(p, err);
    return st == I8_OK ? i8i_plan_finish(p, err) : st;
}

enum i8_status i8i_unpack_plan_new(struct i8i_convert_plan **out,
                                   struct i8_convert_options *options,
                                   struct i8_error *err)
{
    *out = NULL;
    struct i8i_convert_plan *p = i8i_calloc(1, sizeof *p);
    if (p == NULL)
        return i8i_nomem(err);
    p->options = options;
    enum i8_status st = read_manifest(p, err);
    if (st == I8_OK) {
        options->no_hash = options->no_hash || !has_digests(p->packed_manifest);
        st = fill(p, err);
    }
    if (st == I8_OK)
        *out = p;
    else
        i8i_convert_plan_free(p);
    return st;
}
