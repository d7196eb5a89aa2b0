/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal's text: one line of JSON that says what the partial is, and one line with a
 * character for each piece.
 */
#ifndef I8I_HUB_PART_JOURNAL_H
#define I8I_HUB_PART_JOURNAL_H

#include "base/clock.h"
#include "hub/piecemap.h"

#define I8I_JOURNAL_FORMAT "int8tool partial 1"

/* i8i_boot_id; one that is never seen again where there is none. */
void i8i_journal_boot(char boot[I8I_BOOT_ID]);
/* The whole journal for these pieces. *states: where the second line begins. Caller
 * frees. */
enum i8_status i8i_journal_text(char **text, size_t *length, uint64_t *states,
                                const struct i8i_piecemap *pieces, const char *hash,
                                const char *boot, struct i8_error *err) I8I_MUST_CHECK;
/* Reads one: marks in *pieces (initialised, all missing) what may be trusted, *same_boot:
 * the journal can go on as it is. False: it is of another content, or damaged. */
bool i8i_journal_read(struct i8i_piecemap *pieces, uint64_t *states, bool *same_boot,
                      const char *text, size_t length, const char *hash,
                      const char *boot);

#endif
