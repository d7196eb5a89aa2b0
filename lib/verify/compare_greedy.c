/* SPDX-License-Identifier: Apache-2.0
 *
 * Greedy tokens of both models, side by side.
 */
#include "config.h"

#include "verify/compare_greedy.h"

#include "base/memory.h"
#include "verify/continuation.h"
#include <stdlib.h>

/* Where no prompt was given: beginnings of windows serve. */
#define MAX_BEGINNINGS 3u
#define BEGINNING_IDS  32u

struct chosen {
    const struct i8i_window *window;
    size_t n; /* ids of it that are the prompt */
};

static size_t choose(struct chosen *chosen, const struct i8i_windows *windows,
                     bool encoder)
{
    size_t count = 0;
    for (size_t i = 0; i < windows->count; i++) {
        const struct i8i_window *w = &windows->items[i];
        if (w->prompt != NULL)
            chosen[count++] = (struct chosen){w, w->n};
    }
    for (size_t i = 0; count == 0 && i < windows->count && i < MAX_BEGINNINGS; i++) {
        size_t half = windows->items[i].n / 2;
        bool whole = encoder || half < BEGINNING_IDS;
        chosen[i] = (struct chosen){&windows->items[i], whole ? half : BEGINNING_IDS};
    }
    if (count == 0)
        count = windows->count < MAX_BEGINNINGS ? windows->count : MAX_BEGINNINGS;
    return count;
}

static enum i8_status continue_all(struct i8i_session *s, struct i8_continuation *out,
                                   bool converted, const struct chosen *chosen,
                                   size_t count, const struct i8_verify_options *o,
                                   struct i8_error *err)
{
    struct i8i_sampler greedy;
    enum i8_status status = I8_OK;
    i8i_sampler_init(&greedy, 0, 0, 0, 0);
    const struct i8i_continuation_options options = {
        .max_new = o->generate,
        .sampler = &greedy,
        .log = o->runtime.log,
    };
    for (size_t i = 0; i < count && status == I8_OK; i++) {
        struct i8i_continuation c;
        status = i8i_continue(&c, s->engine, s->model, &s->text, chosen[i].window->ids,
                              chosen[i].n, &options, err);
        if (status != I8_OK)
            break;
        *(converted ? &out[i].converted_ids : &out[i].reference_ids) = c.ids;
        *(converted ? &out[i].n_converted : &out[i].n_reference) = c.n;
    }
    i8i_session_unload(s);
    i8i_sampler_free(&greedy);
    return status;
}

static int64_t first_difference(const struct i8_continuation *c)
{
    size_t i = 0;
    while (i < c->n_reference && i < c->n_converted &&
           c->reference_ids[i] == c->converted_ids[i])
        i++;
    return i == c->n_reference && i == c->n_converted ? -1 : (int64_t)i;
}

enum i8_status i8i_compare_greedy(struct i8_verify_result *r,
                                  struct i8i_session *reference,
                                  struct i8i_session *converted,
                                  const struct i8i_windows *windows,
                                  const struct i8_verify_options *o, struct i8_error *err)
{
    bool encoder = reference->model->hp.arch.shape == I8I_SHAPE_ENCODER_DECODER;
    struct chosen *chosen = i8i_calloc(windows->count, sizeof *chosen);
    if (chosen == NULL)
        return i8i_nomem(err);
    size_t count = choose(chosen, windows, encoder);
    enum i8_status status = I8_OK;
    r->continuations = i8i_calloc(count, sizeof *r->continuations);
    if (r->continuations == NULL)
        status = i8i_nomem(err);
    else
        r->n_continuations = count;
    if (status == I8_OK)
        status = continue_all(reference, r->continuations, false, chosen, count, o, err);
    if (status == I8_OK)
        status = continue_all(converted, r->continuations, true, chosen, count, o, err);
    for (size_t i = 0; i < count && status == I8_OK; i++) {
        struct i8_continuation *c = &r->continuations[i];
        const char *prompt = chosen[i].window->prompt;
        c->first_difference = first_difference(c);
        if (prompt != NULL && (c->prompt = i8i_strdup(prompt)) == NULL)
            status = i8i_nomem(err);
    }
    free(chosen);
    return status;
}
