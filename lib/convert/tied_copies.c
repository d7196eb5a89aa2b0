/* SPDX-License-Identifier: Apache-2.0
 *
 * Some checkpoints store a parameter that config.json ties to another one. The copy is
 * not written again, which is right only as long as it is a copy: transformers 5 unties
 * what differs.
 */
#include "config.h"

#include "convert/remote_inputs.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK        ((size_t)256 << 10)
#define REMOTE_CHUNK ((size_t)8 << 20) /* where each read is a request */

static enum i8_status compare(bool *same, const struct i8i_convert_plan *p,
                              const struct i8i_tensor *a, const struct i8i_tensor *b,
                              char *buffers, size_t chunk, struct i8_error *err)
{
    const struct i8i_checkpoint *c = p->model->checkpoint;
    enum i8_status st = I8_OK;
    *same = a->dtype == b->dtype && a->bytes == b->bytes;
    if (a->file == b->file && a->offset == b->offset && i8i_tensor_is_plain(a) &&
        i8i_tensor_is_plain(b))
        return I8_OK; /* the same bytes of the same file */
    for (uint64_t at = 0; at < a->bytes && *same && st == I8_OK; at += chunk) {
        size_t n = a->bytes - at < chunk ? (size_t)(a->bytes - at) : chunk;
        st = i8i_tensor_read(c, a, buffers, at, n, err);
        if (st == I8_OK)
            st = i8i_tensor_read(c, b, buffers + chunk, at, n, err);
        *same = st == I8_OK && memcmp(buffers, buffers + chunk, n) == 0;
    }
    return st;
}

/* The tensor stored under a tied parameter's own name, or NULL. */
static enum i8_status stored_copy(const struct i8i_tensor **copy,
                                  const struct i8i_convert_plan *p,
                                  const struct i8i_param *param, struct i8_error *err)
{
    const struct i8i_model *m = p->model;
    const char *path = m->modules[param->module].stored_path;
    char *name = i8i_format("%s%s%s", path, path[0] ? "." : "", param->leaf);
    if (name == NULL)
        return i8i_nomem(err);
    *copy = i8i_checkpoint_find(m->checkpoint, name);
    free(name);
    return I8_OK;
}

enum i8_status i8i_convert_check_tied(const struct i8i_convert_plan *p,
                                      struct i8_error *err)
{
    const struct i8i_model *m = p->model;
    enum i8_status st = I8_OK;
    const size_t chunk = i8i_read_ahead_window(p) > 0 ? REMOTE_CHUNK : CHUNK;
    char *buffers = m->n_ignored > 0 ? malloc(2 * chunk) : NULL;
    if (m->n_ignored > 0 && buffers == NULL)
        return i8i_nomem(err);
    for (int i = 0; i < m->n_params && m->n_ignored > 0 && st == I8_OK; i++) {
        const struct i8i_param *param = &m->params[i];
        const struct i8i_tensor *copy = NULL, *of;
        bool same = true;
        if (param->tied_to < 0 || param->tensor)
            continue;
        of = m->params[param->tied_to].tensor;
        st = stored_copy(&copy, p, param, err);
        if (st == I8_OK && copy && of && copy != of)
            st = compare(&same, p, copy, of, buffers, chunk, err);
        if (st == I8_OK && !same)
            st = i8i_fail(err, I8_ERR_DATA,
                          "%s: tensor '%s' differs from '%s', to which config.json ties "
                          "it; set \"tie_word_embeddings\" to what is true",
                          p->options->model, copy->name, of->name);
    }
    free(buffers);
    return st;
}
