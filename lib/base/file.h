/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths, whole-file reads, and output files that appear only whole.
 *
 * An output file is written as NAME.part, synced, and renamed by commit; until then
 * its final name does not exist. Write errors latch, so only commit need be checked.
 */
#ifndef I8I_BASE_FILE_H
#define I8I_BASE_FILE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "dir/name"; NULL without memory; free() releases it. */
char *i8i_path_join(const char *dir, const char *name) I8I_MUST_CHECK;
/* The part behind the last '/'. Borrowed. */
const char *i8i_path_base(const char *path);
/* The directory that a path is in: what stands before the last '/', "/" or "." if nothing
 * does. NULL without memory; free() releases it. */
char *i8i_path_dir(const char *path) I8I_MUST_CHECK;
/* True for a relative name without empty, "." or ".." components, backslash or
 * control characters: safe to open below a directory. Subfolders are allowed. */
bool i8i_path_is_plain(const char *name);
bool i8i_is_directory(const char *path);
bool i8i_is_file(const char *path);
bool i8i_has_size(const char *path, uint64_t bytes); /* a file of just that size? */
/* mkdir -p. */
enum i8_status i8i_make_directories(const char *path,
                                    struct i8_error *err) I8I_MUST_CHECK;
/* The same for the directory that a path is in. */
enum i8_status i8i_make_parents(const char *path, struct i8_error *err) I8I_MUST_CHECK;
/* Flushes a directory's entries to disk, so that renames in it survive a power cut. */
enum i8_status i8i_sync_directory(const char *path, struct i8_error *err) I8I_MUST_CHECK;
/* The same for the directory that a path is in. */
enum i8_status i8i_sync_parent(const char *path, struct i8_error *err) I8I_MUST_CHECK;

/* The whole file, NUL-terminated; more than `cap` bytes is an error. Caller frees. */
enum i8_status i8i_read_file(char **out, size_t *length, const char *path, size_t cap,
                             struct i8_error *err) I8I_MUST_CHECK;

/* The whole of n bytes, however often the system cuts a call short or interrupts it.
 * Returns 0 or an errno; a write that makes no progress is EIO. *got: what was read, n
 * but for a file that ends before. write_all writes where the descriptor stands. */
int i8i_write_all(int fd, const void *bytes, size_t n) I8I_MUST_CHECK;
int i8i_write_all_at(int fd, const void *bytes, size_t n, uint64_t offset) I8I_MUST_CHECK;
int i8i_read_all_at(size_t *got, int fd, void *bytes, size_t n,
                    uint64_t offset) I8I_MUST_CHECK;

struct i8i_outfile; /* one writer; pwrite from several threads is allowed */
/* Creates PATH.part (truncating a stale one, unless keep_part). */
enum i8_status i8i_outfile_open(struct i8i_outfile **out, const char *path,
                                bool keep_part, struct i8_error *err) I8I_MUST_CHECK;
/* The same for a file that processes on several machines fill together, each with ranges
 * of its own: what is there is kept. *out is NULL if it is not `which`. */
enum i8i_shared_part {
    I8I_PART_ANY,   /* made if it is not there */
    I8I_PART_THERE, /* somebody has made it */
    I8I_PART_NEW,   /* nobody has: of several who try one succeeds */
};
enum i8_status i8i_outfile_open_shared(struct i8i_outfile **out, const char *path,
                                       enum i8i_shared_part which,
                                       struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_outfile_write(struct i8i_outfile *f, const void *bytes, size_t n,
                                 struct i8_error *err) I8I_MUST_CHECK;
enum i8_status i8i_outfile_write_at(struct i8i_outfile *f, const void *bytes, size_t n,
                                    uint64_t offset, struct i8_error *err) I8I_MUST_CHECK;
/* The file descriptor of the .part file (borrowed). */
int i8i_outfile_fd(const struct i8i_outfile *f);
/* Syncs, renames to the final name, syncs the directory, closes and frees f. On
 * failure the .part file is removed and f freed all the same. */
enum i8_status i8i_outfile_commit(struct i8i_outfile *f,
                                  struct i8_error *err) I8I_MUST_CHECK;
/* The same, but on failure the .part file stays, for a caller that can go on later. */
enum i8_status i8i_outfile_commit_or_keep(struct i8i_outfile *f,
                                          struct i8_error *err) I8I_MUST_CHECK;
/* For a shared one: it is also well if another process has given it its name meanwhile,
 * and a file under that name is not replaced unless `replace`. */
enum i8_status i8i_outfile_commit_shared(struct i8i_outfile *f, bool replace,
                                         struct i8_error *err) I8I_MUST_CHECK;
/* Closes and frees without commit; removes the .part file unless keep_part. */
void i8i_outfile_abort(struct i8i_outfile *f, bool keep_part);
/* open + write + commit. */
enum i8_status i8i_write_file(const char *path, const void *bytes, size_t n,
                              struct i8_error *err) I8I_MUST_CHECK;

#endif
