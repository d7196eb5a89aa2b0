/* SPDX-License-Identifier: Apache-2.0
 *
 * The output directory while a conversion is under way: what may be there, the .part
 * files and the journal, and the moment when all of them get their names.
 */
#ifndef I8I_CONVERT_STAGING_H
#define I8I_CONVERT_STAGING_H

#include "base/file.h"
#include "convert/convert_plan.h"
#include "convert/journal_record.h"
#include "convert/output_check.h"

struct i8i_staging {
    struct i8i_convert_plan *plan;
    const char *directory;
    bool shared; /* with other ranks */
    bool
        complete; /* the directory holds this very conversion, finished: only if shared */
    bool created; /* the directory is ours, too */
    struct i8i_conversion_id id;
    struct i8i_journal *journal;
    struct i8i_record record;   /* what all journals say, as of the last refresh */
    struct i8i_outfile **files; /* by output; NULL: already under its final name, or … */
    bool *let_go;               /* … closed by let_go */
    bool *resumed; /* by output: what the record says of it is to be believed */
    struct i8i_output_state before; /* what was there */
};

/* Checks the directory (refusing what is not ours), the free space, opens the journal
 * and every .part file, full-sized and with its head. */
enum i8_status i8i_staging_open(struct i8i_staging **out, struct i8i_convert_plan *plan,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Reads all journals again: what have the other ranks done meanwhile? */
enum i8_status i8i_staging_refresh(struct i8i_staging *s,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* Syncs all data, then says in the journal that what stands there is on the disk. */
enum i8_status i8i_staging_make_durable(struct i8i_staging *s,
                                        struct i8_error *err) I8I_MUST_CHECK;
/* Opens an output for reading, wherever it stands by now. */
enum i8_status i8i_staging_read_back(struct i8i_source **out, const struct i8i_staging *s,
                                     size_t output, struct i8_error *err) I8I_MUST_CHECK;
/* Among ranks: closes the plain form of all outputs that are to be packed, but `except`
 * (by output; may be NULL). Whoever packs one removes it, and its space is free only once
 * nobody has it open. They must be durable. */
void i8i_staging_let_go(struct i8i_staging *s, const bool *except);
/* Opens one again. Afterwards either the output is packed, by another rank, or its plain
 * form is open and whole, if it was complete. */
enum i8_status i8i_staging_take_up(struct i8i_staging *s, size_t output,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* An output has been packed: from now on it is `packed` (taken over) with `bytes` and
 * `sha256` (NULL: not hashed). Journals that, syncs, removes the plain .part file. */
enum i8_status i8i_staging_take_packed(struct i8i_staging *s, size_t output,
                                       struct i8i_outfile *packed, uint64_t bytes,
                                       const char *sha256,
                                       struct i8_error *err) I8I_MUST_CHECK;
/* publish.c: everything is complete: syncs, renames, removes what --force replaces,
 * writes the manifest last, removes the journals. Several ranks may do it at the same
 * time. */
enum i8_status i8i_staging_publish(struct i8i_staging *s, const char *manifest,
                                   size_t manifest_bytes,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* Frees; unless published, .part files and journals stay if `keep` or if they are shared,
 * else nothing does. */
void i8i_staging_close(struct i8i_staging *s, bool keep);
/* No rank is at work any more: removes .part files and journals of all. */
void i8i_staging_discard(struct i8i_staging *s);

/* Removes what is no part of a finished conversion: journals, the publisher's mark, and
 * .part files, which a rank that came too late has made anew if it was killed then. */
void i8i_staging_remove_traces(const struct i8i_staging *s);

/* DIR/NAME.part; NULL without memory. Caller frees. */
char *i8i_staging_part_name(const struct i8i_staging *s, const char *name);
/* Removes that file; that it is not there is no error. */
enum i8_status i8i_staging_remove_part(const struct i8i_staging *s, const char *name,
                                       struct i8_error *err);

#endif
