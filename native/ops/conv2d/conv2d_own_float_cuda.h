// What our kernels without tensor cores share: products of shared-memory tiles, each thread a small rectangle of the
// result. Included by .cu files only.
#pragma once
#include "ops/conv2d/conv2d_own_cuda.h"

namespace bandlift::cuda {

inline constexpr int kFloatThreads = 256;
inline constexpr int kFloatDepth = 16;  // terms of the sums in shared memory at a time
inline constexpr int kFloatColumns = 64;

// sums += a [kFloatDepth][kRows] transposed times b [kFloatDepth][kFloatColumns]: a thread owns kRows / 16 rows from
// `row` on and 4 columns from `column` on. Distances keep 16-byte reads aligned.
template <int kRows>
struct FloatTile {
  static constexpr int kOwnRows = kRows / 16, kOwnColumns = 4;
  static constexpr int kRowStep = kRows + 4, kColumnStep = kFloatColumns + 4;
  static constexpr int kLeft = kFloatDepth * kRowStep;
  static constexpr int kHalf = kLeft + kFloatDepth * kColumnStep;
  static constexpr int kBytes = 2 * kHalf * static_cast<int>(sizeof(float));
  float sums[kOwnRows][kOwnColumns] = {};

  __device__ __forceinline__ void multiply(const float* half, int row, int column) {
#pragma unroll
    for (int k = 0; k < kFloatDepth; ++k) {
      float a[kOwnRows];
#pragma unroll
      for (int i = 0; i < kOwnRows; i += 4) {
        const auto run = *reinterpret_cast<const Run<float, 4>*>(half + k * kRowStep + row + i);
#pragma unroll
        for (int l = 0; l < 4; ++l) a[i + l] = run.v[l];
      }
      const auto b = *reinterpret_cast<const Run<float, 4>*>(half + kLeft + k * kColumnStep + column);
#pragma unroll
      for (int i = 0; i < kOwnRows; ++i)
#pragma unroll
        for (int j = 0; j < kOwnColumns; ++j) sums[i][j] += a[i] * b.v[j];
    }
  }
};

// Numbers at once: 4 where all addresses and channels allow it.
inline bool moves_by_four(const ConvProblem& p, const ConvBuffers& b) {
  return p.type == DType::f32 && p.ci % 4 == 0 && p.co % 4 == 0 && aligned16(b.x) && aligned16(b.w) && aligned16(b.y);
}

}  // namespace bandlift::cuda
