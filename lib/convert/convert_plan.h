/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole conversion, decided from headers before a byte of weights is read: every
 * output file with its size, every tensor's place in it, and the pieces of work that
 * fill them. Nothing here depends on jobs, memory or what an earlier run has done.
 */
#ifndef I8I_CONVERT_CONVERT_PLAN_H
#define I8I_CONVERT_CONVERT_PLAN_H

#include "base/hash.h"
#include "base/memory.h"
#include "convert/journal.h"
#include "model/model.h"
#include "quant/quant.h"
#include <int8tool/convert.h>

enum i8i_piece_kind {
    I8I_PIECE_COPY,     /* bytes as they are; a unit is one element, or one byte */
    I8I_PIECE_CAST,     /* --rest-dtype; a unit is one element */
    I8I_PIECE_QUANTIZE, /* a unit is one row */
    I8I_PIECE_QUANTIZE_TRANSPOSED, /* Conv1D: a unit is one column of the source */
};

/* One tensor's, or one companion file's, way from source to output. Units are
 * independent of each other, so any range of them can be done at any time. */
struct i8i_piece {
    enum i8i_piece_kind kind;
    const char *name;                /* for messages: the tensor, or the file */
    const struct i8i_tensor *tensor; /* NULL: a whole companion file */
    uint32_t input;                  /* index of the source file */
    uint32_t output;                 /* index of the output file */
    uint64_t source_offset;          /* of the first byte, in the source file */
    uint64_t units;
    uint64_t unit_in, unit_out; /* bytes of one unit at either end */
    uint64_t cols;              /* elements of a row (QUANTIZE…) */
    enum i8_dtype from, to;
    bool check_finite;     /* NaN and Inf are looked for */
    uint64_t offset;       /* of unit 0 in the output file */
    uint64_t scale_offset; /* QUANTIZE…: of row 0's SCB or weight_scale */
};

struct i8i_input_file {
    const char *name; /* relative to the model, or the file's base name */
    struct i8i_source *source;
    bool owned; /* the plan closes source */
    uint64_t bytes;
    int64_t mtime_ns; /* 0 where the source has none */
    int same_as;      /* index of the output that is a plain copy of it, or -1 */
    char sha256[I8_SHA256_HEX];
};

struct i8i_output_file {
    const char *name; /* relative to the output directory */
    uint64_t bytes;
    const char *head; /* bytes known from the start, at offset 0: a header, or all */
    size_t head_bytes;
    char sha256[I8_SHA256_HEX];
    /* --compress: how the content is cut; NULL: it is written as it is. name and bytes
     * are the plain file's until it is packed, then the other one's (packed.h). */
    const uint32_t *frames; /* bytes of each */
    size_t n_frames;
    bool packed;
    const char *plain_name, *packed_name;
    uint64_t plain_bytes;
};

struct i8i_kept_tensor {
    const struct i8i_tensor *tensor;
    enum i8_dtype to;
    bool castable; /* by --rest-dtype: a floating-point parameter */
    const char *why;
};

struct i8i_convert_plan {
    const struct i8_convert_options *options;
    struct i8i_model *model;
    struct i8i_piece *pieces; /* by input file and offset: the order of reading */
    size_t n_pieces;
    struct i8i_input_file *inputs;
    size_t n_inputs;
    struct i8i_output_file *outputs; /* without the manifest */
    size_t n_outputs;
    struct i8i_kept_tensor *kept;
    size_t n_kept;
    const char **converted; /* paths of the int8 modules */
    size_t n_converted;
    uint64_t source_bytes; /* of tensors */
    uint64_t tensor_bytes; /* of tensors, as written */
    uint64_t output_bytes; /* of all files, the manifest included */
    uint64_t manifest_bytes;
    uint64_t table_bytes;      /* what the plan itself takes, roughly */
    int pack_level;            /* of zstd; 0: nothing is compressed */
    uint64_t encoder_bytes;    /* of memory, for compressing one frame at that level */
    i8i_json *packed_manifest; /* unpack: what describes the compressed directory */
    struct i8i_arena arena;    /* names and generated file contents */
    size_t pieces_capacity, inputs_capacity, outputs_capacity, kept_capacity;
};

#define I8I_MANIFEST_NAME  "int8tool.json"
#define I8I_PUBLISHER_NAME "int8tool.publisher" /* publisher.h */
/* Of a manifest that is read: somebody's file. */
#define I8I_MAX_MANIFEST_BYTES ((size_t)256 << 20)

/* Opens the model, decides, lays out. options must outlive the plan. */
enum i8_status i8i_convert_plan_new(struct i8i_convert_plan **out,
                                    const struct i8_convert_options *options,
                                    struct i8_error *err) I8I_MUST_CHECK;
void i8i_convert_plan_free(struct i8i_convert_plan *p);

/* ---- the steps of planning, one file each ---- */

/* Output tensors on the way to their places. */
struct i8i_output_tensor {
    const char *name;
    enum i8_dtype dtype;
    uint32_t rank;
    uint64_t shape[I8I_MAX_RANK];
    uint64_t bytes;
    size_t piece;       /* that fills it; I8I_NO_PIECE: it is all zeros */
    bool scale;         /* the piece's second output */
    bool with_previous; /* in one file with the tensor before it */
    uint32_t file;      /* out: index among the shards */
    uint64_t offset;    /* out: in that file */
};
#define I8I_NO_PIECE SIZE_MAX

/* tensor_policy.c: what becomes of a module under the plan's options. */
enum i8i_decision i8i_convert_decide(const struct i8i_convert_plan *p, int module,
                                     const char *const *skip);
/* tensor_policy.c: which tensors become what. Fills pieces (places still open), kept,
 * converted, source_bytes, and the tensors to lay out in canonical order: the model's,
 * then by name, so that the same weights in other files give the same output. */
enum i8_status i8i_convert_policy(struct i8i_convert_plan *p,
                                  struct i8i_output_tensor **tensors, size_t *count,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* shards.c: cuts the tensors into files, lays each out, makes headers and the index,
 * and gives the pieces their places. */
enum i8_status i8i_convert_shards(struct i8i_convert_plan *p,
                                  struct i8i_output_tensor *tensors, size_t count,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* companions.c: the files beside the weights that are copied. */
enum i8_status i8i_convert_companions(struct i8i_convert_plan *p,
                                      struct i8_error *err) I8I_MUST_CHECK;
/* config_rewrite.c: config.json with its quantization_config. */
enum i8_status i8i_convert_config(struct i8i_convert_plan *p,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* manifest.c: int8tool.json's bytes (caller frees). Digests that are not known yet are
 * written as zeros, so that the size is final from the start. */
enum i8_status i8i_convert_manifest(char **out, size_t *bytes,
                                    const struct i8i_convert_plan *p,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* unpack_plan.c: the manifest of a directory that unpack writes, and whether the files
 * that were only copied are those that the compressed directory's manifest describes. */
enum i8_status i8i_unpack_manifest(char **out, size_t *bytes,
                                   const struct i8i_convert_plan *p,
                                   struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_unpack_check(const struct i8i_convert_plan *p,
                                struct i8_error *err) I8I_MUST_CHECK;
/* unpack_plan.c: options->model is a directory that convert --compress has written.
 * options->no_hash is set if its manifest has no digests. */
enum i8_status i8i_unpack_plan_new(struct i8i_convert_plan **out,
                                   struct i8_convert_options *options,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* manifest.c: the list of the outputs. */
void i8i_manifest_outputs(struct i8i_json_writer *w, const struct i8i_convert_plan *p);
/* advice.c: what a user should know about this plan, as warnings and notes. */
void i8i_convert_advise(const struct i8i_convert_plan *p);

/* identity.c: digests that say what is converted (files, sizes, times, headers) and into
 * what (every place of every piece, heads included). What cannot change the bytes is left
 * out. */
enum i8_status i8i_convert_identity(struct i8i_conversion_id *id,
                                    const struct i8i_convert_plan *plan,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* tied_copies.c: are the stored copies of tied parameters, which are left out, really
 * copies? Reads them. */
enum i8_status i8i_convert_check_tied(const struct i8i_convert_plan *p,
                                      struct i8_error *err) I8I_MUST_CHECK;

/* A source file; source NULL: `name` of the model's tree, which the plan opens. */
enum i8_status i8i_plan_add_input(struct i8i_convert_plan *p, const char *name,
                                  struct i8i_source *source,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* Adds an output that is the copy of a whole input. */
enum i8_status i8i_plan_copy_file(struct i8i_convert_plan *p, uint32_t input,
                                  const char *name, struct i8_error *err) I8I_MUST_CHECK;
/* The last step: the order of work, and the sums. */
enum i8_status i8i_plan_finish(struct i8i_convert_plan *p,
                               struct i8_error *err) I8I_MUST_CHECK;
/* Adds an output file; head (may be NULL) is copied into the arena. */
enum i8_status i8i_plan_add_output(struct i8i_convert_plan *p, uint32_t *index,
                                   const char *name, uint64_t bytes, const char *head,
                                   size_t head_bytes,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* Adds a piece, zeroed but for what it points to. */
struct i8i_piece *i8i_plan_add_piece(struct i8i_convert_plan *p,
                                     struct i8_error *err) I8I_MUST_CHECK;

static inline bool i8i_dtype_is_quantizable(enum i8_dtype dtype)
{
    return dtype == I8_DTYPE_F16 || dtype == I8_DTYPE_BF16 || dtype == I8_DTYPE_F32 ||
           dtype == I8_DTYPE_F64;
}

#endif
