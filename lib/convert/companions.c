/* SPDX-License-Identifier: Apache-2.0
 *
 * The files beside the weights. Everything is copied that is neither weights nor an
 * index of weights in any format: tokenizers, generation settings, custom code, cards.
 */
#include "config.h"

#include "base/file.h"
#include "convert/convert_plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* docs/shard-format.md shows these lists. */
static const char *const weight_suffixes[] = {
    ".safetensors",
    ".safetensors.zst",
    ".safetensors.index.json",
    ".bin",
    ".bin.index.json",
    ".pt",
    ".pth",
    ".ckpt",
    ".ot",
    ".h5",
    ".h5.index.json",
    ".msgpack",
    ".msgpack.index.json",
    ".onnx",
    ".onnx_data",
    ".gguf",
    ".ggml",
    ".tflite",
    ".npz",
    ".nemo",
    ".mlmodel",
    ".pdparams",
};
static const char *const weight_folders[] = {"original", "onnx",  "openvino",
                                             "coreml",   "metal", "gguf"};
/* Ours, written anew; and what an interrupted conversion inside the model left. */
static const char *const own_names[] = {"config.json", I8I_MANIFEST_NAME,
                                        I8I_PUBLISHER_NAME};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcasecmp(name + n - k, suffix) == 0;
}

static bool in_folder(const char *name, const char *folder)
{
    size_t k = strlen(folder);
    return strncmp(name, folder, k) == 0 && name[k] == '/';
}

static bool is_companion(const char *name)
{
    for (size_t i = 0; i < LENGTH(weight_suffixes); i++) {
        if (ends_with(name, weight_suffixes[i]))
            return false;
    }
    for (size_t i = 0; i < LENGTH(weight_folders); i++) {
        if (in_folder(name, weight_folders[i]))
            return false;
    }
    for (size_t i = 0; i < LENGTH(own_names); i++) {
        if (strcmp(name, own_names[i]) == 0)
            return false;
    }
    if (i8i_is_journal_name(name))
        return false;
    /* Folders of tools: .git, .cache/huggingface. A hidden file is a file. */
    for (const char *part = name; strchr(part, '/'); part = strchr(part, '/') + 1) {
        if (part[0] == '.')
            return false;
    }
    return i8i_path_is_plain(name) && !ends_with(name, ".part");
}

/* The output directory relative to the model's, where it lies inside it; else NULL. */
static char *output_inside_model(const struct i8i_convert_plan *p)
{
    const char *root = p->model->tree->path, *output = p->options->output;
    char *a = root ? realpath(root, NULL) : NULL;
    char *b = output ? realpath(output, NULL) : NULL;
    char *inside = NULL;
    size_t n = a ? strlen(a) : 0;
    if (a && b && strncmp(a, b, n) == 0 && b[n] == '/')
        inside = i8i_strdup(b + n + 1);
    free(a);
    free(b);
    return inside;
}

struct listing {
    struct i8i_convert_plan *plan;
    const char *skip; /* the output's folder, or NULL */
};

static enum i8_status add_companion(void *ctx, const char *name, uint64_t size,
                                    struct i8_error *err)
{
    const struct listing *l = ctx;
    struct i8i_convert_plan *p = l->plan;
    if (!is_companion(name) || (l->skip && in_folder(name, l->skip)))
        return I8_OK;
    const uint32_t input = (uint32_t)p->n_inputs;
    (void)size;
    enum i8_status st = i8i_plan_add_input(p, name, NULL, err);
    return st == I8_OK ? i8i_plan_copy_file(p, input, name, err) : st;
}

enum i8_status i8i_convert_companions(struct i8i_convert_plan *p, struct i8_error *err)
{
    if (p->model->tree == NULL)
        return I8_OK;
    char *inside = output_inside_model(p);
    struct listing l = {.plan = p, .skip = inside};
    enum i8_status st = i8i_tree_list(p->model->tree, add_companion, &l, err);
    free(inside);
    return st;
}
