/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool plan: what a model takes, where it goes, and whether it fits.
 */
#include "config.h"

#include "base/file.h"
#include "base/size.h"
#include "command.h"
#include <int8tool/devices.h>
#include <int8tool/plan.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MOST_CONTEXT UINT64_C(1000000000)
#define MOST_BATCH   UINT64_C(1000000)

/* The position of a word in a list like option_spec.values; the parser has checked it. */
static int word_index(const char *word, const char *list)
{
    int index = 0;
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0'; index++) {
        size_t n = strcspn(at, "|");
        if (n == length && strncmp(at, word, n) == 0)
            return index;
        at += at[n] == '|' ? n + 1 : n;
    }
    return -1;
}

#define DTYPES     "int8|fp16|bf16|fp32|stored"
#define RESTS      "stored|fp16|bf16|fp32"
#define RUNTIMES   "transformers5|transformers4|int8tool|vllm"
#define ATTENTIONS "auto|eager|sdpa"
#define STRATEGIES                                                           \
    "optimal|accelerate-auto|accelerate-balanced|accelerate-balanced_low_0|" \
    "accelerate-sequential|transformers-auto|transformers-balanced|"         \
    "transformers-balanced_low_0|transformers-sequential"
#define UNKNOWNS "gpus|context|batch"

static void read_words(struct i8_plan_request *r, const struct arguments *args)
{
    static const enum i8_plan_dtype rests[] = {I8_PLAN_STORED, I8_PLAN_FP16, I8_PLAN_BF16,
                                               I8_PLAN_FP32};
    static const enum i8_plan_mode modes[] = {I8_PLAN_BALANCED, I8_PLAN_BALANCED,
                                              I8_PLAN_BALANCED_LOW_0, I8_PLAN_SEQUENTIAL};
    if (arg_given(args, "dtype"))
        r->dtype = (enum i8_plan_dtype)word_index(arg_value(args, "dtype"), DTYPES);
    if (arg_given(args, "rest-dtype"))
        r->rest = rests[word_index(arg_value(args, "rest-dtype"), RESTS)];
    if (arg_given(args, "runtime"))
        r->runtime =
            (enum i8_plan_runtime)word_index(arg_value(args, "runtime"), RUNTIMES);
    if (arg_given(args, "attention"))
        r->attention =
            (enum i8_plan_attention)word_index(arg_value(args, "attention"), ATTENTIONS);
    int strategy = arg_given(args, "strategy")
                       ? word_index(arg_value(args, "strategy"), STRATEGIES)
                       : 0;
    if (strategy > 0) {
        r->strategy = strategy <= 4 ? I8_PLAN_ACCELERATE : I8_PLAN_TRANSFORMERS;
        r->mode = modes[(strategy - 1) % 4];
    }
}

/* --gpus auto: what the driver says is free. */
static enum i8_status read_driver(struct i8_plan_budget **out, size_t *n,
                                  struct i8_error *err)
{
    struct i8_devices devices = {0};
    enum i8_status status = i8_devices_list(&devices, err);
    if (status != I8_OK)
        return status;
    if (devices.count == 0) {
        status = i8i_fail(err, I8_ERR_DEVICE, "--gpus auto: no GPU: %s", devices.reason);
    } else if ((*out = calloc(devices.count, sizeof **out)) == NULL) {
        status = i8i_nomem(err);
    } else {
        *n = devices.count;
        for (size_t i = 0; i < devices.count; i++)
            (*out)[i] = (struct i8_plan_budget){devices.list[i].index,
                                                devices.list[i].free_bytes};
    }
    i8_devices_free(&devices);
    return status;
}

static enum i8_status read_budgets(struct i8_plan_budget **out, size_t *n,
                                   uint64_t *reserve, const struct arguments *args,
                                   struct i8_error *err)
{
    const char *gpus = arg_value(args, "gpus"), *memory = arg_value(args, "max-memory");
    if (gpus != NULL && memory != NULL)
        return i8i_fail(err, I8_ERR_ARG, "--gpus and --max-memory exclude each other");
    if (memory != NULL)
        return i8_plan_parse_budgets(out, n, memory, "--max-memory", err);
    if (gpus != NULL && strcmp(gpus, "auto") == 0)
        return read_driver(out, n, err);
    if (gpus != NULL)
        return i8_plan_parse_gpus(out, n, reserve, gpus, "--gpus", err);
    return I8_OK;
}

/* Writes what was composed, whole, under its final name. */
static int write_text(const char *path, char *text, enum i8_status status,
                      struct i8_error *err)
{
    if (status == I8_OK)
        status = i8i_write_file(path, text, strlen(text), err);
    free(text);
    return status == I8_OK ? EXIT_DONE : report_error(err);
}

static int write_files(const struct i8_plan *plan, const struct arguments *args)
{
    struct i8_error err = {0};
    const char *map = arg_value(args, "device-map"), *svg = arg_value(args, "svg");
    int code = EXIT_DONE;
    char *text = NULL;
    if (map != NULL && plan->fits) {
        enum i8_status status = i8_plan_map_json(&text, plan, &err);
        code = write_text(map, text, status, &err);
    }
    if (svg != NULL && code == EXIT_DONE) {
        text = NULL;
        enum i8_status status = i8_plan_svg(&text, plan, &err);
        code = write_text(svg, text, status, &err);
    }
    return code;
}

static unsigned terminal_width(void)
{
    struct winsize size;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= 40)
        return size.ws_col < 120 ? size.ws_col : 120;
    return 90;
}

static int show(const struct i8_plan *plan, const struct arguments *args)
{
    struct i8_error err = {0};
    char *text = NULL;
    bool color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    enum i8_status status =
        arg_json(args) ? i8_plan_json(&text, plan, &err)
                       : i8_plan_table(&text, plan, terminal_width(), color, &err);
    if (status != I8_OK)
        return report_error(&err);
    (void)fputs(text, stdout);
    if (arg_json(args))
        (void)fputc('\n', stdout);
    free(text);
    return EXIT_DONE;
}

static int plan_once(const struct i8_planner *planner, const struct i8_plan_request *r,
                     const struct arguments *args)
{
    struct i8_error err = {0};
    struct i8_plan *plan;
    if (i8_plan_make(&plan, planner, r, &err) != I8_OK)
        return report_error(&err);
    int code = show(plan, args);
    if (code == EXIT_DONE)
        code = write_files(plan, args);
    if (code == EXIT_DONE && !plan->fits)
        code = EXIT_NO;
    i8_plan_free(plan);
    return code;
}

/* --find: the answers as lines or as JSON. */
static int find(const struct i8_planner *planner, struct i8_plan_request *r,
                const struct arguments *args)
{
    static const uint64_t limits[] = {64, MOST_CONTEXT, MOST_BATCH};
    const char *word = arg_value(args, "find");
    enum i8_plan_unknown unknown = (enum i8_plan_unknown)word_index(word, UNKNOWNS);
    struct i8_error err = {0};
    struct i8_plan_found *found;
    size_t n, none = 0;
    if (i8_plan_find(&found, &n, planner, r, unknown, limits[unknown], &err) != I8_OK)
        return report_error(&err);
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "find", word);
    i8i_jw_key(&w, "answers");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        none += found[i].value == 0;
        i8i_jw_begin_object(&w);
        if (found[i].card != NULL)
            i8i_jw_kv_string(&w, "card", found[i].card);
        i8i_jw_kv_u64(&w, word, found[i].value);
        i8i_jw_end_object(&w);
        if (arg_json(args))
            continue;
        if (found[i].value == 0)
            (void)printf("%s%snone fits\n", found[i].card ? found[i].card : word,
                         found[i].card ? ": " : ": ");
        else if (found[i].card != NULL)
            (void)printf("%3llu x %s\n", (unsigned long long)found[i].value,
                         found[i].card);
        else
            (void)printf("%s %llu\n", word, (unsigned long long)found[i].value);
    }
    i8i_jw_end_array(&w);
    i8i_jw_end_object(&w);
    int code = arg_json(args) ? output_json(&w) : EXIT_DONE;
    i8i_jw_free(&w);
    free(found);
    return code == EXIT_DONE && none == n ? EXIT_NO : code;
}

#define MOST_MAP_BYTES (64u << 20)

static int check(const struct i8_planner *planner, const struct i8_plan_request *r,
                 const struct arguments *args)
{
    const char *path = arg_value(args, "check");
    struct i8_error err = {0};
    struct i8_plan_finding *findings;
    size_t n, length, errors = 0;
    char *json;
    if (i8i_read_file(&json, &length, path, MOST_MAP_BYTES, &err) != I8_OK)
        return report_error(&err);
    enum i8_status status =
        i8_plan_check(&findings, &n, planner, r, json, length, path, &err);
    free(json);
    if (status != I8_OK)
        return report_error(&err);
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_key(&w, "findings");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        errors += findings[i].error;
        i8i_jw_begin_object(&w);
        i8i_jw_kv_string(&w, "level", findings[i].error ? "error" : "warning");
        i8i_jw_kv_string(&w, "text", findings[i].text);
        i8i_jw_end_object(&w);
        if (!arg_json(args))
            (void)printf("%s: %s\n", findings[i].error ? "error" : "warning",
                         findings[i].text);
    }
    i8i_jw_end_array(&w);
    i8i_jw_kv_bool(&w, "ok", errors == 0);
    i8i_jw_end_object(&w);
    int code = EXIT_DONE;
    if (arg_json(args))
        code = output_json(&w);
    else if (n == 0)
        (void)printf("%s: sound\n", path);
    i8i_jw_free(&w);
    i8_plan_findings_free(findings, n);
    return code == EXIT_DONE && errors > 0 ? EXIT_NO : code;
}

static int run(const struct arguments *args)
{
    struct i8_plan_request r = I8_PLAN_REQUEST_INIT;
    struct i8_plan_budget *budgets = NULL;
    struct i8_plan_sizes *sizes = NULL;
    struct i8_planner *planner = NULL;
    struct i8_error err = {0};
    int code = EXIT_DONE;
    read_words(&r, args);
    r.offload = arg_given(args, "offload");
    if (!arg_uint(&r.batch, args, "batch", 1, MOST_BATCH) ||
        !arg_uint(&r.context, args, "context", 2, MOST_CONTEXT) ||
        !arg_uint(&r.new_tokens, args, "new-tokens", 1, MOST_CONTEXT - 1))
        return EXIT_USAGE;
    if (r.context <= r.new_tokens)
        return usage_error(args, "--context %llu leaves no prompt before %llu new tokens",
                           (unsigned long long)r.context,
                           (unsigned long long)r.new_tokens);
    enum i8_status status = read_budgets(&budgets, &r.n_budgets, &r.reserve, args, &err);
    r.budgets = budgets;
    if (status == I8_OK && !arg_size(&r.reserve, args, "reserve")) {
        free(budgets);
        return EXIT_USAGE;
    }
    if (status == I8_OK && arg_given(args, "sizes"))
        status = i8_plan_read_sizes(&sizes, arg_value(args, "sizes"), &err);
    if (status == I8_OK)
        status = i8_planner_open(&planner, arg_operand(args, 0), &err);
    r.sizes = sizes;
    if (status != I8_OK)
        code = report_error(&err);
    else if (arg_given(args, "check"))
        code = check(planner, &r, args);
    else if (arg_given(args, "find"))
        code = find(planner, &r, args);
    else
        code = plan_once(planner, &r, args);
    i8_planner_free(planner);
    i8_plan_sizes_free(sizes);
    free(budgets);
    return code;
}

static const struct option_spec options[] = {
    {.name = "dtype",
     .arg = "TYPE",
     .values = DTYPES,
     .fallback = "int8",
     .help = "what the weights are kept in"},
    {.name = "max-memory",
     .arg = "LIST",
     .help = "budgets, such as 0=10GiB,1=20GiB,cpu=30GiB,disk"},
    {.name = "gpus",
     .arg = "LIST",
     .help = "cards instead of budgets: auto (ask the driver), 4x24GiB, 2xA100-80GB"},
    {.name = "reserve",
     .arg = "SIZE",
     .help = "set aside on each GPU (default: a CUDA context with cards by name, else "
             "nothing)"},
    {.name = "strategy",
     .arg = "NAME",
     .values = STRATEGIES,
     .fallback = "optimal",
     .help = "optimal, or the map that accelerate or transformers would make"},
    {.name = "batch", .arg = "N", .fallback = "1", .help = "sequences at once"},
    {.name = "context",
     .arg = "N",
     .fallback = "2048",
     .help = "tokens a sequence, prompt and new ones together"},
    {.name = "new-tokens",
     .arg = "N",
     .fallback = "16",
     .help = "how many of them are generated"},
    {.name = "rest-dtype",
     .arg = "TYPE",
     .values = RESTS,
     .fallback = "stored",
     .help = "what int8 leaves as it is"},
    {.name = "runtime",
     .arg = "NAME",
     .values = RUNTIMES,
     .fallback = "transformers5",
     .help = "who loads it: decides what is converted and what is allocated"},
    {.name = "attention",
     .arg = "KIND",
     .values = ATTENTIONS,
     .fallback = "auto",
     .help = "auto: what the runtime takes for the family by default"},
    {.name = "offload", .help = "allow the CPU and the disk"},
    {.name = "device-map",
     .arg = "FILE",
     .help = "write the map as from_pretrained(device_map=...) reads it"},
    {.name = "find",
     .arg = "WHAT",
     .values = UNKNOWNS,
     .help = "solve for the cards, the longest context or the largest batch"},
    {.name = "check", .arg = "FILE", .help = "judge a device map against the model"},
    {.name = "sizes",
     .arg = "FILE",
     .help = "price tensors from a JSON object {tensor: bytes}"},
    {.name = "svg", .arg = "FILE", .help = "draw the devices"},
    {0},
};

static const struct example examples[] = {
    {"int8tool plan bloom-3b", "How much it takes in int8"},
    {"int8tool plan llama-3-8b --gpus 2xRTX-3060 --device-map map.json",
     "Whether it fits two cards, and the map that makes it fit"},
    {"int8tool plan bloom-3b --max-memory 0=1GB,1=2GB --strategy accelerate-auto",
     "What device_map=\"auto\" would do with these budgets, and why"},
    {"int8tool plan llama-3-8b --gpus T4 --find context", "The longest context on a T4"},
    {"int8tool plan bigscience/bloom --gpus 8xA100-80GB",
     "A repository on the Hub: 352 GB of weights, of which 10 MB are fetched"},
    {0},
};

const struct command command_plan = {
    .name = "plan",
    .summary = "say what a model takes and where it fits",
    .synopsis = "MODEL",
    .description =
        "Reads headers and config.json only, and says what the model takes: weights to "
        "the byte, key-value cache and activations for the batch and context given. With "
        "budgets or cards it also places the model: by default in the best way that "
        "keeps "
        "blocks whole and in order; or as accelerate or transformers would, with the "
        "reason for each module that leaves the GPUs.\n\n"
        "Exit status 3 says that it does not fit; the notes say by how much, and what "
        "would.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
