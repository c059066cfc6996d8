// Linear mixing of endmember spectra with abundances that are positive and sum to one.
//
//   abundances = softmax over k of logits                         logits, abundances [n,h,w,k]
//   y[c]       = sum_k abundances[k] * endmembers[k, c]           endmembers flat [k, c], y [n,h,w,c]
// Backward (needs the abundances):
//   da[k]            = sum_c dy[c] endmembers[k, c]
//   dlogits[k]       = a[k] (da[k] - sum_j a[j] da[j])
//   dendmembers[k,c] += sum over pixels of a[k] dy[c]
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_SOFTMAX_MIXING(OP, OP_WITH_WORKSPACE)                                             \
  OP(softmax_mixing_forward, Image logits, Numbers endmembers, Image abundances, Image y)              \
  OP_WITH_WORKSPACE(softmax_mixing_backward, (Image dy, Image abundances), Image dy, Image abundances, \
                    Numbers endmembers, Image dlogits, Numbers dendmembers)

namespace bandlift {

inline void check_softmax_mixing_forward(const Checker& c) {
  c.count(1, {c.t(0).c, c.t(3).c});
  c.like(2, 0);
  c.pixels_like(3, 0);
}

inline void check_softmax_mixing_backward(const Checker& c) {
  c.pixels_like(1, 0);
  c.count(2, {c.t(1).c, c.t(0).c});
  c.like(3, 1);
  c.count(4, {c.t(1).c, c.t(0).c});
}

}  // namespace bandlift
