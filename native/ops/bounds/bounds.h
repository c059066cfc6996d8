// Bounds from the neighbourhood of a coarse image, and clamping a finer image between them.
//
// neighbourhood_bounds: over the (2 radius + 1)^2 pixels around each pixel that lie in the image, least m and greatest
// M:
//   low  = max(m - margin (M - m), min(floor, m + 2^-20 |floor|)),   high = M + margin (M - m)
//   x, low, high [n, h, w, c], floor f32 [1, 1, 1, c]. Where nothing around is below the floor, low is at least the
//   floor; where something is, low is at least that. The term 2^-20 |floor| lets a value that is the floor but for
//   rounding pass.
// clamp_forward: y = min(max(x, low[cell]), high[cell]);  x, y [n, H, W, c], low and high [n, h, w, c]
//   rows, columns f32 [1, 1, H, 2], [1, 1, W, 2]: the coarse row or column of each fine one (as a whole number), and 1:
//   tables of resample with one tap.
// clamp_backward: dx = dy where low < y < high, else 0 (from the output; the bounds are constants of the step)
// count_clamped: counts f32 [n, H, W, 1]: channels of y that lie on a bound, where the bounds differ
// In place: y may be x, dx may be dy. All three throw Error(shape) before they write when a table points outside of low.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_BOUNDS(OP, OP_WITH_WORKSPACE)                                                      \
  OP(neighbourhood_bounds, BoundsParams p, Image x, Numbers floor, Image low, Image high)               \
  OP(clamp_forward, Image x, Image low, Image high, Numbers rows, Numbers columns, Image y)             \
  OP(clamp_backward, Image y, Image low, Image high, Numbers rows, Numbers columns, Image dy, Image dx) \
  OP(count_clamped, Image y, Image low, Image high, Numbers rows, Numbers columns, Image counts)

namespace bandlift {

// Neighbours up to `radius` pixels away count, and their range is widened by `margin` times itself on either side.
struct BoundsParams {
  int radius = 1;
  float margin = 0;

  static constexpr int kCount = 2;
  static BoundsParams from(const double* p) { return {static_cast<int>(p[0]), static_cast<float>(p[1])}; }
};

inline void check_neighbourhood_bounds(const Checker& c) {
  c.integer(0, 0, 1023, "radius");
  c.not_negative(1, "margin");
  c.count(1, {c.t(0).c});
  c.like(2, 0);
  c.like(3, 0);
}

// A coarse row and column for each of the fine image's; low (operand 1) and high alike, with the fine image's channels.
inline void check_clamp(const Checker& c) {
  const Tensor &fine = c.t(0), &low = c.t(1);
  c.shape(1, fine.n, low.h, low.w, fine.c);
  c.like(2, 1);
  c.shape(3, 1, 1, fine.h, 2);
  c.shape(4, 1, 1, fine.w, 2);
}

inline void check_clamp_forward(const Checker& c) {
  check_clamp(c);
  c.like(5, 0);
}

inline void check_clamp_backward(const Checker& c) {
  check_clamp(c);
  c.like(5, 0);
  c.like(6, 0);
}

inline void check_count_clamped(const Checker& c) {
  check_clamp(c);
  c.shape(5, c.t(0).n, c.t(0).h, c.t(0).w, 1);
}

}  // namespace bandlift
