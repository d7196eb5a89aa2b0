/* SPDX-License-Identifier: Apache-2.0
 *
 * Journals of an unfinished conversion: text files in the output directory that say which
 * ranges of which pieces are done, so that they need not be done again.
 * docs/shard-format.md has the format.
 *
 * A process alone appends to int8tool.journal, which it locks. One of several ranks
 * writes a journal of its own, under a name that nobody else has, and so needs no lock;
 * what all of them say together is a record (journal_record.h).
 *
 * What a line says is true for a reader on the same boot of the same machine as soon as
 * the line is there (the page cache survives the process). On another machine, or after a
 * power cut, only lines before the last "durable" mark count, which is written once data
 * and lines are synced.
 */
#ifndef I8I_CONVERT_JOURNAL_H
#define I8I_CONVERT_JOURNAL_H

#include "base/error.h"
#include "base/hash.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define I8I_JOURNAL_NAME "int8tool.journal"
/* A rank's: int8tool.journal-RANK-of-COUNT-XXXXXXXX. */
#define I8I_RANK_JOURNAL_PREFIX I8I_JOURNAL_NAME "-"
bool i8i_is_journal_name(const char *name);

struct i8i_range {
    size_t piece;
    uint64_t first, count; /* units */
};

/* Which conversion a journal is of: digests of what is converted and into what. */
struct i8i_conversion_id {
    char source[I8I_HASH_HEX], plan[I8I_HASH_HEX];
};

struct i8i_journal; /* add and mark may be called from several threads */

/* Opens the journal of a process alone in DIRECTORY, creates it if need be, and locks it:
 * another process that works there is I8_ERR_REFUSED. A journal of another conversion is
 * I8_ERR_REFUSED, unless discard is set, which empties it. */
enum i8_status i8i_journal_open(struct i8i_journal **out, const char *directory,
                                const struct i8i_conversion_id *id, bool discard,
                                struct i8_error *err) I8I_MUST_CHECK;
/* A new one for rank `rank` of `count`. */
enum i8_status i8i_journal_create(struct i8i_journal **out, const char *directory,
                                  const struct i8i_conversion_id *id, unsigned rank,
                                  unsigned count, struct i8_error *err) I8I_MUST_CHECK;
/* Unlocks and frees; removes the file if asked. NULL is fine. */
void i8i_journal_close(struct i8i_journal *j, bool remove);
/* The file's name in its directory. Borrowed. */
const char *i8i_journal_name(const struct i8i_journal *j);

enum i8_status i8i_journal_add(struct i8i_journal *j, const struct i8i_range *range,
                               struct i8_error *err);
/* The digest of an input ('i') or output ('o'). */
enum i8_status i8i_journal_add_digest(struct i8i_journal *j, char kind, size_t index,
                                      const char *hex,
                                      struct i8_error *err) I8I_MUST_CHECK;
/* An output is packed into a file of `bytes`. */
enum i8_status i8i_journal_add_packed(struct i8i_journal *j, size_t output,
                                      uint64_t bytes,
                                      struct i8_error *err) I8I_MUST_CHECK;
/* The journal's length now, to be handed to mark_durable once all data is synced. */
uint64_t i8i_journal_position(struct i8i_journal *j);
enum i8_status i8i_journal_mark_durable(struct i8i_journal *j, uint64_t position,
                                        struct i8_error *err) I8I_MUST_CHECK;
/* All data is complete and marked as durable; files begin to get their names. */
enum i8_status i8i_journal_mark_publishing(struct i8i_journal *j,
                                           struct i8_error *err) I8I_MUST_CHECK;

#endif
