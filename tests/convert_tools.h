/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of lib/convert share: small models to convert, folders to compare.
 */
#ifndef TESTS_CONVERT_TOOLS_H
#define TESTS_CONVERT_TOOLS_H

#include "convert/pipeline.h"
#include <stdbool.h>
#include <sys/types.h>

struct conversion {
    struct i8_convert_options options;
    struct i8i_convert_tuning tuning;
    struct i8_convert_result result;
    struct i8_error err;
};

/* Default options, 2 jobs, for MODEL to DIR/OUT. */
struct conversion conversion_of(const char *model, const char *folder, const char *out);
/* Converts; fails the test unless the status is `expected`, and all digests of a complete
 * output's manifest are right. Frees what it held before. */
void conversion_run(struct conversion *c, enum i8_status expected);
void conversion_free(struct conversion *c);

/* For i8_progress: asks to stop at the n-th report, or kills its own process then; ctx is
 * an int that counts down. */
int stop_after(void *ctx, const char *what, unsigned long long done,
               unsigned long long total, const char *unit);
int kill_after(void *ctx, const char *what, unsigned long long done,
               unsigned long long total, const char *unit);
/* Converts in a child process, which kills itself at its n-th report; 0: never. */
pid_t conversion_start(const struct conversion *c, int calls);
/* True if the child came through, false if it was killed; anything else fails. */
bool came_through(pid_t child);
/* A checked fixture: a folder for each test; at the end it goes, and so do all strings
 * that these helpers have made. */
extern char *dir;
void tools_begin(void);
void tools_end(void);

/* Are the digests in the manifest of `output` those of the files there, and those of its
 * source those of the files in `model`, a directory or one file? Of a source with
 * digests, one at least must be there. */
void assert_manifest(const char *output, const char *model);

/* The paths below are kept until tools_end. */
const char *kept_path(const char *folder, const char *name);
const char *kept_data(const char *name);

/* "name size digest" a line for every file below the folder, sorted; kept. */
const char *folder_digest(const char *folder);
void assert_digest(const char *folder, const char *expected);
bool exists(const char *folder, const char *name);
/* A whole file, NUL-terminated; kept. */
const char *file_text(const char *folder, const char *name, size_t *length);

/* Writes a safetensors file DIR/NAME of F32 tensors, laid out in order. */
struct raw_tensor {
    const char *name;
    const float *values;
    uint64_t rows, cols; /* cols 0: rank 1 */
};
const char *write_tensors(const char *folder, const char *name,
                          const struct raw_tensor *list, size_t count);
/* The data of a tensor in a converted folder or file; kept. */
const void *read_tensor(const char *path, const char *name, enum i8_dtype dtype,
                        uint64_t bytes);

#endif
