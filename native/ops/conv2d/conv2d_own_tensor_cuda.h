// What our kernels on tensor cores share. Included by .cu files only.
#pragma once
#include <mma.h>

#include <type_traits>

#include "ops/conv2d/conv2d_own_cuda.h"

namespace bandlift::cuda {

// Tensor cores multiply f16 from compute capability 7.0 on, bf16 from 8.0 on: elsewhere its fragments do not exist.
// Blocks that share a multiprocessor, by the width of their tile: Volta's fragments of A and B hold everything twice,
// so that two blocks of the widest would run out of registers.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
template <typename T>
inline constexpr bool kOnTensorCores = std::is_same_v<T, __half>;
constexpr int blocks_together(int width) {
  return width == 128 ? 1 : 2;
}
#else
template <typename T>
inline constexpr bool kOnTensorCores = true;
constexpr int blocks_together(int) {
  return 2;
}
#endif

inline constexpr int kTensorThreads = 256, kTensorWarps = kTensorThreads / kWarp;

constexpr int most(int a, int b) {
  return a > b ? a : b;
}

// Shared memory in which a warp lays out 16 rows x 32 columns of its sums, rows kStageStep apart.
inline constexpr int kStageStep = 36, kStageFloats = 16 * kStageStep;
inline constexpr int kStageBytes = kTensorWarps * kStageFloats * static_cast<int>(sizeof(float));

// body(row, column, 8 numbers) for a warp's 16 x 32 sums: how a fragment lies in registers is known to the hardware
// alone, and rows are stored 64 bytes at a time.
template <typename Fragment, typename Body>
__device__ __forceinline__ void staged(float* stage, const Fragment (&sums)[2], const Body& body) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  __syncwarp();  // the rows before may still be read
#pragma unroll
  for (int j = 0; j < 2; ++j)
    nvcuda::wmma::store_matrix_sync(stage + j * 16, sums[j], kStageStep, nvcuda::wmma::mem_row_major);
  __syncwarp();
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    const int row = j * 8 + lane / 4, column = lane % 4 * 8;
    const auto* numbers = reinterpret_cast<const Run<float, 4>*>(stage + row * kStageStep + column);
    const Run<float, 4> low = numbers[0], high = numbers[1];
    const float all[8] = {low.v[0], low.v[1], low.v[2], low.v[3], high.v[0], high.v[1], high.v[2], high.v[3]};
    body(row, column, all);
  }
}

}  // namespace bandlift::cuda
