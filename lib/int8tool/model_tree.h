/* SPDX-License-Identifier: Apache-2.0
 *
 * The modules of a model, as config.json and its family describe them, joined with what
 * the checkpoint stores. Reads headers only.
 */
#ifndef INT8TOOL_MODEL_TREE_H
#define INT8TOOL_MODEL_TREE_H

#include <int8tool/dtype.h>
#include <int8tool/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One parameter or buffer of a module, stored or not. */
struct i8_parameter_info {
    const char *name; /* within its module: "weight" */
    enum i8_dtype dtype;
    unsigned rank;
    const uint64_t *shape;
    uint64_t bytes;      /* stored; 0 when it is not */
    const char *tied_to; /* full name of the parameter whose storage it shares; or NULL */
    int is_buffer;       /* non-zero: no parameter */
};

#define I8_NO_MODULE SIZE_MAX

/* One module. The list is in pre-order: a module stands behind its parent, children in
 * registration order, so walking it by index is walking the tree. */
struct i8_module_info {
    const char *path; /* "model.layers.0"; "" for the root */
    const char *name; /* last component */
    const char *class_name;
    size_t depth;                               /* of the root: 0 */
    size_t first_child, next_sibling;           /* indices, or I8_NO_MODULE */
    const struct i8_parameter_info *parameters; /* its own */
    size_t n_parameters;
    uint64_t
        bytes; /* stored, of the whole subtree; a tied parameter counts at its source */
};

struct i8_model_tree {
    const char *model;        /* the MODEL string */
    const char *model_type;   /* config.json's; "" without one */
    const char *architecture; /* "LlamaForCausalLM"; "" when unknown */
    const char
        *quantization;   /* how weights are quantized: "int8 (bitsandbytes)"; or NULL */
    int known_family;    /* 0: the modules come from names and shapes alone */
    uint64_t parameters; /* elements of all stored parameters, tied ones once */
    const struct i8_module_info *modules; /* the root first */
    size_t n_modules;
    const char *const *notes; /* what a user should know: "unknown family 'x'" */
    size_t n_notes;
};

/* Opens MODEL: a directory with config.json and weights, or one weights file. Everything
 * in *out is owned by it and read-only. An unknown family is no failure. */
enum i8_status i8_model_tree_open(struct i8_model_tree **out, const char *model,
                                  struct i8_error *err);
void i8_model_tree_free(struct i8_model_tree *tree); /* NULL is fine */

/* Do the subtrees of modules a and b look alike: classes, child names, parameter names,
 * shapes and dtypes? So a printer can fold a run of equal blocks. */
int i8_modules_alike(const struct i8_model_tree *tree, size_t a, size_t b);

#ifdef __cplusplus
}
#endif
#endif
