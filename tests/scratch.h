/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests need around files: a folder of their own, and the way to tests/data. All
 * of it fails the test when it fails. Strings are the caller's to free.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>

/* A new empty directory under $TMPDIR or /tmp. */
char *scratch_new(void);
/* Removes it and all below, and frees the name. */
void scratch_remove(char *dir);
/* Writes DIR/NAME (folders in NAME are made); returns its path. */
char *scratch_write(const char *dir, const char *name, const void *bytes, size_t n);
/* tests/data/NAME. */
char *test_data(const char *name);

#endif
