// gather_patches: a batch out of patches that the device holds, each turned as augmentation asks.
//
//   y[i, Y, X, c] = source[places[i][column], row, column of the turned pixel, c]
//
// Shapes: source f32 [N, h, w, c], y [n, h, w, c], places f64 [1, 1, n, 3]: for each patch of the batch its place among
// the held inputs (column 0), among the held targets and their masks (column 1), and its turn 0..7 (column 2). Whole
// numbers; a step therefore moves 24 bytes for each patch instead of the patch.
//
// Turns as src/data/assemble.ts defines them: (turn & 3) quarter turns counter-clockwise (numpy.rot90) after a mirror
// left to right where turn & 4; odd turns need h == w. Numbers are moved as they are, so that a held data set trains to
// the same bits as a streamed one.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_GATHER_PATCHES(OP, OP_WITH_WORKSPACE) \
  OP(gather_patches, GatherPatchesParams p, Numbers source, Doubles places, Image y)

namespace bandlift {

struct GatherPatchesParams {
  int column = 0;  // of `places`: 0 input, 1 target

  static constexpr int kCount = 1;
  static GatherPatchesParams from(const double* p) { return {static_cast<int>(p[0])}; }
};

inline void check_gather_patches(const Checker& c) {
  const Tensor &source = c.t(0), &y = c.t(2);
  c.integer(0, 0, 1, "column");
  c.shape(0, source.n, y.h, y.w, y.c);
  c.shape(1, 1, 1, y.n, 3);
}

}  // namespace bandlift

namespace bandlift {

// Throws Error(shape) when a place is not one of `patches`, or a turn is none for such patches.
void check_patch_places(const Tensor& places, int column, int64_t patches, bool square);

#ifdef __CUDACC__
#define BANDLIFT_BOTH __host__ __device__
#else
#define BANDLIFT_BOTH
#endif

// Where pixel (y, x) of a turned patch of h x w pixels comes from. Static: it is compiled for each instruction set.
struct TurnedPixel {
  int64_t row, column;
};
BANDLIFT_BOTH static inline TurnedPixel turned_from(int turn, int64_t y, int64_t x, int64_t h, int64_t w) {
  TurnedPixel p = {y, x};
  if ((turn & 3) == 1) p = {x, w - 1 - y};
  if ((turn & 3) == 2) p = {h - 1 - y, w - 1 - x};
  if ((turn & 3) == 3) p = {h - 1 - x, y};
  if (turn & 4) p.column = w - 1 - p.column;
  return p;
}

}  // namespace bandlift
