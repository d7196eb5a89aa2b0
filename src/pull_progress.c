/* SPDX-License-Identifier: Apache-2.0
 *
 * Composes the display's lines ten times a second. The rate is that of the last seconds:
 * what a connection did a minute ago says little about when the rest will be there.
 */
#include "config.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/utf8.h"
#include "command.h"
#include "pull_progress.h"
#include <string.h>

enum {
    FILES_SHOWN = 8,
    NAME_COLUMNS = 44, /* a longer name loses its middle */
    SAMPLES = 50,      /* of the rate: five seconds */
};

struct sample {
    double at_s;
    uint64_t bytes;
};

struct display {
    bool draw;
    struct sample samples[SAMPLES];
    size_t n_samples, next;
    const char *stage; /* the samples are of it */
};

/* Bytes a second over the samples kept, this one included; 0 until there is something to
 * go by. */
static double rate(struct display *d, const char *stage, uint64_t bytes)
{
    static const double settled_s = 0.5;
    if (d->stage == NULL || strcmp(d->stage, stage) != 0)
        d->n_samples = d->next = 0;
    d->stage = stage;
    const struct sample now = {i8i_monotonic_s(), bytes};
    d->samples[d->next] = now;
    d->next = (d->next + 1) % SAMPLES;
    if (d->n_samples < SAMPLES)
        d->n_samples++;
    const struct sample *first =
        &d->samples[d->n_samples < SAMPLES ? 0 : d->next]; /* the oldest */
    const double span = now.at_s - first->at_s;
    return span >= settled_s && bytes >= first->bytes
               ? (double)(bytes - first->bytes) / span
               : 0;
}

/* ---- names ---- */

static size_t columns_of_text(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80; /* not behind a character's first byte */
    return n;
}

/* Byte offset of the column-th character. */
static size_t offset_of(const char *s, size_t column)
{
    size_t i = 0;
    for (size_t n = 0; s[i]; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80 && n++ == column)
            break;
    return i;
}

/* The name in `columns`, filled up with blanks. */
static void put_name(struct i8i_buffer *b, const char *name, size_t columns)
{
    size_t n = columns_of_text(name);
    if (n <= columns) {
        i8i_buffer_puts(b, name);
    } else {
        const size_t head = columns / 2, tail = columns - head - 1;
        i8i_buffer_append(b, name, offset_of(name, head));
        i8i_buffer_puts(b, "…");
        i8i_buffer_puts(b, name + offset_of(name, n - tail));
        n = columns;
    }
    for (; n < columns; n++)
        i8i_buffer_puts(b, " ");
}

/* ---- lines ---- */

static void put_file(struct i8i_buffer *b, const struct i8_hub_running *f, size_t columns)
{
    char done[I8I_SIZE_TEXT], all[I8I_SIZE_TEXT];
    const double part = f->bytes ? (double)f->done_bytes / (double)f->bytes : 1;
    put_name(b, f->name, columns);
    i8i_buffer_printf(b, " %3.0f%%  %s of %s", 100 * part,
                      i8i_size_text(done, f->done_bytes), i8i_size_text(all, f->bytes));
    switch (f->activity) {
    case I8_HUB_FETCHING:
        if (f->connections > 1)
            i8i_buffer_printf(b, ", %u connections", f->connections);
        break;
    case I8_HUB_RETRYING:
        i8i_buffer_puts(b, ", trying again");
        break;
    case I8_HUB_WAITING:
        i8i_buffer_puts(b, ", another process has it");
        break;
    case I8_HUB_HASHING:
        i8i_buffer_puts(b, ", finishing");
        break;
    }
    i8i_buffer_puts(b, "\n");
}

static void put_total(struct i8i_buffer *b, struct display *d,
                      const struct i8_hub_state *s)
{
    char done[I8I_SIZE_TEXT], all[I8I_SIZE_TEXT], speed[I8I_SIZE_TEXT];
    char left[OUTPUT_DURATION];
    if (s->bytes == 0 && s->files == 0) {
        i8i_buffer_printf(b, "%s …", s->stage);
        return;
    }
    const bool network = s->fetched_bytes > 0;
    const double bytes_s = rate(d, s->stage, network ? s->fetched_bytes : s->done_bytes);
    const double part = s->bytes ? (double)s->done_bytes / (double)s->bytes : 1;
    i8i_buffer_printf(b, "%s %3.0f%%  %s of %s", s->stage, 100 * part,
                      i8i_size_text(done, s->done_bytes), i8i_size_text(all, s->bytes));
    if (bytes_s >= 1) {
        const double left_s = (double)(s->bytes - s->done_bytes) / bytes_s;
        i8i_buffer_printf(b, ", %s/s, %s left", i8i_size_text(speed, (uint64_t)bytes_s),
                          output_duration(left, left_s));
    }
    i8i_buffer_printf(b, ", %zu of %zu files", s->done_files, s->files);
}

/* Cuts each line to the terminal's width, in place. */
static void cut_lines(char *text, size_t columns)
{
    char *to = text;
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        const size_t n = offset_of(line, columns);
        memmove(to, line, n);
        to += n;
        if (end)
            *to++ = '\n';
        line = end ? end + 1 : NULL;
    }
    *to = '\0';
}

static int update(void *ctx, const struct i8_hub_state *s)
{
    enum { DISPLAY_MAX = 64 << 10 };
    struct display *d = ctx;
    struct i8i_buffer b;
    size_t columns = 0;
    if (output_interrupted())
        return 1;
    if (!d->draw)
        return 0;
    i8i_buffer_init(&b, DISPLAY_MAX);
    const size_t shown = s->n_running < FILES_SHOWN ? s->n_running : FILES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const size_t n = columns_of_text(s->running[i].name);
        columns = n > columns ? n : columns;
    }
    const size_t half = (size_t)output_draw_columns() / 2;
    const size_t most = half < NAME_COLUMNS ? half : NAME_COLUMNS;
    for (size_t i = 0; i < shown; i++)
        put_file(&b, &s->running[i], columns < most ? columns : most);
    if (s->n_running > shown)
        i8i_buffer_printf(&b, "… and %zu more\n", s->n_running - shown);
    put_total(&b, d, s);
    if (!b.failed && b.data) {
        cut_lines(b.data, (size_t)output_draw_columns());
        output_draw(b.data);
    }
    i8i_buffer_free(&b);
    return 0;
}

const struct i8_hub_progress *pull_progress(const struct arguments *a)
{
    static struct display display;
    static const struct i8_hub_progress progress = {.update = update, .ctx = &display};
    display.draw = output_may_draw(a);
    output_catch_signals();
    return &progress;
}
