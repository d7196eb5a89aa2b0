/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool.json: what was converted from what, and every file with its digest. It holds
 * no time, no path and nothing of the machine, so that two runs write the same bytes.
 */
#include "config.h"

#include "base/file.h"
#include "convert/convert_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZERO_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"

static void write_sha256(struct i8i_json_writer *w, const struct i8i_convert_plan *p,
                         const char *hex)
{
    i8i_jw_key(w, "sha256");
    if (p->options->no_hash)
        i8i_jw_null(w);
    else
        i8i_jw_string(w, hex[0] ? hex : ZERO_SHA256);
}

static void write_file(struct i8i_json_writer *w, const struct i8i_convert_plan *p,
                       const char *name, uint64_t bytes, const char *hex)
{
    i8i_jw_begin_object(w);
    i8i_jw_kv_string(w, "name", name);
    i8i_jw_kv_u64(w, "bytes", bytes);
    write_sha256(w, p, hex);
    i8i_jw_end_object(w);
}

void i8i_manifest_outputs(struct i8i_json_writer *w, const struct i8i_convert_plan *p)
{
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < p->n_outputs; i++)
        write_file(w, p, p->outputs[i].name, p->outputs[i].bytes, p->outputs[i].sha256);
    i8i_jw_end_array(w);
}

/* A repository by its name; a local model by its last component: where it lay is nobody's
 * business. */
static void write_source(struct i8i_json_writer *w, const struct i8i_convert_plan *p)
{
    const struct i8i_tree *tree = p->model->tree;
    bool remote = tree && tree->repository != NULL;
    char *path = remote ? NULL : realpath(p->options->model, NULL);
    i8i_jw_key(w, "source");
    i8i_jw_begin_object(w);
    i8i_jw_kv_string(w, "name",
                     remote ? tree->repository
                            : i8i_path_base(path ? path : p->options->model));
    i8i_jw_kv_string(w, "revision", tree ? tree->revision : NULL);
    i8i_jw_key(w, "files");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < p->n_inputs; i++)
        write_file(w, p, p->inputs[i].name, p->inputs[i].bytes, p->inputs[i].sha256);
    i8i_jw_end_array(w);
    i8i_jw_end_object(w);
    free(path);
}

static void write_options(struct i8i_json_writer *w, const struct i8i_convert_plan *p)
{
    const struct i8_convert_options *o = p->options;
    static const char *const layouts[] = {"bnb", "compressed-tensors"};
    static const char *const roundings[] = {"cuda", "cpu"};
    static const char *const readers[] = {"transformers5", "transformers4", "int8tool",
                                          "vllm"};
    i8i_jw_kv_string(w, "layout", layouts[o->layout]);
    i8i_jw_kv_string(w, "rounding", roundings[o->rounding]);
    i8i_jw_kv_string(w, "for", readers[o->reader]);
    i8i_jw_kv_double(w, "outlier_threshold", o->outlier_threshold);
    i8i_jw_kv_string(w, "rest_dtype",
                     o->rest_dtype == I8_DTYPE_INVALID ? "stored"
                                                       : i8_dtype_name(o->rest_dtype));
    if (p->pack_level > 0) {
        char text[32];
        (void)snprintf(text, sizeof text, "zstd:%d", p->pack_level);
        i8i_jw_kv_string(w, "compression", text);
    }
}

enum i8_status i8i_convert_manifest(char **out, size_t *bytes,
                                    const struct i8i_convert_plan *p,
                                    struct i8_error *err)
{
    struct i8i_json_writer w;
    if (p->packed_manifest)
        return i8i_unpack_manifest(out, bytes, p, err);
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_u64(&w, "format", 1);
    i8i_jw_kv_string(&w, "int8tool", i8_version());
    write_options(&w, p);
    write_source(&w, p);
    i8i_jw_key(&w, "converted");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < p->n_converted; i++)
        i8i_jw_string(&w, p->converted[i]);
    i8i_jw_end_array(&w);
    i8i_jw_key(&w, "kept");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < p->n_kept; i++) {
        i8i_jw_begin_object(&w);
        i8i_jw_kv_string(&w, "name", p->kept[i].tensor->name);
        i8i_jw_kv_string(&w, "dtype", i8_dtype_name(p->kept[i].to));
        i8i_jw_kv_string(&w, "why", p->kept[i].why);
        i8i_jw_end_object(&w);
    }
    i8i_jw_end_array(&w);
    i8i_jw_key(&w, "files");
    i8i_manifest_outputs(&w, p);
    i8i_jw_end_object(&w);
    i8i_buffer_puts(&w.buffer, "\n");
    *out = i8i_buffer_take(&w.buffer, bytes);
    i8i_jw_free(&w);
    return *out ? I8_OK : i8i_nomem(err);
}
