/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing a model's module tree, in pre-order: by a family's table (expand.c) or by
 * the tensors' names alone (shapes.c).
 */
#ifndef I8I_MODEL_BUILD_H
#define I8I_MODEL_BUILD_H

#include "model/model.h"

struct i8i_builder {
    struct i8i_model *m;
    size_t module_capacity, param_capacity;
    bool *used;       /* one a tensor of the checkpoint: it has a place */
    bool *stale;      /* one a tensor: used, but by nothing that counts */
    bool may_collide; /* paths and names were not composed so that they are certain to
                         differ, as a family's table does it */
};

enum i8_status i8i_builder_init(struct i8i_builder *b, struct i8i_model *m,
                                struct i8_error *err) I8I_MUST_CHECK;
void i8i_builder_free(struct i8i_builder *b);

/* Appends a module; path and stored_path are composed from its parent's and the names
 * given. stored_name NULL: as name; "": the checkpoint has no such level. */
enum i8_status i8i_build_module(struct i8i_builder *b, int *index,
                                const struct i8i_module *as, const char *stored_name,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Appends a parameter of the module appended last. A name that as has is kept, which is
 * then the same as what would be composed. */
enum i8_status i8i_build_param(struct i8i_builder *b, int *index,
                               const struct i8i_param *as,
                               struct i8_error *err) I8I_MUST_CHECK;
/* The tensor stored as `leaf` of a module; NULL if there is none. */
enum i8_status i8i_build_find(struct i8i_builder *b, const struct i8i_tensor **tensor,
                              int module, const char *leaf,
                              struct i8_error *err) I8I_MUST_CHECK;
/* Gives p the tensor's dtype, shape and place. */
void i8i_build_attach(struct i8i_builder *b, struct i8i_param *p,
                      const struct i8i_tensor *tensor);
void i8i_build_use(struct i8i_builder *b, const struct i8i_tensor *tensor, bool stale);
/* The companions of an int8 Linear: checks and takes SCB and weight_format, or
 * weight_scale. */
enum i8_status i8i_build_int8(struct i8i_builder *b, int module,
                              const struct i8i_tensor *weight,
                              const struct i8i_model_options *options,
                              struct i8_error *err) I8I_MUST_CHECK;
/* Links siblings, indexes blocks, lists what is left over. */
enum i8_status i8i_build_finish(struct i8i_builder *b,
                                struct i8_error *err) I8I_MUST_CHECK;

/* "a.b" in the model's arena; a or b may be empty. */
char *i8i_build_join(struct i8i_model *m, const char *a, const char *b);
/* Adds a line to m->notes. */
enum i8_status i8i_model_note(struct i8i_model *m, struct i8_error *err, const char *fmt,
                              ...) I8I_PRINTF(3, 4) I8I_MUST_CHECK;

enum i8_status i8i_build_family(struct i8i_builder *b,
                                const struct i8i_model_options *options,
                                struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_build_shapes(struct i8i_builder *b,
                                const struct i8i_model_options *options,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Sets m->quantization, its name and the threshold. */
enum i8_status i8i_detect_quantization(struct i8i_model *m,
                                       struct i8_error *err) I8I_MUST_CHECK;

/* "[4096, 64]" in buf. Returns buf. */
#define I8I_SHAPE_TEXT 200
char *i8i_shape_text(char buf[I8I_SHAPE_TEXT], uint32_t rank, const uint64_t *shape);

#endif
