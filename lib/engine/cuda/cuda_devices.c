/* SPDX-License-Identifier: Apache-2.0
 *
 * The GPUs that the CUDA runtime sees. The runtime is linked statically and finds the
 * driver when it is first asked, so the same program starts where there is none.
 */
#include "config.h"

#include "base/memory.h"
#include "engine/cuda/cuda_error.h"
#include "engine/cuda/cuda_kernels.h"
#include <int8tool/devices.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first compute capability with int8 tensor cores (Xavier; desktop: 7.5, Turing). */
enum { INT8_TENSOR_CORES_SINCE = 72 };

static int capability(const struct i8_device *d)
{
    return 10 * d->compute_major + d->compute_minor;
}

static void explain_none(struct i8_devices *d, cudaError_t code)
{
    /* 13020 is CUDA 13.2 */
    if (d->driver_version == 0)
        (void)snprintf(d->reason, sizeof d->reason, "no NVIDIA driver is installed");
    else if (code == cudaErrorInsufficientDriver)
        (void)snprintf(d->reason, sizeof d->reason,
                       "the NVIDIA driver knows CUDA %d.%d, this program needs %d.%d",
                       d->driver_version / 1000, d->driver_version % 1000 / 10,
                       d->runtime_version / 1000, d->runtime_version % 1000 / 10);
    else if (code == cudaSuccess || code == cudaErrorNoDevice)
        (void)snprintf(
            d->reason, sizeof d->reason,
            "the NVIDIA driver sees no GPU (or CUDA_VISIBLE_DEVICES hides all)");
    else
        (void)snprintf(d->reason, sizeof d->reason, "the NVIDIA driver failed: %s",
                       cudaGetErrorString(code));
}

static enum i8_status describe(struct i8_device *d, int index, struct i8_error *err)
{
    struct cudaDeviceProp properties;
    size_t free_bytes, total_bytes;
    enum i8_status status = i8i_cuda_status(cudaGetDeviceProperties(&properties, index),
                                            index, "reading its properties", err);
    if (status == I8_OK)
        status = i8i_cuda_status(cudaSetDevice(index), index, "taking a context", err);
    if (status == I8_OK)
        status = i8i_cuda_status(cudaMemGetInfo(&free_bytes, &total_bytes), index,
                                 "asking for free memory", err);
    if (status != I8_OK)
        return status;

    d->index = index;
    (void)snprintf(d->name, sizeof d->name, "%s", properties.name);
    d->total_bytes = total_bytes;
    d->free_bytes = free_bytes;
    d->compute_major = properties.major;
    d->compute_minor = properties.minor;
    d->multiprocessors = properties.multiProcessorCount;
    d->int8_tensor_cores = capability(d) >= INT8_TENSOR_CORES_SINCE;
    return I8_OK;
}

enum i8_status i8_devices_list(struct i8_devices *out, struct i8_error *err)
{
    memset(out, 0, sizeof *out);
    out->runtime_version = CUDART_VERSION;
    if (cudaDriverGetVersion(&out->driver_version) != cudaSuccess)
        out->driver_version = 0;
    int count = 0;
    cudaError_t code = cudaGetDeviceCount(&count);
    if (code != cudaSuccess || count < 1) {
        (void)cudaGetLastError();
        explain_none(out, code);
        return I8_OK;
    }

    out->list = i8i_calloc((size_t)count, sizeof *out->list);
    if (!out->list)
        return i8i_nomem(err);
    for (int i = 0; i < count; i++) {
        enum i8_status status = describe(&out->list[i], i, err);
        if (status != I8_OK) {
            i8_devices_free(out);
            return status;
        }
        out->count++;
    }
    return I8_OK;
}

void i8_devices_free(struct i8_devices *d)
{
    free(d->list);
    memset(d, 0, sizeof *d);
}

/* ---- the check ---- */

/* Odd sizes, so that the last warp and the last block of a row are partly idle. */
enum { CHECK_ROWS = 33, CHECK_COLS = 1003, CHECK_COUNT = CHECK_ROWS * CHECK_COLS };

/* x (CHECK_ROWS, CHECK_COLS) and most (CHECK_ROWS), the answer. Small integers of both
 * signs from a linear congruential generator: exact in fp32, and no two rows alike. */
static void make_check(float *x, float *most)
{
    uint32_t state = 1;
    for (int row = 0; row < CHECK_ROWS; row++) {
        most[row] = 0;
        for (int col = 0; col < CHECK_COLS; col++) {
            state = state * 1664525u + 1013904223u;
            float v = (float)((int)(state >> 12) % 100000 - 50000);
            x[row * CHECK_COLS + col] = v;
            most[row] = v > most[row] ? v : -v > most[row] ? -v : most[row];
        }
    }
}

enum i8_status i8_device_check(int index, struct i8_error *err)
{
    enum i8_status status;
    float expected[CHECK_ROWS], found[CHECK_ROWS];
    float *x = i8i_calloc(CHECK_COUNT, sizeof *x);
    float *device_x = NULL, *device_out = NULL;
    if (!x)
        return i8i_nomem(err);
    make_check(x, expected);
#define TRY(call, doing)                                       \
    do {                                                       \
        status = i8i_cuda_status((call), index, (doing), err); \
        if (status != I8_OK)                                   \
            goto out;                                          \
    } while (0)
    TRY(cudaSetDevice(index), "taking a context");
    TRY(cudaMalloc((void **)&device_x, CHECK_COUNT * sizeof *x), "allocating");
    TRY(cudaMalloc((void **)&device_out, sizeof found), "allocating");
    TRY(cudaMemcpy(device_x, x, CHECK_COUNT * sizeof *x, cudaMemcpyHostToDevice),
        "copying to it");
    TRY(i8i_cuda_row_absmax(device_out, device_x, CHECK_ROWS, CHECK_COLS, NULL),
        "starting a kernel");
    TRY(cudaMemcpy(found, device_out, sizeof found, cudaMemcpyDeviceToHost),
        "running a kernel");
#undef TRY
    for (int row = 0; row < CHECK_ROWS; row++) {
        if (!(found[row] == expected[row])) {
            status =
                i8i_fail(err, I8_ERR_DEVICE,
                         "GPU %d: wrong row maximum: expected %g in row %d, found %g",
                         index, (double)expected[row], row, (double)found[row]);
            goto out;
        }
    }
out:
    (void)cudaFree(device_out);
    (void)cudaFree(device_x);
    free(x);
    return status;
}
