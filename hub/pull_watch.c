/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress of the stages that the download engine does not report: asking and checking.
 */
#include "config.h"

#include "hub/http.h"
#include "hub/pull_state.h"
#include <time.h>

#define TICK_MS 100

static void show(struct i8i_pull_watch *w)
{
    const struct i8_hub_progress *sink = w->pull->options->progress;
    const struct i8_hub_state state = {
        .stage = w->stage,
        .done_bytes = atomic_load(&w->pull->done_bytes),
        .bytes = w->bytes,
        .done_files = (size_t)atomic_load(&w->pull->done_files),
        .files = w->files,
    };
    if (sink->update(sink->ctx, &state) == 0)
        return;
    atomic_store(&w->pull->cancelled, true);
    if (w->pull->http)
        i8i_http_cancel(w->pull->http);
}

static void *watch(void *ctx)
{
    struct i8i_pull_watch *w = ctx;
    while (!atomic_load(&w->stop)) {
        const struct timespec tick = {0, TICK_MS * 1000000L};
        show(w);
        (void)nanosleep(&tick, NULL);
    }
    return NULL;
}

void i8i_pull_watch_start(struct i8i_pull_watch *w, struct i8i_pull *p, const char *stage,
                          uint64_t bytes, size_t files)
{
    w->pull = p;
    w->stage = stage;
    w->bytes = bytes;
    w->files = files;
    atomic_init(&w->stop, false);
    atomic_store(&p->done_bytes, 0);
    atomic_store(&p->done_files, 0);
    /* Without memory for a thread the stage goes unseen, which is no failure. */
    w->running = p->options->progress && pthread_create(&w->thread, NULL, watch, w) == 0;
}

void i8i_pull_watch_stop(struct i8i_pull_watch *w)
{
    atomic_store(&w->stop, true);
    if (w->running)
        (void)pthread_join(w->thread, NULL);
    w->running = false;
}
