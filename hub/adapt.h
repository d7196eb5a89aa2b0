/* SPDX-License-Identifier: Apache-2.0
 *
 * How many connections to have: start with few, double while that does no harm, and halve
 * when the rate collapses (servers that throttle, see docs/hub.md). Pure arithmetic on
 * what the caller measures.
 */
#ifndef I8I_HUB_ADAPT_H
#define I8I_HUB_ADAPT_H

#include <stdbool.h>
#include <stdint.h>

#define I8I_ADAPT_START 4

struct i8i_adapt {
    unsigned now; /* connections to have */
    unsigned max;
    /* private: */
    unsigned room; /* what there is use for, max at most */
    bool growing;
    bool cautious;    /* the rate has collapsed once */
    unsigned base;    /* how many there were before they became more */
    double base_rate; /* bytes a second with those; 0: not measured */
    double peak_rate; /* the best steady rate */
    unsigned low;     /* windows in a row far below it */
    double window_s;  /* when the measurement in progress began; 0: none */
    double settled_s; /* new connections have found their rate by then */
    double probe_s;   /* when more are tried again */
    uint64_t window_bytes;
};

void i8i_adapt_init(struct i8i_adapt *a, unsigned max);
/* To be called about ten times a second with the time, all bytes received so far and the
 * number of connections at work; a->now may change. While fewer than a->now are at work,
 * nothing is learnt. */
void i8i_adapt_update(struct i8i_adapt *a, double now_s, uint64_t bytes, unsigned busy);
/* There is no use for more at present, because the files being fetched allow no more:
 * a->now comes down to that many, which are then measured, and halved if need be. */
void i8i_adapt_room(struct i8i_adapt *a, unsigned room);
/* A connection was refused or failed while others went on: never more than this again. */
void i8i_adapt_cap(struct i8i_adapt *a, unsigned max);

#endif
