/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool inspect: what a checkpoint holds, from its headers.
 */
#include "config.h"

#include "base/size.h"
#include "command.h"
#include <int8tool/checkpoint.h>
#include <int8tool/model_tree.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "[2048, 256]", or "[]" for a scalar. Returns buf. */
#define SHAPE_TEXT 192 /* eight numbers of 20 digits, separators */
static const char *shape_text(char buf[SHAPE_TEXT], unsigned rank, const uint64_t *shape)
{
    size_t n = 0;
    buf[n++] = '[';
    for (unsigned i = 0; i < rank && n < SHAPE_TEXT - 24; i++)
        n += (size_t)snprintf(buf + n, SHAPE_TEXT - n, "%s%" PRIu64, i ? ", " : "",
                              shape[i]);
    (void)snprintf(buf + n, SHAPE_TEXT - n, "]");
    return buf;
}

/* ---- tensors ---- */

static void print_tensors(const struct i8_checkpoint *c)
{
    size_t count = i8_checkpoint_count(c);
    int name_width = 4, shape_width = 5; /* the headings' */
    char shape[SHAPE_TEXT], size[I8I_SIZE_TEXT];
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct i8_tensor_info t = i8_checkpoint_get(c, i);
        int n = (int)strlen(t.name), s = (int)strlen(shape_text(shape, t.rank, t.shape));
        name_width = n > name_width ? n : name_width;
        shape_width = s > shape_width ? s : shape_width;
        bytes += t.bytes;
    }
    (void)printf("%-*s  %-8s %-*s %10s  %s\n", name_width, "name", "dtype", shape_width,
                 "shape", "size", "file");
    for (size_t i = 0; i < count; i++) {
        struct i8_tensor_info t = i8_checkpoint_get(c, i);
        (void)printf("%-*s  %-8s %-*s %10s  %s\n", name_width, t.name,
                     i8_dtype_name(t.dtype), shape_width,
                     shape_text(shape, t.rank, t.shape), i8i_size_text(size, t.bytes),
                     t.file);
    }
    (void)printf("%zu tensors, %s\n", count, i8i_size_text(size, bytes));
}

static void write_shape(struct i8i_json_writer *w, unsigned rank, const uint64_t *shape)
{
    i8i_jw_key(w, "shape");
    i8i_jw_begin_array(w);
    for (unsigned i = 0; i < rank; i++)
        i8i_jw_u64(w, shape[i]);
    i8i_jw_end_array(w);
}

static void write_tensors(struct i8i_json_writer *w, const struct i8_checkpoint *c)
{
    i8i_jw_key(w, "tensors");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < i8_checkpoint_count(c); i++) {
        struct i8_tensor_info t = i8_checkpoint_get(c, i);
        i8i_jw_begin_object(w);
        i8i_jw_kv_string(w, "name", t.name);
        i8i_jw_kv_string(w, "dtype", i8_dtype_name(t.dtype));
        write_shape(w, t.rank, t.shape);
        i8i_jw_kv_u64(w, "bytes", t.bytes);
        i8i_jw_kv_string(w, "file", t.file);
        i8i_jw_end_object(w);
    }
    i8i_jw_end_array(w);
}

/* ---- the module tree ---- */

/* How deep a tree is drawn; what lies deeper is not a model any more. */
enum { MAX_DEPTH = 32 };

struct drawing {
    const struct i8_model_tree *tree;
    bool last[MAX_DEPTH]; /* is the module on this level the last child? */
};

static void print_branch(const struct drawing *d, size_t depth)
{
    for (size_t i = 1; i < depth; i++)
        (void)fputs(d->last[i] ? "   " : "│  ", stdout);
    if (depth > 0)
        (void)fputs(d->last[depth] ? "└─ " : "├─ ", stdout);
}

static void print_parameter(const struct i8_parameter_info *p)
{
    char shape[SHAPE_TEXT];
    (void)printf("  %s %s %s", p->name, shape_text(shape, p->rank, p->shape),
                 i8_dtype_name(p->dtype));
    if (p->tied_to)
        (void)printf(" = %s", p->tied_to);
    else if (p->bytes == 0)
        (void)fputs(" (not stored)", stdout);
}

/* The last of the siblings from `first` on that look like it, if all have a number as
 * name ("0", "1" …); `first` itself otherwise. */
static size_t last_alike(const struct i8_model_tree *tree, size_t first)
{
    const struct i8_module_info *m = tree->modules;
    size_t last = first;
    if (strspn(m[first].name, "0123456789") != strlen(m[first].name))
        return first;
    while (m[last].next_sibling != I8_NO_MODULE &&
           i8_modules_alike(tree, first, m[last].next_sibling))
        last = m[last].next_sibling;
    return last;
}

/* Prints module `first`, which stands for all siblings up to `last`, and its subtree. */
static void print_module(struct drawing *d, size_t first, size_t last)
{
    const struct i8_module_info *m = &d->tree->modules[first];
    size_t count = 1;
    uint64_t bytes = m->bytes;
    for (size_t i = first; i != last; i = d->tree->modules[i].next_sibling, count++)
        bytes += m->bytes;

    char size[I8I_SIZE_TEXT];
    print_branch(d, m->depth);
    if (count > 1)
        (void)printf("%s…%s  %zu × %s", m->name, d->tree->modules[last].name, count,
                     m->class_name);
    else
        (void)printf("%s%s%s", m->name, *m->name && *m->class_name ? "  " : "",
                     m->class_name);
    for (size_t i = 0; i < m->n_parameters; i++)
        print_parameter(&m->parameters[i]);
    if (bytes > 0)
        (void)printf("  (%s)", i8i_size_text(size, bytes));
    (void)fputc('\n', stdout);

    for (size_t c = m->first_child; c != I8_NO_MODULE && m->depth + 1 < MAX_DEPTH;) {
        size_t end = last_alike(d->tree, c);
        size_t next = d->tree->modules[end].next_sibling;
        d->last[m->depth + 1] = next == I8_NO_MODULE;
        print_module(d, c, end);
        c = next;
    }
}

static void print_tree(const struct i8_model_tree *tree)
{
    struct drawing drawing = {.tree = tree};
    print_module(&drawing, 0, 0);
    (void)printf("%" PRIu64 " parameters%s%s\n", tree->parameters,
                 tree->quantization ? ", quantized: " : "",
                 tree->quantization ? tree->quantization : "");
}

static void write_modules(struct i8i_json_writer *w, const struct i8_model_tree *tree)
{
    i8i_jw_key(w, "modules");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < tree->n_modules; i++) {
        const struct i8_module_info *m = &tree->modules[i];
        i8i_jw_begin_object(w);
        i8i_jw_kv_string(w, "path", m->path);
        i8i_jw_kv_string(w, "class", m->class_name);
        i8i_jw_kv_u64(w, "bytes", m->bytes);
        i8i_jw_key(w, "parameters");
        i8i_jw_begin_array(w);
        for (size_t p = 0; p < m->n_parameters; p++) {
            const struct i8_parameter_info *info = &m->parameters[p];
            i8i_jw_begin_object(w);
            i8i_jw_kv_string(w, "name", info->name);
            i8i_jw_kv_string(w, "dtype", i8_dtype_name(info->dtype));
            write_shape(w, info->rank, info->shape);
            i8i_jw_kv_u64(w, "bytes", info->bytes);
            i8i_jw_kv_bool(w, "buffer", info->is_buffer != 0);
            i8i_jw_kv_string(w, "tied_to", info->tied_to);
            i8i_jw_end_object(w);
        }
        i8i_jw_end_array(w);
        i8i_jw_end_object(w);
    }
    i8i_jw_end_array(w);
}

static void write_summary(struct i8i_json_writer *w, const struct i8_model_tree *tree)
{
    i8i_jw_kv_string(w, "architecture", *tree->architecture ? tree->architecture : NULL);
    i8i_jw_kv_string(w, "model_type", *tree->model_type ? tree->model_type : NULL);
    i8i_jw_kv_bool(w, "known_family", tree->known_family != 0);
    i8i_jw_kv_string(w, "quantization", tree->quantization);
    i8i_jw_kv_u64(w, "parameters", tree->parameters);
    i8i_jw_key(w, "notes");
    i8i_jw_begin_array(w);
    for (size_t i = 0; i < tree->n_notes; i++)
        i8i_jw_string(w, tree->notes[i]);
    i8i_jw_end_array(w);
}

/* ---- the command ---- */

/* tree may be NULL: not asked for. */
static int print_json(const char *model, const struct i8_checkpoint *checkpoint,
                      const struct i8_model_tree *tree)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "model", model);
    if (tree)
        write_summary(&w, tree);
    write_tensors(&w, checkpoint);
    if (tree)
        write_modules(&w, tree);
    i8i_jw_end_object(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

static int run(const struct arguments *args)
{
    struct i8_error err = {0};
    struct i8_checkpoint *checkpoint = NULL;
    struct i8_model_tree *tree = NULL;
    const char *model = arg_operand(args, 0);
    const struct i8_log *log = output_log(args);
    int status = EXIT_DONE;
    /* The list needs no more than sound headers; only the tree needs to understand the
     * model. */
    const bool wants_tree = arg_given(args, "tree"),
               wants_list = !wants_tree || arg_json(args);
    if ((wants_list && i8_checkpoint_open(&checkpoint, model, &err) != I8_OK) ||
        (wants_tree && i8_model_tree_open(&tree, model, &err) != I8_OK)) {
        status = report_error(&err);
        goto out;
    }
    for (size_t i = 0; tree && i < tree->n_notes; i++)
        log->write(log->ctx, I8_LOG_NOTE, tree->notes[i]);
    if (arg_json(args))
        status = print_json(model, checkpoint, tree);
    else if (tree)
        print_tree(tree);
    else
        print_tensors(checkpoint);
out:
    i8_model_tree_free(tree);
    i8_checkpoint_free(checkpoint);
    return status;
}

static const struct option_spec options[] = {
    {.name = "tree", .help = "show the module tree instead of the list of tensors"},
    {0},
};

static const struct example examples[] = {
    {"int8tool inspect ./llama", "Every tensor with its dtype, shape, size and file"},
    {"int8tool inspect --tree ./llama", "The module tree, equal blocks folded"},
    {"int8tool inspect --json model.safetensors", "A single file, for a script"},
    {"int8tool inspect bigscience/bloom@main", "A repository on the Hub, by its headers"},
    {0},
};

const struct command command_inspect = {
    .name = "inspect",
    .summary = "list the tensors and modules of a checkpoint",
    .synopsis = "MODEL",
    .description =
        "Lists what a checkpoint holds: tensors with dtype, shape, size and file, or the "
        "module tree with --tree. Reads headers only, so the size of the model does not "
        "matter.\n\n"
        "MODEL is a directory with config.json and weights, a single weights file, or "
        "ORG/NAME[@REVISION] on the Hub ('hub:' before it where such a path exists, "
        "too). A "
        "family that is not known is shown by its tensors' names, and a note says so.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
