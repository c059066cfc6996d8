// Register-blocked matrix product, the inner loop of every convolution.
//
//   C[r, j] (+)= sum over k < depth of A(r, k) * B[k, j],    r < rows, j < kPanel (or kLanes)
//
// A tile of C stays in registers: kTileRows x 2 vectors. Per k it costs 2 vector loads of B and kTileRows scalar
// broadcasts of A for 2 kTileRows multiply-adds, so that A may come from L2 while B's panel stays in L1.
// A is read as A(r, k) = a[r * a_stride + k] (RowsOfA::strided: pixels x channels) or a[k * a_stride + r]
// (RowsOfA::contiguous: the transposed product of weight gradients). The order of k is the order of summation whatever
// the number of rows, so results do not depend on how rows are grouped. An accumulated C is added after the sum, not
// before: the terms of a block are rounded on the scale of the block, which matters over millions of pixels.
#pragma once
#include "cpu/simd.h"

namespace bandlift::BANDLIFT_ISA {

inline constexpr int kPanel = 2 * kLanes;  // columns of one tile
#if defined(__AVX512F__)
inline constexpr int kTileRows = 14;  // 28 accumulators + 2 of B + 1 broadcast of 32 registers
#else
inline constexpr int kTileRows = 6;  // 12 accumulators + 2 + 1 of 16
#endif

enum class RowsOfA { strided, contiguous };

template <RowsOfA kRows, int R, int V>
void gemm_tile(int64_t depth, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* c,
               int64_t c_stride, bool accumulate) {
  vfloat sum[R][V] = {};
  for (int64_t k = 0; k < depth; ++k) {
    vfloat column[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) column[v] = load(b + k * b_stride + v * kLanes);
#pragma GCC unroll 14
    for (int r = 0; r < R; ++r) {
      const float scale = kRows == RowsOfA::strided ? a[r * a_stride + k] : a[k * a_stride + r];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] += scale * column[v];
    }
  }
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      float* to = c + r * c_stride + v * kLanes;
      store(to, accumulate ? load(to) + sum[r][v] : sum[r][v]);
    }
  }
}

// The last rows: picks the tile of exactly `rows` rows, 1 <= rows <= R.
template <RowsOfA kRows, int R, int V>
void gemm_rest(int64_t rows, int64_t depth, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
               float* c, int64_t c_stride, bool accumulate) {
  if constexpr (R > 1) {
    if (rows < R) return gemm_rest<kRows, R - 1, V>(rows, depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
  }
  gemm_tile<kRows, R, V>(depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
}

template <RowsOfA kRows, int V>
void gemm_columns(int64_t rows, int64_t depth, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                  float* c, int64_t c_stride, bool accumulate) {
  const int64_t row_step = kRows == RowsOfA::strided ? a_stride : 1;
  for (; rows >= kTileRows; rows -= kTileRows) {
    gemm_tile<kRows, kTileRows, V>(depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
    a += kTileRows * row_step;
    c += kTileRows * c_stride;
  }
  if (rows > 0) gemm_rest<kRows, kTileRows - 1, V>(rows, depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
}

// One panel of C: `columns` <= kPanel of it matter; B and C are read and written in whole vectors (1 or 2).
template <RowsOfA kRows>
void gemm_panel(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t a_stride, const float* b,
                int64_t b_stride, float* c, int64_t c_stride, bool accumulate) {
  if (columns > kLanes)
    gemm_columns<kRows, 2>(rows, depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
  else
    gemm_columns<kRows, 1>(rows, depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
}

}  // namespace bandlift::BANDLIFT_ISA
