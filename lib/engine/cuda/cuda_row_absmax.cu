/* SPDX-License-Identifier: Apache-2.0
 *
 * Row absmax: one block a row, strided loads that coalesce, then a tree over warps.
 * The maximum is the same in every order, so the result is exact.
 */
#include "engine/cuda/cuda_kernels.h"

#include <climits>

// ---- kernels ----

static constexpr int WARP = 32;
static constexpr int THREADS = 256; // 8 warps: enough to hide a row's loads

static __device__ float warp_max(float v)
{
    for (int step = WARP / 2; step > 0; step /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, step));
    return v;
}

// x is (rows, cols); out is (rows); gridDim.x == rows
static __global__ void row_absmax(float *out, const float *x, size_t cols)
{
    __shared__ float of_warp[THREADS / WARP];
    const float *row = x + blockIdx.x * cols;
    float most = 0.0f;
    for (size_t i = threadIdx.x; i < cols; i += THREADS)
        most = fmaxf(most, fabsf(row[i]));
    most = warp_max(most);
    if (threadIdx.x % WARP == 0)
        of_warp[threadIdx.x / WARP] = most;
    __syncthreads();
    if (threadIdx.x < WARP) {
        most = warp_max(threadIdx.x < THREADS / WARP ? of_warp[threadIdx.x] : 0.0f);
        if (threadIdx.x == 0)
            out[blockIdx.x] = most;
    }
}

// ---- launchers ----

extern "C" cudaError_t i8i_cuda_row_absmax(float *out, const float *x, size_t rows,
                                           size_t cols, cudaStream_t stream)
{
    if (rows == 0)
        return cudaSuccess; // a grid of 0 blocks is an invalid launch
    if (rows > INT_MAX)
        return cudaErrorInvalidValue; // the grid's own limit
    row_absmax<<<(unsigned)rows, THREADS, 0, stream>>>(out, x, cols);
    return cudaGetLastError();
}
