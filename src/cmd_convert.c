/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool convert: a checkpoint to int8.
 */
#include "config.h"

#include "base/memory.h"
#include "base/size.h"
#include "command.h"
#include "convert_print.h"
#include "ranks.h"
#include <int8tool/convert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const layouts[] = {"bnb", "compressed-tensors", NULL};
static const char *const roundings[] = {"cuda", "cpu", NULL};
static const char *const readers[] = {"transformers5", "transformers4", "int8tool",
                                      "vllm", NULL};
static const char *const rest_names[] = {"stored", "fp16", "bf16", "fp32", NULL};
static const enum i8_dtype rest_dtypes[] = {I8_DTYPE_INVALID, I8_DTYPE_F16, I8_DTYPE_BF16,
                                            I8_DTYPE_F32};

/* The position of an option's word, which the framework has checked; 0 without one. */
static int word(const struct arguments *a, const char *option, const char *const *words)
{
    const char *value = arg_value(a, option);
    for (int i = 0; value && words[i]; i++) {
        if (strcmp(words[i], value) == 0)
            return i;
    }
    return 0;
}

/* Options that are part of the command line but not of this version: said, not ignored.
 */
static int refuse_unavailable(const struct arguments *a)
{
    const char *outliers = arg_value(a, "outliers"), *device = arg_value(a, "device");
    struct i8_error err = {0};
    if (device && strcmp(device, "cpu") != 0 && strncmp(device, "cuda", 4) != 0)
        return usage_error(a, "--device %s: expected cpu or cuda[:N]", device);
    if (arg_given(a, "calibrate") || (outliers && strcmp(outliers, "calibrated") == 0))
        i8i_fail(&err, I8_ERR_UNSUPPORTED,
                 "%s: calibrated outlier columns are not available in this version",
                 arg_given(a, "calibrate") ? "--calibrate" : "--outliers calibrated");
    else if (device && strcmp(device, "cpu") != 0)
        i8i_fail(&err, I8_ERR_UNSUPPORTED,
                 "--device %s: converting on a GPU is not available in this version",
                 device);
    return err.status == I8_OK ? EXIT_DONE : report_error(&err);
}

/* "a,b" to a NULL-terminated list: one allocation, names behind the pointers. */
static const char **split(const char *list)
{
    size_t count = 1, bytes = strlen(list) + 1;
    for (const char *c = list; *c; c++)
        count += *c == ',';
    const char **names = i8i_calloc(1, (count + 1) * sizeof *names + bytes);
    if (names == NULL)
        return NULL;
    char *text = memcpy((char *)(names + count + 1), list, bytes);
    size_t n = 0;
    for (char *next; text; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        if (*text)
            names[n++] = text;
    }
    return names;
}

/* ---- the answer ---- */

#define MAX_LINE 4096 /* a dozen reasons, 60 bytes each */

static int print_json(const struct arguments *a, const struct i8_convert_options *o,
                      const struct i8_convert_result *r)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "output", o->output);
    i8i_jw_kv_string(&w, "layout", layouts[o->layout]);
    i8i_jw_kv_string(&w, "rounding", roundings[o->rounding]);
    if (arg_given(a, "dry-run"))
        i8i_jw_kv_bool(&w, "dry_run", true);
    i8i_jw_kv_u64(&w, "tensors", r->tensors);
    i8i_jw_kv_u64(&w, "converted", r->converted);
    i8i_jw_kv_u64(&w, "kept", r->kept);
    i8i_jw_kv_u64(&w, "source_bytes", r->source_bytes);
    i8i_jw_kv_u64(&w, "output_bytes", r->output_bytes);
    if (r->at_most)
        i8i_jw_kv_bool(&w, "at_most", true);
    i8i_jw_kv_u64(&w, "resumed_bytes", r->resumed_bytes);
    if (o->ranks) {
        i8i_jw_kv_u64(&w, "rank", o->ranks->rank);
        i8i_jw_kv_u64(&w, "ranks", o->ranks->count);
        i8i_jw_kv_bool(&w, "complete", r->complete);
        i8i_jw_kv_u64(&w, "left_bytes", r->left_bytes);
    }
    print_conversion(&w, r);
    i8i_jw_end_object(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

static void print_plan(const struct i8_convert_result *r)
{
    char size[I8I_SIZE_TEXT];
    for (size_t i = 0; i < r->n_files; i++)
        (void)printf("%15" PRIu64 "  %s\n", r->files[i].bytes, r->files[i].name);
    (void)printf("%15" PRIu64 "  in all: %zu files, %s%s\n", r->output_bytes, r->n_files,
                 r->at_most ? "at most " : "", i8i_size_text(size, r->output_bytes));
    (void)printf("%15" PRIu64 "  of memory at most (%u jobs): %s\n", r->memory_bytes,
                 r->jobs, i8i_size_text(size, r->memory_bytes));
}

/* "3 weights are int8; 2 tensors stay as they are: 1 output embedding (12 KiB), …". */
static void say_what_stays(const struct i8_log *log, const struct i8_convert_result *r)
{
    struct i8i_buffer line;
    char size[I8I_SIZE_TEXT];
    i8i_buffer_init(&line, MAX_LINE);
    i8i_buffer_printf(&line, "%zu weights are int8; %zu tensors stay as they are",
                      r->converted, r->kept);
    for (size_t i = 0; i < r->n_kept_for; i++)
        i8i_buffer_printf(&line, "%s%zu %s (%s)", i == 0 ? ": " : ", ",
                          r->kept_for[i].tensors, r->kept_for[i].why,
                          i8i_size_text(size, r->kept_for[i].bytes));
    size_t length;
    char *text = i8i_buffer_take(&line, &length);
    if (text != NULL)
        i8i_log(log, I8_LOG_NOTE, "%s", text);
    free(text);
}

static void summarize(const struct i8_log *log, const struct i8_convert_options *o,
                      const struct i8_convert_result *r)
{
    char in[I8I_SIZE_TEXT], out[I8I_SIZE_TEXT], rss[I8I_SIZE_TEXT];
    say_what_stays(log, r);
    if (r->resumed_bytes > 0)
        i8i_log(log, I8_LOG_NOTE, "went on from %s of the source done before",
                i8i_size_text(in, r->resumed_bytes));
    const double rate =
        r->seconds > 0 ? (double)(r->part_bytes - r->resumed_bytes) / r->seconds / 1e9
                       : 0;
    if (!r->complete) {
        i8i_log(
            log, I8_LOG_NOTE,
            "rank %u of %u: its %s are done in %.2f s, %.2f GB/s; %s of the source are "
            "left to other ranks",
            o->ranks->rank, o->ranks->count, i8i_size_text(in, r->part_bytes), r->seconds,
            rate, i8i_size_text(out, r->left_bytes));
        return;
    }
    const double ratio =
        r->source_bytes ? (double)r->output_bytes / (double)r->source_bytes : 0;
    i8i_log(log, I8_LOG_NOTE,
            "%s: %s from %s (%.3f) in %.2f s, %.2f GB/s of source, %s of memory at most",
            o->output, i8i_size_text(out, r->output_bytes),
            i8i_size_text(in, r->source_bytes), ratio, r->seconds, rate,
            i8i_size_text(rss, r->peak_rss_bytes));
    if (r->disk_share > 0)
        i8i_log(
            log, I8_LOG_NOTE,
            "%.0f %% of what the disk can do: it reads %.2f GB/s and writes %.2f GB/s%s",
            100 * r->disk_share, r->disk_read_rate / 1e9, r->disk_write_rate / 1e9,
            r->disk_share > 1 ? " (the source was in the page cache)" : "");
}

/* ---- the command ---- */

#define MOST_ZSTD_LEVEL 22

/* none, zstd, or zstd:LEVEL */
static bool read_compression(struct i8_convert_options *o, const struct arguments *a)
{
    const char *value = arg_value(a, "compress");
    if (value == NULL || strcmp(value, "none") == 0)
        return true;
    o->compression = I8_COMPRESSION_ZSTD;
    if (strcmp(value, "zstd") == 0)
        return true;
    if (strncmp(value, "zstd:", 5) == 0 && value[5] >= '1' && value[5] <= '9') {
        char *end;
        const long level = strtol(value + 5, &end, 10);
        o->compression_level = (int)level;
        if (*end == '\0' && level <= MOST_ZSTD_LEVEL)
            return true;
    }
    usage_error(a, "--compress %s: expected none, zstd, or zstd:1 to zstd:%d", value,
                MOST_ZSTD_LEVEL);
    return false;
}

static bool read_options(struct i8_convert_options *o, const struct arguments *a)
{
    uint64_t jobs = 0;
    o->model = arg_operand(a, 0);
    o->output = arg_value(a, "output");
    o->layout = (enum i8_layout)word(a, "layout", layouts);
    o->rounding = (enum i8_rounding)word(a, "rounding", roundings);
    o->reader = (enum i8_reader)word(a, "for", readers);
    o->rest_dtype = rest_dtypes[word(a, "rest-dtype", rest_names)];
    o->allow_nonfinite = arg_given(a, "allow-nonfinite");
    o->no_hash = arg_given(a, "no-hash");
    o->force = arg_given(a, "force");
    if (!read_compression(o, a) ||
        !arg_double(&o->outlier_threshold, a, "outlier-threshold", 0, 65504) ||
        !arg_size(&o->max_shard_bytes, a, "max-shard-size") ||
        !arg_uint(&jobs, a, "jobs", 1, 1024) || !arg_size(&o->ram_bytes, a, "ram"))
        return false;
    o->jobs = (unsigned)jobs;
    if (arg_given(a, "max-shard-size") && o->max_shard_bytes == 0) {
        usage_error(a, "--max-shard-size: expected more than 0 bytes");
        return false;
    }
    return true;
}

/* Ranks that MPI has started speak by the mouth of the first, but for errors. */
static bool is_silent(const struct i8_rank_group *g)
{
    return g && g->agree && g->rank > 0;
}

static int convert(struct i8_convert_options *options, const struct arguments *args)
{
    struct i8_convert_result result = {0};
    struct i8_error err = {0};
    const bool dry_run = arg_given(args, "dry-run"), silent = is_silent(options->ranks);
    const char **skip = NULL;
    if (arg_given(args, "skip-modules")) {
        skip = split(arg_value(args, "skip-modules"));
        if (skip == NULL) {
            i8i_nomem(&err);
            return report_error(&err);
        }
        options->skip_modules = skip;
    }
    options->log = silent ? NULL : output_log(args);
    options->progress = output_progress(args);
    options->measure_disk = !silent && arg_verbosity(args) >= 0;
    const enum i8_status st = dry_run ? i8_convert_dry_run(&result, options, &err)
                                      : i8_convert(&result, options, &err);
    output_progress_done();
    int status = EXIT_DONE;
    if (st != I8_OK)
        status = report_error(&err);
    else if (!dry_run && !silent)
        summarize(options->log, options, &result);
    if (st == I8_OK && arg_json(args) && !silent)
        status = print_json(args, options, &result);
    else if (st == I8_OK && dry_run && !silent)
        print_plan(&result);
    i8_convert_result_free(&result);
    free(skip);
    return status;
}

static int run(const struct arguments *args)
{
    struct i8_convert_options options = I8_CONVERT_OPTIONS_INIT;
    if (!read_options(&options, args))
        return EXIT_USAGE;
    if (options.output ? !*options.output : !arg_given(args, "dry-run"))
        return usage_error(args, "-o DIR is missing: where to write");
    int status = refuse_unavailable(args);
    if (status == EXIT_DONE)
        status = ranks_open(&options.ranks, args);
    if (status == EXIT_DONE)
        status = convert(&options, args);
    ranks_close();
    return status;
}

static const struct option_spec options[] = {
    {.name = "output",
     .letter = 'o',
     .arg = "DIR",
     .help = "where to write: a new or empty directory, or an unfinished conversion"},
    {.name = "layout",
     .arg = "LAYOUT",
     .values = "bnb|compressed-tensors",
     .fallback = "bnb",
     .help = "how the int8 tensors are named and scaled"},
    {.name = "rounding",
     .arg = "WHERE",
     .values = "cuda|cpu",
     .fallback = "cuda",
     .help = "whose bytes: those that bitsandbytes makes on an NVIDIA GPU, or on a CPU"},
    {.name = "outliers",
     .arg = "HOW",
     .values = "dynamic|calibrated",
     .fallback = "dynamic",
     .help = "dynamic: readers find outlier columns themselves, none are stored"},
    {.name = "calibrate",
     .arg = "FILE",
     .help = "text to find outlier columns with; implies --outliers calibrated"},
    {.name = "outlier-threshold",
     .arg = "T",
     .fallback = "6.0",
     .help = "magnitude from which readers take an input column for an outlier"},
    {.name = "for",
     .arg = "READER",
     .values = "transformers5|transformers4|int8tool|vllm",
     .fallback = "transformers5",
     .help = "who will load the result; decides which modules are int8"},
    {.name = "rest-dtype",
     .arg = "DTYPE",
     .values = "stored|fp16|bf16|fp32",
     .fallback = "stored",
     .help = "dtype of the float tensors that are not converted"},
    {.name = "skip-modules",
     .arg = "A,B",
     .help = "modules to keep, by path or the end or start of a path"},
    {.name = "allow-nonfinite",
     .help = "convert weights with NaN or Inf as bitsandbytes does, instead of refusing"},
    {.name = "max-shard-size",
     .arg = "SIZE",
     .fallback = "5GB",
     .help = "tensor bytes in one output file"},
    {.name = "compress",
     .arg = "METHOD",
     .fallback = "none",
     .help = "none, or zstd[:LEVEL] (1 to 22, default 1) for the shards: NAME.zst, which "
             "int8tool reads in place and 'zstd -d' unpacks"},
    {.name = "no-hash", .help = "leave out the SHA-256 of sources and outputs"},
    {.name = "jobs", .arg = "N", .help = "threads (default: one a processor)"},
    {.name = "ram", .arg = "SIZE", .help = "the most memory to use"},
    {.name = "ranks",
     .arg = "RANKS",
     .help = "share the work among processes: env, mpi, or I/N"},
    {.name = "device",
     .arg = "DEVICE",
     .fallback = "cpu",
     .help = "cpu, or cuda[:N]: what quantizes"},
    {.name = "force",
     .help = "replace the conversion in DIR, once the new one is complete"},
    {.name = "dry-run",
     .help = "say which files would be written, to the byte, and in how much memory"},
    {0},
};

static const struct example examples[] = {
    {"int8tool convert ./llama -o llama-int8",
     "Convert for transformers with bitsandbytes"},
    {"int8tool convert ./llama -o llama-int8 --dry-run",
     "See the files and sizes first; nothing is read but headers"},
    {"int8tool convert ./t5 -o t5-int8 --rest-dtype bf16",
     "Halve what stays of a model stored in fp32"},
    {"int8tool convert ./llama -o out --layout compressed-tensors --for vllm",
     "The same int8 rows for vLLM's W8A8 kernels"},
    {"int8tool convert bigscience/bloom-7b1 -o bloom-int8",
     "Straight from the Hub; the source is never stored"},
    {0},
};

const struct command command_convert = {
    .name = "convert",
    .summary = "convert a checkpoint to int8",
    .synopsis = "MODEL -o DIR",
    .description =
        "Reads the weights of MODEL (a directory with config.json, a single weights "
        "file, "
        "or ORG/NAME[@REVISION] on the Hub) and writes a model directory whose Linear "
        "layers are int8, row by row "
        "with "
        "one scale each, as LLM.int8() has them. transformers loads it as it is.\n\n"
        "Sources are safetensors or PyTorch .bin files in F16, BF16, F32 or F64, and FP8 "
        "(E4M3) with block scales as DeepSeek-V3 has it, which is read as bf16 on the "
        "way. "
        "What is quantized otherwise is refused by name.\n\n"
        "Nothing is held in memory but a few blocks a thread. Files get their names when "
        "all of them are complete; the manifest int8tool.json comes last. A conversion "
        "that was interrupted goes on where it was when the same command is given again, "
        "and ends with the same bytes.\n\n"
        "All else in the model's directory is copied: tokenizer, generation settings, "
        "model card; weights in other formats are not.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
