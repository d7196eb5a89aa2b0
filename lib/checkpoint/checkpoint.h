/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bytes are: a checkpoint is a list of named tensors with dtype, shape,
 * file and offset, read from headers only. Every rule of the safetensors format is
 * checked before the list exists, so later code may trust offsets and lengths.
 */
#ifndef I8I_CHECKPOINT_CHECKPOINT_H
#define I8I_CHECKPOINT_CHECKPOINT_H

#include "base/json.h"
#include "base/map.h"
#include "base/memory.h"
#include "source/source.h"
#include "source/zstd_source.h"
#include <int8tool/dtype.h>
#include <int8tool/status.h>

#define I8I_MAX_RANK         8
#define I8I_MAX_HEADER_BYTES 100000000u /* the reference reader's own limit */
#define I8I_MAX_INDEX_BYTES  (256u << 20)

/* How the elements of a tensor lie that is not contiguous (.bin files only). */
struct i8i_strides {
    uint64_t step[I8I_MAX_RANK]; /* in elements */
};

/* How a matrix is stored that is FP8 (E4M3) in the file, with one scale a block. */
struct i8i_fp8 {
    const struct i8i_tensor *scale; /* F32 or BF16, [ceil(rows/block[0]),
                                       ceil(cols/block[1])]: what to multiply with */
    uint64_t block[2];              /* rows, columns; those at the edges may be smaller */
};

struct i8i_tensor {
    const char *name; /* unescaped UTF-8, owned by the checkpoint */
    enum i8_dtype dtype;
    uint32_t rank;
    uint32_t file;                /* index into checkpoint->files */
    bool companion;               /* scales of another tensor, read along with it */
    bool swapped;                 /* big-endian in the file; see strides */
    uint64_t shape[I8I_MAX_RANK]; /* row-major; a scalar has rank 0 */
    uint64_t elements;            /* product of shape */
    uint64_t bytes;               /* elements × bits / 8 */
    uint64_t offset;              /* of the first byte, in its file's source */
    /* Where one of these or `swapped` is set, only i8i_tensor_read knows how to come by
     * the `bytes` bytes; otherwise they lie contiguously from `offset` on
     * (i8i_tensor_is_plain). */
    const struct i8i_strides *strides; /* elements that are scattered */
    const struct i8i_fp8 *fp8; /* E4M3 in the file, one byte an element; dtype (BF16) and
                                  bytes are those of the values read */
};

static inline bool i8i_tensor_is_plain(const struct i8i_tensor *t)
{
    return t->strides == NULL && t->fp8 == NULL && !t->swapped;
}
/* Bytes in the file behind `bytes` bytes as read; and what the file calls them. */
static inline uint64_t i8i_tensor_stored(const struct i8i_tensor *t, uint64_t bytes)
{
    return t->fp8 ? bytes / 2 : bytes;
}
static inline enum i8_dtype i8i_tensor_stored_dtype(const struct i8i_tensor *t)
{
    return t->fp8 ? I8_DTYPE_F8_E4M3 : t->dtype;
}

/* Takes one tensor of a file that is being read; borrowed for the call. */
typedef enum i8_status i8i_tensor_fn(void *ctx, const struct i8i_tensor *t,
                                     struct i8_error *err);

struct i8i_checkpoint_file {
    char *name; /* relative to the tree: "model-00001-of-00003.safetensors" */
    struct i8i_source *source;
    uint64_t data_start; /* 8 + header length, for safetensors */
};

struct i8i_checkpoint {
    struct i8i_tensor *tensors; /* in file order, within a file by offset */
    size_t n_tensors;
    struct i8i_checkpoint_file *files;
    size_t n_files;
    struct i8i_map by_name;
    struct i8i_tree *tree; /* borrowed; NULL when opened from a single file */
    /* private: */
    struct i8i_arena *arenas; /* tensor names, strides …, by thread that read them;
                                 one at least */
    unsigned n_arenas;
    struct i8i_frame_cache *frames; /* of its compressed files */
};

/* Opens the weights of a tree: model.safetensors, else model.safetensors.index.json,
 * else pytorch_model.bin, else pytorch_model.bin.index.json. Each shard's header is
 * read and checked; the index must name each tensor exactly where it is. A tree
 * without weights is I8_ERR_IO naming what was looked for. The tree must outlive it. */
enum i8_status i8i_checkpoint_open_tree(struct i8i_checkpoint **out,
                                        struct i8i_tree *tree,
                                        struct i8_error *err) I8I_MUST_CHECK;
/* One weights file; its kind is seen from its first bytes, not from its name. */
enum i8_status i8i_checkpoint_open_file(struct i8i_checkpoint **out, const char *path,
                                        struct i8_error *err) I8I_MUST_CHECK;
void i8i_checkpoint_free(struct i8i_checkpoint *c); /* NULL is fine */

/* NULL if there is none of that name. */
const struct i8i_tensor *i8i_checkpoint_find(const struct i8i_checkpoint *c,
                                             const char *name);
/* Reads `n` bytes of a tensor from byte `offset` of it: little-endian, in row-major
 * order, FP8 as bf16, whatever the storage. Thread-safe. */
enum i8_status i8i_tensor_read(const struct i8i_checkpoint *c, const struct i8i_tensor *t,
                               void *dst, uint64_t offset, size_t n,
                               struct i8_error *err) I8I_MUST_CHECK;

/* Finds the block scales ("…_scale_inv") of all FP8 tensors and has them read as bf16.
 * Call it before anything else looks at the tensors. A matrix without scales, scales of
 * another shape or dtype, scales without a matrix, and other FP8 kinds are refused by
 * name. block: rows and columns, none 0. */
enum i8_status i8i_checkpoint_join_fp8(struct i8i_checkpoint *c, const uint64_t block[2],
                                       struct i8_error *err) I8I_MUST_CHECK;

/* elements = product of shape, bytes = elements × bits / 8; fails on overflow and on
 * a fraction of a byte. `where` names the file in messages. */
enum i8_status i8i_tensor_size(uint64_t *elements, uint64_t *bytes, enum i8_dtype dtype,
                               const uint64_t *shape, uint32_t rank, const char *where,
                               const char *name, struct i8_error *err) I8I_MUST_CHECK;

/* ---- safetensors pieces that the writer and the tests share ---- */

/* Reads and checks one safetensors header from `source`; calls add for each tensor in
 * offset order (t->name is borrowed for the call, t->offset is absolute). Two tensors of
 * one name are for `add` to refuse. *metadata (may be NULL) receives the "__metadata__"
 * object as a document to free, or NULL. */
enum i8_status i8i_safetensors_read_header(struct i8i_source *source,
                                           uint64_t *data_start, i8i_tensor_fn *add,
                                           void *ctx, i8i_json **metadata,
                                           struct i8_error *err) I8I_MUST_CHECK;

/* A header to write: tensors in the order given are laid out without holes. */
struct i8i_safetensors_entry {
    const char *name;
    enum i8_dtype dtype;
    uint32_t rank;
    uint64_t shape[I8I_MAX_RANK];
    uint64_t offset; /* out: of the first byte, from the start of the file */
    uint64_t bytes;  /* out */
    size_t which;    /* the caller's own number of it, which sorting leaves alone */
};
/* Sorts `entries` into the reference writer's order (dtype, widest first, then name),
 * computes offsets and composes 8 + N header bytes, N padded with spaces to a multiple of
 * 8, with {"format":"pt"} as metadata plus `metadata` pairs (key, value, …, NULL; may be
 * NULL). *header is freed by the caller; *file_bytes is the whole file's size. Fails on
 * duplicate names and overflow. */
enum i8_status i8i_safetensors_layout(char **header, size_t *header_bytes,
                                      uint64_t *file_bytes,
                                      struct i8i_safetensors_entry *entries, size_t count,
                                      const char *const *metadata,
                                      struct i8_error *err) I8I_MUST_CHECK;

#endif
