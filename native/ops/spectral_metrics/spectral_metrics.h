// Sums for the metrics of an evaluation, in physical units: p = pred * scale[k] + offset[k]; target is physical
// already.
//
// sums f64 [6 + 5 c]: [0] sum of spectral angles (radians), [1] pixels in it, [2] valid pixels left out because a norm
// is zero, [3] valid pixels, [4], [5] unused; then c numbers each: sum (p-t)^2, sum |p-t|, sum t, sum t^2, max t. Angle
// = acos of the cosine clamped to [-1, 1], in double, over all bands. pixel_mask [n,h,w,1] optional.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_SPECTRAL_METRICS(OP, OP_WITH_WORKSPACE)                                             \
  OP_WITH_WORKSPACE(spectral_metrics, (Image pred), Image pred, Numbers target, MaybeNumbers pixel_mask, \
                    Numbers scale, Numbers offset, Doubles sums)

namespace bandlift {

inline void check_spectral_metrics(const Checker& c) {
  const Tensor& pred = c.t(0);
  c.like(1, 0);
  c.shape(2, pred.n, pred.h, pred.w, 1);
  c.count(3, {pred.c});
  c.count(4, {pred.c});
  c.count(5, {6 + 5 * pred.c});
}

}  // namespace bandlift
