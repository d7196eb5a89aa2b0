/* SPDX-License-Identifier: Apache-2.0
 *
 * The public view of a checkpoint: the internal one behind an opaque type.
 */
#include "config.h"

#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "source/model_source.h"

#include <int8tool/checkpoint.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(I8_MAX_RANK == I8I_MAX_RANK,
               "the public and the internal rank limit differ");

struct i8_checkpoint {
    struct i8i_tree *tree; /* NULL for a single file */
    struct i8i_checkpoint *checkpoint;
};

enum i8_status i8_checkpoint_open(struct i8_checkpoint **out, const char *model,
                                  struct i8_error *err)
{
    *out = NULL;
    struct i8_checkpoint *c = i8i_calloc(1, sizeof *c);
    if (c == NULL)
        return i8i_nomem(err);
    enum i8_status st = i8i_open_model_tree(&c->tree, model, err);
    if (st == I8_OK)
        st = c->tree != NULL ? i8i_checkpoint_open_tree(&c->checkpoint, c->tree, err)
                             : i8i_checkpoint_open_file(&c->checkpoint, model, err);
    if (st == I8_OK)
        *out = c;
    else
        i8_checkpoint_free(c);
    return st;
}

size_t i8_checkpoint_count(const struct i8_checkpoint *c)
{
    return c->checkpoint->n_tensors;
}

struct i8_tensor_info i8_checkpoint_get(const struct i8_checkpoint *c, size_t i)
{
    const struct i8i_tensor *t = &c->checkpoint->tensors[i];
    struct i8_tensor_info info = {.name = t->name,
                                  .dtype = t->dtype,
                                  .rank = t->rank,
                                  .bytes = t->bytes,
                                  .file = c->checkpoint->files[t->file].name};
    memcpy(info.shape, t->shape, sizeof info.shape);
    return info;
}

void i8_checkpoint_free(struct i8_checkpoint *c)
{
    if (c == NULL)
        return;
    i8i_checkpoint_free(c->checkpoint);
    i8i_tree_close(c->tree);
    free(c);
}
