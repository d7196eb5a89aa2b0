/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts that both ways of growing a module tree share. Modules and parameters are
 * arrays in pre-order; strings live in the model's arena.
 */
#include "config.h"

#include "model/build.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum i8_status i8i_builder_init(struct i8i_builder *b, struct i8i_model *m,
                                struct i8_error *err)
{
    *b = (struct i8i_builder){.m = m};
    b->used = i8i_calloc(m->checkpoint->n_tensors, sizeof *b->used);
    b->stale = i8i_calloc(m->checkpoint->n_tensors, sizeof *b->stale);
    return b->used && b->stale ? I8_OK : i8i_nomem(err);
}

void i8i_builder_free(struct i8i_builder *b)
{
    free(b->used);
    free(b->stale);
}

char *i8i_build_join(struct i8i_model *m, const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    size_t dot = na && nb;
    char *s = i8i_arena_chars(&m->arena, na + dot + nb + 1);
    if (!s)
        return NULL;
    memcpy(s, a, na);
    if (dot)
        s[na] = '.';
    memcpy(s + na + dot, b, nb + 1);
    return s;
}

enum i8_status i8i_model_note(struct i8i_model *m, struct i8_error *err, const char *fmt,
                              ...)
{
    char line[I8_ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    const char **notes = realloc(m->notes, (m->n_notes + 1) * sizeof *notes);
    if (!notes)
        return i8i_nomem(err);
    m->notes = notes;
    char *copy = i8i_arena_strdup(&m->arena, line);
    if (!copy)
        return i8i_nomem(err);
    notes[m->n_notes++] = copy;
    return I8_OK;
}

char *i8i_shape_text(char buf[I8I_SHAPE_TEXT], uint32_t rank, const uint64_t *shape)
{
    size_t at = 0;
    buf[at++] = '[';
    for (uint32_t i = 0; i < rank && i < I8I_MAX_RANK; i++)
        at += (size_t)snprintf(buf + at, I8I_SHAPE_TEXT - at, "%s%" PRIu64, i ? ", " : "",
                               shape[i]);
    buf[at] = ']';
    buf[at + 1] = '\0';
    return buf;
}

enum i8_status i8i_build_module(struct i8i_builder *b, int *index,
                                const struct i8i_module *as, const char *stored_name,
                                struct i8_error *err)
{
    struct i8i_model *m = b->m;
    size_t n = (size_t)m->n_modules;
    if (n == INT_MAX ||
        !i8i_grow(&m->modules, &b->module_capacity, n + 1, sizeof *m->modules))
        return i8i_nomem(err);
    struct i8i_module *mod = &m->modules[n];
    *mod = *as;
    mod->first_child = mod->next_sibling = -1;
    mod->n_children = 0;
    mod->first_param = m->n_params;
    mod->n_params = 0;
    if (as->parent < 0) {
        mod->path = "";
        mod->stored_path = stored_name ? stored_name : "";
    } else {
        const struct i8i_module *parent = &m->modules[as->parent];
        mod->path = i8i_build_join(m, parent->path, as->name);
        mod->stored_path = mod->path;
        if (mod->path && (stored_name || parent->stored_path != parent->path))
            mod->stored_path = i8i_build_join(m, parent->stored_path,
                                              stored_name ? stored_name : as->name);
    }
    if (!mod->path || !mod->stored_path)
        return i8i_nomem(err);
    *index = m->n_modules++;
    return I8_OK;
}

enum i8_status i8i_build_param(struct i8i_builder *b, int *index,
                               const struct i8i_param *as, struct i8_error *err)
{
    struct i8i_model *m = b->m;
    size_t n = (size_t)m->n_params;
    if (n == INT_MAX ||
        !i8i_grow(&m->params, &b->param_capacity, n + 1, sizeof *m->params))
        return i8i_nomem(err);
    struct i8i_param *p = &m->params[n];
    *p = *as;
    p->module = m->n_modules - 1;
    if (!p->name && !(p->name = i8i_build_join(m, m->modules[p->module].path, as->leaf)))
        return i8i_nomem(err);
    m->modules[p->module].n_params++;
    *index = m->n_params++;
    return I8_OK;
}

enum i8_status i8i_build_find(struct i8i_builder *b, const struct i8i_tensor **tensor,
                              int module, const char *leaf, struct i8_error *err)
{
    const char *path = b->m->modules[module].stored_path;
    char local[256];
    size_t np = strlen(path), nl = strlen(leaf);
    char *name = np + nl + 2 <= sizeof local ? local : malloc(np + nl + 2);
    if (!name)
        return i8i_nomem(err);
    memcpy(name, path, np);
    if (np)
        name[np++] = '.';
    memcpy(name + np, leaf, nl + 1);
    *tensor = i8i_checkpoint_find(b->m->checkpoint, name);
    if (name != local)
        free(name);
    return I8_OK;
}

void i8i_build_use(struct i8i_builder *b, const struct i8i_tensor *tensor, bool stale)
{
    size_t i = (size_t)(tensor - b->m->checkpoint->tensors);
    b->used[i] = true;
    b->stale[i] = stale;
}

void i8i_build_attach(struct i8i_builder *b, struct i8i_param *p,
                      const struct i8i_tensor *tensor)
{
    p->tensor = tensor;
    p->dtype = tensor->dtype;
    p->rank = tensor->rank;
    p->shape = tensor->shape;
    p->elements = tensor->elements;
    i8i_build_use(b, tensor, false);
}

static enum i8_status bad_scales(const struct i8i_module *mod,
                                 const struct i8i_tensor *scale,
                                 const struct i8i_tensor *weight, bool ct,
                                 struct i8_error *err)
{
    char text[I8I_SHAPE_TEXT];
    if (!scale)
        return i8i_fail(err, I8_ERR_DATA,
                        "tensor '%s' is I8, but its row scales '%s.%s' are missing",
                        weight->name, mod->stored_path, ct ? "weight_scale" : "SCB");
    return i8i_fail(err, I8_ERR_DATA,
                    "tensor '%s' is %s %s; the row scales of '%s' are F32 [%" PRIu64
                    "%s]",
                    scale->name, i8_dtype_name(scale->dtype),
                    i8i_shape_text(text, scale->rank, scale->shape), weight->name,
                    weight->shape[0], ct ? ", 1" : "");
}

/* What the two schemes have: F32 [rows], or a floating-point [rows, 1]. */
static bool are_row_scales(const struct i8i_tensor *scale,
                           const struct i8i_tensor *weight, bool ct)
{
    if (!scale || scale->elements != weight->shape[0] || scale->rank < 1 ||
        scale->shape[0] != weight->shape[0])
        return false;
    if (!ct)
        return scale->dtype == I8_DTYPE_F32 && scale->rank == 1;
    return scale->rank <= 2 &&
           (scale->dtype == I8_DTYPE_F32 || scale->dtype == I8_DTYPE_BF16 ||
            scale->dtype == I8_DTYPE_F16);
}

enum i8_status i8i_build_int8(struct i8i_builder *b, int module,
                              const struct i8i_tensor *weight,
                              const struct i8i_model_options *options,
                              struct i8_error *err)
{
    struct i8i_module *mod = &b->m->modules[module];
    const bool ct = b->m->quantization == I8I_QUANT_CT_INT8;
    const struct i8i_tensor *scb, *format = NULL;
    char text[I8I_SHAPE_TEXT];
    enum i8_status st = i8i_build_find(b, &scb, module, ct ? "weight_scale" : "SCB", err);
    if (!st && !ct)
        st = i8i_build_find(b, &format, module, "weight_format", err);
    if (st)
        return st;
    if (!are_row_scales(scb, weight, ct))
        return bad_scales(mod, scb, weight, ct, err);
    i8i_build_use(b, scb, false);
    mod->scb = scb;
    if (!format)
        return I8_OK;
    if (format->dtype != I8_DTYPE_U8 || format->elements != 1)
        return i8i_fail(err, I8_ERR_DATA, "tensor '%s' is %s %s, not a U8 scalar",
                        format->name, i8_dtype_name(format->dtype),
                        i8i_shape_text(text, format->rank, format->shape));
    i8i_build_use(b, format, false);
    mod->weight_format = format;
    if (options && options->headers_only)
        return I8_OK;
    uint8_t value;
    if ((st = i8i_tensor_read(b->m->checkpoint, format, &value, 0, 1, err)))
        return st;
    if (value != 0) {
        static const char *const names[] = {"row", "col32", "col_turing", "col_ampere"};
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "tensor '%s' says layout %u (%s), only 0 (row) can be read; save "
                        "the model again with bitsandbytes 0.43 to 0.45",
                        format->name, value, value < 4 ? names[value] : "unknown");
    }
    return I8_OK;
}

/* Pre-order makes this one backward pass: each module becomes its parent's first
 * child, before the sibling that was linked ahead of it. */
static void link_children(struct i8i_model *m)
{
    for (int i = m->n_modules - 1; i > 0; i--) {
        struct i8i_module *parent = &m->modules[m->modules[i].parent];
        m->modules[i].next_sibling = parent->first_child;
        parent->first_child = i;
        parent->n_children++;
    }
}

static enum i8_status index_blocks(struct i8i_model *m, struct i8_error *err)
{
    int count[3] = {0}; /* blocks of either stack, modules outside */
    for (int i = 0; i < m->n_modules; i++) {
        if (m->modules[i].role == I8I_ROLE_BLOCK)
            count[m->modules[i].stack]++;
        else if (m->modules[i].block < 0)
            count[2]++;
    }
    int **lists[3] = {&m->blocks[0], &m->blocks[1], &m->outside};
    int *ends[3] = {&m->n_blocks[0], &m->n_blocks[1], &m->n_outside};
    for (int k = 0; k < 3; k++) {
        *lists[k] = i8i_calloc((size_t)count[k], sizeof(int));
        if (!*lists[k])
            return i8i_nomem(err);
    }
    for (int i = 0; i < m->n_modules; i++) {
        int k = m->modules[i].role == I8I_ROLE_BLOCK ? m->modules[i].stack : 2;
        if (k < 2 || m->modules[i].block < 0)
            (*lists[k])[(*ends[k])++] = i;
    }
    return I8_OK;
}

static enum i8_status take_name(struct i8i_map *seen, const char *what, const char *name,
                                struct i8_error *err)
{
    size_t before;
    enum i8_status st = i8i_map_add(seen, name, 0, &before, err);
    if (!st && before != I8I_MAP_NONE)
        st = i8i_fail(err, I8_ERR_DATA, "%s '%s' appears twice", what, name);
    return st;
}

static enum i8_status check_names(const struct i8i_model *m, struct i8_error *err)
{
    struct i8i_map modules, params;
    i8i_map_init(&modules);
    i8i_map_init(&params);
    enum i8_status st = I8_OK;
    for (int i = 0; i < m->n_modules && !st; i++)
        st = take_name(&modules, "module", m->modules[i].path, err);
    for (int i = 0; i < m->n_params && !st; i++)
        st = take_name(&params, "parameter", m->params[i].name, err);
    i8i_map_free(&modules);
    i8i_map_free(&params);
    return st;
}

/* Every tensor that has no place is named: ignored ones are known to be stale. */
static enum i8_status list_leftovers(struct i8i_builder *b, struct i8_error *err)
{
    struct i8i_model *m = b->m;
    size_t stale = 0, unknown = 0;
    for (size_t i = 0; i < m->checkpoint->n_tensors; i++) {
        b->used[i] |= m->checkpoint->tensors[i].companion;
        stale += b->used[i] && b->stale[i];
        unknown += !b->used[i];
    }
    m->ignored = i8i_calloc(stale, sizeof(const struct i8i_tensor *));
    m->unexpected = i8i_calloc(unknown, sizeof(const struct i8i_tensor *));
    if (!m->ignored || !m->unexpected)
        return i8i_nomem(err);
    for (size_t i = 0; i < m->checkpoint->n_tensors; i++) {
        if (!b->used[i])
            m->unexpected[m->n_unexpected++] = &m->checkpoint->tensors[i];
        else if (b->stale[i])
            m->ignored[m->n_ignored++] = &m->checkpoint->tensors[i];
    }
    if (unknown)
        return i8i_model_note(
            m, err, "%zu tensor%s not part of %s, which does not use them, first '%s'",
            unknown, unknown == 1 ? " is" : "s are", m->architecture,
            m->unexpected[0]->name);
    return I8_OK;
}

enum i8_status i8i_build_finish(struct i8i_builder *b, struct i8_error *err)
{
    enum i8_status st;
    link_children(b->m);
    if ((st = index_blocks(b->m, err)) ||
        (b->may_collide && (st = check_names(b->m, err))))
        return st;
    return list_leftovers(b, err);
}
