/* SPDX-License-Identifier: Apache-2.0
 *
 * The public view of a model: flat arrays that point into the opened model, which is
 * kept for as long as the view lives.
 */
#include "config.h"

#include "base/memory.h"
#include "model/model.h"
#include <int8tool/model_tree.h>
#include <stdlib.h>
#include <string.h>

struct view {
    struct i8_model_tree public; /* first, so that a pointer to it is one to the view */
    struct i8i_model *model;
    struct i8_module_info *modules;
    struct i8_parameter_info *parameters;
};

static void fill_parameters(struct view *v)
{
    for (int i = 0; i < v->model->n_params; i++) {
        const struct i8i_param *p = &v->model->params[i];
        v->parameters[i] = (struct i8_parameter_info){
            .name = p->leaf,
            .dtype = p->tensor ? i8i_tensor_stored_dtype(p->tensor) : p->dtype,
            .rank = p->rank,
            .shape = p->shape,
            .bytes = p->tensor ? i8i_tensor_stored(p->tensor, p->tensor->bytes) : 0,
            .tied_to = p->tied_to >= 0 ? v->model->params[p->tied_to].name : NULL,
            .is_buffer = p->buffer,
        };
        if (p->tensor && !p->buffer)
            v->public.parameters += p->elements;
    }
}

static size_t module_index(int index)
{
    return index < 0 ? I8_NO_MODULE : (size_t)index;
}

static void fill_modules(struct view *v)
{
    const struct i8i_module *modules = v->model->modules;
    for (int i = 0; i < v->model->n_modules; i++) {
        const struct i8i_module *m = &modules[i];
        struct i8_module_info *info = &v->modules[i];
        *info = (struct i8_module_info){
            .path = m->path,
            .name = m->name,
            .class_name = m->class_name ? m->class_name : "",
            .depth = m->parent < 0 ? 0 : v->modules[m->parent].depth + 1,
            .first_child = module_index(m->first_child),
            .next_sibling = module_index(m->next_sibling),
            .parameters = v->parameters + m->first_param,
            .n_parameters = (size_t)m->n_params,
            .bytes = m->scb ? m->scb->bytes : 0,
        };
        for (size_t p = 0; p < info->n_parameters; p++)
            info->bytes += info->parameters[p].bytes;
        for (int p = m->first_param; p < m->first_param + m->n_params; p++) {
            const struct i8i_tensor *t = v->model->params[p].tensor;
            info->bytes += t && t->fp8 ? t->fp8->scale->bytes : 0;
        }
    }
    /* Children stand behind their parents: from the end, each sum is final when it is
     * handed upwards. */
    for (int i = v->model->n_modules - 1; i > 0; i--)
        v->modules[modules[i].parent].bytes += v->modules[i].bytes;
    v->public.modules = v->modules;
    v->public.n_modules = (size_t)v->model->n_modules;
}

static const char *quantization_text(const struct i8i_model *m)
{
    switch (m->quantization) {
    case I8I_QUANT_BNB_INT8:
        return "int8 (bitsandbytes)";
    case I8I_QUANT_CT_INT8:
        return "int8 (compressed-tensors)";
    case I8I_QUANT_FP8_BLOCKS:
    case I8I_QUANT_OTHER:
        return m->quantization_name;
    case I8I_QUANT_NONE:
        break;
    }
    return NULL;
}

enum i8_status i8_model_tree_open(struct i8_model_tree **out, const char *model,
                                  struct i8_error *err)
{
    *out = NULL;
    struct view *v = i8i_calloc(1, sizeof *v);
    if (!v)
        return i8i_nomem(err);
    const struct i8i_model_options options = {.headers_only = true};
    enum i8_status status = i8i_model_open(&v->model, model, &options, err);
    if (status != I8_OK)
        goto out;

    const struct i8i_model *m = v->model;
    v->modules = i8i_calloc((size_t)m->n_modules, sizeof *v->modules);
    v->parameters = i8i_calloc((size_t)m->n_params, sizeof *v->parameters);
    if (!v->modules || !v->parameters) {
        status = i8i_nomem(err);
        goto out;
    }
    v->public.model = m->name;
    v->public.model_type = m->model_type ? m->model_type : "";
    v->public.architecture = m->architecture ? m->architecture : "";
    v->public.quantization = quantization_text(m);
    v->public.known_family = m->family != NULL;
    v->public.notes = m->notes;
    v->public.n_notes = m->n_notes;
    fill_parameters(v);
    fill_modules(v);
    *out = &v->public;
    v = NULL;
out:
    i8_model_tree_free(v ? &v->public : NULL);
    return status;
}

void i8_model_tree_free(struct i8_model_tree *tree)
{
    struct view *v = (struct view *)tree;
    if (!v)
        return;
    i8i_model_free(v->model);
    free(v->modules);
    free(v->parameters);
    free(v);
}

static int parameters_alike(const struct i8_parameter_info *a,
                            const struct i8_parameter_info *b)
{
    return !strcmp(a->name, b->name) && a->dtype == b->dtype && a->rank == b->rank &&
           (a->rank == 0 || !memcmp(a->shape, b->shape, a->rank * sizeof *a->shape)) &&
           !a->tied_to == !b->tied_to && a->bytes == b->bytes;
}

static int module_alike(const struct i8_module_info *a, const struct i8_module_info *b)
{
    if (strcmp(a->class_name, b->class_name) != 0 || a->bytes != b->bytes ||
        a->n_parameters != b->n_parameters)
        return 0;
    for (size_t i = 0; i < a->n_parameters; i++) {
        if (!parameters_alike(&a->parameters[i], &b->parameters[i]))
            return 0;
    }
    return 1;
}

/* In pre-order a subtree is one run of the list, up to the next module that is not
 * deeper; so two subtrees are compared side by side, however deep they are. */
int i8_modules_alike(const struct i8_model_tree *tree, size_t a, size_t b)
{
    const struct i8_module_info *ma = tree->modules + a, *mb = tree->modules + b;
    const struct i8_module_info *end = tree->modules + tree->n_modules;
    size_t depth_a = ma->depth, depth_b = mb->depth;
    if (!module_alike(ma, mb))
        return 0;
    for (ma++, mb++;; ma++, mb++) {
        int more_a = ma < end && ma->depth > depth_a;
        int more_b = mb < end && mb->depth > depth_b;
        if (!more_a || !more_b)
            return more_a == more_b;
        if (ma->depth - depth_a != mb->depth - depth_b ||
            strcmp(ma->name, mb->name) != 0 || !module_alike(ma, mb))
            return 0;
    }
}
