/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool verify: does a converted model say what the original says?
 */
#include "config.h"

#include "command.h"
#include "run_options.h"
#include "verify_print.h"

/* ---- against stored outputs ---- */

static int run_golden(const struct arguments *args, const struct i8_runtime *runtime)
{
    static const char *const others[] = {"prompt",   "text",     "tokens",       "window",
                                         "windows",  "generate", "layers",       "report",
                                         "min-top1", "max-kl",   "max-ppl-ratio"};
    double max_rel_l2 = I8_GOLDEN_MAX_REL_L2;
    struct i8_error err = {0};
    struct i8_golden_result result;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (arg_given(args, others[i]))
            return usage_error(args,
                               "--golden brings its own input: --%s has no meaning "
                               "beside it",
                               others[i]);
    }
    if (arg_operands(args) != 1)
        return usage_error(args, "--golden takes one model");
    if (!arg_double(&max_rel_l2, args, "max-rel-l2", 0, 1e300))
        return EXIT_USAGE;
    if (i8_verify_golden(&result, arg_operand(args, 0), arg_value(args, "golden"),
                         max_rel_l2, runtime, &err) != I8_OK)
        return report_error(&err);
    int status = EXIT_DONE;
    if (arg_json(args))
        status = verify_golden_json(&result);
    else
        verify_golden_table(&result, max_rel_l2);
    return status == EXIT_DONE && !result.pass ? EXIT_NO : status;
}

/* ---- against another model ---- */

static bool parse(struct i8_verify_options *o, const struct arguments *args, int *status)
{
    uint64_t window = 0, windows = 0, generate = 0;
    *o = (struct i8_verify_options)I8_VERIFY_OPTIONS_INIT;
    *status = EXIT_USAGE;
    if (!arg_uint(&window, args, "window", 2, INT32_MAX) ||
        !arg_uint(&windows, args, "windows", 1, INT32_MAX) ||
        !arg_uint(&generate, args, "generate", 0, INT32_MAX) ||
        !arg_double(&o->min_top1, args, "min-top1", 0, 1) ||
        !arg_double(&o->max_kl, args, "max-kl", 0, 1e300) ||
        !arg_double(&o->max_ppl_ratio, args, "max-ppl-ratio", 0, 1e300))
        return false;
    o->window = (size_t)window;
    o->max_windows = (size_t)windows;
    o->generate = (size_t)generate;
    o->isolate_layers = arg_given(args, "layers");
    o->prompts = arg_values(args, "prompt");
    o->text_path = arg_value(args, "text");
    o->tokens_path = arg_value(args, "tokens");
    if (arg_given(args, "max-rel-l2")) {
        *status = usage_error(args, "--max-rel-l2 is a limit for --golden");
        return false;
    }
    static const char *const pairs[] = {"generate", "layers", "report",
                                        "min-top1", "max-kl", "max-ppl-ratio"};
    for (size_t i = 0; arg_operands(args) == 1 && i < sizeof pairs / sizeof *pairs; i++) {
        if (arg_given(args, pairs[i])) {
            *status =
                usage_error(args, "--%s compares two models, but there is one", pairs[i]);
            return false;
        }
    }
    return true;
}

static int run(const struct arguments *args)
{
    int status;
    struct i8_error err = {0};
    struct i8_verify_options options;
    struct i8_verify_result result;
    struct i8_runtime runtime = {0};
    if (!run_options(&runtime, args, &status))
        return status;
    if (arg_given(args, "golden"))
        return run_golden(args, &runtime);
    if (!parse(&options, args, &status))
        return status;
    runtime.progress = output_progress(args);
    options.runtime = runtime;
    const char *converted = arg_operands(args) == 2 ? arg_operand(args, 1) : NULL;
    if (i8_verify(&result, arg_operand(args, 0), converted, &options, &err) != I8_OK)
        return report_error(&err);
    output_progress_done();
    if (arg_json(args))
        status = verify_json(&result);
    else {
        verify_table(&result, &options);
        status = EXIT_DONE;
    }
    if (arg_given(args, "report") &&
        verify_report(arg_value(args, "report"), arg_operand(args, 0), converted, &result,
                      &options, &err) != I8_OK)
        status = report_error(&err);
    if (status == EXIT_DONE && !result.pass)
        status = EXIT_NO;
    i8_verify_result_free(&result);
    return status;
}

static const struct option_spec options[] = {
    {.name = "prompt",
     .arg = "TEXT",
     .repeatable = true,
     .help = "run this text, with the special tokens that the tokenizer puts around it"},
    {.name = "text", .arg = "FILE", .help = "run a UTF-8 text file, cut into windows"},
    {.name = "tokens",
     .arg = "FILE.json",
     .help =
         "run token ids: a list, cut into windows, or a list of lists, each a window"},
    {.name = "window",
     .arg = "N",
     .fallback = "512; encoder-decoder 256",
     .help = "ids of a window; of an encoder-decoder, the encoder reads the first half "
             "and the decoder is scored on the second"},
    {.name = "windows", .arg = "N", .fallback = "all", .help = "run the first N windows"},
    {.name = "generate",
     .arg = "N",
     .help = "also compare N greedy tokens behind each prompt, or behind the beginnings "
             "of the first windows"},
    OUTLIERS_OPTION,
    {.name = "layers",
     .help = "measure each layer's own error: give it the original's input"},
    {.name = "min-top1",
     .arg = "F",
     .fallback = "0.95",
     .help = "least share of positions at which both take the same token"},
    {.name = "max-kl",
     .arg = "F",
     .fallback = "0.01",
     .help = "largest mean KL divergence, in nats"},
    {.name = "max-ppl-ratio",
     .arg = "F",
     .fallback = "1.01",
     .help = "largest perplexity of the converted model over the original's"},
    {.name = "report",
     .arg = "FILE.html",
     .help =
         "write the numbers and each layer's error as a page that needs nothing else"},
    {.name = "golden",
     .arg = "FILE.safetensors",
     .help = "compare one model with outputs that another framework stored: input_ids, "
             "decoder_input_ids; logits or last_hidden_state"},
    {.name = "max-rel-l2",
     .arg = "F",
     .fallback = "5e-5",
     .help = "largest relative L2 error against --golden"},
    DEVICE_OPTION,
    {0},
};

static const struct example examples[] = {
    {"int8tool verify ./llama ./llama-int8",
     "Compare on a built-in English text, exit 3 if they are too far apart"},
    {"int8tool verify ./llama ./llama-int8 --text wiki.txt --layers",
     "Which layer loses how much, on a text of your own"},
    {"int8tool verify --json ./llama --tokens ids.json",
     "One model's perplexity on given token ids"},
    {"int8tool verify ./llama --golden outputs.safetensors",
     "The engine against another framework's outputs"},
    {0},
};

const struct command command_verify = {
    .name = "verify",
    .summary = "compare a converted model with its original",
    .synopsis = "ORIGINAL CONVERTED | MODEL",
    .description =
        "Runs both models on the same tokens, layer by layer side by side, and compares "
        "hidden states, logits, probabilities and perplexity. Only one layer's weights "
        "of a model are in memory at a time. Exit status 3 means that a limit was "
        "missed; "
        "NaN or Inf anywhere is a miss.\n\n"
        "With one model it prints that model's perplexity; with --golden it compares the "
        "model's outputs with stored ones.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
};
