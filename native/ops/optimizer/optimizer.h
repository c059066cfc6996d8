// The optimizer over flat vectors: one pass for the norm, one for the update.
//
// grad_norm: norm f64 [1] = |g|_2 / s, s = scalars[kLossScale] (0 means 1), so the norm of the unscaled gradient;
//            scalars[kGradScale] = min(1, max_norm / (norm + 1e-6)) / s as torch.nn.utils.clip_grad_norm_, 1 / s
//            without clipping, 0 when the norm, or the total of loss_terms where they are given, is not finite.
// adam (Kingma & Ba 2015, as torch.optim.Adam computes it), with g' = g * grad_scale:
//   m = b1 m + (1 - b1) g',  v = b2 v + (1 - b2) g'^2
//   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//   ema = decay ema + (1 - decay) p          (optional)
// With grad_scale 0 nothing is touched: a step whose gradient is not finite leaves the parameters as they were.
#pragma once
#include "ops/spectral_loss/spectral_loss.h"
#include "program/checker.h"

#define BANDLIFT_OPS_OPTIMIZER(OP, OP_WITH_WORKSPACE)                                                          \
  OP_WITH_WORKSPACE(grad_norm, (Numbers g), Numbers g, MaybeDoubles loss_terms, Doubles norm, Numbers scalars) \
  OP(adam, AdamParams p, Numbers g, Numbers scalars, Numbers param, Numbers m, Numbers v, MaybeNumbers ema)

namespace bandlift {

struct AdamParams {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // double: 1 - beta2 must not lose digits

  static constexpr int kCount = 3;
  static AdamParams from(const double* p) { return {p[0], p[1], p[2]}; }
};

// What changes from step to step lives in a small device buffer (f32), so that a captured step can be replayed.
enum ScalarSlot : int {
  kLearningRate = 0,
  kBiasCorrection1 = 1,  // 1 - beta1^t
  kBiasCorrection2 = 2,  // 1 - beta2^t
  kEmaDecay = 3,         // 0: ema becomes a copy
  kMaxNorm = 4,          // gradient clipping; 0 = no clipping
  kGradScale = 5,        // written by grad_norm: what adam multiplies g by; 0: it skips
  kLossScale = 6,        // what spectral_loss multiplied dpred by, hence g holds; 0 means 1
  kScalarCount = 8
};

inline void check_grad_norm(const Checker& c) {
  c.count(0, {c.t(0).elements()});
  c.count(1, {kLossTermCount});
  c.count(2, {1});
  c.count(3, {kScalarCount});
}

inline void check_adam(const Checker& c) {
  c.count(0, {c.t(0).elements()});
  c.count(1, {kScalarCount});
  for (int k = 2; k <= 5; ++k) c.count(k, {c.t(0).elements()});
}

}  // namespace bandlift
