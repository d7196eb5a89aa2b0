/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps of unrolling a family's table share: expand.c walks it, expand_params.c
 * joins each parameter with its tensor, expand_names.c reads the headers for what
 * config.json leaves open and judges what no parameter took.
 */
#ifndef I8I_MODEL_EXPAND_H
#define I8I_MODEL_EXPAND_H

#include "model/build.h"

struct i8i_walk {
    struct i8i_builder *b;
    struct i8i_model *m;
    const struct i8i_family *family;
    const struct i8i_model_options *options;
    bool *aliased;   /* one a table row: the checkpoint uses the alias */
    bool base_class; /* the prefix's children stand at the root */
    struct i8_error *err;
};

/* Where in the tree the walk is. */
struct i8i_place {
    int module;
    int stack;
    int block; /* -1 outside */
};

/* A predicate of the table; NULL gives the fallback. */
static inline bool i8i_holds(i8i_predicate p, const struct i8i_hparams *hp, int block,
                             bool fallback)
{
    return p ? p(hp, block < 0 ? 0 : block) : fallback;
}

/* ---- expand_params.c ---- */

/* The weight and bias of a row's module, which was appended last. */
enum i8_status i8i_expand_weights(struct i8i_walk *w, const struct i8i_node *row,
                                  struct i8i_place at) I8I_MUST_CHECK;
/* A bare parameter or buffer. */
enum i8_status i8i_expand_param(struct i8i_walk *w, const struct i8i_node *row,
                                struct i8i_place at) I8I_MUST_CHECK;
/* Points tied parameters at their sources, once all exist. */
enum i8_status i8i_expand_ties(struct i8i_walk *w) I8I_MUST_CHECK;

/* ---- expand_names.c ---- */

/* Decides, by the tensors' names, on fused experts, an unstated tie, and aliases. */
enum i8_status i8i_expand_headers(struct i8i_walk *w) I8I_MUST_CHECK;
/* Whether any tensor's name begins with "prefix.". */
bool i8i_expand_has_prefix(const struct i8i_checkpoint *c, const char *prefix);
/* Tensors without a place: stale ones, blocks that training alone uses, and blocks that
 * config.json does not know of, which is an error. */
enum i8_status i8i_expand_leftovers(struct i8i_walk *w) I8I_MUST_CHECK;

#endif
