/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool unpack: a compressed conversion to a plain one.
 */
#include "config.h"

#include "base/size.h"
#include "command.h"
#include "convert_print.h"
#include <int8tool/convert.h>

static int print_json(const struct i8_convert_options *o,
                      const struct i8_convert_result *r)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "output", o->output);
    i8i_jw_kv_u64(&w, "source_bytes", r->source_bytes);
    i8i_jw_kv_u64(&w, "output_bytes", r->output_bytes);
    i8i_jw_kv_u64(&w, "resumed_bytes", r->resumed_bytes);
    print_conversion(&w, r);
    i8i_jw_end_object(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

static void summarize(const struct i8_log *log, const struct i8_convert_options *o,
                      const struct i8_convert_result *r)
{
    char in[I8I_SIZE_TEXT], out[I8I_SIZE_TEXT], rss[I8I_SIZE_TEXT];
    const double rate =
        r->seconds > 0 ? (double)(r->output_bytes - r->resumed_bytes) / r->seconds / 1e9
                       : 0;
    i8i_log(log, I8_LOG_NOTE, "%s: %s from %s in %.2f s, %.2f GB/s, %s of memory at most",
            o->output, i8i_size_text(out, r->output_bytes),
            i8i_size_text(in, r->source_bytes), r->seconds, rate,
            i8i_size_text(rss, r->peak_rss_bytes));
}

static int run(const struct arguments *args)
{
    struct i8_convert_options o = I8_CONVERT_OPTIONS_INIT;
    struct i8_convert_result result = {0};
    struct i8_error err = {0};
    uint64_t jobs = 0;
    o.model = arg_operand(args, 0);
    o.output = arg_value(args, "output");
    o.no_hash = arg_given(args, "no-hash");
    o.force = arg_given(args, "force");
    if (!arg_uint(&jobs, args, "jobs", 1, 1024) || !arg_size(&o.ram_bytes, args, "ram"))
        return EXIT_USAGE;
    o.jobs = (unsigned)jobs;
    if (o.output == NULL || !*o.output)
        return usage_error(args, "-o DIR2 is missing: where to write");
    o.log = output_log(args);
    o.progress = output_progress(args);
    const enum i8_status st = i8_unpack(&result, &o, &err);
    output_progress_done();
    if (st != I8_OK)
        return report_error(&err);
    summarize(o.log, &o, &result);
    const int status = arg_json(args) ? print_json(&o, &result) : EXIT_DONE;
    i8_convert_result_free(&result);
    return status;
}

static const struct option_spec options[] = {
    {.name = "output",
     .letter = 'o',
     .arg = "DIR2",
     .help = "where to write: a new or empty directory, or an unfinished unpacking"},
    {.name = "no-hash", .help = "leave out the SHA-256 of the files written"},
    {.name = "jobs", .arg = "N", .help = "threads (default: one a processor)"},
    {.name = "ram", .arg = "SIZE", .help = "the most memory to use"},
    {.name = "force",
     .help = "replace the conversion in DIR2, once the new one is complete"},
    {0},
};

static const struct example examples[] = {
    {"int8tool unpack llama-int8-zst -o llama-int8",
     "For readers that know safetensors only, such as transformers"},
    {0},
};

const struct command command_unpack = {
    .name = "unpack",
    .summary = "undo convert --compress",
    .synopsis = "DIR -o DIR2",
    .description =
        "Writes to DIR2 what convert would have written without --compress, byte for "
        "byte: the shards of DIR unpacked, the index and the manifest naming those, "
        "everything else copied. DIR is what convert --compress has written, and stays "
        "as it is.\n\n"
        "Checksums of the compressed frames are verified, and the SHA-256 of the files "
        "that are only copied. Files get their names when all of them are complete; an "
        "unpacking that was interrupted goes on where it was when the same command is "
        "given again.\n\n"
        "A single file is unpacked by 'zstd -d', too.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
