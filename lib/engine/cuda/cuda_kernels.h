/* SPDX-License-Identifier: Apache-2.0
 *
 * Launchers of the CUDA kernels: plain C functions over device pointers. None of them
 * allocates or synchronises; the error is the launch's own.
 */
#ifndef I8I_ENGINE_CUDA_KERNELS_H
#define I8I_ENGINE_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* out (rows): the largest |x| of each row of x (rows, cols), row-major fp32. NaN does
 * not enter. cols 0 gives 0. */
cudaError_t i8i_cuda_row_absmax(float *out, const float *x, size_t rows, size_t cols,
                                cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
