// The features of a quadratic regression: y = [x_0 .. x_{c-1}, x_i x_j for i <= j], row by row of the triangle.
// x [n,h,w,c] -> y [n,h,w, c + c (c + 1) / 2]. Backward needs x: dx_i = dy_i + sum_j dy_{ij} x_j (twice for i = j).
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_QUADRATIC_FEATURES(OP, OP_WITH_WORKSPACE) \
  OP(quadratic_features_forward, Image x, Image y)             \
  OP(quadratic_features_backward, Image dy, Image x, Image dx)

namespace bandlift {

constexpr int64_t quadratic_feature_count(int64_t c) {
  return c + c * (c + 1) / 2;
}

inline void check_quadratic_features_forward(const Checker& c) {
  const Tensor& x = c.t(0);
  c.shape(1, x.n, x.h, x.w, quadratic_feature_count(x.c));
}

inline void check_quadratic_features_backward(const Checker& c) {
  const Tensor& x = c.t(1);
  c.shape(0, x.n, x.h, x.w, quadratic_feature_count(x.c));
  c.like(2, 1);
}

}  // namespace bandlift
