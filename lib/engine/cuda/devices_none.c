/* SPDX-License-Identifier: Apache-2.0
 *
 * The GPUs of a build without CUDA: none. The null object beside cuda_devices.c, so
 * that no caller needs to know how the program was built.
 */
#include "config.h"

#include "base/error.h"
#include <int8tool/devices.h>
#include <stdio.h>
#include <string.h>

enum i8_status i8_devices_list(struct i8_devices *out, struct i8_error *err)
{
    (void)err;
    memset(out, 0, sizeof *out);
    (void)snprintf(out->reason, sizeof out->reason,
                   "this program was built without CUDA");
    return I8_OK;
}

void i8_devices_free(struct i8_devices *d)
{
    memset(d, 0, sizeof *d);
}

enum i8_status i8_device_check(int index, struct i8_error *err)
{
    return i8i_fail(err, I8_ERR_DEVICE, "GPU %d: this program was built without CUDA",
                    index);
}
