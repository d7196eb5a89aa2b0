/* SPDX-License-Identifier: Apache-2.0
 *
 * CUDA's errors as ours. C only: kernels themselves stay behind plain functions.
 */
#ifndef I8I_ENGINE_CUDA_ERROR_H
#define I8I_ENGINE_CUDA_ERROR_H

#include "base/error.h"
#include <cuda_runtime_api.h>

/* I8_OK for cudaSuccess. Else composes "GPU <device>: <doing>: <CUDA's words>", clears
 * the runtime's sticky error so that the next call is judged by itself, and returns
 * I8_ERR_DEVICE, or I8_ERR_NOMEM when the GPU's memory ran out. */
enum i8_status i8i_cuda_status(cudaError_t code, int device, const char *doing,
                               struct i8_error *err) I8I_MUST_CHECK;

#endif
