/* SPDX-License-Identifier: Apache-2.0
 *
 * A place in each input that moves on, and the ranges that it leaps over.
 */
#include "config.h"

#include "convert/worklist.h"

#include <stdlib.h>

struct i8i_cursor {
    struct i8i_place at; /* the next unit to hand out, unless it is done */
    size_t end;          /* behind the input's last piece */
    size_t done;         /* from here on, ranges that are done lie ahead */
};

/* The part of a recorded range that counts: a range of this plan, of a file that is still
 * there, and not counted by the one before it (ranks may have done things twice). */
static bool usable_range(struct i8i_range *r, const struct i8i_staging *staging,
                         const struct i8i_range *before)
{
    const struct i8i_convert_plan *plan = staging->plan;
    if (r->piece >= plan->n_pieces)
        return false;
    const struct i8i_piece *piece = &plan->pieces[r->piece];
    if (r->first > piece->units || r->count > piece->units - r->first ||
        !staging->resumed[piece->output])
        return false;
    const uint64_t from =
        before && before->piece == r->piece ? before->first + before->count : 0;
    if (r->first + r->count <= from)
        return false;
    if (r->first < from) {
        r->count -= from - r->first;
        r->first = from;
    }
    return r->count > 0;
}

/* Pieces are sorted by input. */
static void set_cursors(struct i8i_worklist *w)
{
    const struct i8i_convert_plan *p = w->plan;
    size_t piece = 0;
    for (size_t i = 0; i < p->n_inputs; i++) {
        w->cursors[i].at.piece = piece;
        while (piece < p->n_pieces && p->pieces[piece].input == i)
            piece++;
        w->cursors[i].end = piece;
    }
}

enum i8_status i8i_worklist_init(struct i8i_worklist *w,
                                 const struct i8i_staging *staging,
                                 const struct i8i_division *part, struct i8_error *err)
{
    const struct i8i_record *record = &staging->record;
    *w = (struct i8i_worklist){.plan = staging->plan, .part = *part};
    w->cursors = i8i_calloc(w->plan->n_inputs, sizeof *w->cursors);
    w->done = i8i_calloc(record->n_ranges, sizeof *w->done);
    if (w->cursors == NULL || w->done == NULL)
        return i8i_nomem(err);
    if (record->publishing) /* all was complete and synced: the cursors stay at the end */
        return I8_OK;
    set_cursors(w);
    for (size_t i = 0; i < record->n_ranges; i++) {
        struct i8i_range r = record->ranges[i];
        if (usable_range(&r, staging, w->n_done > 0 ? &w->done[w->n_done - 1] : NULL))
            w->done[w->n_done++] = r;
    }
    return I8_OK;
}

void i8i_worklist_free(struct i8i_worklist *w)
{
    free(w->cursors);
    free(w->done);
    *w = (struct i8i_worklist){0};
}

/* Leaps over what is done at the cursor; returns where in its piece the next that is done
 * begins, if that is before `end`. */
static uint64_t leap(const struct i8i_worklist *w, struct i8i_cursor *c, uint64_t end)
{
    for (; c->done < w->n_done; c->done++) {
        const struct i8i_range *d = &w->done[c->done];
        if (d->piece > c->at.piece)
            break;
        if (d->piece == c->at.piece && d->first > c->at.unit)
            return d->first < end ? d->first : end;
        if (d->piece == c->at.piece && d->first + d->count > c->at.unit)
            c->at.unit = d->first + d->count;
    }
    return end;
}

/* Moves on to the next unit that is not done; *stop: the end of those that follow it
 * without a gap. */
static bool find(const struct i8i_worklist *w, struct i8i_cursor *c, uint64_t *stop)
{
    for (; c->at.piece < c->end; c->at.piece++, c->at.unit = 0) {
        uint64_t first, end;
        i8i_division_units(&first, &end, &w->part, w->plan, c->at.piece);
        if (c->at.unit < first)
            c->at.unit = first;
        *stop = leap(w, c, end);
        if (c->at.unit < end)
            return true;
    }
    return false;
}

bool i8i_worklist_place(struct i8i_worklist *w, size_t input, struct i8i_place *place)
{
    struct i8i_cursor *c = &w->cursors[input];
    uint64_t stop;
    const bool found = find(w, c, &stop);
    *place = c->at;
    return found;
}

size_t i8i_worklist_first(struct i8i_worklist *w)
{
    struct i8i_place place;
    while (w->first < w->plan->n_inputs && !i8i_worklist_place(w, w->first, &place))
        w->first++;
    return w->first;
}

bool i8i_worklist_next(struct i8i_worklist *w, size_t input, struct i8i_range *range,
                       uint64_t bytes)
{
    struct i8i_cursor *c = &w->cursors[input];
    uint64_t stop;
    if (!find(w, c, &stop))
        return false;
    const uint64_t unit_in = w->plan->pieces[c->at.piece].unit_in;
    uint64_t most = bytes / (unit_in ? unit_in : 1);
    most = most ? most : 1;
    *range = (struct i8i_range){.piece = c->at.piece, .first = c->at.unit};
    range->count = stop - c->at.unit < most ? stop - c->at.unit : most;
    c->at.unit += range->count;
    return true;
}

uint64_t i8i_worklist_units_of_part(const struct i8i_worklist *w,
                                    const struct i8i_range *r)
{
    uint64_t first, end;
    i8i_division_units(&first, &end, &w->part, w->plan, r->piece);
    if (r->first > first)
        first = r->first;
    if (r->first + r->count < end)
        end = r->first + r->count;
    return first < end ? end - first : 0;
}
