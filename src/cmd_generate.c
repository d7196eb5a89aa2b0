/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool generate: text from a model.
 */
#include "config.h"

#include "command.h"
#include "run_options.h"
#include <int8tool/generate.h>
#include <stdio.h>

static int print_json(const struct i8_generate_result *r)
{
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < r->n_sequences; i++) {
        const struct i8_sequence *s = &r->sequences[i];
        i8i_jw_begin_object(&w);
        i8i_jw_kv_string(&w, "prompt", s->prompt);
        i8i_jw_key(&w, "ids");
        i8i_jw_begin_array(&w);
        for (size_t k = 0; k < s->n_ids; k++)
            i8i_jw_i64(&w, s->ids[k]);
        i8i_jw_end_array(&w);
        i8i_jw_kv_string(&w, "text", s->text);
        i8i_jw_kv_double(&w, "tokens_per_s", s->tokens_per_s);
        i8i_jw_end_object(&w);
    }
    i8i_jw_end_array(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

/* Where the text on stdout stands. */
struct printer {
    size_t sequence;
    bool begun;
};

static void print_text(void *ctx, size_t sequence, const char *text, size_t length)
{
    struct printer *p = ctx;
    if (p->begun && sequence != p->sequence)
        (void)fputs("\n\n", stdout);
    p->sequence = sequence;
    p->begun = true;
    (void)fwrite(text, 1, length, stdout);
    (void)fflush(stdout); /* each word as it comes */
}

static bool parse(struct i8_generate_options *o, const struct arguments *args,
                  int *status)
{
    uint64_t new_tokens = 32, top_k = 0, seed = 0;
    *status = EXIT_USAGE;
    if (!arg_uint(&new_tokens, args, "max-new-tokens", 1, INT32_MAX) ||
        !arg_double(&o->temperature, args, "temperature", 0, 1e6) ||
        !arg_uint(&top_k, args, "top-k", 0, INT32_MAX) ||
        !arg_double(&o->top_p, args, "top-p", 0, 1) ||
        !arg_uint(&seed, args, "seed", 0, UINT64_MAX))
        return false;
    o->max_new_tokens = (size_t)new_tokens;
    o->top_k = (size_t)top_k;
    o->seed = seed;
    o->prompts = arg_values(args, "prompt");
    o->tokens_path = arg_value(args, "tokens");
    if (arg_given(args, "prompt") == arg_given(args, "tokens")) {
        *status = usage_error(args, "give either --prompt or --tokens");
        return false;
    }
    return run_options(&o->runtime, args, status);
}

static int run(const struct arguments *args)
{
    int status;
    struct i8_error err = {0};
    struct i8_generate_options options = {0};
    struct i8_generate_result result;
    struct printer printer = {0};
    if (!parse(&options, args, &status))
        return status;
    if (!arg_json(args)) {
        options.text = print_text;
        options.text_ctx = &printer;
    }
    bool done = i8_generate(&result, arg_operand(args, 0), &options, &err) == I8_OK;
    if (printer.begun)
        (void)fputc('\n', stdout);
    if (!done)
        return report_error(&err);
    status = arg_json(args) ? print_json(&result) : EXIT_DONE;
    i8_generate_result_free(&result);
    return status;
}

static const struct option_spec options[] = {
    {.name = "prompt", .arg = "TEXT", .repeatable = true, .help = "text to go on from"},
    {.name = "tokens",
     .arg = "FILE.json",
     .help = "token ids to go on from: a list, or a list of lists"},
    {.name = "max-new-tokens",
     .arg = "N",
     .fallback = "32",
     .help = "stop after this many new tokens (or at the model's end of text)"},
    {.name = "temperature",
     .arg = "F",
     .help = "draw from softmax(logits / F) instead of taking the most likely token"},
    {.name = "top-k", .arg = "N", .help = "draw from the N most likely tokens"},
    {.name = "top-p",
     .arg = "F",
     .help = "draw from the fewest tokens that hold F of the probability"},
    {.name = "seed",
     .arg = "N",
     .fallback = "0",
     .help = "where the draws start; each prompt starts there anew"},
    OUTLIERS_OPTION,
    DEVICE_OPTION,
    {0},
};

static const struct example examples[] = {
    {"int8tool generate ./llama-int8 --prompt 'The SELECT statement is used to'",
     "The most likely continuation, as it appears"},
    {"int8tool generate ./llama --prompt Hello --temperature 0.8 --top-p 0.95 --seed 7",
     "A draw that can be repeated"},
    {"int8tool generate --json ./t5 --tokens ids.json --max-new-tokens 64",
     "Ids in, ids out, for a model whose tokenizer is not handled"},
    {0},
};

const struct command command_generate = {
    .name = "generate",
    .summary = "continue text with a model",
    .synopsis = "MODEL --prompt TEXT",
    .description =
        "Continues each prompt token by token, through a cache of keys and values. Takes "
        "the most likely token at each step, unless --temperature, --top-k or --top-p "
        "asks for a draw.\n\n"
        "A prompt gets the special tokens that the model's tokenizer.json puts around a "
        "text; ids of --tokens are taken as they are. Text and ids begin with the "
        "prompt; those of an encoder-decoder, whose encoder reads the prompt, with its "
        "start token.",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
