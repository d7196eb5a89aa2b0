/* SPDX-License-Identifier: Apache-2.0
 *
 * What the journals in an output directory say together: which units are done, which
 * digests are known. Read anew whenever it matters; nobody waits for anybody.
 */
#ifndef I8I_CONVERT_JOURNAL_RECORD_H
#define I8I_CONVERT_JOURNAL_RECORD_H

#include "convert/journal.h"

struct i8i_digest {
    char kind;
    size_t index;
    char hex[I8I_HASH_HEX];
};

struct i8i_packed { /* an output, packed into so many bytes */
    size_t output;
    uint64_t bytes;
};

struct i8i_record {           /* all zeros: nothing is done */
    struct i8i_range *ranges; /* sorted by piece and first; may overlap */
    size_t n_ranges, ranges_capacity;
    struct i8i_digest *digests;
    size_t n_digests, digests_capacity;
    struct i8i_packed *packed;
    size_t n_packed, packed_capacity;
    bool publishing; /* all was complete, and files began to get their names */
};

/* Reads every journal in DIRECTORY, replacing what *r held. One of another conversion is
 * I8_ERR_REFUSED, and so is one that a process holds locked, unless `mine` (may be NULL)
 * is its name or it is a rank's and `alone` is not set. */
enum i8_status i8i_record_read(struct i8i_record *r, const char *directory,
                               const struct i8i_conversion_id *id, const char *mine,
                               bool alone, struct i8_error *err) I8I_MUST_CHECK;
void i8i_record_free(struct i8i_record *r);

/* The digest of an input ('i') or output ('o') noted earlier, or NULL. Borrowed. */
const char *i8i_record_digest(const struct i8i_record *r, char kind, size_t index);

/* Removes every journal in DIRECTORY but `except` (may be NULL). */
void i8i_journals_remove(const char *directory, const char *except);
/* Is there any journal? */
bool i8i_journals_exist(const char *directory);

/* Takes the lines of one journal over into *r: the first that is not whole or not one of
 * ours ends it. *length becomes the length of what was good. `text` is written to. */
enum i8_status i8i_record_take(struct i8i_record *r, char *text, size_t *length,
                               const char *path, const struct i8i_conversion_id *id,
                               struct i8_error *err) I8I_MUST_CHECK;
/* The first line of a journal of `id`, and the one that says which boot follows. */
#define I8I_JOURNAL_LINE_BYTES 256
void i8i_journal_first_lines(char header[I8I_JOURNAL_LINE_BYTES],
                             char boot[I8I_JOURNAL_LINE_BYTES],
                             const struct i8i_conversion_id *id);

#endif
