/* SPDX-License-Identifier: Apache-2.0
 *
 * Scratch folders and test data.
 */
#include "config.h"

#include "base/file.h"
#include "base/memory.h"
#include "scratch.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *scratch_new(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = i8i_format("%s/i8-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(dir);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void scratch_remove(char *dir)
{
    ck_assert_int_eq(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(dir);
}

char *scratch_write(const char *dir, const char *name, const void *bytes, size_t n)
{
    char *path = i8i_path_join(dir, name);
    ck_assert_ptr_nonnull(path);
    char *folder = i8i_strndup(path, (size_t)(i8i_path_base(path) - path));
    ck_assert_int_eq(i8i_make_directories(folder, NULL), 0);
    free(folder);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

char *test_data(const char *name)
{
    const char *root = getenv("I8_TEST_DATA");
    ck_assert_msg(root != NULL, "I8_TEST_DATA is not set: run me by 'make check'");
    char *path = i8i_path_join(root, name);
    ck_assert_ptr_nonnull(path);
    return path;
}
