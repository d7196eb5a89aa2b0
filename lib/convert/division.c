/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting the work at bytes of source.
 */
#include "config.h"

#include "convert/division.h"

static uint64_t piece_bytes(const struct i8i_piece *piece)
{
    return piece->units * piece->unit_in;
}

static uint64_t all_bytes(const struct i8i_convert_plan *plan)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < plan->n_pieces; i++)
        bytes += piece_bytes(&plan->pieces[i]);
    return bytes;
}

/* Where part `rank` of `count` begins, in bytes: total × rank / count without overflow.
 */
static uint64_t boundary(uint64_t total, unsigned rank, unsigned count)
{
    return total / count * rank + total % count * rank / count;
}

static struct i8i_place place_of(const struct i8i_convert_plan *plan, uint64_t bytes)
{
    for (size_t i = 0; i < plan->n_pieces; i++) {
        const struct i8i_piece *piece = &plan->pieces[i];
        if (bytes < piece_bytes(piece))
            return (struct i8i_place){.piece = i, .unit = bytes / piece->unit_in};
        bytes -= piece_bytes(piece);
    }
    return (struct i8i_place){.piece = plan->n_pieces};
}

struct i8i_division i8i_division_of(const struct i8i_convert_plan *plan, unsigned rank,
                                    unsigned count)
{
    const uint64_t total = all_bytes(plan);
    struct i8i_division d = i8i_division_none(plan);
    /* The first part begins with the first piece, whatever it weighs; the last one ends
     * with the last. */
    d.begin =
        rank == 0 ? (struct i8i_place){0} : place_of(plan, boundary(total, rank, count));
    if (rank + 1 < count)
        d.end = place_of(plan, boundary(total, rank + 1, count));
    return d;
}

struct i8i_division i8i_division_none(const struct i8i_convert_plan *plan)
{
    const struct i8i_place end = {.piece = plan->n_pieces};
    return (struct i8i_division){.begin = end, .end = end};
}

void i8i_division_units(uint64_t *first, uint64_t *end, const struct i8i_division *d,
                        const struct i8i_convert_plan *plan, size_t piece)
{
    const uint64_t units = plan->pieces[piece].units;
    *first = piece < d->begin.piece ? units : piece == d->begin.piece ? d->begin.unit : 0;
    *end = piece < d->end.piece ? units : piece == d->end.piece ? d->end.unit : 0;
    if (*end < *first)
        *end = *first;
}

bool i8i_division_writes(const struct i8i_division *d,
                         const struct i8i_convert_plan *plan, size_t output)
{
    bool empty = true;
    for (size_t i = 0; i < plan->n_pieces; i++) {
        uint64_t first, end;
        if (plan->pieces[i].output != output || plan->pieces[i].units == 0)
            continue;
        empty = false;
        i8i_division_units(&first, &end, d, plan, i);
        if (first < end)
            return true;
    }
    return empty && d->begin.piece == 0 && d->begin.unit == 0;
}

bool i8i_division_owns_input(const struct i8i_convert_plan *plan, size_t input,
                             unsigned rank, unsigned count)
{
    const uint64_t total = all_bytes(plan);
    uint64_t before = 0, within = 0;
    for (size_t i = 0; i < plan->n_pieces; i++) {
        if (plan->pieces[i].input < input)
            before += piece_bytes(&plan->pieces[i]);
        else if (plan->pieces[i].input == input)
            within += piece_bytes(&plan->pieces[i]);
    }
    const uint64_t middle = before + within / 2;
    return middle >= boundary(total, rank, count) &&
           (rank + 1 == count || middle < boundary(total, rank + 1, count));
}
