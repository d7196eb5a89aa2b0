/* SPDX-License-Identifier: Apache-2.0
 *
 * i8_generate: prompts in, sequences out, and text on the way as soon as it is certain.
 */
#include "config.h"

#include <int8tool/generate.h>

#include "base/clock.h"
#include "base/memory.h"
#include "verify/continuation.h"
#include "verify/session.h"
#include "verify/windows.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NEW_TOKENS 32u

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* ---- streaming ---- */

struct stream {
    const struct i8_generate_options *o;
    const struct i8i_model_text *text;
    size_t sequence;
    size_t done; /* bytes of the text, or ids without a tokenizer, that were handed out */
};

static void hand_out(struct stream *s, const char *text, size_t length)
{
    if (length > 0)
        s->o->text(s->o->text_ctx, s->sequence, text, length);
}

/* The text so far, less what later ids may still complete: a character whose bytes are
 * split over tokens decodes to U+FFFD until its last byte is there. */
static enum i8_status stream_text(struct stream *s, const int32_t *ids, size_t n,
                                  bool last, struct i8_error *err)
{
    char *text;
    size_t length;
    const size_t unit = sizeof replacement - 1;
    enum i8_status status =
        i8i_tokenizer_decode(s->text->tokenizer, &text, &length, ids, n, true, err);
    if (status != I8_OK)
        return status;
    while (!last && length >= unit &&
           memcmp(text + length - unit, replacement, unit) == 0)
        length -= unit;
    if (length > s->done) {
        hand_out(s, text + s->done, length - s->done);
        s->done = length;
    }
    free(text);
    return I8_OK;
}

static enum i8_status on_grown(void *ctx, const int32_t *ids, size_t n,
                               struct i8_error *err)
{
    struct stream *s = ctx;
    if (s->text->tokenizer != NULL)
        return stream_text(s, ids, n, false, err);
    for (; s->done < n; s->done++) {
        char number[16];
        int length = snprintf(number, sizeof number, "%s%d", s->done > 0 ? " " : "",
                              (int)ids[s->done]);
        hand_out(s, number, (size_t)length);
    }
    return I8_OK;
}

/* ---- sequences ---- */

static enum i8_status generate_one(struct i8_sequence *out, struct i8i_session *s,
                                   const struct i8i_window *w, size_t sequence,
                                   const struct i8_generate_options *o,
                                   struct i8i_sampler *sampler, struct i8_error *err)
{
    struct stream stream = {.o = o, .text = &s->text, .sequence = sequence};
    const struct i8i_continuation_options options = {
        .max_new = o->max_new_tokens > 0 ? o->max_new_tokens : DEFAULT_NEW_TOKENS,
        .sampler = sampler,
        .grown = o->text != NULL ? on_grown : NULL,
        .ctx = &stream,
        .log = o->runtime.log,
    };
    struct i8i_continuation c;
    double start = i8i_monotonic_s();
    enum i8_status status =
        i8i_continue(&c, s->engine, s->model, &s->text, w->ids, w->n, &options, err);
    if (status != I8_OK)
        return status;
    double seconds = i8i_monotonic_s() - start;
    out->ids = c.ids;
    out->n_ids = c.n;
    out->n_prompt = c.n_given;
    out->tokens_per_s = seconds > 0 ? (double)(c.n - c.n_given) / seconds : 0;
    if (w->prompt != NULL && (out->prompt = i8i_strdup(w->prompt)) == NULL)
        return i8i_nomem(err);
    if (s->text.tokenizer == NULL)
        return I8_OK;
    if (o->text != NULL)
        status = stream_text(&stream, c.ids, c.n, true, err);
    if (status == I8_OK)
        status = i8i_tokenizer_decode(s->text.tokenizer, &out->text, NULL, c.ids, c.n,
                                      true, err);
    return status;
}

static enum i8_status check_options(const struct i8_generate_options *o,
                                    struct i8_error *err)
{
    bool prompts = o->prompts != NULL && o->prompts[0] != NULL;
    if (prompts == (o->tokens_path != NULL))
        return i8i_fail(err, I8_ERR_ARG, "give either --prompt or --tokens");
    if (!(o->temperature >= 0 && o->temperature < INFINITY))
        return i8i_fail(err, I8_ERR_ARG,
                        "the temperature must be a finite number, 0 or more");
    if (!(o->top_p >= 0 && o->top_p <= 1))
        return i8i_fail(err, I8_ERR_ARG, "top-p must be between 0 and 1");
    return I8_OK;
}

static enum i8_status generate(struct i8_generate_result *result, struct i8i_session *s,
                               const struct i8_generate_options *o, struct i8_error *err)
{
    struct i8i_windows windows;
    const struct i8i_window_options window_options = {
        .prompts = o->prompts,
        .tokens_path = o->tokens_path,
        .least = 1,
        .log = o->runtime.log,
    };
    enum i8_status status =
        i8i_windows_read(&windows, s->model, &s->text, &window_options, err);
    if (status != I8_OK)
        return status;
    result->sequences = i8i_calloc(windows.count, sizeof *result->sequences);
    status = result->sequences != NULL ? i8i_session_load(s, err) : i8i_nomem(err);
    for (size_t i = 0; i < windows.count && status == I8_OK; i++) {
        struct i8i_sampler sampler;
        i8i_sampler_init(&sampler, o->temperature, o->top_k, o->top_p, o->seed);
        result->n_sequences++;
        status = generate_one(&result->sequences[i], s, &windows.items[i], i, o, &sampler,
                              err);
        i8i_sampler_free(&sampler);
    }
    i8i_windows_free(&windows);
    result->device = "cpu";
    result->peak_device_bytes = i8i_engine_peak_bytes(s->engine);
    return status;
}

enum i8_status i8_generate(struct i8_generate_result *result, const char *model,
                           const struct i8_generate_options *o, struct i8_error *err)
{
    struct i8i_session session = {0};
    *result = (struct i8_generate_result){0};
    enum i8_status status = check_options(o, err);
    if (status == I8_OK)
        status = i8i_session_open(&session, model, &o->runtime, NULL, err);
    if (status == I8_OK)
        status = generate(result, &session, o, err);
    i8i_session_close(&session);
    if (status != I8_OK)
        i8_generate_result_free(result);
    return status;
}

void i8_generate_result_free(struct i8_generate_result *r)
{
    for (size_t i = 0; i < r->n_sequences; i++) {
        free(r->sequences[i].prompt);
        free(r->sequences[i].ids);
        free(r->sequences[i].text);
    }
    free(r->sequences);
    *r = (struct i8_generate_result){0};
}
