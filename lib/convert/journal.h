/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal of an unfinished conversion: a text file in the output directory that says
 * which ranges of which pieces are done, so that the next run need not do them again.
 * docs/shard-format.md has its format.
 *
 * What a line says is true for a reader on the same boot of the same machine as soon as
 * the line is there (the page cache survives the process). After a power cut only lines
 * before the last "durable" mark count, which is written once data and lines are synced.
 */
#ifndef I8I_CONVERT_JOURNAL_H
#define I8I_CONVERT_JOURNAL_H

#include "base/error.h"
#include "base/hash.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct i8i_range {
    size_t piece;
    uint64_t first, count; /* units */
};

struct i8i_journal; /* add and mark may be called from several threads */

/* Opens PATH, which is created if need be, and locks it: another process that works
 * there is I8_ERR_REFUSED. `source` and `plan` identify the conversion; a journal of
 * another one is I8_ERR_REFUSED, unless discard is set, which empties it. */
enum i8_status i8i_journal_open(struct i8i_journal **out, const char *path,
                                const char *source, const char *plan, bool discard,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Unlocks and frees; removes the file if asked. NULL is fine. */
void i8i_journal_close(struct i8i_journal *j, bool remove);

/* What an earlier run has done; sorted by piece and first. Borrowed. */
const struct i8i_range *i8i_journal_ranges(const struct i8i_journal *j, size_t *count);
/* The digest of an input ('i') or output ('o') noted earlier, or NULL. Borrowed. */
const char *i8i_journal_digest(const struct i8i_journal *j, char kind, size_t index);
/* True once all data was complete and files began to get their names. */
bool i8i_journal_publishing(const struct i8i_journal *j);

enum i8_status i8i_journal_add(struct i8i_journal *j, const struct i8i_range *range,
                               struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_journal_add_digest(struct i8i_journal *j, char kind, size_t index,
                                      const char *hex,
                                      struct i8_error *err) I8I_MUST_CHECK;
/* The journal's length now, to be handed to mark_durable once all data is synced. */
uint64_t i8i_journal_position(struct i8i_journal *j);
enum i8_status i8i_journal_mark_durable(struct i8i_journal *j, uint64_t position,
                                        struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_journal_mark_publishing(struct i8i_journal *j,
                                           struct i8_error *err) I8I_MUST_CHECK;

#endif
