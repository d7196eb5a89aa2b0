/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of a pickle's values are the weights: the dictionary that it is, or the one that
 * training loops put one level down.
 */
#include "config.h"

#include "checkpoint/pickle.h"

#include <stdlib.h>
#include <string.h>

/* Real checkpoints take 5 bytes of values for a byte of pickle. */
#define BUDGET(length) ((length)*16 + ((size_t)1 << 20))

typedef struct i8i_pickle_machine machine;
typedef struct i8i_pickle_value value;

/* The member of that name if it is a dictionary, else NULL. */
static const value *dictionary_member(const value *dict, const char *key)
{
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const value *k = dict->list.items[i], *v = dict->list.items[i + 1];
        if (k->kind == I8I_PICKLE_STRING && v->kind == I8I_PICKLE_DICT &&
            strcmp(k->string, key) == 0)
            return v;
    }
    return NULL;
}

static enum i8_status emit_tensors(const machine *m, const value *dict,
                                   i8i_pickle_fn *emit, void *ctx)
{
    if (dict->kind != I8I_PICKLE_DICT)
        return i8i_fail(m->err, I8_ERR_UNSUPPORTED,
                        "%s: the pickle holds no dictionary of tensors", m->what);
    const value *inner = dictionary_member(dict, "state_dict");
    if (inner == NULL)
        inner = dictionary_member(dict, "model");
    if (inner != NULL)
        dict = inner;
    enum i8_status st = I8_OK;
    for (size_t i = 0; i + 1 < dict->list.count && st == I8_OK; i += 2) {
        const value *k = dict->list.items[i], *v = dict->list.items[i + 1];
        if (k->kind != I8I_PICKLE_STRING)
            st = i8i_fail(m->err, I8_ERR_UNSUPPORTED,
                          "%s: a key of the dictionary of tensors is not text", m->what);
        else if (v->kind != I8I_PICKLE_TENSOR)
            st = i8i_fail(m->err, I8_ERR_UNSUPPORTED, "%s: '%s' is not a tensor", m->what,
                          k->string);
        else
            st = emit(ctx, k->string, v->tensor, m->err);
    }
    return st;
}

enum i8_status i8i_pickle_read(const void *bytes, size_t length, const char *what,
                               i8i_pickle_fn *emit, void *ctx, struct i8_error *err)
{
    machine m = {.bytes = bytes,
                 .length = length,
                 .what = what,
                 .err = err,
                 .budget = BUDGET(length)};
    const value *result;
    enum i8_status st = i8i_pickle_run(&result, &m);
    if (st == I8_OK)
        st = emit_tensors(&m, result, emit, ctx);
    free(m.stack);
    free(m.memo);
    i8i_arena_free(&m.arena);
    return st;
}
