/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan for people: one line that says what it is, one bar a device.
 */
#include "config.h"

#include "planner/plan_state.h"

#include "base/memory.h"
#include "base/size.h"

#include <stdio.h>

#define MOST_TABLE_BYTES (1u << 20)

/* What a bar is made of, in order: letter without colour, SGR code with it. */
enum part { PART_WEIGHTS, PART_KV, PART_ACTIVE, PART_RESERVE, PART_FREE, PARTS };
static const struct {
    char letter;
    const char *name;
    const char *color;
} parts[PARTS] = {
    [PART_WEIGHTS] = {'#', "weights", "34"},    [PART_KV] = {'k', "KV cache", "32"},
    [PART_ACTIVE] = {'a', "activations", "33"}, [PART_RESERVE] = {'r', "reserve", "35"},
    [PART_FREE] = {'.', "free", "90"},
};

static void part_bytes(uint64_t bytes[PARTS], const struct i8_plan_device *d)
{
    bytes[PART_WEIGHTS] = d->weights_bytes;
    bytes[PART_KV] = d->kv_cache_bytes;
    bytes[PART_ACTIVE] = d->activation_bytes;
    bytes[PART_RESERVE] = d->overhead_bytes;
    bytes[PART_FREE] = d->capacity_bytes == I8_PLAN_UNBOUNDED ? 0 : d->free_bytes;
}

/* Cells of the bar by rounded running sums, so that they add up to its width; what is
 * there at all has one cell where that can be. */
static void draw_bar(struct i8i_buffer *b, const struct i8_plan_device *d, unsigned width,
                     bool color)
{
    uint64_t bytes[PARTS], total = 0;
    double sum = 0;
    unsigned drawn = 0;

    part_bytes(bytes, d);
    for (int p = 0; p < PARTS; p++)
        total += bytes[p];
    for (int p = 0; p < PARTS && total > 0; p++) {
        sum += (double)bytes[p];
        unsigned end = (unsigned)(sum / (double)total * width + 0.5);
        if (end <= drawn && bytes[p] > 0 && drawn < width && p < PART_FREE)
            end = drawn + 1;
        if (end > drawn && color)
            i8i_buffer_printf(b, "\033[%sm", parts[p].color);
        bool any = end > drawn;
        for (; drawn < end; drawn++)
            i8i_buffer_printf(b, "%c", parts[p].letter);
        if (any && color)
            i8i_buffer_puts(b, "\033[0m");
    }
    for (; drawn < width; drawn++)
        i8i_buffer_puts(b, " ");
}

static void draw_device(struct i8i_buffer *b, const struct i8_plan_device *d,
                        unsigned width, bool color)
{
    char name[I8I_DEVICE_TEXT], used[I8I_SIZE_TEXT], of[I8I_SIZE_TEXT];
    char rest[I8I_SIZE_TEXT];

    i8i_buffer_printf(b, "%-7s [", i8i_device_text(name, d->device));
    draw_bar(b, d, width, color);
    i8i_buffer_printf(b, "] %10s", i8i_size_text(used, d->total_bytes));
    if (d->capacity_bytes == I8_PLAN_UNBOUNDED)
        i8i_buffer_puts(b, "\n");
    else if (d->total_bytes > d->capacity_bytes)
        i8i_buffer_printf(b, " of %-10s %s over\n", i8i_size_text(of, d->capacity_bytes),
                          i8i_size_text(rest, d->total_bytes - d->capacity_bytes));
    else
        i8i_buffer_printf(b, " of %-10s %s free\n", i8i_size_text(of, d->capacity_bytes),
                          i8i_size_text(rest, d->free_bytes));
}

static void draw_legend(struct i8i_buffer *b, const struct i8_plan *plan, bool color)
{
    i8i_buffer_puts(b, "        ");
    for (int p = 0; p < PARTS; p++) {
        uint64_t sum = 0, bytes[PARTS];
        char text[I8I_SIZE_TEXT];
        for (size_t i = 0; i < plan->n_devices; i++) {
            part_bytes(bytes, &plan->devices[i]);
            sum += bytes[p];
        }
        if (sum == 0)
            continue;
        if (color)
            i8i_buffer_printf(b, " \033[%sm%c\033[0m %s %s", parts[p].color,
                              parts[p].letter, parts[p].name, i8i_size_text(text, sum));
        else
            i8i_buffer_printf(b, " %c %s %s", parts[p].letter, parts[p].name,
                              i8i_size_text(text, sum));
    }
    i8i_buffer_puts(b, "\n");
}

static const char *verdict(const struct i8_plan *plan)
{
    const struct i8_plan_request *r = &plan->request;

    if (!plan->fits)
        return "does not fit";
    for (size_t i = 0; i < plan->n_devices; i++)
        if (plan->devices[i].device < 0 && plan->devices[i].weights_bytes > 0)
            return "fits, but not on the GPUs alone";
    return r->n_budgets == 1 && r->budgets[0].bytes == I8_PLAN_UNBOUNDED ? "sizes"
                                                                         : "fits";
}

enum i8_status i8_plan_table(char **out, const struct i8_plan *plan, unsigned width,
                             bool color, struct i8_error *err)
{
    const struct i8_plan_request *r = &plan->request;
    struct i8i_buffer b;
    char text[3][I8I_SIZE_TEXT];
    unsigned beside = 50, bar = width > beside + 20 ? width - beside : 20;

    i8i_buffer_init(&b, MOST_TABLE_BYTES);
    i8i_buffer_printf(&b, "%s (%s), %s: %s\n", plan->model,
                      plan->architecture[0] ? plan->architecture : "unknown architecture",
                      i8i_plan_dtype_text(r->dtype), verdict(plan));
    i8i_buffer_printf(
        &b,
        "weights %s (exact), KV cache %s (exact), activations %s (estimated, "
        "%s attention)\n",
        i8i_size_text(text[0], plan->weights_bytes),
        i8i_size_text(text[1], plan->kv_cache_bytes),
        i8i_size_text(text[2], plan->activation_bytes), plan->eager ? "eager" : "sdpa");
    i8i_buffer_printf(&b, "batch %llu, context %llu of which %llu new\n\n",
                      (unsigned long long)r->batch, (unsigned long long)r->context,
                      (unsigned long long)r->new_tokens);
    for (size_t i = 0; i < plan->n_devices; i++)
        draw_device(&b, &plan->devices[i], bar, color);
    draw_legend(&b, plan, color);
    if (plan->n_notes > 0)
        i8i_buffer_puts(&b, "\n");
    for (size_t i = 0; i < plan->n_notes; i++)
        i8i_buffer_printf(&b, "note: %s\n", plan->notes[i]);
    *out = i8i_buffer_take(&b, NULL);
    i8i_buffer_free(&b);
    return *out == NULL ? i8i_nomem(err) : I8_OK;
}
