/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this very conversion finished already? A rank that is started once more, or a moment
 * too late, finds the work done by the others.
 */
#include "config.h"

#include "base/file.h"
#include "convert/output_check.h"
#include "convert/packed.h"

#include <stdlib.h>
#include <string.h>

/* The digest of entry `index`, if it is of the file `name`. */
static bool take_digest(char hex[I8_SHA256_HEX], const i8i_json *entry, const char *name)
{
    const char *its = i8i_json_string(i8i_json_get(entry, "name"));
    const char *digest = i8i_json_string(i8i_json_get(entry, "sha256"));
    if (its == NULL || strcmp(its, name) != 0)
        return false;
    if (digest && strlen(digest) == I8_SHA256_HEX - 1)
        memcpy(hex, digest, I8_SHA256_HEX);
    return true;
}

static bool take_digests(struct i8i_convert_plan *p, const i8i_json *doc)
{
    const i8i_json *source = i8i_json_get(doc, "source");
    const i8i_json *entry = i8i_json_first(i8i_json_get(source, "files"));
    size_t i = 0;
    for (; entry && i < p->n_inputs; entry = i8i_json_next(entry), i++) {
        if (!take_digest(p->inputs[i].sha256, entry, p->inputs[i].name))
            return false;
    }
    size_t k = 0;
    entry = i8i_json_first(i8i_json_get(doc, "files"));
    for (; entry && k < p->n_outputs; entry = i8i_json_next(entry), k++) {
        if (!take_digest(p->outputs[k].sha256, entry, p->outputs[k].name))
            return false;
    }
    return i == p->n_inputs && k == p->n_outputs;
}

/* Sees outputs as packed where the manifest has them so. */
static void take_packed(struct i8i_convert_plan *p, const i8i_json *doc)
{
    const i8i_json *entry = i8i_json_first(i8i_json_get(doc, "files"));
    for (size_t k = 0; entry && k < p->n_outputs; entry = i8i_json_next(entry), k++) {
        const char *name = i8i_json_string(i8i_json_get(entry, "name"));
        uint64_t bytes;
        if (p->outputs[k].frames && name &&
            strcmp(name, p->outputs[k].packed_name) == 0 &&
            i8i_json_u64(&bytes, i8i_json_get(entry, "bytes")))
            i8i_output_show_packed(&p->outputs[k], bytes);
    }
}

static bool all_there(const struct i8i_convert_plan *p)
{
    bool there = true;
    for (size_t i = 0; i < p->n_outputs && there; i++) {
        char *path = i8i_path_join(p->options->output, p->outputs[i].name);
        there = path && i8i_has_size(path, p->outputs[i].bytes);
        free(path);
    }
    return there;
}

/* With the digests that the manifest gives, would we write these very bytes? */
static enum i8_status compare(bool *same, struct i8i_convert_plan *p, const char *text,
                              size_t length, struct i8_error *err)
{
    char *ours = NULL;
    size_t bytes;
    enum i8_status st = i8i_convert_manifest(&ours, &bytes, p, err);
    *same = st == I8_OK && bytes == length && memcmp(ours, text, length) == 0;
    free(ours);
    return st;
}

static void *copy_of(const void *array, size_t count, size_t size)
{
    void *copy = i8i_calloc(count, size);
    if (copy && count > 0)
        memcpy(copy, array, count * size);
    return copy;
}

enum i8_status i8i_output_is_complete(bool *complete, struct i8i_convert_plan *p,
                                      struct i8_error *err)
{
    char *text = NULL;
    size_t length = 0;
    i8i_json *doc = NULL;
    /* The plan is made to look like what the manifest says, and back if it is not so. */
    struct i8i_input_file *inputs = copy_of(p->inputs, p->n_inputs, sizeof *inputs);
    struct i8i_output_file *outputs = copy_of(p->outputs, p->n_outputs, sizeof *outputs);
    *complete = false;
    char *path = i8i_path_join(p->options->output, I8I_MANIFEST_NAME);
    enum i8_status st = path && inputs && outputs ? I8_OK : i8i_nomem(err);
    /* Something else under the name, or unreadable: the usual checks judge it. */
    if (st == I8_OK && i8i_is_file(path) &&
        i8i_read_file(&text, &length, path, I8I_MAX_MANIFEST_BYTES, NULL) == I8_OK &&
        i8i_json_parse(&doc, text, length, path, NULL) == I8_OK) {
        take_packed(p, doc);
        if (all_there(p) && take_digests(p, doc))
            st = compare(complete, p, text, length, err);
    }
    if (inputs && outputs && !*complete) {
        memcpy(p->inputs, inputs, p->n_inputs * sizeof *inputs);
        memcpy(p->outputs, outputs, p->n_outputs * sizeof *outputs);
    }
    free(inputs);
    free(outputs);
    i8i_json_free(doc);
    free(text);
    free(path);
    return st;
}
