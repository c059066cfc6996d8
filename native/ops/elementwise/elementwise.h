// activation, add, fill: one pass, memory-bound.
//
// activation_forward:  relu max(x, 0); sigmoid 1 / (1 + exp(-x)); softplus log(1 + exp(x))
//   as max(x, 0) + log(1 + exp(-|x|)); conv2d applies the same, so a fused activation has the same bits
// activation_backward: from the output y alone, so that the input need not be kept:
//   relu     dx = dy * (y > 0)
//   sigmoid  dx = dy * y (1 - y)
//   softplus dx = dy * (1 - exp(-y))        since d/dx log(1 + e^x) = 1 - 1 / (1 + e^x) = 1 - e^-y
// add: y = a + b. fill: y = value. All tensors have the same shape; pitches may differ.
// In place: y may be x, dx may be dy, a sum may be either operand.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_ELEMENTWISE(OP, OP_WITH_WORKSPACE)                 \
  OP(activation_forward, Activation kind, Image x, Image y)             \
  OP(activation_backward, Activation kind, Image y, Image dy, Image dx) \
  OP(add, Image a, Image b, Image y)                                    \
  OP(fill, float value, AnyNumbers y)

namespace bandlift {

enum class Activation : int { none = 0, relu = 1, sigmoid = 2, softplus = 3 };
inline constexpr int kActivationCount = 4;

template <>
struct Parameters<Activation> {
  static constexpr int kCount = 1;
  static Activation from(const double* p) { return static_cast<Activation>(static_cast<int>(p[0])); }
};

inline void check_activation_forward(const Checker& c) {
  c.integer(0, 0, kActivationCount - 1, "activation");
  c.like(1, 0);
}

inline void check_activation_backward(const Checker& c) {
  c.integer(0, 0, kActivationCount - 1, "activation");
  c.like(1, 0);
  c.like(2, 0);
}

inline void check_add(const Checker& c) {
  c.like(1, 0);
  c.like(2, 0);
}

inline void check_fill(const Checker&) {}

}  // namespace bandlift
