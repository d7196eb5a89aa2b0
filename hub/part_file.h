/* SPDX-License-Identifier: Apache-2.0
 *
 * A file that is being downloaded: the partial, and beside it the journal of its complete
 * pieces. docs/hub.md describes the journal byte by byte, and why it can be trusted after
 * a kill and after a power cut.
 */
#ifndef I8I_HUB_PART_FILE_H
#define I8I_HUB_PART_FILE_H

#include "hub/piecemap.h"

struct i8i_part {
    char *path, *journal_path;
    int fd;                  /* of the partial, -1: closed */
    int journal_fd;          /* -1: none (a file of one piece needs none) */
    uint64_t journal_states; /* where in the journal the first piece's state stands */
    bool durable;
};

struct i8i_part_options {
    const char *path; /* of the partial */
    const char *hash; /* hex: what the content is to be */
    uint64_t size;
    bool fresh;   /* whatever is there is thrown away */
    bool reserve; /* disk space is allocated, not only looked at */
    bool durable; /* syncs are wanted */
};

/* Opens the partial, with what an earlier run has left of the same content, or a new one
 * with every byte's space reserved (I8_ERR_NOSPACE if there is not enough). *pieces is
 * set accordingly. *complete: an earlier run had got all and was stopped just before the
 * end; the content is yet to be hashed. Freed by i8i_part_close, also after failure. */
enum i8_status i8i_part_open(struct i8i_part *part, struct i8i_piecemap *pieces,
                             bool *complete, const struct i8i_part_options *o,
                             struct i8_error *err) I8I_MUST_CHECK;
/* pwrite of all n bytes. Thread-safe. */
enum i8_status i8i_part_write(struct i8i_part *part, const void *bytes, size_t n,
                              uint64_t offset, struct i8_error *err) I8I_MUST_CHECK;
/* pread of all n bytes. Thread-safe. */
enum i8_status i8i_part_read(struct i8i_part *part, void *bytes, size_t n,
                             uint64_t offset, struct i8_error *err) I8I_MUST_CHECK;
/* Notes in the journal what pieces->state says of [first, first + count). Best effort: a
 * note that is lost only costs fetching the piece again. */
void i8i_part_note(struct i8i_part *part, const struct i8i_piecemap *pieces, size_t first,
                   size_t count);
/* Flushes the partial's data (fdatasync). */
enum i8_status i8i_part_sync(struct i8i_part *part, struct i8_error *err) I8I_MUST_CHECK;
/* The content is verified: syncs, removes the journal, renames to final_path. */
enum i8_status i8i_part_commit(struct i8i_part *part, const char *final_path,
                               struct i8_error *err) I8I_MUST_CHECK;
/* Removes both files. */
void i8i_part_discard(struct i8i_part *part);
void i8i_part_close(struct i8i_part *part); /* a zeroed one must have fd = -1 */

/* Is there room for all of this? need_bytes beyond what the partials hold already. */
enum i8_status i8i_space_check(const char *path, uint64_t need_bytes,
                               struct i8_error *err) I8I_MUST_CHECK;
/* Bytes on the disk that a partial has allocated; 0 if there is none. */
uint64_t i8i_part_allocated(const char *path);

#endif
