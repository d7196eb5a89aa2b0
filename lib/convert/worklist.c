/* SPDX-License-Identifier: Apache-2.0
 *
 * A place in the plan that moves on, and the ranges that it leaps over.
 */
#include "config.h"

#include "convert/worklist.h"

#include <stdlib.h>

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

enum i8_status i8i_worklist_init(struct i8i_worklist *w,
                                 const struct i8i_staging *staging,
                                 const struct i8i_division *part, struct i8_error *err)
{
    const struct i8i_record *record = &staging->record;
    *w = (struct i8i_worklist){.plan = staging->plan,
                               .part = *part,
                               .piece = part->begin.piece,
                               .unit = part->begin.unit};
    if (record->publishing) { /* all was complete and synced */
        w->piece = w->plan->n_pieces;
        return I8_OK;
    }
    w->done = i8i_calloc(record->n_ranges, sizeof *w->done);
    if (w->done == NULL)
        return i8i_nomem(err);
    for (size_t i = 0; i < record->n_ranges; i++) {
        struct i8i_range r = record->ranges[i];
        if (usable_range(&r, staging, w->n_done > 0 ? &w->done[w->n_done - 1] : NULL))
            w->done[w->n_done++] = r;
    }
    return I8_OK;
}

void i8i_worklist_free(struct i8i_worklist *w)
{
    free(w->done);
    *w = (struct i8i_worklist){0};
}

bool i8i_worklist_is_empty(const struct i8i_worklist *w)
{
    const struct i8i_place *end = &w->part.end;
    return w->piece >= w->plan->n_pieces || w->piece > end->piece ||
           (w->piece == end->piece && w->unit >= end->unit);
}

/* Leaps over what is done at this place; returns where in the piece the next that is done
 * begins, if that is before `end`. */
static uint64_t leap(struct i8i_worklist *w, uint64_t end)
{
    for (; w->next < w->n_done; w->next++) {
        const struct i8i_range *d = &w->done[w->next];
        if (d->piece > w->piece)
            break;
        if (d->piece == w->piece && d->first > w->unit)
            return d->first < end ? d->first : end;
        if (d->piece == w->piece && d->first + d->count > w->unit)
            w->unit = d->first + d->count;
    }
    return end;
}

bool i8i_worklist_next(struct i8i_worklist *w, struct i8i_range *range, uint64_t bytes)
{
    for (; !i8i_worklist_is_empty(w); w->piece++, w->unit = 0) {
        const struct i8i_piece *piece = &w->plan->pieces[w->piece];
        uint64_t first, end;
        i8i_division_units(&first, &end, &w->part, w->plan, w->piece);
        const uint64_t stop = leap(w, end);
        if (w->unit >= end)
            continue;
        uint64_t most = bytes / (piece->unit_in ? piece->unit_in : 1);
        most = most ? most : 1;
        *range = (struct i8i_range){.piece = w->piece, .first = w->unit};
        range->count = stop - w->unit < most ? stop - w->unit : most;
        w->unit += range->count;
        return true;
    }
    return false;
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
