// The normal equations of a least-squares fit y ~ [features 1], accumulated over calls in double:
//   gram  f64 [(f+1), (f+1)] += sum over pixels of [a 1]^T [a 1]
//   cross f64 [(f+1), c]     += sum over pixels of [a 1]^T y
// features [n,h,w,f], y [n,h,w,c], pixel_mask [n,h,w,1] optional. Row-major; the constant is the last feature.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_NORMAL_EQUATIONS(OP, OP_WITH_WORKSPACE)                                      \
  OP_WITH_WORKSPACE(normal_equations, (Numbers features, Numbers y), Numbers features, Numbers y, \
                    MaybeNumbers pixel_mask, Doubles gram, Doubles cross)

namespace bandlift {

inline void check_normal_equations(const Checker& c) {
  const Tensor& features = c.t(0);
  c.pixels_like(1, 0);
  c.shape(2, features.n, features.h, features.w, 1);
  c.count(3, {features.c + 1, features.c + 1});
  c.count(4, {features.c + 1, c.t(1).c});
}

}  // namespace bandlift
