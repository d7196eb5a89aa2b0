/* SPDX-License-Identifier: Apache-2.0
 *
 * The GPUs of this machine. Works, and says why there are none, in a build without
 * CUDA and on a machine without a driver.
 */
#ifndef INT8TOOL_DEVICES_H
#define INT8TOOL_DEVICES_H

#include <int8tool/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define I8_DEVICE_NAME 256

struct i8_device {
    int index; /* the CUDA ordinal: what follows "cuda:" */
    char name[I8_DEVICE_NAME];
    uint64_t total_bytes;
    uint64_t free_bytes; /* now, with this process's own context already taken off */
    int compute_major, compute_minor;
    int multiprocessors;
    int int8_tensor_cores; /* non-zero: int8 products run on tensor cores (7.2 and up) */
};

struct i8_devices {
    struct i8_device *list; /* by index; NULL when count is 0 */
    size_t count;
    /* Why count is 0, in one line ("no NVIDIA driver is installed"); "" otherwise. */
    char reason[256];
    int runtime_version; /* of CUDA, built in: 13000 is 13.0; 0: built without CUDA */
    int driver_version;  /* the newest CUDA that the driver knows; 0: no driver */
};

/* Fills *out; no GPU is no failure. A GPU that answers with an error is I8_ERR_DEVICE
 * and names it. Takes a context on every GPU, which stays until the process ends. */
enum i8_status i8_devices_list(struct i8_devices *out, struct i8_error *err);
void i8_devices_free(struct i8_devices *d); /* zeroed or filled; leaves it zeroed */

/* Runs a small kernel on the GPU and compares its answer with the processor's, bit for
 * bit. I8_ERR_DEVICE when there is no such GPU or the answer differs. */
enum i8_status i8_device_check(int index, struct i8_error *err);

#ifdef __cplusplus
}
#endif
#endif
