// Spectral (band) attention and channel attention: every band of a sample is scaled by a gate computed from its mean.
//
// global_mean_forward   y[n,c] = mean over h, w of x[n,h,w,c]            x [n,h,w,c], y [n,1,1,c]
// global_mean_backward  dx = dy / (h w)
// gate_forward          y = x * gate (+ residual)                        gate [n,1,1,c]
// gate_backward_gate    dgate[n,c] = sum over pixels of dy * x
// gate_backward_input   dx = (dy * gate + dmean / (h w)) * (mask > 0)    dmean [n,1,1,c]: gradient that reached the mean
//
// residual, dmean and mask are optional; dx may be dy. The residual's gradient is dy itself. The two small fully connected
// layers between mean and gate are 1x1 convolutions.
//
// Backward needs x and the gate; sums over pixels are taken in blocks of rows whose partial sums are added in order, in
// double, so that they depend neither on the number of threads nor on the size of the image.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_SPECTRAL_ATTENTION(OP, OP_WITH_WORKSPACE)          \
  OP(global_mean_forward, Image x, Numbers y)                           \
  OP(global_mean_backward, Numbers dy, Image dx)                        \
  OP(gate_forward, Image x, Numbers gate, MaybeImage residual, Image y) \
  OP(gate_backward_gate, Image dy, Image x, Numbers dgate)              \
  OP(gate_backward_input, Image dy, Numbers gate, MaybeNumbers dmean, MaybeImage mask, Image dx)

namespace bandlift {

inline void check_global_mean_forward(const Checker& c) {
  c.per_sample(1, 0);
}

inline void check_global_mean_backward(const Checker& c) {
  c.per_sample(0, 1);
}

inline void check_gate_forward(const Checker& c) {
  c.per_sample(1, 0);
  c.like(2, 0);
  c.like(3, 0);
}

inline void check_gate_backward_gate(const Checker& c) {
  c.like(1, 0);
  c.per_sample(2, 0);
}

inline void check_gate_backward_input(const Checker& c) {
  c.per_sample(1, 0);
  c.per_sample(2, 0);
  c.like(3, 0);
  c.like(4, 0);
}

}  // namespace bandlift
