/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting what is done. Bytes that no piece writes (headers, zeros) are there from the
 * start.
 */
#include "config.h"

#include "convert/completion.h"

#include <stdlib.h>
#include <string.h>

struct i8i_written_extent {
    uint32_t output;
    uint64_t offset;
    size_t piece;
};

static int by_place(const void *a, const void *b)
{
    const struct i8i_written_extent *x = a, *y = b;
    if (x->output != y->output)
        return x->output < y->output ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool has_scales(const struct i8i_piece *piece)
{
    return piece->kind == I8I_PIECE_QUANTIZE ||
           piece->kind == I8I_PIECE_QUANTIZE_TRANSPOSED;
}

static void add_extent(struct i8i_completion *c, size_t piece, uint64_t offset)
{
    c->extents[c->n_extents++] = (struct i8i_written_extent){
        .output = c->plan->pieces[piece].output, .offset = offset, .piece = piece};
}

enum i8_status i8i_completion_init(struct i8i_completion *c,
                                   const struct i8i_convert_plan *plan,
                                   struct i8_error *err)
{
    *c = (struct i8i_completion){.plan = plan};
    c->piece_left = i8i_calloc(plan->n_pieces, sizeof *c->piece_left);
    c->output_left = i8i_calloc(plan->n_outputs, sizeof *c->output_left);
    c->extents = i8i_calloc(plan->n_pieces, 2 * sizeof *c->extents);
    c->next = i8i_calloc(plan->n_outputs, sizeof *c->next);
    if (!c->piece_left || !c->output_left || !c->extents || !c->next) {
        i8i_completion_free(c);
        return i8i_nomem(err);
    }
    for (size_t i = 0; i < plan->n_pieces; i++) {
        const struct i8i_piece *piece = &plan->pieces[i];
        c->piece_left[i] = piece->units;
        c->output_left[piece->output] += piece->units;
        add_extent(c, i, piece->offset);
        if (has_scales(piece))
            add_extent(c, i, piece->scale_offset);
    }
    if (c->n_extents > 0)
        qsort(c->extents, c->n_extents, sizeof *c->extents, by_place);
    for (size_t i = c->n_extents; i-- > 0;)
        c->next[c->extents[i].output] = i;
    return I8_OK;
}

void i8i_completion_free(struct i8i_completion *c)
{
    free(c->piece_left);
    free(c->output_left);
    free(c->extents);
    free(c->next);
    *c = (struct i8i_completion){0};
}

void i8i_completion_add(struct i8i_completion *c, size_t piece, uint64_t units)
{
    c->piece_left[piece] -= units;
    c->output_left[c->plan->pieces[piece].output] -= units;
}

void i8i_completion_add_all(struct i8i_completion *c)
{
    memset(c->piece_left, 0, c->plan->n_pieces * sizeof *c->piece_left);
    memset(c->output_left, 0, c->plan->n_outputs * sizeof *c->output_left);
}

uint64_t i8i_completion_up_to(struct i8i_completion *c, size_t output)
{
    if (c->output_left[output] == 0)
        return c->plan->outputs[output].bytes;
    size_t *i = &c->next[output];
    while (*i < c->n_extents && c->extents[*i].output == output &&
           c->piece_left[c->extents[*i].piece] == 0)
        (*i)++;
    return *i < c->n_extents && c->extents[*i].output == output
               ? c->extents[*i].offset
               : c->plan->outputs[output].bytes;
}

bool i8i_completion_is_full(const struct i8i_completion *c)
{
    for (size_t i = 0; i < c->plan->n_outputs; i++) {
        if (c->output_left[i] > 0)
            return false;
    }
    return true;
}
