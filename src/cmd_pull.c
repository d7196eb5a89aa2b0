/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool pull: a repository from the Hub into the cache, or into a folder.
 */
#include "config.h"

#include "base/size.h"
#include "command.h"
#include "pull_progress.h"
#include <int8tool/hub.h>
#include <stdio.h>

static int print_json(const struct i8_hub_pull_result *r)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "path", r->path);
    i8i_jw_kv_string(&w, "commit", r->commit);
    i8i_jw_key(&w, "files");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < r->n_files; i++) {
        const struct i8_hub_pulled *f = &r->files[i];
        i8i_jw_begin_object(&w);
        i8i_jw_kv_string(&w, "name", f->name);
        i8i_jw_kv_u64(&w, "bytes", f->bytes);
        i8i_jw_kv_string(&w, "sha256", f->sha256);
        i8i_jw_kv_string(&w, "from", f->from_network ? "network" : "cache");
        i8i_jw_end_object(&w);
    }
    i8i_jw_end_array(&w);
    i8i_jw_kv_u64(&w, "downloaded_bytes", r->downloaded_bytes);
    i8i_jw_kv_double(&w, "seconds", r->seconds);
    i8i_jw_end_object(&w);
    const int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void summarize(const struct i8_log *log, const char *repository,
                      const struct i8_hub_pull_result *r)
{
    char all[I8I_SIZE_TEXT], fetched[I8I_SIZE_TEXT], speed[I8I_SIZE_TEXT];
    uint64_t bytes = 0;
    size_t from_network = 0;
    for (size_t i = 0; i < r->n_files; i++) {
        bytes += r->files[i].bytes;
        from_network += r->files[i].from_network;
    }
    if (r->files_left_out > 0)
        i8i_log(
            log, I8_LOG_NOTE,
            "%zu file%s with weights in other formats (%s) left out; --include '*' takes "
            "all",
            r->files_left_out, plural(r->files_left_out),
            i8i_size_text(all, r->bytes_left_out));
    if (from_network == 0)
        i8i_log(log, I8_LOG_NOTE,
                "%s is at commit %.12s: %zu file%s, %s, all there already", repository,
                r->commit, r->n_files, plural(r->n_files), i8i_size_text(all, bytes));
    else
        i8i_log(log, I8_LOG_NOTE,
                "%s is at commit %.12s: %zu file%s, %s; fetched %zu file%s, %s in %.1f "
                "s, %s/s",
                repository, r->commit, r->n_files, plural(r->n_files),
                i8i_size_text(all, bytes), from_network, plural(from_network),
                i8i_size_text(fetched, r->downloaded_bytes), r->seconds,
                i8i_size_text(speed, (uint64_t)((double)r->downloaded_bytes /
                                                (r->seconds > 0 ? r->seconds : 1))));
}

static int run(const struct arguments *args)
{
    struct i8_hub_pull_result result = {0};
    struct i8_error err = {0};
    uint64_t jobs = 0;
    if (!arg_uint(&jobs, args, "jobs", 1, 64))
        return EXIT_USAGE;
    const struct i8_hub_pull_options options = {
        .repository = arg_operand(args, 0),
        .include = arg_values(args, "include"),
        .exclude = arg_values(args, "exclude"),
        .cache_dir = arg_value(args, "cache-dir"),
        .local_dir = arg_value(args, "local-dir"),
        .offline = arg_given(args, "offline"),
        .verify = arg_given(args, "verify"),
        .connections = (unsigned)jobs,
        .log = output_log(args),
        .progress = pull_progress(args),
    };
    if (options.cache_dir && options.local_dir)
        return usage_error(args, "--cache-dir and --local-dir: give one of them");
    const enum i8_status st = i8_hub_pull(&result, &options, &err);
    output_progress_done();
    int status = EXIT_DONE;
    if (st != I8_OK)
        status = report_error(&err);
    else
        summarize(options.log, options.repository, &result);
    if (st == I8_OK && arg_json(args))
        status = print_json(&result);
    else if (st == I8_OK)
        (void)printf("%s\n", result.path);
    i8_hub_pull_result_free(&result);
    return status;
}

static const struct option_spec options[] = {
    {.name = "include",
     .arg = "GLOB",
     .repeatable = true,
     .help = "take files that match, whatever their format; '*' also matches '/'"},
    {.name = "exclude",
     .arg = "GLOB",
     .repeatable = true,
     .help = "leave out files that match"},
    {.name = "cache-dir",
     .arg = "DIR",
     .fallback = "as HF_HUB_CACHE and HF_HOME say, or ~/.cache/huggingface/hub",
     .help = "the cache to use"},
    {.name = "local-dir",
     .arg = "DIR",
     .help =
         "put the files into this folder under their own names, instead of the cache"},
    {.name = "jobs",
     .arg = "N",
     .fallback = "16",
     .help = "the most connections at a time, over all files"},
    {.name = "offline",
     .help = "send no request: find the files in the cache, or say what is missing"},
    {.name = "verify",
     .help = "hash the files that are there already, too, and fetch damaged ones again"},
    {0},
};

static const struct example examples[] = {
    {"int8tool pull bigscience/bloom-560m",
     "into the cache; prints the snapshot's folder"},
    {"int8tool pull org/name@v1.0 --local-dir ./name", "a tag, into a folder"},
    {"int8tool pull org/name --include '*.json' --include 'tokenizer*'",
     "only some of the files"},
    {"int8tool pull org/name --offline --verify", "is the cached copy sound?"},
    {0},
};

const struct command command_pull = {
    .name = "pull",
    .summary = "download a repository from the Hub, resumably, every byte checked",
    .synopsis = "ORG/NAME[@REVISION]",
    .description =
        "Fetches the files of a repository at a branch, tag or commit (main without "
        "one) into the cache that Python's huggingface_hub uses, and prints the "
        "folder where they are. What is there already is not fetched again, whoever "
        "put it there, and Python finds what was pulled.\n"
        "\n"
        "Each file is fetched over several connections and gets its name only when "
        "its SHA-256 (or git's SHA-1, for small files) is what the Hub says. A pull "
        "that was interrupted goes on where it was when it is run again; several at "
        "once share the work.\n"
        "\n"
        "Where a repository has the same weights in several formats, .safetensors "
        "files are taken, else PyTorch's .bin; --include overrides this. Patterns are "
        "those of Python's fnmatch: '*' also matches '/', and one that ends in '/' "
        "takes all that is below.\n"
        "\n"
        "The token is read from HF_TOKEN or the file that 'hf auth login' writes; "
        "HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN_PATH, HF_HUB_OFFLINE, "
        "HF_HUB_DISABLE_SYMLINKS and curl's variables for proxies and certificates "
        "are followed.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
