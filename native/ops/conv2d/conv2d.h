// conv2d: the 2-D convolution (cross-correlation) of every network here, odd kernel kh x kw, stride 1, zero padding.
//
// Shapes: x [n, h, w, ci], y and dy [n, h, w, co], w flat [co, ci, kh, kw] (PyTorch's order), b [co].
// With dy' = ky - kh/2, dx' = kx - kw/2 and x = 0 outside of the image:
//
//   forward:   y[n, i, j, o]     = act( sum over c, ky, kx of x[n, i + dy', j + dx', c] w[o, c, ky, kx]
//                                       + b[o] + residual[n, i, j, o] )
//   data:      dx[n, i, j, c]    = ( sum over o, ky, kx of dy[n, i - dy', j - dx', o] w[o, c, ky, kx]
//                                    + add[n, i, j, c] ) * (mask[n, i, j, c] > 0)
//   weights:   dw[o, c, ky, kx] += sum over n, i, j of dy[n, i, j, o] x[n, i + dy', j + dx', c]
//              db[o]            += sum over n, i, j of dy[n, i, j, o]
//
// b, residual, add, mask and db may be absent; y may be the residual and dx the add (in place).
//
// Pixel shuffle (torch.nn.PixelShuffle) is a way to store y: with r = shuffle, y and dy are [n, r h, r w, co / r^2],
// and channel c r^2 + u r + v of pixel (i, j) above lies at channel c of pixel (i r + u, j r + v). Inside, the co
// channels are ordered by (u, v, c), so that neighbours stay neighbours in memory; weights, bias and their gradients
// keep PyTorch's order outside.
//
// `dy` is the gradient before the activation: the mask of the next operator's backward_data, or activation_backward,
// has already been applied. A 1-D convolution along the raster is the same on a [n, 1, h w, c] view (1 x 3), one along
// the wavelength axis on a [n, h w, c, 1] view.
//
// Algorithms on the CPU (choice: conv2d_cpu.h):
// - direct: implicit matrix product over a zero-padded strip of the input; any kernel, any channels;
// - Winograd F(4, 3) along x for 1 x 3, along both axes for 3 x 3, unless channels or pixels are few: 2 and 4 times
//   fewer multiplications than direct, for all three passes (winograd.h).
#pragma once
#include "ops/elementwise/elementwise.h"
#include "program/checker.h"

#define BANDLIFT_OPS_CONV2D(OP, OP_WITH_WORKSPACE)                                                                   \
  OP_WITH_WORKSPACE(conv2d_forward, (Conv2dParams p, Image x, Image y), Conv2dParams p, Image x, Numbers w,          \
                    MaybeNumbers b, MaybeImage residual, Image y)                                                    \
  OP_WITH_WORKSPACE(conv2d_backward_data, (Conv2dParams p, Image dy, Image dx), Conv2dParams p, Image dy, Numbers w, \
                    MaybeImage add, MaybeImage mask, Image dx)                                                       \
  OP_WITH_WORKSPACE(conv2d_backward_weights, (Conv2dParams p, Image x, Image dy), Conv2dParams p, Image x, Image dy, \
                    Numbers dw, MaybeNumbers db)

namespace bandlift {

// Odd kernel kh x kw, stride 1, zero padding k/2: output has the input's h and w. With shuffle r > 1 it is stored by
// torch.nn.PixelShuffle(r): channel c r^2 + dy r + dx of pixel (i, j) goes to channel c of pixel (i r + dy, j r + dx).
struct Conv2dParams {
  int kh = 1, kw = 1;
  Activation activation = Activation::none;
  int shuffle = 1;
  bool exact = false;  // f32 operands are not rounded, whatever the device may do elsewhere (tf32)

  static constexpr int kCount = 5;
  static Conv2dParams from(const double* p) {
    return {static_cast<int>(p[0]), static_cast<int>(p[1]), Parameters<Activation>::from(p + 2), static_cast<int>(p[3]),
            p[4] != 0};
  }
};

// x and dx have one pixel where y and dy, shuffled, have r x r. Returns the number of y's channels before the shuffle.
inline int64_t check_convolution(const Checker& c, int x, int y) {
  c.odd(0, "kernel height");
  c.odd(1, "kernel width");
  c.integer(2, 0, kActivationCount - 1, "activation");
  c.integer(3, 1, 64, "shuffle");
  c.integer(4, 0, 1, "exact");
  const int64_t r = c.param(3);
  c.shape(y, c.t(x).n, c.t(x).h * r, c.t(x).w * r, c.t(y).c);
  return c.t(y).c * r * r;
}

inline void check_conv2d_forward(const Checker& c) {
  const int64_t channels = check_convolution(c, 0, 4);
  c.count(1, {channels, c.t(0).c, c.param(0), c.param(1)});
  c.count(2, {channels});
  c.like(3, 4);
  c.expect(c.param(3) == 1 || !c.present(3), "residual must be null when the output is shuffled");
}

inline void check_conv2d_backward_data(const Checker& c) {
  const int64_t channels = check_convolution(c, 4, 0);
  c.count(1, {channels, c.t(4).c, c.param(0), c.param(1)});
  c.like(2, 4);
  c.like(3, 4);
}

inline void check_conv2d_backward_weights(const Checker& c) {
  const int64_t channels = check_convolution(c, 0, 1);
  c.count(2, {channels, c.t(0).c, c.param(0), c.param(1)});
  c.count(3, {channels});
}

}  // namespace bandlift
