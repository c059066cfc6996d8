// The training loss and its gradient in one pass over each pixel: L1, L2, spectral angle (SAM), spectral gradient.
//
// pred, target [n,h,w,c]; pixel_mask [n,h,w,1], band_mask [1,1,1,c] or [n,1,1,c] (one for each image) with 0 or 1,
// optional; valid_pixels f64 [1] = N, or f64 [2] = N, s.
// B = good bands, P = neighbouring pairs of good bands, d = p - t:
//   l1       = sum |d| / (N B)
//   l2       = sum d^2 / (N B)
//   sam      = sum acos( <p,t> / (|p||t| + 1e-8) ) / N                              radians
//   gradient = sum |d[k+1] - d[k]| / (N P)
//   with a band_mask for each image B and P are those of the pixel's image: the mean over pixels of the means over their
//   bands, so that a pixel counts the same whichever bands it has; an image without a band or pair adds 0 to that term
//   total    = weighted sum. Masked pixels and bands take no part, above or below the line.
// N is that of the whole batch, so that the terms of micro-batches add up.
//
// Spectral angle. acos has an infinite slope where its argument is 1, and float32 puts a third of the perfect pixels
// exactly there. With unit vectors u = p/|p|, v = t/|t| the same value is
//   1 - cos = |u - v|^2 / 2,   1 - cos' = (1 - cos) n / (n + eps) + eps / (n + eps),   n = |p||t|,
//   angle   = 2 asin( sqrt((1 - cos') / 2) )            (from |u + v| when the angle is obtuse)
// without cancellation (W. Kahan, "How futile are mindless assessments of roundoff", section 12, gives the idea).
// Its gradient  d angle / dp = - |t| / (n + eps) / sin(angle) * (v - cos u)  is bounded by 1/|p| since |v - cos u| =
// sin, and zero at equality. The sine below the line is sqrt(sin^2 + 1e-12): for parallel spectra of different length
// v - cos u is rounding noise, and 1 / sin must not blow it up. (The part along u that eps alone causes, below 1e-4 /
// |p|, is left out.) Where |p| or |t| is 0 (below 1e-18) the value is acos(0) = pi/2, as the formula says, and the
// gradient of this term is zero.
//
// dpred (optional, may be pred itself) = s d total / d pred (s = 1 where it is not given), 0 where masked; the
// derivative of |x| at 0 is 0. terms f64 [kLossTermCount]; kLossFirstBad = flat index of the first prediction that is
// not finite, or -1.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_SPECTRAL_LOSS(OP, OP_WITH_WORKSPACE)                                                 \
  OP_WITH_WORKSPACE(spectral_loss, (Image pred), SpectralLossParams p, Image pred, Numbers target,        \
                    MaybeNumbers pixel_mask, MaybeNumbers band_mask, Doubles valid_pixels, Doubles terms, \
                    MaybeImage dpred)

namespace bandlift {

struct SpectralLossParams {
  float l1 = 0, l2 = 0, sam = 0, gradient = 0;

  static constexpr int kCount = 4;
  static SpectralLossParams from(const double* p) {
    return {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), static_cast<float>(p[3])};
  }
};

// f64 outputs of spectral_loss, written for this call (not accumulated). Means are over the whole batch's valid
// pixels (`valid_pixels` operand), so the terms of micro-batches add up to the batch's.
enum LossTerm : int { kLossTotal = 0, kLossL1, kLossL2, kLossSam, kLossGradient, kLossFirstBad, kLossTermCount };

inline void check_spectral_loss(const Checker& c) {
  const Tensor& pred = c.t(0);
  c.like(1, 0);
  c.shape(2, pred.n, pred.h, pred.w, 1);
  if (c.t(3).n == 1)
    c.count(3, {pred.c});
  else
    c.shape(3, pred.n, 1, 1, pred.c);
  c.count(4, {c.t(4).c == 2 ? 2 : 1});
  c.count(5, {kLossTermCount});
  c.like(6, 0);
}

}  // namespace bandlift
