/* SPDX-License-Identifier: Apache-2.0
 *
 * The number of connections, by trial.
 */
#include "config.h"

#include "hub/adapt.h"

#define SETTLE_S      0.25 /* round trips and slow start of new connections */
#define GROW_WINDOW_S 0.5
#define WINDOW_S      1.0
#define PROBE_AFTER_S 15.0
/* More connections do harm if less than this part of the rate before is left. Not more:
 * servers that limit a connection's rate let it burst first, so rates are uneven. */
#define HARM 0.5
/* After a collapse more have to pay: to bring this part of what twice the rate would be.
 */
#define WORTH_IT 0.3
/* Below this part of the best rate, for so many windows in a row: a collapse. What is
 * best fades, so that a burst at the start is not the measure for ever. */
#define COLLAPSE         0.25
#define COLLAPSE_WINDOWS 4
#define FADES            0.9

void i8i_adapt_init(struct i8i_adapt *a, unsigned max)
{
    *a = (struct i8i_adapt){.max = max > 0 ? max : 1, .growing = true};
    a->now = a->max < I8I_ADAPT_START ? a->max : I8I_ADAPT_START;
    a->base = a->now;
    a->room = a->max;
}

static void set(struct i8i_adapt *a, unsigned now, double now_s)
{
    a->now = now < 1 ? 1 : now > a->room ? a->room : now;
    a->settled_s = now_s + SETTLE_S;
    a->window_s = 0;
    a->low = 0;
}

static void grow(struct i8i_adapt *a, double rate, double now_s)
{
    a->base = a->now;
    a->base_rate = rate;
    a->growing = a->now < a->room;
    if (a->growing)
        set(a, 2 * a->now, now_s);
    a->probe_s = now_s + PROBE_AFTER_S;
}

static void judge_growth(struct i8i_adapt *a, double rate, double now_s)
{
    const double more = (double)a->now / (double)a->base - 1;
    if (rate > a->peak_rate)
        a->peak_rate = rate;
    const bool pays = rate >= a->base_rate * (1 + WORTH_IT * more);
    if (a->base_rate <= 0 || pays || (!a->cautious && rate >= HARM * a->base_rate)) {
        grow(a, rate, now_s);
        return;
    }
    a->growing = false;
    a->probe_s = now_s + PROBE_AFTER_S;
    set(a, a->base, now_s);
}

static void judge_steady(struct i8i_adapt *a, double rate, double now_s)
{
    a->peak_rate *= FADES;
    if (rate > a->peak_rate)
        a->peak_rate = rate;
    if (rate < COLLAPSE * a->peak_rate)
        a->low++;
    else
        a->low = 0;
    if (a->low >= COLLAPSE_WINDOWS && a->now > 1) {
        set(a, a->now / 2, now_s);
        a->cautious = true;
        a->probe_s = now_s + 2 * PROBE_AFTER_S;
    } else if (now_s >= a->probe_s) {
        a->peak_rate = rate; /* what was once is not compared with for ever */
        grow(a, rate, now_s);
    }
}

void i8i_adapt_update(struct i8i_adapt *a, double now_s, uint64_t bytes, unsigned busy)
{
    if (busy < a->now || now_s < a->settled_s) {
        a->window_s = 0;
        return;
    }
    if (a->window_s <= 0) {
        a->window_s = now_s;
        a->window_bytes = bytes;
        return;
    }
    const double lasted = now_s - a->window_s;
    if (lasted < (a->growing ? GROW_WINDOW_S : WINDOW_S))
        return;
    const double rate = (double)(bytes - a->window_bytes) / lasted;
    a->window_s = now_s;
    a->window_bytes = bytes;
    if (a->growing)
        judge_growth(a, rate, now_s);
    else
        judge_steady(a, rate, now_s);
}

/* What was being tried is over. */
static void stay_within(struct i8i_adapt *a, unsigned room)
{
    a->room = room;
    if (a->now > room)
        a->now = room;
    a->growing = false;
    a->window_s = 0;
}

void i8i_adapt_room(struct i8i_adapt *a, unsigned room)
{
    if (room > a->max)
        room = a->max;
    if (room < 1)
        room = 1;
    if (room < a->now)
        stay_within(a, room);
    else
        a->room = room;
}

void i8i_adapt_cap(struct i8i_adapt *a, unsigned max)
{
    a->max = max > 0 ? max : 1;
    stay_within(a, a->room < a->max ? a->room : a->max);
}
