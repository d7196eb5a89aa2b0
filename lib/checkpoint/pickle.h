/* SPDX-License-Identifier: Apache-2.0
 *
 * A restricted reader of the pickles in PyTorch checkpoints. It executes nothing: a
 * pickle is a program for a stack machine, and this machine's only values are data and
 * tags from a short list of names (pickle_torch.c). Any other name, and any opcode that
 * weights do not need, is refused by name.
 */
#ifndef I8I_CHECKPOINT_PICKLE_H
#define I8I_CHECKPOINT_PICKLE_H

#include "base/memory.h"
#include "checkpoint/checkpoint.h"

#define I8I_MAX_PICKLE_BYTES (64u << 20)

/* A tensor as the pickle describes it: a strided window on a storage. Nothing in it has
 * been compared with the file yet. */
struct i8i_pickle_tensor {
    enum i8_dtype dtype;
    const char *storage_key; /* "17": the zip entry data/17 */
    uint64_t storage_bytes;
    uint64_t offset; /* in elements, like the strides */
    uint32_t rank;
    uint64_t shape[I8I_MAX_RANK], strides[I8I_MAX_RANK];
};

/* Takes one tensor; name and tensor are borrowed for the call. */
typedef enum i8_status i8i_pickle_fn(void *ctx, const char *name,
                                     const struct i8i_pickle_tensor *t,
                                     struct i8_error *err);

/* Reads `length` <= I8I_MAX_PICKLE_BYTES bytes of data.pkl; `what` names it in messages.
 * Calls emit for each entry of the dictionary in it (or of its member "state_dict" or
 * "model"), in order; name and tensor are borrowed for the call. */
enum i8_status i8i_pickle_read(const void *bytes, size_t length, const char *what,
                               i8i_pickle_fn *emit, void *ctx,
                               struct i8_error *err) I8I_MUST_CHECK;

/* ---- between pickle.c (the machine), pickle_torch.c (what names mean) and
 * pickle_state_dict.c (which values are the weights) ---- */

enum i8i_pickle_kind {
    I8I_PICKLE_MARK,
    I8I_PICKLE_NONE,
    I8I_PICKLE_BOOL,
    I8I_PICKLE_INT,
    I8I_PICKLE_OPAQUE, /* a float, a set …: may stand somewhere, means nothing */
    I8I_PICKLE_STRING,
    I8I_PICKLE_TUPLE,
    I8I_PICKLE_LIST,
    I8I_PICKLE_DICT, /* items: key, value, key, value … */
    I8I_PICKLE_NAME,
    I8I_PICKLE_STORAGE,
    I8I_PICKLE_TENSOR,
};

struct i8i_torch_name;

struct i8i_pickle_storage {
    const struct i8i_torch_name *type;
    const char *key;
    uint64_t count; /* of the type's elements */
};

struct i8i_pickle_value {
    enum i8i_pickle_kind kind;
    union {
        int64_t integer; /* INT, BOOL */
        const char *string;
        struct {
            struct i8i_pickle_value **items;
            size_t count, capacity;
        } list; /* TUPLE, LIST, DICT */
        const struct i8i_torch_name *name;
        struct i8i_pickle_storage storage;
        struct i8i_pickle_tensor *tensor;
    };
};

struct i8i_pickle_machine {
    const unsigned char *bytes;
    size_t length, at; /* at: of the opcode that is being done */
    const char *what;
    struct i8_error *err;
    struct i8i_arena arena; /* everything lives until the end */
    size_t budget;          /* bytes that the arena may still give */
    struct i8i_pickle_value **stack;
    size_t depth, stack_capacity;
    struct i8i_pickle_value **memo; /* NULL: not set */
    size_t memo_size, memo_capacity;
};

/* Runs the pickle; *out is the one value that it leaves, owned by the arena. */
enum i8_status i8i_pickle_run(const struct i8i_pickle_value **out,
                              struct i8i_pickle_machine *m) I8I_MUST_CHECK;
/* I8_ERR_DATA with the file and the opcode's offset. */
enum i8_status i8i_pickle_fault(const struct i8i_pickle_machine *m, const char *expected);
/* Zeroed memory, a new value: NULL when there is none (the message is set). */
void *i8i_pickle_alloc(struct i8i_pickle_machine *m, size_t n);
struct i8i_pickle_value *i8i_pickle_new(struct i8i_pickle_machine *m,
                                        enum i8i_pickle_kind kind);

/* The name's tag, or NULL if it is not on the list. */
const struct i8i_torch_name *i8i_torch_find(const char *module, const char *name);
/* callable(*args). */
enum i8_status i8i_torch_call(struct i8i_pickle_machine *m, struct i8i_pickle_value **out,
                              const struct i8i_pickle_value *callable,
                              const struct i8i_pickle_value *args) I8I_MUST_CHECK;
/* A persistent id: ("storage", type, key, location, count). */
enum i8_status i8i_torch_storage(struct i8i_pickle_machine *m,
                                 struct i8i_pickle_value **out,
                                 const struct i8i_pickle_value *id) I8I_MUST_CHECK;

#endif
