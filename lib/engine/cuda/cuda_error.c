/* SPDX-License-Identifier: Apache-2.0
 *
 * CUDA's errors as ours.
 */
#include "config.h"

#include "engine/cuda/cuda_error.h"

enum i8_status i8i_cuda_status(cudaError_t code, int device, const char *doing,
                               struct i8_error *err)
{
    if (code == cudaSuccess)
        return I8_OK;
    (void)cudaGetLastError();
    return i8i_fail(err, code == cudaErrorMemoryAllocation ? I8_ERR_NOMEM : I8_ERR_DEVICE,
                    "GPU %d: %s: %s", device, doing, cudaGetErrorString(code));
}
