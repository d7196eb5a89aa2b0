/* SPDX-License-Identifier: Apache-2.0
 *
 * The output directory while a conversion is under way: what may be there, the .part
 * files and the journal, and the moment when all of them get their names.
 */
#ifndef I8I_CONVERT_STAGING_H
#define I8I_CONVERT_STAGING_H

#include "base/file.h"
#include "convert/convert_plan.h"
#include "convert/journal.h"
#include "convert/output_check.h"

struct i8i_staging {
    const struct i8i_convert_plan *plan;
    const char *directory;
    bool created; /* the directory is ours, too */
    struct i8i_journal *journal;
    struct i8i_outfile **files; /* by output; NULL: already under its final name */
    bool *resumed; /* by output: its .part file was there and complete in size */
    struct i8i_output_state before; /* what was there */
};

/* Checks the directory (refusing what is not ours), the free space, opens the journal
 * and every .part file, full-sized and with its head. */
enum i8_status i8i_staging_open(struct i8i_staging **out,
                                const struct i8i_convert_plan *plan,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Flushes all data written so far to disk. */
enum i8_status i8i_staging_sync(struct i8i_staging *s,
                                struct i8_error *err) I8I_MUST_CHECK;
/* Opens an output for reading, wherever it stands by now. */
enum i8_status i8i_staging_read_back(struct i8i_source **out, const struct i8i_staging *s,
                                     size_t output, struct i8_error *err) I8I_MUST_CHECK;
/* Everything is complete: syncs, renames, removes what --force replaces, writes the
 * manifest last, removes the journal. */
enum i8_status i8i_staging_publish(struct i8i_staging *s, const char *manifest,
                                   size_t manifest_bytes,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* Frees; unless published, .part files and journal stay if `keep`, else nothing does. */
void i8i_staging_close(struct i8i_staging *s, bool keep);

#endif
