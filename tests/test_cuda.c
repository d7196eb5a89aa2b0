/* SPDX-License-Identifier: Apache-2.0
 *
 * The CUDA build path, on a real GPU: a kernel that nvcc compiled gives the right
 * answer. Skipped (77) where there is no GPU, so that a pass always means one ran.
 * A CUDA context does not survive fork, hence CK_NOFORK.
 */
#include "config.h"

#include <check.h>
#include <int8tool/devices.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_SKIP = 77 };

START_TEST(every_gpu_is_described)
{
    struct i8_devices devices;
    struct i8_error err = {0};
    ck_assert_msg(i8_devices_list(&devices, &err) == I8_OK, "%s", err.message);
    ck_assert_uint_gt(devices.count, 0);
    ck_assert_str_eq(devices.reason, "");
    ck_assert_int_ge(devices.driver_version, devices.runtime_version / 1000 * 1000);
    for (size_t i = 0; i < devices.count; i++) {
        ck_assert_int_eq(devices.list[i].index, (int)i);
        ck_assert_str_ne(devices.list[i].name, "");
        ck_assert_uint_gt(devices.list[i].total_bytes, 1u << 30);
        ck_assert_uint_le(devices.list[i].free_bytes, devices.list[i].total_bytes);
    }
    i8_devices_free(&devices);
}
END_TEST

START_TEST(the_kernel_agrees_with_the_host)
{
    struct i8_devices devices;
    struct i8_error err = {0};
    ck_assert_int_eq(i8_devices_list(&devices, &err), I8_OK);
    for (size_t i = 0; i < devices.count; i++)
        ck_assert_msg(i8_device_check((int)i, &err) == I8_OK, "%s", err.message);
    i8_devices_free(&devices);
}
END_TEST

START_TEST(a_missing_gpu_is_an_error_that_names_it)
{
    struct i8_error err = {0};
    ck_assert_int_eq(i8_device_check(4096, &err), I8_ERR_DEVICE);
    ck_assert_ptr_nonnull(strstr(err.message, "GPU 4096"));
    /* and it does not stick: the next call is judged by itself */
    ck_assert_msg(i8_device_check(0, &err) == I8_OK, "%s", err.message);
}
END_TEST

int main(void)
{
    struct i8_devices devices;
    struct i8_error err = {0};
    if (i8_devices_list(&devices, &err) != I8_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return EXIT_FAILURE;
    }
    size_t count = devices.count;
    if (count == 0)
        (void)printf("skipped: %s\n", devices.reason);
    i8_devices_free(&devices);
    if (count == 0)
        return EXIT_SKIP;

    Suite *suite = suite_create("cuda");
    TCase *tcase = tcase_create("devices");
    tcase_add_test(tcase, every_gpu_is_described);
    tcase_add_test(tcase, the_kernel_agrees_with_the_host);
    tcase_add_test(tcase, a_missing_gpu_is_an_error_that_names_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
