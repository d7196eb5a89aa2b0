/* SPDX-License-Identifier: Apache-2.0
 *
 * What the names in a PyTorch pickle mean: storages, element types, and the functions
 * that put a tensor together, by their arguments' places. This list is the whole of
 * what a pickle can reach.
 */
#include "config.h"

#include "checkpoint/pickle.h"

#include <string.h>

enum role {
    ORDERED_DICT,    /* () */
    SIZE,            /* ((d0, d1 …)) */
    DEVICE,          /* ("cpu"[, 0]) */
    STORAGE,         /* a type of storage, with its elements' dtype */
    UNTYPED_STORAGE, /* counted in bytes */
    DTYPE,
    TENSOR,    /* (storage, offset, shape, strides) */
    TENSOR_V2, /* … requires_grad, hooks[, metadata] */
    TENSOR_V3, /* … requires_grad, hooks, dtype[, metadata] */
    PARAMETER, /* (tensor, requires_grad, hooks[, state]) */
};

struct i8i_torch_name {
    const char *module, *name;
    enum role role;
    enum i8_dtype dtype;
};

static const struct i8i_torch_name names[] = {
    {"collections", "OrderedDict", ORDERED_DICT, I8_DTYPE_INVALID},
    {"torch", "Size", SIZE, I8_DTYPE_INVALID},
    {"torch", "device", DEVICE, I8_DTYPE_INVALID},
    {"torch._utils", "_rebuild_tensor", TENSOR, I8_DTYPE_INVALID},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR_V2, I8_DTYPE_INVALID},
    {"torch._utils", "_rebuild_tensor_v3", TENSOR_V3, I8_DTYPE_INVALID},
    {"torch._utils", "_rebuild_parameter", PARAMETER, I8_DTYPE_INVALID},
    {"torch._utils", "_rebuild_parameter_with_state", PARAMETER, I8_DTYPE_INVALID},
    {"torch.storage", "UntypedStorage", UNTYPED_STORAGE, I8_DTYPE_U8},
    {"torch", "UntypedStorage", UNTYPED_STORAGE, I8_DTYPE_U8},
    {"torch", "BoolStorage", STORAGE, I8_DTYPE_BOOL},
    {"torch", "ByteStorage", STORAGE, I8_DTYPE_U8},
    {"torch", "CharStorage", STORAGE, I8_DTYPE_I8},
    {"torch", "ShortStorage", STORAGE, I8_DTYPE_I16},
    {"torch", "IntStorage", STORAGE, I8_DTYPE_I32},
    {"torch", "LongStorage", STORAGE, I8_DTYPE_I64},
    {"torch", "HalfStorage", STORAGE, I8_DTYPE_F16},
    {"torch", "BFloat16Storage", STORAGE, I8_DTYPE_BF16},
    {"torch", "FloatStorage", STORAGE, I8_DTYPE_F32},
    {"torch", "DoubleStorage", STORAGE, I8_DTYPE_F64},
    {"torch", "ComplexFloatStorage", STORAGE, I8_DTYPE_C64},
    {"torch", "bool", DTYPE, I8_DTYPE_BOOL},
    {"torch", "uint8", DTYPE, I8_DTYPE_U8},
    {"torch", "int8", DTYPE, I8_DTYPE_I8},
    {"torch", "float8_e5m2", DTYPE, I8_DTYPE_F8_E5M2},
    {"torch", "float8_e4m3fn", DTYPE, I8_DTYPE_F8_E4M3},
    {"torch", "float8_e8m0fnu", DTYPE, I8_DTYPE_F8_E8M0},
    {"torch", "float8_e4m3fnuz", DTYPE, I8_DTYPE_F8_E4M3FNUZ},
    {"torch", "float8_e5m2fnuz", DTYPE, I8_DTYPE_F8_E5M2FNUZ},
    {"torch", "int16", DTYPE, I8_DTYPE_I16},
    {"torch", "uint16", DTYPE, I8_DTYPE_U16},
    {"torch", "float16", DTYPE, I8_DTYPE_F16},
    {"torch", "bfloat16", DTYPE, I8_DTYPE_BF16},
    {"torch", "int32", DTYPE, I8_DTYPE_I32},
    {"torch", "uint32", DTYPE, I8_DTYPE_U32},
    {"torch", "float32", DTYPE, I8_DTYPE_F32},
    {"torch", "int64", DTYPE, I8_DTYPE_I64},
    {"torch", "uint64", DTYPE, I8_DTYPE_U64},
    {"torch", "float64", DTYPE, I8_DTYPE_F64},
    {"torch", "complex64", DTYPE, I8_DTYPE_C64},
};

typedef struct i8i_pickle_machine machine;
typedef struct i8i_pickle_value value;

const struct i8i_torch_name *i8i_torch_find(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].module, module) == 0 && strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

/* Argument `i` if it is there and of that kind, else NULL. */
static const value *argument(const value *args, size_t i, enum i8i_pickle_kind kind)
{
    if (i >= args->list.count || args->list.items[i]->kind != kind)
        return NULL;
    return args->list.items[i];
}

/* An integer of at least 0. */
static bool as_count(uint64_t *out, const value *v)
{
    if (v == NULL || v->kind != I8I_PICKLE_INT || v->integer < 0)
        return false;
    *out = (uint64_t)v->integer;
    return true;
}

static bool as_counts(uint64_t *out, const value *tuple, size_t rank)
{
    if (tuple == NULL || tuple->list.count != rank)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (!as_count(&out[i], tuple->list.items[i]))
            return false;
    return true;
}

static enum i8_status rebuild_tensor(machine *m, value **out, enum role role,
                                     const value *args)
{
    const size_t n = args->list.count;
    const value *storage = argument(args, 0, I8I_PICKLE_STORAGE),
                *offset = argument(args, 1, I8I_PICKLE_INT),
                *shape = argument(args, 2, I8I_PICKLE_TUPLE),
                *strides = argument(args, 3, I8I_PICKLE_TUPLE),
                *dtype = argument(args, 6, I8I_PICKLE_NAME);
    const bool count_fits = role == TENSOR      ? n == 4
                            : role == TENSOR_V2 ? n == 6 || n == 7
                                                : n == 7 || n == 8;
    if (!count_fits || storage == NULL || shape == NULL || strides == NULL ||
        (role == TENSOR_V3 && (dtype == NULL || dtype->name->role != DTYPE)))
        return i8i_pickle_fault(m,
                                "a storage, an offset, a shape and strides of a tensor");
    if (shape->list.count > I8I_MAX_RANK)
        return i8i_fail(m->err, I8_ERR_UNSUPPORTED,
                        "%s: a tensor with %zu dimensions, at most %d are handled",
                        m->what, shape->list.count, I8I_MAX_RANK);
    struct i8i_pickle_tensor *t = i8i_pickle_alloc(m, sizeof *t);
    *out = i8i_pickle_new(m, I8I_PICKLE_TENSOR);
    if (t == NULL || *out == NULL)
        return I8_ERR_NOMEM;
    (*out)->tensor = t;
    t->rank = (uint32_t)shape->list.count;
    if (!as_count(&t->offset, offset) || !as_counts(t->shape, shape, t->rank) ||
        !as_counts(t->strides, strides, t->rank))
        return i8i_pickle_fault(m,
                                "a tensor's offset, sizes and strides to be 0 or more");
    const struct i8i_pickle_storage *s = &storage->storage;
    t->dtype = role == TENSOR_V3 ? dtype->name->dtype : s->type->dtype;
    t->storage_key = s->key;
    if (!i8i_mul_u64(&t->storage_bytes, s->count, i8_dtype_bits(s->type->dtype) / 8))
        return i8i_pickle_fault(m, "a storage below 2^64 bytes");
    return I8_OK;
}

enum i8_status i8i_torch_call(machine *m, value **out, const value *callable,
                              const value *args)
{
    const value *tensor = argument(args, 0, I8I_PICKLE_TENSOR),
                *tuple = argument(args, 0, I8I_PICKLE_TUPLE);
    *out = NULL;
    switch (callable->name->role) {
    case ORDERED_DICT:
        if (args->list.count != 0)
            return i8i_pickle_fault(m, "an OrderedDict made empty");
        *out = i8i_pickle_new(m, I8I_PICKLE_DICT);
        return *out != NULL ? I8_OK : I8_ERR_NOMEM;
    case SIZE:
        if (tuple == NULL || args->list.count != 1)
            return i8i_pickle_fault(m, "a torch.Size made of a tuple");
        *out = args->list.items[0];
        return I8_OK;
    case DEVICE:
        *out = i8i_pickle_new(m, I8I_PICKLE_OPAQUE);
        return *out != NULL ? I8_OK : I8_ERR_NOMEM;
    case TENSOR:
    case TENSOR_V2:
    case TENSOR_V3:
        return rebuild_tensor(m, out, callable->name->role, args);
    case PARAMETER:
        if (tensor == NULL)
            return i8i_pickle_fault(m, "a parameter made of a tensor");
        *out = args->list.items[0];
        return I8_OK;
    case STORAGE:
    case UNTYPED_STORAGE:
    case DTYPE:
        break;
    }
    return i8i_fail(m->err, I8_ERR_UNSUPPORTED, "%s: the pickle calls %s.%s, a type",
                    m->what, callable->name->module, callable->name->name);
}

enum i8_status i8i_torch_storage(machine *m, value **out, const value *id)
{
    *out = NULL;
    if (id->kind != I8I_PICKLE_TUPLE || id->list.count != 5)
        return i8i_pickle_fault(m, "a persistent id of five parts");
    const value *tag = argument(id, 0, I8I_PICKLE_STRING),
                *type = argument(id, 1, I8I_PICKLE_NAME),
                *key = argument(id, 2, I8I_PICKLE_STRING);
    uint64_t count;
    if (tag == NULL || strcmp(tag->string, "storage") != 0 || type == NULL ||
        (type->name->role != STORAGE && type->name->role != UNTYPED_STORAGE) ||
        key == NULL || !as_count(&count, id->list.items[4]))
        return i8i_pickle_fault(m, "('storage', type, key, location, count)");
    *out = i8i_pickle_new(m, I8I_PICKLE_STORAGE);
    if (*out == NULL)
        return I8_ERR_NOMEM;
    (*out)->storage = (struct i8i_pickle_storage){
        .type = type->name, .key = key->string, .count = count};
    return I8_OK;
}
