/* SPDX-License-Identifier: Apache-2.0
 *
 * Putting a plan together, step by step, and the bookkeeping that the steps share.
 */
#include "config.h"

#include "base/file.h"
#include "checkpoint/shard_index.h"
#include "convert/packed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum i8_status i8i_plan_add_output(struct i8i_convert_plan *p, uint32_t *index,
                                   const char *name, uint64_t bytes, const char *head,
                                   size_t head_bytes, struct i8_error *err)
{
    *index = (uint32_t)p->n_outputs;
    if (!i8i_grow(&p->outputs, &p->outputs_capacity, p->n_outputs + 1,
                  sizeof *p->outputs))
        return i8i_nomem(err);
    struct i8i_output_file *f = &p->outputs[p->n_outputs];
    *f = (struct i8i_output_file){.bytes = bytes, .head_bytes = head_bytes};
    f->name = i8i_arena_strdup(&p->arena, name);
    char *copy = i8i_arena_alloc(&p->arena, head_bytes + 1);
    if (f->name == NULL || copy == NULL)
        return i8i_nomem(err);
    if (head_bytes > 0)
        memcpy(copy, head, head_bytes);
    f->head = copy;
    p->n_outputs++;
    return I8_OK;
}

struct i8i_piece *i8i_plan_add_piece(struct i8i_convert_plan *p, struct i8_error *err)
{
    if (!i8i_grow(&p->pieces, &p->pieces_capacity, p->n_pieces + 1, sizeof *p->pieces)) {
        (void)i8i_nomem(err);
        return NULL;
    }
    struct i8i_piece *piece = &p->pieces[p->n_pieces++];
    *piece = (struct i8i_piece){0};
    return piece;
}

static int64_t mtime_ns(const struct i8i_source *source)
{
    const struct i8i_source *s = i8i_source_stored(source);
    struct stat info;
    if (s->fd < 0 || fstat(s->fd, &info) != 0)
        return 0;
    return (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
}

enum i8_status i8i_plan_add_input(struct i8i_convert_plan *p, const char *name,
                                  struct i8i_source *source, struct i8_error *err)
{
    if (!i8i_grow(&p->inputs, &p->inputs_capacity, p->n_inputs + 1, sizeof *p->inputs))
        return i8i_nomem(err);
    struct i8i_input_file *in = &p->inputs[p->n_inputs++];
    *in =
        (struct i8i_input_file){.source = source, .owned = source == NULL, .same_as = -1};
    in->name = i8i_arena_strdup(&p->arena, name);
    if (in->name == NULL)
        return i8i_nomem(err);
    if (source == NULL) {
        enum i8_status st = i8i_tree_open(p->model->tree, &in->source, name, err);
        if (st != I8_OK)
            return st;
    }
    in->bytes = in->source->size;
    return I8_OK;
}

enum i8_status i8i_plan_copy_file(struct i8i_convert_plan *p, uint32_t input,
                                  const char *name, struct i8_error *err)
{
    struct i8i_input_file *in = &p->inputs[input];
    uint32_t output;
    enum i8_status st = i8i_plan_add_output(p, &output, name, in->bytes, NULL, 0, err);
    if (st != I8_OK)
        return st;
    struct i8i_piece *piece = i8i_plan_add_piece(p, err);
    if (piece == NULL)
        return I8_ERR_NOMEM;
    in->same_as = (int)output;
    piece->kind = I8I_PIECE_COPY;
    piece->name = in->name;
    piece->input = input;
    piece->output = output;
    piece->units = in->bytes;
    piece->unit_in = piece->unit_out = 1;
    return I8_OK;
}

/* The name of a compressed file's content: in the manifest and in messages it is that
 * which is converted. */
static char *content_name(const char *name, const struct i8i_source *source)
{
    const size_t plain = source->stored ? i8i_length_before(name, I8I_ZST) : 0;
    return i8i_strndup(name, plain > 0 ? plain : strlen(name));
}

static enum i8_status add_weights(struct i8i_convert_plan *p, size_t file,
                                  struct i8_error *err)
{
    const struct i8i_checkpoint_file *f = &p->model->checkpoint->files[file];
    char *name =
        content_name(p->model->tree ? f->name : i8i_path_base(f->name), f->source);
    enum i8_status st =
        name ? i8i_plan_add_input(p, name, f->source, err) : i8i_nomem(err);
    free(name);
    return st;
}

/* The weights' files first: a tensor's file index is its input's. */
static enum i8_status add_inputs(struct i8i_convert_plan *p, struct i8_error *err)
{
    static const char *const indexes[] = {"model.safetensors.index.json",
                                          "pytorch_model.bin.index.json"};
    const struct i8i_checkpoint *c = p->model->checkpoint;
    enum i8_status st = I8_OK;
    for (size_t i = 0; i < c->n_files && st == I8_OK; i++)
        st = add_weights(p, i, err);
    if (p->model->tree && p->model->config && st == I8_OK)
        st = i8i_plan_add_input(p, "config.json", NULL, err);
    const char *first = c->n_files > 0 && st == I8_OK ? p->inputs[0].name : "";
    for (size_t i = 0; i < 2 && p->model->tree && c->n_files > 1 && st == I8_OK; i++) {
        /* The index that was read is the one of the same kind as the files. */
        const char *dot = strrchr(first, '.');
        if (dot && strstr(indexes[i], dot) && i8i_tree_exists(p->model->tree, indexes[i]))
            st = i8i_plan_add_input(p, indexes[i], NULL, err);
    }
    return st;
}

static int by_source(const void *a, const void *b)
{
    const struct i8i_piece *x = a, *y = b;
    if (x->input != y->input)
        return x->input < y->input ? -1 : 1;
    if (x->source_offset != y->source_offset)
        return x->source_offset < y->source_offset ? -1 : 1;
    return strcmp(x->name, y->name); /* empty tensors share an offset */
}

static enum i8_status refuse_quantized(const struct i8i_convert_plan *p,
                                       struct i8_error *err)
{
    const struct i8i_model *m = p->model;
    if (m->quantization == I8I_QUANT_NONE || m->quantization == I8I_QUANT_FP8_BLOCKS)
        return I8_OK;
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "%s: is already quantized (%s); convert needs a checkpoint in 16, 32 "
                    "or 64 bit floating point, or in FP8 with block scales",
                    p->options->model,
                    m->quantization_name ? m->quantization_name : "bitsandbytes int8");
}

static enum i8_status check_options(const struct i8_convert_options *o,
                                    struct i8_error *err)
{
    if (o->rest_dtype != I8_DTYPE_INVALID && o->rest_dtype != I8_DTYPE_F16 &&
        o->rest_dtype != I8_DTYPE_BF16 && o->rest_dtype != I8_DTYPE_F32)
        return i8i_fail(err, I8_ERR_ARG, "rest dtype %s: expected F16, BF16 or F32",
                        i8_dtype_name(o->rest_dtype));
    if (!(o->outlier_threshold >= 0 && o->outlier_threshold <= 65504))
        return i8i_fail(err, I8_ERR_ARG, "outlier threshold %g: expected 0 to 65504",
                        o->outlier_threshold);
    return I8_OK;
}

/* Skipped paths that match nothing are a slip of the pen: the user would be surprised. */
static enum i8_status check_skip(const struct i8i_convert_plan *p, struct i8_error *err)
{
    const struct i8i_model *m = p->model;
    for (const char *const *s = p->options->skip_modules; s && *s; s++) {
        const char *const one[] = {*s, NULL};
        bool found = false;
        for (int i = 0; i < m->n_modules && !found; i++)
            found = i8i_convert_decide(p, i, one) == I8I_KEEP_SKIPPED;
        if (!found)
            return i8i_fail(err, I8_ERR_ARG,
                            "--skip-modules %s: %s has no such module to convert", *s,
                            p->options->model);
    }
    return I8_OK;
}

enum i8_status i8i_plan_finish(struct i8i_convert_plan *p, struct i8_error *err)
{
    char *manifest;
    size_t bytes;
    for (size_t i = 0; i < p->n_inputs; i++)
        p->inputs[i].mtime_ns = p->inputs[i].source ? mtime_ns(p->inputs[i].source) : 0;
    if (p->n_pieces > 0)
        qsort(p->pieces, p->n_pieces, sizeof *p->pieces, by_source);
    for (size_t i = 0; i < p->n_outputs; i++) /* the manifest's size is a bound, too */
        if (p->outputs[i].frames)
            i8i_output_show_packed(&p->outputs[i], i8i_packed_most_bytes(&p->outputs[i]));
    enum i8_status st = i8i_convert_manifest(&manifest, &bytes, p, err);
    for (size_t i = 0; i < p->n_outputs; i++)
        if (p->outputs[i].frames)
            i8i_output_show_plain(&p->outputs[i]);
    if (st != I8_OK)
        return st;
    free(manifest);
    p->manifest_bytes = bytes;
    p->output_bytes = bytes;
    p->table_bytes += p->n_pieces * sizeof *p->pieces + p->n_kept * sizeof *p->kept;
    for (size_t i = 0; i < p->n_outputs; i++) {
        p->output_bytes += p->outputs[i].bytes;
        p->table_bytes += p->outputs[i].head_bytes;
    }
    p->table_bytes += p->model->checkpoint->n_tensors * sizeof(struct i8i_tensor);
    return I8_OK;
}

enum i8_status i8i_convert_plan_new(struct i8i_convert_plan **out,
                                    const struct i8_convert_options *options,
                                    struct i8_error *err)
{
    static const struct i8i_model_options model_options = {.headers_only = true};
    struct i8i_output_tensor *tensors = NULL;
    size_t count = 0;
    *out = NULL;
    enum i8_status st = check_options(options, err);
    if (st != I8_OK)
        return st;
    struct i8i_convert_plan *p = i8i_calloc(1, sizeof *p);
    if (p == NULL)
        return i8i_nomem(err);
    p->options = options;
    st = i8i_model_open(&p->model, options->model, &model_options, err);
    if (st == I8_OK)
        st = refuse_quantized(p, err);
    if (st == I8_OK)
        st = check_skip(p, err);
    if (st == I8_OK)
        st = add_inputs(p, err);
    if (st == I8_OK)
        st = i8i_convert_policy(p, &tensors, &count, err);
    if (st == I8_OK)
        st = i8i_convert_shards(p, tensors, count, err);
    if (st == I8_OK)
        st = i8i_convert_config(p, err);
    if (st == I8_OK)
        st = i8i_convert_companions(p, err);
    if (st == I8_OK)
        st = i8i_plan_finish(p, err);
    free(tensors);
    if (st != I8_OK) {
        i8i_convert_plan_free(p);
        return st;
    }
    *out = p;
    return I8_OK;
}

void i8i_convert_plan_free(struct i8i_convert_plan *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_inputs; i++) {
        if (p->inputs[i].owned)
            i8i_source_close(p->inputs[i].source);
    }
    free(p->pieces);
    free(p->inputs);
    free(p->outputs);
    free(p->kept);
    free(p->converted);
    i8i_json_free(p->packed_manifest);
    i8i_arena_free(&p->arena);
    i8i_model_free(p->model);
    free(p);
}
