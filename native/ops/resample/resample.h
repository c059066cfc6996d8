// resample: separable linear resampling of images with given sparse tables, and its gradient.
//
//   y[n, Y, X, c] = residual[n, Y, X, c]
//                 + sum over i, j of rows_w[Y][i] columns_w[X][j] x[n, rows_start[Y] + i, columns_start[X] + j, c]
//
// Shapes: x [n, h, w, c], y and residual [n, outH, outW, c] (residual may be absent, or y itself), rows f32 [1, 1, outH, 1 + taps] (first input row as a
// whole number, then the weights), columns f32 [1, 1, outW, 1 + taps] likewise; the numbers of taps may differ. Every
// window lies inside of x; weights of zero are skipped, so what lies below them does not matter, not even a NaN.
//
// The operator is linear: the gradient with respect to x is the same instruction on dy with both tables transposed
// (src/resample/taps.ts makes and transposes them). Bicubic interpolation has 4 taps, the sensor's point spread
// function about 30, and transposing exchanges few and many where the sizes differ much.
//
// Order on the CPU: many taps along the height shrink the image, so the columns come first, row after row of x, each
// added to the output rows that see it; few taps: output row after output row, first along the height, then the width.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_RESAMPLE(OP, OP_WITH_WORKSPACE)                                                    \
  OP_WITH_WORKSPACE(resample, (Image x, Numbers rows, Image y), Image x, Numbers rows, Numbers columns, \
                    MaybeImage residual, Image y)

namespace bandlift {

// Start and weights of every output row or column.
inline void check_taps(const Checker& c, int table, int64_t outputs, int64_t inputs) {
  const int64_t numbers = c.t(table).c;
  c.shape(table, 1, 1, outputs, numbers < 2 ? 2 : numbers > inputs + 1 ? inputs + 1 : numbers);
}

inline void check_resample(const Checker& c) {
  const Tensor &x = c.t(0), &y = c.t(4);
  check_taps(c, 1, y.h, x.h);
  check_taps(c, 2, y.w, x.w);
  c.shape(4, x.n, y.h, y.w, x.c);
  c.like(3, 4);
}

}  // namespace bandlift

namespace bandlift {

// Throws Error(shape) when a window of `table` (rows or columns) is not inside of [0, inputs). `name` is for the
// message.
void check_resample_table(const Tensor& table, int64_t inputs, const char* name);

}  // namespace bandlift
